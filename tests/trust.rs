//! Paths to trust anchors. Every fault is one step away from a path that stands, and OpenSSL is asked for a
//! second opinion on all of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use mtls_authorizer::{
    certificate::Certificate as Parsed,
    der::Oid,
    signature::Strength,
    timestamp::Timestamp,
    trust::{MAX_PRESENTED, PathRules, TrustStore, VerifiedPath},
};
use support::{openssl::openssl_status, pki::*, scratch};

const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const KEY_USAGE: &str = "2.5.29.15";

/// What is trusted, what comes along, and whose path is looked for.
#[derive(Clone, Default)]
struct Chain {
    anchors: Vec<Der>,
    intermediates: Vec<Der>,
    presented: Vec<Der>,
    leaf: Der,
    strength: Strength,
    any_purpose: bool,
}

fn parse(der: &Der) -> Parsed {
    Parsed::parse(der).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

impl Chain {
    fn new(anchors: &[&Der], presented: &[&Der], leaf: Der) -> Self {
        let owned = |ders: &[&Der]| ders.iter().map(|der| (*der).clone()).collect();
        Self { anchors: owned(anchors), presented: owned(presented), leaf, ..Self::default() }
    }

    fn verify_at(&self, now: i64) -> Result<VerifiedPath, String> {
        let accepted = [Oid::parse_dotted(CLIENT_AUTH).unwrap()];
        let rules = PathRules {
            strength: self.strength,
            extended_key_usage: if self.any_purpose { None } else { Some(&accepted) },
        };
        let store =
            TrustStore::new(self.anchors.iter().map(parse), self.intermediates.iter().map(parse));
        let presented: Vec<Parsed> = self.presented.iter().map(parse).collect();
        store.verify(&parse(&self.leaf), &presented, rules, at(now)).map_err(|denial| {
            assert_eq!(denial.reason.code(), "untrusted-chain");
            let (_, why) = denial.evidence.iter().find(|(key, _)| *key == "why").unwrap();
            why.to_owned()
        })
    }

    fn verify(&self) -> Result<VerifiedPath, String> {
        self.verify_at(NOW)
    }

    /// The subjects above the leaf.
    fn path(&self) -> Vec<String> {
        let path = self.verify().unwrap();
        path.issuers().iter().map(|issuer| issuer.subject().ascii().to_owned()).collect()
    }

    #[track_caller]
    fn assert_stands(&self) {
        if let Err(why) = self.verify() {
            panic!("{why}");
        }
    }

    #[track_caller]
    fn assert_refused(&self, because: &str) {
        match self.verify() {
            Ok(_) => panic!("the path stands"),
            Err(why) => assert!(why.contains(because), "{why}"),
        }
    }
}

fn leaf() -> Certificate {
    Certificate::leaf("orders", &Key::ed25519("orders"))
}

fn v1_leaf() -> Certificate {
    Certificate::v1("orders", &Key::ed25519("orders"))
}

/// A root with this certificate.
fn root_with(change: impl FnOnce(Certificate) -> Certificate) -> Authority {
    let root = Authority::root("Acme Root CA");
    let certificate = change(Certificate::ca("Acme Root CA", &root.key, None));
    Authority { certificate: certificate.self_signed(&root.key), ..root }
}

/// An intermediate with this certificate.
fn intermediate_with(
    root: &Authority,
    change: impl FnOnce(Certificate) -> Certificate,
) -> Authority {
    root.intermediate_with(Key::ed25519("Acme Issuing CA"), |key| {
        change(Certificate::ca("Acme Issuing CA", key, None))
    })
}

/// A chain of root, intermediate and leaf, the intermediate presented.
fn chain_with(change: impl FnOnce(Certificate) -> Certificate) -> Chain {
    let root = Authority::root("Acme Root CA");
    let issuing = intermediate_with(&root, change);
    Chain::new(&[&root.certificate], &[&issuing.certificate], issuing.issue(leaf()))
}

/// A chain of a root with this certificate, and a leaf.
fn anchored_with(change: impl FnOnce(Certificate) -> Certificate) -> Chain {
    let root = root_with(change);
    Chain::new(&[&root.certificate], &[], root.issue(leaf()))
}

#[test]
fn path_leads_from_the_leaf_over_its_issuers_to_the_anchor() {
    let root = Authority::root("Acme Root CA");
    let issuing = root.intermediate("Acme Issuing CA");
    let chain = Chain::new(&[&root.certificate], &[&issuing.certificate], issuing.issue(leaf()));
    let path = chain.verify().unwrap();
    assert_eq!(path.leaf(), parse(&chain.leaf).fingerprint());
    assert_eq!(path.issuers()[0].der(), issuing.certificate);
    assert_eq!(path.issuers()[1].der(), root.certificate);
    assert_eq!(path.issuers().len(), 2);
    let issuer = parse(&issuing.certificate);
    assert_eq!(path.issuer_public_key(), Some(issuer.public_key_fingerprint()));
}

#[test]
fn missing_links_are_named() {
    let root = Authority::root("Acme Root CA");
    let policy = root.intermediate("Acme Policy CA");
    let issuing = policy.intermediate("Acme Issuing CA");
    let leaf = issuing.issue(leaf());
    let all = [&policy.certificate, &issuing.certificate];
    Chain::new(&[&root.certificate], &all, leaf.clone()).assert_stands();
    Chain::new(&[&root.certificate], &[], leaf.clone())
        .assert_refused("no trust anchor and no intermediate bears the issuer's name");
    Chain::new(&[&root.certificate], &[&issuing.certificate], leaf.clone()).assert_refused(
        "no trust anchor is named `CN=Acme Policy CA,O=Acme,C=US`, as the issuer of \
         `CN=Acme Issuing CA,O=Acme,C=US` is",
    );
    Chain::new(&[], &all, leaf).assert_refused("no trust anchor is named");
}

#[test]
fn intermediates_may_be_configured_and_come_in_any_order() {
    let root = Authority::root("Acme Root CA");
    let policy = root.intermediate("Acme Policy CA");
    let issuing = policy.intermediate("Acme Issuing CA");
    let expected = [
        "CN=Acme Issuing CA,O=Acme,C=US",
        "CN=Acme Policy CA,O=Acme,C=US",
        "CN=Acme Root CA,O=Acme,C=US",
    ];
    let chain = Chain::new(&[&root.certificate], &[], issuing.issue(leaf()));
    let both = vec![policy.certificate.clone(), issuing.certificate.clone()];
    let configured = Chain { intermediates: both.clone(), ..chain.clone() };
    assert_eq!(configured.path(), expected);
    for presented in [
        both.clone(),
        vec![both[1].clone(), both[0].clone()],
        // Twice, with the root, with strangers.
        vec![both[1].clone(), both[1].clone(), both[0].clone(), root.certificate.clone()],
        vec![Authority::root("Stranger").certificate, both[1].clone(), both[0].clone()],
    ] {
        assert_eq!(Chain { presented, ..chain.clone() }.path(), expected);
    }
}

#[test]
fn intermediate_is_an_anchor_where_it_stands_in_the_bundle() {
    let root = Authority::root("Acme Root CA");
    let issuing = root.intermediate("Acme Issuing CA");
    let chain = Chain::new(&[&issuing.certificate], &[], issuing.issue(leaf()));
    assert_eq!(chain.path(), ["CN=Acme Issuing CA,O=Acme,C=US"]);
}

#[test]
fn impostor_of_an_anchor_is_refused() {
    let root = Authority::root("Acme Root CA");
    let impostor = Authority::root_with("Acme Root CA", Key::ed25519("impostor"));
    Chain::new(&[&root.certificate], &[], root.issue(leaf())).assert_stands();
    let chain = Chain::new(&[&root.certificate], &[], impostor.issue(leaf()));
    chain.assert_refused("a signature does not verify");
    // Presenting its own root does not help, nor an intermediate.
    let chain = Chain::new(&[&root.certificate], &[&impostor.certificate], impostor.issue(leaf()));
    chain.assert_refused("a signature does not verify");
    let issuing = impostor.intermediate("Acme Issuing CA");
    Chain::new(&[&root.certificate], &[&issuing.certificate], issuing.issue(leaf()))
        .assert_refused("a signature does not verify");
}

#[test]
fn of_anchors_with_one_name_the_one_that_signed_is_found() {
    let old = Authority::root_with("Acme Root CA", Key::ed25519("old"));
    let new = Authority::root_with("Acme Root CA", Key::ed25519("new"));
    for signer in [&old, &new] {
        let anchors = [&old.certificate, &new.certificate];
        let path = Chain::new(&anchors, &[], signer.issue(leaf())).verify().unwrap();
        assert_eq!(path.issuers()[0].der(), signer.certificate);
    }
}

#[test]
fn one_among_a_thousand_anchors_is_found() {
    let mut anchors: Vec<Der> =
        (0..999).map(|number| Authority::root(&format!("Root {number}")).certificate).collect();
    let root = Authority::root("Acme Root CA");
    anchors.push(root.certificate.clone());
    let issuing = root.intermediate("Acme Issuing CA");
    let chain = Chain {
        anchors,
        presented: vec![issuing.certificate.clone()],
        leaf: issuing.issue(leaf()),
        ..Chain::default()
    };
    assert_eq!(chain.path().len(), 2);
    let stranger = Authority::root("Stranger").issue(leaf());
    Chain { leaf: stranger, ..chain }.assert_refused("bears the issuer's name");
}

#[test]
fn cross_signed_authority_is_reached_by_the_way_that_stands() {
    let old = Authority::root("Old Root CA");
    let new = Authority::root("New Root CA");
    let key = || Key::ed25519("Acme Issuing CA");
    let ca = |key: &Key| Certificate::ca("Acme Issuing CA", key, None);
    let by_new = new.intermediate_with(key(), ca);
    let by_old =
        old.intermediate_with(key(), |key| Certificate { not_after: time(NOW - 1), ..ca(key) });
    let both = [&by_old.certificate, &by_new.certificate];
    let leaf = by_new.issue(leaf());
    let anchors = [&old.certificate, &new.certificate];
    let chain = Chain::new(&anchors, &both, leaf.clone());
    assert_eq!(chain.path(), ["CN=Acme Issuing CA,O=Acme,C=US", "CN=New Root CA,O=Acme,C=US"]);
    Chain::new(&[&old.certificate], &both, leaf).assert_refused("is in force from");
}

#[test]
fn anchors_are_judged_by_their_validity() {
    let with = |not_before: i64, not_after: i64| {
        anchored_with(|root| Certificate {
            not_before: time(not_before),
            not_after: time(not_after),
            ..root
        })
    };
    with(NOW, NOW).assert_stands();
    with(NOW - 2, NOW - 1).assert_refused(
        "the trust anchor `CN=Acme Root CA,O=Acme,C=US` is in force from 2026-11-21T07:59:58Z to \
         2026-11-21T07:59:59Z only",
    );
    with(NOW + 1, NOW + 2).assert_refused("the trust anchor");
}

#[test]
fn renewed_anchor_serves_when_the_old_one_has_expired() {
    let new = Authority::root("Acme Root CA");
    let old = root_with(|root| Certificate { not_after: time(NOW - 1), ..root });
    let anchors = [&old.certificate, &new.certificate];
    let path = Chain::new(&anchors, &[], new.issue(leaf())).verify().unwrap();
    assert_eq!(path.issuers()[0].der(), new.certificate);
}

#[test]
fn intermediates_are_judged_by_their_validity() {
    let with = |not_before: i64, not_after: i64| {
        chain_with(|issuing| Certificate {
            not_before: time(not_before),
            not_after: time(not_after),
            ..issuing
        })
    };
    with(NOW, NOW).assert_stands();
    with(NOW - 2, NOW - 1).assert_refused("`CN=Acme Issuing CA,O=Acme,C=US` is in force from");
    with(NOW + 1, NOW + 2).assert_refused("`CN=Acme Issuing CA,O=Acme,C=US` is in force from");
}

#[test]
fn validity_of_the_leaf_is_left_to_whoever_knows_the_tolerance() {
    let root = Authority::root("Acme Root CA");
    let expired = Certificate { not_after: time(NOW - 60), ..leaf() };
    Chain::new(&[&root.certificate], &[], root.issue(expired)).assert_stands();
    let to_come = Certificate { not_before: time(NOW + 60), ..leaf() };
    Chain::new(&[&root.certificate], &[], root.issue(to_come)).assert_stands();
    // Tolerance for the leaf is none for its issuers.
    let issuing = intermediate_with(&root, |it| Certificate { not_after: time(NOW - 30), ..it });
    let expired = Certificate { not_after: time(NOW - 60), ..leaf() };
    Chain::new(&[&root.certificate], &[&issuing.certificate], issuing.issue(expired))
        .assert_refused("is in force from");
}

#[test]
fn unknown_critical_extensions_are_refused_wherever_they_are() {
    let unknown = || critical("1.2.3.4", &null());
    let harmless = || extension("1.2.3.4", &null());
    anchored_with(|root| root.with(harmless())).assert_stands();
    anchored_with(|root| root.with(unknown())).assert_refused("`1.2.3.4`");
    chain_with(|issuing| issuing.with(harmless())).assert_stands();
    chain_with(|issuing| issuing.with(unknown())).assert_refused("critical extension");
    let root = Authority::root("Acme Root CA");
    let of = |leaf: Certificate| Chain::new(&[&root.certificate], &[], root.issue(leaf));
    of(leaf().with(harmless())).assert_stands();
    of(leaf().with(unknown())).assert_refused("critical extension");
}

#[test]
fn issuers_have_names() {
    let nameless_root = root_with(|root| Certificate { subject: empty_name(), ..root });
    let root = Authority::root("Acme Root CA");
    let nameless_issuing =
        intermediate_with(&root, |issuing| Certificate { subject: empty_name(), ..issuing });
    for (issuer, above) in [(&nameless_root, &[][..]), (&nameless_issuing, &[&root.certificate])] {
        let issued =
            Certificate { issuer: Some(empty_name()), ..leaf() }.signed_by(&[], &issuer.key);
        let anchors = if above.is_empty() { &[&issuer.certificate][..] } else { above };
        Chain::new(anchors, &[&issuer.certificate], issued).assert_refused("names no issuer");
    }
    // One that is between others.
    let issuing = Certificate::ca("Acme Issuing CA", &Key::ed25519("Acme Issuing CA"), None);
    let below = Certificate { issuer: Some(empty_name()), ..issuing };
    let issuing = Authority {
        certificate: below.signed_by(&[], &nameless_root.key),
        ..intermediate_with(&root, |it| it)
    };
    Chain::new(&[&nameless_root.certificate], &[&issuing.certificate], issuing.issue(leaf()))
        .assert_refused("names no issuer");
}

#[test]
fn only_authorities_issue() {
    let without = |issuing: Certificate| issuing.without(BASIC_CONSTRAINTS);
    chain_with(|issuing| without(issuing).with(ca(None))).assert_stands();
    chain_with(without).assert_refused("no certification authority");
    chain_with(|issuing| without(issuing).with(not_ca()))
        .assert_refused("no certification authority");
    anchored_with(|root| without(root).with(ca(None))).assert_stands();
    anchored_with(without).assert_refused("no certification authority");
    anchored_with(|root| without(root).with(not_ca())).assert_refused("no certification authority");
    // A client's certificate in the bundle is an anchor for itself alone.
    let root = Authority::root("Acme Root CA");
    let client =
        root.intermediate_with(Key::ed25519("orders"), |key| Certificate::leaf("orders", key));
    let other = Certificate::leaf("billing", &Key::ed25519("billing"));
    Chain::new(&[&client.certificate], &[], client.certificate.clone()).assert_stands();
    Chain::new(&[&client.certificate], &[], client.issue(other))
        .assert_refused("no certification authority");
}

#[test]
fn issuers_may_sign_certificates() {
    let with = |certificate: Certificate, bits: &[usize]| {
        certificate.without(KEY_USAGE).with(key_usage(bits))
    };
    let refused = "has a key usage without keyCertSign";
    chain_with(|issuing| with(issuing, &[KEY_CERT_SIGN])).assert_stands();
    chain_with(|issuing| issuing.without(KEY_USAGE)).assert_stands();
    chain_with(|issuing| with(issuing, &[CRL_SIGN, DIGITAL_SIGNATURE])).assert_refused(refused);
    anchored_with(|root| with(root, &[KEY_CERT_SIGN])).assert_stands();
    anchored_with(|root| root.without(KEY_USAGE)).assert_stands();
    anchored_with(|root| with(root, &[CRL_SIGN])).assert_refused(refused);
}

#[test]
fn path_lengths_are_kept() {
    let below = |root: &Authority, limit: Option<u64>| {
        let policy = root.intermediate_with(Key::ed25519("Acme Policy CA"), |key| {
            Certificate::ca("Acme Policy CA", key, limit)
        });
        let issuing = policy.intermediate("Acme Issuing CA");
        Chain::new(
            &[&root.certificate],
            &[&policy.certificate, &issuing.certificate],
            issuing.issue(leaf()),
        )
    };
    let root_of = |limit: Option<u64>| {
        let root = Authority::root("Acme Root CA");
        let certificate = Certificate::ca("Acme Root CA", &root.key, limit);
        Authority { certificate: certificate.self_signed(&root.key), ..root }
    };
    below(&root_of(None), Some(1)).assert_stands();
    below(&root_of(None), Some(0)).assert_refused("path length");
    below(&root_of(Some(2)), None).assert_stands();
    below(&root_of(Some(1)), None)
        .assert_refused("longer than the path length of the trust anchor `CN=Acme Root CA");
    let root = root_of(Some(0));
    Chain::new(&[&root.certificate], &[], root.issue(leaf())).assert_stands();
}

#[test]
fn self_issued_certificates_do_not_count_towards_an_anchors_path_length() {
    let root = Authority::root("Acme Root CA");
    let limited = Certificate::ca("Acme Root CA", &root.key, Some(0)).self_signed(&root.key);
    let new_key = root.intermediate_with(Key::ed25519("new key"), |key| {
        Certificate::ca("Acme Root CA", key, None)
    });
    let chain = Chain::new(&[&limited], &[&new_key.certificate], new_key.issue(leaf()));
    chain.assert_stands();
    let other_name = root.intermediate("Acme Issuing CA");
    Chain::new(&[&limited], &[&other_name.certificate], other_name.issue(leaf()))
        .assert_refused("path length");
}

#[test]
fn of_two_certificates_of_one_anchor_the_one_that_admits_the_path_counts() {
    let root = Authority::root("Acme Root CA");
    let limited = Certificate::ca("Acme Root CA", &root.key, Some(0)).self_signed(&root.key);
    let issuing = root.intermediate("Acme Issuing CA");
    let leaf = issuing.issue(leaf());
    let presented = [&issuing.certificate];
    Chain::new(&[&limited], &presented, leaf.clone()).assert_refused("path length");
    Chain::new(&[&limited, &root.certificate], &presented, leaf).assert_stands();
}

#[test]
fn issuers_that_name_purposes_name_an_accepted_one() {
    let with = |purposes: &[&str]| chain_with(|it| it.with(extended_key_usage(purposes)));
    let refused = "for other purposes only";
    with(&[CLIENT_AUTH]).assert_stands();
    with(&[SERVER_AUTH, CLIENT_AUTH]).assert_stands();
    with(&[ANY_EXTENDED_KEY_USAGE]).assert_stands();
    with(&[SERVER_AUTH]).assert_refused(refused);
    Chain { any_purpose: true, ..with(&[SERVER_AUTH]) }.assert_stands();
    let with = |purposes: &[&str]| anchored_with(|it| it.with(extended_key_usage(purposes)));
    with(&[CLIENT_AUTH]).assert_stands();
    with(&[SERVER_AUTH]).assert_refused(refused);
    Chain { any_purpose: true, ..with(&[SERVER_AUTH]) }.assert_stands();
}

#[test]
fn purposes_of_the_leaf_are_left_to_the_configuration() {
    let root = Authority::root("Acme Root CA");
    let leaf = leaf().without("2.5.29.37").with(extended_key_usage(&[SERVER_AUTH]));
    Chain::new(&[&root.certificate], &[], root.issue(leaf)).assert_stands();
}

#[test]
fn names_stay_within_the_constraints_of_issuers() {
    let dns_of =
        |host: &str| leaf().without("2.5.29.17").with(subject_alt_name(&[dns(host.as_bytes())]));
    let constrained = || name_constraints(&[dns(b"acme.example")], &[dns(b"bad.acme.example")]);
    let root = Authority::root("Acme Root CA");
    let issuing = intermediate_with(&root, |it| it.with(constrained()));
    let below =
        |leaf| Chain::new(&[&root.certificate], &[&issuing.certificate], issuing.issue(leaf));
    let refused = "outside an issuer's name constraints";
    below(dns_of("orders.acme.example")).assert_stands();
    below(dns_of("orders.other.example")).assert_refused(refused);
    below(dns_of("orders.bad.acme.example")).assert_refused(refused);
    let root = root_with(|it| it.with(constrained()));
    let below = |leaf| Chain::new(&[&root.certificate], &[], root.issue(leaf));
    below(dns_of("orders.acme.example")).assert_stands();
    below(dns_of("orders.other.example")).assert_refused(refused);
    // What the constraints can't be applied to is refused.
    below(v1_leaf()).assert_refused("has name constraints");
}

#[test]
fn email_addresses_in_subjects_are_constrained_too() {
    let address = attribute("emailAddress", "ops@other.example");
    let with_address = sequence(&[rdn(&[address]), rdn(&[attribute("CN", "orders")])]);
    let leaf_with_address =
        || Certificate { subject: with_address.clone(), ..leaf() }.without("2.5.29.17");
    let root = Authority::root("Acme Root CA");
    let below = |constraint: Der, leaf: Certificate| {
        let issuing = intermediate_with(&root, |it| it.with(name_constraints(&[constraint], &[])));
        let chain =
            Chain::new(&[&root.certificate], &[&issuing.certificate], issuing.issue(leaf.clone()));
        let anchored = Chain::new(&[&issuing.certificate], &[], issuing.issue(leaf));
        assert_eq!(chain.verify().err(), anchored.verify().err());
        chain
    };
    below(email(b"acme.example"), leaf_with_address())
        .assert_refused("holds an e-mail address, and an issuer constrains those");
    below(email(b"acme.example"), leaf().without("2.5.29.17")).assert_stands();
    below(dns(b"acme.example"), leaf_with_address()).assert_stands();
}

/// RFC 9598, section 6. No condition speaks of such a name, but the path does not stand.
#[test]
fn email_addresses_beyond_ascii_are_constrained_too() {
    const SMTP_UTF8_MAILBOX: &str = "1.3.6.1.5.5.7.8.9";
    const USER_PRINCIPAL_NAME: &str = "1.3.6.1.4.1.311.20.2.3";
    let named = |kind: &str| {
        let address = other_name(kind, &utf8_string("ops\u{e9}@other.example"));
        leaf().without("2.5.29.17").with(subject_alt_name(&[address]))
    };
    let root = Authority::root("Acme Root CA");
    let below = |constraint: Der, leaf: Certificate| {
        let issuing = intermediate_with(&root, |it| it.with(name_constraints(&[constraint], &[])));
        Chain::new(&[&root.certificate], &[&issuing.certificate], issuing.issue(leaf))
    };
    below(email(b"acme.example"), named(SMTP_UTF8_MAILBOX))
        .assert_refused("holds an e-mail address, and an issuer constrains those");
    below(email(b"acme.example"), named(USER_PRINCIPAL_NAME)).assert_stands();
    below(dns(b"acme.example"), named(SMTP_UTF8_MAILBOX)).assert_stands();
}

/// DER leaves a default out; some authorities write it, and every peer takes it for what it says.
#[test]
fn a_false_that_is_spelt_out_is_false() {
    let spelt_out =
        |dotted: &str, value: &[u8]| sequence(&[oid(dotted), boolean(false), octet_string(value)]);
    let no_authority = spelt_out(BASIC_CONSTRAINTS, &sequence(&[boolean(false)]));
    let authority = spelt_out(BASIC_CONSTRAINTS, &sequence(&[boolean(true)]));
    let root = Authority::root("Acme Root CA");
    let issuing = root.intermediate_with(Key::ed25519("Acme Issuing CA"), |key| {
        Certificate::ca("Acme Issuing CA", key, None)
            .without(BASIC_CONSTRAINTS)
            .with(authority.clone())
    });
    let leaf = leaf().without(BASIC_CONSTRAINTS).with(no_authority.clone());
    let unknown = leaf.clone().with(spelt_out("1.2.3.4", &null()));
    let presented = [&issuing.certificate];
    for leaf in [leaf, unknown] {
        Chain::new(&[&root.certificate], &presented, issuing.issue(leaf)).assert_stands();
    }
    // And it is no true.
    let issuing = root.intermediate_with(Key::ed25519("Acme Issuing CA"), |key| {
        Certificate::ca("Acme Issuing CA", key, None).without(BASIC_CONSTRAINTS).with(no_authority)
    });
    let chain =
        Chain::new(&[&root.certificate], &[&issuing.certificate], issuing.issue(self::leaf()));
    assert!(chain.verify().is_err());
}

#[test]
fn keys_below_the_anchor_are_strong_enough() {
    let root = Authority::root("Acme Root CA");
    let issuing = root
        .intermediate_with(Key::rsa_1024(), |key| Certificate::ca("Acme Issuing CA", key, None));
    let chain = Chain::new(&[&root.certificate], &[&issuing.certificate], issuing.issue(leaf()));
    chain.assert_refused(
        "`CN=Acme Issuing CA,O=Acme,C=US` is weak: RSA keys have at least 2048 bits",
    );
    let short = Strength { min_rsa_bits: 1024, ..Strength::default() };
    Chain { strength: short, ..chain }.assert_stands();
    let issuing = root
        .intermediate_with(Key::rsa_2048(), |key| Certificate::ca("Acme Issuing CA", key, None));
    let chain = Chain::new(&[&root.certificate], &[&issuing.certificate], issuing.issue(leaf()));
    chain.assert_stands();
    let long = Strength { min_rsa_bits: 2049, ..Strength::default() };
    Chain { strength: long, ..chain }.assert_refused("is weak");
    // The anchor's own key is trusted as it is.
    let root = Authority::root_with("Acme Root CA", Key::rsa_1024());
    for leaf in [leaf(), v1_leaf()] {
        Chain::new(&[&root.certificate], &[], root.issue(leaf)).assert_stands();
    }
}

#[test]
fn signatures_below_the_anchor_are_strong_enough() {
    let sha1 = || Key::rsa_2048().with_scheme(Scheme::RsaPkcs1(Hash::Sha1));
    let root = Authority::root_with("Acme Root CA", sha1());
    let issuing = root.intermediate("Acme Issuing CA");
    let presented = [&issuing.certificate];
    let allowed = Strength { allow_sha1: true, ..Strength::default() };
    for chain in [
        Chain::new(&[&root.certificate], &presented, issuing.issue(leaf())),
        Chain::new(&[&root.certificate], &[], root.issue(leaf())),
        Chain::new(&[&root.certificate], &[], root.issue(v1_leaf())),
    ] {
        assert!(chain.verify().is_err());
        Chain { strength: allowed, ..chain }.assert_stands();
    }
    // The anchor's signature on itself proves nothing and is not looked at.
    let strong = Authority { key: Key::rsa_2048(), ..root };
    Chain::new(&[&strong.certificate], &[], strong.issue(leaf())).assert_stands();
}

#[test]
fn every_accepted_algorithm_verifies() {
    let rsa = |scheme| Key::rsa_2048().with_scheme(scheme);
    for key in [
        Key::ed25519("Acme Root CA"),
        Key::p256(),
        Key::p384(),
        rsa(Scheme::RsaPkcs1(Hash::Sha256)),
        rsa(Scheme::RsaPkcs1(Hash::Sha384)),
        rsa(Scheme::RsaPkcs1(Hash::Sha512)),
        rsa(Scheme::RsaPss(Hash::Sha256)),
        rsa(Scheme::RsaPss(Hash::Sha384)),
        rsa(Scheme::RsaPss(Hash::Sha512)),
    ] {
        let kind = format!("{key:?}");
        let root = Authority::root_with("Acme Root CA", key);
        for leaf in [leaf(), v1_leaf()] {
            let mut der = root.issue(leaf);
            let chain = Chain::new(&[&root.certificate], &[], der.clone());
            assert!(chain.verify().is_ok(), "{kind}");
            // The last byte is the signature's.
            *der.last_mut().unwrap() ^= 1;
            let chain = Chain::new(&[&root.certificate], &[], der);
            assert!(chain.verify().is_err(), "{kind}");
        }
    }
}

#[test]
fn version_1_leaf_must_be_issued_by_an_anchor_directly() {
    let root = Authority::root("Acme Root CA");
    let issuing = root.intermediate("Acme Issuing CA");
    let chain = Chain::new(&[&root.certificate], &[], root.issue(v1_leaf()));
    assert_eq!(chain.path(), ["CN=Acme Root CA,O=Acme,C=US"]);
    let by_issuing = issuing.issue(v1_leaf());
    Chain::new(&[&root.certificate], &[&issuing.certificate], by_issuing.clone())
        .assert_refused("no trust anchor is named `CN=Acme Issuing CA");
    Chain::new(&[&issuing.certificate], &[], by_issuing).assert_stands();
    let impostor = Authority::root_with("Acme Root CA", Key::ed25519("impostor"));
    Chain::new(&[&root.certificate], &[], impostor.issue(v1_leaf()))
        .assert_refused("does not verify");
    let expired = root_with(|root| Certificate { not_after: time(NOW - 1), ..root });
    Chain::new(&[&expired.certificate], &[], expired.issue(v1_leaf()))
        .assert_refused("is in force from");
    let no_authority = root_with(|root| root.without(BASIC_CONSTRAINTS));
    Chain::new(&[&no_authority.certificate], &[], no_authority.issue(v1_leaf()))
        .assert_refused("no certification authority");
}

#[test]
fn version_1_anchor_issues() {
    let root = Authority::root("Acme Root CA");
    let v1 = Certificate::v1("Acme Root CA", &root.key).self_signed(&root.key);
    let issuing = root.intermediate("Acme Issuing CA");
    Chain::new(&[&v1], &[], root.issue(leaf())).assert_stands();
    Chain::new(&[&v1], &[], root.issue(v1_leaf())).assert_stands();
    Chain::new(&[&v1], &[&issuing.certificate], issuing.issue(leaf())).assert_stands();
    let expired =
        Certificate { not_after: time(NOW - 1), ..Certificate::v1("Acme Root CA", &root.key) };
    Chain::new(&[&expired.self_signed(&root.key)], &[], root.issue(leaf()))
        .assert_refused("is in force from");
}

#[test]
fn version_1_intermediate_does_not_issue() {
    let root = Authority::root("Acme Root CA");
    let v1 = root.intermediate_with(Key::ed25519("Acme Issuing CA"), |key| {
        Certificate::v1("Acme Issuing CA", key)
    });
    Chain::new(&[&root.certificate], &[&v1.certificate], v1.issue(leaf()))
        .assert_refused("not of version 3");
}

#[test]
fn certificate_that_is_an_anchor_is_its_own_path() {
    let key = Key::ed25519("orders");
    let other = Authority::root("Other CA");
    for certificate in [
        leaf().self_signed(&key),
        v1_leaf().self_signed(&key),
        // What `openssl req -x509` makes.
        Certificate::ca("orders", &key, None).self_signed(&key),
        // Issued by somebody who is not trusted.
        other.issue(leaf()),
    ] {
        let path = Chain::new(&[&certificate], &[], certificate.clone()).verify().unwrap();
        assert!(path.issuers().is_empty());
        assert_eq!(path.issuer_public_key(), None);
        assert_eq!(path.leaf(), parse(&certificate).fingerprint());
        // Presenting oneself is not enough.
        let presented = Chain::new(&[&other.certificate], &[&certificate], certificate.clone());
        assert_eq!(presented.verify().is_ok(), parse(&certificate).issuer().der() == other.name);
    }
}

#[test]
fn anchor_that_an_anchor_issued_has_that_issuer() {
    let root = Authority::root("Acme Root CA");
    let client = root.issue(leaf());
    let chain = Chain::new(&[&client, &root.certificate], &[], client.clone());
    assert_eq!(chain.path(), ["CN=Acme Root CA,O=Acme,C=US"]);
}

#[test]
fn authoritys_own_certificate_is_verified_where_an_anchor_issued_it() {
    let root = Authority::root("Acme Root CA");
    let issuing = root.intermediate("Acme Issuing CA");
    let chain = Chain::new(&[&root.certificate], &[], issuing.certificate.clone());
    assert_eq!(chain.path(), ["CN=Acme Root CA,O=Acme,C=US"]);
    let below = issuing.intermediate("Acme Sub CA");
    Chain::new(&[&root.certificate], &[&issuing.certificate], below.certificate)
        .assert_refused("no trust anchor is named");
}

#[test]
fn names_of_issuers_are_compared_byte_by_byte() {
    let root = Authority::root("Acme Root CA");
    let printable = Authority {
        name: sequence(&[
            rdn(&[attribute_of("C", &printable_string("US"))]),
            rdn(&[attribute_of("O", &printable_string("Acme"))]),
            rdn(&[attribute_of("CN", &printable_string("Acme Root CA"))]),
        ]),
        ..Authority::root("Acme Root CA")
    };
    Chain::new(&[&root.certificate], &[], root.issue(leaf())).assert_stands();
    Chain::new(&[&root.certificate], &[], printable.issue(leaf()))
        .assert_refused("bears the issuer's name");
}

#[test]
fn too_many_certificates_are_refused() {
    let root = Authority::root("Acme Root CA");
    let issuing = root.intermediate("Acme Issuing CA");
    let chain = |count: usize| Chain {
        presented: vec![issuing.certificate.clone(); count],
        ..Chain::new(&[&root.certificate], &[], issuing.issue(leaf()))
    };
    chain(MAX_PRESENTED).assert_stands();
    chain(MAX_PRESENTED + 1).assert_refused("more than 8 certificates beside the leaf");
}

#[test]
fn too_deep_paths_are_refused() {
    let root = Authority::root("Acme Root CA");
    let mut issuing = vec![];
    let chain = |depth: usize, issuing: &mut Vec<Authority>| {
        issuing.clear();
        for level in 0..depth {
            let above = issuing.last().unwrap_or(&root);
            let next = above.intermediate(&format!("Acme Level {level} CA"));
            issuing.push(next);
        }
        Chain {
            presented: issuing.iter().map(|it| it.certificate.clone()).collect(),
            ..Chain::new(&[&root.certificate], &[], issuing.last().unwrap().issue(leaf()))
        }
    };
    chain(6, &mut issuing).assert_stands();
    chain(7, &mut issuing).assert_refused("too long");
}

/// Eight authorities that all could have issued each other, and none of which leads to an anchor: the search
/// must end. That it ends soon is for the benchmarks to say.
#[test]
fn maze_of_authorities_of_one_name_comes_to_an_end() {
    let root = Authority::root("Acme Root CA");
    let impostors: Vec<Authority> = (0..MAX_PRESENTED)
        .map(|number| Authority::root_with("Acme Root CA", Key::ed25519(&format!("{number}"))))
        .collect();
    let chain = Chain {
        presented: impostors.iter().map(|it| it.certificate.clone()).collect(),
        ..Chain::new(&[&root.certificate], &[], impostors[0].issue(leaf()))
    };
    let _ = chain.verify().unwrap_err();
}

/// Chains that stand and their twins, judged by `openssl verify` too.
#[test]
fn openssl_agrees() {
    let root = Authority::root("Acme Root CA");
    let issuing = root.intermediate("Acme Issuing CA");
    let impostor = Authority::root_with("Acme Root CA", Key::ed25519("impostor"));
    let v1_issuing = root.intermediate_with(Key::ed25519("Acme Issuing CA"), |key| {
        Certificate::v1("Acme Issuing CA", key)
    });
    let below_root = |presented: &[&Der], leaf| Chain::new(&[&root.certificate], presented, leaf);
    let stand = [
        ("leaf of the anchor", below_root(&[], root.issue(leaf()))),
        ("version 1 leaf of the anchor", below_root(&[], root.issue(v1_leaf()))),
        ("intermediate", chain_with(|it| it)),
        ("intermediate for clients", chain_with(|it| it.with(extended_key_usage(&[CLIENT_AUTH])))),
        (
            "intermediate that is the anchor",
            Chain::new(&[&issuing.certificate], &[], issuing.issue(leaf())),
        ),
    ];
    for (name, chain) in stand {
        assert!(chain.verify().is_ok(), "{name}: {:?}", chain.verify().err());
        let Some((stands, output)) = openssl_verifies(&chain) else { return };
        assert!(stands, "{name}: {output}");
    }

    let fall = [
        ("leaf of an impostor", below_root(&[], impostor.issue(leaf()))),
        ("version 1 leaf of an impostor", below_root(&[], impostor.issue(v1_leaf()))),
        ("intermediate is missing", below_root(&[], issuing.issue(leaf()))),
        (
            "version 1 intermediate",
            below_root(&[&v1_issuing.certificate], v1_issuing.issue(leaf())),
        ),
    ];
    type Fault = fn(Certificate) -> Certificate;
    let faults: [(&str, Fault); 6] = [
        ("expired", |it| Certificate { not_after: time(NOW - 1), ..it }),
        ("no authority", |it| it.without(BASIC_CONSTRAINTS).with(not_ca())),
        ("no keyCertSign", |it| it.without(KEY_USAGE).with(key_usage(&[CRL_SIGN]))),
        ("unknown critical extension", |it| it.with(critical("1.2.3.4", &null()))),
        ("for servers", |it| it.with(extended_key_usage(&[SERVER_AUTH]))),
        ("constrained names", |it| it.with(name_constraints(&[dns(b"other.example")], &[]))),
    ];
    let faults = faults
        .into_iter()
        .flat_map(|(name, fault)| [(name, chain_with(fault)), (name, anchored_with(fault))]);
    for (name, chain) in fall.into_iter().chain(faults) {
        assert!(chain.verify().is_err(), "{name}");
        let Some((stands, output)) = openssl_verifies(&chain) else { return };
        assert!(!stands, "{name}: {output}");
    }

    // The one case here where they differ: OpenSSL reads anyExtendedKeyUsage of an authority as no purpose.
    let any = chain_with(|it| it.with(extended_key_usage(&[ANY_EXTENDED_KEY_USAGE])));
    any.assert_stands();
    assert!(!openssl_verifies(&any).unwrap().0);
}

/// Whether `openssl verify` lets the chain's leaf pass for a client, and what it says; `None` without OpenSSL.
fn openssl_verifies(chain: &Chain) -> Option<(bool, String)> {
    const TEST: &str = "openssl_agrees";
    let scratch = scratch(TEST);
    let bundle =
        |ders: &[Der]| -> String { ders.iter().map(|it| pem("CERTIFICATE", it)).collect() };
    let anchors = scratch.write("anchors.pem", bundle(&chain.anchors));
    let presented = scratch.write("presented.pem", bundle(&chain.presented));
    let leaf = scratch.write("leaf.pem", pem("CERTIFICATE", &chain.leaf));
    let now = NOW.to_string();
    let mut arguments = vec!["verify", "-attime", &now, "-purpose", "sslclient", "-partial_chain"];
    arguments.extend(["-no-CAfile", "-no-CApath", "-trusted", &anchors]);
    if !chain.presented.is_empty() {
        arguments.extend(["-untrusted", &presented]);
    }
    arguments.push(&leaf);
    openssl_status(TEST, &arguments)
}
