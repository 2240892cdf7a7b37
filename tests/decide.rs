//! The steps of a decision one by one, as a shell could take them wrongly: each asks for what it needs, and is closed
//! where that is missing or another's. What the whole authorizer decides is in the other files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::{collections::BTreeMap, sync::Arc};

use mtls_authorizer::{
    certificate::Certificate as Parsed,
    decide::{Accepted, Decision, Identified, Rules, UnknownRevocation, accept, authorize},
    decide::{identify, prove_current, trust},
    decision::{Denial, Evidence, Reason},
    deny_list::{DeniedDigests, DenyList},
    der::Oid,
    event::arn::InvokeArn,
    policy::{Policy, configuration::Configuration, document::Document},
    revocation::Status,
    signature::Strength,
    source::Base,
    timestamp::Timestamp,
    trust::{PathRules, TrustStore, VerifiedPath},
};
use support::pki::*;

const ORDERS: &str =
    "[[client]]\nid = \"orders\"\nsubject = { CN = \"orders\" }\nallow = [\"GET /orders/*\"]\n";

/// A configuration, and the rules that a shell makes of it.
struct Setting {
    policy: Policy,
    rules: Rules,
}

fn setting(document: &str) -> Setting {
    let environment = BTreeMap::<String, String>::new();
    let base = Base::Directory("/".into());
    let document =
        Document { name: "test", text: document, base: &base, environment: &environment };
    let configuration = Configuration::parse(document).unwrap();
    Setting {
        policy: configuration.policy,
        rules: Rules {
            certificate: configuration.certificate,
            path_required: false,
            token_configured: false,
            unknown_revocation: UnknownRevocation::NotChecked,
        },
    }
}

fn parse(der: &Der) -> Parsed {
    Parsed::parse(der).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

fn leaf(common_name: &str) -> Parsed {
    let key = Key::ed25519(common_name);
    parse(&Authority::root("Acme Root CA").issue(Certificate::leaf(common_name, &key)))
}

impl Setting {
    fn accept<'a>(&self, certificate: &'a Parsed) -> Result<Accepted<'a>, Denial> {
        accept(certificate, &self.rules.certificate, &self.policy, &DenyList::None, at(NOW))
    }

    fn trust(
        &self,
        certificate: &Parsed,
        path: Option<&Arc<VerifiedPath>>,
        now: i64,
    ) -> Result<(), Denial> {
        let accepted = self.accept(certificate).unwrap();
        trust(accepted, path.cloned(), &self.rules, &DenyList::None, at(now)).map(|_| ())
    }

    fn identify<'a>(&'a self, certificate: &'a Parsed) -> Result<Identified<'a>, Denial> {
        let accepted = self.accept(certificate)?;
        let trusted = trust(accepted, None, &self.rules, &DenyList::None, at(NOW))?;
        identify(trusted, &self.policy, None, &self.rules)
            .map_err(|decision| decision.denial().unwrap().clone())
    }

    fn decide<'a>(&'a self, certificate: &'a Parsed, status: Option<Status>) -> Decision<'a> {
        let identified = self.identify(certificate).unwrap();
        match prove_current(identified, status, Evidence::default(), &self.rules) {
            Ok(current) => authorize(current, &arn("GET/orders/7")),
            Err(decision) => decision,
        }
    }
}

fn arn(route: &str) -> InvokeArn {
    let text = format!("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/{route}");
    InvokeArn::parse(&text).unwrap()
}

#[track_caller]
fn assert_denied<T>(result: Result<T, Denial>, reason: Reason, evidence: &[(&str, &str)]) {
    let Err(denial) = result else { panic!("{} is expected", reason.code()) };
    assert_eq!(denial.reason.code(), reason.code());
    let found: Vec<_> = denial.evidence.iter().collect();
    assert_eq!(found, evidence);
}

/// A root, an issuing authority whose certificate ends half a year before its leaf's, and the leaf's path.
fn path_of(leaf: &str) -> (Parsed, Arc<VerifiedPath>) {
    let root = Authority::root("Acme Root CA");
    let issuing = root.intermediate_with(Key::ed25519("Acme Issuing CA"), |key| Certificate {
        not_after: time(NOW + YEAR / 2),
        ..Certificate::ca("Acme Issuing CA", key, None)
    });
    let leaf = parse(&issuing.issue(Certificate::leaf(leaf, &Key::ed25519(leaf))));
    let accepted = [Oid::parse_dotted(CLIENT_AUTH).unwrap()];
    let rules = PathRules { strength: Strength::default(), extended_key_usage: Some(&accepted) };
    let store = TrustStore::new([parse(&root.certificate)], [parse(&issuing.certificate)]);
    let path = store.verify(&leaf, &[], rules, at(NOW)).unwrap();
    (leaf, Arc::new(path))
}

