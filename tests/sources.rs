//! Sources against real peers in this process: an S3 server that is not ours and verifies our signatures,
//! TLS with an authority of its own, and servers that answer whatever a test tells them to, byte for byte.

#![cfg(feature = "network")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

#[path = "support/servers.rs"]
mod servers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mtls_authorizer::source::{
    AddressFault, AllowedHosts, Ask, Base, Budget, Call, Clock, Current, Endpoint, FetchFault,
    Fetched, Fetcher, Host, Loaded, Post, Receive, Refreshed, Rules, Schedule, Source, Target, Url,
    Use, Validator, address::AddressKind,
};
use mtls_authorizer::timestamp::Timestamp;
use servers::{KEY_ID, Peer, Reply, S3Server, SECRET, StandIn, WebAuthority, ok, with_headers};
use tokio::net::TcpListener;

/// 2026-11-21T08:00:00Z.
const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_248_000);
const LIMIT: usize = 1 << 20;

// ---------------------------------------------------------------- files

#[tokio::test]
async fn file_is_read_whole_and_not_again_until_it_changes() {
    let directory = Directory::new("file_is_read");
    let path = directory.write("list", b"one");
    let fetcher = fetcher(&[]);
    let source = Source::File(path);
    let (bytes, validator) = new(fetcher.fetch(ask(&source)).await);
    assert_eq!(bytes, b"one");
    let again = Ask { validator: validator.as_ref(), ..ask(&source) };
    assert_eq!(fetcher.fetch(again).await.unwrap(), Fetched::NotModified);
    // Same length, and on a coarse clock the same time: replaced, so another inode.
    directory.replace("list", b"two");
    assert_eq!(new(fetcher.fetch(again).await).0, b"two");
}

#[tokio::test]
async fn file_at_the_limit_is_read_and_one_byte_more_is_not() {
    let directory = Directory::new("file_limit");
    let source = Source::File(directory.write("list", b"12345678"));
    let fetcher = fetcher(&[]);
    let bounded = |limit| Ask { limit, ..ask(&source) };
    assert_eq!(new(fetcher.fetch(bounded(8)).await).0, b"12345678");
    assert_eq!(fault(fetcher.fetch(bounded(7)).await), FetchFault::TooLarge { limit: 7 });
}

#[tokio::test]
async fn only_regular_files_are_read() {
    let directory = Directory::new("only_regular");
    let fetcher = fetcher(&[]);
    for path in [directory.path.clone(), PathBuf::from("/dev/zero")] {
        assert_eq!(fault(fetcher.fetch(ask(&Source::File(path))).await), FetchFault::NotAFile);
    }
    let missing = fetcher.fetch(ask(&Source::File(directory.path.join("none")))).await.unwrap_err();
    let shown = missing.to_string();
    assert!(shown.ends_with("none`: no such file"), "{shown}");
}

#[tokio::test]
async fn file_that_changes_while_it_is_read_is_a_fault() {
    /// Somebody who writes to the file at the moment it is being read.
    struct Meddler(Option<PathBuf>);
    impl Receive for Meddler {
        fn begin(&mut self, _: Option<usize>) {
            if let Some(path) = &self.0 {
                std::fs::write(path, b"sha256:aa").unwrap();
            }
        }
        fn take(&mut self, _: &[u8]) {}
    }
    let directory = Directory::new("file_changes");
    let path = directory.write("list", b"sha256:aa\nsha256:bb\n");
    let source = Source::File(path.clone());
    let fetcher = fetcher(&[]);
    assert!(fetcher.fetch_into(ask(&source), &mut Meddler(None)).await.is_ok());
    let error = fetcher.fetch_into(ask(&source), &mut Meddler(Some(path))).await.unwrap_err();
    assert_eq!(*error.fault(), FetchFault::File("it changed while it was read".to_owned()));
}

#[cfg(unix)]
#[tokio::test]
async fn private_key_that_everybody_may_read_is_refused_outside_lambda() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new("private_key");
    let path = directory.write("key", b"k");
    let source = Source::File(path.clone());
    let key = Ask { used_as: Use::SigningKey, ..ask(&source) };
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(fault(fetcher(&[]).fetch(key).await), FetchFault::WorldReadable);
    assert_eq!(new(fetcher(&[]).fetch(ask(&source)).await).0, b"k");
    assert_eq!(
        new(fetcher(&[("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")]).fetch(key).await).0,
        b"k"
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(new(fetcher(&[]).fetch(key).await).0, b"k");
}

// ---------------------------------------------------------------- the web

#[tokio::test]
async fn document_is_fetched_with_nothing_but_what_is_needed() {
    let peer = Peer::answering(ok(b"hello")).await;
    let source = peer.source("/a/list.crl?v=1");
    assert_eq!(
        new(fetcher(&[("http_proxy", "http://127.0.0.1:1")]).fetch(ask(&source)).await).0,
        b"hello"
    );
    let request = peer.requests().remove(0).to_ascii_lowercase();
    assert!(request.starts_with("get /a/list.crl?v=1 http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: {}\r\n", peer.address)), "{request}");
    for header in ["accept-encoding", "cookie", "authorization", "if-none-match"] {
        assert!(!request.contains(header), "{request}");
    }
}

