//! AWS Signature Version 4, as much of it as this crate's requests need: a path that is already encoded, no
//! query, all headers signed.
//!
//! See "Create a signed AWS API request" in the IAM user guide. Not supported: query strings, presigned URLs,
//! chunked payloads, version 4A.

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use ring::{digest, hmac};

use crate::{environment::Environment, hex, timestamp::Timestamp};

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
        hex::lower(&mac(&key, string_to_sign.as_bytes()))
    )
}

/// The lower-case hexadecimal SHA-256 of some bytes.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex::lower(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Percent-encodes a path as S3 wants it signed: everything but unreserved characters and `/`.
pub(super) fn encode_path(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.extend(hex::pair(byte));
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// The signature of AWS's published signing test suite for a request.
    fn suite_signature(
        method: &str,
        path: &str,
        headers: &[(&'static str, &'static str)],
        token: Option<&'static str>,
    ) -> String {
        let mut variables = HashMap::from([
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        ]);
        variables.extend(token.map(|token| ("AWS_SESSION_TOKEN", token)));
        let credentials = Credentials::from_environment(&variables).unwrap();
        let time = Timestamp::parse_rfc3339("2015-08-30T12:36:00Z").unwrap();
        let mut signed = HeaderMap::new();
        for (name, value) in [("host", "example.amazonaws.com")].iter().chain(headers) {
            signed.insert(*name, HeaderValue::from_static(value));
        }
        let scope = Scope { region: "us-east-1", service: "service", time };
        sign(method, &encode_path(path), &mut signed, b"", &credentials, scope).unwrap();
        let authorization = signed[AUTHORIZATION].to_str().unwrap().to_owned();
        let (_, signature) = authorization.split_once("Signature=").unwrap();
        signature.to_owned()
    }

    #[test]
    fn the_published_test_suite_is_signed_as_published() {
        for (case, signature, published) in [
            (
                "get-vanilla",
                suite_signature("GET", "/", &[], None),
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "post-vanilla, post-sts-header-after",
                suite_signature("POST", "/", &[], None),
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-header-key-sort",
                suite_signature("POST", "/", &[("my-header1", "value1")], None),
                "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            ),
            (
                "get-header-value-trim",
                suite_signature(
                    "GET",
                    "/",
                    &[("my-header2", " \"a   b   c\""), ("my-header1", " value1")],
                    None,
                ),
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            (
                "get-utf8",
                suite_signature("GET", "/\u{1234}", &[], None),
                "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
            ),
            (
                "get-vanilla-with-session-token",
                suite_signature(
                    "GET",
                    "/",
                    &[],
                    Some("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"),
                ),
                "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            ),
        ] {
            assert_eq!(signature, published, "{case}");
        }
    }

    /// "Example: GET Object" of the S3 API reference, "Authenticating requests: using the authorization header".
    #[test]
    fn the_example_of_the_s3_reference_is_signed_as_published() {
        let credentials = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: None,
        };
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("examplebucket.s3.amazonaws.com"));
        headers.insert("range", HeaderValue::from_static("bytes=0-9"));
        headers.insert("x-amz-content-sha256", HeaderValue::from_str(&sha256_hex(b"")).unwrap());
        let time = Timestamp::parse_rfc3339("2013-05-24T00:00:00Z").unwrap();
        let scope = Scope { region: "us-east-1", service: "s3", time };
        sign("GET", "/test.txt", &mut headers, b"", &credentials, scope).unwrap();
        assert_eq!(
            headers[AUTHORIZATION].to_str().unwrap(),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }

    #[test]
    fn neither_token_nor_signature_shows_in_debug_output() {
        let variables = HashMap::from([
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "hidden"),
            ("AWS_SESSION_TOKEN", "hidden"),
        ]);
        let credentials = Credentials::from_environment(&variables).unwrap();
        let mut headers = HeaderMap::new();
        let scope =
            Scope { region: "r", service: "s", time: Timestamp::from_unix_seconds(1_000_000_000) };
        sign("GET", "/", &mut headers, b"", &credentials, scope).unwrap();
        let shown = format!("{headers:?}");
        assert!(!shown.contains("hidden") && !shown.contains("AKIDEXAMPLE"), "{shown}");
    }
}
