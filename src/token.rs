//! Bearer tokens: a JWT (RFC 7519) beside the certificate, possibly bound to it (RFC 8705).
//!
//! `jsonwebtoken` reads the keys and verifies the signature, with `ring` behind it ([`crypto`]); it would otherwise
//! bring a second cryptographic library. Header and claims are judged here: time is a parameter, a name that occurs
//! twice is a fault in either, and what is merely present in a header may already be one.
//!
//! Keys come from the configured JWK Set alone: a header that brings a key of its own (`jwk`, `jku`, `x5c`, `x5u`)
//! is refused, as are `crit`, encryption and compression. Symmetric algorithms and `none` do not exist here.
//! Not looked at: `iat`, `jti`; tokens are not introspected, so a revoked token is good until it expires.
//!
//! A denial says which rule was broken, in words of our own: nothing of the token is in it but the time of expiry.

pub mod crypto;
mod json;
pub mod keys;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use crate::{
    certificate::Certificate,
    decision::{Denial, Reason},
    event::headers::Header,
    hex,
    policy::configuration::{CertificateBound, Token, TokenAlgorithm},
    timestamp::Timestamp,
};
use json::StrictObject;
use keys::KeySet;

/// The longest token that is looked at. API Gateway takes 10,240 bytes of headers in all.
pub const MAX_BYTES: usize = 16 * 1024;

/// What a token must be.
#[derive(Clone, Debug)]
pub struct TokenRules {
    /// The section `[token]`.
    pub token: Token,
    /// Tolerance for `exp` and `nbf`, in seconds.
    pub clock_skew: i64,
}

/// The claims of a token that was verified: only [`verify`] makes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// The claims by name.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// What came of the bearer token: only [`verify`] makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    claims: Option<Claims>,
    context: Vec<(String, String)>,
}

impl Verified {
    /// The claims, `None` where there is no token and none is required; and the context entries made of them, where
    /// every configured key is, empty where the claim is not.
    #[must_use]
    pub fn into_parts(self) -> (Option<Claims>, Vec<(String, String)>) {
        (self.claims, self.context)
    }
}

/// Why there are no claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// The token does not do.
    Denied(Denial),
    /// No key of the set has the token's `kid`: a newer set may.
    UnknownKey(Denial),
}

impl TokenError {
    /// The denial, whichever it is.
    #[must_use]
    pub fn into_denial(self) -> Denial {
        match self {
            Self::Denied(denial) | Self::UnknownKey(denial) => denial,
        }
    }
}

/// Verifies the bearer token of an `Authorization` header.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify(
    authorization: &Header,
    rules: &TokenRules,
    keys: &KeySet,
    certificate: &Certificate,
    now: Timestamp,
) -> Result<Verified, TokenError> {
    let Some(token) = bearer(authorization).map_err(TokenError::Denied)? else {
        if rules.token.required {
            return Err(TokenError::Denied(Denial::new(Reason::TokenMissing)));
        }
        let context =
            rules.token.claims.iter().map(|(key, _)| (key.clone(), String::new())).collect();
        return Ok(Verified { claims: None, context });
    };
    let claims = verify_signature(token, rules, keys)?;
    judge_claims(&claims, rules, certificate, now).map_err(TokenError::Denied)?;
    let context = context_of(&claims, &rules.token.claims).map_err(TokenError::Denied)?;
    Ok(Verified { claims: Some(Claims(claims)), context })
}

fn invalid(why: &str) -> Denial {
    Denial::new(Reason::TokenInvalid).with("why", why)
}

/// The token of `Bearer <token>` (RFC 6750, section 2.1); `None` where there is no header.
fn bearer(authorization: &Header) -> Result<Option<&str>, Denial> {
    let value = match authorization {
        Header::Absent => return Ok(None),
        Header::Repeated => return Err(invalid("the Authorization header is repeated")),
        // Format 2.0 joins values with commas, which no token holds.
        Header::One(value) if value.contains(',') => {
            return Err(invalid("the Authorization header is repeated"));
        }
        Header::One(value) => value,
    };
    let Some((scheme, token)) = value.split_once(' ') else {
        return Err(invalid("the Authorization header is not `Bearer` and a token"));
    };
    let token = token.trim_matches(' ');
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !scheme.eq_ignore_ascii_case("Bearer") || token.is_empty() || !token.bytes().all(of_token) {
        return Err(invalid("the Authorization header is not `Bearer` and a JWT"));
    }
    if token.len() > MAX_BYTES {
        return Err(invalid("the token is too long"));
    }
    Ok(Some(token))
}

