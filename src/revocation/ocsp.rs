//! The Online Certificate Status Protocol (RFC 6960): what to ask, and what an answer is worth.
//!
//! An [`Answer`] is made of the bytes of a response only where everything holds that does not depend on the
//! instant: its form, its signature, the right of whoever signed it, and that it is about the certificate in
//! question. [`Answer::verdict`] then says what it shows now; it may be asked again and again until
//! [`Answer::serves_until`].
//!
//! An answer counts if it is signed by the authority that issued the certificate, with that authority's own
//! key, or by a *delegated responder*: its certificate comes along, that same authority issued it directly,
//! its extended key usage lists `OCSPSigning`, its key usage does not forbid signatures, it has no unknown
//! critical extension, and it is in force when the answer is used. In both cases the answer's responder
//! identifier, a name or the SHA-1 of a key, must be the signer's. Keys and algorithms must be as strong as
//! the configuration demands.
//!
//! Of several statements about the certificate in one answer the worst counts: revoked, then unknown (one
//! that is out of date, or has a critical extension that is not understood, is unknown too), then not
//! revoked. `certificateHold` is revoked. Without `nextUpdate`, a statement serves for seven days from its
//! `thisUpdate`.
//!
//! Of two answers about a certificate the [`Edition`] tells which is newer, whatever either says: an older one that is
//! still in date must not take the newer one's place.
//!
//! **Nonces.** None is sent, so that answers can be made beforehand and cached. An answer that carries one is
//! the answer to somebody else's question, and is refused; it would have to match, and there is nothing that
//! it could match.
//!
//! What is not done:
//! - A delegated responder's own certificate is not checked for revocation, whether or not it says
//!   `id-pkix-ocsp-nocheck`. Authorities give it a short life instead.
//! - Responders that the authority did not delegate (RFC 6960, section 2.2, "trusted responders" of a local
//!   configuration) are not known.
//! - Certificates named by another hash than SHA-1 or SHA-256 are not recognized as the one in question.
//! - Names are compared as DER, byte by byte.

mod request;
mod response;

pub use request::{Question, responders};

use std::fmt;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::crl::ReasonCode;
use crate::{
    certificate::Certificate,
    der::DerError,
    signature::{self, Strength, VerifyingKey, key_octets},
    timestamp::Timestamp,
};
use response::{BasicResponse, CertificateStatus, ResponderId};

/// The longest answer that is read. One with a delegated responder's chain of RSA-4096 takes 8 KB.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How many of the certificates that come along are looked at.
const MAX_CERTIFICATES: usize = 8;

/// A genuine answer about one certificate: only [`Answer::verify`] makes one.
#[derive(Clone, Debug)]
pub struct Answer {
    produced_at: Timestamp,
    /// Everything that is said about the certificate; never empty.
    statements: Vec<Statement>,
    /// The certificate of the delegated responder; `None` where the authority itself signed.
    delegate: Option<Box<Certificate>>,
    signer: String,
}

/// How new an answer is: when what it says was last known to be right; then, where that is the same, when it was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edition {
    this_update: Timestamp,
    produced_at: Timestamp,
}

/// What one response says about the certificate.
#[derive(Clone, Debug)]
struct Statement {
    status: CertificateStatus,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    unknown_critical_extension: Option<String>,
}

/// What an answer shows about the certificate at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was not revoked when the answer was made, and the answer still serves.
    NotRevoked(Evidence),
    /// It has been revoked.
    Revoked {
        /// Since when, as the responder says.
        at: Timestamp,
        /// Why.
        reason: ReasonCode,
        /// What this rests on.
        evidence: Evidence,
    },
    /// The answer shows neither.
    Unknown(Obstacle, Evidence),
}

/// What a verdict rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The name of whoever signed: the authority, or its delegated responder.
    pub signer: String,
    /// When the answer was signed.
    pub produced_at: Timestamp,
    /// When what it says was known to be right.
    pub this_update: Timestamp,
    /// When newer information was promised.
    pub next_update: Option<Timestamp>,
}

