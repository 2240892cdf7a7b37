//! Clients: which certificates and tokens they are told by, and what they may do.
//!
//! All conditions of a client must hold. Conditions on attributes of names hold where the attribute occurs and
//! **all** its values match, so a second common name can't smuggle anything in; those on alternative names where
//! one matches. A value that can't be decoded or holds a control character matches nothing. A claim that is an
//! array of strings matches where one member does, as a set of groups or audiences should; a claim that is
//! neither a string nor such an array matches nothing, and so does a call without a token.

use std::{
    fmt::{self, Write as _},
    net::IpAddr,
};

use serde_json::{Map, Value};

use crate::{
    certificate::{
        Certificate,
        name::{CanonicalName, Name, short_name, spell_out},
    },
    der::Oid,
    hex,
};

use super::{
    pattern::{Network, Values},
    route::Routes,
};

/// What a client is told by.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The certificate.
    pub certificate: &'a Certificate,
    /// SHA-256 of the `SubjectPublicKeyInfo` of the authority that issued it, where its signature was verified.
    pub issuer_public_key: Option<&'a [u8; 32]>,
    /// The claims of the bearer token, where one was verified.
    pub claims: Option<&'a Map<String, Value>>,
}

/// A client of the API.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name, for the backend and the log. Printable ASCII.
    pub id: String,
    /// What must hold of a certificate and token. Empty for `any = true` without a token.
    pub conditions: Box<[Condition]>,
    /// What it may call.
    pub routes: Routes,
    /// What goes along to the backend, beside empty values for the keys of other clients; sorted by key.
    pub context: Vec<(String, String)>,
    /// The API key whose usage plan counts.
    pub usage_plan_key: Option<UsagePlanKey>,
    /// The line of its `[[client]]`.
    pub line: usize,
}

/// An API key: a secret, and so never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct UsagePlanKey(pub(super) String);

impl UsagePlanKey {
    /// The key itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UsagePlanKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UsagePlanKey(…)")
    }
}

impl Client {
    /// Whether every condition holds.
    #[must_use]
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.holds(subject))
    }

    /// Whether it names single certificates or keys, as it must to admit those of an authority.
    #[must_use]
    pub fn pins_certificate(&self) -> bool {
        self.conditions.iter().any(|condition| {
            matches!(condition, Condition::Fingerprint(_) | Condition::PublicKey(_))
        })
    }

    /// Every condition, whether it holds, and what was compared.
    #[must_use]
    pub fn explain(&self, subject: &Subject<'_>) -> Vec<Comparison> {
        self.conditions
            .iter()
            .map(|condition| Comparison {
                condition: condition.to_string(),
                holds: condition.holds(subject),
                expected: condition.expected(),
                found: condition.found(subject),
            })
            .collect()
    }
}

/// How one condition fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The condition, as it is called in the configuration: `subject.CN`.
    pub condition: String,
    /// Whether it holds.
    pub holds: bool,
    /// What the configuration asks for.
    pub expected: String,
    /// What the certificate or token has: empty where it has nothing of the kind. Control characters escaped.
    pub found: Vec<String>,
}

/// Something that must hold of a certificate or token.
#[derive(Clone, Debug)]
pub enum Condition {
    /// An attribute of the subject; the type as contents octets of its object identifier.
    Subject(Vec<u8>, Values),
    /// The whole subject.
    SubjectName(Vec<CanonicalName>),
    /// An attribute of the issuer; the type as contents octets of its object identifier.
    Issuer(Vec<u8>, Values),
    /// The whole issuer.
    IssuerName(Vec<CanonicalName>),
    /// The key of the authority that issued the certificate.
    IssuerPublicKey(Digests),
    /// The serial number's magnitude, without leading zero octets.
    SerialNumber(Vec<Vec<u8>>),
    /// The certificate.
    Fingerprint(Digests),
    /// The certificate's key.
    PublicKey(Digests),
    /// A dNSName.
    SanDns(Values),
    /// A uniformResourceIdentifier.
    SanUri(Values),
    /// An rfc822Name.
    SanEmail(Values),
    /// An iPAddress.
    SanIp(Vec<Network>),
    /// A claim of the token, by its name.
    Token(String, Values),
}

