//! The loop of the built binary against a Runtime API that says what a test has it say: what is sent in return, on
//! which connection, and when the process ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use runtime_emulator::Outcome;
use serde_json::Value;
use support::function::{self, Function, ORDERS, PATIENCE};

const NEXT: &str = "get /2018-06-01/runtime/invocation/next http/1.1";

fn event() -> String {
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    fs::read_to_string(events.join("rest-allow.json")).unwrap()
}

/// An event under a request id, with more headers.
fn next(request_id: &str, headers: &str) -> String {
    let event = event();
    format!(
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: {request_id}\r\n{headers}Content-Length: {}\r\n\r\n{event}",
        event.len()
    )
}

const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\nContent-Length: 15\r\n\r\n{\"status\":\"OK\"}";

/// The scripted end of the Runtime API.
struct Api {
    address: SocketAddr,
    connections: Receiver<TcpStream>,
}

impl Api {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, connections) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if sender.send(stream.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { address, connections }
    }

    /// The next connection.
    fn accept(&self) -> Connection {
        let stream = self.connections.recv_timeout(PATIENCE).expect("the function connects");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Connection(BufReader::new(stream))
    }

    /// Nobody has connected since.
    fn assert_no_more(&self) {
        assert!(self.connections.try_recv().is_err(), "there is a connection too many");
    }
}

struct Connection(BufReader<TcpStream>);

struct Request {
    /// Request line and headers, in lower case.
    head: Vec<String>,
    body: String,
}

impl Connection {
    /// The next request; `None` where the function has closed the connection.
    fn request(&mut self) -> Option<Request> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            match line.trim_end() {
                "" if head.is_empty() => return None,
                "" => break,
                line => head.push(line.to_lowercase()),
            }
        }
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).unwrap();
        Some(Request { head, body: String::from_utf8(body).unwrap() })
    }

    fn expect(&mut self, line: &str) -> Request {
        let request = self.request().unwrap_or_else(|| panic!("no request, where {line} is due"));
        assert_eq!(request.head.first().map(String::as_str), Some(line));
        request
    }

    fn reply(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn effect(&self) -> String {
        let answer: Value = serde_json::from_str(&self.body).unwrap();
        let effect = answer.pointer("/policyDocument/Statement/0/Effect").unwrap();
        effect.as_str().unwrap().to_owned()
    }
}

/// The function behind such an API.
struct Process(Child);

impl Process {
    fn start(address: &str, variables: &[(&str, &str)]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_mtls-authorizer"))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AUTHORIZER_CONFIG_TOML", ORDERS)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Waits for the process to end by itself, and gives the messages that it logged at this level.
    fn ended(mut self, level: &str) -> Vec<String> {
        let messages = self.messages(level);
        assert_eq!(self.0.wait().unwrap().code(), Some(2));
        messages
    }