/// Why an answer shows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// It is longer than [`MAX_ANSWER_BYTES`].
    TooLong,
    /// It is not DER of an OCSP response.
    Malformed(DerError),
    /// The responder says that it gives no answer.
    NoAnswer(ResponderStatus),
    /// It is of a type that is not known; its identifier.
    UnknownKind(String),
    /// It carries a nonce, though none was sent.
    Nonce,
    /// A critical extension is not understood; its identifier.
    UnknownCriticalExtension(String),
    /// Nobody who may sign for the authority has signed it; why the signer who came nearest may not.
    Unauthorized(String),
    /// The signature is wrong or too weak; why.
    Signature(String),
    /// It says nothing about the certificate.
    OtherCertificate,
    /// The delegated responder's certificate is not in force.
    SignerNotInForce,
    /// Its `thisUpdate`, or the time at which it was produced, lies ahead.
    NotYetValid,
    /// Its `nextUpdate` has passed or, without one, seven days since its `thisUpdate`.
    Expired,
    /// The responder does not know the certificate.
    UnknownToResponder,
}

impl From<DerError> for Obstacle {
    fn from(error: DerError) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the answer is longer than {MAX_ANSWER_BYTES} bytes"),
            Self::Malformed(error) => write!(f, "the answer is malformed: {error}"),
            Self::NoAnswer(status) => write!(f, "the responder gives no answer: {status}"),
            Self::UnknownKind(oid) => write!(f, "the answer's type `{oid}` is not known"),
            Self::Nonce => f.write_str("the answer carries a nonce, though none was sent"),
            Self::UnknownCriticalExtension(oid) => {
                write!(f, "the answer has the critical extension `{oid}`, which is not understood")
            }
            Self::Unauthorized(why) => write!(f, "the answer's signer has no right to it: {why}"),
            Self::Signature(why) => write!(f, "the answer's signature was refused: {why}"),
            Self::OtherCertificate => f.write_str("the answer is not about the certificate"),
            Self::SignerNotInForce => {
                f.write_str("the certificate of the answer's signer is not in force")
            }
            Self::NotYetValid => f.write_str("the answer is not valid yet (thisUpdate)"),
            Self::Expired => f.write_str("the answer has expired (nextUpdate)"),
            Self::UnknownToResponder => f.write_str("the responder does not know the certificate"),
        }
    }
}

impl std::error::Error for Obstacle {}

/// Why a responder gives no answer (`OCSPResponseStatus`, RFC 6960, section 4.2.1). Nothing of it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponderStatus {
    /// `malformedRequest`
    MalformedRequest,
    /// `internalError`
    InternalError,
    /// `tryLater`
    TryLater,
    /// `sigRequired`
    SignatureRequired,
    /// `unauthorized`
    Unauthorized,
    /// A code that RFC 6960 does not define.
    Other(u8),
}

impl ResponderStatus {
    fn from_code(code: u8) -> Self {
        match code {
            1 => Self::MalformedRequest,
            2 => Self::InternalError,
            3 => Self::TryLater,
            5 => Self::SignatureRequired,
            6 => Self::Unauthorized,
            other => Self::Other(other),
        }
    }
}

/// RFC 6960's name, such as `tryLater`.
impl fmt::Display for ResponderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MalformedRequest => f.write_str("malformedRequest"),
            Self::InternalError => f.write_str("internalError"),
            Self::TryLater => f.write_str("tryLater"),
            Self::SignatureRequired => f.write_str("sigRequired"),
            Self::Unauthorized => f.write_str("unauthorized"),
            Self::Other(code) => write!(f, "status {code}"),
        }
    }
}

