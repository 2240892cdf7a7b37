//! A client of Lambda's Runtime API, version 2018-06-01 ("Using the Lambda runtime API for custom runtimes" in the
//! Lambda developer guide): the next event, its answer or error.
//!
//! One connection, kept open, and one request at a time on it. Where it is known to be closed between two requests, the
//! next one opens another; a request that may have been sent is never sent again.

use std::{error::Error, fmt, io};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;
use tracing::warn;

const AGENT: &str = concat!("mtls-authorizer/", env!("CARGO_PKG_VERSION"));

const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const INVOCATION_ID: HeaderName = HeaderName::from_static("lambda-runtime-invocation-id");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");

/// Where the Runtime API is, and the connection to it.
pub(super) struct RuntimeApi {
    host: String,
    port: u16,
    /// What every path begins with: the version, and before it, where local tools serve several functions, which one.
    base: String,
    next: Uri,
    authority: HeaderValue,
    kept: Option<SendRequest<Full<Bytes>>>,
}

/// An event.
pub(super) struct NextEvent {
    pub(super) key: InvocationKey,
    pub(super) trace_id: Option<String>,
    pub(super) payload: Bytes,
}

/// What an answer says it answers.
pub(super) struct InvocationKey {
    pub(super) request_id: String,
    /// Tells apart invocations of one request id, which callers may choose: without it, the late answer to one that has
    /// timed out could be taken for another's.
    invocation_id: Option<HeaderValue>,
}

/// How an invocation ends.
pub(super) enum Outcome {
    /// With this JSON.
    Answer(Bytes),
    /// With an error.
    Error(FunctionError),
}

/// An error as the Runtime API takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FunctionError {
    pub(super) error_type: &'static str,
    pub(super) error_message: String,
}

/// Why no more events can be served. Holds nothing of an event or answer.
#[derive(Debug)]
pub enum RuntimeApiError {
    /// `AWS_LAMBDA_RUNTIME_API` is no host with a port.
    Address(String),
    /// There is no connection to be had.
    Connect(io::Error),
    /// The connection broke off, or spoke no HTTP.
    Exchange(hyper::Error),
    /// Another status than the protocol has.
    Status(&'static str, StatusCode),
    /// An event without a request id that can be answered.
    RequestId,
}

impl fmt::Display for RuntimeApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => {
                f.write_str("AWS_LAMBDA_RUNTIME_API is no host with a port")?;
                // Before an `@` there may be a password.
                match address.contains('@') {
                    true => Ok(()),
                    false => write!(f, ": `{}`", address.escape_debug()),
                }
            }
            Self::Connect(error) => write!(f, "no connection to the Runtime API: {error}"),
            Self::Exchange(error) => {
                write!(f, "the Runtime API broke off: {error}")?;
                error.source().map_or(Ok(()), |source| write!(f, ": {source}"))
            }
            Self::Status(call, status) => {
                write!(f, "the Runtime API answers `{call}` with status {status}")
            }
            Self::RequestId => {
                write!(f, "the Runtime API gives an event without a usable `{REQUEST_ID}`")
            }
        }
    }
}

impl Error for RuntimeApiError {}

impl From<hyper::Error> for RuntimeApiError {
    fn from(error: hyper::Error) -> Self {
        Self::Exchange(error)
    }
}