    /// Waits until nothing more can be logged.
    fn messages(&mut self, level: &str) -> Vec<String> {
        let mut output = self.0.stdout.take().unwrap();
        let (sender, log) = mpsc::channel();
        thread::spawn(move || {
            let mut log = String::new();
            output.read_to_string(&mut log).unwrap();
            let _ = sender.send(log);
        });
        let log = log.recv_timeout(PATIENCE).expect("the function ends");
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let told = lines.filter(|line| line.get("level").unwrap() == level);
        told.map(|line| line.get("message").unwrap().as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(api: &Api) -> Process {
    Process::start(&api.address.to_string(), &[])
}

/// A function that has been given the event `id-1`, with more headers.
fn given_an_event(api: &Api, headers: &str) -> (Process, Connection) {
    let process = start(api);
    let mut connection = api.accept();
    connection.expect(NEXT);
    connection.reply(&next("id-1", headers));
    (process, connection)
}

const ANSWER_1: &str = "post /2018-06-01/runtime/invocation/id-1/response http/1.1";
const ANSWER_2: &str = "post /2018-06-01/runtime/invocation/id-2/response http/1.1";

#[test]
fn calls_are_served_one_after_the_other_on_one_connection() {
    let api = Api::listen();
    let _process = start(&api);
    let mut connection = api.accept();
    for answer in [ANSWER_1, ANSWER_2] {
        let request = connection.expect(NEXT);
        assert_eq!(request.header("host"), Some(api.address.to_string().as_str()));
        assert!(request.header("user-agent").unwrap().starts_with("mtls-authorizer/"));
        connection.reply(&next(if answer == ANSWER_1 { "id-1" } else { "id-2" }, ""));
        let request = connection.expect(answer);
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.effect(), "Allow");
        connection.reply(ACCEPTED);
    }
    connection.expect(NEXT);
    api.assert_no_more();
}

#[test]
fn a_connection_that_is_closed_between_two_requests_is_opened_anew() {
    let api = Api::listen();
    let (_process, mut first) = given_an_event(&api, "Connection: close\r\n");
    let mut second = api.accept();
    second.expect(ANSWER_1);
    second.reply("HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    drop(second);
    api.accept().expect(NEXT);
    assert!(first.request().is_none());
}

#[test]
fn a_request_that_may_have_arrived_is_not_sent_again() {
    // On the connection that brought the event, an answer goes out, and nobody says whether it came in.
    let api = Api::listen();
    let (process, mut connection) = given_an_event(&api, "");
    connection.expect(ANSWER_1);
    drop(connection);
    let errors = process.ended("ERROR");
    assert!(errors.len() == 1 && errors.iter().all(|it| it.contains("broke off")), "{errors:?}");
    api.assert_no_more();
}

#[test]
fn the_invocation_is_named_as_the_api_named_it() {
    let api = Api::listen();
    let (_process, mut connection) =
        given_an_event(&api, "Lambda-Runtime-Invocation-Id: nonce-1\r\n");
    let request = connection.expect(ANSWER_1);
    assert_eq!(request.header("lambda-runtime-invocation-id"), Some("nonce-1"));
    connection.reply(ACCEPTED);

    // On an error as well.
    connection.expect(NEXT);
    connection.reply(
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id-2\r\nLambda-Runtime-Invocation-Id: nonce-2\r\nContent-Length: 2\r\n\r\n{}",
    );
    let request = connection.expect("post /2018-06-01/runtime/invocation/id-2/error http/1.1");
    assert_eq!(request.header("lambda-runtime-invocation-id"), Some("nonce-2"));
    assert_eq!(request.header("lambda-runtime-function-error-type"), Some("unhandled"));
    let error: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(error.get("errorType").unwrap(), "MalformedEvent");
    assert_eq!(error.as_object().unwrap().len(), 2, "{error}");
    connection.reply(ACCEPTED);

    // And not at all where it has not been.
    connection.expect(NEXT);
    connection.reply(&next("id-1", ""));
    assert_eq!(connection.expect(ANSWER_1).header("lambda-runtime-invocation-id"), None);
}

#[test]
fn an_answer_that_is_refused_is_the_end_of_that_call_alone() {
    for refusal in [
        "400 Bad Request",
        "403 Forbidden",
        "410 Gone",
        "413 Content Too Large",
        "500 Internal Server Error",
    ] {
        let api = Api::listen();
        let (mut process, mut connection) = given_an_event(&api, "");
        connection.expect(ANSWER_1);
        connection.reply(&format!("HTTP/1.1 {refusal}\r\nContent-Length: 6\r\n\r\n{{\"a\":1"));
        connection.expect(NEXT);
        connection.reply(&next("id-2", ""));
        assert_eq!(connection.expect(ANSWER_2).effect(), "Allow", "{refusal}");
        process.0.kill().unwrap();
        let warnings = process.messages("WARN");
        let told = |warning: &String| {
            warning.contains("refuses `response`") && warning.contains(refusal.get(..3).unwrap())
        };
        assert!(warnings.len() == 1 && warnings.iter().all(told), "{warnings:?}");
    }
}

#[test]
fn an_api_that_is_beyond_repair_ends_the_process() {
    let statuses = ["500 Internal Server Error", "403 Forbidden", "302 Found"];
    for status in statuses {
        let api = Api::listen();
        let process = start(&api);
        let mut connection = api.accept();
        connection.expect(NEXT);
        connection.reply(&format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
        let errors = process.ended("ERROR");
        assert!(errors.iter().all(|it| it.contains(status)) && errors.len() == 1, "{errors:?}");
    }

    // An event that can't be answered, and one that speaks no HTTP.
    let replies = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "lambda-runtime-aws-request-id"),
        (
            "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a b\r\nContent-Length: 2\r\n\r\n{}",
            "lambda-runtime-aws-request-id",
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "broke off"),
    ];
    for (reply, told) in replies {
        let api = Api::listen();
        let process = start(&api);
        let mut connection = api.accept();
        connection.expect(NEXT);
        connection.reply(reply);
        let errors = process.ended("ERROR");
        let last = errors.last().unwrap();
        assert!(last.contains(told), "{errors:?}");
    }

    // Nobody listens.
    let errors = Process::start("127.0.0.1:1", &[]).ended("ERROR");
    assert!(
        errors.len() == 1 && errors.iter().all(|it| it.contains("no connection")),
        "{errors:?}"
    );
}

#[test]
fn where_there_is_nothing_to_do_yet_it_is_asked_again() {
    let api = Api::listen();
    let _process = start(&api);
    let mut connection = api.accept();
    for _ in 0..3 {
        connection.expect(NEXT);
        connection.reply("HTTP/1.1 204 No Content\r\n\r\n");
    }
    connection.expect(NEXT);
    connection.reply(&next("id-1", ""));
    connection.expect(ANSWER_1);
}

#[test]
fn the_address_may_be_a_url_with_a_path_and_nothing_else() {
    let api = Api::listen();
    for (address, line) in [
        (format!("http://{}", api.address), NEXT),
        (format!("localhost:{}", api.address.port()), NEXT),
        (
            format!("http://{}/authorizer/", api.address),
            "get /authorizer/2018-06-01/runtime/invocation/next http/1.1",
        ),
    ] {
        let _process = Process::start(&address, &[]);
        api.accept().expect(line);
    }
    let at = api.address;
    for address in [
        format!("https://{at}"),
        format!("http://user:s3cr3t@{at}"),
        "127.0.0.1".to_owned(),
        "127.0.0.1:99999".to_owned(),
        format!("{at}?x"),
        ":".to_owned(),
        "a b".to_owned(),
    ] {
        let errors = Process::start(&address, &[]).ended("ERROR");
        let told = errors.iter().all(|error| {
            error.contains("AWS_LAMBDA_RUNTIME_API is no host") && !error.contains("s3cr3t")
        });
        assert!(errors.len() == 1 && told, "{address}: {errors:?}");
    }
    api.assert_no_more();
}

#[test]
fn a_snapshot_is_restored_before_the_first_event_is_asked_for() {
    const RESTORE: &str = "get /2018-06-01/runtime/restore/next http/1.1";
    const SNAPSHOT: [(&str, &str); 1] = [("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")];
    let api = Api::listen();
    let _process = Process::start(&api.address.to_string(), &SNAPSHOT);
    let mut before = api.accept();
    before.expect(RESTORE);
    before.reply("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    // The connection of before the snapshot is not used again.
    api.accept().expect(NEXT);
    assert!(before.request().is_none());

    let process = Process::start(&api.address.to_string(), &SNAPSHOT);
    let mut connection = api.accept();
    connection.expect(RESTORE);
    connection.reply("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    let errors = process.ended("ERROR");
    assert!(
        errors.len() == 1 && errors.iter().all(|it| it.contains("`restore/next`")),
        "{errors:?}"
    );
}

#[test]
fn that_calls_are_served_one_at_a_time_is_said_where_more_are_expected() {
    let api = Api::listen();
    let variables = [("AWS_LAMBDA_MAX_CONCURRENCY", "8")];
    let mut process = Process::start(&api.address.to_string(), &variables);
    api.accept().expect(NEXT);
    process.0.kill().unwrap();
    let warnings = process.messages("WARN");
    let told = |warning: &String| warning.contains("AWS_LAMBDA_MAX_CONCURRENCY");
    assert!(warnings.len() == 1 && warnings.iter().all(told), "{warnings:?}");
}

/// An environment of Lambda's lives for hours. Every call has ids of its own, and none may be kept.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_number_of_calls() {
    const CALLS: usize = 3000;
    let resident = |function: &Function| -> usize {
        // Counted page by page; `status` is kept up to date in steps that are too large.
        let maps = fs::read_to_string(format!("/proc/{}/smaps_rollup", function.0.pid())).unwrap();
        let line = maps.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let document = format!("{ORDERS}\n[log]\ndecisions = \"denied\"\n");
    let mut function = Function::start(&function::launch_inline(&document));
    let event = event();
    let call = |function: &mut Function| {
        let call = function.call(&event);
        assert!(matches!(call.outcome, Outcome::Response(_)), "{:?}", call.outcome);
    };
    for _ in 0..500 {
        call(&mut function);
    }
    let before = resident(&function);
    for _ in 0..CALLS {
        call(&mut function);
    }
    let grown = resident(&function).saturating_sub(before);
    // One X-Ray trace header is 70 bytes; kept, they alone would make 205 KiB.
    assert!(grown < 128, "{grown} KiB more after {CALLS} calls");
}
