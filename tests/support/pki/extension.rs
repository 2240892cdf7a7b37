//! Extensions of certificates, revocation lists, their entries, and OCSP answers.

use super::der::*;

pub const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
pub const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
pub const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";
pub const ANY_EXTENDED_KEY_USAGE: &str = "2.5.29.37.0";

/// Bits of KeyUsage.
pub const DIGITAL_SIGNATURE: usize = 0;
pub const KEY_ENCIPHERMENT: usize = 2;
pub const KEY_AGREEMENT: usize = 4;
pub const KEY_CERT_SIGN: usize = 5;
pub const CRL_SIGN: usize = 6;

/// An Extension that is not critical.
pub fn extension(dotted: &str, value: &[u8]) -> Der {
    sequence(&[oid(dotted), octet_string(value)])
}

/// A critical Extension.
pub fn critical(dotted: &str, value: &[u8]) -> Der {
    sequence(&[oid(dotted), boolean(true), octet_string(value)])
}

/// This extension, marked critical.
pub fn made_critical(extension: &[u8]) -> Der {
    // A SEQUENCE with a one-octet or longer length, whose first element is the OID.
    let header = 2 + if extension[1] < 0x80 { 0 } else { usize::from(extension[1] & 0x7f) };
    let value = header + 2 + usize::from(extension[header + 1]);
    sequence(&[extension[header..value].to_vec(), boolean(true), extension[value..].to_vec()])
}

/// Critical BasicConstraints of a CA.
pub fn ca(path_length: Option<u64>) -> Der {
    let length = path_length.map(number).unwrap_or_default();
    critical("2.5.29.19", &sequence(&[boolean(true), length]))
}

/// Critical BasicConstraints of an end entity: an empty SEQUENCE, since FALSE is the default.
pub fn not_ca() -> Der {
    critical("2.5.29.19", &sequence::<Der>(&[]))
}

pub fn key_usage(bits: &[usize]) -> Der {
    critical("2.5.29.15", &named_bits(bits))
}

pub fn extended_key_usage(purposes: &[&str]) -> Der {
    let purposes: Vec<Der> = purposes.iter().map(|purpose| oid(purpose)).collect();
    extension("2.5.29.37", &sequence(&purposes))
}

pub fn subject_alt_name(names: &[Der]) -> Der {
    extension("2.5.29.17", &sequence(names))
}

pub fn subject_key_id(octets: &[u8]) -> Der {
    extension("2.5.29.14", &octet_string(octets))
}

pub fn authority_key_id(octets: &[u8]) -> Der {
    extension("2.5.29.35", &sequence(&[implicit(0, octets)]))
}

/// Critical NameConstraints of GeneralNames (an IP address there has its mask behind it).
pub fn name_constraints(permitted: &[Der], excluded: &[Der]) -> Der {
    let subtrees = |number: u8, names: &[Der]| match names {
        [] => Der::new(),
        names => {
            let bases: Vec<Der> = names.iter().map(|name| sequence(&[name])).collect();
            explicit(number, &concat(&bases))
        }
    };
    critical("2.5.29.30", &sequence(&[subtrees(0, permitted), subtrees(1, excluded)]))
}

pub fn certificate_policies(policies: &[&str]) -> Der {
    let policies: Vec<Der> = policies.iter().map(|policy| sequence(&[oid(policy)])).collect();
    extension("2.5.29.32", &sequence(&policies))
}

/// CRLDistributionPoints, each one full name that is a URI.
pub fn crl_distribution_points(uris: &[&str]) -> Der {
    let points: Vec<Der> = uris
        .iter()
        .map(|uri| distribution_point(Some(&full_name(&[super::uri(uri.as_bytes())])), None, None))
        .collect();
    crl_distribution_points_of(&points)
}

/// CRLDistributionPoints of any [`distribution_point`]s.
pub fn crl_distribution_points_of(points: &[Der]) -> Der {
    extension("2.5.29.31", &sequence(points))
}

/// A DistributionPoint: a DistributionPointName ([`full_name`]), reasons (bits of ReasonFlags), a CRL issuer
/// (a Name).
pub fn distribution_point(
    point_name: Option<&[u8]>,
    reasons: Option<&[usize]>,
    crl_issuer: Option<&[u8]>,
) -> Der {
    sequence(&[
        point_name.map(|name| explicit(0, name)).unwrap_or_default(),
        reasons.map(|bits| implicit(1, &named_bits(bits)[2..])).unwrap_or_default(),
        crl_issuer.map(|name| explicit(2, &super::directory_name(name))).unwrap_or_default(),
    ])
}

/// The `fullName` of a DistributionPointName.
pub fn full_name(names: &[Der]) -> Der {
    explicit(0, &concat(names))
}

/// AuthorityInfoAccess with an OCSP responder.
pub fn ocsp_responder(uri: &str) -> Der {
    let access = sequence(&[oid("1.3.6.1.5.5.7.48.1"), super::uri(uri.as_bytes())]);
    extension("1.3.6.1.5.5.7.1.1", &sequence(&[access]))
}

/// id-pkix-ocsp-nocheck, of an OCSP signer's certificate.
pub fn ocsp_no_check() -> Der {
    extension("1.3.6.1.5.5.7.48.1.5", &null())
}

/// A nonce of OCSP requests and answers.
pub fn ocsp_nonce(octets: &[u8]) -> Der {
    extension("1.3.6.1.5.5.7.48.1.2", &octet_string(octets))
}

/// CRLNumber.
pub fn crl_number(value: u64) -> Der {
    extension("2.5.29.20", &number(value))
}

/// DeltaCRLIndicator, critical.
pub fn delta_crl_indicator(base: u64) -> Der {
    critical("2.5.29.27", &number(base))
}

/// CRLReason, of a CRL's entry.
pub fn reason(code: u8) -> Der {
    extension("2.5.29.21", &enumerated(code))
}

/// CertificateIssuer, critical, of an indirect CRL's entry.
pub fn certificate_issuer(name: &[u8]) -> Der {
    critical("2.5.29.29", &sequence(&[super::directory_name(name)]))
}
