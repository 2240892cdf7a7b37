//! Certificate policies along a path (RFC 5280, section 6.1), where no extension on them is critical: each rule with a
//! chain that it lets stand and its twin that it does not, and OpenSSL's opinion on some hundred chains. NIST's suite
//! (`tests/pkits.rs`) has more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use mtls_authorizer::{
    certificate::Certificate as Parsed,
    signature::Strength,
    timestamp::Timestamp,
    trust::{PathRules, TrustStore},
};
use support::{openssl::openssl_status, pki::*, scratch};

const GOLD: &str = "1.2.3.1";
const SILVER: &str = "1.2.3.2";
const ANY: &str = "2.5.29.32.0";

/// The extensions on policies of one certificate.
#[derive(Clone, Debug, Default)]
struct Policies {
    policies: Vec<&'static str>,
    mappings: Vec<(&'static str, &'static str)>,
    require_explicit: Option<u64>,
    inhibit_mapping: Option<u64>,
    inhibit_any: Option<u64>,
}

impl Policies {
    fn of(policies: &[&'static str]) -> Self {
        Self { policies: policies.to_vec(), ..Self::default() }
    }

    fn requiring(self, skip: u64) -> Self {
        Self { require_explicit: Some(skip), ..self }
    }

    fn mapping(mut self, issuers: &'static str, subjects: &'static str) -> Self {
        self.mappings.push((issuers, subjects));
        self
    }

    fn inhibiting_mapping(self, skip: u64) -> Self {
        Self { inhibit_mapping: Some(skip), ..self }
    }

    fn inhibiting_any(self, skip: u64) -> Self {
        Self { inhibit_any: Some(skip), ..self }
    }

    fn add_to(&self, mut certificate: Certificate) -> Certificate {
        if !self.policies.is_empty() {
            certificate = certificate.with(certificate_policies(&self.policies));
        }
        if !self.mappings.is_empty() {
            let mapping = |(from, to): &(&str, &str)| sequence(&[oid(from), oid(to)]);
            let mappings: Vec<Der> = self.mappings.iter().map(mapping).collect();
            certificate = certificate.with(extension("2.5.29.33", &sequence(&mappings)));
        }
        let skip = |number: u8, skip: Option<u64>| {
            skip.map(|skip| implicit(number, &unsigned(&skip.to_be_bytes())[2..]))
                .unwrap_or_default()
        };
        if self.require_explicit.or(self.inhibit_mapping).is_some() {
            let fields = [skip(0, self.require_explicit), skip(1, self.inhibit_mapping)];
            certificate = certificate.with(extension("2.5.29.36", &sequence(&fields)));
        }
        if let Some(skip) = self.inhibit_any {
            certificate = certificate.with(extension("2.5.29.54", &number(skip)));
        }
        certificate
    }
}

/// A root without policies, authorities one below the other, and a client's certificate.
struct Chain {
    root: Der,
    authorities: Vec<Der>,
    leaf: Der,
}

impl Chain {
    fn new(authorities: &[&Policies], leaf: &Policies) -> Self {
        let named = |index: usize| format!("Acme CA {index}");
        let names: Vec<String> = (0..authorities.len()).map(named).collect();
        Self::of_names(
            &names.iter().map(String::as_str).zip(authorities.iter().copied()).collect::<Vec<_>>(),
            leaf,
        )
    }

    fn of_names(authorities: &[(&str, &Policies)], leaf: &Policies) -> Self {
        let root = Authority::root("Acme Root CA");
        let mut chain = Self { root: root.certificate.clone(), authorities: vec![], leaf: vec![] };
        let mut above = root;
        for (index, (name, policies)) in authorities.iter().enumerate() {
            // Which of two authorities of one name to try; OpenSSL tries no other.
            let issuer = authority_key_id(&above.key.id());
            above = above.intermediate_with(Key::ed25519(&format!("key {index}")), |key| {
                policies.add_to(Certificate::ca(name, key, None).with(issuer))
            });
            chain.authorities.push(above.certificate.clone());
        }
        let client = Certificate::leaf("orders", &Key::ed25519("orders"))
            .with(authority_key_id(&above.key.id()));
        chain.leaf = above.issue(leaf.add_to(client));
        chain
    }