#[test]
fn a_path_that_is_needed_has_to_be_this_certificates_own() {
    let mut setting = setting(ORDERS);
    let (orders, path) = path_of("orders");
    let (_, of_billing) = path_of("billing");
    let untrusted = Reason::UntrustedChain;
    let anothers = [("why", "the path is another's")];

    assert!(setting.trust(&orders, None, NOW).is_ok());
    assert_denied(setting.trust(&orders, Some(&of_billing), NOW), untrusted, &anothers);
    setting.rules.path_required = true;
    assert!(setting.trust(&orders, Some(&path), NOW).is_ok());
    let none = [("why", "no path was looked for")];
    assert_denied(setting.trust(&orders, None, NOW), untrusted, &none);
    assert_denied(setting.trust(&orders, Some(&of_billing), NOW), untrusted, &anothers);
}

#[test]
fn a_path_that_stood_falls_with_an_issuers_validity() {
    let setting = setting(ORDERS);
    let (orders, path) = path_of("orders");
    assert!(setting.trust(&orders, Some(&path), NOW + YEAR / 2).is_ok());
    let fallen = setting.trust(&orders, Some(&path), NOW + YEAR / 2 + 1);
    let Err(denial) = fallen else { panic!("the path of an authority that has expired") };
    assert_eq!(denial.reason.code(), "untrusted-chain");
    let evidence: BTreeMap<_, _> = denial.evidence.iter().collect();
    assert_eq!(evidence["why"], "a certificate of the path is not in force");
    assert_eq!(evidence["issuer_of_path"], "CN=Acme Issuing CA,O=Acme,C=US");
    assert_eq!(evidence["issuer_not_before"], at(NOW - YEAR).to_string());
    assert_eq!(evidence["issuer_not_after"], at(NOW + YEAR / 2).to_string());
    // The same path, before the authority was one.
    assert!(setting.trust(&orders, Some(&path), NOW - YEAR).is_ok());
    assert!(setting.trust(&orders, Some(&path), NOW - YEAR - 1).is_err());
}

#[test]
fn a_certificate_is_in_force_from_its_first_second_to_its_last() {
    let orders = leaf("orders");
    let (first, last) = (NOW - YEAR, NOW + YEAR);
    for (skew, seconds) in [("0s", 0), ("5m", 300)] {
        let setting = setting(&format!("[certificate]\nclock_skew = \"{skew}\"\n{ORDERS}"));
        let judge = |now: i64| {
            let rules = &setting.rules.certificate;
            accept(&orders, rules, &setting.policy, &DenyList::None, at(now)).map(|_| ())
        };
        let denied = |now: i64, reason, key, bound: i64| {
            let (bound, now_text) = (at(bound).to_string(), at(now).to_string());
            assert_denied(judge(now), reason, &[(key, &bound), ("now", &now_text)]);
        };
        assert!(judge(first - seconds).is_ok() && judge(last + seconds).is_ok(), "{skew}");
        denied(first - seconds - 1, Reason::CertificateNotYetValid, "not_before", first);
        denied(last + seconds + 1, Reason::CertificateExpired, "not_after", last);
    }
}

#[test]
fn a_certificate_may_be_as_long_as_the_longest_and_not_a_second_longer() {
    let orders = leaf("orders");
    let with = |longest: &str| {
        setting(&format!("[certificate]\nmax_validity = \"{longest}\"\n{ORDERS}"))
            .accept(&orders)
            .map(|_| ())
    };
    assert!(with("730d").is_ok() && with("731d").is_ok());
    let evidence = [
        ("not_before", &*at(NOW - YEAR).to_string()),
        ("not_after", &*at(NOW + YEAR).to_string()),
        ("max_validity_seconds", "63071999"),
    ];
    assert_denied(with("729d23h59m59s"), Reason::ValidityTooLong, &evidence);
}