/// SHA-256 digests, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests(Vec<[u8; 32]>);

impl Digests {
    pub(super) fn new(mut digests: Vec<[u8; 32]>) -> Self {
        digests.sort_unstable();
        digests.dedup();
        Self(digests)
    }

    /// Whether a digest is among them.
    #[must_use]
    pub fn contains(&self, digest: &[u8; 32]) -> bool {
        self.0.binary_search(digest).is_ok()
    }

    /// The digests.
    pub fn iter(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.0.iter()
    }
}

impl Condition {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, subject: &Subject<'_>) -> bool {
        let certificate = subject.certificate;
        let names = certificate.subject_alternative_names();
        match self {
            Self::Subject(oid, values) => attribute_matches(certificate.subject(), oid, values),
            Self::Issuer(oid, values) => attribute_matches(certificate.issuer(), oid, values),
            Self::SubjectName(expected) => name_matches(certificate.subject(), expected),
            Self::IssuerName(expected) => name_matches(certificate.issuer(), expected),
            Self::IssuerPublicKey(digests) => {
                subject.issuer_public_key.is_some_and(|digest| digests.contains(digest))
            }
            Self::SerialNumber(expected) => {
                let magnitude = certificate.serial_number().magnitude();
                expected.iter().any(|expected| expected == magnitude)
            }
            Self::Fingerprint(digests) => digests.contains(certificate.fingerprint()),
            Self::PublicKey(digests) => digests.contains(certificate.public_key_fingerprint()),
            Self::SanDns(values) => names.dns().any(|name| values.match_text(name)),
            Self::SanUri(values) => names.uri().any(|name| values.match_text(name)),
            Self::SanEmail(values) => names.email().any(|name| values.match_text(name)),
            Self::SanIp(networks) => {
                names.ip().any(|address| networks.iter().any(|network| network.holds(address)))
            }
            Self::Token(claim, values) => claim_texts(subject, claim)
                .any(|text| !text.chars().any(char::is_control) && values.match_text(text)),
        }
    }

    /// Whether it says which authority issued the certificate.
    #[must_use]
    pub fn is_about_issuer(&self) -> bool {
        matches!(self, Self::Issuer(..) | Self::IssuerName(_) | Self::IssuerPublicKey(_))
    }

    fn expected(&self) -> String {
        match self {
            Self::Subject(_, values) | Self::Issuer(_, values) | Self::Token(_, values) => {
                values.to_string()
            }
            Self::SanDns(values) | Self::SanUri(values) | Self::SanEmail(values) => {
                values.to_string()
            }
            Self::SubjectName(expected) | Self::IssuerName(expected) => one_of(expected.iter()),
            Self::IssuerPublicKey(digests)
            | Self::Fingerprint(digests)
            | Self::PublicKey(digests) => one_of(digests.iter().map(digest_text)),
            Self::SerialNumber(expected) => {
                one_of(expected.iter().map(|serial| serial_text(serial)))
            }
            Self::SanIp(networks) => one_of(networks.iter()),
        }
    }

    fn found(&self, subject: &Subject<'_>) -> Vec<String> {
        let certificate = subject.certificate;
        let names = certificate.subject_alternative_names();
        let attributes = |name: &Name, oid: &[u8]| {
            name.attributes_of(Oid::new(oid))
                .map(|attribute| match attribute.text() {
                    Some(text) => text.to_owned(),
                    None => "(undecodable, or with a control character)".to_owned(),
                })
                .collect()
        };
        let canonical = |name: &Name| match (name.canonical(), name.is_empty()) {
            (_, true) => Vec::new(),
            (Some(text), _) => vec![spell_out(text)],
            (None, _) => vec![name.ascii().to_owned()],
        };
        let owned = |text: &str| text.to_owned();
        match self {
            Self::Subject(oid, _) => attributes(certificate.subject(), oid),
            Self::Issuer(oid, _) => attributes(certificate.issuer(), oid),
            Self::SubjectName(_) => canonical(certificate.subject()),
            Self::IssuerName(_) => canonical(certificate.issuer()),
            Self::IssuerPublicKey(_) => {
                subject.issuer_public_key.map(digest_text).into_iter().collect()
            }
            Self::SerialNumber(_) => vec![serial_text(certificate.serial_number().magnitude())],
            Self::Fingerprint(_) => vec![digest_text(certificate.fingerprint())],
            Self::PublicKey(_) => vec![digest_text(certificate.public_key_fingerprint())],
            Self::SanDns(_) => names.dns().map(owned).collect(),
            Self::SanUri(_) => names.uri().map(owned).collect(),
            Self::SanEmail(_) => names.email().map(owned).collect(),
            Self::SanIp(_) => names.ip().map(|address: IpAddr| address.to_string()).collect(),
            Self::Token(claim, _) => {
                claim_texts(subject, claim).map(|text| text.escape_debug().to_string()).collect()
            }
        }
    }
}