#[tokio::test]
async fn entity_tag_is_sent_back_and_not_modified_believed() {
    let peer = Peer::of(|_, request| {
        Reply::Bytes(if request.contains("if-none-match: \"v1\"") {
            b"HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n".to_vec()
        } else {
            with_headers("ETag: \"v1\"\r\nLast-Modified: Sat, 21 Nov 2026 08:00:00 GMT\r\n", b"one")
        })
    })
    .await;
    let (source, fetcher) = (peer.source("/"), fetcher(&[]));
    let (bytes, validator) = new(fetcher.fetch(ask(&source)).await);
    assert_eq!(bytes, b"one");
    let again = Ask { validator: validator.as_ref(), ..ask(&source) };
    assert_eq!(fetcher.fetch(again).await.unwrap(), Fetched::NotModified);
    assert_eq!(new(fetcher.fetch(ask(&source)).await).0, b"one");
}

#[tokio::test]
async fn last_modified_is_sent_back_where_there_is_no_entity_tag() {
    let peer = Peer::of(|_, request| {
        Reply::Bytes(if request.contains("if-modified-since: sat, 21 nov 2026 08:00:00 gmt") {
            b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec()
        } else {
            with_headers("Last-Modified: Sat, 21 Nov 2026 08:00:00 GMT\r\n", b"one")
        })
    })
    .await;
    let (source, fetcher) = (peer.source("/"), fetcher(&[]));
    let (_, validator) = new(fetcher.fetch(ask(&source)).await);
    let again = Ask { validator: validator.as_ref(), ..ask(&source) };
    assert_eq!(fetcher.fetch(again).await.unwrap(), Fetched::NotModified);
}

#[tokio::test]
async fn not_modified_without_a_copy_at_hand_is_a_fault() {
    let peer = Peer::answering(b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec()).await;
    assert_eq!(
        fault(fetcher(&[]).fetch(ask(&peer.source("/"))).await),
        FetchFault::UnaskedNotModified
    );
}

#[tokio::test]
async fn chunked_body_is_read_and_one_that_breaks_off_is_not() {
    let whole =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n";
    let peer = Peer::answering(whole.to_vec()).await;
    assert_eq!(new(fetcher(&[]).fetch(ask(&peer.source("/"))).await).0, b"onetwo");
    let peer = Peer::answering(whole[..whole.len() - 5].to_vec()).await;
    assert!(matches!(
        fault(fetcher(&[]).fetch(ask(&peer.source("/"))).await),
        FetchFault::Exchange(_)
    ));
}

#[tokio::test]
async fn body_shorter_than_announced_is_a_fault() {
    let peer = Peer::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nonly".to_vec()).await;
    assert!(matches!(
        fault(fetcher(&[]).fetch(ask(&peer.source("/"))).await),
        FetchFault::Exchange(_)
    ));
}

#[tokio::test]
async fn body_at_the_limit_is_read_and_a_larger_one_is_not_however_it_is_sent() {
    let bodies: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n3\r\n678\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n12345678",
    ];
    for body in bodies {
        let peer = Peer::answering(body.to_vec()).await;
        let source = peer.source("/");
        let bounded = |limit| Ask { limit, ..ask(&source) };
        assert_eq!(new(fetcher(&[]).fetch(bounded(8)).await).0, b"12345678");
        assert_eq!(fault(fetcher(&[]).fetch(bounded(7)).await), FetchFault::TooLarge { limit: 7 });
    }
}

#[tokio::test]
async fn announced_size_beyond_the_limit_is_refused_before_it_comes() {
    // The body never comes: to wait for it would end in a time-out instead.
    let peer = Peer::of(|_, _| {
        Reply::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec())
    })
    .await;
    assert_eq!(
        fault(fetcher(&[]).fetch(ask(&peer.source("/"))).await),
        FetchFault::TooLarge { limit: LIMIT }
    );
}

#[tokio::test]
async fn answers_other_than_200_are_faults() {
    for status in [201, 204, 206, 400, 403, 404, 500, 503] {
        let peer = Peer::answering(
            format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").into_bytes(),
        )
        .await;
        let fault = fault(fetcher(&[]).fetch(ask(&peer.source("/"))).await);
        assert_eq!(fault, FetchFault::Status(status));
    }
}

#[tokio::test]
async fn redirects_are_not_followed_anywhere() {
    let other = Peer::answering(ok(b"other")).await;
    let target = other.address;
    for (status, location) in [
        (301, "http://169.254.169.254/latest/meta-data/".to_owned()),
        (302, format!("http://{target}/")),
        (307, "/elsewhere".to_owned()),
        (308, "ldap://ldap.example/".to_owned()),
    ] {
        let head =
            format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let peer = Peer::answering(head.into_bytes()).await;
        assert_eq!(
            fault(fetcher(&[]).fetch(ask(&peer.source("/"))).await),
            FetchFault::Redirect(status)
        );
        assert_eq!(peer.requests().len(), 1);
    }
    assert_eq!(other.requests().len(), 0);
}

