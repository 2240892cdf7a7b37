//! What the fuzz targets share: authorizers of the sample configurations, and what must hold of every answer.

use std::{collections::BTreeMap, path::Path};

use mtls_authorizer::{
    authorizer::{Authorized, Authorizer, Loader},
    event::Request,
    source::{Clock, Fetcher},
    telemetry::{DecisionLine, Invocation},
    timestamp::Timestamp,
};

/// 2026-11-21T08:00:00Z: the samples are in force.
pub const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_248_000);

/// The sample configurations that events are put to.
pub const CONFIGURATIONS: &[&str] = &[
    "../authorizer.toml",
    "revocation.toml",
    "clients.toml",
    "simple.toml",
    "strict.toml",
    "alb-verify.toml",
    "alb-passthrough.toml",
];

fn now() -> Timestamp {
    NOW
}

/// Authorizers, each of a configuration, and the runtime that they wait on.
pub struct Harness {
    runtime: tokio::runtime::Runtime,
    authorizers: Vec<Authorizer>,
}

/// What came of one event.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether it is allowed.
    pub allow: bool,
    /// The answer, or the fault's message.
    pub answer: Result<String, String>,
    /// The log line.
    pub line: Vec<u8>,
}

impl Harness {
    /// Authorizers of these files in `events/`.
    pub fn of(files: &[&str]) -> Self {
        let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
        Self::load(files.iter().map(|file| {
            let path = events.join(file);
            move |loader: Loader<'_>, runtime: &tokio::runtime::Runtime| {
                runtime.block_on(loader.load(Some(&path)))
            }
        }))
    }

    /// An authorizer of a document.
    pub fn inline(document: &str) -> Self {
        let environment: BTreeMap<String, String> =
            [("AUTHORIZER_CONFIG_TOML".to_owned(), document.to_owned())].into();
        Self::load([move |loader: Loader<'_>, runtime: &tokio::runtime::Runtime| {
            runtime.block_on(Loader { environment: &environment, ..loader }.load(None))
        }])
    }

    fn load<T, E: std::fmt::Debug>(
        loads: impl IntoIterator<
            Item = impl FnOnce(Loader<'_>, &tokio::runtime::Runtime) -> Result<(Authorizer, T), E>,
        >,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let environment = BTreeMap::<String, String>::new();
        let authorizers = loads
            .into_iter()
            .map(|load| {
                let fetcher = Fetcher::new(&environment, Clock::new(now));
                let loader = Loader { environment: &environment, fetcher, now: NOW };
                load(loader, &runtime).expect("a configuration without faults").0
            })
            .collect();
        Self { runtime, authorizers }
    }

    /// Puts an event to every authorizer, twice, and checks what must hold of any answer.
    pub fn check(&self, payload: &[u8]) {
        for authorizer in &self.authorizers {
            let first = self.judge(authorizer, payload);
            let second = self.judge(authorizer, payload);
            assert_eq!(first, second, "the same event twice");
        }
    }

    fn judge(&self, authorizer: &Authorizer, payload: &[u8]) -> Seen {
        let (mut allow, mut line) = (false, Vec::new());
        let see = |request: &Request<'_>, authorized: &Authorized<'_>| {
            let decision = &authorized.decision;
            allow = decision.is_allow();
            assert_eq!(allow, decision.denial().is_none());
            assert!(!allow || decision.certificate().is_some(), "an Allow without a certificate");
            assert!(!allow || decision.client().is_some(), "an Allow without a client");
            assert!(!allow || decision.grant().is_some(), "an Allow without a grant");
            let invocation = Invocation::default();
            let written =
                DecisionLine { decision, request, invocation: &invocation, duration_us: 0 };
            written.write(&mut line).expect("a line");
        };
        let answer = self.runtime.block_on(authorizer.authorize(payload, NOW, see));
        let answer = answer.map(|answer| answer.json().to_owned());
        match &answer {
            Ok(json) => check_answer(json, allow),
            Err(_) => assert!(!allow, "an Allow without an answer"),
        }
        check_line(&line);
        Seen { allow, answer: answer.map_err(|fault| fault.to_string()), line }
    }
}

/// Printable ASCII, JSON, no key twice, and an Allow in it only where a policy may hold one.
fn check_answer(json: &str, allow: bool) {
    assert!(json.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "an answer that is not ASCII");
    assert!(!json.contains("\\u"), "an answer with something to escape in it");
    let value: serde_json::Value = serde_json::from_str(json).expect("JSON");
    if let Some(simple) = value.get("isAuthorized") {
        assert_eq!(simple, allow);
    }
    let refuses = value.pointer("/context/denyReason").is_some();
    assert!(!(allow && refuses), "an Allow with a reason to deny");
    if let Some(context) = value.get("context").and_then(|it| it.as_object()) {
        assert_eq!(json.matches("\"clientId\":").count(), usize::from(context.contains_key("clientId")));
    }
    if refuses && let Some(statements) = value.pointer("/policyDocument/Statement") {
        let statements = statements.as_array().expect("statements");
        assert!(statements.iter().all(|statement| statement["Effect"] == "Deny"));
    }
}

/// One line, JSON, no key twice.
fn check_line(line: &[u8]) {
    if line.is_empty() {
        return;
    }
    let text = std::str::from_utf8(line).expect("UTF-8");
    let text = text.strip_suffix('\n').expect("a line end");
    assert!(!text.contains(char::is_control), "a log line with a control character");
    let mut line: serde_json::Value = serde_json::from_str(text).expect("JSON");
    // A path is the client's to choose.
    line["route"].take();
    assert!(!line.to_string().contains("-----BEGIN CERTIFICATE"), "a log line with a PEM");
}

/// A REQUEST event of a REST API with this certificate, as PEM.
pub fn event_with(pem: &str) -> Vec<u8> {
    let event = serde_json::json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/orders/7",
        "requestContext": { "identity": { "clientCert": { "clientCertPem": pem } } },
    });
    event.to_string().into_bytes()
}

/// The certificates of the sample PKI.
pub fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/pki").join(name);
    let text = std::fs::read_to_string(path).expect("a sample");
    mtls_authorizer::certificate::pem::first_certificate(&text).expect("PEM")
}

/// DER as PEM.
pub fn pem(der: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        BASE64_STANDARD.encode(der)
    )
}