#[test]
fn a_certificate_without_purposes_is_refused_only_where_they_are_required() {
    let root = Authority::root("Acme Root CA");
    let key = Key::ed25519("orders");
    let without = parse(&root.issue(Certificate::leaf("orders", &key).without("2.5.29.37")));
    let with = leaf("orders");
    assert!(setting(ORDERS).accept(&without).is_ok());
    let strict = setting(&format!("[certificate]\nrequire_extended_key_usage = true\n{ORDERS}"));
    assert!(strict.accept(&with).is_ok());
    let absent = [("extended_key_usage", "absent")];
    assert_denied(strict.accept(&without), Reason::ExtendedKeyUsage, &absent);
    // Which purposes they are is another question.
    let any = "[certificate]\nextended_key_usage = \"any\"\n";
    assert!(setting(&format!("{any}{ORDERS}")).accept(&without).is_ok());
    let some = setting(&format!("{any}require_extended_key_usage = true\n{ORDERS}"));
    assert!(some.accept(&with).is_ok());
    assert_denied(some.accept(&without), Reason::ExtendedKeyUsage, &absent);
}

#[test]
fn a_certificate_is_fit_for_clients_by_its_usage_and_its_purposes() {
    let root = Authority::root("Acme Root CA");
    let key = Key::ed25519("orders");
    let issue = |oid: &str, extension: Option<Der>| {
        let leaf = Certificate::leaf("orders", &key).without(oid);
        parse(&root.issue(match extension {
            Some(extension) => leaf.with(extension),
            None => leaf,
        }))
    };
    let used_for = |bits: &[usize]| issue("2.5.29.15", Some(key_usage(bits)));
    let meant_for = |purposes: &[&str]| issue("2.5.29.37", Some(extended_key_usage(purposes)));
    let plain = setting(ORDERS);
    for fit in [
        issue("2.5.29.15", None),
        used_for(&[DIGITAL_SIGNATURE]),
        used_for(&[KEY_AGREEMENT]),
        meant_for(&[CLIENT_AUTH]),
        meant_for(&[SERVER_AUTH, CLIENT_AUTH]),
    ] {
        assert!(plain.accept(&fit).is_ok());
    }
    let neither = [("rule", "neither digitalSignature nor keyAgreement")];
    assert_denied(plain.accept(&used_for(&[KEY_CERT_SIGN])), Reason::KeyUsage, &neither);
    let as_authority = used_for(&[DIGITAL_SIGNATURE, KEY_CERT_SIGN]);
    let contradiction = [("rule", "keyCertSign, but no authority's")];
    assert_denied(plain.accept(&as_authority), Reason::KeyUsage, &contradiction);
    let any_purpose = setting(&format!("[certificate]\nextended_key_usage = \"any\"\n{ORDERS}"));
    for (purposes, told) in [
        (&[SERVER_AUTH][..], "1.3.6.1.5.5.7.3.1"),
        (&[ANY_EXTENDED_KEY_USAGE][..], "2.5.29.37.0"),
        (&[SERVER_AUTH, ANY_EXTENDED_KEY_USAGE][..], "1.3.6.1.5.5.7.3.1,2.5.29.37.0"),
    ] {
        let unfit = meant_for(purposes);
        let evidence = [("extended_key_usage", told)];
        assert_denied(plain.accept(&unfit), Reason::ExtendedKeyUsage, &evidence);
        assert!(any_purpose.accept(&unfit).is_ok(), "{told}");
    }
}

#[test]
fn an_authority_gets_in_only_as_the_client_that_pins_it() {
    let authority = parse(&Authority::root("Acme Root CA").certificate);
    let hex: String = authority.fingerprint().iter().map(|it| format!("{it:02x}")).collect();
    let key: String =
        authority.public_key_fingerprint().iter().map(|it| format!("{it:02x}")).collect();
    let any = "[[client]]\nid = \"anybody\"\nany = true\nallow = [\"*\"]\n".to_owned();
    let certificate_rules = "[certificate]\nextended_key_usage = \"any\"\n";
    for condition in
        [format!("fingerprint = [\"sha256:{hex}\"]"), format!("public_key = [\"sha256:{key}\"]")]
    {
        let pinned = format!("[[client]]\nid = \"pinned\"\n{condition}\nallow = [\"*\"]\n");
        // An authority's certificate signs certificates and lists; what a test's own client signs with is not asked.
        let before = setting(&format!("{certificate_rules}{pinned}{any}"));
        let after = setting(&format!("{certificate_rules}{any}{pinned}"));
        let usable = parse(&{
            let key = Key::ed25519("Acme Root CA");
            let usage = key_usage(&[DIGITAL_SIGNATURE, KEY_CERT_SIGN]);
            Certificate::ca("Acme Root CA", &key, None)
                .without("2.5.29.15")
                .with(usage)
                .self_signed(&key)
        });
        // Its key is the other's: only a condition on the key holds for both.
        let by_key = condition.starts_with("public_key");
        let found = before.identify(&usable);
        if by_key {
            assert!(found.is_ok());
            let client = [("matched_client", "anybody")];
            assert_denied(after.identify(&usable), Reason::CertificateIsCa, &client);
        } else {
            assert_denied(found, Reason::CertificateIsCa, &[]);
        }
        assert_denied(setting(&any).identify(&usable), Reason::CertificateIsCa, &[]);
        // What is pinned must be fit for clients all the same.
        let neither = [("rule", "neither digitalSignature nor keyAgreement")];
        assert_denied(before.identify(&authority), Reason::KeyUsage, &neither);
    }
}