#[tokio::test]
async fn compressed_body_is_refused() {
    let peer = Peer::answering(with_headers("Content-Encoding: gzip\r\n", b"\x1f\x8b")).await;
    assert_eq!(fault(fetcher(&[]).fetch(ask(&peer.source("/"))).await), FetchFault::Encoded);
    let peer = Peer::answering(with_headers("Content-Encoding: identity\r\n", b"plain")).await;
    assert_eq!(new(fetcher(&[]).fetch(ask(&peer.source("/"))).await).0, b"plain");
}

#[tokio::test]
async fn what_is_no_http_is_a_fault() {
    let peer = Peer::answering(b"220 smtp.example ESMTP\r\n".to_vec()).await;
    assert!(matches!(
        fault(fetcher(&[]).fetch(ask(&peer.source("/"))).await),
        FetchFault::Exchange(_)
    ));
}

#[tokio::test]
async fn nobody_listening_is_a_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let source = source(&format!("http://{address}/"));
    assert!(matches!(fault(fetcher(&[]).fetch(ask(&source)).await), FetchFault::Connect(_)));
}

#[tokio::test]
async fn server_that_stalls_at_any_point_runs_into_the_time_out() {
    let starts: [&[u8]; 4] = [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\non",
    ];
    for start in starts {
        let peer = Peer::of(move |_, _| Reply::Stall(start.to_vec())).await;
        let source = peer.source("/");
        let asked = Ask { timeout: Duration::from_millis(50), ..ask(&source) };
        assert_eq!(fault(fetcher(&[]).fetch(asked).await), FetchFault::TimedOut);
    }
}

#[tokio::test]
async fn budget_of_the_call_ends_a_wait_before_the_source_s_own_time_out() {
    let peer = Peer::of(|_, _| Reply::Stall(Vec::new())).await;
    let source = peer.source("/");
    let budget = Budget::starting_now(Duration::from_millis(50));
    let asked = Ask { timeout: Duration::from_secs(3600), budget, ..ask(&source) };
    assert_eq!(fault(fetcher(&[]).fetch(asked).await), FetchFault::TimedOut);
    // Nothing is left of it for the next source, which is not even asked.
    let good = Peer::answering(ok(b"x")).await;
    let source = good.source("/");
    assert_eq!(
        fault(fetcher(&[]).fetch(Ask { budget, ..ask(&source) }).await),
        FetchFault::TimedOut
    );
    assert_eq!(good.requests().len(), 0);
}

#[tokio::test]
async fn question_is_posted_and_answered() {
    let peer = Peer::of(|_, request| {
        let asked = request.starts_with("post /ocsp http/1.1\r\n")
            && request.contains("content-type: application/ocsp-request\r\n")
            && request.ends_with("\r\n\r\nquestion");
        Reply::Bytes(if asked {
            ok(b"answer")
        } else {
            b"HTTP/1.1 400 X\r\nContent-Length: 0\r\n\r\n".to_vec()
        })
    })
    .await;
    let endpoint =
        Endpoint::configured(Url::parse(&format!("http://{}/ocsp", peer.address)).unwrap());
    let fetcher = fetcher(&[]);
    let post = Post {
        endpoint: &endpoint,
        content_type: "application/ocsp-request",
        body: b"question",
        limit: 6,
        timeout: Duration::from_secs(20),
        budget: budget(),
    };
    assert_eq!(fetcher.post(post).await.unwrap(), b"answer");
    let limited = fetcher.post(Post { limit: 5, ..post }).await.unwrap_err();
    assert_eq!(*limited.fault(), FetchFault::TooLarge { limit: 5 });
    let other = fetcher.post(Post { body: b"other", ..post }).await.unwrap_err();
    assert_eq!(*other.fault(), FetchFault::Status(400));
}

#[tokio::test]
async fn no_error_shows_a_query() {
    let peer = Peer::answering(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let error = fetcher(&[]).fetch(ask(&peer.source("/a?token=hidden"))).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot read `http://{}/a?…`: the server answers 500", peer.address)
    );
    assert!(!format!("{error:?}").contains("hidden"));
}

// ---------------------------------------------------------------- TLS

#[tokio::test]
async fn server_of_a_known_authority_is_believed_and_others_are_not() {
    let directory = Directory::new("tls_authority");
    let (ours, theirs) = (WebAuthority::new(), WebAuthority::new());
    let bundle = directory.write("ca.pem", ours.pem.as_bytes());
    let peer =
        Peer::tls(&ours, &["localhost", "127.0.0.1"], |_, _| Reply::Bytes(ok(b"secret"))).await;
    let stranger =
        Peer::tls(&theirs, &["localhost", "127.0.0.1"], |_, _| Reply::Bytes(ok(b"bad"))).await;
    let misnamed = Peer::tls(&ours, &["other.example"], |_, _| Reply::Bytes(ok(b"bad"))).await;
    let own = [("SSL_CERT_FILE", bundle.to_str().unwrap())];
    let at = |peer: &Peer, host: &str| source(&format!("https://{host}:{}/", peer.address.port()));

    let fetched = fetcher(&own).fetch(ask(&at(&peer, "localhost"))).await;
    assert_eq!(new(fetched).0, b"secret");
    assert_eq!(new(fetcher(&own).fetch(ask(&at(&peer, "127.0.0.1"))).await).0, b"secret");
    for (peer, variables) in [(&stranger, &own[..]), (&misnamed, &own[..]), (&peer, &[][..])] {
        let fault = fault(fetcher(variables).fetch(ask(&at(peer, "localhost"))).await);
        assert!(matches!(fault, FetchFault::Tls(_)), "{fault:?}");
        assert!(peer.requests().iter().all(|request| request.starts_with("get / ")));
    }
    assert_eq!(stranger.requests().len() + misnamed.requests().len(), 0);
}

