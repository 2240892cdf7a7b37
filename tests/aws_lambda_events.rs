//! `aws_lambda_events` as an independent witness: what it reads of events and answers, we read and write alike. And
//! where it does not hold up on real events, which is why the authorizer has types of its own; each of those tests
//! fails when a later version does, and then it is time to think again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{fs, path::PathBuf, process::Command};

use aws_lambda_events::{
    apigw::{
        ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayCustomAuthorizerResponse,
        ApiGatewayV2CustomAuthorizerIamPolicyResponse, ApiGatewayV2CustomAuthorizerSimpleResponse,
        ApiGatewayV2CustomAuthorizerV1Request, ApiGatewayV2CustomAuthorizerV2Request,
    },
    iam::{IamPolicyEffect, IamPolicyStatement},
};
use mtls_authorizer::event::{EventForm, Request};
use serde_json::{Map, Value, from_value, json};

type Context = Map<String, Value>;

fn events() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("events")
}

fn event(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(events().join(name)).unwrap()).unwrap()
}

/// Every sample event that the authorizer reads.
fn sample_events() -> Vec<(String, Value)> {
    let mut samples = Vec::new();
    for entry in fs::read_dir(events()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_event = ["rest-", "http-", "alb-"].iter().any(|kind| name.starts_with(kind));
        if is_event && name.ends_with(".json") {
            samples.push((name.clone(), event(&name)));
        }
    }
    assert!(samples.len() > 50);
    samples.sort_by(|(one, _), (other, _)| one.cmp(other));
    samples
}

/// What both readings tell.
#[derive(Debug, PartialEq)]
struct Reading {
    arn: Option<String>,
    client_certificate: Option<String>,
    source_ip: Option<String>,
    request_id: Option<String>,
}

fn ours(event: &Value) -> (EventForm, Reading) {
    let text = event.to_string();
    let request = Request::parse(text.as_bytes()).unwrap();
    let arn = &request.arn;
    let reading = Reading {
        arn: Some(format!("{}/{}{}", arn.stage(), arn.method(), arn.path())),
        client_certificate: request.client_certificate,
        source_ip: request.source_ip,
        request_id: request.request_id,
    };
    (request.form, reading)
}

fn theirs(form: EventForm, event: &Value) -> serde_json::Result<Reading> {
    match form {
        EventForm::Rest => {
            let event: ApiGatewayCustomAuthorizerRequestTypeRequest = from_value(event.clone())?;
            let context = event.request_context;
            let identity = context.identity.unwrap();
            Ok(Reading {
                arn: event.method_arn,
                client_certificate: identity.client_cert.map(|it| it.client_cert_pem.unwrap()),
                source_ip: identity.source_ip,
                request_id: context.request_id,
            })
        }
        EventForm::HttpV1 => {
            let event: ApiGatewayV2CustomAuthorizerV1Request = from_value(event.clone())?;
            let context = event.request_context;
            let identity = context.identity;
            Ok(Reading {
                arn: event.method_arn,
                client_certificate: identity.client_cert.map(|it| it.client_cert_pem.unwrap()),
                source_ip: identity.source_ip,
                request_id: context.request_id,
            })
        }
        EventForm::HttpV2 => {
            let event: ApiGatewayV2CustomAuthorizerV2Request = from_value(event.clone())?;
            let context = event.request_context;
            let certificate = context.authentication.and_then(|it| it.client_cert);
            Ok(Reading {
                arn: event.route_arn,
                client_certificate: certificate.map(|it| it.client_cert_pem.unwrap()),
                source_ip: context.http.source_ip,
                request_id: context.request_id,
            })
        }
    }
}

/// The sample events that the crate does not read: with null headers, and without the gateway's strings.
const ONLY_WE_READ: &[&str] =
    &["http-v1-null-maps.json", "http-v2-null-maps.json", "rest-no-strings.json"];

#[test]
fn both_read_the_same_of_every_sample_event() {
    let mut unread = Vec::new();
    for (name, event) in sample_events() {
        let (form, reading) = ours(&event);
        match theirs(form, &event) {
            Ok(theirs) => assert_eq!(reading, theirs, "{name}"),
            Err(_) => unread.push(name),
        }
    }
    assert_eq!(unread, ONLY_WE_READ);
}

/// Fails unless we read `changed` as we read `event`, and the crate reads only the latter.
fn assert_only_we_read(event: &Value, changed: &Value) {
    let (form, reading) = ours(event);
    assert_eq!(theirs(form, event).unwrap(), reading);
    assert_eq!(ours(changed), (form, reading));
    assert!(theirs(form, changed).is_err(), "the crate reads it now: {changed}");
}

#[test]
fn null_headers_are_read_of_http_apis() {
    for name in ["http-v1-allow.json", "http-v2-allow.json"] {
        let event = event(name);
        let mut changed = event.clone();
        changed["headers"] = Value::Null;
        assert_only_we_read(&event, &changed);
    }
    // Of REST APIs the crate reads them too.
    let event = event("rest-allow.json");
    let mut changed = event.clone();
    changed["headers"] = Value::Null;
    assert_eq!(theirs(EventForm::Rest, &changed).unwrap(), ours(&event).1);
}

