//! What a configuration names in S3 and on the web, and the configuration itself, there: through the whole authorizer,
//! against an S3 server that is not ours and verifies every signature, and web servers with an authority of their own.
//! How each exchange goes is tested in `tests/sources.rs`; here each fault must come to its reason, and never to an
//! Allow.

#![cfg(feature = "network")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/servers.rs"]
mod servers;
mod support;

use std::{fs, path::PathBuf, sync::mpsc};

use mtls_authorizer::authorizer::Authorizer;
use runtime_emulator::Outcome;
use servers::{Peer, Reply, S3Server, SECRET, WebAuthority, aws, ok, status, with_headers};
use support::{
    Scratch,
    decisions::*,
    function::{self, Function},
    pki::*,
    scratch,
};

const SERIAL: &[u8] = &[0x2a];

/// An authority, a client of it, and the objects of the bucket `pki`.
struct World {
    scratch: Scratch,
    objects: PathBuf,
    authority: Authority,
    client: Vec<u8>,
}

impl World {
    fn new(test: &str) -> Self {
        let scratch = scratch(test);
        let authority = Authority::root("Acme CA");
        let client = authority.issue(Certificate {
            serial_number: integer(SERIAL),
            ..Certificate::leaf("orders", &Key::ed25519("orders"))
        });
        scratch.write("anchors.pem", pem("CERTIFICATE", &authority.certificate));
        let objects = scratch.directory("objects/pki");
        Self { scratch, objects, authority, client }
    }

    async fn server(&self) -> S3Server {
        S3Server::start(self.objects.parent().unwrap()).await
    }

