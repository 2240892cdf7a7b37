//! The built binary behind a real Runtime API, over HTTP: what it answers, what it logs, and that nothing which
//! can be sent to it keeps it from serving the next call.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice
)]

mod support;

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use runtime_emulator::{Launch, LogStream, Outcome};
use serde_json::{Value, json};
use support::{
    function::{self, Function, ORDERS, is_decision, parse, refused},
    run_binary, scratch,
    secrets::{self, MARK},
};

fn events() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("events")
}

fn default_configuration() -> PathBuf {
    events().join("../authorizer.toml")
}

fn event(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(events().join(name)).unwrap()).unwrap()
}

/// Fails unless the function allows the client of `rest-allow.json`: it still serves.
fn assert_serves(function: &mut Function) {
    let call = function.call(event("rest-allow.json").to_string());
    assert_eq!(call.answer()["policyDocument"]["Statement"][0]["Effect"], "Allow");
    assert_eq!(function.decision(&call)["decision"], "Allow");
}

/// What the command line prints for an event.
fn decide(config: &str, event: &str) -> Vec<u8> {
    let directory = events();
    Command::new(env!("CARGO_BIN_EXE_mtls-authorizer"))
        .args(["decide", event, "--config", config])
        .env_clear()
        .current_dir(directory)
        .output()
        .unwrap()
        .stdout
}

#[test]
fn every_sample_event_is_answered_as_the_command_line_answers_it() {
    let expected = fs::read_to_string(events().join("expected.json")).unwrap();
    let expected: Vec<Value> = serde_json::from_str(&expected).unwrap();
    let mut cases: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    // The function knows no other instant than the present.
    for case in expected.iter().filter(|case| case["at"].is_null()) {
        cases.entry(case["config"].as_str().unwrap()).or_default().push(case);
    }
    assert!(cases.len() > 5 && cases.values().flatten().count() > 50, "samples are missing");
    for (config, cases) in cases {
        let mut function = Function::start(&function::launch(&events().join(config)));
        let mut decisions = 0;
        for case in cases {
            let name = case["event"].as_str().unwrap();
            let payload = fs::read(events().join(name)).unwrap();
            let call = function.call(&payload);
            if case["exit"] == 2 {
                assert_eq!(call.error().0, "MalformedEvent", "{case}");
                continue;
            }
            decisions += 1;
            let printed: Value = serde_json::from_slice(&decide(config, name)).unwrap();
            // A 401 is an error that the command line prints as Lambda would show it.
            let answer = match printed.get("errorType") {
                Some(_) => {
                    let (kind, message) = call.error();
                    json!({ "errorType": kind, "errorMessage": message })
                }
                None => call.answer(),
            };
            assert_eq!(answer, printed, "{case}");
            let line = function.decision(&call);
            for key in ["decision", "reason"] {
                assert_eq!(line[key], case[key], "{key} of {case}: {line}");
            }
            if case["client"].is_string() {
                assert_eq!(line["client"], case["client"], "{case}");
            }
            assert_effect(&answer, case);
        }
        let log = function.end();
        let lines: Vec<Value> = log.iter().filter_map(parse).collect();
        assert_eq!(lines.len(), log.len(), "a line is no JSON: {log:?}");
        assert_eq!(lines.iter().filter(|line| is_decision(line)).count(), decisions, "{config}");
        assert!(log.iter().all(|line| line.stream == LogStream::Stdout), "{log:?}");
    }
}

/// The effect that API Gateway sees: of a route that is not allowed, the client's own policy.
fn assert_effect(answer: &Value, case: &Value) {
    let allow = case["decision"] == "Allow";
    if answer["errorType"] == "Unauthorized" {
        let reason = case["reason"].as_str().unwrap();
        assert!(["no-client-certificate", "token-missing"].contains(&reason), "{case}");
        return;
    }
    if let Some(is_authorized) = answer["isAuthorized"].as_bool() {
        assert_eq!(is_authorized, allow, "{case}");
        return;
    }
    let first = &answer["policyDocument"]["Statement"][0]["Effect"];
    let granted = allow || case["reason"] == "route-not-allowed";
    assert_eq!(first, if granted { "Allow" } else { "Deny" }, "{case}");
}

