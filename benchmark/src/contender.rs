//! Something to measure: how it is started, what it is sent, and what it must answer.

use std::sync::Arc;

use runtime_emulator::Launch;
use serde_json::Value;

use crate::package::Package;
use crate::workload::Expected;

/// Something to measure.
pub(crate) struct Contender {
    pub(crate) name: String,
    /// What it is, for the tables.
    pub(crate) description: String,
    pub(crate) launch: Launch,
    pub(crate) event: Arc<[u8]>,
    pub(crate) job: Job,
    /// The files that would be deployed, below the directory that each is deployed from.
    pub(crate) package: Package,
}

/// What a contender does with an event.
#[derive(Clone)]
pub(crate) enum Job {
    /// Answers a constant that begins with this principal.
    Nothing { principal_id: &'static str },
    /// The authorizer's whole job, a log line included.
    Authorize(Arc<Expected>),
}

impl Job {
    /// Whether an answer is what it has to be, or what is wrong with it.
    pub(crate) fn check(&self, answer: &[u8]) -> Result<(), String> {
        let answer: Value = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str);
        let expected = match self {
            Self::Nothing { principal_id } => {
                return (text("/principalId") == Some(principal_id))
                    .then_some(())
                    .ok_or("another principal than the constant one".to_owned());
            }
            Self::Authorize(expected) => expected,
        };
        let resources = match answer.pointer("/policyDocument/Statement/0/Resource") {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let checks = [
            ("Effect", text("/policyDocument/Statement/0/Effect") == Some("Allow")),
            ("Resource", resources.contains(&expected.resource.as_str())),
            ("principalId", text("/principalId").is_some_and(|principal| !principal.is_empty())),
            ("clientId", text("/context/clientId") == Some(expected.client.as_str())),
            (
                "clientCertFingerprint",
                text("/context/clientCertFingerprint") == Some(expected.fingerprint.as_str()),
            ),
            ("clientCertSub", text("/context/clientCertSub") == Some(expected.subject.as_str())),
        ];
        let wrong: Vec<&str> =
            checks.iter().filter(|(_, holds)| !holds).map(|(name, _)| *name).collect();
        if wrong.is_empty() { Ok(()) } else { Err(format!("wrong {}", wrong.join(", "))) }
    }

    /// Whether the answer refuses the stranger.
    pub(crate) fn refuses(answer: &[u8]) -> bool {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        answer.pointer("/policyDocument/Statement/0/Effect").and_then(Value::as_str) == Some("Deny")
    }
}
