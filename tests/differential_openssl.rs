//! The whole decision beside `openssl verify -purpose sslclient -crl_check`: chains and lists of every kind of key,
//! each with one thing changed.
//!
//! Where the two disagree, it is on purpose and stands in `differential_openssl.json` with its reason. An entry there
//! that no longer disagrees fails as well, and so does one whose answer has changed sides.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use mtls_authorizer::{
    authorizer::{Authorized, Loader},
    event::Request,
    source::{Clock, Fetcher},
    timestamp::Timestamp,
};
use support::{Scratch, openssl::openssl_status, pki::*, scratch};

const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const KEY_USAGE: &str = "2.5.29.15";
const POLICY_CONSTRAINTS: &str = "2.5.29.36";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
const UNKNOWN: &str = "1.3.6.1.4.1.99999.1";

/// Makes a key, from a name where the kind allows it.
type MakeKey = fn(&str) -> Key;

const KEYS: &[(&str, MakeKey)] = &[
    ("ed25519", Key::ed25519),
    ("p256", |_| Key::p256()),
    ("p384", |_| Key::p384()),
    ("rsa-2048", |_| Key::rsa_2048()),
    ("rsa-1024", |_| Key::rsa_1024()),
];

/// What depends on the kind of key; the others are judged for the first kind alone, since RSA in tests is slow.
const FOR_EVERY_KEY: &[&str] = &[
    "nothing",
    "leaf with another signature",
    "list holds the leaf",
    "list holds the leaf's neighbour",
    "list with another signature",
    "list signed by the anchor",
];

const TEST: &str = "the_decision_is_that_of_openssl";

/// Everything that the two are asked about, still to be changed.
struct Scene {
    root: Certificate,
    issuing: Certificate,
    leaf: Certificate,
    list: Crl,
    with_list: bool,
    list_by_root: bool,
    flip_leaf_signature: bool,
    flip_list_signature: bool,
}

impl Scene {
    fn serial(&self) -> Der {
        self.leaf.serial_number[2..].to_vec()
    }
}

type Change = fn(&mut Scene);

fn restrict(scene: &mut Scene, point: IssuingDistributionPoint) {
    scene.list = scene.list.clone().with(point.extension());
}

fn replace(certificate: &mut Certificate, dotted: &str, extension: Der) {
    *certificate = certificate.clone().without(dotted).with(extension);
}

