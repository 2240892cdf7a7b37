//! Which certificates a trust store leads to, over TLS and by themselves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

mod support;

use mtls_gateway::certificate::Certificate;
use mtls_gateway::trust::{TrustStore, TrustStoreError, Untrusted};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SigningKey as _,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use support::{Client, Setup, now};
use time::Duration;

struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = now() - Duration::days(1);
    params.not_after = now() + Duration::days(1);
    params
}

fn ca(name: &str, issuer: Option<&Ca>, change: impl FnOnce(&mut CertificateParams)) -> Ca {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let pem = match issuer {
        Some(ca) => params.signed_by(&key, &ca.issuer).unwrap().pem(),
        None => params.self_signed(&key).unwrap().pem(),
    };
    Ca { issuer: Issuer::new(params, key), pem }
}

fn leaf(issuer: &Ca, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
    let mut params = params("client");
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    Certificate::from_der(params.signed_by(&key, &issuer.issuer).unwrap().der()).unwrap()
}

fn store(cas: &[&Ca]) -> TrustStore {
    let pem: String = cas.iter().map(|ca| ca.pem.as_str()).collect();
    TrustStore::from_pem(pem.as_bytes()).unwrap()
}

#[test]
fn path_must_be_in_the_store_up_to_its_root() {
    let root = ca("root", None, |_| {});
    let issuing = ca("issuing", Some(&root), |_| {});
    let client = leaf(&issuing, |_| {});
    assert_eq!(store(&[&issuing, &root]).verify(&client, now()), Ok(()));
    assert_eq!(store(&[&issuing]).verify(&client, now()), Err(Untrusted::NoPath));
    assert_eq!(store(&[&root]).verify(&client, now()), Err(Untrusted::NoPath));
}

#[test]
fn path_holds_four_certificates_at_most() {
    let root = ca("root", None, |_| {});
    let second = ca("second", Some(&root), |_| {});
    let third = ca("third", Some(&second), |_| {});
    let fourth = ca("fourth", Some(&third), |_| {});
    let all = store(&[&root, &second, &third, &fourth]);
    assert_eq!(all.verify(&leaf(&third, |_| {}), now()), Ok(()));
    assert_eq!(all.verify(&leaf(&fourth, |_| {}), now()), Err(Untrusted::PathTooLong));
}

#[test]
fn issuer_of_the_same_name_with_another_key_is_none() {
    let (own, other) = (ca("root", None, |_| {}), ca("root", None, |_| {}));
    let client = leaf(&other, |_| {});
    assert_eq!(store(&[&own]).verify(&client, now()), Err(Untrusted::NoPath));
    assert_eq!(store(&[&other]).verify(&client, now()), Ok(()));
}

#[test]
fn issuer_must_be_allowed_to_issue_and_be_valid() {
    type Change = fn(&mut CertificateParams);
    let faults: [Change; 4] = [
        |params| params.is_ca = IsCa::ExplicitNoCa,
        |params| params.is_ca = IsCa::NoCa,
        |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature],
        |params| params.not_after = now() - Duration::hours(1),
    ];
    for (index, fault) in faults.into_iter().enumerate() {
        let root = ca("root", None, fault);
        let client = leaf(&root, |_| {});
        assert_eq!(store(&[&root]).verify(&client, now()), Err(Untrusted::NoPath), "{index}");
    }
    let root = ca("root", None, |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let below = ca("below", Some(&root), |_| {});
    let all = store(&[&root, &below]);
    assert_eq!(all.verify(&leaf(&root, |_| {}), now()), Ok(()));
    assert_eq!(all.verify(&leaf(&below, |_| {}), now()), Err(Untrusted::NoPath));
}

#[test]
fn validity_is_judged_to_the_second() {
    let root = ca("root", None, |params| {
        params.not_before = now() - Duration::days(9);
        params.not_after = now() + Duration::days(9);
    });
    let client = leaf(&root, |_| {});
    let store = store(&[&root]);
    let (first, last) = (now() - Duration::days(1), now() + Duration::days(1));
    assert_eq!(store.verify(&client, first), Ok(()));
    assert_eq!(store.verify(&client, first - Duration::SECOND), Err(Untrusted::NotYetValid));
    assert_eq!(store.verify(&client, last), Ok(()));
    assert_eq!(store.verify(&client, last + Duration::SECOND), Err(Untrusted::Expired));
}

