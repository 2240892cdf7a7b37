//! The hostile and the odd: certificates that each differ from a sound one in a single respect, and what the
//! configuration in the root of the repository (`authorizer.toml`) makes of `GET /orders/7` with them.
//!
//! The sound one is `client`: issued by `CN=Acme Issuing CA,O=Acme,C=US` to `CN=orders,O=Acme,C=US`, good from
//! 2020 to 2099. They stand as PEM in `tests/fixtures/certificates`, for people, other programs and fuzzers;
//! `tests/fixtures.rs` sees to it that the files are these, and writes them with `UPDATE_FIXTURES=1`.
//!
//! Signatures are real but where the fixture is about an algorithm that nobody should make one with.

use super::pki::*;

/// A certificate, or bytes in the place of one.
#[derive(Debug)]
pub struct Fixture {
    pub name: &'static str,
    pub der: Vec<u8>,
    pub outcome: Outcome,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Allow,
    Deny(&'static str),
}

use Outcome::{Allow, Deny};

const MALFORMED: Outcome = Deny("malformed-certificate");
const NO_CLIENT: Outcome = Deny("no-client-matched");

/// The CA of all fixtures: root and issuing.
pub fn authorities() -> (Authority, Authority) {
    let root = Authority::root("Acme Root CA");
    let issuing = root.intermediate("Acme Issuing CA");
    (root, issuing)
}

/// Every fixture.
pub fn certificates() -> Vec<Fixture> {
    let mut all = vec![fixture("client", Allow, |_| {})];
    all.extend(string_types());
    all.extend(names());
    all.extend(serial_numbers());
    all.extend(validity());
    all.extend(encoding());
    all.extend(extensions());
    all.extend(usages());
    all.extend(alternative_names());
    all.extend(public_keys());
    all.extend(signature_algorithms());
    all
}

/// The sound certificate, before it is signed.
pub fn client() -> Certificate {
    Certificate {
        not_before: time(instant(2020, 1, 1, 0, 0, 0)),
        not_after: time(instant(2099, 12, 31, 23, 59, 59)),
        ..Certificate::leaf("orders", &Key::ed25519("orders"))
    }
}

/// The sound certificate with a change.
fn fixture(name: &'static str, outcome: Outcome, change: impl FnOnce(&mut Certificate)) -> Fixture {
    let mut certificate = client();
    change(&mut certificate);
    raw(name, outcome, authorities().1.issue(certificate))
}

/// Any bytes.
fn raw(name: &'static str, outcome: Outcome, der: Vec<u8>) -> Fixture {
    Fixture { name, der, outcome }
}

fn subject(name: &'static str, outcome: Outcome, subject: Der) -> Fixture {
    fixture(name, outcome, |certificate| certificate.subject = subject)
}

/// A common name of any encoding beside `O=Acme,C=US`.
fn common_name(name: &'static str, outcome: Outcome, value: Der) -> Fixture {
    subject(
        name,
        outcome,
        sequence(&[
            rdn(&[attribute("C", "US")]),
            rdn(&[attribute("O", "Acme")]),
            rdn(&[attribute_of("CN", &value)]),
        ]),
    )
}

fn string_types() -> Vec<Fixture> {
    let both = |name, encode: &dyn Fn(&str) -> Der| {
        let organization = rdn(&[attribute_of("O", &encode("Acme"))]);
        let common_name = rdn(&[attribute_of("CN", &encode("orders"))]);
        subject(name, Allow, sequence(&[rdn(&[attribute("C", "US")]), organization, common_name]))
    };
    vec![
        both("string-utf8", &utf8_string),
        both("string-printable", &printable_string),
        both("string-ia5", &ia5_string),
        both("string-visible", &visible_string),
        both("string-bmp", &bmp_string),
        both("string-universal", &universal_string),
        both("string-teletex", &|text| teletex_string(text.as_bytes())),
        common_name("string-numeric", NO_CLIENT, numeric_string("0123 4567")),
        common_name("string-numeric-letters", NO_CLIENT, numeric_string("orders")),
        common_name("string-utf8-invalid", NO_CLIENT, tlv(0x0c, b"orders\xff")),
        common_name("string-utf8-overlong", NO_CLIENT, tlv(0x0c, b"\xc0\xafders")),
        common_name("string-printable-latin1", NO_CLIENT, tlv(0x13, b"ord\xe8res")),
        common_name("string-ia5-high-bit", NO_CLIENT, tlv(0x16, b"order\xf3")),
        common_name("string-teletex-latin1", NO_CLIENT, teletex_string(b"ord\xe8res")),
        common_name("string-bmp-odd", NO_CLIENT, tlv(0x1e, b"\0o\0r\0d\0e\0r\0s\0")),
        common_name("string-bmp-surrogates", NO_CLIENT, bmp_string("orders \u{1f980}")),
        common_name("string-universal-beyond", NO_CLIENT, tlv(0x1c, &[0, 0x11, 0, 0])),
        common_name("string-universal-cut", NO_CLIENT, tlv(0x1c, &[0, 0, 0, b'o', 0, 0])),
        common_name("string-integer", NO_CLIENT, number(7)),
        common_name("string-octets", NO_CLIENT, octet_string(b"orders")),
        common_name("string-sequence", NO_CLIENT, sequence(&[utf8_string("orders")])),
        common_name("string-empty", NO_CLIENT, utf8_string("")),
    ]
}

fn names() -> Vec<Fixture> {
    let text = |name, value: &str| common_name(name, NO_CLIENT, utf8_string(value));
    let acme_and = |more: &[Der]| {
        let mut rdns: Vec<Der> = [("C", "US"), ("O", "Acme"), ("CN", "orders")]
            .iter()
            .map(|(kind, value)| rdn(&[attribute(kind, value)]))
            .collect();
        rdns.extend(more.iter().map(|attribute| rdn(std::slice::from_ref(attribute))));
        sequence(&rdns)
    };
    let issuer = |name, outcome, issuer: Der| {
        fixture(name, outcome, |certificate| certificate.issuer = Some(issuer))
    };
    vec![
        // What must never reach a header or a log as it is.
        text("name-crlf", "orders\r\nX-Admin: 1"),
        text("name-cr", "orders\rX-Admin: 1"),
        text("name-lf", "orders\n"),
        text("name-nul", "orders\0.evil.example"),
        text("name-escape", "orders\u{1b}[2J"),
        text("name-delete", "orders\u{7f}"),
        text("name-next-line", "orders\u{85}"),
        text("name-right-to-left", "orders\u{202e}sredro"),
        text("name-emoji", "orders \u{1f980}"),
        text("name-cyrillic", "\u{043e}rders"),
        text("name-letter-case", "Orders"),
        // What must be escaped, so that two names never read alike.
        text("name-comma", "orders,O=Acme"),
        text("name-plus", "orders+UID=7"),
        text("name-quote", "\"orders\""),
        text("name-backslash", "orders\\2C"),
        text("name-angle", "<orders>;"),
        text("name-equals", "CN=orders"),
        text("name-hash", "#orders"),
        text("name-hex-value", "#0c066f7264657273"),
        text("name-space-before", " orders"),
        text("name-space-after", "orders "),
        text("name-spaces", "   "),
        text("name-space", " "),
        text("name-wildcard", "*"),
        subject("name-in-a-value", NO_CLIENT, name(&[("O", "Evil"), ("CN", "alice,O=Acme Bank")])),
        subject("name-all-in-one", NO_CLIENT, name(&[("CN", "orders,O=Acme,C=US")])),
        subject("name-slashes", NO_CLIENT, name(&[("CN", "orders/O=Acme/C=US")])),
        // Sizes.
        common_name("name-4-kb", NO_CLIENT, utf8_string(&"a".repeat(4096))),
        subject("name-long", Allow, acme_and(&[attribute("OU", &"a".repeat(2000))])),
        subject(
            "name-too-long",
            Deny("identity-too-large"),
            acme_and(&[attribute("OU", &"a".repeat(4096))]),
        ),
        // Attributes more than once, missing, or together in one relative name.
        subject("name-two-cns-alike", Allow, acme_and(&[attribute("CN", "orders")])),
        subject("name-two-cns-last-other", NO_CLIENT, acme_and(&[attribute("CN", "admin")])),
        subject(
            "name-two-cns-first-other",
            NO_CLIENT,
            name(&[("C", "US"), ("O", "Acme"), ("CN", "admin"), ("CN", "orders")]),
        ),
        subject("name-two-organizations", NO_CLIENT, acme_and(&[attribute("O", "Evil")])),
        subject(
            "name-two-cns-one-undecodable",
            NO_CLIENT,
            acme_and(&[attribute_of("CN", &tlv(0x0c, b"\xff"))]),
        ),
        subject("name-no-organization", NO_CLIENT, name(&[("C", "US"), ("CN", "orders")])),
        subject("name-no-common-name", NO_CLIENT, name(&[("C", "US"), ("O", "Acme")])),
        subject("name-other-order", Allow, name(&[("CN", "orders"), ("O", "Acme"), ("C", "US")])),
        subject("name-empty", NO_CLIENT, empty_name()),
        subject(
            "name-multi-valued",
            Allow,
            sequence(&[
                rdn(&[attribute("O", "Acme")]),
                rdn(&[attribute("CN", "orders"), attribute("UID", "7")]),
            ]),
        ),
        subject(
            "name-multi-valued-same-type",
            NO_CLIENT,
            sequence(&[
                rdn(&[attribute("O", "Acme")]),
                rdn(&[attribute("CN", "orders"), attribute("CN", "admin")]),
            ]),
        ),
        subject(
            "name-multi-valued-unsorted",
            MALFORMED,
            sequence(&[
                rdn(&[attribute("O", "Acme")]),
                // DER sorts by octets, so the shorter attribute comes first.
                set(&[attribute("CN", "orders"), attribute("L", "x")]),
            ]),
        ),
        subject(
            "name-empty-rdn",
            MALFORMED,
            sequence(&[rdn(&[attribute("O", "Acme"), attribute("CN", "orders")]), rdn(&[])]),
        ),
        subject("name-rdn-is-sequence", MALFORMED, sequence(&[attribute("CN", "orders")])),
        subject(
            "name-attribute-without-value",
            MALFORMED,
            sequence(&[rdn(&[sequence(&[oid("2.5.4.3")])])]),
        ),
        subject(
            "name-attribute-with-two-values",
            MALFORMED,
            sequence(&[rdn(&[sequence(&[
                oid("2.5.4.3"),
                utf8_string("orders"),
                utf8_string("admin"),
            ])])]),
        ),
        // Types.
        subject("name-unregistered-type", Allow, acme_and(&[attribute("1.2.3.4", "x,y")])),
        subject("name-email", Allow, acme_and(&[attribute("emailAddress", "ops@acme.example")])),
        subject(
            "name-many-types",
            Allow,
            acme_and(&[
                attribute("L", "Berlin"),
                attribute("ST", "Berlin"),
                attribute("OU", "Orders"),
                attribute("STREET", "1 Main St."),
                attribute("DC", "acme"),
                attribute("UID", "7"),
                attribute("serialNumber", "4711"),
                attribute("title", "Service"),
                attribute("SN", "Doe"),
                attribute("GN", "Jo"),
            ]),
        ),
        // The same for the issuer, whose name is taken as it stands where there are no anchors.
        issuer(
            "issuer-other-organization",
            NO_CLIENT,
            name(&[("O", "Evil"), ("CN", "Acme Issuing CA")]),
        ),
        issuer(
            "issuer-in-a-value",
            NO_CLIENT,
            name(&[("O", "Evil"), ("CN", "Acme Issuing CA,O=Acme")]),
        ),
        issuer(
            "issuer-two-cns",
            NO_CLIENT,
            name(&[("O", "Acme"), ("CN", "Acme Issuing CA"), ("CN", "Evil CA")]),
        ),
        issuer("issuer-empty", NO_CLIENT, empty_name()),
        issuer("issuer-crlf", NO_CLIENT, name(&[("O", "Acme"), ("CN", "Acme\r\nIssuing CA")])),
    ]
}

fn serial_numbers() -> Vec<Fixture> {
    let serial = |name, outcome, octets: &[u8]| {
        fixture(name, outcome, |certificate| certificate.serial_number = integer(octets))
    };
    vec![
        serial("serial-one", Allow, &[0x01]),
        serial("serial-zero", Allow, &[0x00]),
        serial("serial-high-bit", Allow, &[0x00, 0x80]),
        serial("serial-zero-inside", Allow, &[0x01, 0x00, 0x00]),
        serial("serial-20-octets", Allow, &[0x7f; 20]),
        serial("serial-21-octets", Allow, &[&[0x00], [0xff; 20].as_slice()].concat()),
        serial("serial-64-octets", Allow, &[0x11; 64]),
        serial("serial-negative", MALFORMED, &[0x80]),
        serial("serial-minus-one", MALFORMED, &[0xff]),
        serial("serial-empty", MALFORMED, &[]),
        serial("serial-not-minimal", MALFORMED, &[0x00, 0x01]),
        fixture("serial-enumerated", MALFORMED, |it| it.serial_number = enumerated(1)),
        fixture("serial-absent", MALFORMED, |it| it.serial_number = Der::new()),
    ]
}

fn validity() -> Vec<Fixture> {
    let from = |name, outcome, from: Der| fixture(name, outcome, |it| it.not_before = from);
    let until = |name, outcome, until: Der| fixture(name, outcome, |it| it.not_after = until);
    let generalized = |text: &str| tlv(0x18, text.as_bytes());
    let expired = Deny("certificate-expired");
    vec![
        // To the second, at `NOW`.
        from("validity-from-now", Allow, time(NOW)),
        from("validity-from-next-second", Deny("certificate-not-yet-valid"), time(NOW + 1)),
        until("validity-until-now", Allow, time(NOW)),
        until("validity-until-last-second", expired, time(NOW - 1)),
        // Ends of the scale.
        until("validity-year-9999", Allow, generalized("99991231235959Z")),
        from("validity-year-1950", Allow, utc_time("500101000000Z")),
        from("validity-year-0000", Allow, generalized("00000101000000Z")),
        from("validity-generalized-before-2050", Allow, generalized("20200101000000Z")),
        // A UTCTime of year 50 is 1950, whatever its writer had in mind.
        until("validity-utc-time-2050", expired, utc_time("500101000000Z")),
        fixture("validity-backwards", expired, |certificate| {
            certificate.not_before = time(NOW - DAY);
            certificate.not_after = time(NOW - 2 * DAY);
        }),
        // Forms that RFC 5280 rules out.
        until("validity-no-seconds", MALFORMED, utc_time("9912312359Z")),
        until("validity-offset", MALFORMED, utc_time("491231235959+0100")),
        until("validity-no-zone", MALFORMED, utc_time("491231235959")),
        until("validity-fraction", MALFORMED, generalized("20991231235959.5Z")),
        until("validity-generalized-offset", MALFORMED, generalized("20991231235959+0000")),
        until("validity-generalized-local", MALFORMED, generalized("20991231235959")),
        until("validity-lower-case-z", MALFORMED, utc_time("491231235959z")),
        until("validity-spaces", MALFORMED, utc_time("4912 1235959Z")),
        until("validity-sign", MALFORMED, utc_time("+91231235959Z")),
        until("validity-february-30", MALFORMED, utc_time("490230000000Z")),
        until("validity-february-29-2100", MALFORMED, generalized("21000229000000Z")),
        until("validity-month-13", MALFORMED, utc_time("491301000000Z")),
        until("validity-day-0", MALFORMED, utc_time("490100000000Z")),
        until("validity-hour-24", MALFORMED, utc_time("491231240000Z")),
        until("validity-leap-second", MALFORMED, utc_time("491231235960Z")),
        until("validity-empty-time", MALFORMED, utc_time("")),
        until("validity-text", MALFORMED, utf8_string("491231235959Z")),
        until("validity-one-time", MALFORMED, Der::new()),
        until("validity-three-times", MALFORMED, concat(&[time(NOW + DAY), time(NOW + DAY)])),
    ]
}

fn encoding() -> Vec<Fixture> {
    let (_, issuing) = authorities();
    let sound = issuing.issue(client());
    let (content, algorithm) = (&sound[4..], issuing.key.algorithm());
    let body = client().to_be_signed(&issuing.name, &algorithm);
    let signature = bit_string(&issuing.key.sign(&body));
    let with_body = |body: &[u8]| {
        sequence(&[body.to_vec(), algorithm.clone(), bit_string(&issuing.key.sign(body))])
    };
    let outer = |elements: &[&[u8]]| sequence(elements);
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    vec![
        raw("encoding-empty", MALFORMED, Vec::new()),
        raw("encoding-null", MALFORMED, null()),
        raw("encoding-text", MALFORMED, b"-----BEGIN CERTIFICATE-----".to_vec()),
        raw("encoding-truncated", MALFORMED, sound[..sound.len() - 1].to_vec()),
        raw("encoding-half", MALFORMED, sound[..sound.len() / 2].to_vec()),
        raw("encoding-trailing-byte", MALFORMED, [sound.as_slice(), &[0]].concat()),
        raw("encoding-twice", MALFORMED, [sound.as_slice(), &sound].concat()),
        raw(
            "encoding-length-not-minimal",
            MALFORMED,
            raw_length(0x30, &[0x83, 0, length[0], length[1]], content),
        ),
        raw(
            "encoding-length-indefinite",
            MALFORMED,
            raw_length(0x30, &[0x80], &[content, &[0, 0]].concat()),
        ),
        raw(
            "encoding-length-of-4-gb",
            MALFORMED,
            raw_length(0x30, &[0x84, 0xff, 0xff, 0xff, 0xff], content),
        ),
        raw(
            "encoding-length-of-8-octets",
            MALFORMED,
            raw_length(0x30, &[0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], content),
        ),
        raw("encoding-length-reserved", MALFORMED, raw_length(0x30, &[0xff], content)),
        raw("encoding-set", MALFORMED, tlv(0x31, content)),
        raw(
            "encoding-high-tag",
            MALFORMED,
            raw_length(0x3f, &[0x30, 0x82, length[0], length[1]], content),
        ),
        raw(
            "encoding-short-length-not-minimal",
            MALFORMED,
            with_body(&{
                let mut certificate = client();
                certificate.serial_number = raw_length(0x02, &[0x81, 0x01], &[0x07]);
                certificate.to_be_signed(&issuing.name, &algorithm)
            }),
        ),
        raw(
            "encoding-body-trailing-element",
            MALFORMED,
            with_body(&sequence(&[&body[4..], &null()])),
        ),
        raw("encoding-no-signature", MALFORMED, outer(&[&body, &algorithm])),
        raw("encoding-no-algorithm", MALFORMED, outer(&[&body, &signature])),
        raw(
            "encoding-after-the-signature",
            MALFORMED,
            outer(&[&body, &algorithm, &signature, &null()]),
        ),
        raw(
            "encoding-signature-bits",
            MALFORMED,
            outer(&[&body, &algorithm, &tlv(0x03, &[&[3], [0xf8; 64].as_slice()].concat())]),
        ),
        raw("encoding-signature-empty", MALFORMED, outer(&[&body, &algorithm, &tlv(0x03, &[])])),
        raw(
            "encoding-signature-constructed",
            MALFORMED,
            outer(&[&body, &algorithm, &tlv(0x23, &signature)]),
        ),
        fixture("encoding-algorithms-differ", MALFORMED, |it| {
            it.signature = Some(Scheme::EcdsaP256Sha256.algorithm());
        }),
        fixture("encoding-algorithm-parameters-differ", MALFORMED, |it| {
            it.signature = Some(sequence(&[oid("1.3.101.112"), null()]));
        }),
        fixture("encoding-issuer-absent", MALFORMED, |it| it.issuer = Some(Der::new())),
        fixture("encoding-public-key-absent", MALFORMED, |it| it.public_key = Der::new()),
        fixture("encoding-oid-not-minimal", MALFORMED, |it| {
            let extension = sequence(&[tlv(0x06, &[0x2a, 0x80, 0x03]), octet_string(&null())]);
            it.extensions.get_or_insert_default().push(extension);
        }),
    ]
}

fn extensions() -> Vec<Fixture> {
    let with = |name, outcome, extension: Der| {
        fixture(name, outcome, |it| it.extensions.get_or_insert_default().push(extension))
    };
    let version = |name, outcome, version: Option<Der>, extensions: bool| {
        fixture(name, outcome, |certificate| {
            certificate.version = version;
            if !extensions {
                certificate.extensions = None;
            }
        })
    };
    let constraints = |name, outcome, extension: Der| {
        fixture(name, outcome, |certificate| {
            *certificate = certificate.clone().without("2.5.29.19").with(extension);
        })
    };
    let authority = |name, outcome, extension: Der| {
        fixture(name, outcome, |certificate| {
            *certificate = certificate.clone().without("2.5.29.19").with(ca(None)).with(extension);
        })
    };
    let names = "2.5.29.30";
    let subtrees = sequence(&[explicit(0, &sequence(&[dns(b"acme.example")]))]);
    let critical_false = |value: u8| {
        let critical = tlv(0x01, &[value]);
        sequence(&[oid("1.2.3.4"), critical, octet_string(&null())])
    };
    let spelt_out = sequence(&[boolean(false)]);
    let unique_id = || Some(implicit(1, &[0, 0x5a]));
    vec![
        version("version-1", Allow, None, false),
        version("version-2", Allow, Some(explicit(0, &number(1))), false),
        version("version-3-without-extensions", Allow, Some(explicit(0, &number(2))), false),
        version("version-1-spelt-out", MALFORMED, Some(explicit(0, &number(0))), false),
        version("version-1-with-extensions", MALFORMED, None, true),
        version("version-2-with-extensions", MALFORMED, Some(explicit(0, &number(1))), true),
        version("version-4", MALFORMED, Some(explicit(0, &number(3))), true),
        version("version-negative", MALFORMED, Some(explicit(0, &integer(&[0xff]))), true),
        fixture("unique-id", Allow, |it| it.issuer_unique_id = unique_id()),
        fixture("unique-ids", Allow, |it| {
            it.issuer_unique_id = unique_id();
            it.subject_unique_id = Some(implicit(2, &[0, 0xa5]));
        }),
        fixture("unique-id-in-version-1", MALFORMED, |it| {
            (it.version, it.extensions) = (None, None);
            it.issuer_unique_id = unique_id();
        }),
        fixture("unique-ids-swapped", MALFORMED, |it| {
            it.issuer_unique_id = Some(implicit(2, &[0, 0xa5]));
            it.subject_unique_id = unique_id();
        }),
        with("extension-unknown", Allow, extension("1.2.3.4", &null())),
        with("extension-unknown-not-der", Allow, extension("1.2.3.4", &[0xff])),
        with("extension-key-id-of-the-issuer", Allow, authority_key_id(&[7; 20])),
        with("extension-key-id-empty", MALFORMED, extension("2.5.29.14", &[])),
        with(
            "extension-key-id-trailing-byte",
            MALFORMED,
            extension("2.5.29.14", &concat(&[octet_string(&[7; 20]), vec![0]])),
        ),
        with(
            "extension-key-id-of-the-issuer-cut-off",
            MALFORMED,
            extension("2.5.29.35", &sequence(&[implicit(0, &[7; 20])[..20].to_vec()])),
        ),
        with("extension-policies-are-text", MALFORMED, extension("2.5.29.32", b"policy")),
        with("extension-policies", Allow, certificate_policies(&["1.2.3.4"])),
        with(
            "extension-crl-points-length-not-minimal",
            MALFORMED,
            extension("2.5.29.31", &[0x30, 0x81, 0x00]),
        ),
        with(
            "extension-unknown-critical",
            Deny("unknown-critical-extension"),
            critical("1.2.3.4", &null()),
        ),
        with("extension-critical-false", Allow, critical_false(0x00)),
        with("extension-critical-neither", MALFORMED, critical_false(0x01)),
        with("extension-duplicate", MALFORMED, extended_key_usage(&[CLIENT_AUTH])),
        fixture("extension-unknown-duplicate", MALFORMED, |it| {
            let twice = [extension("1.2.3.4", &null()), extension("1.2.3.4", &null())];
            it.extensions.get_or_insert_default().extend(twice);
        }),
        with("extension-without-value", MALFORMED, sequence(&[oid("1.2.3.4")])),
        with(
            "extension-after-the-value",
            MALFORMED,
            sequence(&[oid("1.2.3.4"), octet_string(&null()), null()]),
        ),
        fixture("extensions-empty", MALFORMED, |it| it.extensions = Some(Vec::new())),
        constraints("constraints-absent", Allow, extension("1.2.3.4", &null())),
        constraints("constraints-ca", Deny("certificate-is-ca"), ca(None)),
        constraints("constraints-ca-path-length", Deny("certificate-is-ca"), ca(Some(0))),
        constraints(
            "constraints-ca-not-critical",
            Deny("certificate-is-ca"),
            extension("2.5.29.19", &sequence(&[boolean(true)])),
        ),
        constraints("constraints-false-spelt-out", Allow, critical("2.5.29.19", &spelt_out)),
        constraints(
            "constraints-neither",
            MALFORMED,
            critical("2.5.29.19", &sequence(&[tlv(0x01, &[0x01])])),
        ),
        constraints(
            "constraints-path-length-negative",
            MALFORMED,
            critical("2.5.29.19", &sequence(&[boolean(true), integer(&[0xff])])),
        ),
        constraints("constraints-empty-value", MALFORMED, critical("2.5.29.19", &[])),
        with("constraints-names-of-no-authority", MALFORMED, critical(names, &subtrees)),
        with(
            "constraints-names-of-no-authority-not-critical",
            MALFORMED,
            extension(names, &subtrees),
        ),
        authority(
            "constraints-names-of-an-authority",
            Deny("certificate-is-ca"),
            critical(names, &subtrees),
        ),
        authority("constraints-names-empty", MALFORMED, critical(names, &sequence::<Der>(&[]))),
        authority(
            "constraints-names-empty-list",
            Deny("certificate-is-ca"),
            critical(names, &sequence(&[explicit(0, &[])])),
        ),
        constraints(
            "constraints-trailing-byte",
            MALFORMED,
            critical("2.5.29.19", &[0x30, 0x00, 0x00]),
        ),
    ]
}

fn usages() -> Vec<Fixture> {
    let extended = |name, outcome, extension: Option<Der>| {
        fixture(name, outcome, |certificate| {
            let mut changed = certificate.clone().without("2.5.29.37");
            changed.extensions.get_or_insert_default().extend(extension);
            *certificate = changed;
        })
    };
    let purposes = |list: &[&str]| Some(extended_key_usage(list));
    let usage = |name, outcome, extension: Option<Der>| {
        fixture(name, outcome, |certificate| {
            let mut changed = certificate.clone().without("2.5.29.15");
            changed.extensions.get_or_insert_default().extend(extension);
            *certificate = changed;
        })
    };
    let bits = |bits: &[usize]| Some(key_usage(bits));
    let (wrong_purpose, wrong_usage) = (Deny("extended-key-usage"), Deny("key-usage"));
    vec![
        extended("purpose-absent", Allow, None),
        extended("purpose-server", wrong_purpose, purposes(&[SERVER_AUTH])),
        extended("purpose-any", wrong_purpose, purposes(&[ANY_EXTENDED_KEY_USAGE])),
        extended("purpose-any-and-client", Allow, purposes(&[ANY_EXTENDED_KEY_USAGE, CLIENT_AUTH])),
        extended("purpose-server-and-client", Allow, purposes(&[SERVER_AUTH, CLIENT_AUTH])),
        // Identifiers that begin like clientAuth, or that clientAuth begins like.
        extended("purpose-longer", wrong_purpose, purposes(&["1.3.6.1.5.5.7.3.2.1"])),
        extended("purpose-shorter", wrong_purpose, purposes(&["1.3.6.1.5.5.7.3"])),
        extended("purpose-empty", MALFORMED, purposes(&[])),
        extended(
            "purpose-critical",
            Allow,
            Some(made_critical(&extended_key_usage(&[CLIENT_AUTH]))),
        ),
        extended(
            "purpose-is-text",
            MALFORMED,
            Some(extension("2.5.29.37", &sequence(&[utf8_string("clientAuth")]))),
        ),
        usage("usage-absent", Allow, None),
        usage("usage-digital-signature", Allow, bits(&[DIGITAL_SIGNATURE])),
        usage("usage-key-agreement", Allow, bits(&[KEY_AGREEMENT])),
        usage("usage-key-encipherment", wrong_usage, bits(&[KEY_ENCIPHERMENT])),
        usage("usage-non-repudiation", wrong_usage, bits(&[1])),
        usage("usage-ca", wrong_usage, bits(&[KEY_CERT_SIGN, CRL_SIGN])),
        usage("usage-ca-too", wrong_usage, bits(&[DIGITAL_SIGNATURE, KEY_CERT_SIGN])),
        usage("usage-lists-too", Allow, bits(&[DIGITAL_SIGNATURE, CRL_SIGN])),
        usage("usage-decipher-only", wrong_usage, bits(&[8])),
        usage("usage-none", wrong_usage, bits(&[])),
        usage("usage-not-critical", Allow, Some(extension("2.5.29.15", &named_bits(&[0])))),
        // Zero bits at the end, which DER cuts off in named lists: there is one reading only.
        usage(
            "usage-zeros-at-the-end",
            Allow,
            Some(critical("2.5.29.15", &tlv(0x03, &[0, 0x80, 0]))),
        ),
        usage(
            "usage-unused-bits-set",
            MALFORMED,
            Some(critical("2.5.29.15", &[0x03, 0x02, 0x07, 0x81])),
        ),
        usage(
            "usage-unused-bits-8",
            MALFORMED,
            Some(critical("2.5.29.15", &[0x03, 0x02, 0x08, 0x80])),
        ),
    ]
}

fn alternative_names() -> Vec<Fixture> {
    let names = |name, outcome, names: &[Der]| {
        fixture(name, outcome, |certificate| {
            *certificate = certificate.clone().without("2.5.29.17").with(subject_alt_name(names));
        })
    };
    // Names that are none of their kind match nothing, and spoil nothing: the subject matches.
    let odd = |name, odd: Der| names(name, Allow, &[odd]);
    vec![
        fixture("san-absent", Allow, |it| *it = it.clone().without("2.5.29.17")),
        names("san-empty", MALFORMED, &[]),
        names(
            "san-all-kinds",
            Allow,
            &[
                other_name("1.3.6.1.4.1.311.20.2.3", &utf8_string("orders@acme.example")),
                email(b"ops@acme.example"),
                dns(b"orders.acme.example"),
                directory_name(&acme("orders")),
                uri(b"spiffe://acme/orders/1"),
                ip(&[10, 1, 2, 3]),
                ip(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
                registered_id("1.2.3.4"),
            ],
        ),
        fixture("san-alone", NO_CLIENT, |certificate| {
            certificate.subject = empty_name();
            let names = subject_alt_name(&[dns(b"orders.acme.example")]);
            *certificate = certificate.clone().without("2.5.29.17").with(made_critical(&names));
        }),
        odd("san-dns-space", dns(b"Acme Orders")),
        odd("san-dns-empty", dns(b"")),
        odd("san-dns-nul", dns(b"orders.acme.example\0.evil.example")),
        odd("san-dns-crlf", dns(b"orders.acme.example\r\nX-Admin: 1")),
        odd("san-dns-comma", dns(b"a.example,DNS:b.example")),
        odd("san-dns-latin1", dns(b"\xe9.acme.example")),
        odd("san-dns-utf8", dns("orders.\u{e4}cme.example".as_bytes())),
        odd("san-dns-trailing-dot", dns(b"orders.acme.example.")),
        odd("san-dns-leading-dot", dns(b".acme.example")),
        odd("san-dns-wildcard", dns(b"*.acme.example")),
        odd("san-dns-wildcard-inside", dns(b"orders.*.example")),
        odd("san-dns-address", dns(b"10.1.2.3")),
        odd("san-dns-upper-case", dns(b"ORDERS.ACME.EXAMPLE")),
        odd("san-dns-underscore", dns(b"_orders.acme.example")),
        odd("san-dns-label-of-64", dns(&[&[b'a'; 64], b".example".as_slice()].concat())),
        odd("san-dns-4-kb", dns(&[b'a'; 4096])),
        odd("san-uri-no-scheme", uri(b"//acme/orders/1")),
        odd("san-uri-empty", uri(b"")),
        odd("san-uri-scheme-alone", uri(b"spiffe:")),
        odd("san-uri-nul", uri(b"spiffe://acme/orders/1\0/admin")),
        odd("san-uri-space", uri(b"spiffe://acme/orders/ 1")),
        odd("san-uri-comma", uri(b"spiffe://acme/orders/1,URI:spiffe://acme/admin")),
        odd("san-uri-percent", uri(b"spiffe://acme/orders/%2e%2e/admin")),
        odd("san-uri-dots", uri(b"spiffe://acme/orders/../admin")),
        odd("san-uri-utf8", uri("spiffe://acme/\u{f6}rders".as_bytes())),
        odd("san-email-no-at", email(b"ops.acme.example")),
        odd("san-email-two-ats", email(b"ops@evil.example@acme.example")),
        odd("san-email-nul", email(b"ops@acme.example\0.evil.example")),
        odd("san-email-no-local-part", email(b"@acme.example")),
        odd("san-email-space", email(b"o ps@acme.example")),
        odd("san-ip-0-octets", ip(&[])),
        odd("san-ip-3-octets", ip(&[10, 1, 2])),
        odd("san-ip-5-octets", ip(&[10, 1, 2, 3, 4])),
        odd("san-ip-8-octets", ip(&[10, 1, 0, 0, 255, 255, 0, 0])),
        odd("san-ip-mapped", ip(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3])),
        odd("san-ip-text", ip(b"10.1.2.3")),
        odd("san-other-name", other_name("1.3.6.1.4.1.311.20.2.3", &utf8_string("orders"))),
        odd("san-directory-name", directory_name(&acme("orders"))),
        odd("san-directory-name-empty", directory_name(&empty_name())),
        odd("san-registered-id", registered_id("1.2.3.4")),
        names("san-unknown-kind", MALFORMED, &[implicit(9, b"orders")]),
        names("san-constructed-dns", MALFORMED, &[tlv(0xa2, &ia5_string("orders.acme.example"))]),
        names("san-not-a-general-name", MALFORMED, &[ia5_string("orders.acme.example")]),
        names("san-directory-name-malformed", MALFORMED, &[directory_name(&null())]),
    ]
}

fn public_keys() -> Vec<Fixture> {
    let key = |name, outcome, public_key: Der| {
        fixture(name, outcome, |certificate| certificate.public_key = public_key)
    };
    let other = |name, algorithm: &[Der], bits: &[u8]| {
        key(name, Deny("weak-key"), spki(&sequence(algorithm), bits))
    };
    let rsa_algorithm = sequence(&[oid("1.2.840.113549.1.1.1"), null()]);
    let rsa = |modulus: Der, exponent: Der| spki(&rsa_algorithm, &sequence(&[modulus, exponent]));
    // Odd, and as long as said; that it factors is nobody's concern here.
    let modulus = |bits: usize| {
        let mut octets = vec![0xff; bits.div_ceil(8)];
        octets[0] = 0xff >> (octets.len() * 8 - bits);
        unsigned(&octets)
    };
    let ec = "1.2.840.10045.2.1";
    let integers = sequence(&[number(23), number(11), number(2)]);
    vec![
        key("key-rsa-1024", Deny("weak-key"), Key::rsa_1024().public_key()),
        key("key-rsa-2047", Deny("weak-key"), rsa(modulus(2047), number(65537))),
        key("key-rsa-2048", Allow, Key::rsa_2048().public_key()),
        key("key-rsa-3072", Allow, rsa(modulus(3072), number(65537))),
        key("key-rsa-4096", Allow, rsa(modulus(4096), number(65537))),
        key("key-rsa-exponent-1", Deny("weak-key"), rsa(modulus(2048), number(1))),
        key("key-rsa-exponent-even", Deny("weak-key"), rsa(modulus(2048), number(65536))),
        key("key-rsa-modulus-negative", MALFORMED, rsa(integer(&[0x80; 256]), number(65537))),
        key(
            "key-rsa-three-numbers",
            MALFORMED,
            spki(&rsa_algorithm, &sequence(&[modulus(2048), number(3), number(3)])),
        ),
        key("key-rsa-no-numbers", MALFORMED, spki(&rsa_algorithm, &[])),
        // `id-RSASSA-PSS` as the kind of key, which TLS stacks hardly take.
        other(
            "key-rsa-pss",
            &[oid("1.2.840.113549.1.1.10")],
            &sequence(&[modulus(2048), number(65537)]),
        ),
        other("key-dsa", &[oid("1.2.840.10040.4.1"), integers.clone()], &number(8)),
        other("key-dh", &[oid("1.2.840.10046.2.1"), integers], &number(8)),
        other("key-x25519", &[oid("1.3.101.110")], &[0x5a; 32]),
        other("key-x448", &[oid("1.3.101.111")], &[0x5a; 56]),
        other("key-ed448", &[oid("1.3.101.113")], &[0x5a; 57]),
        other(
            "key-secp256k1",
            &[oid(ec), oid("1.3.132.0.10")],
            &[&[4], [0x5a; 64].as_slice()].concat(),
        ),
        other(
            "key-p192",
            &[oid(ec), oid("1.2.840.10045.3.1.1")],
            &[&[4], [0x5a; 48].as_slice()].concat(),
        ),
        other("key-p224", &[oid(ec), oid("1.3.132.0.33")], &[&[4], [0x5a; 56].as_slice()].concat()),
        other(
            "key-brainpool",
            &[oid(ec), oid("1.3.36.3.3.2.8.1.1.7")],
            &[&[4], [0x5a; 64].as_slice()].concat(),
        ),
        other("key-unknown", &[oid("1.2.3.4")], b"?"),
        // Curves spelt out instead of named hide what curve it is (CVE-2020-0601).
        other(
            "key-ec-parameters",
            &[oid(ec), sequence(&[number(1), sequence(&[oid("1.2.840.10045.1.1"), number(23)])])],
            &[&[4], [0x5a; 64].as_slice()].concat(),
        ),
        key("key-algorithm-is-text", MALFORMED, spki(&sequence(&[utf8_string("rsa")]), &[])),
        key(
            "key-after-the-bits",
            MALFORMED,
            sequence(&[sequence(&[oid("1.3.101.112")]), bit_string(&[0x5a; 32]), null()]),
        ),
    ]
}

fn signature_algorithms() -> Vec<Fixture> {
    let by = |name, outcome, scheme: Scheme| {
        let key = Key::rsa_2048().with_scheme(scheme);
        raw(name, outcome, client().signed_by(&acme("Acme Issuing CA"), &key))
    };
    // Named only, over a signature of another kind: nobody should make these, or `ring` does not.
    let named = |name, outcome, dotted: &str, parameters: Der| {
        fixture(name, outcome, |certificate| {
            let algorithm = sequence(&[oid(dotted), parameters]);
            certificate.signature = Some(algorithm.clone());
            certificate.signature_algorithm = Some(algorithm);
        })
    };
    let called = |name, dotted, parameters| named(name, Deny("weak-signature"), dotted, parameters);
    let none = Der::new;
    vec![
        by("signature-rsa-sha256", Allow, Scheme::RsaPkcs1(Hash::Sha256)),
        by("signature-rsa-sha384", Allow, Scheme::RsaPkcs1(Hash::Sha384)),
        by("signature-rsa-sha512", Allow, Scheme::RsaPkcs1(Hash::Sha512)),
        by("signature-rsa-pss", Allow, Scheme::RsaPss(Hash::Sha256)),
        named("signature-ecdsa-sha256", Allow, "1.2.840.10045.4.3.2", none()),
        named("signature-ecdsa-sha384", Allow, "1.2.840.10045.4.3.3", none()),
        named("signature-ecdsa-sha512", Allow, "1.2.840.10045.4.3.4", none()),
        by("signature-rsa-sha1", Deny("weak-signature"), Scheme::RsaPkcs1(Hash::Sha1)),
        by("signature-rsa-pss-sha1", Deny("weak-signature"), Scheme::RsaPss(Hash::Sha1)),
        called("signature-rsa-pss-no-parameters", "1.2.840.113549.1.1.10", none()),
        called("signature-rsa-md5", "1.2.840.113549.1.1.4", null()),
        called("signature-rsa-md2", "1.2.840.113549.1.1.2", null()),
        called("signature-rsa-sha224", "1.2.840.113549.1.1.14", null()),
        called("signature-ecdsa-sha1", "1.2.840.10045.4.1", none()),
        called("signature-ecdsa-sha224", "1.2.840.10045.4.3.1", none()),
        called("signature-dsa-sha1", "1.2.840.10040.4.3", none()),
        called("signature-dsa-sha256", "2.16.840.1.101.3.4.3.2", none()),
        called("signature-ed448", "1.3.101.113", none()),
        called("signature-unknown", "1.2.3.4", none()),
    ]
}
