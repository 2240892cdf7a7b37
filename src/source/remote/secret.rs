//! Secrets of AWS Secrets Manager: `GetSecretValue` of the current version, in the region that the ARN names.
//!
//! `AWS_ENDPOINT_URL_SECRETS_MANAGER` names another endpoint, over plain HTTP on this machine alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;

use super::s3::{custom_endpoint, domain, header, is_code};
use super::sigv4::{Scope, sha256_hex, sign};
use super::{Aws, Remote};
use crate::source::reference::SecretArn;
use crate::source::{Endpoint, FetchFault, Outcome, Receive, Scheme, Url};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretValue {
    secret_string: Option<String>,
    secret_binary: Option<String>,
}

#[derive(Deserialize)]
struct ServiceError {
    #[serde(rename = "__type")]
    kind: String,
}

impl Remote {
    pub(super) async fn fetch_secret(
        &self,
        arn: &SecretArn,
        limit: usize,
        deadline: Instant,
        receiver: &mut dyn Receive,
    ) -> Result<Outcome, FetchFault> {
        // JSON and base64 around the value.
        let longest = limit.saturating_mul(2).saturating_add(4096);
        let url = self.aws.secrets_url(arn)?;
        let credentials = self.aws.credentials()?;
        let body = Bytes::from(serde_json::json!({ "SecretId": arn.as_str() }).to_string());
        let mut request = Request::post(url.path())
            .body(Full::new(body.clone()))
            .map_err(|error| FetchFault::Exchange(error.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(HOST, header(&url.authority())?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
        headers.insert(
            HeaderName::from_static("x-amz-target"),
            HeaderValue::from_static("secretsmanager.GetSecretValue"),
        );
        headers
            .insert(HeaderName::from_static("x-amz-content-sha256"), header(&sha256_hex(&body))?);
        let scope =
            Scope { region: arn.region(), service: "secretsmanager", time: self.clock.now() };
        sign("POST", url.path(), headers, &body, credentials, scope)
            .map_err(|error| FetchFault::Exchange(error.to_string()))?;

        let answer = self.client.send(&Endpoint::configured(url), request, deadline).await?;
        if answer.status() != StatusCode::OK {
            let status = answer.status().as_u16();
            let code = error_code(&answer.excerpt().await);
            return Err(FetchFault::Aws { status, code, region: None });
        }
        let mut document = Vec::new();
        answer.receive(longest, &mut document).await?;
        let value = secret_value(&document).ok_or(FetchFault::NoSecretValue)?;
        if value.len() > limit {
            return Err(FetchFault::TooLarge { limit });
        }
        receiver.begin(Some(value.len()));
        receiver.take(&value);
        Ok(Outcome::Complete(None))
    }
}

impl Aws {
    fn secrets_url(&self, arn: &SecretArn) -> Result<Url, FetchFault> {
        const NO_URL: &str = "`AWS_ENDPOINT_URL_SECRETS_MANAGER` is no URL of a server";
        let url = match &self.secrets_endpoint {
            Some(endpoint) => custom_endpoint(endpoint, NO_URL)?,
            None => {
                let region = arn.region();
                let url = format!("https://secretsmanager.{region}.{}/", domain(region)?);
                Url::parse(&url).map_err(|_| FetchFault::Environment("the ARN names no region"))?
            }
        };
        if url.scheme() == Scheme::Http && !url.host().is_loopback() {
            return Err(FetchFault::PlainHttpEndpoint);
        }
        Ok(url)
    }
}

fn secret_value(document: &[u8]) -> Option<Vec<u8>> {
    let value: SecretValue = serde_json::from_slice(document).ok()?;
    match (value.secret_string, value.secret_binary) {
        (Some(text), None) => Some(text.into_bytes()),
        (None, Some(base64)) => STANDARD.decode(base64).ok(),
        _ => None,
    }
}

fn error_code(document: &[u8]) -> Option<String> {
    let error: ServiceError = serde_json::from_slice(document).ok()?;
    // Some services put a namespace before it.
    let code = error.kind.rsplit('#').next()?;
    is_code(code).then(|| code.to_owned())
}