/// By name: what is different from a chain that stands.
const CHANGES: &[(&str, Change)] = &[
    ("nothing", |_| {}),
    // The client's certificate.
    ("leaf expired a second ago", |it| it.leaf.not_after = time(NOW - 1)),
    ("leaf expires now", |it| it.leaf.not_after = time(NOW)),
    ("leaf expires in a second", |it| it.leaf.not_after = time(NOW + 1)),
    ("leaf starts now", |it| it.leaf.not_before = time(NOW)),
    ("leaf starts in a second", |it| it.leaf.not_before = time(NOW + 1)),
    ("leaf for servers", |it| {
        replace(&mut it.leaf, EXTENDED_KEY_USAGE, extended_key_usage(&[SERVER_AUTH]));
    }),
    ("leaf for servers and clients", |it| {
        replace(&mut it.leaf, EXTENDED_KEY_USAGE, extended_key_usage(&[SERVER_AUTH, CLIENT_AUTH]));
    }),
    ("leaf for any purpose", |it| {
        replace(&mut it.leaf, EXTENDED_KEY_USAGE, extended_key_usage(&[ANY_EXTENDED_KEY_USAGE]));
    }),
    ("leaf without purposes", |it| it.leaf = it.leaf.clone().without(EXTENDED_KEY_USAGE)),
    ("leaf without key usage", |it| it.leaf = it.leaf.clone().without(KEY_USAGE)),
    ("leaf for key agreement", |it| replace(&mut it.leaf, KEY_USAGE, key_usage(&[KEY_AGREEMENT]))),
    ("leaf for key encipherment", |it| {
        replace(&mut it.leaf, KEY_USAGE, key_usage(&[KEY_ENCIPHERMENT]));
    }),
    ("leaf may sign certificates", |it| {
        replace(&mut it.leaf, KEY_USAGE, key_usage(&[DIGITAL_SIGNATURE, KEY_CERT_SIGN]));
    }),
    ("leaf constrains names", |it| {
        it.leaf = it.leaf.clone().with(name_constraints(&[dns(b"acme.example")], &[]));
    }),
    ("leaf with an unknown extension", |it| {
        it.leaf = it.leaf.clone().with(extension(UNKNOWN, &null()));
    }),
    ("leaf with an unknown critical extension", |it| {
        it.leaf = it.leaf.clone().with(critical(UNKNOWN, &null()));
    }),
    ("leaf of an authority", |it| replace(&mut it.leaf, BASIC_CONSTRAINTS, ca(None))),
    ("leaf of version 1", |it| (it.leaf.version, it.leaf.extensions) = (None, None)),
    ("leaf of a negative serial number", |it| it.leaf.serial_number = integer(&[0x80, 0x01])),
    ("leaf of serial number zero", |it| it.leaf.serial_number = integer(&[0])),
    ("leaf of another issuer", |it| it.leaf.issuer = Some(acme("Acme Other CA"))),
    ("leaf with another signature", |it| it.flip_leaf_signature = true),
    ("leaf without a subject", |it| it.leaf.subject = empty_name()),
    ("leaf with two common names", |it| {
        it.leaf.subject = name(&[("O", "Acme"), ("CN", "orders"), ("CN", "admin")]);
    }),
    // Its issuer's.
    ("issuer expired", |it| it.issuing.not_after = time(NOW - 1)),
    ("issuer not in force yet", |it| it.issuing.not_before = time(NOW + 1)),
    ("issuer is no authority", |it| replace(&mut it.issuing, BASIC_CONSTRAINTS, not_ca())),
    ("issuer without basic constraints", |it| {
        it.issuing = it.issuing.clone().without(BASIC_CONSTRAINTS);
    }),
    ("issuer may not sign certificates", |it| {
        replace(&mut it.issuing, KEY_USAGE, key_usage(&[CRL_SIGN]));
    }),
    ("issuer may not sign lists", |it| {
        replace(&mut it.issuing, KEY_USAGE, key_usage(&[KEY_CERT_SIGN]));
    }),
    ("issuer without key usage", |it| it.issuing = it.issuing.clone().without(KEY_USAGE)),
    ("issuer of path length 0", |it| replace(&mut it.issuing, BASIC_CONSTRAINTS, ca(Some(0)))),
    ("issuer for clients", |it| {
        it.issuing = it.issuing.clone().with(extended_key_usage(&[CLIENT_AUTH]));
    }),
    ("issuer for servers", |it| {
        it.issuing = it.issuing.clone().with(extended_key_usage(&[SERVER_AUTH]));
    }),
    ("issuer with an unknown critical extension", |it| {
        it.issuing = it.issuing.clone().with(critical(UNKNOWN, &null()));
    }),
    ("issuer permits the leaf's names", |it| {
        it.issuing = it.issuing.clone().with(name_constraints(&[dns(b"acme.example")], &[]));
    }),
    ("issuer permits other names", |it| {
        it.issuing = it.issuing.clone().with(name_constraints(&[dns(b"other.example")], &[]));
    }),
    ("issuer excludes the leaf's names", |it| {
        it.issuing = it.issuing.clone().with(name_constraints(&[], &[dns(b"acme.example")]));
    }),
    ("issuer with certificate policies", |it| {
        it.issuing = it.issuing.clone().with(certificate_policies(&["1.2.3.4"]));
    }),
    ("issuer demands policies beyond the leaf", |it| {
        let constraints = extension(POLICY_CONSTRAINTS, &sequence(&[implicit(0, &[2])]));
        it.issuing = it.issuing.clone().with(constraints);
    }),
    ("issuer demands policies, and has none", |it| {
        let constraints = extension(POLICY_CONSTRAINTS, &sequence(&[implicit(0, &[0])]));
        it.issuing = it.issuing.clone().with(constraints);
    }),
    // The anchor.
    ("anchor expired", |it| it.root.not_after = time(NOW - 1)),
    ("anchor not in force yet", |it| it.root.not_before = time(NOW + 1)),
    ("anchor of path length 0", |it| replace(&mut it.root, BASIC_CONSTRAINTS, ca(Some(0)))),
    ("anchor of path length 1", |it| replace(&mut it.root, BASIC_CONSTRAINTS, ca(Some(1)))),
    ("anchor is no authority", |it| replace(&mut it.root, BASIC_CONSTRAINTS, not_ca())),
    ("anchor may not sign certificates", |it| {
        replace(&mut it.root, KEY_USAGE, key_usage(&[CRL_SIGN]));
    }),
    ("anchor with an unknown critical extension", |it| {
        it.root = it.root.clone().with(critical(UNKNOWN, &null()));
    }),
    ("anchor of version 1", |it| (it.root.version, it.root.extensions) = (None, None)),
    // The list.
    ("list is missing", |it| it.with_list = false),
    ("list holds the leaf", |it| it.list.revoked = Some(vec![revoked(&it.serial())])),
    ("list holds the leaf's neighbour", |it| {
        let mut serial = it.serial();
        *serial.last_mut().unwrap() ^= 1;
        it.list.revoked = Some(vec![revoked(&serial)]);
    }),
    ("list holds the leaf on hold", |it| {
        let entry = revoked_with(&it.serial(), NOW - DAY, &[reason(6)]);
        it.list.revoked = Some(vec![entry]);
    }),
    ("list removes the leaf", |it| {
        let entry = revoked_with(&it.serial(), NOW - DAY, &[reason(8)]);
        it.list.revoked = Some(vec![entry]);
    }),
    ("list holds the leaf from tomorrow", |it| {
        it.list.revoked = Some(vec![revoked_with(&it.serial(), NOW + DAY, &[reason(1)])]);
    }),
    ("list expired a second ago", |it| it.list.next_update = Some(time(NOW - 1))),
    ("list expires in a second", |it| it.list.next_update = Some(time(NOW + 1))),
    ("list starts in a second", |it| it.list.this_update = time(NOW + 1)),
    ("list without an end", |it| it.list.next_update = None),
    ("list without an end, eight days old", |it| {
        it.list.this_update = time(NOW - 8 * DAY);
        it.list.next_update = None;
    }),
    ("list of version 1", |it| it.list = Crl::v1(Vec::new())),
    ("list of version 1 holds the leaf", |it| it.list = Crl::v1(vec![revoked(&it.serial())])),
    ("list with another signature", |it| it.flip_list_signature = true),
    ("list of another issuer", |it| it.list.issuer = Some(acme("Acme Other CA"))),
    ("list signed by the anchor", |it| it.list_by_root = true),
    ("list with an unknown extension", |it| {
        it.list = it.list.clone().with(extension(UNKNOWN, &null()));
    }),
    ("list with an unknown critical extension", |it| {
        it.list = it.list.clone().with(critical(UNKNOWN, &null()));
    }),
    ("list with an unknown critical extension in an entry", |it| {
        let entry = revoked_with(&[0x11], NOW - DAY, &[critical(UNKNOWN, &null())]);
        it.list.revoked = Some(vec![entry]);
    }),
    ("list with a critical number", |it| {
        it.list.extensions = Some(vec![made_critical(&crl_number(1))]);
    }),
    ("list of changes", |it| {
        it.list = it.list.clone().with(made_critical(&delta_crl_indicator(1)))
    }),
    ("list of others' certificates", |it| {
        restrict(it, IssuingDistributionPoint { indirect_crl: true, ..Default::default() });
    }),
    ("list of users' certificates", |it| {
        restrict(
            it,
            IssuingDistributionPoint { only_contains_user_certs: true, ..Default::default() },
        );
    }),
    ("list of authorities' certificates", |it| {
        restrict(
            it,
            IssuingDistributionPoint { only_contains_ca_certs: true, ..Default::default() },
        );
    }),
    ("list of attribute certificates", |it| {
        let only_contains_attribute_certs = true;
        restrict(
            it,
            IssuingDistributionPoint { only_contains_attribute_certs, ..Default::default() },
        );
    }),
    ("list of some reasons", |it| {
        let only_some_reasons = Some(vec![1]);
        restrict(it, IssuingDistributionPoint { only_some_reasons, ..Default::default() });
    }),
    ("list of a distribution point that the leaf does not name", |it| {
        restrict(it, IssuingDistributionPoint::at("http://pki.acme.example/1.crl"));
    }),
    ("list of the leaf's distribution point", |it| {
        restrict(it, IssuingDistributionPoint::at("http://pki.acme.example/1.crl"));
        let points = crl_distribution_points(&["http://pki.acme.example/1.crl"]);
        it.leaf = it.leaf.clone().with(points);
    }),
    ("list of another distribution point of the leaf's issuer", |it| {
        restrict(it, IssuingDistributionPoint::at("http://pki.acme.example/1.crl"));
        let points = crl_distribution_points(&["http://pki.acme.example/2.crl"]);
        it.leaf = it.leaf.clone().with(points);
    }),
];

