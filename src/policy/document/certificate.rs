//! `[certificate]`: what every client's certificate must be.

use std::time::Duration;

use crate::{
    der::Oid,
    policy::configuration::{CertificateRules, ExtendedKeyUsage},
    signature::Strength,
};

use super::walk::{self, Node, Section};

pub(super) fn certificate(section: Section<'_>) -> CertificateRules {
    const MOST_SKEW: Duration = Duration::from_secs(5 * 60);
    let extended_key_usage =
        section.take("extended_key_usage").and_then(|node| extended_key_usage(&node));
    let require_extended_key_usage = section.boolean("require_extended_key_usage", false);
    let max_validity = section.duration("max_validity").map(|(duration, node)| {
        if duration.is_zero() {
            node.fault("nothing is that short; leave it out for no limit");
        }
        duration
    });
    let clock_skew = section.duration("clock_skew").map(|(duration, node)| {
        if duration > MOST_SKEW {
            node.fault("is over 5m; clocks that differ so much are to be set");
        }
        duration
    });
    let strength = Strength {
        min_rsa_bits: section
            .take("min_rsa_bits")
            .and_then(|node| min_rsa_bits(&node))
            .unwrap_or(Strength::default().min_rsa_bits),
        allow_sha1: match section.take("allow_sha1") {
            Some(node) => {
                let allow = node.boolean().unwrap_or(false);
                if allow {
                    node.warn("collisions of SHA-1 can be made: an authority that still signs with it can be made to sign what it never saw");
                }
                allow
            }
            None => Strength::default().allow_sha1,
        },
    };
    section.finish();
    CertificateRules {
        extended_key_usage: extended_key_usage
            .unwrap_or_else(|| ExtendedKeyUsage::OneOf(vec![CLIENT_AUTH.to_vec()])),
        require_extended_key_usage,
        max_validity,
        clock_skew: clock_skew.unwrap_or_default(),
        strength,
    }
}

/// 1.3.6.1.5.5.7.3.2.
const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];

/// RFC 5280, section 4.2.1.12.
const PURPOSES: [(&str, &[u8]); 6] = [
    ("serverAuth", &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01]),
    ("clientAuth", CLIENT_AUTH),
    ("codeSigning", &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03]),
    ("emailProtection", &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04]),
    ("timeStamping", &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08]),
    ("OCSPSigning", &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09]),
];

/// 2.5.29.37.0.
const ANY_PURPOSE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];

fn extended_key_usage(node: &Node<'_>) -> Option<ExtendedKeyUsage> {
    if let Some(text) = node.value.as_str() {
        if text == "any" {
            node.warn(
                "certificates for servers, e-mail and everything else are taken for clients'",
            );
            return Some(ExtendedKeyUsage::Any);
        }
        node.fault(format!(
            "`{}` is neither \"any\" nor an array of purposes",
            text.escape_debug()
        ));
        return None;
    }
    let mut purposes = Vec::new();
    for (text, node) in node.texts()? {
        let known = PURPOSES.iter().find(|(name, _)| *name == text);
        let octets = match known {
            Some((_, octets)) => Some(octets.to_vec()),
            None => Oid::parse_dotted(text),
        };
        match octets {
            Some(octets) if octets == ANY_PURPOSE => node.fault(any_purpose_rule(text)),
            Some(octets) => purposes.push(octets),
            None if matches!(text, "any" | "anyExtendedKeyUsage") => {
                node.fault(any_purpose_rule(text));
            }
            None => {
                let hint = match walk::suggestion(text, PURPOSES.iter().map(|(name, _)| *name)) {
                    Some(name) => format!("; did you mean `{name}`?"),
                    None => String::new(),
                };
                node.fault(format!(
                    "`{}` is neither a purpose of RFC 5280 nor a dotted identifier{hint}",
                    text.escape_debug()
                ));
            }
        }
    }
    Some(ExtendedKeyUsage::OneOf(purposes))
}

fn any_purpose_rule(text: &str) -> String {
    format!(
        "`{text}` is no purpose to list; extended_key_usage = \"any\" says that none is looked at"
    )
}

fn min_rsa_bits(node: &Node<'_>) -> Option<usize> {
    let bits = node.integer()?;
    let Some(bits) = usize::try_from(bits).ok().filter(|bits| (1024..=8192).contains(bits)) else {
        node.fault(format!("`{bits}` is no length from 1024 to 8192"));
        return None;
    };
    if bits < 2048 {
        node.warn("RSA keys under 2048 bits can be broken");
    }
    Some(bits)
}
