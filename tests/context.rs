//! Every context value is what the certificate says, computed a second time without any of the authorizer's code:
//! by `x509-parser`, by the OpenSSL command line, and by readers of RFC 4514, RFC 9440 and Envoy's header that are
//! written here. And nothing that a certificate holds leaves printable ASCII, or gets into the log.
//!
//! The certificates are those of the sample PKI and all of the hostile fixtures, given to the running function.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::cast_possible_truncation
)]

mod support;

use std::{fs, net::IpAddr, path::PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use support::{
    function::{self, Function},
    openssl::openssl,
    secrets,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

const KEYS: [&str; 15] = [
    "clientCertSub",
    "clientCertSubBase64",
    "clientCertIssuer",
    "clientCertCommonName",
    "clientCertSerial",
    "clientCertFingerprint",
    "clientCertThumbprint",
    "clientCertNotBefore",
    "clientCertNotAfter",
    "clientCertSanDns",
    "clientCertSanUri",
    "clientCertSanEmail",
    "clientCertSanIp",
    "clientCert",
    "clientCertXfcc",
];

/// Admits whatever can be read, and forwards everything.
fn function() -> Function {
    let document = format!(
        r#"
        [certificate]
        extended_key_usage = "any"
        allow_sha1 = true
        min_rsa_bits = 2048
        [forward]
        include = {}
        [[client]]
        id = "whoever"
        any = true
        allow = ["GET /orders/*"]
        context = {{ tenant = "acme", tier = 2, beta = true }}
        "#,
        json!(KEYS)
    );
    Function::start(&function::launch_inline(&document).env("AWS_LAMBDA_LOG_LEVEL", "TRACE"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn event(pem: &str) -> Value {
    let text = fs::read_to_string(root().join("events/rest-allow.json")).unwrap();
    let mut event: Value = serde_json::from_str(&text).unwrap();
    event["requestContext"]["identity"]["clientCert"]["clientCertPem"] = json!(pem);
    event
}

/// Every certificate file, as a name and PEM.
fn certificates() -> Vec<(String, String)> {
    let mut certificates = Vec::new();
    for directory in ["events/pki", "tests/fixtures/certificates"] {
        for entry in fs::read_dir(root().join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "pem") {
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                certificates.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    certificates.sort();
    assert!(certificates.len() > 250);
    certificates
}

fn der(pem: &str) -> Vec<u8> {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    BASE64_STANDARD.decode(base64).unwrap()
}

/// Every string of an answer: those in which something could be hidden from whoever reads the JSON as text too.
fn strings<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        Value::Object(entries) => entries.iter().for_each(|(key, value)| {
            found.push(key);
            strings(value, found);
        }),
        _ => {}
    }
}

fn assert_printable(value: &Value) {
    let mut found = Vec::new();
    strings(value, &mut found);
    for text in found {
        let printable = text.bytes().all(|octet| (0x20..=0x7e).contains(&octet));
        assert!(printable, "outside printable ASCII: {text:?}");
    }
}

#[test]
fn every_value_is_what_the_certificate_says() {
    let mut function = function();
    let mut compared = 0;
    let mut secret = Vec::new();
    for (name, pem) in certificates() {
        let event = event(&pem);
        let call = function.call(event.to_string());
        let answer = call.answer();
        assert_printable(&answer);
        let line = function.decision(&call);
        assert_printable(&line);
        secret.extend(secrets::pieces(&event));
        if line["decision"] == "Allow" {
            let context = &answer["context"];
            let of = |key: &str| context[key].as_str().unwrap_or_else(|| panic!("{name}: {key}"));
            let expected = KEYS.len() + "clientId tenant tier beta".split(' ').count();
            assert_eq!(context.as_object().unwrap().len(), expected, "{name}: {context}");
            assert_eq!((of("clientId"), of("tenant")), ("whoever", "acme"));
            assert_eq!((of("tier"), of("beta")), ("2", "true"));
            compare(&name, &der(&pem), &of);
            compare_principal(&name, &answer);
            compared += 1;
        } else {
            let reason = json!({ "denyReason": line["reason"] });
            assert_eq!(answer["context"], reason, "{name}");
        }
    }
    assert!(compared > 150, "only {compared} were compared");
    let log = function.end();
    secrets::assert_absent(&secret, log.iter().map(|line| line.text.as_str()));
}

fn compare<'a>(name: &str, der: &[u8], of: &impl Fn(&str) -> &'a str) {
    let (rest, certificate) =
        X509Certificate::from_der(der).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(rest.is_empty());

    let subject = relative_names(certificate.subject());
    let issuer = relative_names(certificate.issuer());
    assert_eq!(read_rfc4514(of("clientCertSub")), subject, "{name}");
    assert_eq!(read_rfc4514(of("clientCertIssuer")), issuer, "{name}");
    let utf8 = BASE64_STANDARD.decode(of("clientCertSubBase64")).unwrap();
    let utf8 = String::from_utf8(utf8).unwrap();
    assert_eq!(read_rfc4514(&utf8), subject, "{name}");
    // The UTF-8 is kept; control characters are escaped here too.
    for (_, value) in subject.iter().flatten() {
        let Attribute::Text(value) = value else { continue };
        let beyond_ascii = value.chars().filter(|character| !character.is_ascii());
        for character in beyond_ascii {
            assert_eq!(utf8.contains(character), !character.is_control(), "{name}: {utf8:?}");
        }
    }
    assert!(!utf8.contains(char::is_control), "{name}: {utf8:?}");
    let common_names: Vec<_> = subject.iter().flatten().filter(|(kind, _)| kind == "CN").collect();
    let common_name = of("clientCertCommonName");
    match common_names.as_slice() {
        // Read as the value of an attribute, which it is.
        [(_, value)] => {
            assert_eq!(read_rfc4514(&format!("CN={common_name}"))[0][0].1, *value, "{name}");
        }
        _ => assert_eq!(common_name, "", "{name}"),
    }

    let magnitude: Vec<u8> =
        certificate.raw_serial().iter().copied().skip_while(|&octet| octet == 0).collect();
    let magnitude = if magnitude.is_empty() { vec![0] } else { magnitude };
    let serial: String = magnitude.iter().map(|octet| format!("{octet:02X}")).collect();
    assert_eq!(of("clientCertSerial"), serial, "{name}");
    let fingerprint = digest(&SHA256, der);
    let fingerprint = fingerprint.as_ref();
    assert_eq!(of("clientCertFingerprint"), lower_hex(fingerprint), "{name}");
    assert_eq!(of("clientCertThumbprint"), BASE64_URL_SAFE_NO_PAD.encode(fingerprint), "{name}");
    let rfc3339 =
        |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap().format(&Rfc3339).unwrap();
    let validity = certificate.validity();
    assert_eq!(of("clientCertNotBefore"), rfc3339(validity.not_before.timestamp()), "{name}");
    assert_eq!(of("clientCertNotAfter"), rfc3339(validity.not_after.timestamp()), "{name}");

    let names = general_names(&certificate);
    for (key, tag) in
        [("clientCertSanDns", 0x82), ("clientCertSanUri", 0x86), ("clientCertSanEmail", 0x81)]
    {
        assert_eq!(percent_decoded(of(key)), of_kind(&names, tag).join(&b','), "{name}: {key}");
        // A comma in a name is no separator.
        let count = of_kind(&names, tag).len();
        assert_eq!(of(key).matches(',').count(), count.saturating_sub(1), "{name}: {key}");
    }
    let addresses: Vec<Vec<u8>> =
        of("clientCertSanIp").split_terminator(',').map(address).collect();
    assert_eq!(addresses, of_kind(&names, 0x87), "{name}");

    let item = of("clientCert").strip_prefix(':').and_then(|item| item.strip_suffix(':'));
    assert_eq!(BASE64_STANDARD.decode(item.unwrap()).unwrap(), der, "{name}");
    compare_forwarded(name, of("clientCertXfcc"), &subject, &names, fingerprint);
}

/// The subject; else the first URI or DNS name that is one; else the fingerprint.
fn compare_principal(name: &str, answer: &Value) {
    let context = &answer["context"];
    let principal = answer["principalId"].as_str().unwrap();
    let subject = context["clientCertSub"].as_str().unwrap();
    if !subject.is_empty() {
        assert_eq!(principal, subject, "{name}");
        return;
    }
    let xfcc = forwarded(context["clientCertXfcc"].as_str().unwrap());
    let first = |key: &str| xfcc.iter().find(|(it, _)| it == key).map(|(_, value)| value.clone());
    let fingerprint = context["clientCertFingerprint"].as_str().unwrap();
    let expected = first("URI").or_else(|| first("DNS"));
    assert_eq!(principal, expected.unwrap_or_else(|| format!("sha256:{fingerprint}")), "{name}");
}

/// Relative names, most specific first, each of types and values: of the text in UTF-8, or of the whole DER.
type RelativeNames = Vec<Vec<(String, Attribute)>>;

#[derive(Clone, Debug, PartialEq)]
enum Attribute {
    Text(String),
    Der(Vec<u8>),
}

fn short_name(oid: &str) -> Option<&'static str> {
    // RFC 4514, section 3.
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.6" => "C",
        "2.5.4.9" => "STREET",
        "0.9.2342.19200300.100.1.25" => "DC",
        "0.9.2342.19200300.100.1.1" => "UID",
        _ => return None,
    })
}

fn relative_names(name: &X509Name<'_>) -> RelativeNames {
    let mut names: RelativeNames = Vec::new();
    for relative_name in name.iter_rdn() {
        let attributes = relative_name.iter().map(|attribute| {
            let oid = attribute.attr_type().to_id_string();
            let value = attribute.attr_value();
            let tag = value.header.tag().0 as u8;
            let constructed = if value.header.is_constructed() { 0x20 } else { 0 };
            let der = tlv(tag | constructed, value.data);
            match short_name(&oid).map(|short| (short, text(tag, value.data))) {
                Some((short, Some(text))) => (short.to_owned(), Attribute::Text(text)),
                Some((short, None)) => (short.to_owned(), Attribute::Der(der)),
                None => (oid, Attribute::Der(der)),
            }
        });
        names.push(attributes.collect());
    }
    names.reverse();
    names
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let header = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [&header, content].concat()
}

/// The characters of a string type (X.680), where the octets are of it.
fn text(tag: u8, octets: &[u8]) -> Option<String> {
    let ascii = |allowed: fn(u8) -> bool| {
        octets
            .iter()
            .all(|&octet| allowed(octet))
            .then(|| String::from_utf8(octets.to_vec()).unwrap())
    };
    match tag {
        0x0c => String::from_utf8(octets.to_vec()).ok(),
        0x12 => ascii(|octet| octet.is_ascii_digit() || octet == b' '),
        0x13 | 0x16 => ascii(|octet| octet.is_ascii()),
        // T.61, which everybody takes for ISO 8859-1, OpenSSL included.
        0x14 => Some(octets.iter().copied().map(char::from).collect()),
        0x1a => ascii(|octet| (0x20..0x7f).contains(&octet)),
        0x1e => {
            let (pairs, rest) = octets.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            // Two-octet characters have no surrogates.
            let characters = units.iter().map(|&unit| char::from_u32(unit.into()));
            characters.collect::<Option<String>>().filter(|_| rest.is_empty())
        }
        0x1c => {
            let (quads, rest) = octets.as_chunks::<4>();
            let characters = quads.iter().map(|quad| char::from_u32(u32::from_be_bytes(*quad)));
            characters.collect::<Option<String>>().filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

/// Reads a name as RFC 4514, section 3, says; anything that has to be escaped and is not fails.
fn read_rfc4514(text: &str) -> RelativeNames {
    let mut names: RelativeNames = Vec::new();
    let mut octets = text.bytes().peekable();
    let mut next_is_new = true;
    while octets.peek().is_some() {
        let mut kind = String::new();
        while let Some(octet) = octets.next_if(|&octet| octet != b'=') {
            kind.push(char::from(octet));
        }
        assert_eq!(octets.next(), Some(b'='), "{text}");
        let hex = octets.next_if_eq(&b'#').is_some();
        let mut value = Vec::new();
        let mut escaped_last = false;
        while let Some(octet) = octets.next_if(|octet| !matches!(octet, b',' | b'+')) {
            escaped_last = octet == b'\\';
            if !escaped_last {
                assert!(!matches!(octet, b'"' | b';' | b'<' | b'>' | 0), "{text}");
                assert!(!(value.is_empty() && matches!(octet, b' ' | b'#')), "{text}");
                value.push(octet);
                continue;
            }
            let first = octets.next().unwrap();
            let digit = |octet: u8| char::from(octet).to_digit(16).map(|digit| digit as u8);
            match digit(first) {
                Some(high) => value.push(high * 16 + digit(octets.next().unwrap()).unwrap()),
                None => {
                    assert!(b" \"#+,;<=>\\".contains(&first), "{text}");
                    value.push(first);
                }
            }
        }
        assert!(escaped_last || value.last() != Some(&b' '), "{text}");
        let value = if hex {
            let digits = String::from_utf8(value).unwrap();
            let pairs = (0..digits.len()).step_by(2);
            Attribute::Der(
                pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect(),
            )
        } else {
            Attribute::Text(String::from_utf8(value).unwrap())
        };
        if next_is_new {
            names.push(Vec::new());
        }
        names.last_mut().unwrap().push((kind, value));
        match octets.next() {
            None => break,
            separator => next_is_new = separator == Some(b','),
        }
        assert!(octets.peek().is_some(), "{text}");
    }
    names
}

/// The alternative names, as tags and contents; of the extension's own octets, since `x509-parser` does not give the
/// odd ones back.
fn general_names(certificate: &X509Certificate<'_>) -> Vec<(u8, Vec<u8>)> {
    let extension = certificate.extensions().iter().find(|it| it.oid.to_id_string() == "2.5.29.17");
    let Some(extension) = extension else { return Vec::new() };
    let (_, mut rest) = take(extension.value).0;
    let mut names = Vec::new();
    while !rest.is_empty() {
        let ((tag, content), after) = take(rest);
        names.push((tag, content.to_vec()));
        rest = after;
    }
    names
}

/// The first element, and what follows it.
fn take(der: &[u8]) -> ((u8, &[u8]), &[u8]) {
    let (length, header) = match der[1] {
        short @ 0..=0x7f => (usize::from(short), 2),
        0x81 => (usize::from(der[2]), 3),
        _ => (usize::from(der[2]) << 8 | usize::from(der[3]), 4),
    };
    ((der[0], &der[header..header + length]), &der[header + length..])
}

fn of_kind(names: &[(u8, Vec<u8>)], tag: u8) -> Vec<Vec<u8>> {
    names.iter().filter(|(it, _)| *it == tag).map(|(_, content)| content.clone()).collect()
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.extend(before.as_bytes());
        decoded.push(u8::from_str_radix(&after[..2], 16).unwrap());
        rest = &after[2..];
    }
    decoded.extend(rest.as_bytes());
    decoded
}

fn address(text: &str) -> Vec<u8> {
    if let Some(hex) = text.strip_prefix('#') {
        let pairs = (0..hex.len()).step_by(2);
        return pairs.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    }
    match text.parse().unwrap() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn lower_hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Reads `X-Forwarded-Client-Cert` as Envoy's documentation has it: elements by commas, pairs by semicolons, and
/// neither counts in double quotes. There must be one element.
fn forwarded(header: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = header;
    loop {
        let (key, after) = rest.split_once('=').unwrap_or_else(|| panic!("no value: {header}"));
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').unwrap_or_else(|| panic!("no end: {header}"));
                (&quoted[..end], &quoted[end + 1..])
            }
            None => after.split_at(after.find([';', ',', '=']).unwrap_or(after.len())),
        };
        pairs.push((key.to_owned(), value.to_owned()));
        match after.strip_prefix(';') {
            Some(after) => rest = after,
            None => {
                assert_eq!(after, "", "more than one element: {header}");
                return pairs;
            }
        }
    }
}

fn compare_forwarded(
    name: &str,
    header: &str,
    subject: &RelativeNames,
    names: &[(u8, Vec<u8>)],
    fingerprint: &[u8],
) {
    let pairs = forwarded(header);
    assert_eq!(pairs[0], ("Hash".to_owned(), lower_hex(fingerprint)), "{name}");
    assert_eq!(pairs[1].0, "Subject", "{name}");
    assert_eq!(read_rfc4514(&pairs[1].1), *subject, "{name}: {header}");
    for (key, value) in &pairs[2..] {
        let tag = match key.as_str() {
            "URI" => 0x86,
            "DNS" => 0x82,
            _ => panic!("{name}: {header}"),
        };
        assert!(of_kind(names, tag).contains(&value.as_bytes().to_vec()), "{name}: {header}");
        // What a reader could take for the end of the pair, or for a name of another kind.
        assert!(!value.is_empty() && !value.contains([' ', '"', '\\']), "{name}: {header}");
    }
}

#[test]
fn the_sound_certificate_has_all_its_names_in_the_forwarded_header() {
    let mut function = function();
    let pem = fs::read_to_string(root().join("events/pki/client.pem")).unwrap();
    let context = function.call(event(&pem).to_string()).answer()["context"].clone();
    assert_eq!(
        context["clientCertXfcc"],
        "Hash=a8b3f2accfbbf32c08dc44d1d9db663f30cd8e7dbc5698eddc4a1fb456610eff;\
         Subject=\"CN=orders,O=Acme,C=US\";URI=spiffe://acme/orders/1;DNS=orders.acme.example"
    );
}

#[test]
fn the_values_are_those_of_the_openssl_command_line() {
    const TEST: &str = "the_values_are_those_of_the_openssl_command_line";
    let mut function = function();
    for file in ["client", "v1", "step", "p384", "p521", "ed25519", "rsa"] {
        let path = root().join(format!("events/pki/{file}.pem"));
        let pem = fs::read_to_string(&path).unwrap();
        let path = path.to_str().unwrap();
        let run = |arguments: &[&str]| {
            let arguments = [&["x509", "-in", path, "-noout", "-nameopt", "RFC2253"], arguments];
            openssl(TEST, &arguments.concat())
        };
        let value =
            |arguments: &[&str]| Some(run(arguments)?.trim().split_once('=').unwrap().1.to_owned());
        let Some(subject) = value(&["-subject"]) else { return };
        let context = function.call(event(&pem).to_string()).answer()["context"].clone();
        let of = |key: &str| context[key].as_str().unwrap().to_owned();
        assert_eq!(of("clientCertSub"), subject);
        assert_eq!(BASE64_STANDARD.decode(of("clientCertSubBase64")).unwrap(), subject.as_bytes());
        assert_eq!(of("clientCertIssuer"), value(&["-issuer"]).unwrap());
        assert_eq!(of("clientCertSerial"), value(&["-serial"]).unwrap());
        let fingerprint = value(&["-fingerprint", "-sha256"]).unwrap();
        assert_eq!(of("clientCertFingerprint"), fingerprint.replace(':', "").to_lowercase());
        for (key, option) in
            [("clientCertNotBefore", "-startdate"), ("clientCertNotAfter", "-enddate")]
        {
            let date = value(&[option, "-dateopt", "iso_8601"]).unwrap();
            assert_eq!(of(key), date.replace(' ', "T"));
        }
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        assert_eq!(of("clientCert"), format!(":{body}:"));
    }
}