/// The files of a scene.
struct Files {
    folder: Scratch,
    root: String,
    issuing: String,
    leaf: String,
    leaf_pem: String,
    list: Option<String>,
}

fn flip(der: &mut Der, is_flipped: bool) {
    if is_flipped && let Some(last) = der.last_mut() {
        *last ^= 1;
    }
}

fn files(test: &str, key: fn(&str) -> Key, change: Change) -> Files {
    const ROOT: &str = "Acme Root CA";
    const ISSUING: &str = "Acme Issuing CA";
    let (root_key, issuing_key, leaf_key) = (key(ROOT), key(ISSUING), key("orders"));
    let mut scene = Scene {
        root: Certificate::ca(ROOT, &root_key, None),
        issuing: Certificate::ca(ISSUING, &issuing_key, None),
        leaf: Certificate::leaf("orders", &leaf_key),
        list: Crl::of(Vec::new()),
        with_list: true,
        list_by_root: false,
        flip_leaf_signature: false,
        flip_list_signature: false,
    };
    change(&mut scene);
    let root = scene.root.self_signed(&root_key);
    let issuing = scene.issuing.signed_by(&scene.root.subject, &root_key);
    let mut leaf = scene.leaf.signed_by(&scene.issuing.subject, &issuing_key);
    flip(&mut leaf, scene.flip_leaf_signature);
    let (name, signer) = match scene.list_by_root {
        true => (&scene.root.subject, &root_key),
        false => (&scene.issuing.subject, &issuing_key),
    };
    let mut list = scene.list.signed_by(name, signer);
    flip(&mut list, scene.flip_list_signature);

    let folder = scratch(test);
    let leaf_pem = pem("CERTIFICATE", &leaf);
    Files {
        root: folder.write("root.pem", pem("CERTIFICATE", &root)),
        issuing: folder.write("issuing.pem", pem("CERTIFICATE", &issuing)),
        leaf: folder.write("leaf.pem", &leaf_pem),
        list: scene.with_list.then(|| folder.write("list.pem", pem("X509 CRL", &list))),
        leaf_pem,
        folder,
    }
}

