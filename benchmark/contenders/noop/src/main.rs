//! A Lambda function that does nothing: the default-featured runtime on a multi-threaded tokio, as
//! cargo-lambda's template starts one. It reads past its event, whatever it holds, and answers a
//! constant: no certificate, no policy, no log line.

use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct IncomingMessage {}

#[derive(Serialize)]
struct OutgoingMessage {
    #[serde(rename = "principalId")]
    principal_id: &'static str,
}

async fn function_handler(_: LambdaEvent<IncomingMessage>) -> Result<OutgoingMessage, Error> {
    Ok(OutgoingMessage { principal_id: "noop" })
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    run(service_fn(function_handler)).await
}
