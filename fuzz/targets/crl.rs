//! A revocation list, in DER or PEM: never genuine for another's key, and read as x509-parser reads it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mtls_authorizer::{
    certificate::Certificate,
    revocation::crl::{
        CrlStore, Document, Issuer, SerialHasher, Signed, Subject, Verdict, VerifySignature, parse,
    },
    signature::Strength,
};
use mtls_authorizer_fuzz::{NOW, sample};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

struct Anything;

impl VerifySignature for Anything {
    fn verify(&self, _: &[u8], _: &Signed<'_>) -> Result<(), String> {
        Ok(())
    }
}

thread_local!(static OTHER: Certificate =
    Certificate::parse(&sample("impostor-ca.pem")).expect("a certificate"));

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = Document::read(bytes.to_vec()) else { return };
    let hasher = SerialHasher::new();
    for der in document.lists() {
        let Ok((list, _)) = parse(der, &hasher) else { return };
        never_genuine(der, list.issuer());
        compare(der, list.issuer());
    }
});

/// No list is signed by a key that signs none.
fn never_genuine(der: &[u8], name: &[u8]) {
    OTHER.with(|other| {
        let issuer =
            Issuer { name, public_key: other.subject_public_key_info(), may_sign_crls: true };
        let strength = Strength { min_rsa_bits: 1024, allow_sha1: true };
        let mut store = CrlStore::new();
        if store.load("fuzzed", der.to_vec(), &[issuer], &strength, NOW).is_err() {
            return;
        }
        store.verify_for(&issuer, &strength, NOW);
        let subject = Subject { issuer: name, serial: &[1], is_ca: false, distribution_points: &[] };
        assert!(matches!(store.verdict(&subject, &issuer, NOW), Verdict::Unknown(..)));
    });
}

/// Whatever another parser finds in a list is not shown to be "not revoked".
fn compare(der: &[u8], name: &[u8]) {
    let Ok((_, theirs)) = CertificateRevocationList::from_der(der) else { return };
    let issuer = Issuer { name, public_key: &[], may_sign_crls: true };
    let mut store = CrlStore::new();
    let now = mtls_authorizer::timestamp::Timestamp::from_unix_seconds(
        theirs.last_update().timestamp(),
    );
    store.load("fuzzed", der.to_vec(), &[issuer], &Anything, now).expect("read before");
    store.verify_for(&issuer, &Anything, now);
    for entry in theirs.iter_revoked_certificates() {
        let subject = Subject {
            issuer: name,
            serial: entry.raw_serial(),
            is_ca: false,
            distribution_points: &[],
        };
        let verdict = store.verdict(&subject, &issuer, now);
        assert!(!matches!(verdict, Verdict::NotRevoked(_)), "a listed serial number");
    }
}
