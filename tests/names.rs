//! Names as text: RFC 4514, both ways, injective.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs
)]

use mtls_authorizer::{
    certificate::name::{Name, parse_rfc4514},
    der::{Oid, Reader},
};

/// A name of relative names, each of `(type, string tag, contents)`.
fn name(relative_names: &[&[(&str, u8, &[u8])]]) -> Name {
    let mut content = Vec::new();
    for relative_name in relative_names {
        let mut members: Vec<Vec<u8>> = relative_name
            .iter()
            .map(|(oid, tag, value)| {
                let oid = tlv(0x06, &Oid::parse_dotted(oid).unwrap());
                tlv(0x30, &[oid, tlv(*tag, value)].concat())
            })
            .collect();
        members.sort();
        content.extend(tlv(0x31, &members.concat()));
    }
    let der = tlv(0x30, &content);
    Name::parse(Reader::new(&der).any().unwrap()).unwrap()
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    match content.len() {
        length @ 0..128 => der.push(length as u8),
        length @ 128..256 => der.extend([0x81, length as u8]),
        length => der.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    der.extend(content);
    der
}

const CN: &str = "2.5.4.3";
const O: &str = "2.5.4.10";
const OU: &str = "2.5.4.11";
const SERIAL: &str = "2.5.4.5";
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;

fn common_name(value: &[u8]) -> Name {
    name(&[&[(CN, UTF8, value)]])
}

#[test]
fn the_most_specific_relative_name_comes_first() {
    let name = name(&[&[(O, PRINTABLE, b"Acme")], &[(OU, UTF8, b"b"), (CN, UTF8, b"a")]]);
    assert_eq!(name.ascii(), "CN=a+OU=b,O=Acme");
}

#[test]
fn special_characters_are_escaped() {
    for (value, text) in [
        (&b"a,b+c\"d\\e<f>g;h"[..], r#"CN=a\,b\+c\"d\\e\<f\>g\;h"#),
        (b" a ", r"CN=\ a\ "),
        (b" ", r"CN=\ "),
        (b"#a#", r"CN=\#a#"),
        (b"a=b", "CN=a=b"),
        (b"a\r\nb\0", r"CN=a\0D\0Ab\00"),
        ("é😀".as_bytes(), r"CN=\C3\A9\F0\9F\98\80"),
        (b"\x7f", r"CN=\7F"),
        (b"", "CN="),
    ] {
        assert_eq!(common_name(value).ascii(), text);
    }
}

#[test]
fn utf8_is_kept_where_it_is_asked_for() {
    assert_eq!(common_name("é,\u{1}".as_bytes()).utf8(), r"CN=é\,\01");
}

#[test]
fn a_value_that_spells_out_more_attributes_stays_one_value() {
    let forged = name(&[&[(O, UTF8, b"Evil")], &[(CN, UTF8, b"alice,O=Acme Bank")]]);
    let real = name(&[&[(O, UTF8, b"Evil")], &[(O, UTF8, b"Acme Bank")], &[(CN, UTF8, b"alice")]]);
    assert_eq!(forged.ascii(), r"CN=alice\,O=Acme Bank,O=Evil");
    assert_ne!(forged.ascii(), real.ascii());
    assert_ne!(forged.canonical(), real.canonical());
    assert_eq!(
        forged.canonical().unwrap(),
        parse_rfc4514(r"CN=alice\,O=Acme Bank,O=Evil").unwrap().as_str()
    );
}

#[test]
fn types_without_a_short_name_are_written_as_der() {
    let name = name(&[&[(SERIAL, PRINTABLE, b"42")]]);
    assert_eq!(name.ascii(), "2.5.4.5=#13023432");
    assert_eq!(name.canonical(), Some("2.5.4.5=42"));
    assert_eq!(parse_rfc4514("2.5.4.5=42").unwrap().as_str(), "2.5.4.5=42");
    assert_eq!(parse_rfc4514("2.5.4.5=#13023432").unwrap().as_str(), "2.5.4.5=42");
}

#[test]
fn short_names_stand_for_their_identifiers() {
    for (short_name, dotted) in [
        ("CN", "2.5.4.3"),
        ("L", "2.5.4.7"),
        ("ST", "2.5.4.8"),
        ("O", "2.5.4.10"),
        ("OU", "2.5.4.11"),
        ("C", "2.5.4.6"),
        ("STREET", "2.5.4.9"),
        ("DC", "0.9.2342.19200300.100.1.25"),
        ("UID", "0.9.2342.19200300.100.1.1"),
    ] {
        let canonical = format!("{dotted}=a");
        assert_eq!(parse_rfc4514(&format!("{short_name}=a")).unwrap().as_str(), canonical);
        assert_eq!(parse_rfc4514(&canonical).unwrap().as_str(), canonical);
        assert_eq!(name(&[&[(dotted, UTF8, b"a")]]).ascii(), format!("{short_name}=a"));
    }
}

#[test]
fn every_string_type_gives_its_characters() {
    for (tag, value, text) in [
        (UTF8, &b"a\xc3\xa9"[..], Some("aé")),
        (UTF8, b"a\xc3", None),
        (PRINTABLE, b"a*b", Some("a*b")),
        (PRINTABLE, b"a\xe9", None),
        (0x16, b"a@b", Some("a@b")),
        (0x16, b"a\x80", None),
        (0x14, b"a\xe9", Some("aé")),
        (0x12, b"12 3", Some("12 3")),
        (0x12, b"12a", None),
        (0x1a, b"a b", Some("a b")),
        (0x1a, b"a\tb", None),
        (0x1e, b"\0a\x20\xac", Some("a€")),
        (0x1e, b"\0a\xd8\x3d", None),
        (0x1e, b"\0a\0", None),
        (0x1c, b"\0\0\0a\0\x01\xf6\0", Some("a😀")),
        (0x1c, b"\0\x11\0\0", None),
        (0x04, b"octets", None),
    ] {
        let name = name(&[&[(CN, tag, value)]]);
        assert_eq!(name.attributes().next().unwrap().text(), text, "{tag:#x} {value:?}");
        assert_eq!(name.canonical().is_some(), text.is_some());
        if text.is_none() {
            assert!(name.ascii().starts_with("CN=#"), "{}", name.ascii());
        }
    }
}

#[test]
fn a_value_with_a_control_character_matches_nothing() {
    for value in [&b"a\0"[..], b"\r", b"a\x7f", "a\u{85}".as_bytes()] {
        let name = common_name(value);
        assert_eq!(name.attributes().next().unwrap().text(), None);
        assert_eq!(name.canonical(), None);
    }
}

#[test]
fn only_a_single_common_name_counts() {
    assert_eq!(common_name(b"a,b").single_common_name().as_deref(), Some(r"a\,b"));
    let two = name(&[&[(CN, UTF8, b"a")], &[(CN, UTF8, b"b")]]);
    assert_eq!(two.single_common_name(), None);
    assert_eq!(name(&[&[(O, UTF8, b"a")]]).single_common_name(), None);
}

#[test]
fn spelt_out_names_are_compared_by_attribute() {
    let certificate = name(&[&[(O, PRINTABLE, b"Acme")], &[(OU, UTF8, b"b"), (CN, UTF8, b"a")]]);
    for same in
        ["CN=a+OU=b,O=Acme", "OU=b+CN=a,O=Acme", "cn=a+ou=b, o=Acme", r"CN=\61+OU=b,2.5.4.10=Acme"]
    {
        assert_eq!(
            parse_rfc4514(same).unwrap().as_str(),
            certificate.canonical().unwrap(),
            "{same}"
        );
    }
    for other in [
        "CN=a,OU=b,O=Acme",
        "O=Acme,CN=a+OU=b",
        "CN=A+OU=b,O=Acme",
        "CN=a+OU=b",
        "CN=a+OU=b,O=Acme,O=Acme",
    ] {
        assert_ne!(
            parse_rfc4514(other).unwrap().as_str(),
            certificate.canonical().unwrap(),
            "{other}"
        );
    }
}

#[test]
fn a_name_to_compare_with_is_shown_as_people_write_it() {
    for (text, shown) in [
        ("cn=orders, o=Acme,2.5.4.6=US", "CN=orders,O=Acme,C=US"),
        ("CN=a+OU=b,O=Acme", "OU=b+CN=a,O=Acme"),
        (r"CN=a\,b\+c\=d\\,2.5.4.5=\#1\ ,O=\22", r#"CN=a\,b\+c=d\\,2.5.4.5=\#1\ ,O=\""#),
        ("CN=jos\u{e9}", "CN=jos\u{e9}"),
    ] {
        assert_eq!(parse_rfc4514(text).unwrap().to_string(), shown);
        assert_eq!(parse_rfc4514(shown), parse_rfc4514(text), "{shown}");
    }
}

#[test]
fn what_is_no_rfc4514_name_says_why_and_where() {
    for (text, error) in [
        ("", "an attribute without `=` at character 1"),
        ("CN", "an attribute without `=` at character 1"),
        ("CN=a,", "an attribute without `=` at character 6"),
        ("CN=", "a value is empty at character 4"),
        ("CN= a", "a value begins with a space that is not escaped at character 4"),
        ("CN=a ,O=b", "a value ends with a space that is not escaped at character 6"),
        ("CN=é\u{10348};O=b", "`;` must be escaped as `\\;` at character 6"),
        ("CN=a;O=b", "`;` must be escaped as `\\;` at character 5"),
        ("CN=\"a\"", "`\"` must be escaped as `\\\"` at character 4"),
        (r"CN=a\x", "an escape is neither a special character nor two hex digits at character 6"),
        (r"CN=\ff", "escaped bytes are not UTF-8 at character 7"),
        (r"CN=a\0d", "a value holds a control character, which matches nothing at character 4"),
        ("CN=#0403616263", "a `#` value is not the hex DER of a string at character 4"),
        ("CN=#13", "a `#` value is not the hex DER of a string at character 4"),
        (
            "emailAddress=a@b",
            "the type `emailAddress` is neither an RFC 4514 short name nor a dotted identifier at character 1",
        ),
        (
            "3.1=a",
            "the type `3.1` is neither an RFC 4514 short name nor a dotted identifier at character 1",
        ),
    ] {
        assert_eq!(parse_rfc4514(text).unwrap_err().to_string(), error, "{text}");
    }
}
