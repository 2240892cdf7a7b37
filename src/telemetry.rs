//! One structured log line a decision, and the subscriber for everything else.
//!
//! The line is JSON, written whatever the log level, and holds what an auditor asks for: who, which route,
//! what was decided, why, on what evidence. It never holds a PEM, a token, a header value or the event.

use std::io::Write;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::ser::Formatter;
use tracing::level_filters::LevelFilter;

use crate::{decide::Decision, decision::Evidence, environment::Environment, event::Request, hex};

/// What is known of a call beside its event, for the log.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    /// Lambda's id of the invocation.
    pub aws_request_id: Option<String>,
    /// The X-Ray trace header.
    pub trace_id: Option<String>,
}

/// The log line of a decision.
#[derive(Debug)]
pub struct DecisionLine<'a> {
    /// The decision.
    pub decision: &'a Decision<'a>,
    /// What was asked.
    pub request: &'a Request<'a>,
    /// The invocation.
    pub invocation: &'a Invocation,
    /// How long it took, from the event's bytes to the answer's, in microseconds.
    pub duration_us: u128,
}

impl DecisionLine<'_> {
    /// Writes the line in one piece, with its line end.
    ///
    /// # Errors
    /// As the writer; a lost line must not lose the answer, so callers go on.
    pub fn write(&self, mut writer: impl Write) -> std::io::Result<()> {
        let mut line = Vec::with_capacity(768);
        self.serialize(&mut serde_json::Serializer::with_formatter(&mut line, Ascii))?;
        line.push(b'\n');
        writer.write_all(&line)?;
        writer.flush()
    }
}

/// JSON whose strings are printable ASCII, the rest escaped: a log is read on terminals, which some characters of a path
/// give orders.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> std::io::Result<()> {
        // What JSON escapes by itself, controls below a space among it, is in no fragment.
        if fragment.is_ascii() && !fragment.contains('\u{7f}') {
            return writer.write_all(fragment.as_bytes());
        }
        let printable = |octet: u8| (0x20..=0x7e).contains(&octet);
        for unit in fragment.encode_utf16() {
            match u8::try_from(unit) {
                Ok(octet) if printable(octet) => writer.write_all(&[octet])?,
                _ => write!(writer, "\\u{unit:04x}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for DecisionLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let allow = self.decision.is_allow();
        let arn = &self.request.arn;
        let mut line = serializer.serialize_map(None)?;
        // A grant with notes passed over something, such as an unknown revocation.
        let noted = self.decision.grant().is_some_and(|grant| !grant.notes().is_empty());
        line.serialize_entry("level", if allow && !noted { "INFO" } else { "WARN" })?;
        line.serialize_entry("message", "decision")?;
        line.serialize_entry("decision", if allow { "Allow" } else { "Deny" })?;
        line.serialize_entry("reason", &self.decision.denial().map(|denial| denial.reason.code()))?;
        line.serialize_entry("client", &self.decision.client().map(|client| client.id.as_str()))?;
        let certificate = self.decision.certificate();
        line.serialize_entry("subject", &certificate.map(|it| it.subject().ascii()))?;
        line.serialize_entry("issuer", &certificate.map(|it| it.issuer().ascii()))?;
        line.serialize_entry("serial", &certificate.map(|it| it.serial_number().to_string()))?;
        line.serialize_entry("fingerprint", &certificate.map(|it| hex::lower(it.fingerprint())))?;
        line.serialize_entry("route", &format_args!("{} {}", arn.method(), arn.path()))?;
        line.serialize_entry("source_ip", &self.request.source_ip)?;
        line.serialize_entry("request_id", &self.request.request_id)?;
        line.serialize_entry("aws_request_id", &self.invocation.aws_request_id)?;
        line.serialize_entry("trace_id", &self.invocation.trace_id)?;
        line.serialize_entry("duration_us", &u64::try_from(self.duration_us).unwrap_or(u64::MAX))?;
        for (key, values) in by_key(self.decision.evidence()) {
            line.serialize_entry(key, &values.join("; "))?;
        }
        line.end()
    }
}

/// Facts of one key together, such as each source's reason for giving nothing: a name occurs once in a line.
fn by_key<'a>(evidence: impl Iterator<Item = &'a Evidence>) -> Vec<(&'static str, Vec<&'a str>)> {
    let mut facts: Vec<(&'static str, Vec<&'a str>)> = Vec::new();
    for (key, value) in evidence.flat_map(Evidence::iter) {
        match facts.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => facts.push((key, vec![value])),
        }
    }
    facts
}

/// Sets up the log of everything but decisions: JSON lines to `writer`, at the level of
/// `AWS_LAMBDA_LOG_LEVEL` (`TRACE` to `ERROR`; `INFO` where it is absent or unknown). Of a panic, the place is logged
/// and nothing else.
pub fn init<W>(environment: &impl Environment, writer: W)
where
    W: for<'w> tracing_subscriber::fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    let level = environment
        .variable("AWS_LAMBDA_LOG_LEVEL")
        .and_then(|level| match level.to_ascii_uppercase().as_str() {
            // A level of Lambda's, above all of ours.
            "FATAL" => Some(LevelFilter::ERROR),
            level => level.parse().ok(),
        })
        .unwrap_or(LevelFilter::INFO);
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .without_time()
        .with_target(false)
        .with_max_level(level)
        .with_writer(writer)
        .finish();
    // A second subscriber can only be set by a test in one process; the first one stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
    std::panic::set_hook(Box::new(|panic| {
        // Not the message, which may quote the text that was at hand: a slice out of bounds shows it in full.
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic");
    }));
}
