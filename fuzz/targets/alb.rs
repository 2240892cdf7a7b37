//! The headers of a load balancer, one a line: certificate or chain, serial number, subject, issuer, validity.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mtls_authorizer_fuzz::Harness;

thread_local!(static HARNESS: Harness = Harness::of(&["alb-verify.toml", "alb-passthrough.toml"]));

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let certificate = line();
    let event = serde_json::json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/orders/7",
        "headers": {
            "X-Amzn-Mtls-Clientcert-Leaf": certificate,
            "X-Acme-5d1f0c7e-Client-Chain": certificate,
            "X-Amzn-Mtls-Clientcert-Serial-Number": line(),
            "X-Amzn-Mtls-Clientcert-Subject": line(),
            "X-Amzn-Mtls-Clientcert-Issuer": line(),
            "X-Amzn-Mtls-Clientcert-Validity": line(),
        },
        "requestContext": { "identity": { "vpceId": "vpce-0a1b2c3d4e5f60718" } },
    });
    HARNESS.with(|harness| harness.check(event.to_string().as_bytes()));
});
