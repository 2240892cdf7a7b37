//! What one process keeps between calls, and what it must not keep: facts about certificates, never decisions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use mtls_authorizer::{
    authorizer::{Authorized, Authorizer, Loader},
    event::Request,
    source::{Clock, Fetcher},
    timestamp::Timestamp,
};
use serde_json::{Value, json};
use support::{Scratch, pki::*, scratch};

/// An authorizer, and the directory that its sources are in.
struct Process {
    runtime: tokio::runtime::Runtime,
    authorizer: Authorizer,
}

/// The reason, or `Allow`; the client; and the answer.
#[derive(Debug, PartialEq)]
struct Outcome {
    reason: String,
    client: Option<String>,
    answer: Value,
}

impl Process {
    fn start(folder: &Scratch, document: &str) -> Self {
        let document = folder.write("authorizer.toml", document);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let environment = BTreeMap::<String, String>::new();
        let clock = Clock::new(|| Timestamp::from_unix_seconds(NOW));
        let loader = Loader {
            environment: &environment,
            fetcher: Fetcher::new(&environment, clock),
            now: Timestamp::from_unix_seconds(NOW),
        };
        let (authorizer, _) = runtime.block_on(loader.load(Some(document.as_ref()))).unwrap();
        Self { runtime, authorizer }
    }

    fn decide(&self, certificate: &Der, seconds: i64) -> Outcome {
        let pem = pem("CERTIFICATE", certificate);
        self.decide_event(
            &json!({
                "type": "REQUEST",
                "methodArn": ORDERS,
                "requestContext": { "identity": { "clientCert": { "clientCertPem": pem } } },
            }),
            seconds,
        )
    }

    /// A call through a load balancer that hands on what the client sent: the certificate, and others after it.
    fn reason_of_chain(&self, chain: &[&Der], seconds: i64) -> String {
        let pem: String = chain.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect();
        let escaped = pem.replace(' ', "%20").replace('+', "%2B").replace('\n', "%0A");
        let event = json!({
            "type": "REQUEST",
            "methodArn": ORDERS,
            "headers": { "X-Chain": escaped },
            "multiValueHeaders": { "X-Chain": [escaped] },
            "requestContext": { "identity": { "vpceId": "vpce-0a1b2c3d" } },
        });
        self.decide_event(&event, seconds).reason
    }

    fn decide_event(&self, event: &Value, seconds: i64) -> Outcome {
        let (mut reason, mut client) = (String::new(), None);
        let see = |_: &Request<'_>, authorized: &Authorized<'_>| {
            let decision = &authorized.decision;
            reason = decision.denial().map_or("Allow", |denial| denial.reason.code()).to_owned();
            client = decision.client().map(|client| client.id.clone());
        };
        let payload = event.to_string();
        let now = Timestamp::from_unix_seconds(seconds);
        let answer = self.runtime.block_on(self.authorizer.authorize(payload.as_bytes(), now, see));
        let answer = serde_json::from_str(answer.unwrap().json()).unwrap();
        Outcome { reason, client, answer }
    }

    fn reason(&self, certificate: &Der, seconds: i64) -> String {
        self.decide(certificate, seconds).reason
    }
}