/// Whether OpenSSL lets the leaf pass, and what it says; `None` without OpenSSL.
fn openssl(files: &Files) -> Option<(bool, String)> {
    let now = NOW.to_string();
    let mut arguments = vec!["verify", "-purpose", "sslclient", "-crl_check", "-attime", &now];
    arguments.extend(["-no-CApath", "-no-CAstore", "-CAfile", &files.root]);
    arguments.extend(["-untrusted", &files.issuing]);
    if let Some(list) = &files.list {
        arguments.extend(["-CRLfile", list]);
    }
    arguments.push(&files.leaf);
    openssl_status(TEST, &arguments)
}

/// Whether the authorizer lets the leaf pass, and the reason where not.
fn ours(files: &Files, runtime: &tokio::runtime::Runtime) -> (bool, String) {
    let crls: Vec<&String> = files.list.iter().collect();
    let document = format!(
        "[trust]\nanchors = [{:?}]\nintermediates = [{:?}]\n\
         [revocation]\ncheck = [\"crl\"]\ncrls = {crls:?}\n{}\
         [[client]]\nid = \"anybody\"\nany = true\nallow = [\"*\"]\n",
        files.root,
        files.issuing,
        // A list must be able to come from somewhere.
        if crls.is_empty() { "distribution_points = true\n" } else { "" },
    );
    let document = files.folder.write("authorizer.toml", document);
    let environment = BTreeMap::<String, String>::new();
    let now = Timestamp::from_unix_seconds(NOW);
    let fetcher = Fetcher::new(&environment, Clock::new(|| Timestamp::from_unix_seconds(NOW)));
    let loader = Loader { environment: &environment, fetcher, now };
    let authorizer = match runtime.block_on(loader.load(Some(document.as_ref()))) {
        Ok((authorizer, _)) => authorizer,
        Err(faults) => {
            let rules: Vec<&str> = faults.0.iter().map(|fault| fault.rule.as_str()).collect();
            return (false, format!("configuration: {}", rules.join("; ")));
        }
    };
    let event = serde_json::json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/orders",
        "requestContext": { "identity": { "clientCert": { "clientCertPem": files.leaf_pem } } },
    });
    let mut outcome = (false, String::new());
    let see = |_: &Request<'_>, authorized: &Authorized<'_>| {
        let decision = &authorized.decision;
        let reason = decision.denial().map_or("Allow", |denial| denial.reason.code());
        outcome = (decision.is_allow(), reason.to_owned());
    };
    let payload = event.to_string();
    runtime.block_on(authorizer.authorize(payload.as_bytes(), now, see)).unwrap();
    outcome
}

