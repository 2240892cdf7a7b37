//! The authorizer as Lambda runs it: the built binary behind a Runtime API.

use std::{path::Path, time::Duration};

use runtime_emulator::{Bootstrap, Invocation, Launch, LogLine, LogStream, Outcome};
use serde_json::Value;

/// Far more than anything here takes, so that a machine under load fails no test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A document that admits the client of `rest-allow.json`, and nobody else.
pub const ORDERS: &str = r#"
[[client]]
id = "orders-service"
subject = { CN = "orders", O = "Acme" }
allow = ["GET /orders/*"]
"#;

/// The function with this configuration file, ready to be started.
pub fn launch(config: &Path) -> Launch {
    bare().env("AUTHORIZER_CONFIG", config)
}

/// The function with this document.
pub fn launch_inline(document: &str) -> Launch {
    bare().env("AUTHORIZER_CONFIG_TOML", document)
}

/// The function without a word about its configuration.
pub fn bare() -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_mtls-authorizer")).timeout(PATIENCE).init_timeout(PATIENCE)
}

/// A function that serves.
pub struct Function(pub Bootstrap);

/// One call: how it ended, and under which request id.
pub struct Call {
    pub request_id: String,
    pub outcome: Outcome,
}

impl Function {
    pub fn start(launch: &Launch) -> Self {
        let mut bootstrap = launch.spawn().unwrap();
        if let Err(outcome) = bootstrap.ready() {
            panic!("the function does not start: {outcome:?}\n{:?}", bootstrap.log());
        }
        Self(bootstrap)
    }

    pub fn call(&mut self, payload: impl AsRef<[u8]>) -> Call {
        let Invocation { request_id, outcome, .. } = self.0.invoke_measured(payload.as_ref());
        Call { request_id, outcome }
    }

    /// The line of this call's decision, which may arrive a little after the answer.
    pub fn decision(&self, call: &Call) -> Value {
        let of_call = |line: &LogLine| {
            let candidate = Some(line).filter(|line| line.text.contains(&call.request_id))?;
            parse(candidate)
                .filter(|line| is_decision(line) && line["aws_request_id"] == call.request_id)
        };
        let line = self.0.log_line(PATIENCE, |line| of_call(line).is_some());
        let line = line.unwrap_or_else(|| panic!("no decision is logged: {:?}", self.0.log()));
        assert_eq!(line.stream, LogStream::Stdout);
        of_call(&line).unwrap()
    }

    /// Ends the function and gives everything that it wrote.
    pub fn end(mut self) -> Vec<LogLine> {
        self.0.kill();
        // There is no such line: this returns once both streams have ended.
        let _ = self.0.log_line(PATIENCE, |_| false);
        self.0.log()
    }
}

/// Starts a function that must not start: exit code 2, and what it logged on the way.
pub fn refused(launch: &Launch) -> Vec<String> {
    let mut bootstrap = launch.spawn().unwrap();
    match bootstrap.ready() {
        Err(Outcome::Exited(Some(status))) => assert_eq!(status.code(), Some(2)),
        other => panic!("the function has started, or ended otherwise: {other:?}"),
    }
    let log = Function(bootstrap).end();
    let lines = log.iter().map(|line| {
        let line = parse(line).unwrap_or_else(|| panic!("no JSON: {line:?}"));
        assert_eq!(line["level"], "ERROR", "{line}");
        line["message"].as_str().unwrap().to_owned()
    });
    lines.collect()
}

/// A log line of JSON.
pub fn parse(line: &LogLine) -> Option<Value> {
    serde_json::from_str(&line.text).ok()
}

/// Whether a log line is a decision's.
pub fn is_decision(line: &Value) -> bool {
    line["message"] == "decision"
}

impl Call {
    /// The answer, which must be one.
    pub fn answer(&self) -> Value {
        match &self.outcome {
            Outcome::Response(body) => serde_json::from_slice(body).unwrap(),
            other => panic!("no answer: {other:?}"),
        }
    }

    /// The error's type and message, which must be one.
    pub fn error(&self) -> (String, String) {
        match &self.outcome {
            Outcome::Error { error_type, body } => {
                let body: Value = serde_json::from_slice(body).unwrap();
                // What the runtime says of every error that a handler returns.
                assert_eq!(error_type.as_deref(), Some("unhandled"));
                let text = |key: &str| body[key].as_str().unwrap().to_owned();
                (text("errorType"), text("errorMessage"))
            }
            other => panic!("no error: {other:?}"),
        }
    }
}
