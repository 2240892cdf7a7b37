//! The trust store, and the path from a client certificate to one of its roots.
//!
//! As API Gateway does it: what the client sends beside its own certificate is not looked at, every
//! issuer up to a self-signed root must be in the store, and a path holds at most four
//! certificates. Signatures, validity of every certificate of the path and the right to issue
//! (`basicConstraints`, `keyCertSign`, path length) are checked; a self-signed client certificate
//! may be in the store itself. X.509 v1 certificates get in, and v1 issuers issue.
//!
//! Not checked, since API Gateway is not known to check it or because it is the authorizer's task:
//! revocation, extended key usage, critical extensions, name constraints, policies.

use std::fmt;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;

use crate::certificate::Certificate;

/// Certificates in a path, client and root included.
const MAX_PATH: usize = 4;
/// Certificates that API Gateway takes in a trust store.
const MAX_CERTIFICATES: usize = 1_000;
/// The size that API Gateway takes of a trust store.
const MAX_SIZE: usize = 1024 * 1024;

/// The certificates that clients are verified with.
#[derive(Debug, Clone)]
pub struct TrustStore {
    certificates: Vec<Certificate>,
}

/// Why a client certificate is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untrusted {
    /// Its validity is over.
    Expired,
    /// Its validity has not begun.
    NotYetValid,
    /// No certificate of the store leads on towards a root: wrong name, signature or validity, or
    /// no right to issue.
    NoPath,
    /// There may be a path, but of more than four certificates.
    PathTooLong,
}

impl fmt::Display for Untrusted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Expired => "the certificate has expired",
            Self::NotYetValid => "the certificate is not yet valid",
            Self::NoPath => "no path from the certificate to a root of the trust store",
            Self::PathTooLong => "the path to a root holds more than four certificates",
        })
    }
}

/// What is wrong with a trust store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustStoreError {
    /// The PEM can't be read.
    Pem,
    /// A block, counted from 1, is no certificate.
    NoCertificate(usize),
    /// There is no certificate in it.
    Empty,
    /// Two certificates have one subject.
    SameSubject(usize, usize),
    /// There are more than 1,000 certificates, or more than 1 MB.
    TooLarge,
}

impl fmt::Display for TrustStoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem => formatter.write_str("the PEM is broken"),
            Self::NoCertificate(ordinal) => {
                write!(formatter, "PEM block {ordinal} is not an X.509 certificate")
            }
            Self::Empty => formatter.write_str("it holds no PEM certificate"),
            Self::SameSubject(first, second) => write!(
                formatter,
                "certificates {first} and {second} have the same subject, which API Gateway refuses"
            ),
            Self::TooLarge => formatter.write_str(
                "it is larger than API Gateway takes: 1,000 certificates and 1 MB at most",
            ),
        }
    }
}

impl std::error::Error for TrustStoreError {}

impl TrustStore {
    /// Reads a PEM bundle under API Gateway's limits.
    ///
    /// # Errors
    /// Where it is broken, empty, too large, or has a subject twice.
    pub fn from_pem(text: &[u8]) -> Result<Self, TrustStoreError> {
        if text.len() > MAX_SIZE {
            return Err(TrustStoreError::TooLarge);
        }
        let mut certificates: Vec<Certificate> = Vec::new();
        for (index, block) in CertificateDer::pem_slice_iter(text).enumerate() {
            let der = block.map_err(|_| TrustStoreError::Pem)?;
            let certificate = Certificate::from_der(&der)
                .map_err(|_| TrustStoreError::NoCertificate(index + 1))?;
            if let Some(first) =
                certificates.iter().position(|own| own.subject_dn() == certificate.subject_dn())
            {
                return Err(TrustStoreError::SameSubject(first + 1, index + 1));
            }
            certificates.push(certificate);
        }
        match certificates.len() {
            0 => Err(TrustStoreError::Empty),
            length if length > MAX_CERTIFICATES => Err(TrustStoreError::TooLarge),
            _ => Ok(Self { certificates }),
        }
    }

    /// Whether a path leads from `client` to a root of the store at `now`.
    ///
    /// # Errors
    /// The reason where none does.
    pub fn verify(&self, client: &Certificate, now: OffsetDateTime) -> Result<(), Untrusted> {
        if now > client.not_after {
            return Err(Untrusted::Expired);
        }
        if now < client.not_before {
            return Err(Untrusted::NotYetValid);
        }
        let is_root = client.is_self_issued()
            && self.certificates.iter().any(|own| own.der() == client.der());
        if is_root || self.leads_to_root(client, 1, now, MAX_PATH) {
            return Ok(());
        }
        // Only to say why: the number of certificates in the store bounds the search.
        if self.leads_to_root(client, 1, now, MAX_PATH + 2) {
            return Err(Untrusted::PathTooLong);
        }
        Err(Untrusted::NoPath)
    }

    /// `length` is that of the path so far, with `certificate` as its last.
    fn leads_to_root(
        &self,
        certificate: &Certificate,
        length: usize,
        now: OffsetDateTime,
        max_path: usize,
    ) -> bool {
        length < max_path
            && self.certificates.iter().any(|issuer| {
                certificate.names_as_issuer(issuer)
                    && now >= issuer.not_before
                    && now <= issuer.not_after
                    && issuer.may_issue(length - 1)
                    && certificate.is_signed_by(issuer)
                    && (issuer.is_self_issued()
                        || self.leads_to_root(issuer, length + 1, now, max_path))
            })
    }
}