/// A change, or a kind of key, that the two judge differently.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// A kind of key, for every change to which `change` gives no name.
    key: Option<String>,
    change: Option<String>,
    /// Who lets it pass.
    passes: String,
    reason: String,
}

#[test]
fn the_decision_is_that_of_openssl() {
    let written = include_str!("differential_openssl.json");
    let differences: Vec<Difference> = serde_json::from_str(written).unwrap();
    assert!(differences.iter().all(|it| !it.reason.is_empty()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut met = BTreeSet::new();
    let mut unexpected = String::new();
    for &(kind, key) in KEYS {
        for &(name, change) in CHANGES {
            if kind != KEYS[0].0 && !FOR_EVERY_KEY.contains(&name) {
                continue;
            }
            let files = files(TEST, key, change);
            let Some((theirs, said)) = openssl(&files) else { return };
            let (ours, reason) = ours(&files, &runtime);
            let expected = differences.iter().position(|it| {
                it.key.as_deref().is_none_or(|it| it == kind)
                    && it.change.as_deref().is_none_or(|it| it == name)
                    && it.passes == if ours { "authorizer" } else { "openssl" }
            });
            if ours == theirs {
                continue;
            }
            match expected {
                Some(position) => _ = met.insert(position),
                None => {
                    let said = said.lines().last().unwrap_or_default();
                    let _ = writeln!(
                        unexpected,
                        "{kind}, {name}: ours {reason}, openssl {theirs}: {said}"
                    );
                }
            }
        }
    }
    for (position, difference) in differences.iter().enumerate() {
        if !met.contains(&position) {
            let Difference { key, change, .. } = difference;
            let _ = writeln!(unexpected, "no longer different: {key:?} {change:?}");
        }
    }
    assert!(unexpected.is_empty(), "{unexpected}");
}

#[test]
fn the_chain_that_stands_is_let_in_and_each_twin_that_must_not_be_is_not() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let decided = |name: &str| {
        let (_, change) = CHANGES.iter().find(|(it, _)| *it == name).unwrap();
        ours(&files("chains_and_their_twins", Key::ed25519, *change), &runtime)
    };
    assert_eq!(decided("nothing"), (true, "Allow".to_owned()));
    for (change, reason) in [
        ("leaf expired a second ago", "certificate-expired"),
        ("leaf starts in a second", "certificate-not-yet-valid"),
        ("leaf for servers", "extended-key-usage"),
        ("leaf for key encipherment", "key-usage"),
        ("leaf with an unknown critical extension", "unknown-critical-extension"),
        ("leaf of an authority", "certificate-is-ca"),
        ("leaf with another signature", "untrusted-chain"),
        ("issuer may not sign certificates", "untrusted-chain"),
        ("anchor expired", "untrusted-chain"),
        ("list holds the leaf", "revoked"),
        ("list expired a second ago", "revocation-unknown"),
    ] {
        assert_eq!(decided(change), (false, reason.to_owned()), "{change}");
    }
}
