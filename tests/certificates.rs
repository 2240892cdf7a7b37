//! Certificates: what is read agrees with another reader, and what is not DER is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

mod support;

use std::{fs, path::Path};

use mtls_authorizer::certificate::{Certificate, pem};
use support::pki;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Every certificate of the sample PKI: file name and DER.
fn sample_certificates() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/pki");
    let mut certificates = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            certificates.push((name, pem::first_certificate(&text).unwrap()));
        }
    }
    assert!(certificates.len() > 20);
    certificates
}

fn client() -> Vec<u8> {
    sample_certificates().into_iter().find(|(name, _)| name == "client.pem").unwrap().1
}

#[test]
fn another_parser_reads_the_same() {
    for (name, der) in sample_certificates() {
        let ours = Certificate::parse(&der).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (rest, theirs) = X509Certificate::from_der(&der).unwrap();
        assert!(rest.is_empty());
        assert_eq!(ours.tbs_der(), theirs.tbs_certificate.as_ref(), "{name}");
        assert_eq!(ours.signature(), theirs.signature_value.as_ref(), "{name}");
        assert_eq!(ours.serial_number().der_contents(), theirs.raw_serial(), "{name}");
        assert_eq!(ours.subject().der(), theirs.subject().as_raw(), "{name}");
        assert_eq!(ours.issuer().der(), theirs.issuer().as_raw(), "{name}");
        assert_eq!(ours.subject_public_key_info(), theirs.public_key().raw, "{name}");
        assert_eq!(
            ours.validity().not_before.unix_seconds(),
            theirs.validity().not_before.timestamp()
        );
        assert_eq!(
            ours.validity().not_after.unix_seconds(),
            theirs.validity().not_after.timestamp()
        );
        assert_eq!(ours.is_ca(), theirs.is_ca(), "{name}");
        let theirs = theirs.subject_alternative_name().unwrap();
        let theirs = theirs.map_or(0, |extension| extension.value.general_names.len());
        assert_eq!(ours.subject_alternative_names().iter().count(), theirs, "{name}");
    }
}

#[test]
fn every_prefix_of_a_certificate_is_malformed() {
    let der = client();
    Certificate::parse(&der).unwrap();
    for length in 0..der.len() {
        assert!(Certificate::parse(&der[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_byte_after_the_certificate_is_malformed() {
    let mut der = client();
    der.push(0);
    let error = Certificate::parse(&der).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("there are bytes after the certificate at byte {}", der.len() - 1)
    );
}

#[test]
fn no_single_changed_byte_panics_or_is_taken_for_the_same_certificate() {
    let der = client();
    let fingerprint = *Certificate::parse(&der).unwrap().fingerprint();
    for index in 0..der.len() {
        for bit in 0..8 {
            let mut changed = der.clone();
            changed[index] ^= 1 << bit;
            if let Ok(certificate) = Certificate::parse(&changed) {
                assert_ne!(certificate.fingerprint(), &fingerprint);
            }
        }
    }
}

#[test]
fn an_extension_may_nest_as_deeply_as_there_is_room() {
    let points = |innermost: &[u8]| {
        // From the inside out and from the back to the front.
        let mut nested: Vec<u8> = innermost.iter().rev().copied().collect();
        for _ in 0..100_000 {
            let length = u32::try_from(nested.len()).unwrap().to_be_bytes();
            let octets = &length[length.iter().take_while(|octet| **octet == 0).count()..];
            nested.extend(octets.iter().rev());
            if octets.len() > 1 || octets[0] >= 0x80 {
                nested.push(0x80 | u8::try_from(octets.len()).unwrap());
            }
            nested.push(0x30);
        }
        nested.reverse();
        let key = pki::Key::ed25519("orders");
        let leaf = pki::Certificate::leaf("orders", &key);
        leaf.with(pki::extension("2.5.29.31", &nested)).self_signed(&key)
    };
    assert!(Certificate::parse(&points(&[0x05, 0x00])).is_ok());
    assert!(Certificate::parse(&points(&[0x05, 0x81, 0x00])).is_err());
}

#[test]
fn pem_is_taken_in_every_usual_dress() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("events/pki/client.pem"))
            .unwrap();
    let der = pem::first_certificate(&text).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    for dressed in [
        text.replace('\n', "\r\n"),
        text.trim_end().to_owned(),
        format!("subject=CN = orders\n{text}trailing text\n"),
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"),
        format!("-----BEGIN CERTIFICATE-----{body}-----END CERTIFICATE-----"),
        format!("{text}{}", text.replace('M', "N")),
    ] {
        assert_eq!(pem::first_certificate(&dressed).as_ref(), Ok(&der), "{dressed}");
    }
}

#[test]
fn pem_that_is_no_certificate_is_refused_without_being_quoted() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("events/pki/client.pem"))
            .unwrap();
    let key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    for (pem, rule) in [
        (String::new(), "there is no whole PEM block"),
        ("no PEM".to_owned(), "there is no whole PEM block"),
        (key.to_owned(), "the PEM holds a private key where a certificate belongs"),
        (format!("{text}{key}"), "the PEM holds a private key where a certificate belongs"),
        (text.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), "a PEM block is not a CERTIFICATE"),
        (text.replace("END CERTIFICATE", "END NONE"), "a PEM block begins and ends differently"),
        (text.replace("MII", "M!I"), "a PEM block is not base64"),
        (text.replace("-----END", "----END"), "there is no whole PEM block"),
    ] {
        let error = pem::first_certificate(&pem).unwrap_err();
        assert_eq!(error.to_string(), rule);
    }
}

#[test]
fn a_bundle_with_a_block_that_is_cut_off_is_refused_whole() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("events/pki/client.pem"))
            .unwrap();
    assert_eq!(pem::certificates(&format!("{text}{text}")).unwrap().len(), 2);
    let cut_off = format!("{text}{}", &text[..text.len() / 2]);
    assert_eq!(pem::certificates(&cut_off).unwrap_err().to_string(), "a PEM block has no end");
    assert_eq!(pem::certificates("").unwrap_err().to_string(), "there is no PEM block");
}
