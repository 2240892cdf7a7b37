//! What a configuration comes to once it is validated: plain values, one struct a section.
//!
//! Nothing here was fetched: sources are named, and `source` reads them.

use std::time::Duration;

use crate::{signature::Strength, source::Source};

use super::{Policy, fault::Finding};

/// A whole, valid configuration.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// `[source]`: where the client certificate is found.
    pub presentation: Presentation,
    /// `[certificate]`: what every client certificate must be.
    pub certificate: CertificateRules,
    /// `[trust]`: what paths are verified against.
    pub trust: Option<Trust>,
    /// `[revocation]`: how certificates are asked after; `None` where there is no `check`.
    pub revocation: Option<Revocation>,
    /// `[revocation] deny_list`.
    pub deny_list: Option<Source>,
    /// `[revocation]`: how fetched sources age. They go for anchors and key sets too.
    pub freshness: Freshness,
    /// `[token]`: the bearer token beside the certificate.
    pub token: Option<Token>,
    /// `[identity_token]`: the signed token for the backend.
    pub identity_token: Option<IdentityToken>,
    /// `[forward] include`: what is told of the certificate, in the order of the document.
    pub forward: Vec<Forward>,
    /// `[response] http_api`.
    pub http_api: HttpApiAnswer,
    /// `[response] unauthenticated`.
    pub unauthenticated: Unauthenticated,
    /// `[log] decisions`.
    pub log_decisions: LogDecisions,
    /// `[[client]]`: who may do what.
    pub policy: Policy,
    /// How long the gateway caches an answer, where the template says so (`AUTHORIZER_GATEWAY_CACHE_TTL`).
    pub gateway_cache_ttl: Option<Duration>,
    /// What is valid and should still be looked at.
    pub warnings: Vec<Finding>,
}

/// Where the client certificate is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presentation {
    /// In the event, where API Gateway ended the TLS connection.
    ApiGateway,
    /// In headers of a load balancer that verified it.
    AlbVerify {
        /// The only endpoints that a request may have come through.
        vpc_endpoints: Vec<String>,
        /// Where the listener writes what it found.
        headers: AlbVerifyHeaders,
    },
    /// In a header of a load balancer that passed it on unverified.
    AlbPassthrough {
        /// The only endpoints that a request may have come through.
        vpc_endpoints: Vec<String>,
        /// The header that holds the chain, leaf first.
        chain: String,
    },
}

impl Presentation {
    /// The name of the kind in the configuration.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ApiGateway => "api-gateway",
            Self::AlbVerify { .. } => "alb-verify",
            Self::AlbPassthrough { .. } => "alb-passthrough",
        }
    }
}

/// The names of the headers that an Application Load Balancer writes in `verify` mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlbVerifyHeaders {
    /// The certificate.
    pub leaf: String,
    /// Its serial number.
    pub serial_number: String,
    /// Its subject.
    pub subject: String,
    /// Its issuer.
    pub issuer: String,
    /// Its validity.
    pub validity: String,
}

/// What every client certificate must be, whoever it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRules {
    /// Which purposes are accepted where a certificate lists purposes.
    pub extended_key_usage: ExtendedKeyUsage,
    /// Whether a certificate that lists none is refused.
    pub require_extended_key_usage: bool,
    /// The longest time from `notBefore` to `notAfter`.
    pub max_validity: Option<Duration>,
    /// Tolerance at both ends of the validity period.
    pub clock_skew: Duration,
    /// What keys and signatures must at least be.
    pub strength: Strength,
}

/// Which purposes are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtendedKeyUsage {
    /// The extension is not looked at.
    Any,
    /// It must list one of these, given as contents octets of object identifiers.
    OneOf(Vec<Vec<u8>>),
}

/// What paths are verified against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// PEM bundles; every certificate in them is an anchor. Never empty.
    pub anchors: Vec<Source>,
    /// PEM bundles that only help to build paths.
    pub intermediates: Vec<Source>,
}

/// How certificates are asked after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// In order of preference. Never empty.
    pub check: Vec<RevocationMethod>,
    /// Revocation lists.
    pub crls: Vec<Source>,
    /// Whether the lists that a certificate names are fetched too.
    pub distribution_points: bool,
    /// The responder that is asked in place of the one that a certificate names.
    pub ocsp_responder: Option<Source>,
    /// The hosts, in lower case, that may be contacted because a certificate names them.
    pub allowed_hosts: Vec<String>,
    /// Which certificates are asked after.
    pub depth: RevocationDepth,
    /// What comes of not finding out.
    pub on_unknown: OnUnknown,
}

