//! What of an event may never stand in a log.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

/// The headers, query strings and other values that tests plant in events, all of which begin like this.
pub const MARK: &str = "s3cr3t";

/// The certificate text of an event, wherever it is, in pieces; keys that stand in every event; and what was planted.
pub fn pieces(event: &Value) -> Vec<String> {
    let mut pieces =
        ["BEGIN", "resourcePath", "multiValueHeaders", MARK].map(str::to_owned).to_vec();
    collect(event, &mut pieces);
    pieces
}

fn collect(value: &Value, pieces: &mut Vec<String>) {
    match value {
        // Base64 in lines, as in PEM: a line in part is as bad as in whole.
        Value::String(text)
            if text.contains("CERTIFICATE-----") || text.contains("CERTIFICATE--") =>
        {
            let lines = text.replace("%0A", "\n").replace("%0a", "\n");
            let lines = lines.lines().filter(|line| line.len() >= 24 && !line.contains("--"));
            pieces.extend(lines.map(|line| line[..24].to_owned()));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, pieces)),
        Value::Object(values) => values.values().for_each(|value| collect(value, pieces)),
        _ => {}
    }
}

/// Fails where a line of a log holds one of the pieces.
pub fn assert_absent<'a>(pieces: &[String], log: impl IntoIterator<Item = &'a str>) {
    let mut by_length: BTreeMap<usize, HashSet<&[u8]>> = BTreeMap::new();
    for piece in pieces {
        by_length.entry(piece.len()).or_default().insert(piece.as_bytes());
    }
    for line in log {
        for (&length, pieces) in &by_length {
            let found = line.as_bytes().windows(length).find(|window| pieces.contains(window));
            let found = found.map(String::from_utf8_lossy);
            assert!(found.is_none(), "{found:?} is in the log: {line}");
        }
    }
}
