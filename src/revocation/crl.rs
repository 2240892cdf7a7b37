//! Certificate revocation lists (RFC 5280, sections 5 and 6.3), of any size.
//!
//! A list is read once, in one pass over its DER that allocates nothing per entry. What stays is its facts
//! and eight bytes for each serial number (see `index.rs`); the DER is dropped as soon as the signature has
//! been verified, which happens once for a list and an issuer's key. [`CrlStore`] keeps the lists of all
//! sources and gives a [`Verdict`] for a certificate.
//!
//! A list shows that a certificate is *not* revoked only if all of this holds: its issuer's name is the
//! certificate's issuer, its signature is by that issuer's key, that issuer may sign lists, every critical
//! extension is understood, the certificate is in its scope, it is complete (no delta list, not indirect, not
//! limited to some reasons), and now is between `thisUpdate` and `nextUpdate`. One that fails for its scope
//! or its completeness alone can still show that a certificate *is* revoked, since a serial number means
//! one certificate of an issuer, whatever the list it stands in.
//!
//! What is not done:
//! - Names are compared as DER, byte by byte. RFC 5280, section 7.1, would have letter case and white space
//!   folded; a list whose issuer is spelt differently from the certificate's is no list of that issuer.
//! - Delta lists are not merged with their base: what is removed from a hold by a delta list stays revoked
//!   until a complete list says otherwise.
//! - Indirect lists answer for certificates of the list's own issuer only, and only "revoked".
//! - Lists for which the union of several `onlySomeReasons` would be complete are not combined.
//! - Dates of revocation are checked for their form and not kept.

mod document;
mod index;
mod parse;
mod scope;
mod store;

pub use document::{Document, DocumentError};
pub use index::SerialHasher;
pub use parse::{Signed, parse};
pub use scope::{DistributionPoint, OutOfScope, distribution_points};
pub use store::{CrlStore, Issuer, LoadError, Loaded, Signature, VerifySignature};

use crate::timestamp::Timestamp;
use index::SerialIndex;
use scope::Scope;

/// A list's facts and serial numbers. Nothing here says that the list is genuine: see [`CrlStore`].
#[derive(Clone, Debug)]
pub struct CertificateRevocationList {
    issuer: Box<[u8]>,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    number: Option<Box<[u8]>>,
    delta: bool,
    scope: Scope,
    /// The first critical extension, of the list or an entry, that is not understood; dotted.
    unknown_critical_extension: Option<String>,
    index: SerialIndex,
}

/// A certificate, as far as a list is concerned with it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The certificate's issuer, a `Name` in DER.
    pub issuer: &'a [u8],
    /// The contents octets of its serial number's `INTEGER`.
    pub serial: &'a [u8],
    /// Whether its basic constraints say `cA`.
    pub is_ca: bool,
    /// Its distribution points; empty without the extension.
    pub distribution_points: &'a [DistributionPoint],
}

/// What the lists at hand say about a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A list that is about the certificate, complete and in date does not hold it.
    NotRevoked(Evidence),
    /// A list holds it.
    Revoked(ReasonCode, Evidence),
    /// No list says either: the obstacle of the list that came nearest to it, if there is any.
    Unknown(Obstacle, Option<Evidence>),
}

/// Which list a verdict rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The source that the list came from, as configured.
    pub source: String,
    /// When the list was issued.
    pub this_update: Timestamp,
    /// When its successor was promised.
    pub next_update: Option<Timestamp>,
}

