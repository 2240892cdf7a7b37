//! The binary decides on every sample event, and on every odd certificate, as is written beside them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::{fs, path::Path};

use serde_json::Value;
use support::run_binary;

/// What `decide` did: its exit code, the answer on standard output, the log lines on standard error.
struct Run {
    exit: i32,
    answer: String,
    log: Vec<Value>,
}

impl Run {
    /// The one line that says `decision`.
    fn decision(&self) -> Option<&Value> {
        let mut lines = self.log.iter().filter(|line| line["message"] == "decision");
        let line = lines.next();
        assert!(lines.next().is_none(), "more than one decision is logged");
        line
    }
}

/// Runs `decide` for an event, with nothing in the environment.
fn decide(arguments: &[&str], event: &str) -> Run {
    let arguments = [&["decide"], arguments, &["-"]].concat();
    let output = run_binary(root(), arguments, event.as_bytes());
    let log = String::from_utf8(output.stderr).unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    for text in [&answer, &log] {
        let whole = text.bytes().all(|byte| (0x20..0x7f).contains(&byte) || byte == b'\n');
        assert!(whole, "something outside printable ASCII is written: {text:?}");
    }
    let log = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    Run { exit: output.status.code().expect("an exit code"), answer, log }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_sample_event_comes_to_what_is_expected() {
    let events = root().join("events");
    let expected = fs::read_to_string(events.join("expected.json")).unwrap();
    let expected: Vec<Value> = serde_json::from_str(&expected).unwrap();
    let mut wrong = Vec::new();
    for case in &expected {
        let config = events.join(case["config"].as_str().unwrap());
        let mut arguments = vec!["--config", config.to_str().unwrap()];
        arguments.extend(case["at"].as_str().into_iter().flat_map(|at| ["--at", at]));
        let event = fs::read_to_string(events.join(case["event"].as_str().unwrap())).unwrap();
        let run = decide(&arguments, &event);
        let line = run.decision().cloned().unwrap_or_default();
        let differs = |key: &str| case[key].as_str() != line[key].as_str();
        // A denial may name the client that a route is closed to.
        let client = case["client"].is_string() && differs("client");
        if case["exit"] != run.exit || differs("decision") || differs("reason") || client {
            wrong.push(format!("{case}\n  exit {}, {line}\n  {:?}", run.exit, run.log));
        }
        if run.exit == 2 {
            assert_eq!(run.answer, "", "a fault is answered: {case}");
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), expected.len(), wrong.join("\n"));
}

#[test]
fn every_odd_certificate_comes_to_what_is_expected() {
    let event = fs::read_to_string(root().join("events/rest-allow.json")).unwrap();
    let event: Value = serde_json::from_str(&event).unwrap();
    let fixtures = root().join("tests/fixtures");
    let expected = fs::read_to_string(fixtures.join("certificates.json")).unwrap();
    let expected: serde_json::Map<String, Value> = serde_json::from_str(&expected).unwrap();
    let config = root().join("authorizer.toml");
    let arguments = ["--config", config.to_str().unwrap(), "--at", "2026-11-21T08:00:00Z"];
    let mut wrong = Vec::new();
    for (name, expected) in &expected {
        let pem = fs::read_to_string(fixtures.join(format!("certificates/{name}.pem"))).unwrap();
        let mut event = event.clone();
        event["requestContext"]["identity"]["clientCert"]["clientCertPem"] = pem.into();
        let run = decide(&arguments, &event.to_string());
        let line = run.decision().cloned().unwrap_or_default();
        let (exit, reason) = match expected.as_str().unwrap() {
            "Allow" => (0, None),
            reason => (1, Some(reason)),
        };
        if run.exit != exit || line["reason"].as_str() != reason {
            wrong.push(format!("{name}: {expected} is expected, exit {}, {line}", run.exit));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), expected.len(), wrong.join("\n"));
}
