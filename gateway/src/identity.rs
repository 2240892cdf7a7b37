//! What a backend does with `X-Client-Identity`: verifies the token with a stock JWT library against the published
//! JWK Set, and believes what it says and nothing that stands in other headers.
//!
//! Nothing here is the authorizer's code, so that the two agree by the RFCs (7515, 7517, 7519) alone. The library
//! is `jsonwebtoken`; its cryptography is `ring` here, since of the two that it ships with one rests on a crate with
//! an open advisory (RUSTSEC-2023-0071), and the other is not in this workspace.

use std::{collections::BTreeMap, path::PathBuf};

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, Validation,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result as JwtResult},
    jwk::JwkSet,
    signature::{Error, Verifier},
};
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::{Map, Value};

/// The template's header for identity tokens.
pub const HEADER: &str = "X-Client-Identity";

/// Where a backend finds out what to verify with: the public keys as the authorizer publishes them, and its issuer
/// and audience as its configuration says. Both are asked for again at every call, since the configuration may change.
#[derive(Debug, Clone)]
pub struct Publisher {
    /// The authorizer's program, which knows the command `jwks`.
    pub program: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
    /// Its environment, beside the gateway's own.
    pub environment: BTreeMap<String, String>,
}

impl Publisher {
    /// Verifies the identity token that a backend is given.
    ///
    /// # Errors
    /// Why the token must not be believed, or can't be verified, as a clause.
    pub async fn verify(&self, token: &str, now: i64) -> Result<Map<String, Value>, String> {
        let text = std::fs::read_to_string(&self.config)
            .map_err(|error| format!("`{}` can't be read: {error}", self.config.display()))?;
        let document: toml::Table = text.parse().map_err(|_| "the configuration is no TOML")?;
        let section = document.get("identity_token").ok_or("there is no [identity_token]")?;
        let said = |key: &str| section.get(key).and_then(toml::Value::as_str);
        let (Some(issuer), Some(audience)) = (said("issuer"), said("audience")) else {
            return Err("[identity_token] names no issuer and audience".to_owned());
        };
        let output = tokio::process::Command::new(&self.program)
            .arg("jwks")
            .arg("--config")
            .arg(&self.config)
            .envs(&self.environment)
            .env_remove("AWS_LAMBDA_RUNTIME_API")
            .output()
            .await
            .map_err(|error| format!("`jwks` can't be run: {error}"))?;
        let jwks: JwkSet =
            serde_json::from_slice(&output.stdout).map_err(|_| "`jwks` prints no JWK Set")?;
        verify(token, &jwks, issuer, audience, now)
    }
}