#[tokio::test]
async fn unusable_list_of_authorities_is_a_fault_and_never_the_default() {
    let directory = Directory::new("tls_bundle");
    let peer = Peer::tls(&WebAuthority::new(), &["localhost"], |_, _| Reply::Bytes(ok(b"x"))).await;
    let source = source(&format!("https://localhost:{}/", peer.address.port()));
    let empty = directory.write("empty.pem", b"");
    let broken = directory
        .write("broken.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for path in [empty, broken, directory.path.join("missing.pem")] {
        let variables = [("SSL_CERT_FILE", path.to_str().unwrap())];
        let error = fetcher(&variables).fetch(ask(&source)).await.unwrap_err();
        assert!(error.to_string().contains("`SSL_CERT_FILE` names `"), "{error}");
    }
}

#[tokio::test]
async fn tls_body_without_length_that_is_cut_off_is_a_fault() {
    let directory = Directory::new("tls_cut");
    let ours = WebAuthority::new();
    let bundle = directory.write("ca.pem", ours.pem.as_bytes());
    let fetcher = fetcher(&[("SSL_CERT_FILE", bundle.to_str().unwrap())]);
    let body = b"HTTP/1.1 200 OK\r\n\r\nsha256:aa\n";
    let ended = Peer::tls(&ours, &["localhost"], |_, _| Reply::Bytes(body.to_vec())).await;
    let cut = Peer::tls(&ours, &["localhost"], |_, _| Reply::Cut(body.to_vec())).await;
    let at = |peer: &Peer| source(&format!("https://localhost:{}/", peer.address.port()));
    assert_eq!(new(fetcher.fetch(ask(&at(&ended))).await).0, b"sha256:aa\n");
    assert!(matches!(fault(fetcher.fetch(ask(&at(&cut))).await), FetchFault::Exchange(_)));
}

// ---------------------------------------------------------------- what a certificate names

#[tokio::test]
async fn host_that_a_certificate_names_is_contacted_at_public_addresses_alone() {
    let peer = Peer::answering(ok(b"list")).await;
    let public: SocketAddr = "8.8.8.8:80".parse().unwrap();
    for (found, expected) in [
        (vec!["8.8.8.8"], Ok(())),
        (vec!["169.254.169.254", "8.8.8.8"], Ok(())),
        (vec!["127.0.0.1"], Err(AddressKind::Loopback)),
        (vec!["10.0.0.1"], Err(AddressKind::Private)),
        (vec!["169.254.169.254"], Err(AddressKind::LinkLocal)),
        (vec!["100.64.0.1"], Err(AddressKind::Shared)),
        (vec!["0.0.0.0"], Err(AddressKind::Unspecified)),
        (vec!["224.0.0.1"], Err(AddressKind::Multicast)),
        (vec!["::1", "127.0.0.1"], Err(AddressKind::Loopback)),
        (vec!["::ffff:8.8.8.8"], Err(AddressKind::EmbeddedIpv4)),
        (vec!["fd00:ec2::254"], Err(AddressKind::Private)),
    ] {
        let network = StandIn::new(&found, peer.address);
        let contacted = Arc::clone(&network.contacted);
        let fetcher = Fetcher::on(Box::new(network), &variables(&[]), Clock::new(|| NOW));
        let named = hosts(&["pki.example.com"]).admit("http://pki.example.com/a.crl").unwrap();
        let asked = ask_at(Target::Endpoint(&named));
        match expected {
            Ok(()) => {
                assert_eq!(new(fetcher.fetch(asked).await).0, b"list", "{found:?}");
                assert_eq!(*contacted.lock().unwrap(), [public], "{found:?}");
            }
            Err(kind) => {
                let refused =
                    FetchFault::Address(AddressFault::Address(found[0].parse().unwrap(), kind));
                assert_eq!(fault(fetcher.fetch(asked).await), refused, "{found:?}");
                assert!(contacted.lock().unwrap().is_empty(), "{found:?}");
            }
        }
        // The configuration may name the same host wherever it is.
        let source = source("http://pki.example.com/a.crl");
        assert_eq!(new(fetcher.fetch(ask(&source)).await).0, b"list", "{found:?}");
    }
}

