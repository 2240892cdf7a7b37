//! The test PKI itself: what it composes is what OpenSSL and `x509-parser` take it for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use ring::signature::{self, UnparsedPublicKey};
use support::{openssl::openssl, pki::*};

#[test]
fn instants_become_times_of_the_right_type() {
    assert_eq!(instant(2026, 11, 21, 8, 0, 0), NOW);
    assert_eq!(instant(1970, 1, 1, 0, 0, 0), 0);
    for (seconds, tag, text) in [
        (NOW, 0x17, "261121080000Z"),
        (instant(1950, 1, 1, 0, 0, 0), 0x17, "500101000000Z"),
        (instant(1949, 12, 31, 23, 59, 59), 0x18, "19491231235959Z"),
        (instant(2049, 12, 31, 23, 59, 59), 0x17, "491231235959Z"),
        (instant(2050, 1, 1, 0, 0, 0), 0x18, "20500101000000Z"),
        (instant(2000, 2, 29, 12, 30, 1), 0x17, "000229123001Z"),
        (instant(9999, 12, 31, 23, 59, 59), 0x18, "99991231235959Z"),
    ] {
        assert_eq!(time(seconds), tlv(tag, text.as_bytes()), "{text}");
    }
}

#[test]
fn lengths_integers_and_bit_lists_are_minimal() {
    assert_eq!(tlv(0x04, &[0; 0x7f])[..2], [0x04, 0x7f]);
    assert_eq!(tlv(0x04, &[0; 0x80])[..3], [0x04, 0x81, 0x80]);
    assert_eq!(tlv(0x04, &[0; 0x100])[..4], [0x04, 0x82, 0x01, 0x00]);
    assert_eq!(number(0), [0x02, 0x01, 0x00]);
    assert_eq!(number(0x80), [0x02, 0x02, 0x00, 0x80]);
    assert_eq!(named_bits(&[]), [0x03, 0x01, 0x00]);
    assert_eq!(named_bits(&[0]), [0x03, 0x02, 0x07, 0x80]);
    assert_eq!(named_bits(&[5, 6]), [0x03, 0x02, 0x01, 0x06]);
    assert_eq!(named_bits(&[8]), [0x03, 0x03, 0x07, 0x00, 0x80]);
    assert_eq!(oid("2.5.29.37"), [0x06, 0x03, 0x55, 0x1d, 0x25]);
    assert_eq!(oid("1.2.840.113549")[2..], [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]);
}

#[test]
fn every_key_makes_signatures_that_ring_verifies() {
    let verify = |key: Key, algorithm: &'static dyn signature::VerificationAlgorithm| {
        let verified = UnparsedPublicKey::new(algorithm, key.public_key_bits())
            .verify(b"message", &key.sign(b"message"));
        assert!(verified.is_ok(), "{key:?}");
    };
    verify(Key::ed25519("orders"), &signature::ED25519);
    verify(Key::p256(), &signature::ECDSA_P256_SHA256_ASN1);
    verify(Key::p384(), &signature::ECDSA_P384_SHA384_ASN1);
    verify(Key::rsa_2048(), &signature::RSA_PKCS1_2048_8192_SHA256);
    verify(Key::rsa_1024(), &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY);
    let rsa = |scheme| Key::rsa_2048().with_scheme(scheme);
    verify(
        rsa(Scheme::RsaPkcs1(Hash::Sha1)),
        &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
    );
    verify(rsa(Scheme::RsaPkcs1(Hash::Sha384)), &signature::RSA_PKCS1_2048_8192_SHA384);
    verify(rsa(Scheme::RsaPkcs1(Hash::Sha512)), &signature::RSA_PKCS1_2048_8192_SHA512);
    verify(rsa(Scheme::RsaPss(Hash::Sha256)), &signature::RSA_PSS_2048_8192_SHA256);
    verify(rsa(Scheme::RsaPss(Hash::Sha384)), &signature::RSA_PSS_2048_8192_SHA384);
    verify(rsa(Scheme::RsaPss(Hash::Sha512)), &signature::RSA_PSS_2048_8192_SHA512);
}