/// Why a list cannot show that a certificate is not revoked. In ascending order of how near it came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// There is no list by the certificate's issuer.
    NoList,
    /// The list's signature has not been verified with the issuer's key.
    SignatureUnverified,
    /// The list's signature is not valid for the issuer's key, or too weak; why.
    SignatureRefused(String),
    /// The issuer's certificate has a key usage without `cRLSign`.
    IssuerMayNotSign,
    /// A critical extension of the list, or of an entry, is not understood; its identifier.
    UnknownCriticalExtension(String),
    /// The list is not about the certificate.
    OutOfScope(OutOfScope),
    /// The list is indirect: it may hold certificates of other issuers.
    Indirect,
    /// The list holds revocations for some reasons only.
    SomeReasonsOnly,
    /// The list is a delta list: it holds changes only.
    Delta,
    /// The list's `thisUpdate` lies ahead.
    NotYetValid,
    /// The list's `nextUpdate` has passed or, without one, seven days since its `thisUpdate`.
    Expired,
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoList => f.write_str("there is no revocation list by the certificate's issuer"),
            Self::SignatureUnverified => {
                f.write_str("the list's signature has not been verified with the issuer's key")
            }
            Self::SignatureRefused(why) => write!(f, "the list's signature was refused: {why}"),
            Self::IssuerMayNotSign => {
                f.write_str("the issuer's key usage does not let it sign lists (cRLSign)")
            }
            Self::UnknownCriticalExtension(oid) => {
                write!(f, "the list has the critical extension `{oid}`, which is not understood")
            }
            Self::OutOfScope(why) => write!(f, "the list is not about the certificate: {why}"),
            Self::Indirect => f.write_str("the list is indirect"),
            Self::SomeReasonsOnly => {
                f.write_str("the list holds revocations for some reasons only")
            }
            Self::Delta => f.write_str("the list is a delta list"),
            Self::NotYetValid => f.write_str("the list is not valid yet (thisUpdate)"),
            Self::Expired => f.write_str("the list has expired (nextUpdate)"),
        }
    }
}

/// Why a certificate was revoked (RFC 5280, section 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReasonCode {
    /// `unspecified`, or no reason given.
    Unspecified,
    /// `keyCompromise`
    KeyCompromise,
    /// `cACompromise`
    CaCompromise,
    /// `affiliationChanged`
    AffiliationChanged,
    /// `superseded`
    Superseded,
    /// `cessationOfOperation`
    CessationOfOperation,
    /// `certificateHold`, which counts as revoked.
    CertificateHold,
    /// `removeFromCRL`: in a delta list, no longer revoked. In a complete list it has no meaning, and the
    /// certificate counts as revoked.
    RemoveFromCrl,
    /// `privilegeWithdrawn`
    PrivilegeWithdrawn,
    /// `aACompromise`
    AaCompromise,
}

impl ReasonCode {
    /// The reason of this `CRLReason` code; 7 and those above 10 mean nothing.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Unspecified,
            1 => Self::KeyCompromise,
            2 => Self::CaCompromise,
            3 => Self::AffiliationChanged,
            4 => Self::Superseded,
            5 => Self::CessationOfOperation,
            6 => Self::CertificateHold,
            8 => Self::RemoveFromCrl,
            9 => Self::PrivilegeWithdrawn,
            10 => Self::AaCompromise,
            _ => return None,
        })
    }

    /// The `CRLReason` code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::RemoveFromCrl => 8,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
        }
    }
}

/// RFC 5280's name, such as `keyCompromise`.
impl std::fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::RemoveFromCrl => "removeFromCRL",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        })
    }
}

/// What one genuine list says about a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// It does not hold the certificate, and would if it were revoked.
    NotRevoked,
    /// It holds the certificate.
    Revoked(ReasonCode),
    /// It cannot tell.
    Unknown(Obstacle),
}

impl CertificateRevocationList {
    /// What this list says about a certificate of its issuer at an instant, once it is known that the
    /// issuer signed it and may do so.
    #[must_use]
    pub fn listing(&self, subject: &Subject<'_>, now: Timestamp) -> Listing {
        if let Some(oid) = &self.unknown_critical_extension {
            return Listing::Unknown(Obstacle::UnknownCriticalExtension(oid.clone()));
        }
        if let Err(obstacle) = self.in_date(now) {
            return Listing::Unknown(self.answers_for(subject).err().unwrap_or(obstacle));
        }
        let reason = match self.index.find(subject.serial) {
            Some(ReasonCode::RemoveFromCrl) if self.delta => None,
            _ if self.scope.is_attribute_only() => None,
            found => found,
        };
        if let Some(reason) = reason {
            return Listing::Revoked(reason);
        }
        match self.answers_for(subject) {
            Ok(()) => Listing::NotRevoked,
            Err(obstacle) => Listing::Unknown(obstacle),
        }
    }

