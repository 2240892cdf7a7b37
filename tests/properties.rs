//! What must hold whatever the certificate, the policy and the list: properties over generated inputs.
//!
//! Failures are repeated by the seed that proptest prints; nothing is written beside the sources.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::string_slice
)]

mod support;

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use mtls_authorizer::{
    answer::{Answer, AnswerRules, answer, context::certificate_value},
    certificate::{
        Certificate,
        name::{Name, parse_rfc4514},
    },
    decide::{
        Decision, Rules, UnknownRevocation, accept, authorize, identify, prove_current, trust,
    },
    decision::Evidence,
    deny_list::{DeniedDigests, DenyList},
    der::Reader,
    event::Request,
    policy::{
        Configuration, Document, Subject,
        configuration::{Forward, HttpApiAnswer, Unauthenticated},
        route::glob_matches,
    },
    revocation::{
        Status,
        crl::{CrlStore, Issuer, Subject as CrlSubject, Verdict},
    },
    signature::Strength,
    source::Base,
    timestamp::Timestamp,
};
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence},
};
use support::pki::{self, Authority, Crl, Key, NOW};

fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    }
}

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

fn configuration(document: &str) -> Configuration {
    let environment = BTreeMap::new();
    let base = Base::Directory(PathBuf::from("/"));
    let document =
        Document { name: "test", text: document, base: &base, environment: &environment };
    Configuration::parse(document).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn event(arn: &str) -> Vec<u8> {
    serde_json::json!({ "type": "REQUEST", "methodArn": arn, "requestContext": { "identity": {} } })
        .to_string()
        .into_bytes()
}

const STAGE: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod";

/// The whole decision, without a trust store; and the answer to it.
fn decide<'a>(
    certificate: &'a Certificate,
    configuration: &'a Configuration,
    deny_list: &DenyList,
    status: Option<Status>,
    arn: &str,
    now: Timestamp,
) -> (Decision<'a>, String) {
    let rules = Rules {
        certificate: configuration.certificate.clone(),
        path_required: false,
        token_configured: false,
        unknown_revocation: match status {
            None => UnknownRevocation::NotChecked,
            Some(_) => UnknownRevocation::Deny,
        },
    };
    let payload = event(arn);
    let request = Request::parse(&payload).unwrap();
    let policy = &configuration.policy;
    let mut decision = accept(certificate, &rules.certificate, policy, deny_list, now)
        .and_then(|accepted| trust(accepted, None, &rules, deny_list, now))
        .map_err(|denial| Decision::denied(Some(certificate), denial))
        .and_then(|trusted| identify(trusted, policy, None, &rules))
        .and_then(|identified| prove_current(identified, status, Evidence::default(), &rules))
        .map_or_else(|decision| decision, |current| authorize(current, &request.arn));
    let rules = AnswerRules {
        http_api: HttpApiAnswer::Iam,
        unauthenticated: Unauthenticated::Deny,
        include: Forward::ALL.to_vec(),
        client_context_keys: policy.context_keys(),
    };
    let Ok(Answer::Json(json)) = answer(&mut decision, &request, None, &rules) else {
        panic!("no answer")
    };
    (decision, json.get().to_owned())
}

fn orders() -> Certificate {
    issue(pki::Certificate::leaf("orders", &Key::ed25519("orders")))
}

fn issue(certificate: pki::Certificate) -> Certificate {
    let key = Key::ed25519("Acme Issuing CA");
    Certificate::parse(&certificate.signed_by(&pki::acme("Acme Issuing CA"), &key)).unwrap()
}

// Routes.

fn route() -> impl Strategy<Value = String> {
    let method = prop::sample::select(vec!["*", "GET", "POST", "DELETE"]);
    let path = "(/[ab*?]{0,3}){1,3}";
    (method, path).prop_map(|(method, path)| format!("{method} {path}"))
}

fn call() -> impl Strategy<Value = (&'static str, String)> {
    let method = prop::sample::select(vec!["GET", "POST", "DELETE", "HEAD"]);
    (method, "(/[abc%]{0,3}){1,3}")
}

fn routes(allow: &[String], deny: &[String]) -> Configuration {
    let mut document = format!("[[client]]\nid = \"a\"\nany = true\nallow = {allow:?}\n");
    if !deny.is_empty() {
        let _ = writeln!(document, "deny = {deny:?}");
    }
    configuration(&document)
}

