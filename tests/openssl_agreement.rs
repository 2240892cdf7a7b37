//! What is read from a certificate is what the OpenSSL command line shows of it: subject and issuer
//! (`-nameopt RFC2253`), serial number, validity, fingerprint, alternative names, and the public key.
//!
//! Every certificate of the sample PKI and of the fixtures is compared. Where the two differ, it is on purpose
//! and stands in [`DIFFERENCES`], [`ONLY_OPENSSL_READS`] or [`ONLY_WE_READ`] with its reason; an entry there
//! that no longer differs fails as well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice
)]

mod support;

use std::{collections::BTreeMap, fs, net::IpAddr, path::Path};

use mtls_authorizer::certificate::{Certificate, name::Name, pem, san::NameKind};
use support::openssl::openssl_status;

/// A certificate, OpenSSL's line, and ours.
type Difference = (&'static str, &'static str, &'static str);

/// Lines that differ, by reason.
const DIFFERENCES: &[(&str, &[Difference])] = &[
    (
        "types without a short name in RFC 4514 are dotted, with the DER of their value; OpenSSL has more short \
         names, not all of them registered, and writes STREET in lower case",
        &[
            (
                "name-email",
                "subject=emailAddress=ops@acme.example,CN=orders,O=Acme,C=US",
                "subject=1.2.840.113549.1.9.1=#16106F70734061636D652E6578616D706C65,CN=orders,O=Acme,C=US",
            ),
            (
                "name-many-types",
                "subject=GN=Jo,SN=Doe,title=Service,serialNumber=4711,UID=7,DC=acme,street=1 Main St.,\
                 OU=Orders,ST=Berlin,L=Berlin,CN=orders,O=Acme,C=US",
                "subject=2.5.4.42=#0C024A6F,2.5.4.4=#0C03446F65,2.5.4.12=#0C0753657276696365,\
                 2.5.4.5=#0C0434373131,UID=7,DC=acme,STREET=1 Main St.,\
                 OU=Orders,ST=Berlin,L=Berlin,CN=orders,O=Acme,C=US",
            ),
        ],
    ),
    (
        "RFC 4514 turns the order of relative names round, not that of the attributes in one; OpenSSL turns both",
        &[
            (
                "name-multi-valued",
                "subject=UID=7+CN=orders,O=Acme",
                "subject=CN=orders+UID=7,O=Acme",
            ),
            (
                "name-multi-valued-same-type",
                "subject=CN=orders+CN=admin,O=Acme",
                "subject=CN=admin+CN=orders,O=Acme",
            ),
        ],
    ),
    (
        "a value with octets that its type does not have is no text; OpenSSL takes it for ISO 8859-1",
        &[
            (
                "string-ia5-high-bit",
                r"subject=CN=order\C3\B3,O=Acme,C=US",
                "subject=CN=#16066F72646572F3,O=Acme,C=US",
            ),
            (
                "string-printable-latin1",
                r"subject=CN=ord\C3\A8res,O=Acme,C=US",
                "subject=CN=#13076F7264E8726573,O=Acme,C=US",
            ),
            (
                "string-numeric-letters",
                "subject=CN=orders,O=Acme,C=US",
                "subject=CN=#12066F7264657273,O=Acme,C=US",
            ),
        ],
    ),
    (
        "kinds of alternative names that no condition speaks of are not kept",
        &[
            (
                "san-all-kinds",
                "names=othername: UPN::orders@acme.example, email:ops@acme.example, \
                 DNS:orders.acme.example, DirName:/C=US/O=Acme/CN=orders, URI:spiffe://acme/orders/1, \
                 IP Address:10.1.2.3, IP Address:2001:DB8:0:0:0:0:0:1, Registered ID:1.2.3.4",
                "names=email:ops@acme.example, DNS:orders.acme.example, URI:spiffe://acme/orders/1, \
                 IP Address:10.1.2.3, IP Address:2001:DB8:0:0:0:0:0:1",
            ),
            ("san-other-name", "names=othername: UPN::orders", "names="),
            ("san-directory-name", "names=DirName:/C=US/O=Acme/CN=orders", "names="),
            ("san-directory-name-empty", "names=DirName:", "names="),
            ("san-registered-id", "names=Registered ID:1.2.3.4", "names="),
        ],
    ),
    (
        "alternative names with a NUL are read, match nothing, and leave the others alone; OpenSSL gives up on \
         the extension and dumps it",
        &[
            (
                "san-dns-nul",
                "names=0#.!orders.acme.example..evil.example",
                "names=DNS:orders.acme.example\0.evil.example",
            ),
            (
                "san-email-nul",
                "names=0 ..ops@acme.example..evil.example",
                "names=email:ops@acme.example\0.evil.example",
            ),
            (
                "san-uri-nul",
                "names=0...spiffe://acme/orders/1./admin",
                "names=URI:spiffe://acme/orders/1\0/admin",
            ),
        ],
    ),
    (
        "years have four digits; OpenSSL pads with spaces",
        &[(
            "validity-year-0000",
            "notBefore=   0-01-01 00:00:00Z",
            "notBefore=0000-01-01 00:00:00Z",
        )],
    ),
];

/// Certificates that OpenSSL's `x509` takes, by the rule that it does not enforce there, as our error says it.
/// Some it does enforce when it verifies.
const ONLY_OPENSSL_READS: &[(&str, &[&str])] = &[
    ("a length is indefinite", &["encoding-length-indefinite"]),
    (
        "a length is not minimal",
        &[
            "encoding-length-not-minimal",
            "encoding-short-length-not-minimal",
            "extension-crl-points-length-not-minimal",
        ],
    ),
    (
        "an extension's value is not the element that its type demands",
        &[
            "extension-key-id-empty",
            "extension-key-id-trailing-byte",
            "extension-policies-are-text",
        ],
    ),
    ("an element ends after its input", &["extension-key-id-of-the-issuer-cut-off"]),
    ("there are bytes after the certificate", &["encoding-trailing-byte", "encoding-twice"]),
    ("a default value is spelt out", &["version-1-spelt-out"]),
    ("a BOOLEAN is neither true nor false", &["constraints-neither", "extension-critical-neither"]),
    ("a number of certificates is negative", &["constraints-path-length-negative"]),
    ("the basic constraints are not a SEQUENCE", &["constraints-empty-value"]),
    (
        "name constraints stand in a certificate of no authority",
        &["constraints-names-of-no-authority", "constraints-names-of-no-authority-not-critical"],
    ),
    ("the name constraints are empty", &["constraints-names-empty"]),
    ("an extension's value has trailing bytes", &["constraints-trailing-byte"]),
    (
        "the two signature algorithms differ",
        &["encoding-algorithm-parameters-differ", "encoding-algorithms-differ"],
    ),
    ("the signature is not of whole bytes", &["encoding-signature-bits"]),
    ("the certificate has no signature", &["encoding-signature-constructed"]),
    ("an extension occurs twice", &["extension-duplicate", "extension-unknown-duplicate"]),
    ("the extensions are empty", &["extensions-empty"]),
    ("an RSA key has a negative number", &["key-rsa-modulus-negative"]),
    ("an RSA key is not a SEQUENCE", &["key-rsa-no-numbers"]),
    ("an RSA key has more than two numbers", &["key-rsa-three-numbers"]),
    ("a relative distinguished name is empty", &["name-empty-rdn"]),
    ("the members of a SET are not sorted", &["name-multi-valued-unsorted"]),
    ("the extended key usage is empty", &["purpose-empty"]),
    ("a key purpose is not an OBJECT IDENTIFIER", &["purpose-is-text"]),
    ("the alternative names are empty", &["san-empty"]),
    (
        "an alternative name is of no known kind",
        &["san-constructed-dns", "san-not-a-general-name", "san-unknown-kind"],
    ),
    ("a directory name is not a SEQUENCE", &["san-directory-name-malformed"]),
    ("the serial number is negative", &["serial-minus-one", "serial-negative"]),
    ("a version 1 certificate has a unique identifier", &["unique-id-in-version-1"]),
    ("a BIT STRING miscounts its unused bits", &["usage-unused-bits-8"]),
    ("a BIT STRING has unused bits that are not zero", &["usage-unused-bits-set"]),
    (
        "a time is a date that does not exist",
        &[
            "validity-day-0",
            "validity-february-29-2100",
            "validity-february-30",
            "validity-hour-24",
            "validity-leap-second",
            "validity-month-13",
        ],
    ),
    (
        "a time is not of the form that RFC 5280 demands",
        &[
            "validity-empty-time",
            "validity-fraction",
            "validity-generalized-local",
            "validity-generalized-offset",
            "validity-lower-case-z",
            "validity-no-seconds",
            "validity-no-zone",
            "validity-offset",
            "validity-sign",
            "validity-spaces",
        ],
    ),
    (
        "a certificate before version 3 has extensions",
        &["version-1-with-extensions", "version-2-with-extensions"],
    ),
    ("the version is not 1, 2 or 3", &["version-4", "version-negative"]),
];

/// Certificates that OpenSSL does not take, by reason.
const ONLY_WE_READ: &[(&str, &[&str])] = &[
    (
        "a value that can't be decoded matches nothing and spoils nothing; OpenSSL refuses the certificate",
        &[
            "name-two-cns-one-undecodable",
            "string-bmp-odd",
            "string-bmp-surrogates",
            "string-universal-beyond",
            "string-universal-cut",
            "string-utf8-invalid",
            "string-utf8-overlong",
        ],
    ),
    (
        "so does one of another type; OpenSSL knows a choice of types (DirectoryString and some more)",
        &["string-integer", "string-octets", "string-visible"],
    ),
];

#[test]
fn openssl_shows_the_same() {
    let test = "openssl_shows_the_same";
    let mut wrong = Vec::new();
    let mut seen = Vec::new();
    for (name, path) in certificates() {
        let der = pem::first_certificate(&fs::read_to_string(&path).unwrap()).unwrap_or_default();
        let arguments = "x509 -noout -subject -issuer -serial -startdate -enddate -dateopt iso_8601 \
                         -fingerprint -sha256 -nameopt RFC2253 -ext subjectAltName -in";
        let arguments: Vec<&str> = arguments.split_whitespace().chain([path.as_str()]).collect();
        let Some((read, output)) = openssl_status(test, &arguments) else { return };
        let theirs = lines(&output);
        match (Certificate::parse(&der), read) {
            (Err(_), false) => {}
            (Err(error), true) => match listed(ONLY_OPENSSL_READS, &name) {
                Some(rule) if rule == error.rule => seen.push(name),
                _ => wrong.push(format!("{name}: OpenSSL reads it, we don't: {error}")),
            },
            (Ok(_), false) => match listed(ONLY_WE_READ, &name) {
                Some(_) => seen.push(name),
                None => wrong.push(format!("{name}: we read it, OpenSSL doesn't")),
            },
            (Ok(certificate), true) => {
                let ours = as_openssl_shows(&certificate);
                for (ours, theirs) in
                    ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs)
                {
                    let known = differences()
                        .any(|known| known == (name.as_str(), theirs.as_str(), ours.as_str()));
                    if known {
                        seen.push(name.clone());
                    } else {
                        wrong.push(format!("{name}\n  OpenSSL: {theirs}\n  we:      {ours}"));
                    }
                }
                if ours.len() != theirs.len() {
                    wrong.push(format!("{name}: {theirs:?}"));
                }
            }
        }
    }
    let entries = differences().map(|(name, _, _)| name).chain(
        ONLY_OPENSSL_READS.iter().chain(ONLY_WE_READ).flat_map(|(_, names)| names.iter().copied()),
    );
    for name in entries.filter(|&name| !seen.iter().any(|seen| seen == name)) {
        wrong.push(format!("{name} is listed, and no longer differs"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What users put into `public_key = ["sha256:…"]`:
/// `openssl x509 -noout -pubkey | openssl pkey -pubin -outform der | sha256sum`.
#[test]
fn the_public_key_is_the_one_that_openssl_extracts() {
    let test = "the_public_key_is_the_one_that_openssl_extracts";
    let mut compared = 0;
    for (name, path) in certificates() {
        let der = pem::first_certificate(&fs::read_to_string(&path).unwrap()).unwrap_or_default();
        let Ok(certificate) = Certificate::parse(&der) else { continue };
        let arguments = ["x509", "-noout", "-pubkey", "-in", &path];
        let Some((extracted, output)) = openssl_status(test, &arguments) else { return };
        // Keys of kinds that it does not know, and curves that are spelt out badly.
        if !extracted {
            continue;
        }
        let ours = support::pki::pem("PUBLIC KEY", certificate.subject_public_key_info());
        assert_eq!(ours, output, "{name}");
        let ours = certificate.public_key_fingerprint().as_slice();
        assert_eq!(ours, support::pki::sha256(certificate.subject_public_key_info()), "{name}");
        compared += 1;
    }
    assert!(compared > 200, "{compared}");
}

/// Every certificate of the repository: a name and a path.
fn certificates() -> BTreeMap<String, String> {
    let mut certificates = BTreeMap::new();
    for directory in ["events/pki", "tests/fixtures/certificates", "tests/fixtures"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "pem") {
                let stem = path.file_stem().unwrap().to_str().unwrap();
                let parent = path.parent().unwrap().file_name().unwrap();
                let name = if parent == "certificates" {
                    stem.to_owned()
                } else {
                    path.display().to_string()
                };
                certificates.insert(name, path.to_str().unwrap().to_owned());
            }
        }
    }
    assert!(certificates.len() > 250);
    certificates
}

fn differences() -> impl Iterator<Item = Difference> {
    DIFFERENCES.iter().flat_map(|(_, differences)| differences.iter().copied())
}

/// The reason that a certificate is listed under.
fn listed(lists: &[(&'static str, &[&str])], name: &str) -> Option<&'static str> {
    lists.iter().find(|(_, names)| names.contains(&name)).map(|&(reason, _)| reason)
}

/// OpenSSL's lines: one a field, the alternative names as one line at the end.
fn lines(output: &str) -> Vec<String> {
    let header = "X509v3 Subject Alternative Name:";
    let (fields, names) = output.split_once(header).unwrap_or((output, ""));
    let mut lines: Vec<String> = fields
        // Long serial numbers are continued on the next line.
        .replace("\\\n", "")
        .lines()
        .filter(|line| !line.starts_with("No extensions"))
        .map(str::to_owned)
        .collect();
    let names = names.strip_prefix(" critical").unwrap_or(names).trim_start_matches(' ');
    let names = names.strip_prefix("\n    ").unwrap_or(names);
    lines.push(format!("names={}", names.strip_suffix('\n').unwrap_or(names)));
    lines
}

/// The same lines from our reading.
fn as_openssl_shows(certificate: &Certificate) -> Vec<String> {
    let name = |name: &Name| name.ascii().to_owned();
    let fingerprint: Vec<String> =
        certificate.fingerprint().iter().map(|octet| format!("{octet:02X}")).collect();
    let time = |time: String| time.replace('T', " ");
    let mut lines = vec![
        format!("subject={}", name(certificate.subject())),
        format!("issuer={}", name(certificate.issuer())),
        format!("serial={}", certificate.serial_number()),
        format!("notBefore={}", time(certificate.validity().not_before.to_string())),
        format!("notAfter={}", time(certificate.validity().not_after.to_string())),
        format!("sha256 Fingerprint={}", fingerprint.join(":")),
    ];
    let names: Vec<String> = certificate
        .subject_alternative_names()
        .iter()
        .map(|name| match (name.kind(), name.address()) {
            (NameKind::Ip, Some(IpAddr::V4(address))) => format!("IP Address:{address}"),
            (NameKind::Ip, Some(IpAddr::V6(address))) => {
                let groups = address.segments().map(|group| format!("{group:X}"));
                format!("IP Address:{}", groups.join(":"))
            }
            (NameKind::Ip, None) => {
                format!("IP Address:<invalid length={}>", name.octets().len())
            }
            (kind, _) => {
                let label = match kind {
                    NameKind::Email => "email",
                    NameKind::Dns => "DNS",
                    _ => "URI",
                };
                format!("{label}:{}", String::from_utf8_lossy(name.octets()))
            }
        })
        .collect();
    lines.push(format!("names={}", names.join(", ")));
    lines
}
