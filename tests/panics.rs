//! A panic answers one call with the error `BrokenInvariant`, tells nobody what it panicked over, and the next call
//! is served by the same process.
//!
//! The authorizer has no panic to provoke, so this test program is a function of its own when it is started as one:
//! the product's loop around a handler that panics when it is told to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::string_slice)]

mod support;

use hyper::body::Bytes;
use mtls_authorizer::{answer::Answer, environment::Environment, fault::Fault, lambda, telemetry};
use runtime_emulator::{Launch, Outcome};
use serde_json::{json, value::to_raw_value};
use support::{
    function::{Function, PATIENCE},
    secrets::{self, MARK},
};

/// Makes this program the function.
const ROLE: &str = "PANICKING_FUNCTION";

struct Process;

impl Environment for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// No test, but what the tests start.
#[test]
fn the_function() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    telemetry::init(&Process, std::io::stdout);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let served = runtime.block_on(lambda::serve(&Process, |payload: Bytes, _| {
        let payload = String::from_utf8(payload.to_vec()).unwrap();
        if payload.contains("before the future") {
            panic!("{payload}");
        }
        handle(payload)
    }));
    drop(served);
}

async fn handle(payload: String) -> Result<Answer, Fault> {
    if payload.contains("before an await") {
        panic!("{payload}");
    }
    tokio::task::yield_now().await;
    if payload.contains("after an await") {
        panic!("{payload}");
    }
    if payload.contains("with a value") {
        std::panic::panic_any(payload.clone());
    }
    if payload.contains("in a slice") {
        // In the middle of a character: the message quotes the text.
        drop(format!("\u{e9}{payload}")[1..].to_owned());
    }
    if payload.contains("in an unwrap") {
        payload.parse::<u8>().map_err(|_| payload.clone()).unwrap();
    }
    Ok(Answer::Json(to_raw_value(&json!({ "served": true })).unwrap()))
}

const PANICS: [&str; 6] = [
    "before the future",
    "before an await",
    "after an await",
    "with a value",
    "in a slice",
    "in an unwrap",
];

fn function(level: &str) -> Function {
    let launch = Launch::new(std::env::current_exe().unwrap())
        .arg("--exact")
        .arg("the_function")
        .arg("--nocapture")
        .env(ROLE, "1")
        .env("AWS_LAMBDA_LOG_LEVEL", level)
        .env("RUST_BACKTRACE", "full")
        .timeout(PATIENCE)
        .init_timeout(PATIENCE);
    Function::start(&launch)
}

#[test]
fn a_panic_is_one_error_of_the_fixed_type_and_the_next_call_is_served() {
    for level in ["TRACE", "INFO"] {
        let mut function = function(level);
        let process = function.0.pid();
        for panic in PANICS {
            let payload = json!({ "panic": panic, "secret": MARK });
            let call = function.call(payload.to_string());
            let (error_type, message) = call.error();
            assert_eq!(error_type, "BrokenInvariant", "{panic}");
            assert_eq!(
                message, "a broken invariant in the authorizer; please report it",
                "{panic}"
            );
            let next = function.call(json!({ "panic": "not at all" }).to_string());
            assert_eq!(next.outcome, Outcome::Response(br#"{"served":true}"#.to_vec()), "{panic}");
        }
        assert!(function.0.is_running() && function.0.pid() == process);
        let log = function.end();
        secrets::assert_absent(&[MARK.to_owned()], log.iter().map(|line| line.text.as_str()));
        let places = log.iter().filter(|line| line.text.contains("\"message\":\"panic\""));
        let named = places.filter(|line| line.text.contains(".rs:")).count();
        assert_eq!(named, PANICS.len(), "{log:?}");
    }
}
