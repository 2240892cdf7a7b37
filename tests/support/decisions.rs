//! A whole authorizer in this process: loaded from a document, asked with an event, judged by its decision's log line.

use std::{collections::HashMap, path::Path};

use mtls_authorizer::{
    authorizer::{Authorized, Authorizer, Loader, Notice},
    event::Request,
    policy::Faults,
    source::{Clock, Fetcher, Network, SystemNetwork},
    telemetry::{DecisionLine, Invocation},
    timestamp::Timestamp,
};
use serde_json::{Value, json};

use super::pki::{NOW, pem};

/// The tests' instant.
pub fn now() -> Timestamp {
    Timestamp::from_unix_seconds(NOW)
}

/// What an authorizer finds around it when it starts.
pub struct Surroundings<'a> {
    pub variables: &'a [(&'a str, &'a str)],
    pub network: Box<dyn Network>,
    pub now: Timestamp,
}

impl Default for Surroundings<'_> {
    fn default() -> Self {
        Self { variables: &[], network: Box::new(SystemNetwork), now: now() }
    }
}

impl Surroundings<'_> {
    /// The authorizer of a document, or of the one that the variables name, with what `check` would warn of.
    pub async fn load(self, document: Option<&str>) -> Result<(Authorizer, Vec<Notice>), Faults> {
        let environment: HashMap<&str, &str> = self.variables.iter().copied().collect();
        let fetcher = Fetcher::on(self.network, &environment, Clock::new(now));
        let loader = Loader { environment: &environment, fetcher, now: self.now };
        loader.load(document.map(Path::new)).await
    }

    pub async fn authorizer(self, document: Option<&str>) -> Authorizer {
        self.load(document).await.unwrap_or_else(|faults| panic!("{faults}")).0
    }
}

/// The event of a call with this certificate.
pub fn event_of(certificate: &[u8]) -> Value {
    json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3/prod/GET/orders",
        "requestContext": {
            "identity": { "clientCert": { "clientCertPem": pem("CERTIFICATE", certificate) } },
        },
    })
}

/// The log line of the decision about a certificate.
pub async fn ask(authorizer: &Authorizer, certificate: &[u8], at: Timestamp) -> Value {
    let event = event_of(certificate);
    let mut line = Vec::new();
    let see = |request: &Request<'_>, authorized: &Authorized<'_>| {
        let decision = &authorized.decision;
        let invocation = Invocation::default();
        let written = DecisionLine { decision, request, invocation: &invocation, duration_us: 0 };
        written.write(&mut line).unwrap();
    };
    let answer = authorizer.authorize(event.to_string().as_bytes(), at, see).await.unwrap();
    let text = String::from_utf8(line).unwrap();
    let line: Value = serde_json::from_str(&text).unwrap();
    // Read into a map, of two entries of one name one would be lost.
    let read = ascii(&line.to_string());
    assert_eq!(read.len(), text.trim_end().len(), "a name occurs twice: {text}");
    // What goes back says what the log says.
    let answer: Value = serde_json::from_str(answer.json()).unwrap();
    let effect = &answer["policyDocument"]["Statement"][0]["Effect"];
    assert_eq!(*effect, line["decision"], "{line}");
    line
}

/// JSON with everything beyond ASCII escaped.
fn ascii(json: &str) -> String {
    let mut units = [0; 2];
    let escaped = |unit: &u16| format!("\\u{unit:04x}");
    json.chars()
        .map(|character| match character.is_ascii() {
            true => character.to_string(),
            false => character.encode_utf16(&mut units).iter().map(escaped).collect(),
        })
        .collect()
}

#[track_caller]
pub fn assert_allowed(line: &Value) {
    assert_eq!(line["decision"], "Allow", "{line}");
    assert_eq!(line["level"], "INFO", "{line}");
}

/// Allowed, although nobody knows whether the certificate is revoked: the log says so, as a warning.
#[track_caller]
pub fn assert_dangerously_allowed(line: &Value) {
    assert_eq!(line["decision"], "Allow", "{line}");
    assert_eq!(line["revocation"], "unknown, dangerously allowed", "{line}");
    assert_eq!(line["level"], "WARN", "{line}");
}

#[track_caller]
pub fn assert_denied(line: &Value, reason: &str) {
    assert_eq!(line["decision"], "Deny", "{line}");
    assert_eq!(line["reason"], reason, "{line}");
}

/// Fails unless this key of a decision's line has a text that holds this one.
#[track_caller]
pub fn assert_tells(line: &Value, key: &str, what: &str) {
    let told = line[key].as_str().is_some_and(|text| text.contains(what));
    assert!(told, "`{key}` does not tell `{what}`: {line}");
}
