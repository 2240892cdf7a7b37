//! Which client a certificate and token belong to: each condition with a certificate that it admits, and a twin
//! that it does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{collections::HashMap, path::PathBuf};

use mtls_authorizer::{
    certificate::Certificate,
    policy::{Comparison, Configuration, Document, Policy, Subject},
    source::Base,
};
use serde_json::{Map, Value, json};
use support::pki::{self, *};

const SURROUNDINGS: &str = "[trust]\nanchors = [\"ca.pem\"]\n[token]\nissuer = \"i\"\naudience = [\"a\"]\njwks = \"j\"\nalgorithms = [\"ES256\"]\n";

fn policy(clients: &str) -> Policy {
    let base = Base::Directory(PathBuf::new());
    let document = Document {
        name: "test.toml",
        text: &format!("{SURROUNDINGS}{clients}"),
        base: &base,
        environment: &HashMap::<&str, &str>::new(),
    };
    Configuration::parse(document).unwrap_or_else(|faults| panic!("{clients}\n{faults}")).policy
}

fn one(condition: &str) -> Policy {
    policy(&format!("[[client]]\nid = \"c\"\nallow = [\"*\"]\n{condition}\n"))
}

fn certificate(change: impl FnOnce(&mut pki::Certificate)) -> Certificate {
    let key = Key::ed25519("orders");
    let mut certificate = pki::Certificate::leaf("orders", &key);
    change(&mut certificate);
    Certificate::parse(&certificate.signed_by(&acme("Acme Issuing CA"), &key)).unwrap()
}

fn with_subject(attributes: &[(&str, &str)]) -> Certificate {
    certificate(|certificate| certificate.subject = name(attributes))
}

fn with_names(names: &[Vec<u8>]) -> Certificate {
    certificate(|certificate| certificate.extensions = Some(vec![subject_alt_name(names)]))
}

fn only(certificate: &Certificate) -> Subject<'_> {
    Subject { certificate, issuer_public_key: None, claims: None }
}

#[track_caller]
fn assert_admits(policy: &Policy, certificate: &Certificate) {
    assert!(policy.client_for(&only(certificate)).is_some());
}

#[track_caller]
fn assert_refuses(policy: &Policy, certificate: &Certificate) {
    assert!(policy.client_for(&only(certificate)).is_none());
}

#[test]
fn a_policy_without_clients_admits_nobody() {
    assert_refuses(&policy(""), &certificate(|_| ()));
    assert_admits(&one("any = true"), &certificate(|_| ()));
}

#[test]
fn attributes_are_compared_exactly() {
    let orders = one("subject = { CN = \"orders\" }");
    assert_admits(&orders, &with_subject(&[("CN", "orders")]));
    for other in ["Orders", "orders ", "order", "orderss", "*", "orders,O=Acme"] {
        assert_refuses(&orders, &with_subject(&[("CN", other)]));
    }
    assert_refuses(&orders, &with_subject(&[("O", "orders")]));
    assert_refuses(&orders, &certificate(|certificate| certificate.subject = empty_name()));
    // A `*` is data, on either side.
    let star = one("subject = { CN = \"*\" }");
    assert_admits(&star, &with_subject(&[("CN", "*")]));
    assert_refuses(&star, &with_subject(&[("CN", "orders")]));
}

#[test]
fn a_value_inside_another_is_no_attribute() {
    let bank = one("subject = { O = \"Acme Bank\" }");
    assert_admits(&bank, &with_subject(&[("O", "Acme Bank"), ("CN", "alice")]));
    assert_refuses(&bank, &with_subject(&[("O", "Evil"), ("CN", "alice,O=Acme Bank")]));
}

#[test]
fn every_value_of_a_repeated_attribute_must_match() {
    let orders = one("subject = { CN = \"orders\" }");
    let both = one("subject = { CN = [\"orders\", \"admin\"] }");
    let twice = with_subject(&[("CN", "orders"), ("CN", "admin")]);
    assert_refuses(&orders, &twice);
    assert_admits(&both, &twice);
    assert_refuses(&both, &with_subject(&[("CN", "orders"), ("CN", "other")]));
    assert_refuses(&orders, &with_subject(&[("CN", "admin"), ("CN", "orders")]));
}

