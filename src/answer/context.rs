//! The authorizer's context: what the gateway injects into headers for the backend.
//!
//! Every value is a string of printable ASCII (0x20 to 0x7E), since API Gateway puts it into a header as it
//! stands. How each certificate value is written is part of the public interface; two different certificates
//! never give one text of the same key.

use std::{borrow::Cow, fmt::Write as _};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    certificate::{
        Certificate,
        san::{AlternativeName, NameKind},
    },
    hex,
    policy::configuration::Forward,
};

/// The value that a certificate gives to a context key; empty where there is nothing to say.
#[must_use]
pub fn certificate_value(key: Forward, certificate: &Certificate) -> Cow<'_, str> {
    let value = match key {
        Forward::Sub => return certificate.subject().ascii().into(),
        Forward::SubBase64 => BASE64_STANDARD.encode(certificate.subject().utf8()),
        Forward::Issuer => return certificate.issuer().ascii().into(),
        Forward::CommonName => certificate.subject().single_common_name().unwrap_or_default(),
        Forward::Serial => certificate.serial_number().to_string(),
        Forward::Fingerprint => hex::lower(certificate.fingerprint()),
        Forward::Thumbprint => certificate.thumbprint(),
        Forward::NotBefore => certificate.validity().not_before.to_string(),
        Forward::NotAfter => certificate.validity().not_after.to_string(),
        Forward::SanDns => alternative_names(certificate, NameKind::Dns),
        Forward::SanUri => alternative_names(certificate, NameKind::Uri),
        Forward::SanEmail => alternative_names(certificate, NameKind::Email),
        Forward::SanIp => alternative_names(certificate, NameKind::Ip),
        Forward::Certificate => format!(":{}:", BASE64_STANDARD.encode(certificate.der())),
        Forward::Xfcc => xfcc(certificate),
    };
    value.into()
}

/// Text with `%`, `,` and everything outside printable ASCII as `%` and two upper-case hex digits.
#[must_use]
pub fn percent_encode(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for &octet in octets {
        match octet {
            b' '..=b'~' if !matches!(octet, b'%' | b',') => text.push(char::from(octet)),
            _ => {
                text.push('%');
                text.extend(hex::pair(octet));
            }
        }
    }
    text
}

/// Every name of the kind, those too that match nothing, so that the backend sees what is there.
fn alternative_names(certificate: &Certificate, kind: NameKind) -> String {
    let mut list = String::new();
    let names = certificate.subject_alternative_names().iter().filter(|name| name.kind() == kind);
    for (position, name) in names.enumerate() {
        if position > 0 {
            list.push(',');
        }
        list.push_str(&alternative_name(name));
    }
    list
}

fn alternative_name(name: &AlternativeName) -> String {
    match (name.kind(), name.address()) {
        (NameKind::Ip, Some(address)) => address.to_string(),
        // No address: its bytes, in a form that no address has.
        (NameKind::Ip, None) => format!("#{}", hex::lower(name.octets())),
        _ => percent_encode(name.octets()),
    }
}

/// `Hash=…;Subject="…";URI=…;DNS=…`, as Envoy documents the header. Envoy says nothing of backslashes inside
/// quotes, so the two characters that could end the quotes are escaped in hex, which RFC 4514 allows. Only
/// well-formed names appear, in quotes where Envoy demands them.
fn xfcc(certificate: &Certificate) -> String {
    let mut element = format!("Hash={};Subject=\"", hex::lower(certificate.fingerprint()));
    let mut escaped = false;
    for character in certificate.subject().ascii().chars() {
        match (escaped, character) {
            (true, '"') => element.push_str("\\22"),
            (true, '\\') => element.push_str("\\5C"),
            (true, _) => {
                element.push('\\');
                element.push(character);
            }
            (false, '\\') => {}
            (false, _) => element.push(character),
        }
        escaped = !escaped && character == '\\';
    }
    element.push('"');
    let names = certificate.subject_alternative_names();
    let uris = names.uri().map(|uri| ("URI", uri));
    for (key, name) in uris.chain(names.dns().map(|dns| ("DNS", dns))) {
        let quote = if name.contains([',', ';', '=']) { "\"" } else { "" };
        let _ = write!(element, ";{key}={quote}{name}{quote}");
    }
    element
}