#[tokio::test]
async fn address_that_a_certificate_names_is_judged_even_where_it_is_listed() {
    for (uri, kind) in [
        ("http://127.0.0.1/a.crl", AddressKind::Loopback),
        ("http://169.254.169.254/latest/meta-data/", AddressKind::LinkLocal),
        ("http://[::ffff:10.0.0.1]/a.crl", AddressKind::EmbeddedIpv4),
    ] {
        let host = Url::parse(uri).unwrap().host().clone();
        let named = AllowedHosts::new(vec![host]).admit(uri).unwrap();
        let asked = ask_at(Target::Endpoint(&named));
        let fault = fault(fetcher(&[]).fetch(asked).await);
        assert!(
            matches!(fault, FetchFault::Address(AddressFault::Address(_, it)) if it == kind),
            "{uri}: {fault:?}"
        );
    }
    // `localhost` is a name like any other here: listed, and then judged by its addresses.
    let named = hosts(&["localhost"]).admit("http://localhost/").unwrap();
    let asked = ask_at(Target::Endpoint(&named));
    let fault = fault(fetcher(&[]).fetch(asked).await);
    assert!(
        matches!(fault, FetchFault::Address(AddressFault::Address(_, AddressKind::Loopback))),
        "{fault:?}"
    );
}

#[tokio::test]
async fn host_that_a_certificate_names_redirects_nowhere() {
    let peer = Peer::answering(
        b"HTTP/1.1 302 X\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
            .to_vec(),
    )
    .await;
    let network = StandIn::new(&["8.8.8.8"], peer.address);
    let contacted = Arc::clone(&network.contacted);
    let fetcher = Fetcher::on(Box::new(network), &variables(&[]), Clock::new(|| NOW));
    let named = hosts(&["pki.example.com"]).admit("http://pki.example.com/a.crl").unwrap();
    let asked = ask_at(Target::Endpoint(&named));
    assert_eq!(fault(fetcher.fetch(asked).await), FetchFault::Redirect(302));
    assert_eq!(contacted.lock().unwrap().len(), 1);
}

// ---------------------------------------------------------------- S3

#[tokio::test]
async fn object_is_read_from_a_server_that_verifies_the_signature() {
    let directory = Directory::new("s3_read");
    let server = S3Server::start(&directory.path).await;
    for key in ["clients.crl", "a b/ü+&=~.crl"] {
        directory.write_in("pki", key, b"list");
        let source = source(&format!("s3://pki/{key}"));
        let endpoint = server.endpoint();
        let fetcher = fetcher(&server.variables(&endpoint, SECRET));
        let (bytes, validator) = new(fetcher.fetch(ask(&source)).await);
        assert_eq!(bytes, b"list", "{key}");
        // A conditional request is signed as well.
        let again = Ask { validator: validator.as_ref(), ..ask(&source) };
        assert!(validator.is_some() && fetcher.fetch(again).await.is_ok(), "{key}");
    }
}

#[tokio::test]
async fn s3_says_what_is_wrong() {
    let directory = Directory::new("s3_wrong");
    let server = S3Server::start(&directory.path).await;
    directory.write_in("pki", "clients.crl", b"list");
    let endpoint = server.endpoint();
    let read = async |secret, text: &str| {
        let error = fetcher(&server.variables(&endpoint, secret))
            .fetch(ask(&source(text)))
            .await
            .unwrap_err();
        let shown = error.to_string();
        assert!(!shown.contains(secret) && !shown.contains("Signature="), "{shown}");
        shown
    };
    assert_eq!(
        read(SECRET, "s3://pki/none.crl").await,
        "cannot read `s3://pki/none.crl`: AWS answers 404 `NoSuchKey`: there is no such object"
    );
    assert_eq!(
        read("wrong-secret", "s3://pki/clients.crl").await,
        "cannot read `s3://pki/clients.crl`: AWS answers 403 `SignatureDoesNotMatch`: the credentials of the \
         environment are not those of a user it knows"
    );
    let unsigned =
        fetcher(&[("AWS_ENDPOINT_URL_S3", &endpoint)]).fetch(ask(&source("s3://pki/a"))).await;
    assert!(matches!(fault(unsigned), FetchFault::Environment(_)));
}

#[tokio::test]
async fn object_that_has_not_changed_is_not_sent_again() {
    let peer = Peer::of(|_, request| {
        let signed = request.contains(
            "authorization: aws4-hmac-sha256 credential=akidexample/20261121/eu-central-1/s3/",
        ) && request.contains("x-amz-security-token: session")
            && request.contains("x-amz-date: 20261121t080000z");
        assert!(signed, "{request}");
        if request.contains("if-none-match: \"v1\"") {
            assert!(request.contains("signedheaders=host;if-none-match;x-amz-"), "{request}");
            return Reply::Bytes(b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec());
        }
        Reply::Bytes(with_headers("ETag: \"v1\"\r\n", b"list"))
    })
    .await;
    let endpoint = format!("http://{}", peer.address);
    let fetcher = fetcher(&[
        ("AWS_ENDPOINT_URL_S3", &endpoint),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", "session"),
    ]);
    let source = source("s3://pki/clients.crl");
    let (bytes, validator) = new(fetcher.fetch(ask(&source)).await);
    assert_eq!(bytes, b"list");
    let again = Ask { validator: validator.as_ref(), ..ask(&source) };
    assert_eq!(fetcher.fetch(again).await.unwrap(), Fetched::NotModified);
}