#[test]
fn a_decision_is_one_line_with_every_field_of_the_interface() {
    let mut function = Function::start(&function::launch(&default_configuration()));
    let call = function.call(event("rest-allow.json").to_string());
    let line = function.decision(&call);
    let trace_id = line["trace_id"].as_str().unwrap().to_owned();
    assert!(trace_id.starts_with("Root=1-"), "{trace_id}");
    assert!(line["duration_us"].is_u64());
    let mut known = line.clone();
    known.as_object_mut().unwrap().retain(|key, _| key != "trace_id" && key != "duration_us");
    let fingerprint = "a8b3f2accfbbf32c08dc44d1d9db663f30cd8e7dbc5698eddc4a1fb456610eff";
    assert_eq!(
        known,
        json!({
            "level": "INFO",
            "message": "decision",
            "decision": "Allow",
            "reason": null,
            "client": "orders-service",
            "subject": "CN=orders,O=Acme,C=US",
            "issuer": "CN=Acme Issuing CA,O=Acme,C=US",
            "serial": "52F431EBCA3D1203C20B6FB058ACA7E6",
            "fingerprint": fingerprint,
            "route": "GET /orders/7",
            "source_ip": "203.0.113.7",
            "request_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "aws_request_id": call.request_id,
        })
    );

    // A denial has the same fields, and its evidence.
    let call = function.call(event("rest-expired.json").to_string());
    let line = function.decision(&call);
    assert_eq!(line["reason"], "certificate-expired");
    assert_eq!(line["not_after"], "2020-12-31T23:59:59Z");
    assert_eq!(line["level"], "WARN");
    assert_ne!(line["trace_id"], trace_id);
    let call = function.call(event("rest-no-certificate.json").to_string());
    let line = function.decision(&call);
    for key in ["client", "subject", "issuer", "serial", "fingerprint"] {
        assert!(
            line.as_object().unwrap().contains_key(key) && line[key].is_null(),
            "{key}: {line}"
        );
    }
}

/// Payloads that are no authorizer event. Whatever they hold is marked, so that it would be found in a log.
#[test]
fn nothing_else_of_an_event_is_logged_in_the_place_of_an_id() {
    let mut function = Function::start(&function::launch(&default_configuration()));
    let allowed = event("rest-allow.json");
    let pem = allowed["requestContext"]["identity"]["clientCert"]["clientCertPem"].clone();
    for (value, logged) in [
        (json!("203.0.113.7"), true),
        (json!("2001:db8::1"), true),
        (json!("test-invoke-source-ip"), true),
        (json!("JKJaXmPLvHcESHA="), true),
        (pem, false),
        (json!("two words"), false),
        (json!("\u{1b}[2J"), false),
        (json!("a".repeat(129)), false),
    ] {
        let mut event = allowed.clone();
        event["requestContext"]["requestId"] = value.clone();
        event["requestContext"]["identity"]["sourceIp"] = value.clone();
        let call = function.call(event.to_string());
        let line = function.decision(&call);
        assert_eq!(line["decision"], "Allow");
        let expected = if logged { value } else { Value::Null };
        assert_eq!((&line["request_id"], &line["source_ip"]), (&expected, &expected));
    }
}