fn verify_signature(
    token: &str,
    rules: &TokenRules,
    keys: &KeySet,
) -> Result<Map<String, Value>, TokenError> {
    let parts = Parts::of(token).map_err(TokenError::Denied)?;
    let KeyHint { algorithm, kid } =
        judge_header(parts.header, &rules.token).map_err(TokenError::Denied)?;
    if !keys.may_have(kid.as_deref()) {
        return Err(TokenError::UnknownKey(invalid("no key of the JWK Set is the token's")));
    }
    let mut why = "the JWK Set's key is none for the token's algorithm";
    for key in keys.candidates(kid.as_deref(), algorithm) {
        match jsonwebtoken::crypto::verify(parts.signature, parts.signed, key, algorithm) {
            Ok(true) => {
                let claims = strict_object(parts.claims).ok_or_else(|| {
                    invalid("the token's claims are no JSON object, or one occurs twice")
                });
                return claims.map_err(TokenError::Denied);
            }
            Ok(false) | Err(_) => why = "the token's signature does not verify",
        }
    }
    Err(TokenError::Denied(invalid(why)))
}

/// A JWS in its compact serialization (RFC 7515, section 7.1), in base64url.
struct Parts<'a> {
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
    /// Header and claims with the dot between them.
    signed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Result<Self, Denial> {
        let parts = || {
            let (signed, signature) = token.rsplit_once('.')?;
            let (header, claims) = signed.split_once('.')?;
            let signed = signed.as_bytes();
            (!claims.contains('.')).then_some(Self { header, claims, signature, signed })
        };
        parts().ok_or_else(|| invalid("the token is no JWS of three parts"))
    }
}

fn strict_object(base64url: &str) -> Option<Map<String, Value>> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(base64url).ok()?;
    serde_json::from_slice(&json).ok().map(|StrictObject(object)| object)
}

/// What of a header leads to the key.
struct KeyHint {
    algorithm: Algorithm,
    kid: Option<String>,
}

/// Judges the header (RFC 7515, section 4), before anything is done that it asks for.
fn judge_header(header: &str, rules: &Token) -> Result<KeyHint, Denial> {
    let Some(mut header) = strict_object(header) else {
        return Err(invalid("the token's header is no JSON object, or a name in it occurs twice"));
    };
    let has = |names: &[&str]| names.iter().any(|name| header.contains_key(*name));
    if has(&["jwk", "jku", "x5c", "x5u"]) {
        return Err(invalid("the token's header brings a key of its own"));
    }
    if has(&["crit", "b64"]) {
        return Err(invalid("the token's header demands an extension"));
    }
    if has(&["enc", "zip"]) {
        return Err(invalid("the token is encrypted or compressed"));
    }
    if header.get("typ").is_some_and(|typ| !typ.as_str().is_some_and(is_access_token_type)) {
        return Err(invalid("the token is of another type"));
    }
    let algorithm = match header.get("alg").and_then(Value::as_str) {
        None => return Err(invalid("the token's header names no algorithm")),
        Some(none) if none.eq_ignore_ascii_case("none") => {
            return Err(invalid("the token is not signed"));
        }
        Some(symmetric) if symmetric.starts_with("HS") => {
            return Err(invalid("the token is signed with a symmetric algorithm"));
        }
        Some(name) => rules.algorithms.iter().find(|accepted| accepted.name() == name),
    };
    let algorithm =
        *algorithm.ok_or_else(|| invalid("the token's algorithm is not among those accepted"))?;
    match header.remove("kid") {
        None => Ok(KeyHint { algorithm: algorithm.into(), kid: None }),
        Some(Value::String(kid)) => Ok(KeyHint { algorithm: algorithm.into(), kid: Some(kid) }),
        Some(_) => Err(invalid("the token's `kid` is no string")),
    }
}

impl From<TokenAlgorithm> for Algorithm {
    fn from(algorithm: TokenAlgorithm) -> Self {
        match algorithm {
            TokenAlgorithm::Rs256 => Self::RS256,
            TokenAlgorithm::Rs384 => Self::RS384,
            TokenAlgorithm::Rs512 => Self::RS512,
            TokenAlgorithm::Ps256 => Self::PS256,
            TokenAlgorithm::Ps384 => Self::PS384,
            TokenAlgorithm::Ps512 => Self::PS512,
            TokenAlgorithm::Es256 => Self::ES256,
            TokenAlgorithm::Es384 => Self::ES384,
            TokenAlgorithm::EdDsa => Self::EdDSA,
        }
    }
}

/// A JWT of no kind in particular, or an access token of RFC 9068.
fn is_access_token_type(typ: &str) -> bool {
    ["JWT", "application/jwt", "at+jwt", "application/at+jwt"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(typ))
}