    fn verify(&self) -> Result<(), String> {
        let parse = |der: &Der| Parsed::parse(der).unwrap();
        let store = TrustStore::new([parse(&self.root)], self.authorities.iter().map(parse));
        let rules = PathRules { strength: Strength::default(), extended_key_usage: None };
        let now = Timestamp::from_unix_seconds(NOW);
        store.verify(&parse(&self.leaf), &[], rules, now).map(drop).map_err(|denial| {
            assert_eq!(denial.reason.code(), "untrusted-chain");
            denial.evidence.iter().find(|(key, _)| *key == "why").unwrap().1.to_owned()
        })
    }

    #[track_caller]
    fn assert_stands(&self) {
        self.verify().unwrap();
    }

    #[track_caller]
    fn assert_refused(&self, why: &str) {
        let refused = self.verify().unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}

const NONE_HOLDS: &str = "no certificate policy holds";

#[test]
fn any_policy_will_do_and_none_until_an_authority_demands_one() {
    let none = Policies::default();
    let gold = Policies::of(&[GOLD]);
    let demanding = gold.clone().requiring(0);
    Chain::new(&[&none], &none).assert_stands();
    Chain::new(&[&gold], &Policies::of(&[SILVER])).assert_stands();
    Chain::new(&[&demanding], &gold).assert_stands();
    Chain::new(&[&demanding], &Policies::of(&[SILVER, GOLD])).assert_stands();
    Chain::new(&[&demanding], &Policies::of(&[ANY])).assert_stands();
    Chain::new(&[&demanding], &none).assert_refused(NONE_HOLDS);
    Chain::new(&[&demanding], &Policies::of(&[SILVER])).assert_refused(NONE_HOLDS);
    // The policy has to hold for every certificate below the anchor.
    Chain::new(&[&gold, &demanding], &gold).assert_stands();
    Chain::new(&[&none, &demanding], &gold).assert_refused(NONE_HOLDS);
    Chain::new(&[&Policies::of(&[SILVER]), &demanding], &gold).assert_refused(NONE_HOLDS);
}

#[test]
fn a_demand_may_wait_for_some_certificates() {
    let none = Policies::default();
    let demanding = |skip| Policies::of(&[GOLD]).requiring(skip);
    for skip in [3, 4, 255, 256, u64::MAX] {
        Chain::new(&[&demanding(skip), &none], &none).assert_stands();
    }
    for skip in [0, 1, 2] {
        Chain::new(&[&demanding(skip), &none], &none).assert_refused(NONE_HOLDS);
    }
    // A later authority may hasten it and not put it off.
    Chain::new(&[&demanding(5), &demanding(0)], &none).assert_refused(NONE_HOLDS);
    Chain::new(&[&demanding(0), &demanding(5)], &none).assert_refused(NONE_HOLDS);
    // Certificates that bear their issuer's name do not count.
    let names = [("Acme CA", &demanding(3)), ("Acme CA", &none), ("Acme CA B", &none)];
    Chain::of_names(&names, &none).assert_stands();
    let names = [("Acme CA", &demanding(3)), ("Acme CA A", &none), ("Acme CA B", &none)];
    Chain::of_names(&names, &none).assert_refused(NONE_HOLDS);
    // Nor does the client's own, which may demand one itself.
    Chain::new(&[&Policies::of(&[GOLD])], &Policies::of(&[GOLD]).requiring(0)).assert_stands();
    Chain::new(&[&Policies::of(&[GOLD])], &Policies::of(&[SILVER]).requiring(0))
        .assert_refused("for the whole path");
    Chain::new(&[&Policies::of(&[GOLD])], &Policies::of(&[SILVER]).requiring(1)).assert_stands();
}

#[test]
fn one_policy_stands_for_another_where_an_authority_says_so() {
    let demanding = Policies::of(&[GOLD]).requiring(0);
    let (gold, silver) = (Policies::of(&[GOLD]), Policies::of(&[SILVER]));
    Chain::new(&[&demanding.clone().mapping(GOLD, SILVER)], &silver).assert_stands();
    Chain::new(&[&demanding.clone().mapping(GOLD, SILVER)], &gold).assert_refused(NONE_HOLDS);
    let both = demanding.clone().mapping(GOLD, SILVER).mapping(GOLD, GOLD);
    Chain::new(&[&both], &silver).assert_stands();
    Chain::new(&[&both], &gold).assert_stands();
    // A mapping of what is not held maps nothing, but for anyPolicy, which is everything.
    Chain::new(&[&demanding.clone().mapping(SILVER, GOLD)], &silver).assert_refused(NONE_HOLDS);
    let any = Policies::of(&[ANY]).requiring(0);
    Chain::new(&[&any.clone().mapping(GOLD, SILVER)], &silver).assert_stands();
    for (from, to) in [(ANY, GOLD), (GOLD, ANY)] {
        Chain::new(&[&any.clone().mapping(from, to)], &gold).assert_refused("maps anyPolicy");
    }
    // An authority above may forbid it.
    let above = |inhibit: u64| demanding.clone().inhibiting_mapping(inhibit);
    let mapping = gold.clone().mapping(GOLD, SILVER);
    Chain::new(&[&above(1), &mapping], &silver).assert_stands();
    Chain::new(&[&above(0), &mapping], &silver).assert_refused(NONE_HOLDS);
    Chain::new(&[&above(0), &mapping], &gold).assert_refused(NONE_HOLDS);
    Chain::new(&[&above(0), &gold], &gold).assert_stands();
}

#[test]
fn any_policy_stands_for_the_others_until_an_authority_forbids_it() {
    let (none, any) = (Policies::default(), Policies::of(&[ANY]));
    let gold = Policies::of(&[GOLD]);
    let above = |inhibit: u64| gold.clone().requiring(0).inhibiting_any(inhibit);
    Chain::new(&[&above(1), &any], &gold).assert_stands();
    Chain::new(&[&above(0), &any], &gold).assert_refused(NONE_HOLDS);
    Chain::new(&[&above(0), &gold], &any).assert_refused(NONE_HOLDS);
    Chain::new(&[&above(0), &gold], &gold).assert_stands();
    // What does not stand for the others maps none of them (OpenSSL 3.0 lets it).
    let mapping = any.clone().mapping(GOLD, SILVER);
    Chain::new(&[&above(1), &mapping], &Policies::of(&[SILVER])).assert_stands();
    Chain::new(&[&above(0), &mapping], &Policies::of(&[SILVER])).assert_refused(NONE_HOLDS);
    // An authority that goes on under its name may use it still, the client may not.
    let names = [("Acme CA", &above(0)), ("Acme CA", &any)];
    Chain::of_names(&names, &gold).assert_stands();
    Chain::of_names(&names, &any).assert_refused(NONE_HOLDS);
    // Without a demand it does not matter.
    Chain::new(&[&none.clone().inhibiting_any(0), &any], &any).assert_stands();
}

#[test]
fn extensions_that_can_not_be_read_are_no_policies() {
    let root = Authority::root("Acme Root CA");
    let leaf = || Certificate::leaf("orders", &Key::ed25519("orders"));
    let verify = |extension: Der| {
        let issuing = root.intermediate_with(Key::ed25519("Acme CA"), |key| {
            Certificate::ca("Acme CA", key, None).with(extension)
        });
        let chain = Chain {
            root: root.certificate.clone(),
            authorities: vec![issuing.certificate.clone()],
            leaf: issuing.issue(leaf()),
        };
        chain.verify()
    };
    let policy = sequence(&[oid(GOLD)]);
    let qualified = sequence(&[oid(GOLD), sequence(&[sequence(&[oid("1.2.3.4"), null()])])]);
    let mapping = sequence(&[oid(GOLD), oid(SILVER)]);
    for (dotted, good, bad) in [
        (
            "2.5.29.32",
            vec![sequence(&[&policy]), sequence(&[&qualified])],
            vec![
                sequence::<Der>(&[]),
                sequence(&[null()]),
                sequence(&[sequence(&[null()])]),
                sequence(&[sequence(&[oid(GOLD), null()])]),
            ],
        ),
        (
            "2.5.29.33",
            vec![sequence(&[&mapping])],
            vec![
                sequence::<Der>(&[]),
                sequence(&[sequence(&[oid(GOLD)])]),
                sequence(&[sequence(&[oid(GOLD), oid(SILVER), oid(GOLD)])]),
            ],
        ),
        (
            "2.5.29.36",
            vec![sequence(&[implicit(0, &[9]), implicit(1, &[9])])],
            vec![
                sequence(&[implicit(0, &[0xff])]),
                sequence(&[implicit(0, &[])]),
                sequence(&[implicit(1, &[9]), implicit(0, &[9])]),
            ],
        ),
        ("2.5.29.54", vec![number(0)], vec![integer(&[0xff])]),
    ] {
        for value in good {
            verify(extension(dotted, &value)).unwrap();
        }
        for value in bad {
            let refused = verify(extension(dotted, &value)).unwrap_err();
            assert!(refused.contains("the policies of `CN=Acme CA"), "{dotted}: {refused}");
        }
    }
}

#[test]
fn openssl_agrees_on_policies() {
    const TEST: &str = "openssl_agrees_on_policies";
    const CHAINS: usize = 400;
    let mut outcomes = [0, 0];
    for (what, chain) in (0..CHAINS).map(chain_number) {
        let scratch = scratch(TEST);
        let bundle =
            |ders: &[Der]| -> String { ders.iter().map(|it| pem("CERTIFICATE", it)).collect() };
        let root = scratch.write("root.pem", pem("CERTIFICATE", &chain.root));
        let authorities = scratch.write("authorities.pem", bundle(&chain.authorities));
        let leaf = scratch.write("leaf.pem", pem("CERTIFICATE", &chain.leaf));
        let now = NOW.to_string();
        let mut arguments = vec!["verify", "-attime", &now, "-policy", ANY, "-no-CAfile"];
        arguments.extend(["-no-CApath", "-trusted", &root, "-untrusted", &authorities, &leaf]);
        let Some((stands, output)) = openssl_status(TEST, &arguments) else { return };
        let ours = chain.verify();
        assert_eq!(ours.is_ok(), stands, "{what}\n{ours:?}\n{output}");
        outcomes[usize::from(stands)] += 1;
    }
    assert!(outcomes.iter().all(|&count| count > CHAINS / 8), "{outcomes:?}");
}

/// One of many chains of two authorities, the second possibly of the name of the first; and what it is.
fn chain_number(index: usize) -> (String, Chain) {
    // Digits of mixed bases, of a number that is spread over all of them.
    let mut rest = index * 7_919_719 + 104_729;
    let mut digit = |base: usize| {
        let digit = rest % base;
        rest /= base;
        digit
    };
    let mut policies = |is_leaf: bool| {
        let held = [&[][..], &[GOLD], &[SILVER], &[GOLD, SILVER], &[ANY], &[ANY, GOLD]][digit(6)];
        let mut policies = Policies::of(held);
        policies.require_explicit = [Some(0), Some(1), None][digit(3)];
        if !is_leaf {
            policies.mappings =
                [vec![], vec![], vec![(GOLD, SILVER)], vec![(SILVER, GOLD)]][digit(4)].clone();
            policies.inhibit_mapping = [None, None, Some(0)][digit(3)];
            policies.inhibit_any = [None, None, Some(0), Some(1)][digit(4)];
        }
        policies
    };
    let (first, second, leaf) = (policies(false), policies(false), policies(true));
    let name = ["Acme CA", "Acme CA B", "Acme CA B"][index % 3];
    let what = format!("Acme CA: {first:?}\n{name}: {second:?}\norders: {leaf:?}");
    (what, Chain::of_names(&[("Acme CA", &first), (name, &second)], &leaf))
}