#[test]
fn an_undecodable_value_matches_nothing() {
    let orders = one("subject = { CN = \"orders\" }");
    let prefix = one("subject = { CN = { prefix = \"orders\" } }");
    for value in [
        tlv(0x0c, b"orders\xff"),
        tlv(0x0c, b"orders\0"),
        tlv(0x0c, b"orders\r\n"),
        tlv(0x04, b"orders"),
    ] {
        let odd = certificate(|certificate| {
            certificate.subject = sequence(&[rdn(&[attribute_of("CN", &value)])]);
        });
        assert_refuses(&orders, &odd);
        assert_refuses(&prefix, &odd);
        let beside = certificate(|certificate| {
            certificate.subject =
                sequence(&[rdn(&[attribute("CN", "orders")]), rdn(&[attribute_of("CN", &value)])]);
        });
        assert_refuses(&orders, &beside);
    }
    assert_admits(&prefix, &with_subject(&[("CN", "orders-7")]));
}

#[test]
fn all_conditions_of_a_client_must_hold() {
    let both =
        one("subject = { CN = \"orders\", O = \"Acme\" }\nsan_dns = \"orders.acme.example\"");
    assert_admits(&both, &certificate(|_| ()));
    assert_refuses(
        &both,
        &certificate(|certificate| certificate.subject = name(&[("CN", "orders")])),
    );
    assert_refuses(&both, &certificate(|certificate| certificate.subject = acme("other")));
    assert_refuses(&both, &certificate(|certificate| certificate.extensions = None));
}

#[test]
fn patterns_match_as_they_say() {
    let cn = |pattern: &str| one(&format!("subject = {{ CN = {pattern} }}"));
    for (pattern, admitted, refused) in [
        ("{ prefix = \"orders-\" }", "orders-1", "my-orders-1"),
        ("{ suffix = \"-svc\" }", "orders-svc", "orders-svc-2"),
        ("{ regex = \"[a-z]+-[0-9]+\" }", "orders-1", "orders-1x"),
        ("{ regex = \"a|ab\" }", "ab", "abc"),
        ("{ regex = \"^orders$\" }", "orders", "orders2"),
        ("{ regex = \"(?m)orders$\" }", "orders", "xorders"),
        ("[\"a\", { prefix = \"b\" }]", "bc", "ab"),
    ] {
        assert_admits(&cn(pattern), &with_subject(&[("CN", admitted)]));
        assert_refuses(&cn(pattern), &with_subject(&[("CN", refused)]));
    }
    // As long as the value itself.
    assert_admits(&cn("{ prefix = \"ab\" }"), &with_subject(&[("CN", "ab")]));
    assert_refuses(&cn("{ suffix = \"abc\" }"), &with_subject(&[("CN", "bc")]));
    assert_refuses(&cn("{ prefix = \"\u{e9}x\" }"), &with_subject(&[("CN", "\u{e9}")]));
}

#[test]
fn types_without_a_short_name_are_dotted() {
    let email = one("subject = { \"1.2.840.113549.1.9.1\" = \"ops@acme.example\" }");
    assert_admits(&email, &with_subject(&[("emailAddress", "ops@acme.example")]));
    assert_refuses(&email, &with_subject(&[("CN", "ops@acme.example")]));
}