#[tokio::test]
async fn s3_answers_that_mislead_are_explained() {
    let shown = async |head: &str, body: &str| {
        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let peer = Peer::answering(answer.into_bytes()).await;
        let endpoint = format!("http://{}", peer.address);
        let variables = [
            ("AWS_ENDPOINT_URL_S3", endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ];
        fetcher(&variables).fetch(ask(&source("s3://pki/a"))).await.unwrap_err().to_string()
    };
    let denied = shown("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>").await;
    assert!(
        denied.contains("`AccessDenied`") && denied.contains("without `s3:ListBucket`"),
        "{denied}"
    );
    let missing = shown("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>").await;
    assert!(
        missing.ends_with("AWS answers 404 `NoSuchBucket`: there is no such bucket"),
        "{missing}"
    );
    let moved = shown(
        "301 Moved Permanently\r\nLocation: http://169.254.169.254/\r\nx-amz-bucket-region: eu-west-1",
        "<Error><Code>PermanentRedirect</Code></Error>",
    )
    .await;
    assert!(
        moved.ends_with("the bucket is in region `eu-west-1`, which `AWS_REGION` has to name"),
        "{moved}"
    );
    let odd =
        shown("500 X\r\nx-amz-bucket-region: eu west", "<Error><Code>a\u{1b}[2J</Code></Error>")
            .await;
    assert!(odd.ends_with("AWS answers 500"), "{odd}");
}

// ---------------------------------------------------------------- Secrets Manager

#[tokio::test]
async fn secret_is_read_and_its_value_never_shown() {
    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:signing-AbCdEf";
    let ask_for = async |answer: Vec<u8>, limit| {
        let peer = Peer::of(move |_, request| {
            assert!(request.starts_with("post / http/1.1\r\n"), "{request}");
            assert!(
                request.contains("x-amz-target: secretsmanager.getsecretvalue\r\n"),
                "{request}"
            );
            assert!(
                request.contains("/20261121/eu-west-1/secretsmanager/aws4_request"),
                "{request}"
            );
            assert!(
                request.ends_with(&format!("{{\"secretid\":\"{}\"}}", ARN.to_ascii_lowercase())),
                "{request}"
            );
            Reply::Bytes(answer.clone())
        })
        .await;
        let endpoint = format!("http://{}", peer.address);
        let variables = [
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ];
        let base = Base::Directory(PathBuf::new());
        let rules = Rules { used_as: Use::SigningKey, base: &base, in_lambda: true };
        let source = Source::parse(&format!("secretsmanager:{ARN}"), rules).unwrap();
        fetcher(&variables).fetch(Ask { used_as: Use::SigningKey, limit, ..ask(&source) }).await
    };
    assert_eq!(new(ask_for(ok(br#"{"Name":"n","SecretString":"key"}"#), 3).await).0, b"key");
    assert_eq!(new(ask_for(ok(br#"{"SecretBinary":"a2V5"}"#), 3).await).0, b"key");
    assert_eq!(
        fault(ask_for(ok(br#"{"SecretString":"keys"}"#), 3).await),
        FetchFault::TooLarge { limit: 3 }
    );
    assert_eq!(fault(ask_for(ok(br#"{"Name":"n"}"#), 3).await), FetchFault::NoSecretValue);
    assert_eq!(fault(ask_for(ok(b"no json: key"), 3).await), FetchFault::NoSecretValue);
    let body = r#"{"__type":"ResourceNotFoundException","Message":"hidden"}"#;
    let refused = format!("HTTP/1.1 400 X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let error = ask_for(refused.into_bytes(), 3).await.unwrap_err().to_string();
    assert!(error.contains("`ResourceNotFoundException`") && !error.contains("hidden"), "{error}");
}

// ---------------------------------------------------------------- keeping copies

const SCHEDULE: Schedule =
    Schedule { refresh: Duration::from_secs(300), timeout: Duration::from_secs(20) };

#[tokio::test]
async fn copy_is_asked_for_again_when_it_is_due_and_not_before() {
    let peer = Peer::of(|number, _| Reply::Bytes(ok(number.to_string().as_bytes()))).await;
    let (kept, fetcher) = (kept(&peer), fetcher(&[]));
    assert_eq!(text(&current(&kept, &fetcher, 0).await), "0");
    assert_eq!(text(&current(&kept, &fetcher, 299).await), "0");
    let refreshed = current(&kept, &fetcher, 300).await;
    assert_eq!((text(&refreshed).as_str(), refreshed.age(at(300))), ("1", Some(0)));
    assert_eq!(text(&current(&kept, &fetcher, 599).await), "1");
    // The clock went back: nothing is known of the copy's age.
    assert_eq!(text(&current(&kept, &fetcher, 299).await), "2");
    assert_eq!(peer.requests().len(), 3);
}

#[tokio::test]
async fn unchanged_document_is_confirmed_without_being_loaded_again() {
    let peer =
        Peer::of(|number, request| match (number, request.contains("if-none-match: \"v1\"")) {
            (0, false) => Reply::Bytes(with_headers("ETag: \"v1\"\r\n", b"one")),
            (_, true) => Reply::Bytes(b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec()),
            _ => panic!("{request}"),
        })
        .await;
    let (kept, fetcher) = (kept(&peer), fetcher(&[]));
    let first = current(&kept, &fetcher, 0).await;
    let second = current(&kept, &fetcher, 300).await;
    assert!(Arc::ptr_eq(first.value.as_ref().unwrap(), second.value.as_ref().unwrap()));
    assert_eq!((second.age(at(300)), second.failure), (Some(0), None));
    assert_eq!(peer.requests().len(), 2);
}

#[tokio::test]
async fn failure_keeps_the_copy_and_says_why_until_it_is_over() {
    let peer = Peer::of(|number, _| {
        Reply::Bytes(match number {
            0 => ok(b"one"),
            1 | 2 => b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n".to_vec(),
            _ => ok(b"two"),
        })
    })
    .await;
    let (kept, fetcher) = (kept(&peer), fetcher(&[]));
    current(&kept, &fetcher, 0).await;
    for seconds in [300, 302] {
        let failed = current(&kept, &fetcher, seconds).await;
        assert_eq!((text(&failed).as_str(), failed.age(at(seconds))), ("one", Some(seconds)));
        let why = failed.failure.as_ref().unwrap();
        assert!(
            why.ends_with("the server answers 500") && why.contains(&peer.address.to_string()),
            "{why}"
        );
        let hour = Duration::from_secs(3600);
        assert!(failed.within_max_stale(at(seconds), hour).is_some());
        assert!(failed.within_max_stale(at(3600), hour).is_some());
        assert!(failed.within_max_stale(at(3601), hour).is_none());
        assert!(failed.within_max_stale(at(-1), hour).is_none());
    }
    // A failure that cost nothing does not delay the next asking.
    let over = current(&kept, &fetcher, 304).await;
    assert_eq!((text(&over).as_str(), over.failure.as_deref()), ("two", None));
    assert!(over.within_max_stale(at(1_000_000), Duration::from_secs(3600)).is_some());
}

#[tokio::test]
async fn nothing_at_hand_and_no_answer_is_no_value_and_no_crash() {
    let peer = Peer::of(|number, _| {
        Reply::Bytes(if number == 0 {
            b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n".to_vec()
        } else {
            ok(b"one")
        })
    })
    .await;
    let (kept, fetcher) = (kept(&peer), fetcher(&[]));
    let nothing = current(&kept, &fetcher, 0).await;
    assert!(nothing.value.is_none() && nothing.confirmed_at.is_none() && nothing.failure.is_some());
    assert!(nothing.within_max_stale(at(0), Duration::from_secs(3600)).is_none());
    assert_eq!(text(&current(&kept, &fetcher, 1).await), "one");
}

#[tokio::test]
async fn document_that_cannot_be_loaded_or_is_not_accepted_leaves_the_copy() {
    let peer = Peer::of(|number, _| Reply::Bytes(ok([&b"5"[..], b"x", b"4", b"6"][number]))).await;
    let (kept, fetcher) = (kept(&peer), fetcher(&[]));
    assert_eq!(text(&current(&kept, &fetcher, 0).await), "5");
    let unreadable = current(&kept, &fetcher, 300).await;
    assert_eq!(
        (text(&unreadable).as_str(), unreadable.failure.as_deref()),
        ("5", Some("no number"))
    );
    let older = current(&kept, &fetcher, 302).await;
    assert_eq!(
        (text(&older).as_str(), older.failure.as_deref()),
        ("5", Some("older than the one at hand"))
    );
    assert_eq!(older.age(at(302)), Some(302));
    assert_eq!(text(&current(&kept, &fetcher, 304).await), "6");
}

#[tokio::test]
async fn expired_copy_is_asked_for_before_its_refresh() {
    let peer = Peer::of(|number, _| Reply::Bytes(ok(number.to_string().as_bytes()))).await;
    let (kept, fetcher) = (kept(&peer), fetcher(&[]));
    let ask = async |seconds, expires| {
        let call = Call { fetcher: &fetcher, now: at(seconds), budget: budget() };
        let load = |bytes| {
            Ok(Loaded { value: String::from_utf8(bytes).unwrap(), expires_at: Some(at(expires)) })
        };
        text(&kept.current(call, Vec::new(), load, |_, _| Ok(())).await)
    };
    assert_eq!(ask(0, 10).await, "0");
    assert_eq!(ask(9, 20).await, "0");
    assert_eq!(ask(10, 20).await, "1");
    assert_eq!(ask(19, 30).await, "1");
}

#[tokio::test(start_paused = true)]
async fn server_that_does_not_answer_is_left_in_peace_for_a_while() {
    let peer = Peer::of(|_, _| Reply::Stall(Vec::new())).await;
    let source = peer.source("/");
    let schedule = Schedule { timeout: Duration::from_secs(2), ..SCHEDULE };
    let kept = Refreshed::new(source, Use::RevocationList, LIMIT, schedule);
    let fetcher = fetcher(&[]);
    let began = tokio::time::Instant::now();
    for seconds in [0, 1, 9] {
        let failed = current(&kept, &fetcher, seconds).await;
        assert!(failed.failure.unwrap().ends_with("no complete answer in time"));
        // The runtime's clock stands still but for the first wait.
        assert_eq!(began.elapsed().as_secs(), 2);
    }
    current(&kept, &fetcher, 10).await;
    assert_eq!(began.elapsed().as_secs(), 4);
}

#[tokio::test]
async fn calls_at_the_same_time_make_one_request() {
    let peer = Peer::answering(ok(b"one")).await;
    let (kept, fetcher) = (kept(&peer), fetcher(&[]));
    let (a, b, c) = tokio::join!(
        current(&kept, &fetcher, 0),
        current(&kept, &fetcher, 0),
        current(&kept, &fetcher, 0)
    );
    assert_eq!([text(&a), text(&b), text(&c)], ["one", "one", "one"]);
    assert_eq!(peer.requests().len(), 1);
}

#[tokio::test]
async fn call_that_is_given_up_leaves_the_next_one_free_to_ask() {
    let peer =
        Peer::of(
            |number, _| {
                if number == 0 { Reply::Stall(Vec::new()) } else { Reply::Bytes(ok(b"one")) }
            },
        )
        .await;
    let (kept, fetcher) = (kept(&peer), fetcher(&[]));
    {
        let mut first = Box::pin(current(&kept, &fetcher, 0));
        while peer.requests().is_empty() {
            tokio::select! {
                biased;
                _ = &mut first => panic!("nothing was answered"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    assert_eq!(text(&current(&kept, &fetcher, 0).await), "one");
}

#[test]
fn files_need_neither_timer_nor_network_of_the_runtime() {
    let directory = Directory::new("no_timer");
    let kept =
        Refreshed::new(Source::File(directory.write("a", b"one")), Use::Document, LIMIT, SCHEDULE);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let fetcher = fetcher(&[]);
    runtime.block_on(async {
        assert_eq!(text(&current(&kept, &fetcher, 0).await), "one");
        directory.replace("a", b"two");
        assert_eq!(text(&current(&kept, &fetcher, 299).await), "one");
        assert_eq!(text(&current(&kept, &fetcher, 300).await), "two");
    });
}

// ---------------------------------------------------------------- helpers

fn at(seconds: i64) -> Timestamp {
    NOW.plus(seconds)
}

fn kept(peer: &Peer) -> Refreshed<String> {
    Refreshed::new(peer.source("/"), Use::RevocationList, LIMIT, SCHEDULE)
}

/// Documents are texts; `x` is unreadable, and what sorts before the copy at hand is older.
async fn current(kept: &Refreshed<String>, fetcher: &Fetcher, seconds: i64) -> Current<String> {
    let call = Call { fetcher, now: at(seconds), budget: budget() };
    let load = |bytes: Vec<u8>| match String::from_utf8(bytes).unwrap() {
        unreadable if unreadable == "x" => Err("no number".to_owned()),
        value => Ok(Loaded { value, expires_at: None }),
    };
    let accept = |new: &String, held: &String| {
        if new < held && held.len() == 1 {
            Err("older than the one at hand".to_owned())
        } else {
            Ok(())
        }
    };
    kept.current(call, Vec::new(), load, accept).await
}

fn text(current: &Current<String>) -> String {
    current.value.as_ref().map(|text| text.to_string()).unwrap_or_default()
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn fetcher(pairs: &[(&str, &str)]) -> Fetcher {
    Fetcher::new(&variables(pairs), Clock::new(|| NOW))
}

fn source(text: &str) -> Source {
    let base = Base::Directory(PathBuf::new());
    Source::parse(text, Rules { used_as: Use::RevocationList, base: &base, in_lambda: true })
        .unwrap()
}

fn hosts(names: &[&str]) -> AllowedHosts {
    AllowedHosts::new(names.iter().map(|name| Host::parse(name).unwrap()).collect())
}

fn budget() -> Budget {
    Budget::starting_now(Duration::from_secs(30))
}

fn ask(source: &Source) -> Ask<'_> {
    ask_at(Target::Source(source))
}

fn ask_at(target: Target<'_>) -> Ask<'_> {
    Ask {
        target,
        used_as: Use::RevocationList,
        validator: None,
        limit: LIMIT,
        timeout: Duration::from_secs(20),
        budget: budget(),
    }
}

fn new(
    fetched: Result<Fetched, mtls_authorizer::source::FetchError>,
) -> (Vec<u8>, Option<Validator>) {
    match fetched.unwrap() {
        Fetched::New { bytes, validator } => (bytes, validator),
        Fetched::NotModified => panic!("expected a document"),
    }
}

fn fault(fetched: Result<Fetched, mtls_authorizer::source::FetchError>) -> FetchFault {
    fetched.unwrap_err().fault().clone()
}

/// The source that a peer is.
trait At {
    fn source(&self, path: &str) -> Source;
}

impl At for Peer {
    fn source(&self, path: &str) -> Source {
        source(&self.url(path))
    }
}

/// A directory of one test's own, gone with it.
struct Directory {
    path: PathBuf,
}

impl Directory {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("sources-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self { path }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn write_in(&self, bucket: &str, key: &str, bytes: &[u8]) {
        self.write(&format!("{bucket}/{key}"), bytes);
    }

    /// As careful programs write: beside it, then renamed over it.
    fn replace(&self, name: &str, bytes: &[u8]) {
        let beside = self.write(&format!("{name}.new"), bytes);
        std::fs::rename(beside, self.path.join(name)).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
