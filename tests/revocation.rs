//! Revocation, end to end: an authorizer with lists, responders and a deny list, asked with events.
//!
//! The peers are servers on loopback that say what a test has them say, and count who asks. The lists' and answers'
//! own faults are tested where they are read (`tests/crl.rs`, `tests/ocsp.rs`); here each must come to its reason.

#![cfg(feature = "network")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/servers.rs"]
mod servers;
mod support;

use std::sync::Arc;

use mtls_authorizer::{
    authorizer::{Authorizer, Notice},
    policy::Faults,
    timestamp::Timestamp,
};
use serde_json::Value;
use servers::{Peer, Reply, StandIn, ok, status};
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
async fn a_list_that_goes_back_by_its_time_or_its_number_alone_is_not_taken() {
    let world = World::new("revocation_rollback");
    let issued = |number: Option<u64>, entries, age| {
        let list = Crl { this_update: time(NOW - age), ..Crl::of(entries) };
        let list = if let Some(number) = number { list.numbered(number) } else { list };
        ok(&world.issuing.revoke(list))
    };
    for (first, second, taken) in [
        ((None, HOUR), (None, HOUR + 1), false),
        ((None, HOUR), (None, HOUR), true),
        ((None, HOUR), (None, HOUR - 1), true),
        ((Some(9), HOUR), (Some(8), HOUR - 1), false),
        ((Some(9), HOUR), (None, HOUR - 1), false),
        ((Some(9), HOUR), (Some(10), HOUR + 1), false),
        ((Some(9), HOUR), (Some(10), HOUR - 1), true),
        ((Some(255), HOUR), (Some(256), HOUR - 1), true),
    ] {
        let peer = Peer::answering(issued(first.0, vec![revoked(SERIAL)], first.1)).await;
        let lines = format!("check = [\"crl\"]\ncrls = [\"{}\"]", peer.url("/c.crl"));
        let authorizer = world.authorizer(&lines).await;
        assert_denied(&world.ask(&authorizer, now()).await, "revoked");
        peer.serve(issued(second.0, Vec::new(), second.1));
        let line = world.ask(&authorizer, now().plus(300)).await;
        assert_eq!(line["decision"] == "Allow", taken, "{first:?} {second:?}: {line}");
        if !taken {
            assert_denied(&line, "revoked");
        }
    }
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

impl World {
    /// The answer of the issuing authority that the client is revoked, or is not: right from `this_update` to
    /// `next_update`, and signed at `produced_at`.
    fn answer(
        &self,
        is_revoked: bool,
        this_update: i64,
        produced_at: i64,
        next_update: Option<i64>,
    ) -> Vec<u8> {
        let single = match is_revoked {
            true => SingleResponse::revoked(&self.issuing, SERIAL, NOW - DAY, Some(6)),
            false => SingleResponse::good(&self.issuing, SERIAL),
        };
        let single = SingleResponse {
            this_update: generalized_time(this_update),
            next_update: next_update.map(generalized_time),
            ..single
        };
        let produced_at = generalized_time(produced_at);
        ok(&self.issuing.answer(OcspResponse { produced_at, ..OcspResponse::of(vec![single]) }))
    }
}

#[tokio::test]
async fn an_answer_that_is_older_than_the_one_before_is_not_taken() {
    let world = World::new("revocation_ocsp_rollback");
    let first = NOW - HOUR;
    for (this_update, produced_at, taken) in [
        (first - 1, first, false),
        (first - 1, first + 1, false),
        (first, first - 1, false),
        (first, first, true),
        (first, first + 1, true),
        (first + 1, first + 1, true),
    ] {
        // Either may be the one that is older, and still be in date.
        for revoked_before in [true, false] {
            let responder = Peer::answering(world.answer(revoked_before, first, first, None)).await;
            let lines = format!(
                "check = [\"ocsp\"]\nocsp_responder = \"{}\"\nrefresh = \"5m\"",
                responder.url("/")
            );
            let authorizer = world.authorizer(&lines).await;
            let tells = |line: &Value, is_revoked: bool| match is_revoked {
                true => assert_denied(line, "revoked"),
                false => assert_allowed(line),
            };
            tells(&world.ask(&authorizer, now()).await, revoked_before);
            let asked = responder.connections();
            responder.serve(world.answer(!revoked_before, this_update, produced_at, None));
            let line = world.ask(&authorizer, now().plus(300)).await;
            assert!(responder.connections() > asked, "nobody asked again");
            tells(&line, revoked_before != taken);
            let case = format!("{this_update} {produced_at}: {line}");
            assert_eq!(line["decision"] == "Allow", revoked_before == taken, "{case}");
        }
    }
}

#[tokio::test]
async fn an_older_answer_is_not_taken_when_the_newer_one_has_expired_either() {
    let world = World::new("revocation_ocsp_rollback_late");
    let revoked = || world.answer(true, NOW - 60, NOW - 60, Some(NOW + 60));
    let responder = Peer::answering(revoked()).await;
    let lines = format!("check = [\"ocsp\"]\nocsp_responder = \"{}\"", responder.url("/"));
    let authorizer = world.authorizer(&lines).await;
    assert_denied(&world.ask(&authorizer, now().plus(60)).await, "revoked");

    responder.serve(world.answer(false, NOW - HOUR, NOW - HOUR, Some(NOW + DAY)));
    for later in [61, 71, 500] {
        let line = world.ask(&authorizer, now().plus(later)).await;
        assert_denied(&line, "revocation-unknown");
        assert_tells(&line, "ocsp", "older than one that came before");
    }
    // Nor after the responder was away for a while.
    responder.serve(status("503 Away"));
    assert_denied(&world.ask(&authorizer, now().plus(600)).await, "revocation-unknown");
    responder.serve(world.answer(false, NOW - HOUR, NOW - HOUR, Some(NOW + DAY)));
    assert_denied(&world.ask(&authorizer, now().plus(700)).await, "revocation-unknown");

    // Whoever was told nothing before has nothing to go by; and a newer answer is taken.
    assert_allowed(&world.ask(&world.authorizer(&lines).await, now().plus(700)).await);
    responder.serve(world.answer(false, NOW - 59, NOW - 59, Some(NOW + DAY)));
    assert_allowed(&world.ask(&authorizer, now().plus(800)).await);
}

#[tokio::test]
async fn an_answer_serves_on_while_it_is_in_date_however_many_there_are() {
    let world = World::new("revocation_many_answers");
    // As many as are kept, all of them in one answer without a `nextUpdate`.
    let serials: Vec<[u8; 2]> = (0..512_u16).map(|it| (it + 0x100).to_be_bytes()).collect();
    let singles = serials.iter().map(|serial| SingleResponse {
        next_update: None,
        ..SingleResponse::good(&world.issuing, serial)
    });
    let answer = world.issuing.answer(OcspResponse::of(singles.collect()));
    let responder = Peer::answering(ok(&answer)).await;
    let lines = format!(
        "check = [\"ocsp\"]\nocsp_responder = \"{}\"\nrefresh = \"5m\"",
        responder.url("/")
    );
    let authorizer = world.authorizer(&lines).await;
    let client = |serial: &[u8]| {
        world.issuing.issue(Certificate {
            serial_number: integer(serial),
            ..Certificate::leaf("orders", &Key::ed25519("orders"))
        })
    };
    for serial in &serials {
        assert_allowed(&ask(&authorizer, &client(serial), now()).await);
    }
    responder.serve(status("503 Away"));
    let first = client(&serials[0]);
    assert_allowed(&ask(&authorizer, &first, now().plus(300)).await);
    let end = NOW - HOUR + 7 * DAY;
    let end = Timestamp::from_unix_seconds(end);
    assert_allowed(&ask(&authorizer, &first, end).await);
    assert_denied(&ask(&authorizer, &first, end.plus(1)).await, "revocation-unknown");
}

#[tokio::test]
async fn an_answer_is_asked_for_again_when_it_is_due_and_not_before() {
    let world = World::new("an_answer_is_asked_for_again_when_it_is_due_and_not_before");
    let good = || SingleResponse::good(&world.issuing, SERIAL);
    let unlimited = SingleResponse { next_update: None, ..good() };
    // Without a `nextUpdate` it is due after `refresh`, else after its `nextUpdate`, an hour from now.
    for (answer, due) in [(unlimited, 300), (good(), HOUR + 1)] {
        let answer = world.issuing.answer(OcspResponse::of(vec![answer]));
        let responder = Peer::answering(ok(&answer)).await;
        let lines = format!(
            "check = [\"ocsp\"]\nocsp_responder = \"{}\"\nrefresh = \"5m\"",
            responder.url("/")
        );
        let authorizer = world.authorizer(&lines).await;
        for after in [0, 0, due - 1] {
            assert_allowed(&world.ask(&authorizer, now().plus(after)).await);
            assert_eq!(responder.requests().len(), 1, "{after} of {due}");
        }
        // Where what comes has expired, the responder is asked in another way too.
        let _ = world.ask(&authorizer, now().plus(due)).await;
        assert!(responder.requests().len() > 1, "{due}");
    }
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
async fn a_certificate_that_names_nobody_who_can_be_asked_is_unknown() {
    let world = World::new("a_certificate_that_names_nobody_who_can_be_asked_is_unknown");
    let with = |dotted: &str, value: &[u8]| {
        world.issuing.issue(
            Certificate::leaf("orders", &Key::ed25519("orders")).with(extension(dotted, value)),
        )
    };
    world.scratch.write("clients.crl", world.issuing.revoke(Crl::of(Vec::new())));
    let lists = world.authorizer("check = [\"crl\"]\ncrls = [\"clients.crl\"]").await;
    let responders =
        world.authorizer("check = [\"ocsp\"]\nallowed_hosts = [\"pki.example\"]").await;
    assert_allowed(&world.ask(&lists, now()).await);
    let nobody = world.ask(&responders, now()).await;
    assert_denied(&nobody, "revocation-unknown");
    assert_tells(&nobody, "ocsp", "no responder is configured, and the certificate names none");
    // Where the places can't be read, a list that is there proves nothing: its scope can't be told.
    let unreadable = ask(&lists, &with("2.5.29.31", &[0x30, 0x02, 0x04, 0x00]), now()).await;
    assert_denied(&unreadable, "revocation-unknown");
    assert_tells(&unreadable, "crl", "the distribution points are malformed");
    let unreadable =
        ask(&responders, &with("1.3.6.1.5.5.7.1.1", &[0x30, 0x02, 0x04, 0x00]), now()).await;
    assert_denied(&unreadable, "revocation-unknown");
    assert_tells(&unreadable, "ocsp", "the authority information access is malformed");
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
        for place in [point.as_str(), "http://169.254.169.254/", "ldap://pki/c"] {
            assert_tells(&line, "crl_failure", place);
        }
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
async fn who_is_known_to_be_revoked_is_so_though_of_another_in_the_path_nothing_is_known() {
    let mut world = World::new("revocation_depth_unknown");
    world.scratch.write("anchors.pem", pem("CERTIFICATE", &world.root.certificate));
    world.scratch.write("issuing.pem", pem("CERTIFICATE", &world.issuing.certificate));
    let issuing =
        mtls_authorizer::certificate::Certificate::parse(&world.issuing.certificate).unwrap();
    let serial = issuing.serial_number().der_contents();
    world.client = world.issuing.issue(Certificate::leaf("orders", &Key::ed25519("orders")));
    let expired = Crl { next_update: Some(time(NOW - 1)), ..Crl::of(Vec::new()) };
    world.scratch.write("clients.crl", world.issuing.revoke(expired));
    for (on_unknown, entries, expected) in [
        ("deny", vec![revoked(serial)], "revoked"),
        ("dangerously-allow", vec![revoked(serial)], "revoked"),
        ("deny", Vec::new(), "revocation-unknown"),
        ("dangerously-allow", Vec::new(), "Allow"),
    ] {
        world.scratch.write("root.crl", world.root.revoke(Crl::of(entries)));
        let document = format!(
            "[trust]\nanchors = [\"anchors.pem\"]\nintermediates = [\"issuing.pem\"]\n\
             [revocation]\ncheck = [\"crl\"]\ncrls = [\"clients.crl\", \"root.crl\"]\n\
             depth = \"chain\"\non_unknown = \"{on_unknown}\"\n\
             [[client]]\nid = \"orders\"\nsubject = {{ CN = \"orders\" }}\nallow = [\"*\"]\n"
        );
        let path = world.scratch.write("depth.toml", document);
        let authorizer = Surroundings::default().authorizer(Some(&path)).await;
        let line = world.ask(&authorizer, now()).await;
        match expected {
            "Allow" => assert_dangerously_allowed(&line),
            reason => assert_denied(&line, reason),
        }
    }
}

#[tokio::test]
async fn lists_that_can_never_serve_are_warned_of() {
    let world = World::new("revocation_warnings");
    let scope = |fields: &[Der]| critical("2.5.29.28", &sequence(fields));
    let of = |extension: Der| world.issuing.revoke(Crl::of(Vec::new()).with(extension));
    let yes = [0xff];
    for (list, depth, why) in [
        (of(delta_crl_indicator(1)), "leaf", "the list is a delta list"),
        (of(scope(&[implicit(4, &yes)])), "leaf", "the list is indirect"),
        (of(scope(&[implicit(3, &named_bits(&[1])[2..])])), "leaf", "for some reasons only"),
        (of(scope(&[implicit(5, &yes)])), "chain", "about attribute certificates only"),
        (of(scope(&[implicit(2, &yes)])), "leaf", "about certificates of CAs only"),
        (of(scope(&[implicit(2, &yes)])), "chain", ""),
        (of(scope(&[implicit(1, &yes)])), "leaf", ""),
        (world.issuing.revoke(Crl::of(Vec::new())), "leaf", ""),
    ] {
        world.scratch.write("clients.crl", &list);
        let lines = format!("check = [\"crl\"]\ncrls = [\"clients.crl\"]\ndepth = \"{depth}\"");
        let (_, notices) = world.load(&lines).await.unwrap();
        match why {
            "" => assert!(notices.is_empty(), "{notices:?}"),
            why => assert!(notices[0].rule.contains(why) && notices.len() == 1, "{notices:?}"),
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

/// What a peer may do instead of answering, each with a word of what the log says of it.
fn unhelpful_replies(sound: &[u8], elsewhere: &Peer) -> Vec<(&'static str, Reply, &'static str)> {
    let moved = |to: &str| {
        format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    };
    let cut = |count: usize| ok(sound)[..ok(sound).len() - count].to_vec();
    let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 100663297\r\n\r\n".to_vec();
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec();
    let zipped = servers::with_headers("Content-Encoding: gzip\r\n", sound);
    let bytes = Reply::Bytes;
    vec![
        ("500", bytes(status("500 Oops")), "the server answers 500"),
        ("404", bytes(status("404 Not Found")), "the server answers 404"),
        ("204", bytes(status("204 No Content")), "the server answers 204"),
        ("304", bytes(b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec()), "304"),
        (
            "redirect to a peer",
            bytes(moved(&elsewhere.url("/"))),
            "a redirect, which is not followed",
        ),
        ("redirect to private", bytes(moved("http://10.0.0.1/")), "a redirect"),
        ("redirect to metadata", bytes(moved("http://169.254.169.254/")), "a redirect"),
        ("cut by a byte", bytes(cut(1)), "the exchange broke off"),
        ("cut in the middle", bytes(cut(sound.len() / 2)), "the exchange broke off"),
        ("cut in a chunk", bytes(chunked), "the exchange broke off"),
        ("no HTTP", bytes(b"220 smtp.example ESMTP\r\n".to_vec()), "the exchange broke off"),
        ("nothing at all", bytes(Vec::new()), "the exchange broke off"),
        ("compressed", bytes(zipped), "the answer is compressed"),
        ("too large", Reply::Stall(announced), "larger than"),
        ("half, well announced", bytes(ok(&sound[..sound.len() / 2])), ""),
        ("more than it", bytes(ok(&[sound, b"\0"].concat())), ""),
        ("a page", bytes(ok(b"<!DOCTYPE html><html></html>")), ""),
        ("an empty body", bytes(ok(b"")), ""),
    ]
}

#[tokio::test]
async fn a_peer_that_answers_anything_but_what_was_asked_allows_nobody() {
    let world = World::new("revocation_peers");
    let list = world.issuing.revoke(Crl::of(Vec::new()));
    let good = OcspResponse::of(vec![SingleResponse::good(&world.issuing, SERIAL)]);
    let good = world.issuing.answer(good);
    let elsewhere = Peer::answering(ok(&list)).await;
    for (method, sound, other, key) in
        [("crl", &list, &good, "crl_failure"), ("ocsp", &good, &list, "ocsp")]
    {
        let mut replies = unhelpful_replies(sound, &elsewhere);
        replies.push(("the other method's", Reply::Bytes(ok(other)), ""));
        let peer = Peer::answering(ok(sound)).await;
        let source = match method {
            "crl" => format!("crls = [\"{}\"]", peer.url("/c.crl")),
            _ => format!("ocsp_responder = \"{}\"", peer.url("/")),
        };
        let lines = format!("check = [\"{method}\"]\n{source}");
        assert_allowed(&world.ask(&world.authorizer(&lines).await, now()).await);
        for (name, reply, why) in replies {
            peer.reply(reply);
            let authorizer = world.authorizer(&lines).await;
            let line = world.ask(&authorizer, now()).await;
            assert_denied(&line, "revocation-unknown");
            assert!(line[key].as_str().is_some_and(|it| it.contains(why)), "{name}: {line}");

            let dangerous = format!("{lines}\non_unknown = \"dangerously-allow\"");
            let (dangerous, notices) = world.load(&dangerous).await.unwrap();
            assert!(
                notices.iter().any(|notice| notice.rule.contains("gets revoked certificates in")),
                "{notices:?}"
            );
            let line = world.ask(&dangerous, now()).await;
            assert_dangerously_allowed(&line);
            assert!(line[key].as_str().is_some_and(|it| it.contains(why)), "{name}: {line}");

            // As soon as the peer says what it should, that counts, for both.
            peer.serve(ok(sound));
            for authorizer in [&authorizer, &dangerous] {
                assert_allowed(&world.ask(authorizer, now().plus(60)).await);
            }
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn who_is_known_to_be_revoked_is_denied_however_dangerous_the_configuration() {
    let world = World::new("revocation_dangerous");
    let list = world.issuing.revoke(Crl::of(vec![revoked(SERIAL)]));
    let answer = SingleResponse::revoked(&world.issuing, SERIAL, NOW - DAY, Some(1));
    let answer = world.issuing.answer(OcspResponse::of(vec![answer]));
    let (lists, responder) = (Peer::answering(ok(&list)).await, Peer::answering(ok(&answer)).await);
    let authorizer = world
        .authorizer(&format!(
            "check = [\"crl\", \"ocsp\"]\ncrls = [\"{}\"]\nocsp_responder = \"{}\"\n\
             on_unknown = \"dangerously-allow\"",
            lists.url("/c.crl"),
            responder.url("/")
        ))
        .await;
    assert_denied(&world.ask(&authorizer, now()).await, "revoked");
    // A peer that went away takes nothing back while what it said is in date.
    for peer in [&lists, &responder] {
        peer.serve(status("503 Away"));
    }
    assert_denied(&world.ask(&authorizer, now().plus(HOUR)).await, "revoked");
}

/// Peers that take questions and never answer them. The runtime's clock stands still but for waits, so these are no
/// shorter than they say and cost no time.
#[tokio::test(start_paused = true)]
async fn peers_that_never_answer_deny_within_five_seconds_and_are_left_in_peace() {
    let world = World::new("revocation_slow");
    let start: [&[u8]; 3] =
        [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"];
    for start in start {
        let mut peers = Vec::new();
        for _ in 0..4 {
            peers.push(Peer::of(move |_, _| Reply::Stall(start.to_vec())).await);
        }
        let [lists @ .., responder] = &peers[..] else { panic!() };
        let lists: Vec<String> =
            lists.iter().map(|it| format!("\"{}\"", it.url("/c.crl"))).collect();
        let lines = |check: &str| {
            let lists = format!("crls = [{}]\n", lists.join(", "));
            let ocsp = format!("ocsp_responder = \"{}\"\n", responder.url("/"));
            let sources = [("crl", lists), ("ocsp", ocsp)].map(|(method, source)| {
                if check.contains(method) { source } else { String::new() }
            });
            format!("check = [{check}]\n{}", sources.concat())
        };
        for (check, sources) in
            [("\"crl\"", 1), ("\"ocsp\"", 1), ("\"crl\", \"ocsp\"", 2), ("\"ocsp\", \"crl\"", 2)]
        {
            for (timeout, seconds) in
                [("", 2), ("timeout = \"1s\"\n", 1), ("timeout = \"5s\"\n", 5)]
            {
                let longest = 5.min(sources * seconds);
                let authorizer = world.authorizer(&format!("{}{timeout}", lines(check))).await;
                let began = tokio::time::Instant::now();
                let line = world.ask(&authorizer, now().plus(60)).await;
                let took = began.elapsed();
                assert_denied(&line, "revocation-unknown");
                let told = line["crl_failure"].as_str().or(line["ocsp"].as_str()).unwrap();
                assert!(told.ends_with("no complete answer in time"), "{line}");
                assert!(took.as_millis() <= longest * 1000 + 10, "{check} {took:?}");
                // Those that were asked are not waited for again. One whose turn did not come is asked by the next call.
                if sources * seconds > longest {
                    world.ask(&authorizer, now().plus(60)).await;
                }
                let began = tokio::time::Instant::now();
                let line = world.ask(&authorizer, now().plus(61)).await;
                assert_denied(&line, "revocation-unknown");
                assert_eq!(began.elapsed().as_millis(), 0, "{check}");
            }
        }
        let dangerous = format!("{}on_unknown = \"dangerously-allow\"", lines("\"crl\", \"ocsp\""));
        let authorizer = world.authorizer(&dangerous).await;
        assert_dangerously_allowed(&world.ask(&authorizer, now().plus(60)).await);
    }
}

const POINT: &str = "http://pki.example.com/c.crl";
const RESPONDER: &str = "http://ocsp.example.com/";

impl World {
    /// The authorizer of `[revocation]` with these lines, on another network.
    async fn authorizer_on(&self, network: StandIn, revocation: &str) -> Authorizer {
        let document = format!(
            "[trust]\nanchors = [\"anchors.pem\"]\n\n[revocation]\n{revocation}\n\n\
             [[client]]\nid = \"orders\"\nsubject = {{ CN = \"orders\" }}\nallow = [\"*\"]\n"
        );
        let path = self.scratch.write("authorizer.toml", document);
        let surroundings = Surroundings { network: Box::new(network), ..Default::default() };
        surroundings.authorizer(Some(&path)).await
    }

    /// A client whose certificate has these extensions too.
    fn client_with(&self, extensions: Vec<Der>) -> Vec<u8> {
        let leaf = Certificate {
            serial_number: integer(SERIAL),
            ..Certificate::leaf("orders", &Key::ed25519("orders"))
        };
        self.issuing.issue(extensions.into_iter().fold(leaf, Certificate::with))
    }
}

#[tokio::test]
async fn a_list_that_a_certificate_names_is_fetched_from_an_allowed_host_at_a_public_address() {
    let world = World::new("revocation_points");
    let sound = |entries| ok(&world.issuing.revoke(Crl::of(entries)));
    let peer = Peer::answering(sound(Vec::new())).await;
    let client = world.client_with(vec![crl_distribution_points(&[POINT])]);
    let lines =
        "check = [\"crl\"]\ndistribution_points = true\nallowed_hosts = [\"pki.example.com\"]";
    let public = || StandIn::new(&["8.8.8.8"], peer.address);

    let network = public();
    let contacted = Arc::clone(&network.contacted);
    let authorizer = world.authorizer_on(network, lines).await;
    assert_eq!(peer.connections(), 0, "before any certificate was shown");
    assert_allowed(&ask(&authorizer, &client, now()).await);
    assert_eq!(*contacted.lock().unwrap(), ["8.8.8.8:80".parse().unwrap()]);
    assert!(peer.requests()[0].starts_with("get /c.crl http/1.1\r\n"));
    assert!(peer.requests()[0].contains("\r\nhost: pki.example.com\r\n"));

    peer.serve(sound(vec![revoked(SERIAL)]));
    let line = ask(&world.authorizer_on(public(), lines).await, &client, now()).await;
    assert_denied(&line, "revoked");
    assert_eq!(line["source"], POINT, "{line}");

    // The way does not matter for what a list is worth.
    let stranger = Authority::root_with("Issuing CA", Key::ed25519("a stranger"));
    let moved = b"HTTP/1.1 302 X\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n";
    for (answer, key, why) in [
        (ok(&stranger.revoke(Crl::of(Vec::new()))), "crl", "signature"),
        (ok(b"<html>"), "crl_failure", POINT),
        (status("500 Oops"), "crl_failure", "the server answers 500"),
        (moved.to_vec(), "crl_failure", "a redirect"),
    ] {
        peer.serve(answer);
        let network = public();
        let contacted = Arc::clone(&network.contacted);
        let line = ask(&world.authorizer_on(network, lines).await, &client, now()).await;
        assert_denied(&line, "revocation-unknown");
        assert_tells(&line, key, why);
        assert_eq!(contacted.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_list_that_a_certificate_names_is_asked_for_again_after_refresh() {
    let world = World::new("revocation_points_refresh");
    let list = |entries| ok(&world.issuing.revoke(Crl::of(entries)));
    let peer = Peer::answering(list(Vec::new())).await;
    let client = world.client_with(vec![crl_distribution_points(&[POINT])]);
    let lines = "check = [\"crl\"]\ndistribution_points = true\n\
                 allowed_hosts = [\"pki.example.com\"]\nrefresh = \"5m\"";
    let network = StandIn::new(&["8.8.8.8"], peer.address);
    let authorizer = world.authorizer_on(network, lines).await;
    assert_allowed(&ask(&authorizer, &client, now()).await);
    let asked = peer.connections();
    peer.serve(list(vec![revoked(SERIAL)]));
    assert_allowed(&ask(&authorizer, &client, now().plus(299)).await);
    assert_eq!(peer.connections(), asked, "asked before it is due");
    let line = ask(&authorizer, &client, now().plus(300)).await;
    assert_denied(&line, "revoked");
    assert_eq!(line["source"], POINT, "{line}");
    // What was good once serves on where asking again fails.
    peer.serve(status("500 Oops"));
    assert_denied(&ask(&authorizer, &client, now().plus(600)).await, "revoked");
    // A call asks a place once, whatever comes of it.
    let asked = peer.connections();
    let line = ask(&authorizer, &client, now().plus(HOUR + 1)).await;
    assert_denied(&line, "revocation-unknown");
    assert_tells(&line, "crl", "expired");
    assert_eq!(peer.connections(), asked + 1);
}

#[tokio::test]
async fn lists_in_hundreds_of_parts_are_all_kept() {
    let world = World::new("revocation_parts");
    let peer = Peer::answering(ok(&world.issuing.revoke(Crl::of(Vec::new())))).await;
    let lines = "check = [\"crl\"]\ndistribution_points = true\n\
                 allowed_hosts = [\"pki.example.com\"]";
    let network = StandIn::new(&["8.8.8.8"], peer.address);
    let authorizer = world.authorizer_on(network, lines).await;
    for part in 0..130 {
        let uri = format!("http://pki.example.com/{part}.crl");
        let scope = sequence(&[explicit(0, &full_name(&[support::pki::uri(uri.as_bytes())]))]);
        let list = Crl::of(Vec::new()).with(critical("2.5.29.28", &scope));
        peer.serve(ok(&world.issuing.revoke(list)));
        let client = world.client_with(vec![crl_distribution_points(&[&uri])]);
        assert_allowed(&ask(&authorizer, &client, now()).await);
    }
}

#[tokio::test]
async fn nobody_revokes_an_anchor_but_the_one_who_issued_it() {
    let world = World::new("revocation_own_anchor");
    let key = Key::ed25519("orders");
    let self_signed = Certificate::leaf("orders", &key);
    let self_signed = Certificate { issuer: Some(self_signed.subject.clone()), ..self_signed };
    let stranger = Authority::root("A CA that is no anchor");
    for (certificate, allowed) in [
        (self_signed.self_signed(&key), true),
        (stranger.issue(Certificate::leaf("orders", &key)), false),
    ] {
        world.scratch.write("anchors.pem", pem("CERTIFICATE", &certificate));
        world.scratch.write("clients.crl", world.issuing.revoke(Crl::of(Vec::new())));
        let authorizer = world.authorizer("check = [\"crl\"]\ncrls = [\"clients.crl\"]").await;
        let line = ask(&authorizer, &certificate, now()).await;
        if allowed {
            assert_allowed(&line);
        } else {
            assert_denied(&line, "revocation-unknown");
            assert_tells(&line, "why", "a trust anchor itself");
        }
    }
}

#[tokio::test]
async fn a_host_that_a_certificate_names_is_not_even_looked_up_unless_it_is_allowed() {
    let world = World::new("revocation_other_hosts");
    let list = world.issuing.revoke(Crl::of(Vec::new()));
    let peer = Peer::answering(ok(&list)).await;
    let head = "check = [\"crl\", \"ocsp\"]\ndistribution_points = true\n";
    let lines = format!("{head}allowed_hosts = [\"pki.example.com\"]");
    for (uri, why) in [
        ("http://evil.example/c.crl", "`evil.example` is not in `revocation.allowed_hosts`"),
        ("http://sub.pki.example.com/c.crl", "is not in `revocation.allowed_hosts`"),
        ("http://pki.example.com.evil.example/", "is not in `revocation.allowed_hosts`"),
        ("http://8.8.8.8/c.crl", "is not in `revocation.allowed_hosts`"),
        ("http://pki.example.com:8080/c.crl", "only 80 and 443"),
        ("ldap://pki.example.com/cn=ca", "only `http` and `https`"),
        ("http://pki.example.com@evil.example/", ""),
    ] {
        let client = world.client_with(vec![crl_distribution_points(&[uri]), ocsp_responder(uri)]);
        let network = StandIn::new(&["8.8.8.8"], peer.address);
        let (resolved, contacted) = (Arc::clone(&network.resolved), Arc::clone(&network.contacted));
        let line = ask(&world.authorizer_on(network, &lines).await, &client, now()).await;
        assert_denied(&line, "revocation-unknown");
        assert_tells(&line, "crl_failure", why);
        assert_tells(&line, "ocsp", why);
        assert!(resolved.lock().unwrap().is_empty() && contacted.lock().unwrap().is_empty());
    }
    assert_eq!(peer.connections(), 0);
    // The twin: the same network, and a host that is allowed.
    let client = world.client_with(vec![crl_distribution_points(&[POINT])]);
    let network = StandIn::new(&["8.8.8.8"], peer.address);
    assert_allowed(&ask(&world.authorizer_on(network, &lines).await, &client, now()).await);
}

#[tokio::test]
async fn an_allowed_host_at_an_address_that_is_not_public_is_not_contacted() {
    let world = World::new("revocation_private");
    let list = world.issuing.revoke(Crl::of(Vec::new()));
    let good = OcspResponse::of(vec![SingleResponse::good(&world.issuing, SERIAL)]);
    let good = world.issuing.answer(good);
    let hosts = "allowed_hosts = [\"pki.example.com\", \"ocsp.example.com\"]";
    for (lines, extension, answer, key) in [
        (
            format!("check = [\"crl\"]\ndistribution_points = true\n{hosts}"),
            crl_distribution_points(&[POINT]),
            &list,
            "crl_failure",
        ),
        (format!("check = [\"ocsp\"]\n{hosts}"), ocsp_responder(RESPONDER), &good, "ocsp"),
    ] {
        let peer = Peer::answering(ok(answer)).await;
        let client = world.client_with(vec![extension]);
        for (found, allowed) in [
            (&["8.8.8.8"][..], true),
            (&["2606:4700::1111"], true),
            (&["10.0.0.1", "8.8.8.8"], true),
            (&["10.0.0.1"], false),
            (&["172.16.0.1"], false),
            (&["192.168.1.1"], false),
            (&["169.254.169.254"], false),
            (&["127.0.0.1"], false),
            (&["0.0.0.0"], false),
            (&["::1", "fe80::1"], false),
            (&["fd00:ec2::254"], false),
            (&["::ffff:8.8.8.8"], false),
        ] {
            let connections = peer.connections();
            let network = StandIn::new(found, peer.address);
            let contacted = Arc::clone(&network.contacted);
            let line = ask(&world.authorizer_on(network, &lines).await, &client, now()).await;
            if allowed {
                assert_allowed(&line);
                let public = found.last().unwrap();
                let contacted = contacted.lock().unwrap();
                assert_eq!(contacted.len(), 1);
                assert_eq!(contacted[0].ip().to_string(), *public);
            } else {
                assert_denied(&line, "revocation-unknown");
                assert_tells(&line, key, found[0]);
                assert!(contacted.lock().unwrap().is_empty(), "{found:?}");
                assert_eq!(peer.connections(), connections, "{found:?}");
            }
        }
    }
}

#[tokio::test]
async fn of_the_places_that_a_certificate_names_the_one_that_may_be_asked_is() {
    let world = World::new("revocation_several_points");
    let peer = Peer::answering(ok(&world.issuing.revoke(Crl::of(vec![revoked(SERIAL)])))).await;
    let uris = ["ldap://pki/c", "http://evil.example/c", "http://intra.example.com/c", POINT];
    let client = world.client_with(vec![crl_distribution_points(&uris)]);
    let lines = "check = [\"crl\"]\ndistribution_points = true\n\
                 allowed_hosts = [\"intra.example.com\", \"pki.example.com\"]";
    let network = StandIn::new(&["8.8.8.8"], peer.address).with("intra.example.com", &["10.0.0.1"]);
    let resolved = Arc::clone(&network.resolved);
    let line = ask(&world.authorizer_on(network, lines).await, &client, now()).await;
    assert_denied(&line, "revoked");
    assert_eq!(*resolved.lock().unwrap(), ["intra.example.com", "pki.example.com"]);
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn a_responder_that_a_certificate_names_is_asked_at_an_allowed_host() {
    let world = World::new("revocation_named_responder");
    let answer = |single| ok(&world.issuing.answer(OcspResponse::of(vec![single])));
    let good = answer(SingleResponse::good(&world.issuing, SERIAL));
    let bad = answer(SingleResponse::revoked(&world.issuing, SERIAL, NOW - DAY, None));
    let client = world.client_with(vec![ocsp_responder(RESPONDER)]);
    let lines = "check = [\"ocsp\"]\nallowed_hosts = [\"ocsp.example.com\"]";
    let peer = Peer::answering(good).await;
    let public = || StandIn::new(&["8.8.8.8"], peer.address);
    assert_allowed(&ask(&world.authorizer_on(public(), lines).await, &client, now()).await);
    peer.serve(bad);
    let line = ask(&world.authorizer_on(public(), lines).await, &client, now()).await;
    assert_denied(&line, "revoked");
    assert_eq!(line["source"], RESPONDER, "{line}");
}

#[tokio::test]
async fn a_list_whose_server_is_gone_serves_until_its_next_update_or_for_seven_days() {
    let world = World::new("revocation_gone");
    let of = |next_update| Crl { next_update, ..Crl::of(vec![revoked(&[0x2b])]) };
    for (list, last) in [(of(Some(time(NOW + DAY))), NOW + DAY), (of(None), NOW - HOUR + 7 * DAY)] {
        let peer = Peer::answering(ok(&world.issuing.revoke(list))).await;
        // A list is no document that `max_stale` is about.
        let lines = format!(
            "check = [\"crl\"]\ncrls = [\"{}\"]\nrefresh = \"1m\"\nmax_stale = \"2m\"",
            peer.url("/c.crl")
        );
        let authorizer = world.authorizer(&lines).await;
        assert_allowed(&world.ask(&authorizer, now()).await);
        peer.serve(status("503 Away"));
        let last = Timestamp::from_unix_seconds(last);
        assert_allowed(&world.ask(&authorizer, last).await);
        let line = world.ask(&authorizer, last.plus(1)).await;
        assert_denied(&line, "revocation-unknown");
        assert_tells(&line, "crl", "the list has expired");
        let age = last.plus(1).since(now()).to_string();
        assert_eq!(line["source_age_seconds"], age, "{line}");
    }
}

#[tokio::test]
async fn a_serial_number_that_two_issuers_gave_is_revoked_for_one_of_them() {
    let mut world = World::new("revocation_two_issuers");
    let other = world.root.intermediate("Other CA");
    let mut anchors =
        [&world.root, &world.issuing, &other].map(|it| pem("CERTIFICATE", &it.certificate));
    anchors.reverse();
    world.scratch.write("anchors.pem", anchors.concat());
    let namesake = other.issue(Certificate {
        serial_number: integer(SERIAL),
        ..Certificate::leaf("orders", &Key::ed25519("orders"))
    });
    world.scratch.write("issuing.crl", world.issuing.revoke(Crl::of(Vec::new())));
    world.scratch.write("other.crl", other.revoke(Crl::of(vec![revoked(SERIAL)])));
    let lists = "check = [\"crl\"]\ncrls = [\"issuing.crl\", \"other.crl\"]";
    let authorizer = world.authorizer(lists).await;
    assert_allowed(&world.ask(&authorizer, now()).await);
    assert_denied(&ask(&authorizer, &namesake, now()).await, "revoked");

    // One responder that answers for both, and says of each what is asked of the other.
    let good = SingleResponse::good(&world.issuing, SERIAL);
    let bad = SingleResponse::revoked(&other, SERIAL, NOW - DAY, None);
    let of_issuing = world.issuing.answer(OcspResponse::of(vec![good.clone(), bad.clone()]));
    let of_other = other.answer(OcspResponse::of(vec![good, bad]));
    let responder = Peer::answering(ok(&of_issuing)).await;
    let lines = format!("check = [\"ocsp\"]\nocsp_responder = \"{}\"", responder.url("/"));
    let authorizer = world.authorizer(&lines).await;
    assert_allowed(&world.ask(&authorizer, now()).await);
    let line = ask(&authorizer, &namesake, now()).await;
    assert_denied(&line, "revocation-unknown");
    responder.serve(ok(&of_other));
    assert_denied(&ask(&authorizer, &namesake, now().plus(60)).await, "revoked");
    assert_allowed(&world.ask(&authorizer, now().plus(60)).await);
    world.client = namesake;
    assert_denied(&world.ask(&world.authorizer(&lines).await, now()).await, "revoked");
}

#[tokio::test]
async fn a_responder_answers_in_the_authoritys_stead_with_its_certificate_for_that_alone() {
    let world = World::new("revocation_delegates");
    let key = Key::ed25519("responder");
    let sound = || Certificate::ocsp_signer("Responder", &key);
    let other = world.root.intermediate("Other CA");
    let below = world.issuing.intermediate("OCSP CA");
    let stranger = Authority::root_with("Issuing CA", Key::ed25519("a stranger"));
    let without_purpose = sound().without("2.5.29.37");
    let for_clients = sound().without("2.5.29.37").with(extended_key_usage(&[CLIENT_AUTH]));
    let for_anything =
        sound().without("2.5.29.37").with(extended_key_usage(&[ANY_EXTENDED_KEY_USAGE]));
    let not_for_signing = sound().without("2.5.29.15").with(key_usage(&[KEY_ENCIPHERMENT]));
    let expired = Certificate { not_after: time(NOW - 1), ..sound() };
    let to_come = Certificate { not_before: time(NOW + 1), ..sound() };
    let for_now = Certificate { not_after: time(NOW), ..sound() };
    let another = "another authority issued its certificate";
    for (certificate, why) in [
        (world.issuing.issue(sound()), None),
        (world.issuing.issue(for_now), None),
        (world.issuing.issue(expired), Some("is not in force")),
        (world.issuing.issue(to_come), Some("is not in force")),
        (world.issuing.issue(without_purpose), Some("OCSPSigning")),
        (world.issuing.issue(for_clients), Some("OCSPSigning")),
        (world.issuing.issue(for_anything), Some("OCSPSigning")),
        (world.issuing.issue(not_for_signing), Some("digitalSignature")),
        (world.issuing.issue(sound().with(critical("1.2.3", &null()))), Some("`1.2.3`")),
        (world.root.issue(sound()), Some(another)),
        (other.issue(sound()), Some(another)),
        (below.issue(sound()), Some(another)),
        (sound().self_signed(&key), Some(another)),
        (stranger.issue(sound()), Some("does not verify")),
    ] {
        for (single, reason) in [
            (SingleResponse::good(&world.issuing, SERIAL), None),
            (SingleResponse::revoked(&world.issuing, SERIAL, NOW - DAY, None), Some("revoked")),
        ] {
            let certificates = Some(vec![certificate.clone()]);
            let answer = OcspResponse { certificates, ..OcspResponse::of(vec![single]) };
            let responder = Peer::answering(ok(&answer.signed_by(&key))).await;
            let lines = format!("check = [\"ocsp\"]\nocsp_responder = \"{}\"", responder.url("/"));
            let line = world.ask(&world.authorizer(&lines).await, now()).await;
            match (why, reason) {
                (None, None) => assert_allowed(&line),
                (None, Some(reason)) => {
                    assert_denied(&line, reason);
                    assert_eq!(line["signer"], "CN=Responder,O=Acme,C=US", "{line}");
                }
                (Some(why), _) => {
                    assert_denied(&line, "revocation-unknown");
                    assert_tells(&line, "ocsp", why);
                }
            }
        }
    }
}

#[tokio::test]
async fn an_answer_of_a_clock_that_is_ahead_counts_within_the_configured_skew() {
    let world = World::new("revocation_clocks");
    let single = SingleResponse {
        this_update: generalized_time(NOW + 1),
        ..SingleResponse::good(&world.issuing, SERIAL)
    };
    let answer =
        OcspResponse { produced_at: generalized_time(NOW + 1), ..OcspResponse::of(vec![single]) };
    let responder = Peer::answering(ok(&world.issuing.answer(answer))).await;
    let lines = format!("check = [\"ocsp\"]\nocsp_responder = \"{}\"\n", responder.url("/"));
    for (skew, allowed) in [("0s", false), ("1s", true)] {
        let lines = format!("{lines}[certificate]\nclock_skew = \"{skew}\"");
        let authorizer = world.authorizer(&lines).await;
        let line = world.ask(&authorizer, now()).await;
        if allowed {
            assert_allowed(&line);
        } else {
            assert_denied(&line, "revocation-unknown");
            assert_tells(&line, "ocsp", "not valid yet (thisUpdate)");
        }
    }
}

impl World {
    /// The decision lines where a deny list, and where the anchors, are at a peer that does this, and all that is
    /// unknown about revocation is dangerously allowed.
    async fn with_remote_deny_list_and_anchors(&self, reply: Reply) -> [Value; 2] {
        self.scratch.write("clients.crl", self.issuing.revoke(Crl::of(Vec::new())));
        let peer = Peer::of(move |_, _| reply.clone()).await;
        let mut lines = Vec::new();
        for (anchors, more) in [
            ("anchors.pem".to_owned(), format!("deny_list = \"{}\"", peer.url("/denied.txt"))),
            (peer.url("/anchors.pem"), String::new()),
        ] {
            let document = format!(
                "[trust]\nanchors = [\"{anchors}\"]\n\
                 [revocation]\ncheck = [\"crl\"]\ncrls = [\"clients.crl\"]\n\
                 on_unknown = \"dangerously-allow\"\n{more}\n\
                 [[client]]\nid = \"orders\"\nsubject = {{ CN = \"orders\" }}\nallow = [\"*\"]\n"
            );
            let path = self.scratch.write("remote.toml", document);
            let authorizer = Surroundings::default().authorizer(Some(&path)).await;
            lines.push(self.ask(&authorizer, now().plus(60)).await);
        }
        lines.try_into().unwrap()
    }
}

#[tokio::test]
async fn what_is_dangerously_allowed_is_unknown_revocation_and_nothing_else() {
    let world = World::new("revocation_dangerous_alone");
    for reply in [status("500 Oops"), ok(b"<html>"), ok(b"half")[..40].to_vec(), Vec::new()] {
        let [deny_list, anchors] =
            world.with_remote_deny_list_and_anchors(Reply::Bytes(reply)).await;
        assert_denied(&deny_list, "deny-listed");
        assert_denied(&anchors, "untrusted-chain");
    }
    let [deny_list, anchors] =
        world.with_remote_deny_list_and_anchors(Reply::Bytes(ok(b"# nobody\n"))).await;
    assert_allowed(&deny_list);
    assert_denied(&anchors, "untrusted-chain");
    let bundle =
        [&world.root, &world.issuing].map(|it| pem("CERTIFICATE", &it.certificate)).concat();
    let [deny_list, anchors] =
        world.with_remote_deny_list_and_anchors(Reply::Bytes(ok(bundle.as_bytes()))).await;
    assert_denied(&deny_list, "deny-listed");
    assert_allowed(&anchors);
}

#[tokio::test(start_paused = true)]
async fn a_deny_list_or_anchors_that_never_come_deny_everybody() {
    let world = World::new("revocation_slow_documents");
    let [deny_list, anchors] =
        world.with_remote_deny_list_and_anchors(Reply::Stall(Vec::new())).await;
    assert_denied(&deny_list, "deny-listed");
    assert_denied(&anchors, "untrusted-chain");
}