#[test]
fn tokens_that_are_configured_have_to_be_judged() {
    let mut setting = setting(ORDERS);
    let orders = leaf("orders");
    assert!(setting.identify(&orders).is_ok());
    setting.rules.token_configured = true;
    assert_denied(setting.identify(&orders), Reason::TokenMissing, &[]);
}

#[test]
fn whom_revocation_is_asked_about_is_the_path_that_was_trusted() {
    let setting = setting(ORDERS);
    let (orders, path) = path_of("orders");
    let identified = |path: Option<Arc<VerifiedPath>>| {
        let accepted = setting.accept(&orders).unwrap();
        let trusted = trust(accepted, path, &setting.rules, &DenyList::None, at(NOW)).unwrap();
        identify(trusted, &setting.policy, None, &setting.rules).unwrap()
    };
    let found = identified(Some(Arc::clone(&path)));
    assert_eq!(found.path().map(VerifiedPath::leaf), Some(orders.fingerprint()));
    assert_eq!(found.path().map(|path| path.issuers().len()), Some(2));
    assert!(identified(None).path().is_none());
}

#[test]
fn a_certificate_of_no_client_is_nobodys() {
    let setting = setting(ORDERS);
    let (orders, billing) = (leaf("orders"), leaf("billing"));
    assert!(setting.identify(&orders).is_ok());
    assert_denied(setting.identify(&billing), Reason::NoClientMatched, &[]);
}

#[test]
fn what_no_client_was_met_by_comes_with_that_denial_alone() {
    let mut setting = setting(ORDERS);
    let (billing, path) = path_of("billing");
    let denied = |setting: &Setting, path: Option<&Arc<VerifiedPath>>, see: &dyn Fn(&Decision)| {
        let accepted = setting.accept(&billing).unwrap();
        let trusted = trust(accepted, path.cloned(), &setting.rules, &DenyList::None, at(NOW));
        see(&identify(trusted.unwrap(), &setting.policy, None, &setting.rules).unwrap_err());
    };
    denied(&setting, Some(&path), &|decision| {
        let compared = decision.compared().expect("what was compared");
        assert_eq!(compared.certificate.der(), billing.der());
        assert_eq!(compared.issuer_public_key, path.issuer_public_key());
        assert!(compared.issuer_public_key.is_some() && compared.claims.is_none());
    });
    denied(&setting, None, &|decision| {
        let compared = decision.compared().expect("what was compared");
        assert!(compared.issuer_public_key.is_none());
    });
    setting.rules.token_configured = true;
    denied(&setting, Some(&path), &|decision| assert!(decision.compared().is_none()));
}

