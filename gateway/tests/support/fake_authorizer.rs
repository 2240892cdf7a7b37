//! An authorizer for tests that is not ours: it speaks the Runtime API with the standard library
//! alone, allows the subjects that the file `AUTHORIZER_CONFIG` lists (one to a line, as in the
//! event), and misbehaves on some paths.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout)]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

fn main() {
    let api = env::var("AWS_LAMBDA_RUNTIME_API").expect("the Runtime API");
    let allowed = env::var("AUTHORIZER_CONFIG").map(|path| fs::read_to_string(path).unwrap());
    let allowed = allowed.unwrap_or_default();
    let simple = env::var("AUTHORIZER_HTTP_API").is_ok_and(|form| form == "simple");
    println!("fake authorizer started");
    println!("process {}", std::process::id());
    let mut calls = 0;
    loop {
        let (id, event) = next(&api);
        calls += 1;
        answer(&api, &id, &event, &allowed, simple, calls);
    }
}

fn answer(api: &str, id: &str, event: &Value, allowed: &str, simple: bool, calls: usize) {
    let v2 = event["version"] == "2.0";
    let arn = event[if v2 { "routeArn" } else { "methodArn" }].as_str().unwrap();
    let certificate = match v2 {
        true => &event["requestContext"]["authentication"]["clientCert"],
        false => &event["requestContext"]["identity"]["clientCert"],
    };
    let subject = certificate["subjectDN"].as_str().unwrap();
    let path = arn.splitn(4, '/').nth(3).unwrap();
    let stage = arn.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
    match path {
        "crash" => std::process::exit(3),
        "hang" => loop {
            std::thread::park();
        },
        "error" => {
            return post(api, id, "error", &json!({ "errorType": "Boom", "errorMessage": "boom" }));
        }
        "unauthorized" => {
            let report = json!({ "errorType": "E", "errorMessage": "Unauthorized" });
            return post(api, id, "error", &report);
        }
        _ => {}
    }
    let is_allowed = allowed.lines().any(|line| line == subject);
    let context = json!({
        "clientCertSub": subject,
        "calls": calls,
        "event": event.to_string(),
        "denyReason": if is_allowed { "" } else { "no-client-matched" },
    });
    let mut body = if simple {
        json!({ "isAuthorized": is_allowed, "context": context })
    } else {
        let effect = if is_allowed { "Allow" } else { "Deny" };
        json!({
            "principalId": subject,
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    { "Effect": effect, "Action": "execute-api:Invoke", "Resource": format!("{stage}/*") },
                    { "Effect": "Deny", "Action": "execute-api:Invoke", "Resource": format!("{stage}/*/admin/*") },
                ],
            },
            "context": context,
        })
    };
    match path {
        "no-principal" => drop(body.as_object_mut().unwrap().remove("principalId")),
        "object-context" => body["context"]["calls"] = json!({ "of": calls }),
        "not-json" => body = json!("Allow"),
        "odd-value" => body["context"]["clientCertSub"] = json!("CN=a\r\nX-Injected: 1"),
        "absent-key" => drop(body["context"].as_object_mut().unwrap().remove("clientCertSub")),
        _ => {}
    }
    post(api, id, "response", &body);
}

fn next(api: &str) -> (String, Value) {
    let mut stream = TcpStream::connect(api).unwrap();
    write!(stream, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {api}\r\n\r\n")
        .unwrap();
    let (headers, body) = response(stream);
    let id = headers.iter().find_map(|line| line.strip_prefix("lambda-runtime-aws-request-id: "));
    (id.unwrap().to_owned(), serde_json::from_slice(&body).unwrap())
}

fn post(api: &str, id: &str, what: &str, body: &Value) {
    let body = body.to_string();
    let mut stream = TcpStream::connect(api).unwrap();
    write!(
        stream,
        "POST /2018-06-01/runtime/invocation/{id}/{what} HTTP/1.1\r\nHost: {api}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    response(stream);
}

fn response(stream: TcpStream) -> (Vec<String>, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        headers.push(format!("{}: {value}", name.to_lowercase()));
    }
    let length = headers.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    (headers, body)
}