impl Answer {
    /// Reads a response to a question, and verifies whatever does not depend on the instant.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify(
        response: &[u8],
        question: Question<'_>,
        strength: Strength,
    ) -> Result<Self, Obstacle> {
        if response.len() > MAX_ANSWER_BYTES {
            return Err(Obstacle::TooLong);
        }
        let basic = response::parse(response)?;
        let delegate = verify_signer(&basic, question.issuer, strength)?;
        if let Some(oid) = basic.unknown_critical_extension {
            return Err(Obstacle::UnknownCriticalExtension(oid));
        }
        if basic.has_nonce {
            return Err(Obstacle::Nonce);
        }
        let is_asked_for = |name: &request::CertificateId<'_>| question.is_named_by(name);
        let statements: Vec<Statement> = basic
            .responses
            .into_iter()
            .filter(|response| response.certificate.as_ref().is_some_and(is_asked_for))
            .map(|response| Statement {
                status: response.status,
                this_update: response.this_update,
                next_update: response.next_update,
                unknown_critical_extension: response.unknown_critical_extension,
            })
            .collect();
        if statements.is_empty() {
            return Err(Obstacle::OtherCertificate);
        }
        let signer = delegate.as_deref().unwrap_or(question.issuer).subject().ascii().to_owned();
        Ok(Self { produced_at: basic.produced_at, statements, delegate, signer })
    }

    /// What the answer shows at an instant, by clocks that may differ by `clock_skew` seconds.
    #[must_use]
    pub fn verdict(&self, clock_skew: i64, now: Timestamp) -> Verdict {
        self.statements
            .iter()
            .map(|statement| self.judge(statement, clock_skew, now))
            .max_by_key(Verdict::severity)
            // There is always a statement.
            .unwrap_or_else(|| Verdict::Unknown(Obstacle::OtherCertificate, self.evidence(None)))
    }

    /// The last instant at which every statement about the certificate can serve.
    #[must_use]
    pub fn serves_until(&self) -> Timestamp {
        let signer = self.delegate.as_ref().map(|delegate| delegate.validity().not_after);
        let statements = self.statements.iter().map(Statement::serves_until);
        // There is always a statement; without one, the answer would serve no longer than it was made.
        statements.chain(signer).min().unwrap_or(self.produced_at)
    }

    /// When newer information was promised. `None` where a statement about the certificate does not say: then there
    /// may be newer information at any time (RFC 6960, section 2.4), and it is well to ask again before
    /// [`Answer::serves_until`].
    #[must_use]
    pub fn next_update(&self) -> Option<Timestamp> {
        let promised: Option<Vec<Timestamp>> =
            self.statements.iter().map(|statement| statement.next_update).collect();
        promised?.into_iter().min()
    }

    /// How new it is, by the latest of its statements about the certificate.
    #[must_use]
    pub fn edition(&self) -> Edition {
        let latest = self.statements.iter().map(|statement| statement.this_update).max();
        // There is always a statement.
        let this_update = latest.unwrap_or(self.produced_at);
        Edition { this_update, produced_at: self.produced_at }
    }

    /// The delegated responder's certificate, where the authority did not sign itself.
    #[must_use]
    pub fn delegate(&self) -> Option<&Certificate> {
        self.delegate.as_deref()
    }

    fn judge(&self, statement: &Statement, clock_skew: i64, now: Timestamp) -> Verdict {
        let evidence = self.evidence(Some(statement));
        if let Some(oid) = &statement.unknown_critical_extension {
            return Verdict::Unknown(Obstacle::UnknownCriticalExtension(oid.clone()), evidence);
        }
        let (earliest, latest) = (now.plus(-clock_skew), now.plus(clock_skew));
        let signer_in_force = self.delegate.as_ref().is_none_or(|delegate| {
            let validity = delegate.validity();
            validity.not_before <= latest && earliest <= validity.not_after
        });
        if !signer_in_force {
            return Verdict::Unknown(Obstacle::SignerNotInForce, evidence);
        }
        if statement.this_update > latest || self.produced_at > latest {
            return Verdict::Unknown(Obstacle::NotYetValid, evidence);
        }
        if statement.serves_until() < earliest {
            return Verdict::Unknown(Obstacle::Expired, evidence);
        }
        match statement.status {
            CertificateStatus::Good => Verdict::NotRevoked(evidence),
            CertificateStatus::Revoked { at, reason } => Verdict::Revoked { at, reason, evidence },
            CertificateStatus::Unknown => Verdict::Unknown(Obstacle::UnknownToResponder, evidence),
        }
    }

    fn evidence(&self, statement: Option<&Statement>) -> Evidence {
        Evidence {
            signer: self.signer.clone(),
            produced_at: self.produced_at,
            this_update: statement.map_or(self.produced_at, |statement| statement.this_update),
            next_update: statement.and_then(|statement| statement.next_update),
        }
    }
}