#[test]
fn x509_parser_reads_what_was_written() {
    let root = Authority::root("Acme Root CA");
    let key = Key::p256();
    let der = root.issue(Certificate {
        serial_number: integer(&[0x03, 0xa5, 0xb1]),
        ..Certificate::leaf("orders", &key)
    });
    let (rest, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
    assert!(rest.is_empty());
    assert_eq!(certificate.subject().to_string(), "C=US, O=Acme, CN=orders");
    assert_eq!(certificate.issuer().to_string(), "C=US, O=Acme, CN=Acme Root CA");
    assert_eq!(certificate.raw_serial(), [0x03, 0xa5, 0xb1]);
    assert_eq!(certificate.validity().not_after.timestamp(), NOW + YEAR);
    assert_eq!(certificate.public_key().raw, key.public_key());
    assert!(certificate.extended_key_usage().unwrap().unwrap().value.client_auth);
    assert!(!certificate.is_ca());
}

#[test]
fn an_extension_can_be_made_critical_and_be_taken_out() {
    assert_eq!(made_critical(&extension("1.2.3", &null())), critical("1.2.3", &null()));
    let long = vec![0; 300];
    assert_eq!(made_critical(&extension("1.2.3", &long)), critical("1.2.3", &long));
    let leaf = Certificate::leaf("orders", &Key::ed25519("orders"));
    let extensions = leaf.extensions.clone().unwrap();
    let without = leaf.without("2.5.29.37").extensions.unwrap();
    assert_eq!(without.len() + 1, extensions.len());
    assert!(!without.contains(&extended_key_usage(&[CLIENT_AUTH])));
}

#[test]
fn openssl_verifies_the_chain() {
    let test = "openssl_verifies_the_chain";
    let scratch = support::scratch(test);
    for (index, key) in [
        Key::ed25519("Acme Issuing CA"),
        Key::p256(),
        Key::p384(),
        Key::rsa_2048(),
        Key::rsa_2048().with_scheme(Scheme::RsaPss(Hash::Sha256)),
    ]
    .into_iter()
    .enumerate()
    {
        let root = Authority::root("Acme Root CA");
        let issuing = root.intermediate_with(key, |key| {
            Certificate::ca("Acme Issuing CA", key, Some(0)).with(authority_key_id(&root.key.id()))
        });
        let leaf = issuing.issue(
            Certificate::leaf("orders", &Key::ed25519("orders"))
                .with(authority_key_id(&issuing.key.id()))
                .with(subject_key_id(&Key::ed25519("orders").id())),
        );
        let file = |name: &str, der: &[u8]| {
            scratch.write(&format!("{index}-{name}"), pem("CERTIFICATE", der))
        };
        let (root, issuing, leaf) = (
            file("root", &root.certificate),
            file("issuing", &issuing.certificate),
            file("leaf", &leaf),
        );
        let now = NOW.to_string();
        let Some(output) = openssl(
            test,
            &["verify", "-x509_strict", "-purpose", "sslclient", "-attime", &now, "-CAfile", &root]
                .into_iter()
                .chain(["-untrusted", &issuing, &leaf])
                .collect::<Vec<_>>(),
        ) else {
            return;
        };
        assert!(output.ends_with(": OK\n"), "{output}");
    }
}

#[test]
fn openssl_verifies_the_revocation_list() {
    let test = "openssl_verifies_the_revocation_list";
    let scratch = support::scratch(test);
    let root = Authority::root("Acme Root CA");
    let list = root.revoke(
        Crl::of(vec![revoked(&[0x01]), revoked_with(&[0x02], NOW - DAY, &[reason(1)])])
            .numbered(7)
            .with(IssuingDistributionPoint::at("http://pki.acme.example/a.crl").extension())
            .with(authority_key_id(&root.key.id())),
    );
    let ca = scratch.write("root", pem("CERTIFICATE", &root.certificate));
    let list = scratch.write("list", pem("X509 CRL", &list));
    let arguments = ["crl", "-in", &list, "-noout", "-text", "-CAfile", &ca];
    let Some(output) = openssl(test, &arguments) else { return };
    for line in [
        "verify OK",
        "Version 2 (0x1)",
        "Last Update: Nov 21 07:00:00 2026 GMT",
        "Next Update: Nov 21 09:00:00 2026 GMT",
        "X509v3 CRL Number: \n                7",
        "URI:http://pki.acme.example/a.crl",
        "Serial Number: 01\n        Revocation Date: Nov 20 08:00:00 2026 GMT",
        "Key Compromise",
    ] {
        assert!(output.contains(line), "{line} is not in {output}");
    }
}

#[test]
fn openssl_verifies_the_ocsp_answer() {
    let test = "openssl_verifies_the_ocsp_answer";
    let scratch = support::scratch(test);
    let root = Authority::root("Acme Root CA");
    let signer_key = Key::p256();
    let signer = root.issue(Certificate::ocsp_signer("Acme OCSP", &signer_key));
    let answer = OcspResponse {
        certificates: Some(vec![signer]),
        ..OcspResponse::of(vec![
            SingleResponse::good(&root, &[0x01]),
            SingleResponse::revoked(&root, &[0x02], NOW - DAY, Some(1)),
            SingleResponse::unknown(&root, &[0x03]),
        ])
    };
    let ca = scratch.write("root", pem("CERTIFICATE", &root.certificate));
    let answer = scratch.write("answer", answer.signed_by(&signer_key));
    let now = NOW.to_string();
    let arguments = ["ocsp", "-respin", &answer, "-CAfile", &ca, "-attime", &now, "-resp_text"];
    let Some(output) = openssl(test, &arguments) else { return };
    for line in [
        "Response verify OK",
        "OCSP Response Status: successful (0x0)",
        "Produced At: Nov 21 07:00:00 2026 GMT",
        "Cert Status: good",
        "Cert Status: revoked\n    Revocation Time: Nov 20 08:00:00 2026 GMT\n    Revocation Reason: keyCompromise (0x1)",
        "Cert Status: unknown",
    ] {
        assert!(output.contains(line), "{line} is not in {output}");
    }
}
