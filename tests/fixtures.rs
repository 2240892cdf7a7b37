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