#[test]
fn null_cookies_are_read() {
    let event = event("http-v2-allow.json");
    let mut changed = event.clone();
    changed["cookies"] = Value::Null;
    assert_only_we_read(&event, &changed);
}

#[test]
fn a_certificate_without_its_validity_is_read_in_every_form() {
    for (name, pointer) in [
        ("rest-allow.json", "/requestContext/identity/clientCert"),
        ("http-v1-allow.json", "/requestContext/identity/clientCert"),
        ("http-v2-allow.json", "/requestContext/authentication/clientCert"),
    ] {
        let event = event(name);
        let mut changed = event.clone();
        changed.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove("validity").unwrap();
        assert_only_we_read(&event, &changed);
    }
}

/// The answers to all sample events, with what is expected of each.
fn answers() -> Vec<(Value, Value)> {
    let expected = fs::read_to_string(events().join("expected.json")).unwrap();
    let expected: Vec<Value> = serde_json::from_str(&expected).unwrap();
    let decided = expected.into_iter().filter(|case| case["exit"] != 2);
    let answered = decided.map(|case| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mtls-authorizer"));
        command
            .current_dir(events())
            .env_clear()
            .arg("decide")
            .arg(case["event"].as_str().unwrap());
        command.args(["--config", case["config"].as_str().unwrap()]);
        command.args(case["at"].as_str().into_iter().flat_map(|at| ["--at", at]));
        let answer = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        (case, answer)
    });
    answered.collect()
}

#[test]
fn every_answer_is_one_of_the_types_and_comes_back_the_same() {
    let mut simple_answers = 0;
    for (case, answer) in answers() {
        let granted = case["decision"] == "Allow" || case["reason"] == "route-not-allowed";
        if answer.get("errorType").is_some() {
            // The error that becomes 401 is no answer of either type.
            assert_eq!(
                answer,
                json!({"errorType": "Unauthorized", "errorMessage": "Unauthorized"})
            );
            continue;
        }
        if answer.get("isAuthorized").is_some() {
            let simple: ApiGatewayV2CustomAuthorizerSimpleResponse<Context> =
                from_value(answer.clone()).unwrap();
            assert_eq!(simple.is_authorized, case["decision"] == "Allow", "{case}");
            assert_eq!(json!(simple.context), answer["context"], "{case}");
            assert_eq!(answer.as_object().unwrap().len(), 2, "{case}");
            simple_answers += 1;
            continue;
        }
        let iam: ApiGatewayCustomAuthorizerResponse<Context> = from_value(answer.clone()).unwrap();
        let v2: ApiGatewayV2CustomAuthorizerIamPolicyResponse<Context> =
            from_value(answer.clone()).unwrap();
        assert_eq!(iam.principal_id, v2.principal_id);
        assert_eq!(json!(iam.principal_id), answer["principalId"], "{case}");
        assert_eq!(json!(iam.context), answer["context"], "{case}");
        assert_eq!(json!(iam.policy_document), json!(v2.policy_document));
        let policy = iam.policy_document;
        assert_eq!(policy.version.as_deref(), Some("2012-10-17"));
        let first = policy.statement.first().unwrap();
        let effect = if granted { IamPolicyEffect::Allow } else { IamPolicyEffect::Deny };
        assert_eq!(first.effect, effect, "{case}");
        let written = answer["policyDocument"]["Statement"].as_array().unwrap();
        assert_eq!(policy.statement.len(), written.len());
        for (read, written) in policy.statement.iter().zip(written) {
            assert_eq!(read.action, ["execute-api:Invoke"]);
            assert_eq!(json!(read.resource), written["Resource"], "{case}");
            // Spelt out, always: see below.
            assert_eq!(json!(read.effect), written["Effect"], "{case}");
            assert!(read.condition.is_none());
        }
        // What there is none of is left out, and no null is sent.
        let has_key = answer.as_object().unwrap().contains_key("usageIdentifierKey");
        assert_eq!(has_key, iam.usage_identifier_key.is_some(), "{case}");
        assert!(!answer.to_string().contains("null"), "{case}");
    }
    assert!(simple_answers > 1, "no sample has a simple answer");
}

#[test]
fn a_statement_without_an_effect_would_be_an_allow() {
    let statement = json!({ "Action": "execute-api:Invoke", "Resource": "*" });
    let statement: IamPolicyStatement = from_value(statement).unwrap();
    assert_eq!(statement.effect, IamPolicyEffect::Allow);
    assert_eq!(IamPolicyStatement::default().effect, IamPolicyEffect::Allow);
}

#[test]
fn absent_parts_of_an_answer_would_be_sent_as_null() {
    let answer = ApiGatewayCustomAuthorizerResponse::<Option<Context>>::default();
    let answer = serde_json::to_value(answer).unwrap();
    assert!(answer["context"].is_null() && answer["usageIdentifierKey"].is_null());
    assert!(answer.as_object().unwrap().contains_key("usageIdentifierKey"));
}
