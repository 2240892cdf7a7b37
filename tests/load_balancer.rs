//! What a load balancer in `verify` mode says of a certificate, beside the certificate: each header has to agree with
//! it, in any of the forms that mean the same, and one that does not is a denial.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice
)]

use std::{collections::BTreeMap, fs, path::PathBuf};

use mtls_authorizer::{
    authorizer::{Authorized, Authorizer, Loader},
    decision::Evidence,
    event::Request,
    source::{Clock, Fetcher},
    timestamp::Timestamp,
};
use serde_json::{Value, json};

const SERIAL_NUMBER: &str = "X-Amzn-Mtls-Clientcert-Serial-Number";
const SUBJECT: &str = "X-Amzn-Mtls-Clientcert-Subject";
const ISSUER: &str = "X-Amzn-Mtls-Clientcert-Issuer";
const VALIDITY: &str = "X-Amzn-Mtls-Clientcert-Validity";
const LEAF: &str = "X-Amzn-Mtls-Clientcert-Leaf";

/// 2026-11-21T08:00:00Z.
const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_248_000);

/// The reason, or `Allow`, and the facts that the decision rests on.
#[derive(Debug)]
struct Outcome {
    reason: String,
    facts: Vec<(String, String)>,
}

impl Outcome {
    fn says(&self, key: &str, value: &str) -> bool {
        self.facts.iter().any(|(found, is)| found == key && is == value)
    }
}

/// The authorizer behind a load balancer, and an event that it allows.
struct Balancer {
    runtime: tokio::runtime::Runtime,
    authorizer: Authorizer,
    event: Value,
}

impl Balancer {
    fn new() -> Self {
        let events = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("events");
        let environment = BTreeMap::<String, String>::new();
        let fetcher = Fetcher::new(&environment, Clock::new(|| NOW));
        let loader = Loader { environment: &environment, fetcher, now: NOW };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let configuration = events.join("alb-verify.toml");
        let (authorizer, _) = runtime.block_on(loader.load(Some(&configuration))).unwrap();
        let event = fs::read_to_string(events.join("alb-verify-allow.json")).unwrap();
        Self { runtime, authorizer, event: serde_json::from_str(&event).unwrap() }
    }

    /// What comes of the event with this header's value, or without the header.
    fn with(&self, name: &str, value: Option<&str>) -> Outcome {
        let mut event = self.event.clone();
        event["headers"].as_object_mut().unwrap().remove(name);
        event["multiValueHeaders"].as_object_mut().unwrap().remove(name);
        if let Some(value) = value {
            event["headers"][name] = json!(value);
            event["multiValueHeaders"][name] = json!([value]);
        }
        self.decide(&event)
    }

    fn decide(&self, event: &Value) -> Outcome {
        let mut outcome = None;
        let see = |_: &Request<'_>, authorized: &Authorized<'_>| {
            let decision = &authorized.decision;
            let reason = decision.denial().map_or("Allow", |denial| denial.reason.code());
            let facts = decision.evidence().flat_map(Evidence::iter);
            let facts = facts.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            outcome = Some(Outcome { reason: reason.to_owned(), facts });
        };
        let payload = event.to_string();
        self.runtime.block_on(self.authorizer.authorize(payload.as_bytes(), NOW, see)).unwrap();
        outcome.unwrap()
    }

    #[track_caller]
    fn assert_agrees(&self, name: &str, value: &str) {
        let outcome = self.with(name, Some(value));
        assert_eq!(outcome.reason, "Allow", "{name}: {value}: {outcome:?}");
        assert!(!outcome.says("header_not_compared", name), "{name}: {value}");
    }

    #[track_caller]
    fn assert_mismatch(&self, name: &str, value: Option<&str>) {
        let outcome = self.with(name, value);
        assert_eq!(outcome.reason, "header-mismatch", "{name}: {value:?}: {outcome:?}");
        assert!(outcome.says("header", name), "{name}: {value:?}: {outcome:?}");
        assert!(outcome.says("why", "at odds with the certificate"), "{name}: {value:?}");
    }

    #[track_caller]
    fn assert_noted(&self, name: &str, value: Option<&str>) {
        let outcome = self.with(name, value);
        assert_eq!(outcome.reason, "Allow", "{name}: {value:?}: {outcome:?}");
        assert!(outcome.says("header_not_compared", name), "{name}: {value:?}: {outcome:?}");
    }
}

#[test]
fn the_serial_number_is_the_certificates_in_any_spelling_of_its_hex() {
    let balancer = Balancer::new();
    let serial = "52F431EBCA3D1203C20B6FB058ACA7E6";
    let zeros = format!("00{serial}");
    for same in [serial, &serial.to_lowercase(), &zeros, &zeros[1..]] {
        balancer.assert_agrees(SERIAL_NUMBER, same);
    }
    let more = format!("{serial}00");
    let spaced = format!("{serial} ");
    let colons = "52:F4:31:EB:CA:3D:12:03:C2:0B:6F:B0:58:AC:A7:E6";
    for other in [&serial[1..], &more, &spaced, colons, "0", "", "52F431EBCA3D1203C20B6FB058ACA7E7"]
    {
        balancer.assert_mismatch(SERIAL_NUMBER, Some(other));
    }
    balancer.assert_mismatch(SERIAL_NUMBER, None);
}

