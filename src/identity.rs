//! Identity tokens: a short-lived signed JWT for the backend, so that it can verify who calls without trusting a
//! header.
//!
//! A token says who (`sub`, `clientId`, `cnf`), for whom (`aud`) and until when, and no route: the context that
//! carries it lives on in API Gateway's cache and serves other routes too. It is made anew only when what would be
//! handed out might not outlive that cache.

use std::{borrow::Cow, cell::RefCell, collections::HashMap};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{decide::Grant, timestamp::Timestamp};

/// How many tokens are kept. Each is about 1 KB.
const MAX_CACHED: usize = 256;

/// What identity tokens say, and for how long.
#[derive(Clone, Debug)]
pub struct IdentityRules {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// Seconds from `iat` to `exp`.
    pub lifetime: i64,
    /// Seconds that API Gateway may keep an answer.
    pub gateway_cache_ttl: i64,
}

/// The keys that identity tokens are signed with: the first signs, all are published.
pub struct SigningKeys {
    first: SigningKey,
    others: Vec<SigningKey>,
}

struct SigningKey {
    pair: KeyPair,
    jwk: Map<String, Value>,
    kid: String,
    /// The JOSE header of every token that it signs, as it stands in the token.
    header: String,
}

enum KeyPair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kids: Vec<_> = self.all().map(|key| &key.kid).collect();
        f.debug_struct("SigningKeys").field("kids", &kids).finish_non_exhaustive()
    }
}

/// A document that holds no signing key. Never says what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningKeyFault;

impl std::fmt::Display for SigningKeyFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not one PEM `PRIVATE KEY` (PKCS#8) on P-256 or of Ed25519")
    }
}

impl std::error::Error for SigningKeyFault {}

impl SigningKeys {
    /// Keys of PEM documents, one each, in their order.
    ///
    /// # Errors
    /// The first document's position that does not hold exactly one key, or no document at all.
    pub fn parse<'a>(
        documents: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, (usize, SigningKeyFault)> {
        let mut keys = documents.into_iter().enumerate().map(|(position, document)| {
            SigningKey::parse(document).map_err(|fault| (position, fault))
        });
        let first = keys.next().ok_or((0, SigningKeyFault))??;
        Ok(Self { first, others: keys.collect::<Result<_, _>>()? })
    }

    /// The public keys as a JWK Set (RFC 7517), `kid` being the thumbprint of RFC 7638.
    #[must_use]
    pub fn jwk_set(&self) -> Value {
        json!({ "keys": self.all().map(|key| Value::Object(key.jwk.clone())).collect::<Vec<_>>() })
    }

    fn all(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl SigningKey {
    fn parse(document: &[u8]) -> Result<Self, SigningKeyFault> {
        let blocks = ::pem::parse_many(document).map_err(|_| SigningKeyFault)?;
        let [block] = blocks.as_slice() else { return Err(SigningKeyFault) };
        if block.tag() != "PRIVATE KEY" {
            return Err(SigningKeyFault);
        }
        let pair = KeyPair::from_pkcs8(block.contents()).ok_or(SigningKeyFault)?;
        Self::new(pair).ok_or(SigningKeyFault)
    }

    fn new(pair: KeyPair) -> Option<Self> {
        let mut jwk = pair.public_jwk()?;
        // RFC 7638, section 3: the required members alone, sorted, without white space.
        let required = Value::Object(jwk.clone()).to_string();
        let kid = base64url(digest(&SHA256, required.as_bytes()).as_ref());
        let algorithm = pair.algorithm();
        for (name, value) in [("alg", algorithm), ("kid", kid.as_str()), ("use", "sig")] {
            jwk.insert(name.to_owned(), Value::from(value));
        }
        let header = json!({ "alg": algorithm, "kid": kid, "typ": "JWT" }).to_string();
        Some(Self { pair, jwk, kid, header: base64url(header.as_bytes()) })
    }
}

impl KeyPair {
    /// A pair of PKCS#8; of Ed25519 also without the public key, which OpenSSL leaves out.
    fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &SystemRandom::new()) {
            return Some(Self::P256(pair));
        }
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).ok().map(Self::Ed25519)
    }

    /// The name in `alg`: RFC 7518, section 3.1, and RFC 8037, section 3.1.
    fn algorithm(&self) -> &'static str {
        match self {
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    /// The members of its public key that RFC 7638 hashes.
    fn public_jwk(&self) -> Option<Map<String, Value>> {
        let jwk = match self {
            Self::P256(pair) => {
                // 0x04, x, y: SEC 1, section 2.3.3.
                let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
                json!({ "crv": "P-256", "kty": "EC", "x": base64url(x), "y": base64url(y) })
            }
            Self::Ed25519(pair) => {
                let x = base64url(pair.public_key().as_ref());
                json!({ "crv": "Ed25519", "kty": "OKP", "x": x })
            }
        };
        match jwk {
            Value::Object(jwk) => Some(jwk),
            _ => None,
        }
    }

    fn sign(&self, message: &[u8]) -> Option<String> {
        match self {
            Self::P256(pair) => {
                pair.sign(&SystemRandom::new(), message).ok().map(|it| base64url(it.as_ref()))
            }
            Self::Ed25519(pair) => Some(base64url(pair.sign(message).as_ref())),
        }
    }
}