impl RuntimeApi {
    /// The API at `address`: a host with a port, as Lambda gives it, or an `http` URL.
    ///
    /// # Errors
    /// An address that is neither.
    pub(super) fn new(address: &str) -> Result<Self, RuntimeApiError> {
        let fault = || RuntimeApiError::Address(address.to_owned());
        let rest = address.strip_prefix("http://").unwrap_or(address);
        let uri: Uri = format!("http://{rest}").parse().map_err(|_| fault())?;
        let authority = uri.authority().ok_or_else(fault)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || rest.contains(['@', '?']) || rest.contains("://") {
            return Err(fault());
        }
        let base = format!("{}/2018-06-01/runtime", uri.path().trim_end_matches('/'));
        Ok(Self {
            host,
            port: authority.port_u16().ok_or_else(fault)?,
            next: format!("{base}/invocation/next").try_into().map_err(|_| fault())?,
            base,
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| fault())?,
            kept: None,
        })
    }

    /// Waits until a snapshot of this process has been restored (Lambda SnapStart).
    ///
    /// # Errors
    /// As [`RuntimeApi::next`].
    pub(super) async fn await_restore(&mut self) -> Result<(), RuntimeApiError> {
        let uri = self.uri(&["restore", "next"])?;
        let response = self.call(self.request(Method::GET, uri, Bytes::new())).await?;
        // Of what was connected before a snapshot, nothing is trusted to be so after it.
        self.kept = None;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(RuntimeApiError::Status("restore/next", status)),
        }
    }

    /// Waits for the next event, as long as it takes.
    ///
    /// # Errors
    /// All of them end the process, as the API wants it, and Lambda starts another.
    pub(super) async fn next(&mut self) -> Result<NextEvent, RuntimeApiError> {
        loop {
            let request = self.request(Method::GET, self.next.clone(), Bytes::new());
            let response = self.call(request).await?;
            match response.status() {
                StatusCode::OK => return NextEvent::read(response),
                // From local tools: nothing to do yet.
                StatusCode::NO_CONTENT => {}
                status => return Err(RuntimeApiError::Status("invocation/next", status)),
            }
        }
    }

    /// Ends an invocation. An answer that the API refuses, as one that comes too late, is the end of that call alone.
    ///
    /// # Errors
    /// As [`RuntimeApi::next`].
    pub(super) async fn complete(
        &mut self,
        key: &InvocationKey,
        outcome: Outcome,
    ) -> Result<(), RuntimeApiError> {
        let (resource, body, is_error) = match outcome {
            Outcome::Answer(json) => ("response", json, false),
            Outcome::Error(error) => {
                ("error", serde_json::to_vec(&error).unwrap_or_default().into(), true)
            }
        };
        let uri = self.uri(&["invocation", &key.request_id, resource])?;
        let mut request = self.request(Method::POST, uri, body);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if is_error {
            headers.insert(ERROR_TYPE, HeaderValue::from_static("unhandled"));
        }
        if let Some(id) = &key.invocation_id {
            headers.insert(INVOCATION_ID, id.clone());
        }
        let status = self.call(request).await?.status();
        // Where the API is beyond repair, the next request to it shows that.
        if !status.is_success() {
            warn!(
                aws_request_id = key.request_id,
                "the Runtime API refuses `{resource}`: {status}"
            );
        }
        Ok(())
    }

    fn uri(&self, segments: &[&str]) -> Result<Uri, RuntimeApiError> {
        let path = [&[self.base.as_str()], segments].concat().join("/");
        path.try_into().map_err(|_| RuntimeApiError::RequestId)
    }

    fn request(&self, method: Method, uri: Uri, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        request.headers_mut().insert(HOST, self.authority.clone());
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        request
    }

    /// Sends a request and reads the whole response.
    async fn call(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, RuntimeApiError> {
        if let Some(mut connection) = self.kept.take()
            && connection.ready().await.is_ok()
        {
            match connection.try_send_request(request).await {
                Ok(response) => return self.read(connection, response).await,
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let mut connection = self.connect().await?;
        let response = connection.send_request(request).await?;
        self.read(connection, response).await
    }

    async fn read(
        &mut self,
        connection: SendRequest<Full<Bytes>>,
        response: Response<hyper::body::Incoming>,
    ) -> Result<Response<Bytes>, RuntimeApiError> {
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        self.kept = Some(connection);
        Ok(Response::from_parts(parts, body))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, RuntimeApiError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(RuntimeApiError::Connect)?;
        stream.set_nodelay(true).map_err(RuntimeApiError::Connect)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // Its faults reach the request or the body.
            let _ = connection.await;
        });
        Ok(sender)
    }
}

impl NextEvent {
    fn read(response: Response<Bytes>) -> Result<Self, RuntimeApiError> {
        let (mut parts, payload) = response.into_parts();
        let text = |headers: &HeaderMap, name| {
            headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        // It becomes a segment of a path.
        let of_segment = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let request_id = text(&parts.headers, REQUEST_ID)
            .filter(|id| !id.is_empty() && id.bytes().all(of_segment))
            .ok_or(RuntimeApiError::RequestId)?;
        let trace_id = text(&parts.headers, TRACE_ID);
        let invocation_id = parts.headers.remove(INVOCATION_ID);
        Ok(Self { key: InvocationKey { request_id, invocation_id }, trace_id, payload })
    }
}
