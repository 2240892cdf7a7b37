//! JWK Sets (RFC 7517): the keys that tokens are verified with.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyOperations, PublicKeyUse},
};

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
    /// Keys, but none that can verify tokens: RSA, P-256, P-384 or Ed25519, for signatures.
    NoUsableKey,
}

impl std::fmt::Display for KeySetFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a JWK Set",
            Self::NoUsableKey => {
                "a JWK Set without a key for signatures (RSA, P-256, P-384 or Ed25519)"
            }
        })
    }
}

impl std::error::Error for KeySetFault {}

impl KeySet {
    /// Reads a JWK Set. Keys that are not for signatures, symmetric, or of another kind are left out.
    ///
    /// # Errors
    /// A document that is no JWK Set, or leaves no key.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetFault> {
        crypto::install();
        let set: JwkSet = serde_json::from_slice(document).map_err(|_| KeySetFault::Malformed)?;
        let keys: Vec<_> = set.keys.iter().filter_map(VerificationKey::of).collect();
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
        let key = DecodingKey::from_jwk(jwk).ok()?;
        Some(Self { kid: common.key_id.clone(), algorithms, key })
    }
}