#[test]
fn revocation_that_is_checked_has_to_come_to_something() {
    let mut evidence = Evidence::default();
    evidence.add("crl", "acme.crl");
    let orders = leaf("orders");
    let statuses = || {
        let [one, two, three] = [(); 3].map(|()| evidence.clone());
        [
            None,
            Some(Status::NotRevoked(one)),
            Some(Status::Revoked(two)),
            Some(Status::Unknown(three)),
        ]
    };
    let table = [
        (UnknownRevocation::NotChecked, [None, None, Some("revoked"), Some("revocation-unknown")]),
        (
            UnknownRevocation::Deny,
            [Some("revocation-unknown"), None, Some("revoked"), Some("revocation-unknown")],
        ),
        (
            UnknownRevocation::DangerouslyAllow,
            [Some("revocation-unknown"), None, Some("revoked"), None],
        ),
    ];
    for (unknown_revocation, expected) in table {
        let mut setting = setting(ORDERS);
        setting.rules.unknown_revocation = unknown_revocation;
        for (status, expected) in statuses().into_iter().zip(expected) {
            let told = format!("{unknown_revocation:?}, {status:?}");
            let passed_over = matches!(status, Some(Status::Unknown(_))) && expected.is_none();
            let carries = !matches!(status, None | Some(Status::NotRevoked(_)));
            let decision = setting.decide(&orders, status);
            let reason = decision.denial().map(|denial| denial.reason.code());
            assert_eq!(reason, expected, "{told}");
            assert_eq!(decision.is_allow(), expected.is_none(), "{told}");
            // Whom it hits, and what it rests on.
            assert_eq!(
                decision.client().map(|client| client.id.as_str()),
                Some("orders"),
                "{told}"
            );
            assert_eq!(decision.certificate().unwrap().der(), orders.der(), "{told}");
            let facts: Vec<_> = decision.evidence().flat_map(Evidence::iter).collect();
            assert_eq!(facts.contains(&("crl", "acme.crl")), carries, "{told}: {facts:?}");
            let note = ("revocation", "unknown, dangerously allowed");
            assert_eq!(facts.contains(&note), passed_over, "{told}: {facts:?}");
        }
    }
}

#[test]
fn only_an_allowed_route_makes_an_allow_and_the_grant_stays_for_the_others() {
    let setting = setting(ORDERS);
    let orders = leaf("orders");
    for (route, allowed) in [("GET/orders/7", true), ("POST/orders/7", false), ("GET/order", false)]
    {
        let identified = setting.identify(&orders).unwrap();
        let current = prove_current(identified, None, Evidence::default(), &setting.rules).unwrap();
        assert_eq!(current.client().id, "orders");
        let mut decision = authorize(current, &arn(route));
        assert_eq!(decision.is_allow(), allowed, "{route}");
        assert_eq!(decision.denial().is_none(), allowed, "{route}");
        let grant = decision.grant().expect("a grant of the client's other routes");
        assert_eq!((grant.client().id.as_str(), grant.token_context()), ("orders", &[][..]));
        assert_eq!(decision.principal(), "CN=orders,O=Acme,C=US");
        // What is found out later takes the grant away.
        decision.deny(Denial::new(Reason::IdentityTooLarge));
        assert!(!decision.is_allow() && decision.grant().is_none());
        assert_eq!(decision.denial().unwrap().reason.code(), "identity-too-large");
        assert_eq!(decision.client().unwrap().id, "orders");
        assert_eq!(decision.principal(), "CN=orders,O=Acme,C=US");
    }
}

#[test]
fn a_decision_without_a_certificate_has_no_identity() {
    let denial = || Denial::new(Reason::NoClientCertificate);
    let decision = Decision::denied(None, denial());
    assert!(!decision.is_allow() && decision.grant().is_none() && decision.client().is_none());
    assert_eq!(decision.principal(), "unidentified");
    let orders = leaf("orders");
    let decision = Decision::denied(Some(&orders), denial());
    assert_eq!(decision.principal(), "CN=orders,O=Acme,C=US");
    assert!(decision.client().is_none());
}

#[test]
fn the_deny_list_is_asked_of_the_certificate_and_of_its_path() {
    let setting = setting(ORDERS);
    let (orders, path) = path_of("orders");
    let hex = |digest: &[u8; 32]| digest.iter().map(|it| format!("{it:02x}")).collect::<String>();
    let listed = |entry: &str| {
        DenyList::Listed(Arc::new(DeniedDigests::parse(format!("{entry}\n").as_bytes()).unwrap()))
    };
    let judge = |list: &DenyList| {
        let accepted = accept(&orders, &setting.rules.certificate, &setting.policy, list, at(NOW))?;
        trust(accepted, Some(path.clone()), &setting.rules, list, at(NOW)).map(|_| ())
    };
    assert!(judge(&DenyList::None).is_ok());
    assert!(judge(&listed(&format!("sha256:{}", "00".repeat(32)))).is_ok());
    for certificate in std::iter::once(&orders).chain(path.issuers().iter().map(|issuer| &**issuer))
    {
        for entry in [
            format!("sha256:{}", hex(certificate.fingerprint())),
            format!("spki-sha256:{}", hex(certificate.public_key_fingerprint())),
        ] {
            let denial = judge(&listed(&entry)).unwrap_err();
            assert_eq!(denial.reason.code(), "deny-listed", "{entry}");
        }
    }
    assert!(judge(&DenyList::Unreadable("gone".to_owned())).is_err());
}