fn base64url(octets: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(octets)
}

/// Makes identity tokens, and keeps those that may be handed out again.
#[derive(Debug)]
pub struct IdentityTokens {
    rules: IdentityRules,
    keys: SigningKeys,
    cached: RefCell<HashMap<([u8; 32], String), Cached>>,
}

#[derive(Debug)]
struct Cached {
    token: String,
    issued_at: Timestamp,
    /// What the client adds: two clients may have one id.
    context: Vec<(String, String)>,
}

/// A token that could not be made: no randomness, or a key that does not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningFault;

#[derive(Serialize)]
struct IdentityClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: Cow<'a, str>,
    iat: i64,
    exp: i64,
    jti: String,
    cnf: Value,
    #[serde(rename = "clientId")]
    client_id: &'a str,
    context: Map<String, Value>,
}

impl IdentityTokens {
    /// Tokens by these rules and keys.
    #[must_use]
    pub fn new(rules: IdentityRules, keys: SigningKeys) -> Self {
        Self { rules, keys, cached: RefCell::default() }
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    /// A token for what was granted, made now or lately.
    ///
    /// # Errors
    /// A token that can't be signed.
    pub fn token_for(&self, grant: &Grant<'_>, now: Timestamp) -> Result<String, SigningFault> {
        let cache_key = (*grant.certificate().fingerprint(), grant.client().id.clone());
        let mut cached = self.cached.borrow_mut();
        // What is handed out must outlive the gateway's cache, so only half of what is left may pass here.
        let reusable_for = (self.rules.lifetime - self.rules.gateway_cache_ttl) / 2;
        let context = &grant.client().context;
        if let Some(found) = cached.get(&cache_key).filter(|found| found.context == *context) {
            let age = now.since(found.issued_at);
            if (0..reusable_for).contains(&age) {
                return Ok(found.token.clone());
            }
        }
        let token = self.sign(grant, now)?;
        if cached.len() >= MAX_CACHED {
            cached.retain(|_, kept| (0..reusable_for).contains(&now.since(kept.issued_at)));
        }
        if cached.len() >= MAX_CACHED {
            cached.clear();
        }
        let kept = Cached { token: token.clone(), issued_at: now, context: context.clone() };
        cached.insert(cache_key, kept);
        Ok(token)
    }

    fn sign(&self, grant: &Grant<'_>, now: Timestamp) -> Result<String, SigningFault> {
        let mut random = [0; 16];
        SystemRandom::new().fill(&mut random).map_err(|_| SigningFault)?;
        let certificate = grant.certificate();
        let claims = IdentityClaims {
            iss: &self.rules.issuer,
            aud: &self.rules.audience,
            sub: certificate.principal(),
            iat: now.unix_seconds(),
            exp: now.plus(self.rules.lifetime).unix_seconds(),
            jti: base64url(&random),
            cnf: json!({ "x5t#S256": certificate.thumbprint() }),
            client_id: &grant.client().id,
            context: grant
                .client()
                .context
                .iter()
                .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
                .collect(),
        };
        let claims = serde_json::to_vec(&claims).map_err(|_| SigningFault)?;
        let key = &self.keys.first;
        let message = format!("{}.{}", key.header, base64url(&claims));
        let signature = key.pair.sign(message.as_bytes()).ok_or(SigningFault)?;
        Ok(format!("{message}.{signature}"))
    }
}
