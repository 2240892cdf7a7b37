//! AWS Signature Version 4, as much of it as this crate's requests need: a path that is already encoded, no
//! query, all headers signed.
//!
//! See "Create a signed AWS API request" in the IAM user guide. Not supported: query strings, presigned URLs,
//! chunked payloads, version 4A.

use std::fmt::Write as _;

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use ring::{digest, hmac};

use crate::environment::Environment;
use crate::timestamp::Timestamp;

/// Credentials as Lambda gives them to a function. They have no `Debug`.
pub(super) struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

impl Credentials {
    /// Reads `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    pub(super) fn from_environment(environment: &dyn Environment) -> Option<Self> {
        Some(Self {
            access_key_id: environment.variable("AWS_ACCESS_KEY_ID")?,
            secret_access_key: environment.variable("AWS_SECRET_ACCESS_KEY")?,
            session_token: environment.variable("AWS_SESSION_TOKEN"),
        })
    }
}

/// Where and when a signature holds.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) time: Timestamp,
}

/// Adds `x-amz-date`, where there is one `x-amz-security-token`, and `authorization` to the headers, all of
/// which are signed, so `host` has to be among them.
pub(super) fn sign(
    method: &str,
    encoded_path: &str,
    headers: &mut HeaderMap,
    payload: &[u8],
    credentials: &Credentials,
    scope: Scope<'_>,
) -> Result<(), InvalidHeaderValue> {
    let time = basic_format(scope.time);
    headers.insert(HeaderName::from_static("x-amz-date"), HeaderValue::from_str(&time)?);
    if let Some(token) = &credentials.session_token {
        let mut token = HeaderValue::from_str(token)?;
        token.set_sensitive(true);
        headers.insert(HeaderName::from_static("x-amz-security-token"), token);
    }
    let date = time.split('T').next().unwrap_or_default();
    let mut authorization = HeaderValue::from_str(&authorization(
        method,
        encoded_path,
        headers,
        payload,
        credentials,
        scope,
        &time,
        date,
    ))?;
    authorization.set_sensitive(true);
    headers.insert(AUTHORIZATION, authorization);
    Ok(())
}

#[allow(
    clippy::too_many_arguments,
    reason = "the inputs of the signature, in the order of its definition"
)]
fn authorization(
    method: &str,
    encoded_path: &str,
    headers: &HeaderMap,
    payload: &[u8],
    credentials: &Credentials,
    scope: Scope<'_>,
    time: &str,
    date: &str,
) -> String {
    let (canonical_headers, signed_headers) = canonical_headers(headers);
    let canonical_request = format!(
        "{method}\n{encoded_path}\n\n{canonical_headers}\n{signed_headers}\n{}",
        sha256_hex(payload)
    );
    let credential_scope = format!("{date}/{}/{}/aws4_request", scope.region, scope.service);
    let string_to_sign = format!(
        "AWS4-HMAC-SHA256\n{time}\n{credential_scope}\n{}",
        sha256_hex(canonical_request.as_bytes())
    );
    let secret = format!("AWS4{}", credentials.secret_access_key);
    let key = [date, scope.region, scope.service, "aws4_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| mac(&key, part.as_bytes()));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{credential_scope}, SignedHeaders={signed_headers}, Signature={}",
        credentials.access_key_id,
        hex(&mac(&key, string_to_sign.as_bytes()))
    )
}

/// The lower-case hexadecimal SHA-256 of some bytes.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Percent-encodes a path as S3 wants it signed: everything but unreserved characters and `/`.
pub(super) fn encode_path(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// Name and trimmed value of each header, a line each, in the order of the names; and the names.
fn canonical_headers(headers: &HeaderMap) -> (String, String) {
    let mut lines: Vec<(&str, String)> = headers
        .keys()
        .map(|name| {
            let values: Vec<String> = headers
                .get_all(name)
                .iter()
                .map(|value| collapse(&String::from_utf8_lossy(value.as_bytes())))
                .collect();
            (name.as_str(), values.join(","))
        })
        .collect();
    lines.sort_unstable();
    let names: Vec<&str> = lines.iter().map(|(name, _)| *name).collect();
    let text = lines.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    (text, names.join(";"))
}

/// Without spaces at the ends, and with one where there were several.
fn collapse(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `20150830T123600Z`.
fn basic_format(time: Timestamp) -> String {
    time.to_string().replace(['-', ':'], "")
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