fn leaf(common_name: &str) -> Certificate {
    Certificate::leaf(common_name, &Key::ed25519(common_name))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

const ORDERS: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/orders";
const ANYBODY: &str = "[[client]]\nid = \"anybody\"\nany = true\nallow = [\"*\"]\n";

#[test]
fn each_certificate_is_decided_for_itself() {
    let folder = scratch("each_certificate_is_decided_for_itself");
    let process = Process::start(
        &folder,
        "[[client]]\nid = \"orders\"\nsubject = { CN = \"orders\" }\nallow = [\"*\"]\n\
         [[client]]\nid = \"billing\"\nsubject = { CN = \"billing\" }\nallow = [\"*\"]\n",
    );
    let authority = Authority::root("Acme Issuing CA");
    let [orders, billing, other] =
        ["orders", "billing", "other"].map(|it| authority.issue(leaf(it)));
    for _ in 0..2 {
        for (certificate, name) in [(&orders, "orders"), (&billing, "billing")] {
            let outcome = process.decide(certificate, NOW);
            assert_eq!((outcome.reason.as_str(), outcome.client.as_deref()), ("Allow", Some(name)));
            assert_eq!(outcome.answer["principalId"], format!("CN={name},O=Acme,C=US"));
        }
        assert_eq!(process.reason(&other, NOW), "no-client-matched");
    }
}

#[test]
fn a_certificate_that_was_allowed_expires_all_the_same() {
    let folder = scratch("a_certificate_that_was_allowed_expires_all_the_same");
    let process = Process::start(&folder, ANYBODY);
    let orders = Authority::root("Acme Issuing CA").issue(leaf("orders"));
    assert_eq!(process.reason(&orders, NOW + YEAR), "Allow");
    assert_eq!(process.reason(&orders, NOW + YEAR + 1), "certificate-expired");
    assert_eq!(process.reason(&orders, NOW - YEAR - 1), "certificate-not-yet-valid");
    assert_eq!(process.reason(&orders, NOW - YEAR), "Allow");
}

#[test]
fn a_verified_path_is_of_the_certificates_that_came_with_the_call() {
    let folder = scratch("a_verified_path_is_of_the_certificates_that_came_with_the_call");
    let root = Authority::root("Acme Root CA");
    let [issuing, other] = ["Acme Issuing CA", "Acme Other CA"].map(|it| root.intermediate(it));
    folder.write("root.pem", pem("CERTIFICATE", &root.certificate));
    let process = Process::start(
        &folder,
        &format!(
            "[source]\nkind = \"alb-passthrough\"\nvpc_endpoints = [\"vpce-0a1b2c3d\"]\n\
             headers = {{ chain = \"X-Chain\" }}\n[trust]\nanchors = [\"root.pem\"]\n{ANYBODY}"
        ),
    );
    let orders = issuing.issue(leaf("orders"));
    // Whatever calls were before: without its authority a certificate has no path, and with another's neither.
    for _ in 0..2 {
        assert_eq!(process.reason_of_chain(&[&orders], NOW), "untrusted-chain");
        assert_eq!(process.reason_of_chain(&[&orders, &other.certificate], NOW), "untrusted-chain");
        assert_eq!(process.reason_of_chain(&[&orders, &issuing.certificate], NOW), "Allow");
        assert_eq!(
            process.reason_of_chain(&[&orders, &other.certificate, &issuing.certificate], NOW),
            "Allow"
        );
    }
}

#[test]
fn a_verified_path_is_forgotten_with_its_anchors() {
    let folder = scratch("a_verified_path_is_forgotten_with_its_anchors");
    let (ours, theirs) = (Authority::root("Acme CA"), Authority::root("Another CA"));
    folder.write("anchors.pem", pem("CERTIFICATE", &ours.certificate));
    let trust = "[trust]\nanchors = [\"anchors.pem\"]\n[revocation]\nrefresh = \"1m\"\n";
    let process = Process::start(&folder, &format!("{trust}{ANYBODY}"));
    let (orders, other) = (ours.issue(leaf("orders")), theirs.issue(leaf("orders")));
    assert_eq!(process.reason(&orders, NOW), "Allow");
    assert_eq!(process.reason(&other, NOW), "untrusted-chain");
    folder.write("anchors.pem", pem("CERTIFICATE", &theirs.certificate));
    assert_eq!(process.reason(&orders, NOW + HOUR), "untrusted-chain");
    assert_eq!(process.reason(&other, NOW + HOUR), "Allow");
}

#[test]
fn a_verified_path_expires_with_its_authorities() {
    let folder = scratch("a_verified_path_expires_with_its_authorities");
    let root = Authority::root("Acme Root CA");
    let issuing = root.intermediate_with(Key::ed25519("Acme Issuing CA"), |key| Certificate {
        not_after: time(NOW + HOUR),
        ..Certificate::ca("Acme Issuing CA", key, None)
    });
    folder.write("root.pem", pem("CERTIFICATE", &root.certificate));
    folder.write("issuing.pem", pem("CERTIFICATE", &issuing.certificate));
    let trust = "[trust]\nanchors = [\"root.pem\"]\nintermediates = [\"issuing.pem\"]\n";
    let process = Process::start(&folder, &format!("{trust}{ANYBODY}"));
    let orders = issuing.issue(leaf("orders"));
    assert_eq!(process.reason(&orders, NOW), "Allow");
    assert_eq!(process.reason(&orders, NOW + HOUR), "Allow");
    assert_eq!(process.reason(&orders, NOW + HOUR + 1), "untrusted-chain");
}

#[test]
fn a_certificate_that_was_allowed_can_be_denied_by_list() {
    let folder = scratch("a_certificate_that_was_allowed_can_be_denied_by_list");
    let root = Authority::root("Acme Root CA");
    let issuing = root.intermediate("Acme Issuing CA");
    folder.write("root.pem", pem("CERTIFICATE", &root.certificate));
    folder.write("issuing.pem", pem("CERTIFICATE", &issuing.certificate));
    folder.write("denied.txt", "# nobody yet\n");
    let process = Process::start(
        &folder,
        &format!(
            "[trust]\nanchors = [\"root.pem\"]\nintermediates = [\"issuing.pem\"]\n\
             [revocation]\ndeny_list = \"denied.txt\"\nrefresh = \"1m\"\n{ANYBODY}"
        ),
    );
    let (orders, billing) = (issuing.issue(leaf("orders")), issuing.issue(leaf("billing")));
    assert_eq!(process.reason(&orders, NOW), "Allow");
    let mut later = NOW;
    let mut list = |entry: &str| {
        folder.write("denied.txt", entry);
        later += HOUR;
        (process.reason(&orders, later), process.reason(&billing, later))
    };
    let denied = || "deny-listed".to_owned();
    let allow = || "Allow".to_owned();
    assert_eq!(list(&format!("sha256:{}\n", hex(&sha256(&orders)))), (denied(), allow()));
    let key = Key::ed25519("orders").public_key();
    assert_eq!(list(&format!("spki-sha256:{}\n", hex(&sha256(&key)))), (denied(), allow()));
    // Those who issued it, too.
    let issuer = hex(&sha256(&issuing.certificate));
    assert_eq!(list(&format!("sha256:{issuer}\n")), (denied(), denied()));
    let root_key = hex(&sha256(&root.key.public_key()));
    assert_eq!(list(&format!("spki-sha256:{root_key}\n")), (denied(), denied()));
    // Half a list is none, and then nobody gets in.
    assert_eq!(list("sha256:0123\n"), (denied(), denied()));
    assert_eq!(list("# nobody any more\n"), (allow(), allow()));
}

#[test]
fn a_deny_list_that_is_lost_denies_everybody_in_the_end() {
    let folder = scratch("a_deny_list_that_is_lost_denies_everybody_in_the_end");
    let path = folder.write("denied.txt", "");
    let process = Process::start(
        &folder,
        &format!(
            "[revocation]\ndeny_list = \"denied.txt\"\nrefresh = \"1m\"\nmax_stale = \"1h\"\n{ANYBODY}"
        ),
    );
    let orders = Authority::root("Acme CA").issue(leaf("orders"));
    assert_eq!(process.reason(&orders, NOW), "Allow");
    std::fs::remove_file(path).unwrap();
    assert_eq!(process.reason(&orders, NOW + HOUR), "Allow");
    assert_eq!(process.reason(&orders, NOW + HOUR + 1), "deny-listed");
}

#[test]
fn a_client_that_was_allowed_can_be_revoked() {
    let folder = scratch("a_client_that_was_allowed_can_be_revoked");
    let authority = Authority::root("Acme CA");
    folder.write("root.pem", pem("CERTIFICATE", &authority.certificate));
    let orders = leaf("orders");
    let serial = orders.serial_number[2..].to_vec();
    let orders = authority.issue(orders);
    let list = |number, entries| {
        let list = Crl { next_update: Some(time(NOW + DAY)), ..Crl::of(entries) };
        folder.write("clients.crl", authority.revoke(list.numbered(number)));
    };
    list(2, Vec::new());
    let process = Process::start(
        &folder,
        &format!(
            "[trust]\nanchors = [\"root.pem\"]\n\
             [revocation]\ncheck = [\"crl\"]\ncrls = [\"clients.crl\"]\nrefresh = \"1m\"\n{ANYBODY}"
        ),
    );
    assert_eq!(process.reason(&orders, NOW), "Allow");
    list(3, vec![revoked(&serial)]);
    assert_eq!(process.reason(&orders, NOW + HOUR), "revoked");
    // An older list brings nobody back.
    list(2, Vec::new());
    assert_eq!(process.reason(&orders, NOW + 2 * HOUR), "revoked");
    assert_eq!(process.reason(&orders, NOW + DAY + 1), "revocation-unknown");
}

#[test]
fn what_separates_alternative_names_is_escaped_in_them() {
    let folder = scratch("what_separates_alternative_names_is_escaped_in_them");
    let forward = "[forward]\ninclude = [\"clientCertSanUri\", \"clientCertSanDns\"]\n";
    let process = Process::start(&folder, &format!("{forward}{ANYBODY}"));
    let names = |names: &[Der]| {
        let leaf = leaf("orders").without("2.5.29.17").with(subject_alt_name(names));
        let outcome = process.decide(&Authority::root("Acme CA").issue(leaf), NOW);
        let text = |key| outcome.answer["context"][key].as_str().unwrap().to_owned();
        (text("clientCertSanUri"), text("clientCertSanDns"))
    };
    assert_eq!(
        names(&[uri(b"a:b,c"), uri(b"d:%2C"), dns(b"x,y"), dns(b"z\0\xff")]),
        ("a:b%2Cc,d:%252C".to_owned(), "x%2Cy,z%00%FF".to_owned())
    );
    assert_eq!(names(&[uri(b"a:b"), uri(b"c")]), ("a:b,c".to_owned(), String::new()));
}

#[test]
fn an_identity_that_does_not_fit_is_not_sent_in_part() {
    let folder = scratch("an_identity_that_does_not_fit_is_not_sent_in_part");
    let process =
        Process::start(&folder, &format!("[forward]\ninclude = [\"clientCertSanDns\"]\n{ANYBODY}"));
    // One name of 200 characters more.
    let with = |count: usize| {
        let name = format!("{}.example", "abcdefghi.".repeat(19));
        let names = vec![dns(name.as_bytes()); count];
        let leaf = leaf("orders").without("2.5.29.17").with(subject_alt_name(&names));
        process.decide(&Authority::root("Acme CA").issue(leaf), NOW)
    };
    let counts: Vec<usize> = (30..45).filter(|&count| with(count).reason == "Allow").collect();
    let most = *counts.last().unwrap();
    assert_eq!(counts, (30..=most).collect::<Vec<_>>());
    let too_large = with(most + 1);
    assert_eq!(too_large.reason, "identity-too-large");
    assert_eq!(too_large.answer["context"]["denyReason"], "identity-too-large");
    assert_eq!(too_large.answer["policyDocument"]["Statement"][0]["Effect"], "Deny");
    assert!(too_large.answer.to_string().len() < 1000);
    let sent = with(most).answer.to_string().len();
    assert!((7900..=8192).contains(&sent), "{sent}");
}

#[test]
fn a_denial_fits_however_long_the_name_is() {
    let folder = scratch("a_denial_fits_however_long_the_name_is");
    let process = Process::start(&folder, ANYBODY);
    let nobody = Process::start(
        &folder,
        "[[client]]\nid = \"a\"\nsubject = { CN = \"a\" }\nallow = [\"*\"]\n",
    );
    let root = Authority::root("Acme CA");
    for (length, fits) in [(100, true), (9_000, false)] {
        let certificate = root.issue(leaf(&"x".repeat(length)));
        let allowed = process.decide(&certificate, NOW);
        assert_eq!(allowed.reason, if fits { "Allow" } else { "identity-too-large" });
        let denied = nobody.decide(&certificate, NOW);
        assert_eq!(denied.reason, "no-client-matched");
        let principal = match fits {
            true => format!("CN={},O=Acme,C=US", "x".repeat(length)),
            false => format!("sha256:{}", hex(&sha256(&certificate))),
        };
        for outcome in [&allowed, &denied] {
            assert_eq!(outcome.answer["principalId"], principal);
            assert!(outcome.answer.to_string().len() <= 8192);
        }
    }
}

#[test]
fn a_key_that_is_no_point_of_its_curve_is_no_certificates() {
    let folder = scratch("a_key_that_is_no_point_of_its_curve_is_no_certificates");
    let process = Process::start(&folder, ANYBODY);
    let root = Authority::root("Acme CA");
    let ec = |curve: &str, point: &[u8]| {
        let algorithm = sequence(&[oid("1.2.840.10045.2.1"), oid(curve)]);
        sequence(&[algorithm, bit_string(point)])
    };
    let ed25519 = |octets: &[u8]| sequence(&[sequence(&[oid("1.3.101.112")]), bit_string(octets)]);
    const P256: &str = "1.2.840.10045.3.1.7";
    const P384: &str = "1.3.132.0.34";
    const P521: &str = "1.3.132.0.35";
    let point = |first: u8, rest: usize| [vec![first], vec![1; rest]].concat();
    for (key, sound) in [
        (ec(P256, &point(4, 64)), true),
        (ec(P256, &point(3, 32)), true),
        (ec(P384, &point(4, 96)), true),
        (ec(P521, &point(4, 132)), true),
        (ed25519(&[1; 32]), true),
        (ec(P256, &[]), false),
        (ec(P256, &[0]), false),
        (ec(P256, &point(4, 63)), false),
        (ec(P256, &point(4, 65)), false),
        (ec(P256, &point(4, 32)), false),
        (ec(P256, &point(2, 64)), false),
        (ec(P256, &point(5, 64)), false),
        (ec(P384, &point(4, 64)), false),
        (ec(P521, &point(4, 96)), false),
        (ed25519(&[1; 31]), false),
        (ed25519(&[1; 33]), false),
    ] {
        let certificate = root.issue(Certificate { public_key: key.clone(), ..leaf("orders") });
        let expected = if sound { "Allow" } else { "malformed-certificate" };
        assert_eq!(process.decide(&certificate, NOW).reason, expected, "{key:02x?}");
    }
}
