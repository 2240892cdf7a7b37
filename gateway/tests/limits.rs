//! Clients that stall, or send too much, and many at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

mod support;

use std::time::Duration;

use mtls_gateway::server::Limits;
use support::{BILLING, Client, ORDERS, Setup};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_stall_in_the_handshake_hold_nobody_up() {
    let running = Setup::new("rest.yaml").start().await;
    let mut stalled = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        // The beginning of a ClientHello.
        stream.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.unwrap();
        stalled.push(stream);
    }
    assert_eq!(running.get("orders", "/orders/7").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_handshake_and_stalled_request_are_ended() {
    let short = Duration::from_millis(50);
    let mut setup = Setup::new("rest.yaml");
    setup.limits = Limits { handshake: short, ..Limits::default() };
    let running = setup.start().await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
    running.logged("the handshake took too long").await;

    let mut setup = Setup::new("rest.yaml");
    setup.limits = Limits { head: short, ..Limits::default() };
    let running = setup.start().await;
    let mut stream = Client::named("orders").handshake(running.address).await.unwrap();
    stream.write_all(b"GET /orders/7 HTTP/1.1\r\nHost: ").await.unwrap();
    assert!(!matches!(stream.read(&mut [0; 16]).await, Ok(read) if read > 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn megabyte_of_headers_is_refused_and_others_are_served() {
    let running = Setup::new("rest.yaml").start().await;
    let mut stream = Client::named("orders").handshake(running.address).await.unwrap();
    let header = format!("X-Filler: {}\r\n", "a".repeat(1000));
    let head = format!("GET /orders/7 HTTP/1.1\r\nHost: localhost\r\n{}\r\n", header.repeat(1024));
    let (mut reading, mut writing) = tokio::io::split(&mut stream);
    let write = async {
        // The gateway may end the connection before it has all of it.
        let _ = writing.write_all(head.as_bytes()).await;
        let _ = writing.flush().await;
    };
    let read = async {
        let mut response = Vec::new();
        let _ = reading.read_to_end(&mut response).await;
        String::from_utf8_lossy(&response).into_owned()
    };
    let (response, ()) = tokio::join!(read, write);
    assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
    assert!(response.contains("Connection: close"));
    assert!(running.log()[0].contains("more than 10240 bytes of headers"), "{:?}", running.log());
    assert_eq!(running.get("orders", "/orders/7").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn body_over_the_limit_is_refused_and_one_below_gets_through() {
    let running = Setup::new("rest.yaml").start().await;
    let mut connection = running.connect(&Client::named("orders")).await.unwrap();
    let body = "a".repeat(1024 * 1024);
    let answer = connection.send("POST", "/orders/7", &[], &body).await.unwrap();
    assert_eq!(answer.status, 200);
    let mut stream = Client::named("orders").handshake(running.address).await.unwrap();
    let head = "POST /orders/7 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10485761\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut response = String::new();
    let _ = stream.read_to_string(&mut response).await;
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
}

/// Each client checks that what comes back is its own: identity, path and header.
#[tokio::test(flavor = "multi_thread")]
async fn requests_of_many_clients_at_once_are_neither_lost_nor_mixed_up() {
    for (ttl, each) in [("0", 100), ("3600", 500)] {
        let running =
            Setup::new("rest.yaml").parameter("Ttl", ttl).allowed(&[ORDERS, BILLING]).start().await;
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..20 {
            let (name, subject) =
                if number % 2 == 0 { ("orders", ORDERS) } else { ("billing", BILLING) };
            let mut connection = running.connect(&Client::named(name)).await.unwrap();
            clients.spawn(async move {
                for count in 0..each {
                    let path = format!("/items/{number}/{count}");
                    let mark = [("X-Mark", path.as_str())];
                    let answer = connection.get(&path, &mark).await.unwrap();
                    assert_eq!(answer.status, 200, "{}", answer.body);
                    assert_eq!(answer.seen("X-Client-Cert-Sub"), subject);
                    assert_eq!(answer.seen("x-mark"), path);
                    assert_eq!(answer.json()["path"], path);
                }
                each
            });
        }
        let answered: usize = clients.join_all().await.into_iter().sum();
        assert_eq!(answered, 20 * each);
        assert_eq!(running.log().len(), 20 * each);
    }
}
