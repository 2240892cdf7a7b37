//! A bootstrap on bare sockets that does what the first word of its event says.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::panic
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

fn main() {
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let mode = std::env::args().nth(1).unwrap_or_default();
    match mode.as_str() {
        "exit-at-start" => std::process::exit(3),
        "never-ready" => loop {
            std::thread::park();
        },
        "init-error" => {
            let mut stream = TcpStream::connect(&address).unwrap();
            let head = "Lambda-Runtime-Function-Error-Type: Config.Invalid";
            post(&mut stream, "init/error", head, b"{\"errorType\":\"Config.Invalid\"}");
            std::process::exit(1);
        }
        _ => {}
    }

    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_nodelay(true).unwrap();
    loop {
        write!(stream, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\n\r\n")
            .unwrap();
        let (head, event) = read(&stream);
        let id = header(&head, "lambda-runtime-aws-request-id");
        let response = format!("invocation/{id}/response");
        let error = format!("invocation/{id}/error");
        let command = event.split(|byte| *byte == b' ').next().unwrap();
        println!("event of {} bytes", event.len());
        match command {
            b"echo" => post(&mut stream, &response, "x: y", &event),
            b"headers" => post(&mut stream, &response, "x: y", head.to_ascii_lowercase().as_bytes()),
            b"environment" => {
                let names: Vec<String> = std::env::vars().map(|(k, v)| format!("{k}={v}")).collect();
                post(&mut stream, &response, "x: y", names.join("\n").as_bytes());
            }
            b"chunked" => {
                write!(
                    stream,
                    "POST /2018-06-01/runtime/{response} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
                )
                .unwrap();
                for part in event.chunks(1000) {
                    write!(stream, "{:x}\r\n", part.len()).unwrap();
                    stream.write_all(part).unwrap();
                    stream.write_all(b"\r\n").unwrap();
                }
                stream.write_all(b"0\r\n\r\n").unwrap();
            }
            b"broken-stream" => stream
                .write_all(
                    format!(
                        "POST /2018-06-01/runtime/{response} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n\
                         2\r\nhi\r\n0\r\nLambda-Runtime-Function-Error-Type: Stream.Broken\r\n\r\n"
                    )
                    .as_bytes(),
                )
                .unwrap(),
            b"error" => {
                eprintln!("failing as told");
                post(&mut stream, &error, "Lambda-Runtime-Function-Error-Type: Told", b"{}");
            }
            b"wrong-id" => {
                post(&mut stream, "invocation/unknown/response", "x: y", b"first");
                let (head, _) = read(&stream);
                post(&mut stream, &response, "x: y", head.lines().next().unwrap().as_bytes());
            }
            b"own-invocation" => {
                let id = header(&head, "lambda-runtime-invocation-id");
                post(&mut stream, &response, &format!("Lambda-Runtime-Invocation-Id: {id}"), &event);
            }
            b"other-invocation" => {
                post(&mut stream, &response, "Lambda-Runtime-Invocation-Id: other", b"late");
                let (head, _) = read(&stream);
                post(&mut stream, &response, "x: y", head.lines().next().unwrap().as_bytes());
            }
            b"twice" => {
                post(&mut stream, &response, "x: y", b"once");
                read(&stream);
                post(&mut stream, &response, "x: y", b"twice");
            }
            b"impatient" => {
                write!(stream, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n").unwrap();
                let (head, _) = read(&stream);
                post(&mut stream, &response, "x: y", head.lines().next().unwrap().as_bytes());
            }
            b"new-connection" => {
                stream = TcpStream::connect(&address).unwrap();
                post(&mut stream, &response, "x: y", &event);
            }
            b"large" => {
                let body = vec![b'x'; 6 * 1024 * 1024 + 101];
                post(&mut stream, &response, "x: y", &body);
            }
            b"answer-and-exit" => {
                post(&mut stream, &response, "x: y", b"last words");
                std::process::exit(0);
            }
            b"exit" => std::process::exit(7),
            b"hang" => loop {
                std::thread::park();
            },
            other => panic!("unknown command {other:?}"),
        }
        read(&stream);
    }
}

fn post(stream: &mut TcpStream, path: &str, header: &str, body: &[u8]) {
    write!(
        stream,
        "POST /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: x\r\n{header}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    stream.write_all(body).unwrap();
}

/// The head of an answer and its body.
fn read(stream: &TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "the emulator is gone");
    }
    let mut body = vec![0; header(&head, "content-length").parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    (head, body)
}

fn header(head: &str, name: &str) -> String {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
    line.and_then(|line| line.split_once(':')).expect(name).1.trim().to_owned()
}