fn malformed_payloads() -> Vec<(&'static str, Vec<u8>)> {
    let allow = event("rest-allow.json");
    let with = |change: fn(&mut Value)| {
        let mut event = allow.clone();
        change(&mut event);
        event.to_string().into_bytes()
    };
    let text = allow.to_string();
    let arn = text.split('"').find(|part| part.starts_with("arn:aws:execute-api")).unwrap();
    vec![
        ("empty", Vec::new()),
        ("a space", b" ".to_vec()),
        ("not JSON", format!("{MARK} is no JSON").into_bytes()),
        (
            "not UTF-8",
            [br#"{"type":"REQUEST","methodArn":"s3cr3t"#.as_slice(), b"\xff\xfe\"}"].concat(),
        ),
        ("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a byte order mark", format!("\u{feff}{text}").into_bytes()),
        (
            "6 MB of JSON",
            format!("[{}0]", "\"s3cr3t\",".repeat(6 * 1024 * 1024 / 9 - 1)).into_bytes(),
        ),
        ("6 MB of garbage", (0..6 * 1024 * 1024_u32).map(|n| n.to_le_bytes()[0] ^ 0xa5).collect()),
        (
            "6 MB of an open string",
            [b"{\"type\":\"s3cr3t".as_slice(), &[b'x'; 6 * 1024 * 1024 - 64]].concat(),
        ),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("an event in a list", format!("[{text}]").into_bytes()),
        ("a string", format!("\"{MARK}\"").into_bytes()),
        ("a number", b"1e999999".to_vec()),
        ("an empty object", b"{}".to_vec()),
        ("deeply nested lists", [b"[".repeat(200_000), b"]".repeat(200_000)].concat()),
        (
            "deeply nested objects",
            [b"{\"requestContext\":".repeat(100_000).as_slice(), b"null"].concat(),
        ),
        ("cut off", text.as_bytes()[..text.len() / 2].to_vec()),
        ("two events", format!("{text}{text}").into_bytes()),
        (
            "no requestContext",
            with(|event| _ = event.as_object_mut().unwrap().remove("requestContext")),
        ),
        ("requestContext null", with(|event| event["requestContext"] = Value::Null)),
        ("requestContext a string", with(|event| event["requestContext"] = json!(MARK))),
        ("requestContext a list", with(|event| event["requestContext"] = json!([MARK]))),
        ("no methodArn", with(|event| _ = event.as_object_mut().unwrap().remove("methodArn"))),
        ("methodArn a number", with(|event| event["methodArn"] = json!(7))),
        ("methodArn a star", with(|event| event["methodArn"] = json!("*"))),
        ("both ARNs", with(|event| event["routeArn"] = event["methodArn"].clone())),
        ("version a number", with(|event| event["version"] = json!(1.0))),
        ("version 3.0", with(|event| event["version"] = json!("3.0"))),
        ("type TOKEN", with(|event| event["type"] = json!("TOKEN"))),
        ("no type", with(|event| _ = event.as_object_mut().unwrap().remove("type"))),
        (
            "clientCertPem a number",
            with(|event| {
                event["requestContext"]["identity"]["clientCert"]["clientCertPem"] = json!(7);
            }),
        ),
        (
            "clientCert a string",
            with(|event| {
                event["requestContext"]["identity"]["clientCert"] = json!(MARK);
            }),
        ),
        (
            "clientCert a list",
            with(|event| {
                event["requestContext"]["identity"]["clientCert"] =
                    json!([{ "clientCertPem": MARK }]);
            }),
        ),
        ("identity a boolean", with(|event| event["requestContext"]["identity"] = json!(true))),
        (
            "sourceIp a number",
            with(|event| event["requestContext"]["identity"]["sourceIp"] = json!(1)),
        ),
        (
            "methodArn twice",
            text.replacen("\"methodArn\"", &format!("\"methodArn\":\"{arn}\",\"methodArn\""), 1)
                .into_bytes(),
        ),
        ("type twice", text.replacen('{', "{\"type\":\"REQUEST\",", 1).into_bytes()),
        ("requestContext twice", text.replacen('{', "{\"requestContext\":{},", 1).into_bytes()),
        (
            "clientCertPem twice",
            text.replacen("\"clientCertPem\"", "\"clientCertPem\":\"s3cr3t\",\"clientCertPem\"", 1)
                .into_bytes(),
        ),
        ("a lone surrogate", text.replacen(arn, &format!("{arn}\\ud800"), 1).into_bytes()),
    ]
}

#[test]
fn a_malformed_event_is_an_error_of_the_fixed_type_and_the_next_call_is_served() {
    let launch = function::launch(&default_configuration()).env("AWS_LAMBDA_LOG_LEVEL", "TRACE");
    let mut function = Function::start(&launch);
    for (name, payload) in malformed_payloads() {
        let call = function.call(&payload);
        let (error_type, message) = call.error();
        assert_eq!(error_type, "MalformedEvent", "{name}");
        assert!(message.starts_with("not an authorizer event: "), "{name}: {message}");
        assert!(!message.contains(MARK), "{name}: {message}");
        assert!(message.is_ascii() && message.len() < 200, "{name}: {message}");
        assert_serves(&mut function);
    }
    let log = function.end();
    let pieces = secrets::pieces(&event("rest-allow.json"));
    secrets::assert_absent(&pieces, log.iter().map(|line| line.text.as_str()));
    // Each has its line, so that an operator sees why calls end in 500.
    let errors = log.iter().filter(|line| line.text.contains("\"level\":\"ERROR\"")).count();
    assert_eq!(errors, malformed_payloads().len());
}

#[test]
fn a_malformed_event_is_no_decision_of_the_command_line_either() {
    for (name, payload) in malformed_payloads() {
        let arguments = ["decide", "-", "--config", "../authorizer.toml"];
        let output = run_binary(&events(), arguments, &payload);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(output.stdout.is_empty(), "{name}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.starts_with("mtls-authorizer: not an authorizer event: "), "{errors}");
        assert!(errors.lines().count() == 1 && !errors.contains(MARK), "{name}: {errors}");
    }
}

/// Twins of the malformed ones: what the authorizer does not read may be as odd as it likes.
#[test]
fn what_is_not_read_of_an_event_does_not_matter() {
    let mut function = Function::start(&function::launch(&default_configuration()));
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let text = event("rest-allow.json").to_string();
    let odd = [
        format!("{{\"body\":\"{}\",{}", "x".repeat(5 * 1024 * 1024), &text[1..]),
        format!("{{\"extra\":{},{}", String::from_utf8(deep).unwrap(), &text[1..]),
        format!("{{\"path\":7,\"path\":null,\"httpMethod\":[],{}", &text[1..]),
        format!(" \r\n\t{text}\n"),
    ];
    for payload in odd {
        let call = function.call(&payload);
        let line = function.decision(&call);
        assert_eq!(line["decision"], "Allow", "{line}");
    }
}

/// Events full of things that must not be told, of every form and outcome.
fn telling_events() -> Vec<(PathBuf, Value)> {
    let names = [
        ("../authorizer.toml", "rest-allow.json"),
        ("../authorizer.toml", "rest-expired.json"),
        ("../authorizer.toml", "rest-route-not-allowed.json"),
        ("../authorizer.toml", "rest-malformed-certificate.json"),
        ("../authorizer.toml", "rest-no-certificate.json"),
        ("../authorizer.toml", "http-v1-allow.json"),
        ("../authorizer.toml", "http-v2-allow.json"),
        ("../authorizer.toml", "fault-token-event.json"),
        ("trust.toml", "rest-impostor.json"),
        ("clients.toml", "rest-billing.json"),
        ("alb-verify.toml", "alb-verify-allow.json"),
        ("alb-verify.toml", "alb-verify-header-mismatch.json"),
        ("alb-verify.toml", "alb-verify-repeated-header.json"),
        ("alb-passthrough.toml", "alb-passthrough-allow.json"),
        ("alb-passthrough.toml", "alb-passthrough-fully-encoded.json"),
        ("alb-passthrough.toml", "alb-passthrough-leaf-only.json"),
    ];
    let telling = names.map(|(config, name)| {
        let mut event = event(name);
        for key in ["Authorization", "Cookie", "X-Api-Key"] {
            event["headers"][key] = json!(format!("{MARK}-{key}"));
            if event["multiValueHeaders"].is_object() {
                event["multiValueHeaders"][key] = json!([format!("{MARK}-{key}")]);
            }
        }
        event["queryStringParameters"] = json!({ "q": format!("{MARK}-query") });
        event["stageVariables"] = json!({ "v": format!("{MARK}-variable") });
        event["authorizationToken"] = json!(format!("{MARK}-token"));
        event["cookies"] = json!([format!("{MARK}-cookie")]);
        (events().join(config), event)
    });
    telling.to_vec()
}

#[test]
fn nothing_secret_is_logged_at_any_level() {
    for level in ["TRACE", "DEBUG", "trace", "INFO", "ERROR"] {
        for (config, event) in telling_events() {
            let launch = function::launch(&config)
                .env("AWS_LAMBDA_LOG_LEVEL", level)
                .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
                .env("RUST_LOG", "trace")
                .env("RUST_BACKTRACE", "full");
            let mut function = Function::start(&launch);
            let payload = event.to_string();
            let call = function.call(&payload);
            let is_fault = matches!(call.outcome, Outcome::Error { .. });
            let log = function.end();
            secrets::assert_absent(
                &secrets::pieces(&event),
                log.iter().map(|line| line.text.as_str()),
            );
            // Whatever the level, the decision is there.
            let decisions = log.iter().filter_map(parse).filter(is_decision).count();
            assert_eq!(decisions, usize::from(!is_fault), "{level}: {log:?}");
        }
    }
}

#[test]
fn only_denials_are_logged_where_that_is_configured() {
    let text = fs::read_to_string(default_configuration()).unwrap();
    let text = text.replacen("# [log]", "[log]", 1);
    let text = text.replacen("# decisions = \"all\" ", "decisions = \"denied\" ", 1);
    assert!(text.contains("\ndecisions = \"denied\""), "the default document has changed");
    let scratch = scratch("only_denials_are_logged");
    let config = PathBuf::from(scratch.write("authorizer.toml", text));
    let mut function = Function::start(&function::launch(&config));
    let allow = function.call(event("rest-allow.json").to_string());
    assert_eq!(allow.answer()["principalId"], "CN=orders,O=Acme,C=US");
    let route = function.call(event("rest-route-not-allowed.json").to_string());
    let deny = function.call(event("rest-expired.json").to_string());
    let log: Vec<Value> = function.end().iter().filter_map(parse).filter(is_decision).collect();
    let ids: Vec<_> = log.iter().map(|line| line["aws_request_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [route.request_id, deny.request_id]);
}

const NOBODY_PRESENT: [&str; 6] = [
    "rest-no-certificate.json",
    "rest-null-certificate.json",
    "http-v1-no-certificate.json",
    "http-v1-null-certificate.json",
    "http-v2-no-certificate.json",
    "http-v2-null-authentication.json",
];

#[test]
fn without_a_certificate_the_error_is_unauthorized_where_that_is_configured() {
    let unauthorized = format!("[response]\nunauthenticated = \"unauthorized\"\n{ORDERS}");
    let mut function = Function::start(&function::launch_inline(&unauthorized));
    for name in NOBODY_PRESENT {
        let call = function.call(event(name).to_string());
        // API Gateway compares the whole message.
        assert_eq!(call.error(), ("Unauthorized".to_owned(), "Unauthorized".to_owned()), "{name}");
        assert_eq!(function.decision(&call)["reason"], "no-client-certificate", "{name}");
    }
    // Whoever is known and refused gets a policy; so does a certificate that can't be read.
    for name in ["rest-expired.json", "rest-malformed-certificate.json"] {
        let call = function.call(event(name).to_string());
        assert_eq!(call.answer()["policyDocument"]["Statement"][0]["Effect"], "Deny", "{name}");
    }
    assert_serves(&mut function);

    let mut function = Function::start(&function::launch_inline(ORDERS));
    for name in NOBODY_PRESENT {
        let call = function.call(event(name).to_string());
        let answer = call.answer();
        assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Deny", "{name}");
        assert_eq!(answer["principalId"], "unidentified", "{name}");
        assert_eq!(answer["context"], json!({ "denyReason": "no-client-certificate" }), "{name}");
    }
}

#[test]
fn a_bad_configuration_ends_the_process_with_every_fault_in_the_log() {
    let document = "\
[certificate]
clock_skew = \"6m\"
colour = \"blue\"

[response]
http_api = \"maybe\"

[[client]]
id = \"orders\"
subject = {}
allow = [\"FETCH /orders\"]
";
    let faults = refused(&function::launch_inline(document));
    for (line, key) in
        [(2, "clock_skew"), (3, "colour"), (6, "http_api"), (10, "subject"), (11, "allow")]
    {
        let place = format!("AUTHORIZER_CONFIG_TOML:{line}:");
        let named = faults.iter().any(|fault| fault.starts_with(&place) && fault.contains(key));
        assert!(named, "{place} {key} is not named: {faults:#?}");
    }
    assert_eq!(faults.len(), 5, "{faults:#?}");

    // What is named and missing counts as well, file by file.
    let scratch = scratch("a_bad_configuration");
    let document = "\
[trust]
anchors = [\"no-such-anchors.pem\"]
intermediates = [\"no-such-intermediates.pem\"]

[[client]]
id = \"orders\"
any = true
allow = [\"*\"]
";
    let config = PathBuf::from(scratch.write("authorizer.toml", document));
    let faults = refused(&function::launch(&config));
    for file in ["no-such-anchors.pem", "no-such-intermediates.pem"] {
        assert!(faults.iter().any(|fault| fault.contains(file)), "{file}: {faults:#?}");
    }
}

/// A document with a client whose id tells which document was read.
fn document(id: &str) -> String {
    format!(
        "[[client]]\nid = \"{id}\"\nsubject = {{ CN = \"orders\" }}\nallow = [\"GET /orders/*\"]\n"
    )
}

fn client_of(launch: &Launch) -> String {
    let mut function = Function::start(launch);
    let answer = function.call(event("rest-allow.json").to_string()).answer();
    answer["context"]["clientId"].as_str().unwrap().to_owned()
}

#[test]
fn the_configuration_is_looked_for_in_the_documented_order() {
    let scratch = scratch("the_configuration_is_looked_for");
    let named = scratch.write("named.toml", document("named"));
    let task_root = scratch.directory("task-root");
    let working = scratch.directory("working");
    fs::write(task_root.join("authorizer.toml"), document("task-root")).unwrap();
    fs::write(task_root.join("beside.toml"), document("beside")).unwrap();
    fs::write(working.join("authorizer.toml"), document("working")).unwrap();
    let bare = || function::bare().env("LAMBDA_TASK_ROOT", &task_root).current_dir(&working);
    let inline = document("inline");

    assert_eq!(client_of(&bare().env("AUTHORIZER_CONFIG_TOML", &inline)), "inline");
    assert_eq!(client_of(&bare().env("AUTHORIZER_CONFIG", &named)), "named");
    assert_eq!(client_of(&bare()), "task-root");
    // Paths in the environment are relative to the task root.
    assert_eq!(client_of(&bare().env("AUTHORIZER_CONFIG", "beside.toml")), "beside");
    // An empty variable is an unset one.
    let empty = bare().env("AUTHORIZER_CONFIG", "").env("AUTHORIZER_CONFIG_TOML", "");
    assert_eq!(client_of(&empty), "task-root");
    if !PathBuf::from("/opt/authorizer.toml").exists() {
        let elsewhere = scratch.directory("elsewhere");
        assert_eq!(client_of(&bare().env("LAMBDA_TASK_ROOT", &elsewhere)), "working");
        let nowhere = bare().env("LAMBDA_TASK_ROOT", &elsewhere).current_dir(&elsewhere);
        let faults = refused(&nowhere);
        assert!(faults.len() == 1 && faults[0].contains("none found"), "{faults:#?}");
    }

    // What is named and missing, or named twice, is never a reason to look elsewhere.
    let both = bare().env("AUTHORIZER_CONFIG_TOML", &inline).env("AUTHORIZER_CONFIG", &named);
    assert_eq!(refused(&both).len(), 1);
    let missing = bare().env("AUTHORIZER_CONFIG", "no-such.toml");
    let faults = refused(&missing);
    assert!(faults.len() == 1 && faults[0].contains("no-such.toml"), "{faults:#?}");
    // An empty document is one: nobody is allowed, and it is not passed over.
    let blank = bare().env("AUTHORIZER_CONFIG_TOML", "\n");
    let mut function = Function::start(&blank);
    let call = function.call(event("rest-allow.json").to_string());
    assert_eq!(function.decision(&call)["reason"], "no-client-matched");
}