/// What API Gateway makes of a policy: a Deny that matches wins, then an Allow that matches.
fn gateway_admits(answer: &str, resource: &str) -> bool {
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    let statements = answer["policyDocument"]["Statement"].as_array().unwrap();
    let matches = |effect: &str| {
        statements.iter().filter(|statement| statement["Effect"] == effect).any(|statement| {
            let resources = statement["Resource"].as_array().unwrap();
            resources.iter().any(|pattern| iam_matches(pattern.as_str().unwrap(), resource))
        })
    };
    matches("Allow") && !matches("Deny")
}

/// IAM's matching of resources, as slow and plain as can be.
fn iam_matches(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            iam_matches(&pattern[1..], text)
                || (!text.is_empty() && iam_matches(pattern, &text[1..]))
        }
        Some('?') => !text.is_empty() && iam_matches(&pattern[1..], &text[1..]),
        Some(one) => text.starts_with(one) && iam_matches(&pattern[1..], &text[1..]),
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_deny_never_turns_a_denial_into_an_allow(
        allow in prop::collection::vec(route(), 1..4),
        deny in prop::collection::vec(route(), 0..3),
        another in route(),
        (method, path) in call(),
    ) {
        let orders = orders();
        let arn = format!("{STAGE}/{method}{path}");
        let decided = |deny: &[String]| {
            decide(&orders, &routes(&allow, deny), &DenyList::None, None, &arn, at(NOW)).0.is_allow()
        };
        let more: Vec<String> = deny.iter().cloned().chain([another.clone()]).collect();
        prop_assert!(decided(&deny) || !decided(&more), "`{another}` lets {method} {path} in");
    }

    #[test]
    fn the_gateway_enforces_what_was_decided(
        allow in prop::collection::vec(route(), 1..4),
        deny in prop::collection::vec(route(), 0..3),
        (method, path) in call(),
        (later_method, later_path) in call(),
    ) {
        let orders = orders();
        let configuration = routes(&allow, &deny);
        let arn = format!("{STAGE}/{method}{path}");
        let later = format!("{STAGE}/{later_method}{later_path}");
        let of = |arn: &str| decide(&orders, &configuration, &DenyList::None, None, arn, at(NOW));
        let ((now, policy), (then, later_policy)) = (of(&arn), of(&later));
        prop_assert_eq!(gateway_admits(&policy, &arn), now.is_allow());
        // The policy is cached: it must be right for the next call as well.
        prop_assert_eq!(gateway_admits(&policy, &later), then.is_allow());
        prop_assert_eq!(policy, later_policy);
    }

    #[test]
    fn a_glob_matches_as_its_definition_says(glob in "[ab*?/]{0,8}", text in "[ab/]{0,8}") {
        prop_assert_eq!(glob_matches(&glob, &text), iam_matches(&glob, &text));
    }
}

// Names.

/// A type and what is read from its value.
fn attribute() -> impl Strategy<Value = (&'static str, String)> {
    let kind = prop::sample::select(vec![
        "CN",
        "O",
        "OU",
        "C",
        "DC",
        "UID",
        "STREET",
        "emailAddress",
        "1.2.3.4",
    ]);
    let value = prop_oneof![
        "[ -~]{0,6}",
        "[ ,+\"\\\\<>;#=0-9a-f]{0,6}",
        any::<String>().prop_map(|text| text.chars().take(6).collect()),
    ];
    (kind, value)
}

