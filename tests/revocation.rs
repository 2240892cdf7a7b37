//! Revocation, end to end: an authorizer with lists, responders and a deny list, asked with events.
//!
//! The peers are servers on loopback that say what a test has them say, and count who asks. The lists' and answers'
//! own faults are tested where they are read (`tests/crl.rs`, `tests/ocsp.rs`); here each must come to its reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/servers.rs"]
mod servers;
mod support;

use mtls_authorizer::{
    authorizer::{Authorizer, Notice},
    policy::Faults,
    timestamp::Timestamp,
};
use serde_json::Value;
use servers::{Peer, ok};
use support::{Scratch, decisions::*, pki::*, scratch};

/// A root, an issuing authority below it, a client of it, and a directory for what the configuration names.
struct World {
    scratch: Scratch,
    root: Authority,
    issuing: Authority,
    client: Vec<u8>,
}

const SERIAL: &[u8] = &[0x2a];

impl World {
    fn new(test: &str) -> Self {
        let root = Authority::root("Root CA");
        let issuing = root.intermediate("Issuing CA");
        let client = issuing.issue(Certificate {
            serial_number: integer(SERIAL),
            ..Certificate::leaf("orders", &Key::ed25519("orders"))
        });
        let world = Self { scratch: scratch(test), root, issuing, client };
        let anchors =
            [&world.root, &world.issuing].map(|it| pem("CERTIFICATE", &it.certificate)).concat();
        world.scratch.write("anchors.pem", anchors);
        world
    }

    /// The authorizer of `[revocation]` with these lines.
    async fn load(&self, revocation: &str) -> Result<(Authorizer, Vec<Notice>), Faults> {
        let document = format!(
            "[trust]\nanchors = [\"anchors.pem\"]\n\n[revocation]\n{revocation}\n\n\
             [[client]]\nid = \"orders\"\nsubject = {{ CN = \"orders\" }}\nallow = [\"*\"]\n"
        );
        let path = self.scratch.write("authorizer.toml", document);
        Surroundings::default().load(Some(&path)).await
    }

    async fn authorizer(&self, revocation: &str) -> Authorizer {
        self.load(revocation).await.unwrap_or_else(|faults| panic!("{faults}")).0
    }

    async fn ask(&self, authorizer: &Authorizer, at: Timestamp) -> Value {
        ask(authorizer, &self.client, at).await
    }

    /// The decision line with a list at `clients.crl`.
    async fn with_list(&self, list: &[u8], more: &str) -> Value {
        self.scratch.write("clients.crl", list);
        let lines = format!("check = [\"crl\"]\ncrls = [\"clients.crl\"]\n{more}");
        let authorizer = self.authorizer(&lines).await;
        self.ask(&authorizer, now()).await
    }
}

#[tokio::test]
async fn a_list_without_the_certificate_admits_it_and_one_with_it_does_not() {
    let world = World::new("revocation_list");
    let line = world.with_list(&world.issuing.revoke(Crl::of(vec![revoked(&[0x2b])])), "").await;
    assert_allowed(&line);
    let line = world.with_list(&world.issuing.revoke(Crl::of(vec![revoked(SERIAL)])), "").await;
    assert_denied(&line, "revoked");
    assert!(line["source"].as_str().unwrap().ends_with("clients.crl"), "{line}");
    assert_eq!(line["this_update"], Timestamp::from_unix_seconds(NOW - HOUR).to_string());
    assert_eq!(line["client"], "orders");
}

#[tokio::test]
async fn a_list_that_can_not_serve_denies_unless_the_configuration_is_dangerous() {
    let world = World::new("revocation_unfit_list");
    let other = Authority::root_with("Issuing CA", Key::ed25519("a stranger"));
    let none = || Crl::of(Vec::new());
    let cases = [
        ("bad signature", world.issuing.revoke(none())),
        ("another key", other.revoke(none())),
        ("another issuer", world.root.revoke(none())),
        ("expired", world.issuing.revoke(Crl { next_update: Some(time(NOW - 1)), ..none() })),
        ("not yet valid", world.issuing.revoke(Crl { this_update: time(NOW + 60), ..none() })),
        ("delta", world.issuing.revoke(none().with(delta_crl_indicator(1)))),
        (
            "indirect",
            world.issuing.revoke(none().with(
                IssuingDistributionPoint { indirect_crl: true, ..Default::default() }.extension(),
            )),
        ),
        (
            "for authorities",
            world.issuing.revoke(
                none().with(
                    IssuingDistributionPoint { only_contains_ca_certs: true, ..Default::default() }
                        .extension(),
                ),
            ),
        ),
        (
            "unknown critical extension",
            world.issuing.revoke(none().with(critical("1.2.3", &[5, 0]))),
        ),
    ];
    for (name, mut list) in cases {
        if name == "bad signature" {
            *list.last_mut().unwrap() ^= 1;
        }
        let line = world.with_list(&list, "").await;
        assert_denied(&line, "revocation-unknown");
        assert!(line["crl"].is_string(), "{name}: {line}");
        let line = world.with_list(&list, "on_unknown = \"dangerously-allow\"").await;
        assert_eq!(line["decision"], "Allow", "{name}: {line}");
        assert_eq!(line["revocation"], "unknown, dangerously allowed", "{name}");
        assert_eq!(line["level"], "WARN", "{name}");
    }
}

