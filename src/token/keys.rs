//! JWK Sets (RFC 7517): the keys that tokens are verified with.

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::crypto;

/// How many keys without a `kid` in common are tried for one token.
const MAX_TRIED: usize = 16;

/// The keys of a JWK Set that can verify tokens.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
}

#[derive(Clone, Debug)]
struct VerificationKey {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// A document that is no JWK Set, or one without a usable key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySetFault {
    /// Not a JWK Set.
    Malformed,
    /// Keys, but none that can verify tokens: RSA of 2048 bits or more, P-256, P-384 or Ed25519, for signatures.
    NoUsableKey,
}

impl std::fmt::Display for KeySetFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a JWK Set",
            Self::NoUsableKey => {
                "a JWK Set without a key for signatures (RSA of 2048 bits or more, P-256, P-384 or Ed25519)"
            }
        })
    }
}

impl std::error::Error for KeySetFault {}

impl KeySet {
    /// Reads a JWK Set. A key that is not for signatures, symmetric, too short, malformed or of another kind is left
    /// out and spoils nothing (RFC 7517, section 5).
    ///
    /// # Errors
    /// A document that is no JWK Set, or leaves no key.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetFault> {
        #[derive(Deserialize)]
        struct JwkSet<'a> {
            #[serde(borrow)]
            keys: Vec<&'a RawValue>,
        }
        crypto::install();
        let set: JwkSet<'_> =
            serde_json::from_slice(document).map_err(|_| KeySetFault::Malformed)?;
        let keys: Vec<_> = set
            .keys
            .iter()
            .filter_map(|jwk| serde_json::from_str(jwk.get()).ok())
            .filter_map(|jwk| VerificationKey::of(&jwk))
            .collect();
        if keys.is_empty() { Err(KeySetFault::NoUsableKey) } else { Ok(Self { keys }) }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether there is a key of this `kid`; for a token without one, any key.
    pub(super) fn may_have(&self, kid: Option<&str>) -> bool {
        self.keys.iter().any(|key| kid.is_none() || key.kid.as_deref() == kid)
    }

    /// The keys that may have signed a token with this `kid` and algorithm: those of that `kid`, or, for a token
    /// without one, all of a fitting kind.
    pub(super) fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &DecodingKey> {
        self.keys
            .iter()
            .filter(move |key| kid.is_none() || key.kid.as_deref() == kid)
            .filter(move |key| key.algorithms.contains(&algorithm))
            .map(|key| &key.key)
            .take(MAX_TRIED)
    }
}

impl VerificationKey {
    fn of(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        let for_signatures = match (&common.public_key_use, &common.key_operations) {
            (Some(PublicKeyUse::Signature), _) => true,
            (Some(_), _) => false,
            (None, Some(operations)) => operations.contains(&KeyOperations::Verify),
            (None, None) => true,
        };
        let of_kind = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => vec![
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
            AlgorithmParameters::EllipticCurve(it) if it.curve == EllipticCurve::P256 => {
                vec![Algorithm::ES256]
            }
            AlgorithmParameters::EllipticCurve(it) if it.curve == EllipticCurve::P384 => {
                vec![Algorithm::ES384]
            }
            AlgorithmParameters::OctetKeyPair(it) if it.curve == EllipticCurve::Ed25519 => {
                vec![Algorithm::EdDSA]
            }
            _ => return None,
        };
        let named = common.key_algorithm.map(|algorithm| algorithm.to_string());
        let algorithms: Vec<_> = of_kind
            .into_iter()
            .filter(|algorithm| {
                named.as_ref().is_none_or(|named| *named == format!("{algorithm:?}"))
            })
            .collect();
        if !for_signatures || algorithms.is_empty() {
            return None;
        }
        let key = DecodingKey::from_jwk(jwk).ok().filter(is_sound)?;
        Some(Self { kid: common.key_id.clone(), algorithms, key })
    }
}

/// Whether the key is long enough, for RSA, or as long as its curve's are.
fn is_sound(key: &DecodingKey) -> bool {
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, .. } => n.len() >= 256,
        DecodingKeyKind::SecretOrDer(point) => matches!(point.len(), 32 | 65 | 97),
    }
}