    /// Whether the absence of a certificate from the list means that it is not revoked.
    fn answers_for(&self, subject: &Subject<'_>) -> Result<(), Obstacle> {
        self.scope
            .covers(&self.issuer, subject.is_ca, subject.distribution_points)
            .map_err(Obstacle::OutOfScope)?;
        self.never_serves().map_or(Ok(()), Err)
    }

    /// What keeps the list from ever showing that a certificate is not revoked, whatever the certificate and the time.
    fn never_serves(&self) -> Option<Obstacle> {
        if let Some(oid) = &self.unknown_critical_extension {
            Some(Obstacle::UnknownCriticalExtension(oid.clone()))
        } else if self.scope.is_attribute_only() {
            Some(Obstacle::OutOfScope(OutOfScope::AttributeCertificatesOnly))
        } else if self.scope.indirect {
            Some(Obstacle::Indirect)
        } else if self.scope.some_reasons {
            Some(Obstacle::SomeReasonsOnly)
        } else {
            self.delta.then_some(Obstacle::Delta)
        }
    }

    /// Whether the list can serve at an instant.
    ///
    /// # Errors
    /// [`Obstacle::NotYetValid`] and [`Obstacle::Expired`].
    pub fn in_date(&self, now: Timestamp) -> Result<(), Obstacle> {
        if now < self.this_update {
            return Err(Obstacle::NotYetValid);
        }
        if now > self.serves_until() { Err(Obstacle::Expired) } else { Ok(()) }
    }

    /// The last instant at which the list can serve: `nextUpdate` or, without one, seven days after
    /// `thisUpdate`.
    #[must_use]
    pub fn serves_until(&self) -> Timestamp {
        self.next_update.unwrap_or(self.this_update.plus(super::SERVES_WITHOUT_NEXT_UPDATE))
    }

    /// Whether this list may take the place of an older one of the same issuer and scope: it must neither
    /// have an earlier `thisUpdate` nor a lower CRL number, nor lose its number.
    ///
    /// # Errors
    /// Which of the two went back.
    pub fn replaces(&self, older: &Self) -> Result<(), Rollback> {
        if self.this_update < older.this_update {
            return Err(Rollback::ThisUpdate);
        }
        match (&self.number, &older.number) {
            (Some(new), Some(old)) if (new.len(), new) < (old.len(), old) => Err(Rollback::Number),
            (None, Some(_)) => Err(Rollback::Number),
            _ => Ok(()),
        }
    }

    /// Whether both lists say the same kind of thing, so that one can take the other's place.
    fn is_successor_in_kind(&self, older: &Self) -> bool {
        self.issuer == older.issuer && self.scope == older.scope && self.delta == older.delta
    }

    /// The list's issuer, a `Name` in DER.
    #[must_use]
    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// When the list was issued.
    #[must_use]
    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// When the next list is promised by.
    #[must_use]
    pub fn next_update(&self) -> Option<Timestamp> {
        self.next_update
    }

    /// The CRL number, big endian without leading zeros.
    #[must_use]
    pub fn number(&self) -> Option<&[u8]> {
        self.number.as_deref()
    }

    /// How many certificates the list holds.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.index.len()
    }

    /// Bytes that the serial numbers take on the heap.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.index.heap_bytes()
    }
}

/// Why a list may not take the place of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollback {
    /// Its `thisUpdate` is earlier.
    ThisUpdate,
    /// Its CRL number is lower, or missing.
    Number,
}

impl std::fmt::Display for Rollback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ThisUpdate => "its thisUpdate is earlier than that of the list at hand",
            Self::Number => "its CRL number is lower than that of the list at hand",
        })
    }
}
