//! Objects of S3: `GetObject`, signed, and conditional where a copy is at hand.
//!
//! The endpoint is that of `AWS_REGION`, with the bucket in its host name, or, where the bucket's name has
//! dots and a certificate could not cover it, in its path. `AWS_ENDPOINT_URL_S3` names another; then the bucket
//! is always in the path, as every S3-compatible server understands it. Such an endpoint may be plain HTTP on
//! this machine, and elsewhere for revocation lists alone, which are signed.

use http_body_util::Full;
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use tokio::time::Instant;

use super::sigv4::{Scope, encode_path, sha256_hex, sign};
use super::{Aws, Remote, is_conditional};
use crate::source::reference::S3Object;
use crate::source::{Ask, Endpoint, FetchFault, Outcome, Receive, Scheme, Url, Use, Validator};

impl Remote {
    pub(super) async fn fetch_object(
        &self,
        object: &S3Object,
        ask: Ask<'_>,
        deadline: Instant,
        receiver: &mut dyn Receive,
    ) -> Result<Outcome, FetchFault> {
        let (url, region) = self.aws.object_url(object, ask.used_as)?;
        let credentials = self.aws.credentials()?;
        let mut request = Request::get(url.path())
            .body(Full::default())
            .map_err(|error| FetchFault::Exchange(error.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(HOST, header(&url.authority())?);
        headers.insert(HeaderName::from_static("x-amz-content-sha256"), header(&sha256_hex(b""))?);
        if let Some(validator) = ask.validator {
            validator.condition(headers);
        }
        let conditional = is_conditional(headers);
        let scope = Scope { region, service: "s3", time: self.clock.now() };
        sign("GET", url.path(), headers, b"", credentials, scope)
            .map_err(|error| FetchFault::Exchange(error.to_string()))?;

        let answer = self.client.send(&Endpoint::configured(url), request, deadline).await?;
        match answer.status() {
            StatusCode::OK => {
                let validator = Validator::of_answer(answer.headers());
                answer.receive(ask.limit, receiver).await?;
                Ok(Outcome::Complete(validator))
            }
            StatusCode::NOT_MODIFIED if conditional => Ok(Outcome::NotModified),
            StatusCode::NOT_MODIFIED => Err(FetchFault::UnaskedNotModified),
            status => {
                let elsewhere = answer
                    .headers()
                    .get("x-amz-bucket-region")
                    .and_then(|region| region.to_str().ok())
                    .filter(|there| *there != region && is_region(there))
                    .map(str::to_owned);
                let code = error_code(&answer.excerpt().await);
                Err(FetchFault::Aws { status: status.as_u16(), code, region: elsewhere })
            }
        }
    }
}

impl Aws {
    pub(super) fn credentials(&self) -> Result<&super::sigv4::Credentials, FetchFault> {
        self.credentials.as_ref().ok_or(FetchFault::Environment(
            "`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` are not set",
        ))
    }

    /// Where an object is, and in which region.
    fn object_url(&self, object: &S3Object, used_as: Use) -> Result<(Url, &str), FetchFault> {
        let region = self.region.as_deref();
        let (bucket, key) = (object.bucket(), encode_path(object.key()));
        if let Some(endpoint) = &self.s3_endpoint {
            let endpoint =
                custom_endpoint(endpoint, "`AWS_ENDPOINT_URL_S3` is no URL of a server")?;
            let signed = used_as == Use::RevocationList;
            if endpoint.scheme() == Scheme::Http && !endpoint.host().is_loopback() && !signed {
                return Err(FetchFault::PlainHttpEndpoint);
            }
            let prefix = endpoint.path().trim_end_matches('/');
            return Ok((
                endpoint.with_path(format!("{prefix}/{bucket}/{key}")),
                region.unwrap_or("us-east-1"),
            ));
        }
        let region = region.ok_or(FetchFault::Environment("`AWS_REGION` is not set"))?;
        let server = format!("s3.{region}.{}", domain(region)?);
        let url = if bucket.contains('.') {
            format!("https://{server}/{bucket}/{key}")
        } else {
            format!("https://{bucket}.{server}/{key}")
        };
        let url =
            Url::parse(&url).map_err(|_| FetchFault::Environment("`AWS_REGION` is no region"))?;
        Ok((url, region))
    }
}

/// The domain of the services of a region.
pub(super) fn domain(region: &str) -> Result<&'static str, FetchFault> {
    match region {
        _ if !is_region(region) => Err(FetchFault::Environment("`AWS_REGION` is no region")),
        _ if region.starts_with("cn-") => Ok("amazonaws.com.cn"),
        _ => Ok("amazonaws.com"),
    }
}

/// A server that the environment names in place of AWS's own.
pub(super) fn custom_endpoint(text: &str, fault: &'static str) -> Result<Url, FetchFault> {
    Url::parse(text).ok().filter(|url| !url.has_query()).ok_or(FetchFault::Environment(fault))
}

pub(super) fn header(value: &str) -> Result<HeaderValue, FetchFault> {
    HeaderValue::from_str(value).map_err(|error| FetchFault::Exchange(error.to_string()))
}

fn is_region(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The text of the element `Code` of S3's error document.
fn error_code(document: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(document);
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    is_code(code).then(|| code.to_owned())
}

/// A code of AWS is one word; anything else is not shown.
pub(super) fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::source::{Base, Rules, Source};

    fn url(
        region: Option<&str>,
        endpoint: Option<&str>,
        text: &str,
        used_as: Use,
    ) -> Result<String, FetchFault> {
        let aws = Aws {
            credentials: None,
            region: region.map(str::to_owned),
            s3_endpoint: endpoint.map(str::to_owned),
            secrets_endpoint: None,
        };
        let base = Base::Directory("".into());
        let source = Source::parse(text, Rules { used_as, base: &base, in_lambda: true }).unwrap();
        let Source::S3(object) = source else { return Err(FetchFault::NotAFile) };
        aws.object_url(&object, used_as).map(|(url, _)| url.to_string())
    }

    #[test]
    fn objects_are_at_the_endpoint_of_the_region() {
        let at = |region, text| url(Some(region), None, text, Use::Document).unwrap();
        assert_eq!(
            at("eu-central-1", "s3://pki/a b/ü+.crl"),
            "https://pki.s3.eu-central-1.amazonaws.com/a%20b/%C3%BC%2B.crl"
        );
        assert_eq!(
            at("eu-central-1", "s3://pki.example.com/a"),
            "https://s3.eu-central-1.amazonaws.com/pki.example.com/a"
        );
        assert_eq!(at("cn-north-1", "s3://pki/a"), "https://pki.s3.cn-north-1.amazonaws.com.cn/a");
        let none = url(None, None, "s3://pki/a", Use::Document).unwrap_err();
        assert_eq!(none, FetchFault::Environment("`AWS_REGION` is not set"));
        let bad = url(Some("evil.example/"), None, "s3://pki/a", Use::Document).unwrap_err();
        assert_eq!(bad, FetchFault::Environment("`AWS_REGION` is no region"));
    }

    #[test]
    fn an_endpoint_of_the_environment_is_plain_http_for_this_machine_and_signed_lists_alone() {
        let at = |endpoint, used_as| url(None, Some(endpoint), "s3://pki/a", used_as);
        assert_eq!(
            at("http://127.0.0.1:9000", Use::Document).unwrap(),
            "http://127.0.0.1:9000/pki/a"
        );
        assert_eq!(at("http://localhost/x/", Use::SigningKey).unwrap(), "http://localhost/x/pki/a");
        assert_eq!(
            at("https://minio.example", Use::SigningKey).unwrap(),
            "https://minio.example/pki/a"
        );
        assert_eq!(
            at("http://minio:9000", Use::RevocationList).unwrap(),
            "http://minio:9000/pki/a"
        );
        assert_eq!(at("http://minio:9000", Use::Document), Err(FetchFault::PlainHttpEndpoint));
        assert_eq!(at("http://minio:9000", Use::SigningKey), Err(FetchFault::PlainHttpEndpoint));
        assert!(matches!(at("minio:9000", Use::RevocationList), Err(FetchFault::Environment(_))));
        assert!(matches!(
            at("http://minio/?a", Use::RevocationList),
            Err(FetchFault::Environment(_))
        ));
    }

    #[test]
    fn only_a_word_is_taken_for_an_error_code() {
        let document = |code: &str| {
            format!("<?xml?><Error><Code>{code}</Code><Message>m</Message>").into_bytes()
        };
        assert_eq!(error_code(&document("NoSuchKey")).unwrap(), "NoSuchKey");
        assert_eq!(error_code(&document("a b")), None);
        assert_eq!(error_code(&document("")), None);
        assert_eq!(error_code(b"\xff<Code>half"), None);
    }
}