#[tokio::test]
async fn an_authority_without_crl_sign_signs_no_list() {
    let mut world = World::new("revocation_crl_sign");
    let key = Key::ed25519("Unsigning CA");
    world.issuing = world.root.intermediate_with(key, |key| {
        Certificate::ca("Unsigning CA", key, None)
            .without("2.5.29.15")
            .with(key_usage(&[KEY_CERT_SIGN]))
    });
    world.client = world.issuing.issue(Certificate::leaf("orders", &Key::ed25519("orders")));
    world.scratch.write(
        "anchors.pem",
        [&world.root, &world.issuing].map(|it| pem("CERTIFICATE", &it.certificate)).concat(),
    );
    let line = world.with_list(&world.issuing.revoke(Crl::of(Vec::new())), "").await;
    assert_denied(&line, "revocation-unknown");
}

#[tokio::test]
async fn a_file_that_can_not_be_read_is_a_fault_with_its_line() {
    let world = World::new("revocation_faults");
    world.scratch.write("broken.crl", "no list");
    let faults = world
        .load("check = [\"crl\"]\ncrls = [\"absent.crl\", \"broken.crl\"]\ndeny_list = \"absent.txt\"")
        .await
        .unwrap_err();
    let lines: Vec<_> = faults.0.iter().map(|fault| fault.position.unwrap().line).collect();
    assert_eq!(lines.len(), 3, "{faults}");
    assert!(lines.iter().all(|line| [6, 7].contains(line)), "{faults}");
}