type Rdns = Vec<Vec<(&'static str, String)>>;

fn rdns() -> impl Strategy<Value = Rdns> {
    prop::collection::vec(prop::collection::vec(attribute(), 1..3), 0..4)
}

/// UTF8Strings all, so that two names differ in their DER exactly where they differ in their attributes.
fn name_der(rdns: &Rdns) -> Vec<u8> {
    let sets: Vec<_> = rdns
        .iter()
        .map(|rdn| {
            let members: Vec<_> = rdn
                .iter()
                .map(|(kind, value)| pki::attribute_of(kind, &pki::utf8_string(value)))
                .collect();
            pki::rdn(&members)
        })
        .collect();
    pki::sequence(&sets)
}

fn name(der: &[u8]) -> Name {
    Name::parse(Reader::new(der).any().unwrap()).unwrap()
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn a_name_is_what_its_text_says(rdns in rdns()) {
        let der = name_der(&rdns);
        let name = name(&der);
        let sayable = !rdns.is_empty()
            && rdns.iter().flatten().all(|(_, value)| {
                !value.is_empty() && !value.chars().any(char::is_control)
            });
        prop_assert!(is_printable(name.ascii()), "{}", name.ascii());
        prop_assert!(!name.utf8().chars().any(char::is_control));
        for text in [name.ascii(), &name.utf8()] {
            match parse_rfc4514(text) {
                Ok(read) => {
                    prop_assert!(sayable, "{text}");
                    prop_assert_eq!(Some(read.as_str()), name.canonical());
                    prop_assert_eq!(parse_rfc4514(&read.to_string()), Ok(read));
                }
                Err(error) => prop_assert!(!sayable, "{text}: {error}"),
            }
        }
    }

    #[test]
    fn two_names_never_give_one_text(left in rdns(), right in rdns()) {
        let (left_der, right_der) = (name_der(&left), name_der(&right));
        let (left, right) = (name(&left_der), name(&right_der));
        let same = left_der == right_der;
        prop_assert_eq!(left.ascii() == right.ascii(), same);
        prop_assert_eq!(left.utf8() == right.utf8(), same);
        prop_assert_eq!(left.canonical().is_some() && left.canonical() == right.canonical(),
            same && left.canonical().is_some());
    }

    /// Names that are one slip apart: a separator that is data, a value split in two.
    #[test]
    fn two_names_of_one_letter_set_never_give_one_text(
        left in prop::collection::vec("[a,+=\\\\# ]{0,3}(,CN=a)?", 1..3),
        right in prop::collection::vec("[a,+=\\\\# ]{0,3}(,CN=a)?", 1..3),
    ) {
        let der = |values: &[String]| {
            name_der(&values.iter().map(|value| vec![("CN", value.clone())]).collect())
        };
        let (left_der, right_der) = (der(&left), der(&right));
        prop_assert_eq!(
            name(&left_der).ascii() == name(&right_der).ascii(),
            left_der == right_der
        );
    }
}

// Times.

/// The days before a year, by the rule of the Gregorian calendar alone.
fn days_before(year: i64) -> i64 {
    (0..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum()
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn an_instant_is_written_by_the_calendar_and_read_again(
        year in 0_i64..10_000,
        month in 1_usize..13,
        day in 1_i64..32,
        (hour, minute, second) in (0_i64..24, 0_i64..60, 0_i64..60),
    ) {
        let lengths = [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let day = day.min(lengths[month - 1]);
        let days = days_before(year) - days_before(1970)
            + lengths[..month - 1].iter().sum::<i64>()
            + day - 1;
        let instant = at(((days * 24 + hour) * 60 + minute) * 60 + second);
        let text = instant.to_string();
        prop_assert_eq!(
            &text,
            &format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
        );
        prop_assert_eq!(Timestamp::parse_rfc3339(&text), Some(instant));
    }
}

// Certificates.

fn certificate() -> impl Strategy<Value = pki::Certificate> {
    let octets = || prop::collection::vec(any::<u8>(), 0..12);
    let names = prop::collection::vec((0_u8..4, octets(), "[a-z.*@:/-]{0,12}"), 0..4);
    let value =
        (prop::sample::select(vec![0x0c_u8, 0x13, 0x14, 0x16, 0x1e, 0x1c, 0x12, 0x04]), octets());
    let subject = prop::collection::vec((attribute(), value, any::<bool>()), 0..4);
    let serial = prop::collection::vec(any::<u8>(), 1..20);
    (subject, names, serial).prop_map(|(subject, names, serial)| {
        let rdns: Vec<_> = subject
            .iter()
            .map(|((kind, text), (tag, octets), as_text)| {
                let value = if *as_text { pki::utf8_string(text) } else { pki::tlv(*tag, octets) };
                pki::rdn(&[pki::attribute_of(kind, &value)])
            })
            .collect();
        let names: Vec<_> = names
            .iter()
            .map(|(kind, octets, text)| {
                let octets = if octets.len() % 2 == 0 { octets } else { text.as_bytes() };
                match kind {
                    0 => pki::dns(octets),
                    1 => pki::uri(octets),
                    2 => pki::email(octets),
                    _ => pki::ip(octets),
                }
            })
            .collect();
        let key = Key::ed25519("orders");
        let leaf = pki::Certificate {
            subject: pki::sequence(&rdns),
            serial_number: pki::unsigned(&serial),
            ..pki::Certificate::leaf("orders", &key)
        }
        .without("2.5.29.17");
        if names.is_empty() { leaf } else { leaf.with(pki::subject_alt_name(&names)) }
    })
}

/// Clients of every kind of condition, many of which fit what [`certificate`] makes.
fn clients() -> impl Strategy<Value = String> {
    let condition = prop_oneof![
        "[a-z]{1,2}".prop_map(|text| format!("subject = {{ CN = {text:?} }}")),
        Just("subject = { CN = { regex = \"[a-c].*\" } }".to_owned()),
        Just("subject = { O = { prefix = \"a\" } }".to_owned()),
        Just("subject = { CN = [\"a\", \"b\", \"orders\"] }".to_owned()),
        Just("issuer = { CN = \"Acme Issuing CA\" }".to_owned()),
        Just("issuer_dn = \"CN=Acme Issuing CA,O=Acme,C=US\"".to_owned()),
        "[a-z]{1,2}".prop_map(|text| format!("san_dns = [{text:?}, \"orders.acme.example\"]")),
        Just("san_dns = [{ suffix = \".acme.example\" }]".to_owned()),
        Just("san_uri = [{ prefix = \"spiffe://acme/\" }]".to_owned()),
        Just("san_uri = [\"spiffe://acme/orders\"]".to_owned()),
        Just("san_ip = [\"10.0.0.0/8\", \"10.1.2.3\"]".to_owned()),
        Just("san_email = [\"a@b\"]".to_owned()),
        Just("any = true".to_owned()),
    ];
    prop::collection::vec((condition, any::<bool>()), 1..12).prop_map(|clients| {
        let mut document = String::new();
        for (position, (condition, narrow)) in clients.iter().enumerate() {
            let _ = writeln!(
                document,
                "[[client]]\nid = \"c{position}\"\nallow = [\"*\"]\n{condition}"
            );
            if *narrow && !condition.starts_with("any") && !condition.starts_with("issuer_dn") {
                let _ = writeln!(document, "issuer_dn = \"CN=Acme Issuing CA,O=Acme,C=US\"");
            }
        }
        document
    })
}

fn acme_certificate() -> impl Strategy<Value = pki::Certificate> {
    let name = prop::sample::select(vec!["a", "b", "c", "orders", "zz"]);
    let sans = prop::sample::subsequence(
        vec![
            pki::dns(b"orders.acme.example"),
            pki::dns(b"A"),
            pki::dns(b"ab.acme.example"),
            pki::uri(b"spiffe://acme/orders"),
            pki::uri(b"spiffe://acme/"),
            pki::email(b"a@b"),
            pki::ip(&[10, 1, 2, 3]),
            pki::ip(&[11, 1, 2, 3]),
        ],
        0..4,
    );
    (name, "[a-c]{1,2}", sans).prop_map(|(common_name, organization, sans)| {
        let leaf = pki::Certificate {
            subject: pki::name(&[("O", &organization), ("CN", common_name)]),
            ..pki::Certificate::leaf("orders", &Key::ed25519("orders"))
        }
        .without("2.5.29.17");
        if sans.is_empty() { leaf } else { leaf.with(pki::subject_alt_name(&sans)) }
    })
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn nothing_but_printable_ascii_leaves(certificate in certificate()) {
        let certificate = issue(certificate);
        for &key in Forward::ALL {
            let value = certificate_value(key, &certificate);
            prop_assert!(is_printable(&value), "{} = {value:?}", key.key());
        }
        let anybody = configuration("[[client]]\nid = \"a\"\nany = true\nallow = [\"*\"]\n");
        let arn = format!("{STAGE}/GET/orders");
        let (decision, answer) =
            decide(&certificate, &anybody, &DenyList::None, None, &arn, at(NOW));
        prop_assert!(decision.is_allow());
        prop_assert!(is_printable(&answer), "{answer}");
        prop_assert!(is_printable(&decision.principal()));
        prop_assert!(!decision.principal().is_empty());
    }

    #[test]
    fn the_same_call_is_decided_the_same_way(
        certificate in acme_certificate(),
        clients in clients(),
        offset in -2_i64..3,
    ) {
        let certificate = issue(certificate);
        let now = at(NOW + pki::YEAR + offset);
        let arn = format!("{STAGE}/GET/orders");
        let (first, second) = (configuration(&clients), configuration(&clients));
        let (left, left_answer) =
            decide(&certificate, &first, &DenyList::None, None, &arn, now);
        let (right, right_answer) =
            decide(&certificate, &second, &DenyList::None, None, &arn, now);
        prop_assert_eq!(left.denial(), right.denial());
        prop_assert_eq!(left_answer, right_answer);
        prop_assert!(offset <= 0 || !left.is_allow(), "allowed {offset} s after the end");
    }

    #[test]
    fn the_index_finds_whom_asking_everybody_finds(
        certificate in acme_certificate(),
        clients in clients(),
    ) {
        let certificate = issue(certificate);
        let configuration = configuration(&clients);
        let subject =
            Subject { certificate: &certificate, issuer_public_key: None, claims: None };
        let policy = &configuration.policy;
        let everybody = policy.clients().iter().find(|client| client.matches(&subject));
        prop_assert_eq!(
            policy.client_for(&subject).map(|client| &client.id),
            everybody.map(|client| &client.id)
        );
    }

    #[test]
    fn a_longer_deny_list_never_lets_in(digests in prop::collection::vec(any::<[u8; 32]>(), 0..4)) {
        let orders = orders();
        let anybody = configuration("[[client]]\nid = \"a\"\nany = true\nallow = [\"*\"]\n");
        let arn = format!("{STAGE}/GET/orders");
        let allows = |list: &str| {
            let list = DeniedDigests::parse(list.as_bytes()).map_or_else(
                |fault| DenyList::Unreadable(fault.to_string()),
                |digests| DenyList::Listed(digests.into()),
            );
            decide(&orders, &anybody, &list, None, &arn, at(NOW)).0.is_allow()
        };
        let hex = |digest: &[u8; 32]| digest.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        let others: String = digests.iter().map(|digest| format!("sha256:{}\n", hex(digest))).collect();
        prop_assert!(allows(&others));
        let fingerprint = hex(orders.fingerprint());
        let key = hex(orders.public_key_fingerprint());
        let certificate_listed = format!("{others}sha256:{fingerprint}\n");
        let key_listed = format!("{others}spki-sha256:{key}\n");
        let unreadable = format!("{others}sha256:{}\n", &fingerprint[1..]);
        prop_assert!(!allows(&certificate_listed));
        prop_assert!(!allows(&key_listed));
        prop_assert!(!allows(&unreadable));
    }
}

// Revocation lists.

fn verdict(authority: &Authority, entries: &[Vec<u8>], serial: &[u8]) -> Verdict {
    let list = authority.revoke(Crl::of(entries.iter().map(|it| pki::revoked(it)).collect()));
    let certificate = Certificate::parse(&authority.certificate).unwrap();
    let issuer = Issuer {
        name: &authority.name,
        public_key: certificate.subject_public_key_info(),
        may_sign_crls: true,
    };
    let strength = Strength { min_rsa_bits: 2048, allow_sha1: false };
    let mut store = CrlStore::new();
    store.load("test", list, &[issuer], &strength, at(NOW)).unwrap();
    let subject =
        CrlSubject { issuer: &authority.name, serial, is_ca: false, distribution_points: &[] };
    store.verdict(&subject, &issuer, at(NOW))
}

/// Contents octets of a positive INTEGER.
fn serial_number() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (1_u8..8).prop_map(|small| vec![small]),
        prop::collection::vec(any::<u8>(), 1..20)
            .prop_map(|octets| pki::unsigned(&octets)[2..].to_vec()),
    ]
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_serial_number_more_never_clears_anybody(
        entries in prop::collection::vec(serial_number(), 0..6),
        another in serial_number(),
        own in serial_number(),
    ) {
        let authority = Authority::root("Acme Issuing CA");
        let more: Vec<_> = entries.iter().cloned().chain([another.clone()]).collect();
        let cleared = |entries: &[Vec<u8>]| {
            matches!(verdict(&authority, entries, &own), Verdict::NotRevoked(_))
        };
        prop_assert_eq!(cleared(&entries), !entries.contains(&own));
        prop_assert_eq!(cleared(&more), !more.contains(&own));
        prop_assert!(cleared(&entries) || !cleared(&more));
    }

    #[test]
    fn only_not_revoked_is_allowed(kind in 0..3) {
        let orders = orders();
        let anybody = configuration("[[client]]\nid = \"a\"\nany = true\nallow = [\"*\"]\n");
        let arn = format!("{STAGE}/GET/orders");
        let status = match kind {
            0 => Status::NotRevoked(Evidence::default()),
            1 => Status::Revoked(Evidence::default()),
            _ => Status::Unknown(Evidence::default()),
        };
        let (decision, _) = decide(&orders, &anybody, &DenyList::None, Some(status), &arn, at(NOW));
        prop_assert_eq!(decision.is_allow(), kind == 0);
    }
}
