//! What is read over the network: web servers, S3 and Secrets Manager; and questions put to servers.
//!
//! Each exchange ends at the deadline of its source or of the call, whichever is first. [`super`] says what is asked
//! for and judges nothing of it; this says how. A build without the feature `network` has `offline.rs` in its place.

mod http;
mod s3;
mod secret;
mod sigv4;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use hyper::{Request, StatusCode};
use tokio::time::Instant;

use super::{
    Ask, Clock, Endpoint, FetchFault, Outcome, Post, Receive, Source, State, Target, Validator,
};
use crate::apart::apart;
use crate::environment::Environment;
pub use http::{BoxFuture, Network, SystemNetwork};

/// Reads what is no file.
pub(super) struct Remote {
    client: http::Client,
    aws: Aws,
    clock: Clock,
}

/// What the environment says about AWS.
struct Aws {
    credentials: Option<sigv4::Credentials>,
    region: Option<String>,
    s3_endpoint: Option<String>,
    secrets_endpoint: Option<String>,
}

/// What a server says of the state of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AnswerState {
    EntityTag(HeaderValue),
    LastModified(HeaderValue),
}

impl Validator {
    fn of_answer(headers: &HeaderMap) -> Option<Self> {
        let tag = headers.get(ETAG).cloned().map(AnswerState::EntityTag);
        tag.or_else(|| headers.get(LAST_MODIFIED).cloned().map(AnswerState::LastModified))
            .map(Self::from)
    }

    /// Makes a request conditional.
    fn condition(&self, headers: &mut HeaderMap) {
        match &self.0 {
            State::File(_) => None,
            State::Answer(AnswerState::EntityTag(tag)) => {
                headers.insert(IF_NONE_MATCH, tag.clone())
            }
            State::Answer(AnswerState::LastModified(date)) => {
                headers.insert(IF_MODIFIED_SINCE, date.clone())
            }
        };
    }
}

impl Remote {
    /// Over the system's network.
    pub(super) fn new(environment: &dyn Environment, clock: Clock) -> Self {
        Self::on(Box::new(SystemNetwork), environment, clock)
    }

    /// Over another network.
    pub(super) fn on(
        network: Box<dyn Network>,
        environment: &dyn Environment,
        clock: Clock,
    ) -> Self {
        let authorities = environment.variable("SSL_CERT_FILE").map(Into::into);
        Self {
            client: http::Client::new(network, authorities, clock),
            aws: Aws {
                credentials: sigv4::Credentials::from_environment(environment),
                region: environment
                    .variable("AWS_REGION")
                    .or_else(|| environment.variable("AWS_DEFAULT_REGION")),
                s3_endpoint: environment.variable("AWS_ENDPOINT_URL_S3"),
                secrets_endpoint: environment.variable("AWS_ENDPOINT_URL_SECRETS_MANAGER"),
            },
            clock,
        }
    }

    /// Reads a source or an endpoint into a receiver.
    pub(super) async fn fetch(
        &self,
        ask: Ask<'_>,
        receiver: &mut dyn Receive,
    ) -> Result<Outcome, FetchFault> {
        let deadline = ask.budget.deadline(ask.timeout);
        // Apart, here and below: exchanges are rare, and would make each future that may wait for one large.
        apart(within(deadline, self.fetch_within(ask, deadline, receiver))).await
    }

    /// Puts a question to a server and returns its answer.
    pub(super) async fn post(&self, post: Post<'_>) -> Result<Vec<u8>, FetchFault> {
        let deadline = post.budget.deadline(post.timeout);
        let exchange = async {
            let mut request = Request::post(post.endpoint.url().path_and_query())
                .body(Full::new(Bytes::copy_from_slice(post.body)))
                .map_err(|error| FetchFault::Exchange(error.to_string()))?;
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(post.content_type));
            let answer = self.client.send(post.endpoint, request, deadline).await?;
            expect_ok(answer.status())?;
            let mut bytes = Vec::new();
            answer.receive(post.limit, &mut bytes).await?;
            Ok(bytes)
        };
        apart(within(deadline, exchange)).await
    }

    async fn fetch_within(
        &self,
        ask: Ask<'_>,
        deadline: Instant,
        receiver: &mut dyn Receive,
    ) -> Result<Outcome, FetchFault> {
        match ask.target {
            Target::Source(Source::Web(url)) => {
                self.fetch_web(&Endpoint::configured(url.clone()), ask, deadline, receiver).await
            }
            Target::Endpoint(endpoint) => self.fetch_web(endpoint, ask, deadline, receiver).await,
            Target::Source(Source::S3(object)) => {
                self.fetch_object(object, ask, deadline, receiver).await
            }
            Target::Source(Source::Secret(arn)) => {
                self.fetch_secret(arn, ask.limit, deadline, receiver).await
            }
            // Read by the caller, who knows which files must be private.
            Target::Source(Source::File(_)) => {
                Err(FetchFault::Exchange("a file is on no server".to_owned()))
            }
        }
    }

    async fn fetch_web(
        &self,
        endpoint: &Endpoint,
        ask: Ask<'_>,
        deadline: Instant,
        receiver: &mut dyn Receive,
    ) -> Result<Outcome, FetchFault> {
        let mut request = Request::get(endpoint.url().path_and_query())
            .body(Full::default())
            .map_err(|error| FetchFault::Exchange(error.to_string()))?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(validator) = ask.validator {
            validator.condition(request.headers_mut());
        }
        let conditional = is_conditional(request.headers());
        let answer = self.client.send(endpoint, request, deadline).await?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            return if conditional {
                Ok(Outcome::NotModified)
            } else {
                Err(FetchFault::UnaskedNotModified)
            };
        }
        expect_ok(answer.status())?;
        let validator = Validator::of_answer(answer.headers());
        answer.receive(ask.limit, receiver).await?;
        Ok(Outcome::Complete(validator))
    }
}

fn is_conditional(headers: &HeaderMap) -> bool {
    headers.contains_key(IF_NONE_MATCH) || headers.contains_key(IF_MODIFIED_SINCE)
}

fn expect_ok(status: StatusCode) -> Result<(), FetchFault> {
    match status {
        StatusCode::OK => Ok(()),
        status if status.is_redirection() => Err(FetchFault::Redirect(status.as_u16())),
        status => Err(FetchFault::Status(status.as_u16())),
    }
}

async fn within<T>(
    deadline: Instant,
    future: impl Future<Output = Result<T, FetchFault>>,
) -> Result<T, FetchFault> {
    if deadline <= Instant::now() {
        return Err(FetchFault::TimedOut);
    }
    tokio::time::timeout_at(deadline, future).await.unwrap_or(Err(FetchFault::TimedOut))
}