#[test]
fn whole_names_are_compared_attribute_by_attribute() {
    let whole = one("subject_dn = \"cn=orders, O=Acme,C=US\"");
    assert_admits(&whole, &with_subject(&[("C", "US"), ("O", "Acme"), ("CN", "orders")]));
    assert_refuses(&whole, &with_subject(&[("CN", "orders"), ("O", "Acme"), ("C", "US")]));
    assert_refuses(
        &whole,
        &with_subject(&[("C", "US"), ("O", "Acme"), ("CN", "orders"), ("CN", "x")]),
    );
    assert_refuses(&whole, &with_subject(&[("C", "US"), ("CN", "orders,O=Acme")]));
    let issuer = one("issuer_dn = \"CN=Acme Issuing CA,O=Acme,C=US\"");
    assert_admits(&issuer, &certificate(|_| ()));
    assert_refuses(&issuer, &certificate(|certificate| certificate.issuer = Some(acme("Acme"))));
    let attributes = one("issuer = { CN = \"Acme Issuing CA\" }");
    assert_admits(&attributes, &certificate(|_| ()));
    assert_refuses(
        &attributes,
        &certificate(|certificate| certificate.issuer = Some(acme("Acme"))),
    );
}

#[test]
fn one_alternative_name_that_matches_is_enough() {
    let dns_name = |name: &str| with_names(&[dns(b"other.example"), dns(name.as_bytes())]);
    let exact = one("san_dns = \"Orders.acme.example\"");
    assert_admits(&exact, &dns_name("orders.ACME.example"));
    assert_refuses(&exact, &dns_name("a.orders.acme.example"));
    assert_refuses(&exact, &dns_name("*.acme.example"));
    assert_refuses(&exact, &with_names(&[uri(b"https://orders.acme.example")]));
    let common_name_alone = certificate(|certificate| {
        certificate.subject = name(&[("CN", "orders.acme.example")]);
        certificate.extensions = None;
    });
    assert_refuses(&exact, &common_name_alone);
    let suffix = one("san_dns = { suffix = \".acme.example\" }");
    assert_admits(&suffix, &dns_name("a.ACME.example"));
    assert_refuses(&suffix, &dns_name("evilacme.example"));
    assert_refuses(&suffix, &dns_name("acme.example"));
    let regex = one("san_dns = { regex = \"[a-z]+[.]acme[.]example\" }");
    assert_admits(&regex, &dns_name("ORDERS.acme.example"));
    assert_refuses(&regex, &dns_name("orders.acme.example.evil"));
    // What is no name of its kind matches nothing and spoils nothing.
    let beside = with_names(&[dns(b"orders acme"), dns(b"orders.acme.example")]);
    assert_admits(&exact, &beside);
    assert_refuses(&suffix, &with_names(&[dns(b"a b.acme.example")]));
    assert_refuses(&suffix, &with_names(&[dns(b"a\0.acme.example")]));
}

