//! The Lambda runtime loop: an event from the Runtime API, its answer back, one at a time.
//!
//! Other functions leave this to `lambda_runtime`, which fails here (1.5.0, measured):
//! - It hands the trace id of every invocation to `setenv`, and glibc never frees a value that was set: 145 bytes a
//!   call, so that a function of 128 MB is ended by the system before its millionth call, which is then a 500.
//! - At level TRACE it logs the whole event, which holds the certificate and may hold a token; and it answers what is
//!   not JSON with an error type of its own, where ours are fixed.
//! - Its connection pool, layers and request builders take 48,000 instructions a call, where all of the authorizer
//!   takes 66,000: with it, a call misses its bound of 0.7 of the time of a function that does nothing.

mod runtime_api;

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use hyper::body::Bytes;
use tracing::{error, warn};

use crate::{answer::Answer, environment::Environment, fault::Fault, telemetry::Invocation};
pub use runtime_api::RuntimeApiError;
use runtime_api::{FunctionError, Outcome, RuntimeApi};

/// Serves invocations with `authorize`, one at a time, until Lambda ends the process. A panic in it is an answer
/// of its own, and the next call is served.
///
/// # Errors
/// A Runtime API that can't be reached, or that says that nothing more will come.
pub async fn serve<A, F>(
    environment: &impl Environment,
    authorize: A,
) -> Result<std::convert::Infallible, RuntimeApiError>
where
    A: Fn(Bytes, Invocation) -> F,
    F: Future<Output = Result<Answer, Fault>>,
{
    let mut api =
        RuntimeApi::new(&environment.variable("AWS_LAMBDA_RUNTIME_API").unwrap_or_default())?;
    if environment.variable("AWS_LAMBDA_MAX_CONCURRENCY").is_some() {
        warn!("AWS_LAMBDA_MAX_CONCURRENCY is set, but calls are served one at a time");
    }
    if environment.variable("AWS_LAMBDA_INITIALIZATION_TYPE").as_deref() == Some("snap-start") {
        api.await_restore().await?;
    }
    loop {
        let next = api.next().await?;
        let invocation = Invocation {
            aws_request_id: Some(next.key.request_id.clone()),
            trace_id: next.trace_id,
        };
        // Called inside, so that a panic on the way to the future is caught too.
        let call = async { authorize(next.payload, invocation).await };
        let result = AssertUnwindSafe(call).catch_unwind().await;
        let outcome = match result.unwrap_or(Err(Fault::BrokenInvariant)) {
            Ok(Answer::Json(json)) => {
                Outcome::Answer(Bytes::from(Box::<str>::from(json).into_boxed_bytes()))
            }
            // API Gateway turns an error of exactly this message into 401.
            Ok(Answer::Unauthorized) => failure("Unauthorized", "Unauthorized".to_owned()),
            Err(fault) => {
                error!(
                    aws_request_id = next.key.request_id,
                    error_type = fault.error_type(),
                    "{fault}"
                );
                failure(fault.error_type(), fault.to_string())
            }
        };
        api.complete(&next.key, outcome).await?;
    }
}

/// The error types are fixed: alarms are built on them.
fn failure(error_type: &'static str, error_message: String) -> Outcome {
    Outcome::Error(FunctionError { error_type, error_message })
}
