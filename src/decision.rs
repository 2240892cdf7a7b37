//! What a decision is: a grant, or a denial with its reason and the evidence for it.
//!
//! The reasons are part of the public interface: they stand in the log line, in `denyReason` for access logs,
//! and in what `explain` prints.

use std::fmt;

macro_rules! reasons {
    ($($variant:ident $code:literal $description:literal,)*) => {
        /// Why a call is denied.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $description] $variant,)*
        }

        impl Reason {
            /// Every reason, in the order in which the checks are made.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code: kebab-case, stable.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What it means, as a sentence.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $description,)* }
            }
        }
    };
}

reasons! {
    UntrustedPath "untrusted-path" "The request did not come through a pinned VPC endpoint.",
    HeaderMismatch "header-mismatch" "The load balancer's headers are repeated, unreadable, or at odds with the certificate.",
    NoClientCertificate "no-client-certificate" "The request carries no client certificate.",
    MalformedCertificate "malformed-certificate" "The certificate is not PEM and DER of an X.509 certificate.",
    DenyListed "deny-listed" "The certificate, or its key, or one of its issuers, stands on the deny list.",
    CertificateNotYetValid "certificate-not-yet-valid" "The certificate is not in force yet.",
    CertificateExpired "certificate-expired" "The certificate is no longer in force.",
    ValidityTooLong "validity-too-long" "The certificate was issued for longer than the configuration accepts.",
    CertificateIsCa "certificate-is-ca" "The certificate is a certification authority's, and no client pins it.",
    KeyUsage "key-usage" "The certificate's key usage allows neither digital signatures nor key agreement, or contradicts its basic constraints.",
    ExtendedKeyUsage "extended-key-usage" "The certificate's extended key usage lists no accepted purpose.",
    UnknownCriticalExtension "unknown-critical-extension" "The certificate has a critical extension that is not understood.",
    WeakKey "weak-key" "The certificate's key is too short or of a kind that is not accepted.",
    WeakSignature "weak-signature" "The certificate is signed with an algorithm that is not accepted.",
    UntrustedChain "untrusted-chain" "No path leads from the certificate to a trust anchor.",
    TokenMissing "token-missing" "The request carries no bearer token.",
    TokenInvalid "token-invalid" "The bearer token is malformed, badly signed, or not meant for this API.",
    TokenExpired "token-expired" "The bearer token is no longer valid.",
    TokenNotBound "token-not-bound" "The bearer token is not bound to this certificate.",
    TokenScope "token-scope" "The bearer token lacks a scope that is needed.",
    NoClientMatched "no-client-matched" "The certificate and token meet the conditions of no client.",
    Revoked "revoked" "The certificate has been revoked.",
    RevocationUnknown "revocation-unknown" "Whether the certificate has been revoked could not be found out.",
    RouteNotAllowed "route-not-allowed" "The client may not call this route.",
    IdentityTooLarge "identity-too-large" "The answer would not fit, and an identity is never sent in part.",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A denial: the first check that failed, and what it saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Which check failed.
    pub reason: Reason,
    /// What it saw.
    pub evidence: Evidence,
}

impl Denial {
    /// A denial without evidence.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self { reason, evidence: Evidence::default() }
    }

    /// Adds a piece of evidence.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.evidence.add(key, value);
        self
    }
}

/// Named facts that a decision rests on, for logs and people. Never a PEM, a token or a header value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence(Vec<(&'static str, String)>);

impl Evidence {
    /// Adds a fact. Its key is none of the log line's own; of several facts of one key the line tells all.
    pub fn add(&mut self, key: &'static str, value: impl fmt::Display) {
        self.0.push((key, value.to_string()));
    }

    /// Adds all facts of another.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The facts, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