/// Verifies an identity token: signature, issuer, audience and times. `now` is in seconds since 1970.
///
/// # Errors
/// Why the token must not be believed, as a clause. Nothing of the token is in it.
pub fn verify(
    token: &str,
    jwks: &JwkSet,
    issuer: &str,
    audience: &str,
    now: i64,
) -> Result<Map<String, Value>, String> {
    let _ = PROVIDER.install_default();
    let header = jsonwebtoken::decode_header(token).map_err(|_| "it is no signed JWT")?;
    // The algorithm is ours to choose, never the token's.
    if !matches!(header.alg, Algorithm::ES256 | Algorithm::EdDSA) {
        return Err("it is signed by neither ES256 nor EdDSA".to_owned());
    }
    let kid = header.kid.ok_or("it names no key")?;
    let jwk = jwks.find(&kid).ok_or("its key is not in the JWK Set")?;
    let key = DecodingKey::from_jwk(jwk).map_err(|_| "its key in the JWK Set is malformed")?;
    let mut rules = Validation::new(header.alg);
    rules.set_issuer(&[issuer]);
    rules.set_audience(&[audience]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // By the clock that is passed in, below.
    rules.validate_exp = false;
    let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &rules)
        .map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => "its signature does not verify",
            ErrorKind::InvalidIssuer => "it is of another issuer",
            ErrorKind::InvalidAudience => "it is meant for another audience",
            ErrorKind::MissingRequiredClaim(_) => "a claim is missing",
            _ => "it is malformed",
        })?
        .claims;
    match claims.get("exp").and_then(Value::as_i64) {
        Some(expires) if now < expires => Ok(claims),
        Some(_) => Err("it has expired".to_owned()),
        None => Err("it does not say when it expires".to_owned()),
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> JwtResult<Box<dyn JwtVerifier>> {
    let (family, method): (_, &'static dyn VerificationAlgorithm) = match algorithm {
        Algorithm::ES256 => (AlgorithmFamily::Ec, &ECDSA_P256_SHA256_FIXED),
        Algorithm::EdDSA => (AlgorithmFamily::Ed, &ED25519),
        _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
    };
    if key.family() != family {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    let key = UnparsedPublicKey::new(method, key.try_get_as_bytes()?.to_vec());
    Ok(Box::new(RingVerifier { algorithm: *algorithm, key }))
}

struct RingVerifier {
    algorithm: Algorithm,
    key: UnparsedPublicKey<Vec<u8>>,
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Error> {
        self.key.verify(message, signature).map_err(|_| Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ISSUER: &str = "https://api.example.com";
    const NOW: i64 = 1_795_248_000;

    /// RFC 8037's key, and a token that it signed: `sub` is `CN=orders`, good for a minute from `NOW`.
    const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"k","alg":"EdDSA","use":"sig"}]}"#;
    const TOKEN: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImsiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2FwaS5leGFtcGxlLmNvbSIsImF1ZCI6ImJhY2tlbmQiLCJzdWIiOiJDTj1vcmRlcnMiLCJpYXQiOjE3OTUyNDgwMDAsImV4cCI6MTc5NTI0ODA2MH0.lN0-S_jV8XftY6mb3-s9IKZsr3zKs8D3i7myQMMJFfFAwz45alQdGGMtZ7wk50gxtAIk9eI9Jk97V47Z3YFfCw";

    fn refusal(token: &str, issuer: &str, audience: &str, now: i64) -> String {
        verify(token, &serde_json::from_str(JWKS).unwrap(), issuer, audience, now).unwrap_err()
    }

    #[test]
    fn token_is_believed_for_its_audience_and_time_alone() {
        let jwks = serde_json::from_str(JWKS).unwrap();
        let claims = verify(TOKEN, &jwks, ISSUER, "backend", NOW + 59).unwrap();
        assert_eq!(claims.get("sub").unwrap(), "CN=orders");
        assert_eq!(refusal(TOKEN, ISSUER, "backend", NOW + 60), "it has expired");
        assert_eq!(refusal(TOKEN, ISSUER, "other", NOW), "it is meant for another audience");
        assert_eq!(refusal(TOKEN, "https://evil", "backend", NOW), "it is of another issuer");
    }

    #[test]
    fn token_that_was_changed_or_made_up_is_not_believed() {
        let parts: Vec<&str> = TOKEN.split('.').collect();
        let [header, claims, signature] = parts.try_into().unwrap();
        let cut = format!("{header}.{claims}.");
        assert_eq!(refusal(&cut, ISSUER, "backend", NOW), "its signature does not verify");
        let other = claims.replacen("Q", "R", 1);
        let changed = format!("{header}.{other}.{signature}");
        assert_eq!(refusal(&changed, ISSUER, "backend", NOW), "its signature does not verify");
        // {"alg":"none","kid":"k"} and {"alg":"HS256","kid":"k"}
        let none = format!("eyJhbGciOiJub25lIiwia2lkIjoiayJ9.{claims}.");
        assert_eq!(refusal(&none, ISSUER, "backend", NOW), "it is no signed JWT");
        let hmac = format!("eyJhbGciOiJIUzI1NiIsImtpZCI6ImsifQ.{claims}.{signature}");
        assert_eq!(
            refusal(&hmac, ISSUER, "backend", NOW),
            "it is signed by neither ES256 nor EdDSA"
        );
        // {"alg":"EdDSA","kid":"other"}
        let stranger = format!("eyJhbGciOiJFZERTQSIsImtpZCI6Im90aGVyIn0.{claims}.{signature}");
        assert_eq!(refusal(&stranger, ISSUER, "backend", NOW), "its key is not in the JWK Set");
        for text in ["", "none", "..", "a.b"] {
            assert_eq!(refusal(text, ISSUER, "backend", NOW), "it is no signed JWT", "{text}");
        }
    }
}
