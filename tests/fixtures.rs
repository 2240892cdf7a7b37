//! `tests/fixtures/certificates` holds what the test PKI composes, and each of it is read, or refused, as said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::{collections::BTreeMap, fs, path::PathBuf};

use mtls_authorizer::certificate::Certificate;
use serde_json::json;
use support::{
    certificates::{Outcome, authorities, certificates},
    pki::pem,
};

/// Every file in `tests/fixtures`, by its path there.
fn files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut outcomes = serde_json::Map::new();
    for fixture in certificates() {
        let name = format!("certificates/{}.pem", fixture.name);
        let outcome = match fixture.outcome {
            Outcome::Allow => json!("Allow"),
            Outcome::Deny(reason) => json!(reason),
        };
        assert!(outcomes.insert(fixture.name.to_owned(), outcome).is_none(), "{name} occurs twice");
        files.insert(name, pem("CERTIFICATE", &fixture.der));
    }
    let (root, issuing) = authorities();
    files.insert("root.pem".to_owned(), pem("CERTIFICATE", &root.certificate));
    files.insert("issuing.pem".to_owned(), pem("CERTIFICATE", &issuing.certificate));
    let outcomes = serde_json::to_string_pretty(&outcomes).unwrap();
    files.insert("certificates.json".to_owned(), outcomes + "\n");
    files
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

#[test]
fn the_committed_files_are_what_the_test_pki_composes() {
    let directory = directory();
    let certificates = directory.join("certificates");
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        let _ = fs::remove_dir_all(&certificates);
        fs::create_dir_all(&certificates).unwrap();
        for (path, content) in files() {
            fs::write(directory.join(path), content).unwrap();
        }
    }
    for (path, content) in files() {
        let committed = fs::read_to_string(directory.join(&path)).unwrap_or_default();
        assert!(
            committed == content,
            "{path} is not current: run UPDATE_FIXTURES=1 cargo test --test fixtures"
        );
    }
    let count = fs::read_dir(certificates).unwrap().count();
    assert_eq!(count, support::certificates::certificates().len(), "a file belongs to no fixture");
}

#[test]
fn what_is_malformed_is_refused_and_the_rest_is_read() {
    let mut wrong = Vec::new();
    for fixture in certificates() {
        let malformed = fixture.outcome == Outcome::Deny("malformed-certificate");
        match (Certificate::parse(&fixture.der), malformed) {
            (Ok(_), true) => wrong.push(format!("{} is read", fixture.name)),
            (Err(error), false) => wrong.push(format!("{}: {error}", fixture.name)),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_name_leaves_printable_ascii_and_two_names_never_read_alike() {
    let mut texts = BTreeMap::new();
    for fixture in certificates() {
        let Ok(certificate) = Certificate::parse(&fixture.der) else { continue };
        for name in [certificate.subject(), certificate.issuer()] {
            let text = name.ascii();
            assert!(text.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{}", fixture.name);
            let attributes: Vec<String> = name
                .attributes()
                .map(|it| format!("{} {} {:?}", it.rdn(), it.oid(), it.text()))
                .collect();
            let (first, of) =
                texts.entry(text.to_owned()).or_insert((attributes.clone(), fixture.name));
            assert_eq!(*first, attributes, "{of} and {} read {text}", fixture.name);
        }
    }
    assert!(texts.len() > 60);
}

#[test]
fn alternative_names_that_are_none_of_their_kind_match_nothing() {
    // What is left of the odd name; the rest leaves nothing.
    let left = BTreeMap::from([
        ("san-dns-wildcard", "*.acme.example"),
        ("san-dns-address", "10.1.2.3"),
        ("san-dns-upper-case", "ORDERS.ACME.EXAMPLE"),
        ("san-dns-underscore", "_orders.acme.example"),
        ("san-uri-comma", "spiffe://acme/orders/1,URI:spiffe://acme/admin"),
        ("san-ip-mapped", "::ffff:10.1.2.3"),
    ]);
    let sound = ["san-all-kinds", "san-alone"];
    let mut seen = 0;
    for fixture in certificates() {
        if !fixture.name.starts_with("san-") || sound.contains(&fixture.name) {
            continue;
        }
        let Ok(certificate) = Certificate::parse(&fixture.der) else { continue };
        let names = certificate.subject_alternative_names();
        let texts = names.dns().chain(names.uri()).chain(names.email()).map(str::to_owned);
        let all: Vec<String> = texts.chain(names.ip().map(|address| address.to_string())).collect();
        assert_eq!(all, Vec::from_iter(left.get(fixture.name).copied()), "{}", fixture.name);
        seen += usize::from(!all.is_empty());
    }
    assert_eq!(seen, left.len());
}