#[test]
fn key_usages_of_the_client_are_left_to_the_authorizer() {
    let root = ca("root", None, |_| {});
    let server = leaf(&root, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    assert_eq!(store(&[&root]).verify(&server, now()), Ok(()));
}

#[test]
fn self_signed_client_gets_in_where_it_is_in_the_store_itself() {
    let own = ca("client", None, |_| {});
    let certificate = |ca: &Ca| {
        let der = <CertificateDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(
            ca.pem.as_bytes(),
        );
        Certificate::from_der(&der.unwrap()).unwrap()
    };
    assert_eq!(store(&[&own]).verify(&certificate(&own), now()), Ok(()));
    let other = ca("client", None, |_| {});
    assert_eq!(store(&[&own]).verify(&certificate(&other), now()), Err(Untrusted::NoPath));
}

#[test]
fn broken_trust_stores_are_refused() {
    let read = |pem: &str| TrustStore::from_pem(pem.as_bytes()).map(|_| ());
    assert_eq!(read(""), Err(TrustStoreError::Empty));
    assert_eq!(read("not PEM at all"), Err(TrustStoreError::Empty));
    let root = ca("root", None, |_| {}).pem;
    assert_eq!(read(&root), Ok(()));
    assert_eq!(read(&root.replace("END CERTIFICATE", "END")), Err(TrustStoreError::Pem));
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(read(&(root.clone() + nonsense)), Err(TrustStoreError::NoCertificate(2)));
    let again = ca("root", None, |_| {}).pem;
    assert_eq!(read(&(root + &again)), Err(TrustStoreError::SameSubject(1, 2)));
}

/// DER by hand: no library writes version 1 any more.
fn der(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let contents = contents.concat();
    let length = contents.len();
    let mut bytes = vec![tag];
    match length {
        0..=127 => bytes.push(u8::try_from(length).unwrap()),
        _ => {
            bytes.push(0x82);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes.extend(contents);
    bytes
}

fn name(common_name: &str) -> Vec<u8> {
    let value = der(0x0c, &[common_name.as_bytes()]);
    der(0x30, &[&der(0x31, &[&der(0x30, &[&[0x06, 0x03, 0x55, 0x04, 0x03], &value])])])
}

/// What `openssl x509 -req` without an extension file makes.
fn v1(subject: &str, key: &KeyPair, issuer: &str, issuer_key: &KeyPair) -> Vec<u8> {
    // ecdsa-with-SHA256
    let algorithm = der(0x30, &[&[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]]);
    let validity = der(0x30, &[&der(0x17, &[b"260101000000Z"]), &der(0x17, &[b"360101000000Z"])]);
    let tbs = der(
        0x30,
        &[
            &der(0x02, &[&[7]]),
            &algorithm,
            &name(issuer),
            &validity,
            &name(subject),
            &key.subject_public_key_info(),
        ],
    );
    let signature = issuer_key.sign(&tbs).unwrap();
    der(0x30, &[&tbs, &algorithm, &der(0x03, &[&[0], &signature])])
}

trait SubjectPublicKeyInfo {
    fn subject_public_key_info(&self) -> Vec<u8>;
}

impl SubjectPublicKeyInfo for KeyPair {
    fn subject_public_key_info(&self) -> Vec<u8> {
        rcgen::PublicKeyData::subject_public_key_info(self)
    }
}

fn pem(der: &[u8]) -> String {
    pem::encode(&pem::Pem::new("CERTIFICATE", der))
}

#[tokio::test(flavor = "multi_thread")]
async fn version_1_certificates_get_in_with_both_versions_of_tls() {
    let (root_key, client_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root = v1("old root", &root_key, "old root", &root_key);
    let client = v1("old client", &client_key, "old root", &root_key);
    let store = TrustStore::from_pem(pem(&root).as_bytes()).unwrap();
    let running = Setup::new("rest.yaml")
        .allowed(&["CN=old client"])
        .gateway(move |gateway| gateway.trust_store = store)
        .start()
        .await;
    for version in rustls::ALL_VERSIONS {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(client_key.serialize_der()));
        let own = Client::with(vec![CertificateDer::from(client.clone())], key).version(version);
        let mut connection = running.connect(&own).await.unwrap();
        let answer = connection.get("/orders/7", &[]).await.unwrap();
        assert_eq!(answer.seen("X-Client-Cert-Sub"), "CN=old client", "{version:?}");

        // Somebody else's certificate, without its key.
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(root_key.serialize_der()));
        let thief = Client::with(vec![CertificateDer::from(client.clone())], key).version(version);
        if let Ok(mut connection) = running.connect(&thief).await {
            assert!(connection.get("/orders/7", &[]).await.is_err(), "{version:?}");
        }
    }
    running.logged("the handshake failed").await;

    let thief_key = KeyPair::generate().unwrap();
    let forged = v1("old client", &client_key, "old root", &thief_key);
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(client_key.serialize_der()));
    let forger = Client::with(vec![CertificateDer::from(forged)], key);
    let mut connection = running.connect(&forger).await.unwrap();
    assert_eq!(connection.get("/orders/7", &[]).await.unwrap().status, 403);
}