#[test]
fn a_name_that_can_be_read_is_the_certificates_own() {
    let balancer = Balancer::new();
    for (header, same, others) in [
        (
            SUBJECT,
            ["CN=orders,O=Acme,C=US", "cn=orders, o=Acme, c=US", "CN=order\\73,O=Acme,C=US"],
            ["CN=billing,O=Acme,C=US", "CN=orders,O=Acme", "C=US,O=Acme,CN=orders"],
        ),
        (
            ISSUER,
            [
                "CN=Acme Issuing CA,O=Acme,C=US",
                "2.5.4.3=Acme Issuing CA,O=Acme,C=US",
                "CN=Acme\\20Issuing CA,O=Acme,C=US",
            ],
            ["CN=Acme Root CA,O=Acme,C=US", "CN=acme issuing ca,O=Acme,C=US", "CN=Acme Issuing CA"],
        ),
    ] {
        for same in same {
            balancer.assert_agrees(header, same);
        }
        for other in others {
            balancer.assert_mismatch(header, Some(other));
        }
    }
}

#[test]
fn a_name_that_nobody_can_read_is_noted_and_decides_nothing() {
    let balancer = Balancer::new();
    for header in [SUBJECT, ISSUER] {
        for value in
            [None, Some(""), Some("/C=US/O=Acme/CN=orders"), Some("orders"), Some("CN=a,,")]
        {
            balancer.assert_noted(header, value);
        }
    }
}

#[test]
fn the_validity_is_the_certificates_to_the_second() {
    let balancer = Balancer::new();
    balancer
        .assert_agrees(VALIDITY, "NotBefore=2020-01-01T00:00:00Z;NotAfter=2099-12-31T23:59:59Z");
    balancer
        .assert_agrees(VALIDITY, "NotBefore=2020-01-01T00:00:00Z; NotAfter=2099-12-31T23:59:59Z");
    for other in [
        "NotBefore=2020-01-01T00:00:01Z;NotAfter=2099-12-31T23:59:59Z",
        "NotBefore=2020-01-01T00:00:00Z;NotAfter=2099-12-31T23:59:58Z",
        "NotAfter=2099-12-31T23:59:59Z;NotBefore=2020-01-01T00:00:00Z",
        "NotBefore=2020-01-01T00:00:00Z",
        "NotBefore=2020-01-01;NotAfter=2099-12-31",
        "2020-01-01T00:00:00Z;2099-12-31T23:59:59Z",
        // In the year 10000, in UTC.
        "NotBefore=2020-01-01T00:00:00Z;NotAfter=9999-12-31T23:59:59-00:01",
        "",
    ] {
        balancer.assert_mismatch(VALIDITY, Some(other));
    }
    balancer.assert_mismatch(VALIDITY, None);
}

#[test]
fn a_header_that_was_sent_twice_is_no_assertion() {
    let balancer = Balancer::new();
    for name in [SERIAL_NUMBER, SUBJECT, ISSUER, VALIDITY, LEAF] {
        // Even where both values are the same.
        let mut event = balancer.event.clone();
        let value = event["headers"][name].clone();
        event["multiValueHeaders"][name] = json!([value, value]);
        let outcome = balancer.decide(&event);
        assert_eq!(outcome.reason, "header-mismatch", "{name}");
        assert!(outcome.says("header", name), "{name}: {outcome:?}");
        assert!(outcome.says("why", "sent more than once, or with two values"), "{name}");
    }
    assert_eq!(balancer.decide(&balancer.event).reason, "Allow");
}

#[test]
fn the_leaf_is_one_certificate_in_one_header() {
    let balancer = Balancer::new();
    let leaf = balancer.event["headers"][LEAF].as_str().unwrap();
    assert_eq!(balancer.with(LEAF, Some(leaf)).reason, "Allow");
    for (value, reason) in [
        (format!("{leaf},{leaf}"), "header-mismatch"),
        (format!("{leaf}, {leaf}"), "header-mismatch"),
        (format!("{leaf}{leaf}"), "malformed-certificate"),
        (format!("{leaf}%0A{leaf}"), "malformed-certificate"),
    ] {
        assert_eq!(balancer.with(LEAF, Some(&value)).reason, reason, "{value}");
    }
}

#[test]
fn the_leaf_is_percent_encoded_ascii() {
    let balancer = Balancer::new();
    let leaf = balancer.event["headers"][LEAF].as_str().unwrap();
    let everything = |text: &str| -> String {
        text.replace("%20", " ")
            .replace("%0A", "\n")
            .bytes()
            .map(|it| format!("%{it:02x}"))
            .collect()
    };
    balancer.assert_agrees(LEAF, &everything(leaf));
    for broken in
        [format!("{leaf}%"), format!("{leaf}%2"), format!("{leaf}%zz"), format!("{leaf}%ff")]
    {
        let outcome = balancer.with(LEAF, Some(&broken));
        assert_eq!(outcome.reason, "malformed-certificate", "{outcome:?}");
        assert!(outcome.says("rule", "the header is not percent-encoded ASCII"), "{outcome:?}");
    }
    assert_eq!(balancer.with(LEAF, None).reason, "no-client-certificate");
}
