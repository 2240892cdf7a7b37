//! The events, held against the repository's samples, which were put together from real ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::{Answer, Client, Setup};

async fn answer(setup: Setup, headers: &[(&str, &str)]) -> Answer {
    let running = setup.start().await;
    let client = Client::named("orders").title_case();
    let mut connection = running.connect(&client).await.unwrap();
    connection.get("/orders/7?a=1&b=x%20y&a=2", headers).await.unwrap()
}

fn sample(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The shape of an event: every key, and the kind of every value; in maps that a request fills, the
/// kind alone.
fn shape(value: &Value, path: &str, into: &mut Vec<String>) {
    let filled = ["headers", "multiValueHeaders", "queryStringParameters", "pathParameters"];
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    into.push(format!("{path}: {kind}"));
    if let Value::Object(entries) = value {
        for (key, value) in entries {
            if path.is_empty() && (filled.contains(&key.as_str()) || key.ends_with("Parameters")) {
                continue;
            }
            shape(value, &format!("{path}/{key}"), into);
        }
    }
}

fn shape_of(value: &Value) -> Vec<String> {
    let mut shapes = Vec::new();
    shape(value, "", &mut shapes);
    shapes.sort();
    shapes
}

#[tokio::test(flavor = "multi_thread")]
async fn events_have_the_shape_of_the_samples() {
    for (setup, sample_name) in [
        (Setup::new("rest.yaml"), "rest-allow.json"),
        (Setup::new("http.yaml").parameter("Format", "1.0"), "http-v1-allow.json"),
        (Setup::new("http.yaml"), "http-v2-allow.json"),
    ] {
        let event = answer(setup, &[("User-Agent", "test")]).await.event();
        let (own, sample) = (shape_of(&event), shape_of(&sample(sample_name)));
        // What differs by the settings of the API, not by the form.
        let settings = ["/stageVariables", "/identitySource", "/authorizationToken"];
        let of_form = |shapes: Vec<String>| -> Vec<String> {
            shapes
                .into_iter()
                .filter(|s| !settings.iter().any(|part| s.starts_with(part)))
                .collect()
        };
        assert_eq!(of_form(own), of_form(sample), "{sample_name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_is_told_as_api_gateway_tells_it() {
    let pem = std::fs::read_to_string(support::pki().file("orders.pem")).unwrap();
    for (template, certificate) in [
        ("rest.yaml", "/requestContext/identity/clientCert"),
        ("http.yaml", "/requestContext/authentication/clientCert"),
    ] {
        let event = answer(Setup::new(template), &[]).await.event();
        let certificate = event.pointer(certificate).unwrap();
        let told = certificate["clientCertPem"].as_str().unwrap();
        assert_eq!(told.replace("\r\n", "\n"), pem.replace("\r\n", "\n"));
        assert_eq!(certificate["subjectDN"], "C=US,O=Acme,CN=orders");
        assert_eq!(certificate["issuerDN"], "C=US,O=Acme,CN=Acme Issuing CA");
        let serial = certificate["serialNumber"].as_str().unwrap();
        assert!(serial.bytes().all(|byte| byte.is_ascii_digit()) && serial.len() > 30, "{serial}");
        // One hour before the tests' time.
        assert_eq!(certificate["validity"]["notBefore"], "Jan 15 07:00:00 2027 GMT");
        assert_eq!(certificate["validity"]["notAfter"], "Jan 15 08:00:00 2028 GMT");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_event_holds_the_request() {
    let headers = [("X-Twice", "1"), ("X-Twice", "2"), ("User-Agent", "test")];
    let event = answer(Setup::new("rest.yaml"), &headers).await.event();
    assert_eq!(
        event["methodArn"],
        "arn:aws:execute-api:us-east-1:123456789012:localgw000/live/GET/orders/7"
    );
    assert!(event.get("version").is_none());
    assert_eq!(event["resource"], "/orders/{id}");
    assert_eq!(event["path"], "/orders/7");
    assert_eq!(event["headers"]["X-Twice"], "2");
    assert_eq!(event["multiValueHeaders"]["X-Twice"], json!(["1", "2"]));
    assert_eq!(event["queryStringParameters"], json!({ "a": "2", "b": "x y" }));
    assert_eq!(event["multiValueQueryStringParameters"], json!({ "a": ["1", "2"], "b": ["x y"] }));
    assert_eq!(event["pathParameters"], json!({ "id": "7" }));
    assert_eq!(event["stageVariables"], json!({ "colour": "green" }));
    assert_eq!(event["requestContext"]["requestTime"], "15/Jan/2027:08:00:00 +0000");
    assert_eq!(event["requestContext"]["requestTimeEpoch"], 1_800_000_000_000_i64);
    assert_eq!(event["requestContext"]["identity"]["sourceIp"], "127.0.0.1");
    assert_eq!(event["headers"]["X-Forwarded-For"], "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn second_format_lower_cases_joins_and_takes_cookies_out() {
    let headers = [("X-Twice", "1"), ("X-Twice", "2"), ("Cookie", "a=1; b=2")];
    let event = answer(Setup::new("http.yaml"), &headers).await.event();
    assert_eq!(event["version"], "2.0");
    assert_eq!(
        event["routeArn"],
        "arn:aws:execute-api:us-east-1:123456789012:localgw000/$default/GET/orders/7"
    );
    assert_eq!(event["routeKey"], "GET /orders/{id}");
    assert_eq!(event["rawPath"], "/orders/7");
    assert_eq!(event["rawQueryString"], "a=1&b=x%20y&a=2");
    assert_eq!(event["queryStringParameters"], json!({ "a": "1,2", "b": "x y" }));
    assert_eq!(event["headers"]["x-twice"], "1,2");
    assert!(event["headers"].get("X-Twice").is_none() && event["headers"].get("cookie").is_none());
    assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
    assert_eq!(event["identitySource"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_that_reaches_the_backend_is_the_mapped_one() {
    let headers = [("Connection", "x-hop"), ("TE", "trailers"), ("X-Kept", "yes")];
    let answer = answer(Setup::new("rest.yaml"), &headers).await;
    let seen = answer.json();
    assert_eq!((&seen["method"], &seen["path"]), (&json!("GET"), &json!("/orders/7")));
    assert_eq!(seen["query"], "a=1&b=x%20y&a=2&from=gateway");
    assert_eq!(answer.seen("X-Kept"), "yes");
    assert_eq!(answer.seen("X-Colour"), "green");
    assert!(answer.seen("Connection").is_null() && answer.seen("TE").is_null());
}