    fn put(&self, key: &str, content: impl AsRef<[u8]>) {
        let path = self.objects.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// An object of so many zeros.
    fn put_large(&self, key: &str, bytes: u64) {
        fs::File::create(self.objects.join(key)).unwrap().set_len(bytes).unwrap();
    }

    fn remove(&self, key: &str) {
        fs::remove_file(self.objects.join(key)).unwrap();
    }

    fn list(&self, number: u64, entries: Vec<Der>) -> Vec<u8> {
        let list = Crl { next_update: Some(time(NOW + DAY)), ..Crl::of(entries) };
        self.authority.revoke(list.numbered(number))
    }

    /// A document with these lines of `[revocation]`.
    fn document(revocation: &str) -> String {
        format!(
            "[trust]\nanchors = [\"anchors.pem\"]\n[revocation]\n{revocation}\n\
             [[client]]\nid = \"orders\"\nsubject = {{ CN = \"orders\" }}\nallow = [\"*\"]\n"
        )
    }

    async fn authorizer(&self, endpoint: &str, secret: &str, revocation: &str) -> Authorizer {
        let path = self.scratch.write("authorizer.toml", Self::document(revocation));
        let variables = &aws(endpoint, secret);
        Surroundings { variables, ..Default::default() }.authorizer(Some(&path)).await
    }
}

#[tokio::test]
async fn a_list_in_s3_admits_and_revokes_and_without_it_nobody_is_admitted() {
    let world = World::new("s3_list");
    let server = world.server().await;
    let endpoint = server.endpoint();
    world.put("clients.crl", world.list(1, vec![revoked(&[0x2b])]));
    world.put("revoking.crl", world.list(1, vec![revoked(SERIAL)]));
    world.put("forbidden/clients.crl", world.list(1, Vec::new()));
    world.put("page.crl", "<html>");
    for (key, secret, reason, why) in [
        ("clients.crl", SECRET, None, ""),
        ("revoking.crl", SECRET, Some("revoked"), ""),
        ("none.crl", SECRET, Some("revocation-unknown"), "AWS answers 404 `NoSuchKey`"),
        (
            "forbidden/clients.crl",
            SECRET,
            Some("revocation-unknown"),
            "AWS answers 403 `AccessDenied`",
        ),
        (
            "clients.crl",
            "another",
            Some("revocation-unknown"),
            "AWS answers 403 `SignatureDoesNotMatch`",
        ),
        ("page.crl", SECRET, Some("revocation-unknown"), "s3://pki/page.crl"),
    ] {
        let lines = format!("check = [\"crl\"]\ncrls = [\"s3://pki/{key}\"]");
        let authorizer = world.authorizer(&endpoint, secret, &lines).await;
        let line = ask(&authorizer, &world.client, now()).await;
        match reason {
            None => assert_allowed(&line),
            Some("revoked") => {
                assert_denied(&line, "revoked");
                assert_eq!(line["source"], format!("s3://pki/{key}"), "{line}");
            }
            Some(reason) => {
                assert_denied(&line, reason);
                assert_tells(&line, "crl_failure", why);
                let lines = format!("{lines}\non_unknown = \"dangerously-allow\"");
                let authorizer = world.authorizer(&endpoint, secret, &lines).await;
                assert_dangerously_allowed(&ask(&authorizer, &world.client, now()).await);
            }
        }
    }
}

#[tokio::test]
async fn a_list_in_s3_that_is_too_large_is_not_taken() {
    let world = World::new("s3_large_list");
    let lines = "check = [\"crl\"]\ncrls = [\"s3://pki/clients.crl\"]";
    // A byte more than the limit, announced and never sent.
    let peer = Peer::of(|_, _| {
        Reply::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 100663297\r\n\r\n".to_vec())
    })
    .await;
    let authorizer = world.authorizer(&peer.url(""), SECRET, lines).await;
    let line = ask(&authorizer, &world.client, now()).await;
    assert_denied(&line, "revocation-unknown");
    assert_tells(&line, "crl_failure", "larger than 100663296 bytes");
    peer.serve(ok(&world.list(1, Vec::new())));
    assert_allowed(&ask(&authorizer, &world.client, now().plus(60)).await);
}

#[tokio::test]
async fn a_list_in_s3_is_replaced_by_a_newer_one_and_never_by_an_older_one() {
    let world = World::new("s3_rollback");
    let server = world.server().await;
    let old = world.list(1, Vec::new());
    world.put("clients.crl", &old);
    let lines = "check = [\"crl\"]\ncrls = [\"s3://pki/clients.crl\"]\nrefresh = \"1m\"";
    let authorizer = world.authorizer(&server.endpoint(), SECRET, lines).await;
    assert_allowed(&ask(&authorizer, &world.client, now()).await);

    world.put("clients.crl", world.list(2, vec![revoked(SERIAL)]));
    assert_allowed(&ask(&authorizer, &world.client, now().plus(59)).await);
    assert_denied(&ask(&authorizer, &world.client, now().plus(60)).await, "revoked");
    // Rolled back, then deleted: the newest list that was seen goes on serving, until its `nextUpdate`.
    world.put("clients.crl", &old);
    assert_denied(&ask(&authorizer, &world.client, now().plus(120)).await, "revoked");
    world.remove("clients.crl");
    assert_denied(&ask(&authorizer, &world.client, now().plus(DAY)).await, "revoked");
    world.put("clients.crl", &old);
    let line = ask(&authorizer, &world.client, now().plus(DAY + 1)).await;
    assert_denied(&line, "revocation-unknown");
    // The next one admits again who is on it no longer.
    let next = Crl { next_update: Some(time(NOW + 9 * DAY)), ..Crl::of(Vec::new()) };
    world.put("clients.crl", world.authority.revoke(next.numbered(3)));
    assert_allowed(&ask(&authorizer, &world.client, now().plus(DAY + 60)).await);
}

#[tokio::test]
async fn a_deny_list_in_s3_denies_who_is_on_it_and_everybody_where_there_is_none() {
    let world = World::new("s3_deny_list");
    let server = world.server().await;
    let endpoint = server.endpoint();
    let lines =
        |key: &str| format!("deny_list = \"s3://pki/{key}\"\nrefresh = \"1m\"\nmax_stale = \"1h\"");
    let listed =
        sha256(&world.client).iter().fold(String::new(), |text, it| format!("{text}{it:02x}"));
    world.put("forbidden/denied.txt", "# nobody\n");
    world.put("denied.txt", "# nobody\n");
    // Whatever keeps the list away at start.
    for (key, secret) in
        [("none.txt", SECRET), ("forbidden/denied.txt", SECRET), ("denied.txt", "another")]
    {
        let authorizer = world.authorizer(&endpoint, secret, &lines(key)).await;
        let line = ask(&authorizer, &world.client, now()).await;
        assert_denied(&line, "deny-listed");
    }

    let authorizer = world.authorizer(&endpoint, SECRET, &lines("denied.txt")).await;
    let client = &world.client;
    assert_allowed(&ask(&authorizer, client, now()).await);
    world.put("denied.txt", format!("sha256:{listed}\n"));
    assert_denied(&ask(&authorizer, client, now().plus(60)).await, "deny-listed");
    world.put("denied.txt", "sha256:\n");
    assert_denied(&ask(&authorizer, client, now().plus(120)).await, "deny-listed");
    world.put("denied.txt", "# nobody\n");
    let last = now().plus(180);
    assert_allowed(&ask(&authorizer, client, last).await);
    // One that is too large can't be fetched: the last good one serves for `max_stale`, and then nobody gets in.
    world.put_large("denied.txt", 8 * 1024 * 1024 + 1);
    assert_allowed(&ask(&authorizer, client, last.plus(3600)).await);
    assert_denied(&ask(&authorizer, client, last.plus(3601)).await, "deny-listed");
    world.put("denied.txt", "# nobody\n");
    assert_allowed(&ask(&authorizer, client, last.plus(3700)).await);
}

#[tokio::test]
async fn anchors_in_s3_are_renewed_and_serve_for_a_while_where_they_can_not_be() {
    let world = World::new("s3_anchors");
    let server = world.server().await;
    let endpoint = server.endpoint();
    let load = async |key: &str, secret: &str| {
        let document = World::document("refresh = \"1m\"\nmax_stale = \"1h\"")
            .replace("anchors.pem", &format!("s3://pki/{key}"));
        let path = world.scratch.write("authorizer.toml", document);
        let variables = &aws(&endpoint, secret);
        Surroundings { variables, ..Default::default() }.load(Some(&path)).await.unwrap()
    };
    let anchor = pem("CERTIFICATE", &world.authority.certificate);
    world.put("anchors.pem", &anchor);
    world.put("forbidden/anchors.pem", &anchor);
    world.put("page.pem", "<html>");
    world.put("cut.pem", anchor.replace("-----END", ""));
    world.put_large("large.pem", 8 * 1024 * 1024 + 1);
    for (key, secret, why) in [
        ("none.pem", SECRET, "AWS answers 404 `NoSuchKey`"),
        ("forbidden/anchors.pem", SECRET, "AWS answers 403 `AccessDenied`"),
        ("anchors.pem", "another", "AWS answers 403 `SignatureDoesNotMatch`"),
        ("large.pem", SECRET, "larger than"),
        ("page.pem", SECRET, ""),
        ("cut.pem", SECRET, ""),
    ] {
        let (authorizer, notices) = load(key, secret).await;
        assert!(notices.iter().any(|it| it.rule.contains(why)), "{key}: {notices:?}");
        assert_denied(&ask(&authorizer, &world.client, now()).await, "untrusted-chain");
    }

    let (authorizer, _) = load("anchors.pem", SECRET).await;
    let next = Authority::root("Next CA");
    let successor = next.issue(Certificate::leaf("orders", &Key::ed25519("orders")));
    let both = async |seconds| {
        let at = now().plus(seconds);
        let old = ask(&authorizer, &world.client, at).await;
        let new = ask(&authorizer, &successor, at).await;
        [old, new].map(|line| line["reason"].as_str().unwrap_or("Allow").to_owned())
    };
    assert_eq!(both(0).await, ["Allow", "untrusted-chain"]);
    world.put("anchors.pem", [anchor.as_str(), &pem("CERTIFICATE", &next.certificate)].concat());
    assert_eq!(both(59).await, ["Allow", "untrusted-chain"]);
    assert_eq!(both(60).await, ["Allow", "Allow"]);
    world.put("anchors.pem", pem("CERTIFICATE", &next.certificate));
    assert_eq!(both(120).await, ["untrusted-chain", "Allow"]);
    // Gone, and then replaced by something else: the last good one serves for `max_stale`.
    world.remove("anchors.pem");
    assert_eq!(both(180).await, ["untrusted-chain", "Allow"]);
    world.put("anchors.pem", "<html>");
    assert_eq!(both(120 + 3600).await, ["untrusted-chain", "Allow"]);
    assert_eq!(both(120 + 3601).await, ["untrusted-chain", "untrusted-chain"]);
    world.put("anchors.pem", &anchor);
    assert_eq!(both(120 + 3700).await, ["Allow", "untrusted-chain"]);
}

/// The authorizer whose configuration `AUTHORIZER_CONFIG` names, or the text of all its faults.
async fn configured(variables: &[(&str, &str)]) -> Result<Authorizer, String> {
    let loaded = Surroundings { variables, ..Default::default() }.load(None).await;
    loaded.map(|(authorizer, _)| authorizer).map_err(|faults| faults.to_string())
}

#[tokio::test]
async fn a_configuration_in_s3_names_its_anchors_and_lists_beside_it() {
    let world = World::new("s3_configuration");
    let server = world.server().await;
    let endpoint = server.endpoint();
    let with = |name: &'static str, secret: &'static str| {
        let mut variables = aws(&endpoint, secret).to_vec();
        variables.push(("AUTHORIZER_CONFIG", name));
        async move { configured(&variables).await }
    };
    let lines = "check = [\"crl\"]\ncrls = [\"clients.crl\"]\ndeny_list = \"denied.txt\"";
    let document = World::document(lines);
    for folder in ["prod", "forbidden"] {
        world.put(&format!("{folder}/authorizer.toml"), &document);
    }
    world.put("prod/anchors.pem", pem("CERTIFICATE", &world.authority.certificate));
    world.put("prod/clients.crl", world.list(1, vec![revoked(&[0x2b])]));
    world.put("prod/denied.txt", "");
    let authorizer = with("s3://pki/prod/authorizer.toml", SECRET).await.unwrap();
    assert_allowed(&ask(&authorizer, &world.client, now()).await);
    let other = world.authority.issue(Certificate {
        serial_number: integer(&[0x2b]),
        ..Certificate::leaf("orders", &Key::ed25519("other orders"))
    });
    assert_denied(&ask(&authorizer, &other, now()).await, "revoked");
    let stranger = Authority::root_with("Acme CA", Key::ed25519("stranger"));
    let forged = stranger.issue(Certificate::leaf("orders", &Key::ed25519("orders")));
    assert_denied(&ask(&authorizer, &forged, now()).await, "untrusted-chain");

    // What it names and isn't there: nobody is trusted, known not to be revoked, or off the deny list.
    for (key, content, reason) in [
        ("prod/clients.crl", world.list(1, Vec::new()), "revocation-unknown"),
        ("prod/denied.txt", Vec::new(), "deny-listed"),
        (
            "prod/anchors.pem",
            pem("CERTIFICATE", &world.authority.certificate).into_bytes(),
            "untrusted-chain",
        ),
    ] {
        world.remove(key);
        let authorizer = with("s3://pki/prod/authorizer.toml", SECRET).await.unwrap();
        assert_denied(&ask(&authorizer, &world.client, now()).await, reason);
        world.put(key, &content);
        assert_allowed(&ask(&authorizer, &world.client, now().plus(300)).await);
    }

    // And the document itself: a fault at start, which names it and why.
    world.put("broken.toml", "[trust]\nanchors = [");
    world.put("binary.toml", b"\xff\xfe");
    world.put_large("large.toml", 16 * 1024 * 1024 + 1);
    for (name, secret, why) in [
        ("s3://pki/prod/none.toml", SECRET, "AWS answers 404 `NoSuchKey`"),
        ("s3://none/authorizer.toml", SECRET, "AWS answers 404"),
        ("s3://pki/forbidden/authorizer.toml", SECRET, "AWS answers 403 `AccessDenied`"),
        ("s3://pki/prod/authorizer.toml", "another", "AWS answers 403 `SignatureDoesNotMatch`"),
        ("s3://pki/broken.toml", SECRET, "s3://pki/broken.toml:2"),
        ("s3://pki/binary.toml", SECRET, "not UTF-8"),
        ("s3://pki/large.toml", SECRET, "larger than 16777216 bytes"),
    ] {
        let faults = with(name, secret).await.unwrap_err();
        assert!(faults.contains(name) && faults.contains(why), "{name}: {faults}");
        assert!(!faults.contains(secret), "{faults}");
    }
}

#[tokio::test]
async fn a_configuration_on_the_web_is_taken_over_tls_that_is_verified_alone() {
    let world = World::new("web_configuration");
    let (ours, theirs) = (WebAuthority::new(), WebAuthority::new());
    let bundle = world.scratch.write("web.pem", &ours.pem);
    let document = World::document("check = [\"crl\"]\ncrls = [\"clients.crl\"]");
    let anchors = pem("CERTIFICATE", &world.authority.certificate);
    let list = world.list(1, Vec::new());
    let site = move |_: usize, request: &str| {
        let found = match request.split(' ').nth(1).unwrap() {
            "/prod/authorizer.toml" => ok(document.as_bytes()),
            "/prod/anchors.pem" => ok(anchors.as_bytes()),
            "/prod/clients.crl" => ok(&list),
            "/moved.toml" => {
                b"HTTP/1.1 302 X\r\nLocation: /prod/authorizer.toml\r\nContent-Length: 0\r\n\r\n"
                    .to_vec()
            }
            "/gzip.toml" => with_headers("Content-Encoding: gzip\r\n", b"\x1f\x8b"),
            "/large.toml" => b"HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n\r\n".to_vec(),
            "/cut.toml" => ok(document.as_bytes()).split_last().unwrap().1.to_vec(),
            "/away.toml" => status("503 Away"),
            _ => status("404 Not Found"),
        };
        Reply::Bytes(found)
    };
    let good = Peer::tls(&ours, &["localhost"], site.clone()).await;
    let stranger = Peer::tls(&theirs, &["localhost"], site.clone()).await;
    let misnamed = Peer::tls(&ours, &["other.example"], site.clone()).await;
    let plain = Peer::of(site).await;
    let at = async |peer: &Peer, path: &str| {
        let name = format!("https://localhost:{}{path}", peer.address.port());
        let variables = [("AUTHORIZER_CONFIG", name.as_str()), ("SSL_CERT_FILE", &bundle)];
        (configured(&variables).await, name)
    };
    let authorizer = at(&good, "/prod/authorizer.toml").await.0.unwrap();
    assert_allowed(&ask(&authorizer, &world.client, now()).await);
    let stranger_ca = Authority::root_with("Acme CA", Key::ed25519("stranger"));
    let forged = stranger_ca.issue(Certificate::leaf("orders", &Key::ed25519("orders")));
    assert_denied(&ask(&authorizer, &forged, now()).await, "untrusted-chain");

    for (peer, path, why) in [
        (&good, "/none.toml", "the server answers 404"),
        (&good, "/away.toml", "the server answers 503"),
        (&good, "/moved.toml", "a redirect, which is not followed"),
        (&good, "/gzip.toml", "the answer is compressed"),
        (&good, "/large.toml", "larger than 16777216 bytes"),
        (&good, "/cut.toml", "the exchange broke off"),
        (&stranger, "/prod/authorizer.toml", "TLS failed"),
        (&misnamed, "/prod/authorizer.toml", "TLS failed"),
    ] {
        let (loaded, name) = at(peer, path).await;
        let faults = loaded.unwrap_err();
        assert!(faults.contains(&name) && faults.contains(why), "{name}: {faults}");
    }
    // In the clear, not even asked for: not elsewhere, and in Lambda not on this machine.
    let name = plain.url("/prod/authorizer.toml");
    let asked = plain.connections();
    for variables in [
        &[("AUTHORIZER_CONFIG", "http://config.example/authorizer.toml")][..],
        &[("AUTHORIZER_CONFIG", &name), ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")],
    ] {
        let faults = configured(variables).await.unwrap_err();
        assert!(faults.contains("AUTHORIZER_CONFIG"), "{faults}");
    }
    assert_eq!(plain.connections(), asked);
}

#[test]
fn the_built_function_starts_with_a_configuration_in_s3_and_not_without() {
    let world = World::new("s3_built");
    // The function reads the clock, so this client is good for long.
    let client = world.authority.issue(Certificate {
        not_before: time(instant(2020, 1, 1, 0, 0, 0)),
        not_after: time(instant(2099, 12, 31, 0, 0, 0)),
        ..Certificate::leaf("orders", &Key::ed25519("orders"))
    });
    let authority = Certificate {
        not_before: time(instant(2020, 1, 1, 0, 0, 0)),
        not_after: time(instant(2099, 12, 31, 0, 0, 0)),
        ..Certificate::ca("Acme CA", &world.authority.key, None)
    };
    let anchor = authority.self_signed(&world.authority.key);
    world.put("anchors.pem", pem("CERTIFICATE", &anchor));
    world.put("denied.txt", "");
    world.put("authorizer.toml", World::document("deny_list = \"denied.txt\"\nrefresh = \"0s\""));

    let (tell, told) = mpsc::channel();
    let objects = world.objects.parent().unwrap().to_path_buf();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tell.send(S3Server::start(&objects).await.endpoint()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let endpoint = told.recv().unwrap();
    let launch = |name: &str| {
        let launch = function::bare().env("AUTHORIZER_CONFIG", name);
        aws(&endpoint, SECRET).iter().fold(launch, |launch, (name, value)| launch.env(name, value))
    };
    let mut bootstrap = launch("s3://pki/none.toml").spawn().unwrap();
    let Err(Outcome::Exited(Some(exit))) = bootstrap.ready() else { panic!("it has started") };
    assert_eq!(exit.code(), Some(2));
    let log = Function(bootstrap).end();
    assert!(log.iter().any(|line| line.text.contains("NoSuchKey")), "{log:?}");

    let mut function = Function::start(&launch("s3://pki/authorizer.toml"));
    let call = function.call(event_of(&client).to_string());
    assert_allowed(&function.decision(&call));
    assert_eq!(call.answer()["context"]["clientId"], "orders");
    let digest = sha256(&client).iter().fold(String::new(), |text, it| format!("{text}{it:02x}"));
    world.put("denied.txt", format!("sha256:{digest}\n"));
    let call = function.call(event_of(&client).to_string());
    assert_denied(&function.decision(&call), "deny-listed");
}