/// A way to ask whether a certificate has been revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationMethod {
    /// Certificate revocation lists.
    Crl,
    /// The Online Certificate Status Protocol.
    Ocsp,
}

/// Which certificates of a path are asked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationDepth {
    /// The client's.
    Leaf,
    /// Every one but the anchor.
    Chain,
}

/// What comes of not finding out whether a certificate has been revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknown {
    /// A denial.
    Deny,
    /// Nothing, beyond a warning in the log.
    DangerouslyAllow,
}

/// How fetched sources age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// A copy older than this is asked for again.
    pub refresh: Duration,
    /// How long a source may take to answer.
    pub timeout: Duration,
    /// How long a last good copy without a time of its own serves when asking again fails.
    pub max_stale: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(5 * 60),
            timeout: Duration::from_secs(2),
            max_stale: Duration::from_secs(60 * 60),
        }
    }
}

/// The bearer token beside the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whether a call without one is denied.
    pub required: bool,
    /// The `iss` that it must have.
    pub issuer: String,
    /// The `aud`s of which it must have one. Never empty.
    pub audience: Vec<String>,
    /// The issuer's keys.
    pub jwks: Source,
    /// The algorithms that are accepted. Never empty.
    pub algorithms: Vec<TokenAlgorithm>,
    /// Whether it must be bound to the certificate (RFC 8705).
    pub certificate_bound: CertificateBound,
    /// Scopes, all of which it must have.
    pub scopes: Vec<String>,
    /// Context keys and the claims they are filled from, sorted by key.
    pub claims: Vec<(String, String)>,
}

/// An algorithm of RFC 7518 or RFC 8037 that a token may be signed with: none of them symmetric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum TokenAlgorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl TokenAlgorithm {
    /// All of them, by their names in a token's `alg`.
    pub const ALL: [(&str, Self); 9] = [
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
    ];

    /// The name in a token's `alg`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

/// Whether a token must be bound to the certificate of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateBound {
    /// One that is bound to none is refused.
    Required,
    /// One that is bound to none is accepted; one that is bound to another is not.
    IfPresent,
    /// Not looked at.
    Off,
}

/// The signed token for the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityToken {
    /// Its `iss`.
    pub issuer: String,
    /// Its `aud`.
    pub audience: String,
    /// From its `iat` to its `exp`; longer than the gateway caches.
    pub lifetime: Duration,
    /// Private keys: the first signs, all are published. Never empty.
    pub key: Vec<Source>,
}

/// What an HTTP API of format 2.0 expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpApiAnswer {
    /// An IAM policy.
    Iam,
    /// `isAuthorized`.
    Simple,
}

/// What comes of a call without a certificate, or without a token where one is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    /// A denial: 403.
    Deny,
    /// The error that becomes 401.
    Unauthorized,
}

/// Which decisions are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogDecisions {
    /// All.
    All,
    /// Denials.
    Denied,
}

macro_rules! forward {
    ($($variant:ident $name:literal $description:literal,)*) => {
        /// A fact of the certificate that can be told to the backend, by its context key.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Forward {
            $(#[doc = $description] $variant,)*
        }

        impl Forward {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The context key.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

forward! {
    Sub "clientCertSub" "The subject, in printable ASCII.",
    SubBase64 "clientCertSubBase64" "The subject in UTF-8, as base64.",
    Issuer "clientCertIssuer" "The issuer.",
    CommonName "clientCertCommonName" "The common name, where there is exactly one.",
    Serial "clientCertSerial" "The serial number, in hex.",
    Fingerprint "clientCertFingerprint" "The SHA-256 of the certificate, in hex.",
    Thumbprint "clientCertThumbprint" "The same as RFC 8705's `x5t#S256`.",
    NotBefore "clientCertNotBefore" "When it comes into force.",
    NotAfter "clientCertNotAfter" "When it expires.",
    SanDns "clientCertSanDns" "Its DNS names.",
    SanUri "clientCertSanUri" "Its URIs.",
    SanEmail "clientCertSanEmail" "Its e-mail addresses.",
    SanIp "clientCertSanIp" "Its IP addresses.",
    Certificate "clientCert" "The certificate, as an item of RFC 9440.",
    Xfcc "clientCertXfcc" "The element of Envoy's `x-forwarded-client-cert`.",
}

impl Forward {
    /// What is told where the configuration does not say.
    pub const DEFAULT: [Self; 6] =
        [Self::Sub, Self::SubBase64, Self::Issuer, Self::Serial, Self::Fingerprint, Self::NotAfter];
}