/// The condition's name in the configuration.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attribute = |f: &mut fmt::Formatter<'_>, name: &str, oid: &[u8]| {
            let oid = Oid::new(oid);
            match short_name(oid) {
                Some(short) => write!(f, "{name}.{short}"),
                None => write!(f, "{name}.\"{oid}\""),
            }
        };
        match self {
            Self::Subject(oid, _) => attribute(f, "subject", oid),
            Self::Issuer(oid, _) => attribute(f, "issuer", oid),
            Self::SubjectName(_) => f.write_str("subject_dn"),
            Self::IssuerName(_) => f.write_str("issuer_dn"),
            Self::IssuerPublicKey(_) => f.write_str("issuer_public_key"),
            Self::SerialNumber(_) => f.write_str("serial_number"),
            Self::Fingerprint(_) => f.write_str("fingerprint"),
            Self::PublicKey(_) => f.write_str("public_key"),
            Self::SanDns(_) => f.write_str("san_dns"),
            Self::SanUri(_) => f.write_str("san_uri"),
            Self::SanEmail(_) => f.write_str("san_email"),
            Self::SanIp(_) => f.write_str("san_ip"),
            Self::Token(claim, _) => write!(f, "token.{claim}"),
        }
    }
}

fn attribute_matches(name: &Name, oid: &[u8], values: &Values) -> bool {
    let mut attributes = name.attributes_of(Oid::new(oid)).peekable();
    attributes.peek().is_some()
        && attributes.all(|attribute| attribute.text().is_some_and(|text| values.match_text(text)))
}

fn name_matches(name: &Name, expected: &[CanonicalName]) -> bool {
    name.canonical().is_some_and(|name| expected.iter().any(|expected| expected.as_str() == name))
}

/// The strings that a claim consists of.
pub(super) fn claim_texts<'a>(
    subject: &Subject<'a>,
    claim: &str,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let value = subject.claims.and_then(|claims| claims.get(claim));
    let members: &[Value] = match value {
        Some(Value::Array(members)) => members,
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    members.iter().filter_map(Value::as_str)
}

fn one_of(members: impl Iterator<Item = impl fmt::Display>) -> String {
    const SHOWN: usize = 8;
    let mut text = String::new();
    let mut left_out = 0_usize;
    for (position, member) in members.enumerate() {
        if position >= SHOWN {
            left_out += 1;
            continue;
        }
        let or = if position > 0 { " or " } else { "" };
        let _ = write!(text, "{or}`{member}`");
    }
    if left_out > 0 {
        let _ = write!(text, " or {left_out} more");
    }
    text
}

fn digest_text(digest: &[u8; 32]) -> String {
    format!("sha256:{}", hex::lower(digest))
}

fn serial_text(magnitude: &[u8]) -> String {
    match magnitude {
        [] => "00".to_owned(),
        octets => hex::upper(octets),
    }
}