impl Statement {
    fn serves_until(&self) -> Timestamp {
        self.next_update.unwrap_or(self.this_update.plus(super::SERVES_WITHOUT_NEXT_UPDATE))
    }
}

impl Verdict {
    fn severity(&self) -> u8 {
        match self {
            Self::NotRevoked(_) => 0,
            Self::Unknown(..) => 1,
            Self::Revoked { .. } => 2,
        }
    }
}

/// Finds out who signed, and that they may: the delegated responder's certificate, or `None` where it was the
/// authority itself.
fn verify_signer(
    basic: &BasicResponse<'_>,
    issuer: &Certificate,
    strength: Strength,
) -> Result<Option<Box<Certificate>>, Obstacle> {
    let mut obstacle =
        Obstacle::Unauthorized("none of its certificates is the signer's".to_owned());
    if basic.responder.is(issuer) {
        match verify_signature(basic, issuer, strength) {
            Ok(()) => return Ok(None),
            Err(why) => obstacle = why,
        }
    }
    for der in basic.certificates.iter().take(MAX_CERTIFICATES) {
        // What can't be read can't be the signer's; the signature does not cover these certificates.
        let Ok(certificate) = Certificate::parse(der) else { continue };
        if !basic.responder.is(&certificate) || certificate.fingerprint() == issuer.fingerprint() {
            continue;
        }
        let verified = may_answer_for(&certificate, issuer, strength)
            .map_err(Obstacle::Unauthorized)
            .and_then(|()| verify_signature(basic, &certificate, strength));
        match verified {
            Ok(()) => return Ok(Some(Box::new(certificate))),
            Err(why) => obstacle = why,
        }
    }
    Err(obstacle)
}

impl ResponderId<'_> {
    fn is(self, signer: &Certificate) -> bool {
        match self {
            Self::Name(name) => name == signer.subject().der(),
            Self::KeyHash(hash) => key_octets(signer.subject_public_key_info())
                .is_some_and(|key| digest(&SHA1_FOR_LEGACY_USE_ONLY, key).as_ref() == hash),
        }
    }
}

/// RFC 6960, section 4.2.2.2: the authority must have issued the responder's certificate directly, and for
/// this purpose.
fn may_answer_for(
    delegate: &Certificate,
    issuer: &Certificate,
    strength: Strength,
) -> Result<(), String> {
    const OCSP_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09];
    if delegate.issuer().der() != issuer.subject().der() {
        return Err("another authority issued its certificate".to_owned());
    }
    let mut purposes = delegate.extended_key_usage().into_iter().flatten();
    if !purposes.any(|purpose| purpose.octets() == OCSP_SIGNING) {
        return Err("its certificate is not for signing answers (OCSPSigning)".to_owned());
    }
    if delegate.key_usage().is_some_and(|usage| !usage.digital_signature) {
        return Err("its certificate's key usage has no digitalSignature".to_owned());
    }
    if let Some(oid) = delegate.unknown_critical_extension() {
        return Err(format!("its certificate has the critical extension `{oid}`"));
    }
    let key = VerifyingKey {
        public_key: issuer.public_key(),
        subject_public_key_info: issuer.subject_public_key_info(),
    };
    signature::verify(
        delegate.signature_algorithm(),
        key,
        delegate.tbs_der(),
        delegate.signature(),
        strength,
    )
    .map_err(|error| format!("its certificate: {error}"))
}

fn verify_signature(
    basic: &BasicResponse<'_>,
    signer: &Certificate,
    strength: Strength,
) -> Result<(), Obstacle> {
    let key = VerifyingKey {
        public_key: signer.public_key(),
        subject_public_key_info: signer.subject_public_key_info(),
    };
    signature::verify(&basic.algorithm, key, basic.signed, basic.signature, strength)
        .map_err(|error| Obstacle::Signature(error.to_string()))
}