#[test]
fn alternative_names_of_other_kinds() {
    let workload = one("san_uri = [{ prefix = \"spiffe://acme/orders/\" }]");
    assert_admits(&workload, &with_names(&[uri(b"spiffe://acme/orders/api")]));
    assert_refuses(&workload, &with_names(&[uri(b"spiffe://acme/orders-evil/api")]));
    assert_refuses(&workload, &with_names(&[uri(b"spiffe://ACME/orders/api")]));
    assert_refuses(&workload, &with_names(&[uri(b"spiffe://acme/orders/../admin")]));
    assert_refuses(&workload, &with_names(&[uri(b"spiffe://acme/orders/%2E%2e/admin")]));
    for odd in ["%zz", "%", "%2", "a%", "[x]", "x#y#z"] {
        let name = format!("spiffe://acme/orders/{odd}");
        assert_refuses(&workload, &with_names(&[uri(name.as_bytes())]));
    }
    for sound in ["%7a", "%2F%2f", "x#y", "x?y=1"] {
        let name = format!("spiffe://acme/orders/{sound}");
        assert_admits(&workload, &with_names(&[uri(name.as_bytes())]));
    }
    let any = one("san_uri = [{ regex = \"https:.+\" }]");
    for (host, sound) in [
        ("[2001:db8::1]", true),
        ("user@[2001:db8::1]:443", true),
        ("[2001:db8::1", false),
        ("2001:db8::1]", false),
        ("[x]", false),
        ("[]", false),
        ("[::1]x", false),
        ("[::1]:x", false),
        ("[::1][::1]", false),
        ("[::1]@h", false),
    ] {
        let names = with_names(&[uri(format!("https://{host}/a").as_bytes())]);
        if sound { assert_admits(&any, &names) } else { assert_refuses(&any, &names) }
    }
    let mail = one("san_email = { suffix = \"@acme.example\" }");
    assert_admits(&mail, &with_names(&[email(b"ops@acme.example")]));
    assert_refuses(&mail, &with_names(&[email(b"ops@evil-acme.example")]));
    assert_refuses(&mail, &with_names(&[email(b"ops@acme.example@evil.example")]));
    let network = one("san_ip = [\"10.1.0.0/16\", \"2001:db8::1\"]");
    assert_admits(&network, &with_names(&[ip(&[10, 1, 255, 255])]));
    assert_refuses(&network, &with_names(&[ip(&[10, 2, 0, 0])]));
    let v6 = |last: u8| {
        let mut octets = [0; 16];
        octets[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        octets[15] = last;
        with_names(&[ip(&octets)])
    };
    assert_admits(&network, &v6(1));
    assert_refuses(&network, &v6(2));
    let mut mapped = [0; 16];
    mapped[10..].copy_from_slice(&[0xff, 0xff, 10, 1, 0, 1]);
    assert_refuses(&network, &with_names(&[ip(&mapped)]));
    assert_refuses(&network, &with_names(&[ip(&[10, 1, 0, 0, 1])]));
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn pins_are_of_the_certificate_and_of_the_key() {
    let mine = certificate(|_| ());
    let renewed = certificate(|certificate| certificate.serial_number = number(7));
    let other_key = certificate(|certificate| {
        certificate.public_key = Key::ed25519("other").public_key();
    });
    let pinned = one(&format!("fingerprint = [\"sha256:{}\"]", hex(mine.fingerprint())));
    assert_admits(&pinned, &mine);
    assert_refuses(&pinned, &renewed);
    assert!(pinned.clients()[0].pins_certificate());
    let key = one(&format!(
        "public_key = \"sha256:{}\"",
        hex(mine.public_key_fingerprint()).to_uppercase()
    ));
    assert_admits(&key, &mine);
    assert_admits(&key, &renewed);
    assert_refuses(&key, &other_key);
    assert!(key.clients()[0].pins_certificate());
    assert!(!one("any = true").clients()[0].pins_certificate());
    let ca = one(&format!("issuer_public_key = \"sha256:{}\"", "ab".repeat(32)));
    let issued_by = |digest: Option<&[u8; 32]>| {
        ca.client_for(&Subject { issuer_public_key: digest, ..only(&mine) }).is_some()
    };
    assert!(issued_by(Some(&[0xab; 32])));
    assert!(!issued_by(Some(&[0xac; 32])));
    assert!(!issued_by(None));
    assert!(!ca.clients()[0].pins_certificate());
}

#[test]
fn serial_numbers_are_numbers() {
    let serial = |text: &str| {
        one(&format!("serial_number = [\"{text}\"]\nissuer = {{ CN = \"Acme Issuing CA\" }}"))
    };
    let numbered = |magnitude: &[u8]| {
        certificate(|certificate| certificate.serial_number = unsigned(magnitude))
    };
    for text in ["03A5B1", "3a5b1", "00:03:A5:B1", "3:a5b1"] {
        assert_admits(&serial(text), &numbered(&[0x03, 0xa5, 0xb1]));
        assert_refuses(&serial(text), &numbered(&[0x03, 0xa5, 0xb2]));
        assert_refuses(&serial(text), &numbered(&[0x03, 0xa5, 0xb1, 0x00]));
    }
    assert_admits(&serial("ff"), &numbered(&[0xff]));
    assert_admits(&serial("0"), &numbered(&[0]));
    assert_refuses(
        &serial("ff"),
        &certificate(|certificate| {
            certificate.serial_number = unsigned(&[0xff]);
            certificate.issuer = Some(acme("Another CA"));
        }),
    );
}

fn claims(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn claims_match_as_strings_or_arrays_of_strings() {
    let orders = one("any = true\ntoken = { sub = \"orders\" }");
    let certificate = certificate(|_| ());
    let admits = |value: Value| {
        let claims = claims(value);
        orders.client_for(&Subject { claims: Some(&claims), ..only(&certificate) }).is_some()
    };
    assert!(admits(json!({ "sub": "orders" })));
    assert!(admits(json!({ "sub": ["admin", "orders"] })));
    for other in [
        json!({ "sub": "orders admin" }),
        json!({ "sub": "Orders" }),
        json!({ "sub": [] }),
        json!({ "sub": [["orders"]] }),
        json!({ "sub": { "orders": "orders" } }),
        json!({ "sub": null }),
        json!({ "azp": "orders" }),
        json!({}),
    ] {
        assert!(!admits(other.clone()), "{other}");
    }
    assert_refuses(&orders, &certificate);
    let control = one("any = true\ntoken = { sub = { prefix = \"orders\" } }");
    let injected = claims(json!({ "sub": "orders\n" }));
    assert!(
        control.client_for(&Subject { claims: Some(&injected), ..only(&certificate) }).is_none()
    );
}

#[test]
fn the_first_client_that_matches_decides() {
    let client = |id: &str, condition: &str| {
        format!("[[client]]\nid = \"{id}\"\nallow = [\"*\"]\n{condition}\n")
    };
    let by_name = client("name", "subject = { CN = \"orders\" }");
    let by_pattern = client("pattern", "subject = { CN = { prefix = \"ord\" } }");
    let by_dns = client("dns", "san_dns = \"orders.acme.example\"");
    let every = client("every", "any = true");
    let first = |clients: &[&String]| {
        let text: String = clients.iter().map(|client| client.as_str()).collect();
        let orders = certificate(|_| ());
        policy(&text).client_for(&only(&orders)).unwrap().id.clone()
    };
    assert_eq!(first(&[&by_name, &by_pattern, &by_dns, &every]), "name");
    assert_eq!(first(&[&by_pattern, &by_name, &by_dns, &every]), "pattern");
    assert_eq!(first(&[&by_dns, &by_name, &every]), "dns");
    assert_eq!(first(&[&every, &by_name, &by_dns]), "every");
}

/// Numbers that look random and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// A certificate with some of these names everywhere.
fn certificate_of(names: &[&str], organized: bool, numbers: &mut Numbers) -> Certificate {
    let mut pick = || numbers.pick(names);
    let first = if organized { "O" } else { "CN" };
    let subject = name(&[(first, pick()), ("CN", pick())]);
    let issuer = name(&[("CN", pick())]);
    let mut alternative = vec![
        dns(format!("{}.EXAMPLE", pick()).as_bytes()),
        uri(format!("urn:{}", pick()).as_bytes()),
        email(format!("{}@{}", pick(), pick()).as_bytes()),
    ];
    let key = Key::ed25519(pick());
    alternative.push(ip(&[10, 0, 0, u8::try_from(numbers.below(4)).unwrap()]));
    let serial = u8::try_from(10 + numbers.below(4)).unwrap();
    let certificate = pki::Certificate {
        subject,
        issuer: Some(issuer),
        serial_number: unsigned(&[serial]),
        extensions: Some(vec![subject_alt_name(&alternative)]),
        ..pki::Certificate::leaf("orders", &key)
    };
    Certificate::parse(&certificate.signed_by(&acme("Acme Issuing CA"), &key)).unwrap()
}

#[test]
fn the_index_finds_whom_asking_everybody_finds() {
    let names = ["a", "b", "c", "d"];
    let conditions = [
        "subject.CN = \"X\"",
        "subject.CN = [\"X\", \"Y\"]",
        "subject.O = \"X\"",
        "subject.CN = { prefix = \"X\" }",
        "subject_dn = [\"CN=X,O=Y\", \"CN=Y\"]",
        "issuer.CN = \"X\"",
        "issuer_dn = \"CN=X\"",
        "san_dns = [\"X.Example\", \"y.example\"]",
        "san_dns = { suffix = \".example\" }",
        "san_uri = \"urn:X\"",
        "san_email = \"X@Y\"",
        "san_ip = \"10.0.0.1\"",
        "san_ip = [\"10.0.0.2\", \"10.0.0.0/31\"]",
        "serial_number = \"X\"\nissuer.CN = \"Y\"",
        "token.sub = \"X\"\nany = true",
        "token.sub = [\"X\", \"Y\"]\nsubject.CN = \"Y\"",
        "fingerprint = [\"sha256:FINGERPRINT\", \"sha256:ZEROS\"]",
        "public_key = \"sha256:KEY\"",
        "issuer_public_key = \"sha256:ZEROS\"",
    ];
    let mut numbers = Numbers(1);
    let mut found = 0;
    for round in 0..60 {
        let certificates: Vec<Certificate> =
            (0..20).map(|_| certificate_of(&names, round % 2 == 0, &mut numbers)).collect();
        let mut text = String::new();
        for position in 0..1 + numbers.below(30) {
            let (x, y) = (numbers.pick(&names), numbers.pick(&names));
            let mut lines: Vec<&str> = vec![numbers.pick(&conditions)];
            let second = numbers.pick(&conditions);
            let key = |line: &str| line.split(['=', ' ', '.']).next().unwrap().to_owned();
            if !lines[0].contains("any")
                && !second.contains("any")
                && key(lines[0]) != key(second)
                && !second.contains('\n')
                && !lines[0].contains('\n')
            {
                lines.push(second);
            }
            let pinned = &certificates[numbers.below(certificates.len())];
            let lines = lines
                .join("\n")
                .replace("FINGERPRINT", &hex(pinned.fingerprint()))
                .replace("KEY", &hex(pinned.public_key_fingerprint()))
                .replace("ZEROS", &"00".repeat(32))
                .replace('X', x)
                .replace('Y', y);
            text.push_str(&format!("[[client]]\nid = \"{position}\"\nallow = [\"*\"]\n{lines}\n"));
        }
        let policy = policy(&text);
        for certificate in &certificates {
            let claims = claims(json!({ "sub": [numbers.pick(&names), "z"] }));
            let claims = (numbers.below(2) == 0).then_some(&claims);
            let issuer_public_key = (numbers.below(2) == 0).then_some(&[0; 32]);
            let subject = Subject { certificate, issuer_public_key, claims };
            let asked = policy.clients().iter().find(|client| client.matches(&subject));
            let indexed = policy.client_for(&subject);
            assert_eq!(indexed.map(|client| &client.id), asked.map(|client| &client.id), "{text}");
            found += usize::from(indexed.is_some());
        }
    }
    assert!(found > 100, "{found} of 1200 were found: the sample says little");
}

#[test]
fn ten_thousand_clients_and_one_in_the_middle() {
    let mut text = String::new();
    for position in 0..10_000 {
        text.push_str(&format!("[[client]]\nid = \"c{position}\"\nallow = [\"*\"]\nsubject = {{ O = \"Acme\", CN = \"service-{position}\" }}\n"));
    }
    let policy = policy(&text);
    let middle = with_subject(&[("O", "Acme"), ("CN", "service-5000")]);
    assert_eq!(policy.client_for(&only(&middle)).unwrap().id, "c5000");
    assert_refuses(&policy, &with_subject(&[("O", "Acme"), ("CN", "service-10000")]));
}

#[test]
fn the_nearest_client_shows_what_it_lacks() {
    let policy = policy(
        "[[client]]\nid = \"far\"\nallow = [\"*\"]\nsubject = { CN = \"x\", O = \"y\" }\n[[client]]\nid = \"near\"\nallow = [\"*\"]\nsubject = { CN = \"orders\", O = [\"Acme Ltd\", \"Acme AG\"] }\n",
    );
    let certificate = certificate(|_| ());
    let (client, comparisons) = policy.nearest(&only(&certificate)).unwrap();
    assert_eq!(client.id, "near");
    assert_eq!(
        shown(&comparisons),
        [
            "subject.CN true `orders` [\"orders\"]",
            "subject.O false `Acme AG` or `Acme Ltd` [\"Acme\"]",
        ]
    );
}

fn shown(comparisons: &[Comparison]) -> Vec<String> {
    comparisons
        .iter()
        .map(|comparison| {
            let Comparison { condition, holds, expected, found } = comparison;
            format!("{condition} {holds} {expected} {found:?}")
        })
        .collect()
}

#[test]
fn each_condition_shows_what_it_asks_for_and_what_there_is() {
    let mine = certificate(|certificate| {
        certificate.serial_number = unsigned(&[0x03, 0xa5]);
        certificate.extensions = Some(vec![subject_alt_name(&[
            dns(b"Orders.acme.example"),
            dns(b"a.example"),
            uri(b"urn:orders"),
            email(b"ops@acme.example"),
            ip(&[10, 1, 2, 3]),
        ])]);
    });
    let other = certificate(|certificate| {
        certificate.subject = sequence(&[rdn(&[attribute_of("CN", &tlv(0x0c, b"orders\n"))])]);
        certificate.issuer = Some(empty_name());
        certificate.serial_number = unsigned(&[]);
        certificate.public_key = Key::ed25519("other").public_key();
        certificate.extensions = None;
    });
    let (my_claims, other_claims) =
        (claims(json!({ "sub": ["a", "orders"] })), claims(json!({ "sub": "orders\n" })));
    let issuer_key = [0xab; 32];
    let mine = Subject {
        certificate: &mine,
        issuer_public_key: Some(&issuer_key),
        claims: Some(&my_claims),
    };
    let other =
        Subject { certificate: &other, issuer_public_key: None, claims: Some(&other_claims) };
    let pin = |digest: &[u8; 32]| format!("sha256:{}", hex(digest));
    let fingerprint = |subject: &Subject<'_>| pin(subject.certificate.fingerprint());
    let key = |subject: &Subject<'_>| pin(subject.certificate.public_key_fingerprint());
    let undecodable = "\"(undecodable, or with a control character)\"";
    for (condition, name, expected, found, found_in_other) in [
        ("subject.CN = \"orders\"", "subject.CN", "`orders`", "\"orders\"", undecodable),
        (
            "subject.\"2.5.4.3\" = [\"orders\", { prefix = \"or-\" }, { suffix = \"-or\" }, { regex = \"o.+r\" }]",
            "subject.CN",
            "`orders` or the prefix `or-` or the suffix `-or` or the regex `o.+r`",
            "\"orders\"",
            undecodable,
        ),
        (
            "subject_dn = [\"CN=orders,O=Acme,C=US\", \"CN=b\"]",
            "subject_dn",
            "`CN=orders,O=Acme,C=US` or `CN=b`",
            "\"CN=orders,O=Acme,C=US\"",
            "\"CN=orders\\\\0A\"",
        ),
        ("issuer.O = \"Acme\"", "issuer.O", "`Acme`", "\"Acme\"", ""),
        (
            "issuer_dn = \"CN=Acme Issuing CA,O=Acme,C=US\"",
            "issuer_dn",
            "`CN=Acme Issuing CA,O=Acme,C=US`",
            "\"CN=Acme Issuing CA,O=Acme,C=US\"",
            "",
        ),
        (
            &format!("issuer_public_key = \"{}\"", pin(&issuer_key)),
            "issuer_public_key",
            &format!("`{}`", pin(&issuer_key)),
            &format!("{:?}", pin(&issuer_key)),
            "",
        ),
        (
            &format!("fingerprint = \"{}\"", fingerprint(&mine)),
            "fingerprint",
            &format!("`{}`", fingerprint(&mine)),
            &format!("{:?}", fingerprint(&mine)),
            &format!("{:?}", fingerprint(&other)),
        ),
        (
            &format!("public_key = \"{}\"", key(&mine)),
            "public_key",
            &format!("`{}`", key(&mine)),
            &format!("{:?}", key(&mine)),
            &format!("{:?}", key(&other)),
        ),
        (
            "san_dns = \"ORDERS.acme.example\"",
            "san_dns",
            "`orders.acme.example`",
            "\"Orders.acme.example\", \"a.example\"",
            "",
        ),
        ("san_uri = \"urn:orders\"", "san_uri", "`urn:orders`", "\"urn:orders\"", ""),
        (
            "san_email = { suffix = \"@acme.example\" }",
            "san_email",
            "the suffix `@acme.example`",
            "\"ops@acme.example\"",
            "",
        ),
        (
            "san_ip = [\"10.1.0.0/16\", \"2001:db8::/32\", \"10.2.0.1\", \"::1\"]",
            "san_ip",
            "`10.1.0.0/16` or `2001:db8::/32` or `10.2.0.1` or `::1`",
            "\"10.1.2.3\"",
            "",
        ),
    ] {
        let policy = one(condition);
        let compared = |subject: &Subject<'_>| shown(&policy.clients()[0].explain(subject));
        assert_eq!(compared(&mine), [format!("{name} true {expected} [{found}]")]);
        assert_eq!(compared(&other), [format!("{name} false {expected} [{found_in_other}]")]);
    }
    for (conditions, by_mine, by_other) in [
        (
            "serial_number = [\"3:a5\", \"ff\"]\nissuer.CN = \"x\"",
            "serial_number true `03A5` or `FF` [\"03A5\"]",
            "serial_number false `03A5` or `FF` [\"00\"]",
        ),
        (
            "serial_number = \"3a500\"\nissuer.CN = \"x\"",
            "serial_number false `03A500` [\"03A5\"]",
            "serial_number false `03A500` [\"00\"]",
        ),
        (
            "any = true\ntoken.sub = \"orders\"",
            "token.sub true `orders` [\"a\", \"orders\"]",
            "token.sub false `orders` [\"orders\\\\n\"]",
        ),
    ] {
        let policy = one(conditions);
        let compared = |subject: &Subject<'_>| shown(&policy.clients()[0].explain(subject));
        assert!(compared(&mine).iter().any(|line| line == by_mine), "{:?}", compared(&mine));
        assert!(compared(&other).iter().any(|line| line == by_other), "{:?}", compared(&other));
    }
}

#[test]
fn what_is_asked_for_is_shown_by_its_first_eight_and_a_count() {
    let certificate = certificate(|_| ());
    let expected = |condition: &str| {
        let policy = one(condition);
        policy.clients()[0].explain(&only(&certificate))[0].expected.clone()
    };
    let quoted = |texts: &[String], quote: &str, between: &str| {
        let texts: Vec<String> = texts.iter().map(|text| format!("{quote}{text}{quote}")).collect();
        texts.join(between)
    };
    for (count, more) in [(7, ""), (8, ""), (9, " or 1 more"), (11, " or 3 more")] {
        let first = count.min(8);
        let texts: Vec<String> =
            (10..10 + count).map(|number| format!("10.0.0.{number}")).collect();
        let wanted = format!("{}{more}", quoted(&texts[..first], "`", " or "));
        assert_eq!(expected(&format!("san_ip = [{}]", quoted(&texts, "\"", ", "))), wanted);
        assert_eq!(expected(&format!("subject.CN = [{}]", quoted(&texts, "\"", ", "))), wanted);
        // A pattern counts as one more, and comes last.
        let fewer = &texts[..count - 1];
        let with_pattern = format!("[{}, {{ prefix = \"x\" }}]", quoted(fewer, "\"", ", "));
        let pattern = if count > 8 { "" } else { " or the prefix `x`" };
        let told = quoted(&fewer[..fewer.len().min(8)], "`", " or ");
        assert_eq!(
            expected(&format!("subject.CN = {with_pattern}")),
            format!("{told}{pattern}{more}")
        );
    }
}
