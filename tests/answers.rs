//! What goes back to API Gateway, for every form of event: which policy over which ARNs, with which context.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::{fs, path::PathBuf};

use runtime_emulator::Outcome;
use serde_json::{Value, json};
use support::function::{self, Function};

const REST: &str = "rest-allow.json";
const FORMS: [&str; 3] = [REST, "http-v1-allow.json", "http-v2-allow.json"];
const CONTEXT: [&str; 7] = [
    "clientCertSub",
    "clientCertSubBase64",
    "clientCertIssuer",
    "clientCertSerial",
    "clientCertFingerprint",
    "clientCertNotAfter",
    "clientId",
];

fn event(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("events").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The event of this form, for another call.
fn at(name: &str, arn: &str) -> Value {
    let mut event = event(name);
    let key = if event["routeArn"].is_string() { "routeArn" } else { "methodArn" };
    event[key] = json!(arn);
    event
}

/// A document with one client, which is the one of the sample events.
fn client(sections: &str, client: &str) -> String {
    format!(
        "{sections}\n[[client]]\nid = \"orders\"\nsubject = {{ CN = \"orders\", O = \"Acme\" }}\n{client}\n"
    )
}

const ORDERS: &str = r#"allow = ["GET /orders/*", "POST /orders"]"#;

fn start(document: &str) -> Function {
    Function::start(&function::launch_inline(document))
}

fn statement(effect: &str, resources: &[String]) -> Value {
    json!({ "Action": "execute-api:Invoke", "Effect": effect, "Resource": resources })
}

#[test]
fn the_policy_is_of_the_api_and_stage_of_the_call_whatever_they_are() {
    let mut function = start(&client("", r#"allow = ["GET /", "GET /orders/*"]"#));
    for stage in [
        "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod",
        "arn:aws-cn:execute-api:cn-north-1:123456789012:a1b2c3d4e5/prod",
        "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:a1b2c3d4e5/prod",
        "arn:aws-iso-b:execute-api:us-isob-east-1:123456789012:a1b2c3d4e5/prod",
        "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/$default",
        "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/test-invoke-stage",
        "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/v1.0-beta_2",
    ] {
        let allowed = [format!("{stage}/GET/"), format!("{stage}/GET/orders/*")];
        for name in FORMS {
            for path in ["", "orders/7", "orders/a:b//c%2F"] {
                let call = function.call(at(name, &format!("{stage}/GET/{path}")).to_string());
                let policy = &call.answer()["policyDocument"];
                assert_eq!(policy["Version"], "2012-10-17");
                assert_eq!(policy["Statement"], json!([statement("Allow", &allowed)]), "{path}");
                assert_eq!(function.decision(&call)["decision"], "Allow");
                assert_eq!(function.decision(&call)["route"], format!("GET /{path}"));
            }
            // The stage alone, where nothing is known of the client.
            let mut event = at(name, &format!("{stage}/GET/orders/7"));
            let context = &mut event["requestContext"];
            context["identity"]["clientCert"] = Value::Null;
            context["authentication"] = Value::Null;
            let answer = function.call(event.to_string()).answer();
            let everything = statement("Deny", &[format!("{stage}/*")]);
            assert_eq!(answer["policyDocument"]["Statement"], json!([everything]));
        }
    }
}

#[test]
fn an_arn_that_is_none_of_a_call_is_a_fault() {
    let mut function = start(&client("", r#"allow = ["*"]"#));
    for arn in [
        "arn:aws:execute-api:us-east-1:123456789012:*/prod/GET/orders/7",
        "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/*/GET/orders/7",
        "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/${stage}/GET/orders/7",
        "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/*/orders/7",
        "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/get/orders/7",
        "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod",
        "arn:aws:s3:us-east-1:123456789012:a1b2c3d4e5/prod/GET/orders/7",
        "*",
        "",
    ] {
        for name in FORMS {
            let call = function.call(at(name, arn).to_string());
            assert_eq!(call.error().0, "MalformedEvent", "{arn}");
        }
    }
    // Twins; to the whole stage belong methods that nobody has heard of.
    for (name, method) in FORMS.into_iter().flat_map(|name| [(name, "GET"), (name, "M-SEARCH")]) {
        let stage = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod";
        let twin = format!("{stage}/{method}/orders/7");
        let statements = function.call(at(name, &twin).to_string()).answer();
        let everything = json!([statement("Allow", &[format!("{stage}/*")])]);
        assert_eq!(statements["policyDocument"]["Statement"], everything);
    }
}

#[test]
fn the_route_is_the_arns_whatever_path_the_event_tells() {
    let mut function = start(&client("", ORDERS));
    for name in FORMS {
        let plain = event(name);
        let mut mapped = plain.clone();
        // A base-path mapping, a stage in front, and a lie.
        for (key, value) in [
            ("path", "/delivery/orders/7"),
            ("rawPath", "/prod/orders/7"),
            ("resource", "/admin"),
            ("httpMethod", "DELETE"),
            ("routeKey", "DELETE /admin"),
        ] {
            mapped[key] = json!(value);
        }
        let (plain, mapped) = (function.call(plain.to_string()), function.call(mapped.to_string()));
        assert_eq!(plain.answer(), mapped.answer());
        assert_eq!(function.decision(&mapped)["decision"], "Allow");
        // And its twin: the path that is told is allowed, the one of the ARN is not.
        let arn = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/admin";
        let call = function.call(at(name, arn).to_string());
        assert_eq!(function.decision(&call)["reason"], "route-not-allowed");
    }
}

#[test]
fn a_route_that_is_not_allowed_gets_the_policy_and_context_of_one_that_is() {
    let rules = r#"
        allow = ["GET /orders/*", "* /health"]
        deny = ["GET /orders/admin/*"]
        context = { tenant = "acme" }
        usage_plan_key = "plan"
    "#;
    let mut function = start(&client("", rules));
    let stage = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod";
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let mut allowed = vec![format!("{stage}/GET/orders/*")];
    allowed.extend(methods.map(|method| format!("{stage}/{method}/health")));
    let denied = [format!("{stage}/GET/orders/admin/*")];
    let policy = json!([statement("Allow", &allowed), statement("Deny", &denied)]);
    for name in FORMS {
        let allow = function.call(at(name, &format!("{stage}/GET/orders/7")).to_string());
        assert_eq!(function.decision(&allow)["decision"], "Allow");
        assert_eq!(allow.answer()["policyDocument"]["Statement"], policy);
        assert_eq!(allow.answer()["context"]["tenant"], "acme");
        for route in [
            "GET/admin",
            "POST/orders/7",
            "GET/orders/admin/7",
            "GET/ORDERS/7",
            "PROPFIND/health",
            "M-SEARCH/health",
        ] {
            let deny = function.call(at(name, &format!("{stage}/{route}")).to_string());
            assert_eq!(function.decision(&deny)["reason"], "route-not-allowed", "{route}");
            assert_eq!(deny.answer(), allow.answer(), "{route}");
        }
    }
}

#[test]
fn every_other_denial_is_the_whole_stage_with_the_reason_for_access_logs() {
    let mut function = start(&client("", ORDERS));
    let stage = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod";
    for (name, reason, principal) in [
        ("rest-no-certificate.json", "no-client-certificate", "unidentified"),
        ("rest-malformed-certificate.json", "malformed-certificate", "unidentified"),
        ("rest-expired.json", "certificate-expired", "CN=orders,O=Acme,C=US"),
        ("rest-rsa-1024.json", "weak-key", "CN=orders,O=Acme,C=US"),
    ] {
        let answer = function.call(event(name).to_string()).answer();
        assert_eq!(
            answer,
            json!({
                "principalId": principal,
                "policyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [statement("Deny", &[format!("{stage}/*")])],
                },
                "context": { "denyReason": reason },
            }),
            "{name}"
        );
    }
}

#[test]
fn the_context_is_the_same_in_every_form_and_has_every_key() {
    let mut iam = start(&client("", ORDERS));
    let mut simple = start(&client("[response]\nhttp_api = \"simple\"", ORDERS));
    let expected = iam.call(event(REST).to_string()).answer()["context"].clone();
    let keys: Vec<&str> = expected.as_object().unwrap().keys().map(String::as_str).collect();
    let mut sorted = CONTEXT;
    sorted.sort_unstable();
    assert_eq!(keys, sorted);
    for name in FORMS {
        for function in [&mut iam, &mut simple] {
            let answer = function.call(event(name).to_string()).answer();
            assert_eq!(answer["context"], expected, "{name}");
        }
    }
}

#[test]
fn keys_with_nothing_to_say_are_there_and_empty() {
    let forward = r#"
        [certificate]
        extended_key_usage = "any"
        [forward]
        include = ["clientCertSanDns", "clientCertSanUri", "clientCertSanEmail", "clientCertSanIp"]
    "#;
    let mut function = start(&client(forward, ORDERS));
    // X.509 v1: no extensions at all.
    let answer = function.call(event("rest-v1-certificate.json").to_string()).answer();
    assert_eq!(
        answer["context"],
        json!({
            "clientCertSanDns": "",
            "clientCertSanUri": "",
            "clientCertSanEmail": "",
            "clientCertSanIp": "",
            "clientId": "orders",
        })
    );
}

#[test]
fn the_keys_of_other_clients_are_there_and_empty() {
    // From a key that is absent, a mapping may leave the header that the client sent itself.
    let clients = r#"allow = ["GET /orders/*"]
        context = { tier = 2, tenant = "acme" }
        [[client]]
        id = "billing"
        subject = { CN = "billing", O = "Acme" }
        allow = ["GET /orders/*"]
        context = { ledger = "b", tenant = "" }
        [[client]]
        id = "nobody"
        subject = { CN = "nobody" }
        allow = ["*"]
        context = { admin = true }
    "#;
    for (http_api, names) in [("iam", FORMS.as_slice()), ("simple", &["http-v2-allow.json"])] {
        let sections = format!("[forward]\ninclude = []\n[response]\nhttp_api = \"{http_api}\"");
        let mut function = start(&client(&sections, clients));
        for name in names {
            let orders = function.call(event(name).to_string()).answer();
            let expected = json!({
                "clientId": "orders", "admin": "", "ledger": "", "tenant": "acme", "tier": "2",
            });
            assert_eq!(orders["context"], expected, "{name}");
            let other = name.replace("allow", "other-client");
            let billing = function.call(event(&other).to_string()).answer();
            let expected = json!({
                "clientId": "billing", "admin": "", "ledger": "b", "tenant": "", "tier": "",
            });
            assert_eq!(billing["context"], expected, "{other}");
        }
    }
    // Where no client has a context, there is nothing but the id.
    let mut function = start(&client("[forward]\ninclude = []", ORDERS));
    let answer = function.call(event(REST).to_string()).answer();
    assert_eq!(answer["context"], json!({ "clientId": "orders" }));
}

#[test]
fn simple_answers_are_for_format_2_alone() {
    let mut function = start(&client("[response]\nhttp_api = \"simple\"", ORDERS));
    let answer = function.call(event("http-v2-allow.json").to_string()).answer();
    assert_eq!(answer["isAuthorized"], true);
    assert_eq!(answer.as_object().unwrap().len(), 2);
    assert_eq!(answer["context"].as_object().unwrap().len(), CONTEXT.len());
    for (name, reason) in [
        ("http-v2-no-certificate.json", "no-client-certificate"),
        ("http-v2-expired.json", "certificate-expired"),
        ("http-v2-other-client.json", "no-client-matched"),
        // A simple answer has no policy that could be right for other routes.
        ("http-v2-route-not-allowed.json", "route-not-allowed"),
    ] {
        let call = function.call(event(name).to_string());
        let refused = json!({ "isAuthorized": false, "context": { "denyReason": reason } });
        assert_eq!(call.answer(), refused, "{name}");
    }
    for name in [REST, "http-v1-allow.json"] {
        let answer = function.call(event(name).to_string()).answer();
        assert!(answer.get("isAuthorized").is_none(), "{name}");
        assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Allow", "{name}");
    }
}

#[test]
fn the_usage_plan_key_goes_to_rest_apis_alone_and_never_into_the_log() {
    let rules = format!("{ORDERS}\nusage_plan_key = \"gold-0123456789abcdef\"");
    let document = client("", &rules);
    let launch = function::launch_inline(&document).env("AWS_LAMBDA_LOG_LEVEL", "TRACE");
    let mut function = Function::start(&launch);
    let answer = function.call(event(REST).to_string()).answer();
    assert_eq!(answer["usageIdentifierKey"], "gold-0123456789abcdef");
    for name in ["http-v1-allow.json", "http-v2-allow.json", "rest-expired.json"] {
        let answer = function.call(event(name).to_string()).answer();
        assert!(answer.get("usageIdentifierKey").is_none(), "{name}");
    }
    for line in function.end() {
        assert!(!line.text.contains("gold-"), "{line:?}");
    }
    let answer = start(&client("", ORDERS)).call(event(REST).to_string()).answer();
    assert!(answer.get("usageIdentifierKey").is_none());
}

/// The bytes of the answer with so many more in the context.
fn answer_with(padding: usize, http_api: &str, name: &str) -> (Vec<u8>, Value) {
    let context = format!("{ORDERS}\ncontext = {{ padding = \"{}\" }}", "x".repeat(padding));
    let response = format!("[response]\nhttp_api = \"{http_api}\"");
    let mut function = start(&client(&response, &context));
    let call = function.call(event(name).to_string());
    let line = function.decision(&call);
    match call.outcome {
        Outcome::Response(body) => (body, line),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_identity_of_8192_bytes_is_sent_and_one_byte_more_is_denied() {
    for (http_api, name) in [
        ("iam", REST),
        ("iam", "http-v1-allow.json"),
        ("iam", "http-v2-allow.json"),
        ("simple", "http-v2-allow.json"),
    ] {
        let (small, _) = answer_with(1, http_api, name);
        let padding = 8192 - small.len() + 1;
        let (largest, line) = answer_with(padding, http_api, name);
        assert_eq!(largest.len(), 8192);
        assert_eq!(line["decision"], "Allow");

        let (refused, line) = answer_with(padding + 1, http_api, name);
        assert_eq!(line["reason"], "identity-too-large");
        assert_eq!(line["client"], "orders");
        assert_eq!((&line["answer_bytes"], &line["max_bytes"]), (&json!("8193"), &json!("8192")));
        let refused: Value = serde_json::from_slice(&refused).unwrap();
        assert_eq!(refused["context"], json!({ "denyReason": "identity-too-large" }));
        if http_api == "simple" {
            assert_eq!(refused["isAuthorized"], false);
        } else {
            let statements = &refused["policyDocument"]["Statement"];
            assert_eq!(statements.as_array().unwrap().len(), 1);
            assert_eq!(statements[0]["Effect"], "Deny");
        }
    }
}
