//! A certificate as far as a gateway looks into it: its path, and the strings of an event.
//!
//! Reading is lenient, X.509 v1 included, since judging certificates is the authorizer's task. The
//! strings are those that API Gateway shows beside the PEM: decimal serial number, names in the
//! order of the certificate. How it escapes special characters in them is documented nowhere; here
//! they are escaped as in RFC 4514, and nothing should be decided by them.

use std::fmt;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use time::OffsetDateTime;
use time::macros::format_description;
use webpki::RawPublicKeyEntity;
use x509_parser::der_parser::asn1_rs::{Any, FromDer as _};
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{X509Certificate, X509Name, X509Version};

/// A certificate with the parts of it that are needed here.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    tbs: Vec<u8>,
    signature_algorithm: Vec<u8>,
    signature: Vec<u8>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    public_key: Vec<u8>,
    pub(crate) not_before: OffsetDateTime,
    pub(crate) not_after: OffsetDateTime,
    may_issue: bool,
    path_length: Option<u32>,
    subject_text: String,
    issuer_text: String,
    subject_rfc2253: String,
    issuer_rfc2253: String,
    serial_number: String,
    raw_serial_number: Vec<u8>,
}

/// The bytes are no X.509 certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoCertificate;

impl fmt::Display for NoCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not an X.509 certificate")
    }
}

impl std::error::Error for NoCertificate {}

impl Certificate {
    /// Reads a certificate from DER.
    ///
    /// # Errors
    /// Where it is none, or something follows it.
    pub fn from_der(der: &[u8]) -> Result<Self, NoCertificate> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| NoCertificate)?;
        if !rest.is_empty() {
            return Err(NoCertificate);
        }
        let tbs = parsed.tbs_certificate.as_ref();
        let v1 = parsed.version() == X509Version::V1;
        let constraints = parsed.basic_constraints().map_err(|_| NoCertificate)?;
        let usage = parsed.key_usage().map_err(|_| NoCertificate)?;
        let is_ca = constraints.as_ref().is_some_and(|extension| extension.value.ca);
        let may_sign = usage.is_none_or(|extension| extension.value.key_cert_sign());
        let path_length =
            constraints.as_ref().and_then(|extension| extension.value.path_len_constraint);
        Ok(Self {
            der: der.to_vec(),
            tbs: tbs.to_vec(),
            signature_algorithm: signature_algorithm(der, tbs).ok_or(NoCertificate)?,
            signature: parsed.signature_value.data.to_vec(),
            subject: parsed.subject().as_raw().to_vec(),
            issuer: parsed.issuer().as_raw().to_vec(),
            public_key: parsed.public_key().raw.to_vec(),
            not_before: parsed.validity().not_before.to_datetime(),
            not_after: parsed.validity().not_after.to_datetime(),
            may_issue: v1 || (is_ca && may_sign),
            path_length,
            subject_text: relative_names(parsed.subject()).join(","),
            issuer_text: relative_names(parsed.issuer()).join(","),
            subject_rfc2253: rfc2253(parsed.subject()),
            issuer_rfc2253: rfc2253(parsed.issuer()),
            serial_number: decimal(parsed.raw_serial()),
            raw_serial_number: parsed.raw_serial().to_vec(),
        })
    }

    /// Reads the certificate of a connection.
    ///
    /// # Errors
    /// As [`from_der`](Self::from_der).
    pub fn from_connection(der: &CertificateDer<'_>) -> Result<Self, NoCertificate> {
        Self::from_der(der)
    }

    /// The certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in PEM, as API Gateway puts it into events.
    #[must_use]
    pub fn pem(&self) -> String {
        let block = pem::Pem::new("CERTIFICATE", self.der.clone());
        pem::encode_config(&block, pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF))
    }

    /// The subject, in the order of the certificate: `C=US,O=Acme,CN=orders`.
    #[must_use]
    pub fn subject_dn(&self) -> &str {
        &self.subject_text
    }

    /// The issuer, in the order of the certificate.
    #[must_use]
    pub fn issuer_dn(&self) -> &str {
        &self.issuer_text
    }

    /// The serial number, decimal.
    #[must_use]
    pub fn serial_number(&self) -> &str {
        &self.serial_number
    }

    /// The subject as a load balancer shows it: `CN=orders,O=Acme,C=US`.
    #[must_use]
    pub fn subject_rfc2253(&self) -> &str {
        &self.subject_rfc2253
    }

    /// The issuer as a load balancer shows it.
    #[must_use]
    pub fn issuer_rfc2253(&self) -> &str {
        &self.issuer_rfc2253
    }

    /// The serial number as a load balancer shows it: hex, whole bytes, without a sign.
    #[must_use]
    pub fn serial_number_hex(&self) -> String {
        let octets = match self.raw_serial_number.as_slice() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            octets => octets,
        };
        octets.iter().map(|octet| format!("{octet:02X}")).collect()
    }

    /// The validity as a load balancer shows it.
    #[must_use]
    pub fn validity(&self) -> String {
        let rfc3339 = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        let shown = |at: OffsetDateTime| at.format(rfc3339).unwrap_or_default();
        format!("NotBefore={};NotAfter={}", shown(self.not_before), shown(self.not_after))
    }

    /// The serial number, as the octets of its DER integer.
    #[must_use]
    pub fn raw_serial_number(&self) -> &[u8] {
        &self.raw_serial_number
    }

    /// The issuer's name in DER.
    #[must_use]
    pub fn raw_issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// The SubjectPublicKeyInfo.
    #[must_use]
    pub fn public_key(&self) -> SubjectPublicKeyInfoDer<'_> {
        SubjectPublicKeyInfoDer::from(self.public_key.as_slice())
    }

    /// Whether `issuer` bears the name that this certificate gives its issuer.
    #[must_use]
    pub fn names_as_issuer(&self, issuer: &Self) -> bool {
        self.issuer == issuer.subject
    }

    /// Whether subject and issuer are the same name.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether it may issue certificates, with `below` CA certificates under it.
    #[must_use]
    pub fn may_issue(&self, below: usize) -> bool {
        self.may_issue
            && self.path_length.is_none_or(|limit| u32::try_from(below).is_ok_and(|n| n <= limit))
    }

    /// Whether its signature was made with the key of `issuer`, over SHA-256 or better and, for
    /// RSA, by a key of 2,048 bits or more.
    #[must_use]
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        let key = issuer.public_key();
        let Ok(key) = RawPublicKeyEntity::try_from(&key) else { return false };
        let algorithms = ring::default_provider().signature_verification_algorithms.all;
        algorithms
            .iter()
            .filter(|algorithm| algorithm.signature_alg_id().as_ref() == self.signature_algorithm)
            .any(|algorithm| key.verify_signature(*algorithm, &self.tbs, &self.signature).is_ok())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificate").field("subject", &self.subject_text).finish()
    }
}