#[tokio::test]
async fn a_server_that_is_away_denies_and_is_asked_again() {
    let world = World::new("revocation_away");
    let peer = Peer::answering(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let lines = format!("check = [\"crl\"]\ncrls = [\"http://{}/c.crl\"]", peer.address);
    let (authorizer, notices) = world.load(&lines).await.unwrap();
    assert!(notices.iter().any(|notice| notice.rule.contains("500")), "{notices:?}");
    let line = world.ask(&authorizer, now()).await;
    assert_denied(&line, "revocation-unknown");
    assert!(line["crl_failure"].as_str().unwrap().contains("500"), "{line}");

    let list = world.issuing.revoke(Crl::of(Vec::new()));
    for answer in [
        b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ok(&list[..list.len() / 2]),
        [&ok(&list)[..], b""].concat().split_last().unwrap().1.to_vec(),
    ] {
        peer.serve(answer);
        let line = world.ask(&authorizer, now().plus(60)).await;
        assert_denied(&line, "revocation-unknown");
    }
    peer.serve(ok(&list));
    assert_allowed(&world.ask(&authorizer, now().plus(120)).await);
}

#[tokio::test]
async fn a_newer_list_takes_effect_after_refresh_and_an_older_one_never() {
    let world = World::new("revocation_refresh");
    let issued = |number, entries, age| {
        let list = Crl { this_update: time(NOW - age), ..Crl::of(entries) };
        ok(&world.issuing.revoke(list.numbered(number)))
    };
    let peer = Peer::answering(issued(2, Vec::new(), HOUR)).await;
    let lines =
        format!("check = [\"crl\"]\ncrls = [\"http://{}/c.crl\"]\nrefresh = \"5m\"", peer.address);
    let authorizer = world.authorizer(&lines).await;
    assert_allowed(&world.ask(&authorizer, now()).await);
    let asked = peer.connections();

    peer.serve(issued(3, vec![revoked(SERIAL)], 60));
    assert_allowed(&world.ask(&authorizer, now().plus(299)).await);
    assert_eq!(peer.connections(), asked, "asked before it is due");
    assert_denied(&world.ask(&authorizer, now().plus(300)).await, "revoked");

    peer.serve(issued(2, Vec::new(), HOUR));
    assert_denied(&world.ask(&authorizer, now().plus(900)).await, "revoked");
}

#[tokio::test]
async fn the_next_method_is_asked_only_where_the_one_before_does_not_know() {
    let world = World::new("revocation_preference");
    let good = OcspResponse::of(vec![SingleResponse::good(&world.issuing, SERIAL)]);
    let bad = SingleResponse::revoked(&world.issuing, SERIAL, NOW - DAY, Some(1));
    let (good, bad) =
        (world.issuing.answer(good), world.issuing.answer(OcspResponse::of(vec![bad])));
    let responder = Peer::answering(ok(&good)).await;
    let lines = |check: &str| {
        format!(
            "check = {check}\ncrls = [\"clients.crl\"]\nocsp_responder = \"http://{}/\"",
            responder.address
        )
    };
    world.scratch.write("clients.crl", world.issuing.revoke(Crl::of(vec![revoked(SERIAL)])));
    let authorizer = world.authorizer(&lines("[\"crl\", \"ocsp\"]")).await;
    assert_denied(&world.ask(&authorizer, now()).await, "revoked");
    assert_eq!(responder.connections(), 0, "the list knew");

    let authorizer = world.authorizer(&lines("[\"ocsp\", \"crl\"]")).await;
    assert_allowed(&world.ask(&authorizer, now()).await);
    assert_eq!(responder.connections(), 1);
    assert_allowed(&world.ask(&authorizer, now().plus(1)).await);
    assert_eq!(responder.connections(), 1, "the answer is kept");

    responder.serve(ok(&bad));
    let authorizer = world.authorizer(&lines("[\"ocsp\", \"crl\"]")).await;
    let line = world.ask(&authorizer, now()).await;
    assert_denied(&line, "revoked");
    assert_eq!(line["signer"], "CN=Issuing CA,O=Acme,C=US", "{line}");

    responder.serve(ok(b"<html>"));
    world.scratch.write("clients.crl", world.issuing.revoke(Crl::of(Vec::new())));
    let authorizer = world.authorizer(&lines("[\"ocsp\", \"crl\"]")).await;
    assert_allowed(&world.ask(&authorizer, now()).await);
}

#[tokio::test]
async fn an_answer_that_proves_nothing_denies() {
    let world = World::new("revocation_ocsp_faults");
    let good = || OcspResponse::of(vec![SingleResponse::good(&world.issuing, SERIAL)]);
    let stranger = Key::ed25519("stranger");
    for (name, response) in [
        ("another signer", good().signed_by(&stranger)),
        (
            "another certificate",
            world
                .issuing
                .answer(OcspResponse::of(vec![SingleResponse::good(&world.issuing, &[0x2b])])),
        ),
        (
            "unknown",
            world
                .issuing
                .answer(OcspResponse::of(vec![SingleResponse::unknown(&world.issuing, SERIAL)])),
        ),
        ("tryLater", ocsp_error(3)),
        ("cut off", world.issuing.answer(good())[..60].to_vec()),
    ] {
        let responder = Peer::answering(ok(&response)).await;
        let lines =
            format!("check = [\"ocsp\"]\nocsp_responder = \"http://{}/\"", responder.address);
        let authorizer = world.authorizer(&lines).await;
        let line = world.ask(&authorizer, now()).await;
        assert_denied(&line, "revocation-unknown");
        assert!(line["ocsp"].is_string(), "{name}: {line}");
    }
}

#[tokio::test]
async fn certificates_send_nobody_to_hosts_that_are_not_allowed_or_not_public() {
    let world = World::new("revocation_hosts");
    let peer = Peer::answering(ok(&world.issuing.revoke(Crl::of(Vec::new())))).await;
    let point = format!("http://{}/c.crl", peer.address);
    let responder = format!("http://{}/", peer.address);
    let client = world.issuing.issue(
        Certificate::leaf("orders", &Key::ed25519("orders"))
            .with(crl_distribution_points(&[&point, "http://169.254.169.254/", "ldap://pki/c"]))
            .with(ocsp_responder(&responder)),
    );
    for allowed in ["[]", "[\"pki.example.com\"]", "[\"127.0.0.1\", \"169.254.169.254\"]"] {
        let lines = format!(
            "check = [\"crl\", \"ocsp\"]\ndistribution_points = true\nallowed_hosts = {allowed}"
        );
        let Ok((authorizer, _)) = world.load(&lines).await else { continue };
        let line = ask(&authorizer, &client, now()).await;
        assert_denied(&line, "revocation-unknown");
    }
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn nothing_is_fetched_before_the_path_and_the_client_stand() {
    let world = World::new("revocation_order");
    let good = OcspResponse::of(vec![SingleResponse::good(&world.issuing, SERIAL)]);
    let responder = Peer::answering(ok(&world.issuing.answer(good))).await;
    let lines = format!("check = [\"ocsp\"]\nocsp_responder = \"http://{}/\"", responder.address);
    let authorizer = world.authorizer(&lines).await;
    let stranger = Authority::root_with("Issuing CA", Key::ed25519("a stranger"));
    let forged = stranger.issue(Certificate::leaf("orders", &Key::ed25519("orders")));
    assert_denied(&ask(&authorizer, &forged, now()).await, "untrusted-chain");
    let nobody = world.issuing.issue(Certificate::leaf("nobody", &Key::ed25519("nobody")));
    assert_denied(&ask(&authorizer, &nobody, now()).await, "no-client-matched");
    assert_eq!(responder.connections(), 0);
    assert_allowed(&world.ask(&authorizer, now()).await);
    assert_eq!(responder.connections(), 1);
}

#[tokio::test]
async fn the_whole_path_is_asked_about_where_it_should_be() {
    let mut world = World::new("revocation_depth");
    // Only the root is an anchor, so that the issuing authority can be revoked.
    world.scratch.write("anchors.pem", pem("CERTIFICATE", &world.root.certificate));
    world.scratch.write("issuing.pem", pem("CERTIFICATE", &world.issuing.certificate));
    world.scratch.write("clients.crl", world.issuing.revoke(Crl::of(Vec::new())));
    let serial = mtls_authorizer::certificate::Certificate::parse(&world.issuing.certificate)
        .unwrap()
        .serial_number()
        .der_contents()
        .to_vec();
    world.client = world.issuing.issue(Certificate::leaf("orders", &Key::ed25519("orders")));
    for (entries, depth, reason) in [
        (Vec::new(), "chain", None),
        (vec![revoked(&serial)], "chain", Some("revoked")),
        (vec![revoked(&serial)], "leaf", None),
    ] {
        world.scratch.write("root.crl", world.root.revoke(Crl::of(entries)));
        let document = format!(
            "[trust]\nanchors = [\"anchors.pem\"]\nintermediates = [\"issuing.pem\"]\n\
             [revocation]\ncheck = [\"crl\"]\ncrls = [\"clients.crl\", \"root.crl\"]\n\
             depth = \"{depth}\"\n\
             [[client]]\nid = \"orders\"\nsubject = {{ CN = \"orders\" }}\nallow = [\"*\"]\n"
        );
        let path = world.scratch.write("depth.toml", document);
        let authorizer = Surroundings::default().authorizer(Some(&path)).await;
        let line = world.ask(&authorizer, now()).await;
        match reason {
            None => assert_allowed(&line),
            Some(reason) => assert_denied(&line, reason),
        }
    }
}

#[tokio::test]
async fn the_deny_list_comes_first_reaches_the_whole_path_and_is_never_read_in_part() {
    let world = World::new("revocation_deny_list");
    let digest = |bytes: &[u8]| {
        sha256(bytes).iter().fold(String::new(), |text, octet| format!("{text}{octet:02x}"))
    };
    let certificate = mtls_authorizer::certificate::Certificate::parse(&world.client).unwrap();
    let peer = Peer::answering(ok(b"# nobody\n")).await;
    let list = |entry: String| ok(entry.as_bytes());
    let lines = format!("deny_list = \"http://{}/list\"\nrefresh = \"10s\"", peer.address);
    let authorizer = world.authorizer(&lines).await;
    assert_allowed(&world.ask(&authorizer, now()).await);
    let mut at = now();
    for (entry, reason) in [
        (format!("sha256:{}", digest(&world.client)), Some("deny-listed")),
        (format!("sha256:{} # the wrong one", digest(b"")), None),
        (
            format!("spki-sha256:{}", digest(certificate.subject_public_key_info())),
            Some("deny-listed"),
        ),
        (format!("sha256:{}", digest(&world.issuing.certificate)), Some("deny-listed")),
        ("# nobody".to_owned(), None),
        ("sha256:abc".to_owned(), Some("deny-listed")),
        ("# nobody".to_owned(), None),
    ] {
        peer.serve(list(entry.clone()));
        at = at.plus(10);
        let line = world.ask(&authorizer, at).await;
        match reason {
            None => assert_allowed(&line),
            Some(reason) => assert_denied(&line, reason),
        }
    }
    // A list that can't be fetched serves for `max_stale`, an hour, and then denies everybody.
    peer.serve(b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n".to_vec());
    assert_allowed(&world.ask(&authorizer, at.plus(3000)).await);
    assert_denied(&world.ask(&authorizer, at.plus(3700)).await, "deny-listed");
}

#[tokio::test]
async fn no_deny_list_at_start_denies_everybody_until_there_is_one() {
    let world = World::new("revocation_no_deny_list");
    let peer = Peer::answering(b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let lines = format!("deny_list = \"http://{}/list\"", peer.address);
    let (authorizer, notices) = world.load(&lines).await.unwrap();
    assert!(!notices.is_empty());
    assert_denied(&world.ask(&authorizer, now()).await, "deny-listed");
    peer.serve(ok(b""));
    assert_allowed(&world.ask(&authorizer, now().plus(30)).await);
}