fn judge_claims(
    claims: &Map<String, Value>,
    rules: &TokenRules,
    certificate: &Certificate,
    now: Timestamp,
) -> Result<(), Denial> {
    if claims.get("iss").and_then(Value::as_str) != Some(&rules.token.issuer) {
        return Err(invalid("the token is of another issuer"));
    }
    let is_meant =
        |audience: &str| rules.token.audience.iter().any(|accepted| accepted == audience);
    if !texts(claims.get("aud")).is_some_and(|audience| audience.into_iter().any(is_meant)) {
        return Err(invalid("the token is meant for another audience"));
    }
    let Some(expires) = numeric_date(claims.get("exp")) else {
        return Err(invalid("the token has no time of expiry"));
    };
    #[allow(clippy::cast_precision_loss, reason = "exact up to the year 285 million")]
    let (now_seconds, skew) = (now.unix_seconds() as f64, rules.clock_skew as f64);
    match claims.get("nbf") {
        None => {}
        Some(not_before) => match numeric_date(Some(not_before)) {
            Some(not_before) if now_seconds + skew >= not_before => {}
            Some(_) => return Err(invalid("the token is not valid yet")),
            None => return Err(invalid("the token's `nbf` is no time")),
        },
    }
    if now_seconds - skew >= expires {
        let denial = Denial::new(Reason::TokenExpired);
        return Err(match claims.get("exp").and_then(Value::as_i64) {
            Some(exp) => denial.with("exp", Timestamp::from_unix_seconds(exp)).with("now", now),
            None => denial.with("now", now),
        });
    }
    judge_binding(claims, rules.token.certificate_bound, certificate)?;
    let scopes = scopes(claims);
    let missing = rules.token.scopes.iter().find(|needed| !scopes.contains(&needed.as_str()));
    missing.map_or(Ok(()), |missing| Err(Denial::new(Reason::TokenScope).with("missing", missing)))
}

/// A `NumericDate` (RFC 7519, section 2).
fn numeric_date(value: Option<&Value>) -> Option<f64> {
    value?.as_f64().filter(|seconds| seconds.is_finite())
}

/// A string, or an array of nothing but strings.
fn texts(value: Option<&Value>) -> Option<Vec<&str>> {
    match value? {
        Value::String(text) => Some(vec![text]),
        Value::Array(members) => members.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// The scopes of `scope` (RFC 8693, section 4.2) and of `scp`, as a string or an array.
fn scopes(claims: &Map<String, Value>) -> Vec<&str> {
    ["scope", "scp"]
        .into_iter()
        .filter_map(|claim| texts(claims.get(claim)))
        .flatten()
        .flat_map(|text| text.split(' '))
        .filter(|scope| !scope.is_empty())
        .collect()
}

/// RFC 8705, section 3.1: `cnf` with `x5t#S256`, compared in constant time.
fn judge_binding(
    claims: &Map<String, Value>,
    rule: CertificateBound,
    certificate: &Certificate,
) -> Result<(), Denial> {
    let denial = Denial::new(Reason::TokenNotBound);
    if rule == CertificateBound::Off {
        return Ok(());
    }
    let bound_to = match (claims.get("cnf"), rule) {
        (None, CertificateBound::IfPresent) => return Ok(()),
        (None, _) => return Err(denial.with("why", "the token is bound to no certificate")),
        (Some(confirmation), _) => confirmation.get("x5t#S256").and_then(Value::as_str),
    };
    let Some(bound_to) = bound_to else {
        return Err(denial.with("why", "the token's confirmation names no certificate"));
    };
    let own = certificate.thumbprint();
    if bool::from(own.as_bytes().ct_eq(bound_to.as_bytes())) {
        return Ok(());
    }
    Err(denial.with("why", "the token is bound to another certificate"))
}

/// The configured context entries, in printable ASCII.
fn context_of(
    claims: &Map<String, Value>,
    wanted: &[(String, String)],
) -> Result<Vec<(String, String)>, Denial> {
    wanted
        .iter()
        .map(|(key, claim)| {
            let value = claim_text(claims.get(claim)).ok_or_else(|| {
                invalid("a claim that is forwarded is an object, or an array of other than strings")
                    .with("claim", claim)
            })?;
            Ok((key.clone(), value))
        })
        .collect()
}

fn claim_text(value: Option<&Value>) -> Option<String> {
    match value {
        None | Some(Value::Null) => Some(String::new()),
        Some(Value::String(text)) => Some(printable(text, false)),
        Some(Value::Bool(boolean)) => Some(boolean.to_string()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::Array(members)) => {
            let members: Option<Vec<String>> = members
                .iter()
                .map(|member| member.as_str().map(|text| printable(text, true)))
                .collect();
            members.map(|members| members.join(" "))
        }
        Some(Value::Object(_)) => None,
    }
}

/// Percent-encodes what is not printable ASCII, and `%` itself, so that two values never look alike; inside a
/// list also the space that separates its members.
fn printable(text: &str, in_list: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b' ' if in_list => encoded.push_str("%20"),
            b' '..=b'~' if octet != b'%' => encoded.push(char::from(octet)),
            _ => {
                encoded.push('%');
                encoded.extend(hex::pair(octet));
            }
        }
    }
    encoded
}
