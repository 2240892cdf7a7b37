//! The DER of a certificate: read, compared with x509-parser's reading, then through the whole authorizer, where
//! a client takes every certificate.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mtls_authorizer::{
    answer::context::certificate_value, certificate::Certificate,
    policy::configuration::Forward,
};
use mtls_authorizer_fuzz::{Harness, event_with, pem};
use x509_parser::prelude::{FromDer, X509Certificate};

const CONFIGURATION: &str = r#"
[certificate]
min_rsa_bits = 1024
allow_sha1 = true
extended_key_usage = "any"

[forward]
include = [
  "clientCertSub", "clientCertSubBase64", "clientCertIssuer", "clientCertCommonName", "clientCertSerial",
  "clientCertFingerprint", "clientCertThumbprint", "clientCertNotBefore", "clientCertNotAfter",
  "clientCertSanDns", "clientCertSanUri", "clientCertSanEmail", "clientCertSanIp", "clientCert", "clientCertXfcc",
]

[[client]]
id = "named"
subject = { CN = { regex = "[a-z]+" } }
allow = ["* /orders/*"]

[[client]]
id = "anybody"
any = true
allow = ["*"]
"#;

thread_local!(static HARNESS: Harness = Harness::inline(CONFIGURATION));

fuzz_target!(|der: &[u8]| {
    if let Ok(certificate) = Certificate::parse(der) {
        assert_eq!(certificate.der(), der);
        for &key in Forward::ALL {
            let value = certificate_value(key, &certificate);
            assert!(value.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{}", key.key());
        }
        let again = Certificate::parse(certificate.der()).expect("the same bytes");
        assert_eq!(again.fingerprint(), certificate.fingerprint());
        compare(&certificate, der);
    }
    HARNESS.with(|harness| harness.check(&event_with(&pem(der))));
});

/// Two parsers that take the same bytes must read the same.
fn compare(ours: &Certificate, der: &[u8]) {
    let Ok((_, theirs)) = X509Certificate::from_der(der) else { return };
    assert_eq!(ours.serial_number().der_contents(), theirs.raw_serial());
    assert_eq!(ours.subject().der(), theirs.subject().as_raw());
    assert_eq!(ours.issuer().der(), theirs.issuer().as_raw());
    assert_eq!(ours.subject_public_key_info(), theirs.public_key().raw);
    assert_eq!(ours.tbs_der(), theirs.tbs_certificate.as_ref());
    assert_eq!(ours.signature(), theirs.signature_value.data.as_ref());
    assert_eq!(ours.is_ca(), theirs.is_ca());
    let validity = theirs.validity();
    assert_eq!(ours.validity().not_before.unix_seconds(), validity.not_before.timestamp());
    assert_eq!(ours.validity().not_after.unix_seconds(), validity.not_after.timestamp());
}