/// The contents of the outer `signatureAlgorithm`, which follows the signed part.
fn signature_algorithm(der: &[u8], tbs: &[u8]) -> Option<Vec<u8>> {
    let (_, outer) = Any::from_der(der).ok()?;
    let rest = outer.data.get(tbs.len()..)?;
    let (_, algorithm) = Any::from_der(rest).ok()?;
    Some(algorithm.data.to_vec())
}

/// The most specific first.
fn rfc2253(name: &X509Name<'_>) -> String {
    let mut relative = relative_names(name);
    relative.reverse();
    relative.join(",")
}

fn relative_names(name: &X509Name<'_>) -> Vec<String> {
    name.iter()
        .map(|rdn| {
            let attributes: Vec<String> = rdn
                .iter()
                .map(|attribute| {
                    let oid = attribute.attr_type();
                    let name = oid2abbrev(oid, oid_registry())
                        .map_or_else(|_| oid.to_id_string(), str::to_owned);
                    let value = attribute.as_str().map_or_else(
                        |_| {
                            let hex = attribute.as_slice().iter().map(|byte| format!("{byte:02x}"));
                            format!("#{}", hex.collect::<String>())
                        },
                        escaped,
                    );
                    format!("{name}={value}")
                })
                .collect();
            attributes.join("+")
        })
        .collect()
}

fn escaped(value: &str) -> String {
    let mut text = String::new();
    for character in value.chars() {
        if matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// A two's-complement big-endian integer in decimal.
fn decimal(bytes: &[u8]) -> String {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut magnitude = bytes.to_vec();
    if negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    // Least significant digit first.
    let mut digits: Vec<u8> = vec![0];
    for byte in magnitude {
        let mut carry = u32::from(byte);
        for digit in &mut digits {
            carry += u32::from(*digit) * 256;
            *digit = u8::try_from(carry % 10).unwrap_or_default();
            carry /= 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).unwrap_or_default());
            carry /= 10;
        }
    }
    let digits = digits.iter().rev().map(|digit| char::from(b'0' + digit));
    if negative { "-".to_owned() + &digits.collect::<String>() } else { digits.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_decimal() {
        assert_eq!(decimal(&[0]), "0");
        assert_eq!(decimal(&[0x00, 0xff]), "255");
        assert_eq!(decimal(&[0xff]), "-1");
        assert_eq!(decimal(&[0x01, 0x00, 0x00]), "65536");
        assert_eq!(
            decimal(&[
                0x52, 0xf4, 0x31, 0xeb, 0xca, 0x3d, 0x12, 0x03, 0xc2, 0x0b, 0x6f, 0xb0, 0x58, 0xac,
                0xa7, 0xe6
            ]),
            "110264628607124170834271240353559128038"
        );
    }
}
