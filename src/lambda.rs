//! The Lambda runtime loop.
//!
//! `lambda_runtime` speaks the Runtime API. It would also parse the payload, answer what is not JSON with an
//! error type of its own, and at level TRACE log the whole event, which holds the certificate and may hold a
//! token. So a layer takes the payload's bytes out of the invocation before it sees them, and the handler gets
//! them from there.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt;
use lambda_runtime::{
    Diagnostic, Error, LambdaEvent, LambdaInvocation, Runtime, Service, service_fn, tower::Layer,
};
use serde::de::IgnoredAny;

use crate::{answer::Answer, fault::Fault, telemetry::Invocation};

/// Serves invocations with `authorize`, one at a time, until Lambda ends the process. A panic in it is an answer
/// of its own, and the next call is served.
///
/// # Errors
/// A Runtime API that can't be reached.
pub async fn serve<A, F>(authorize: A) -> Result<(), Error>
where
    A: Fn(Bytes, Invocation) -> F,
    F: Future<Output = Result<Answer, Fault>>,
{
    let payload = Payload::default();
    let taken = payload.clone();
    let authorize = &authorize;
    let handler = service_fn(move |event: LambdaEvent<IgnoredAny>| {
        let invocation = Invocation {
            aws_request_id: Some(event.context.request_id),
            trace_id: event.context.xray_trace_id,
        };
        // Taken in the very call that put it there, before anything is awaited.
        let payload = taken.take();
        // Called inside, so that a panic on the way to the future is caught too.
        let call = async move { authorize(payload, invocation).await };
        async move {
            match AssertUnwindSafe(call).catch_unwind().await {
                Ok(Ok(Answer::Json(json))) => Ok(json),
                Ok(Ok(Answer::Unauthorized)) => Err(Failure::Unauthorized),
                Ok(Err(fault)) => Err(Failure::Fault(fault)),
                Err(_panic) => Err(Failure::Fault(Fault::BrokenInvariant)),
            }
        }
    });
    Runtime::new(handler).layer(TakePayload(payload)).run().await
}

/// Why an invocation ends in an error. The error types are fixed: alarms are built on them.
enum Failure {
    /// API Gateway turns an error of exactly this message into 401.
    Unauthorized,
    Fault(Fault),
}

impl Failure {
    fn error_type(&self) -> &'static str {
        match self {
            Self::Unauthorized => "Unauthorized",
            Self::Fault(fault) => fault.error_type(),
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Unauthorized => "Unauthorized".to_owned(),
            Self::Fault(fault) => fault.to_string(),
        }
    }
}

/// What `lambda_runtime` logs of it.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_type(), self.message())
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.error_type().to_owned(), error_message: failure.message() }
    }
}

/// The bytes of the payload on their way past the runtime.
#[derive(Clone, Default)]
struct Payload(Arc<Mutex<Bytes>>);

impl Payload {
    fn put(&self, bytes: Bytes) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
    }

    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct TakePayload(Payload);

impl<S> Layer<S> for TakePayload {
    type Service = TakePayloadService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TakePayloadService { payload: self.0.clone(), inner }
    }
}

struct TakePayloadService<S> {
    payload: Payload,
    inner: S,
}

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for TakePayloadService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> Self::Future {
        let null = Bytes::from_static(b"null");
        self.payload.put(std::mem::replace(&mut invocation.body, null));
        self.inner.call(invocation)
    }
}
