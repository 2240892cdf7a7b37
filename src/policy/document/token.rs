//! `[token]` and `[identity_token]`: bearer tokens in, identity tokens out.

use std::time::Duration;

use crate::policy::{
    configuration::{CertificateBound, IdentityToken, Token, TokenAlgorithm},
    fault::Content,
};

use super::{
    GATEWAY_CACHE_TTL, Reader, client, required_text,
    walk::{Node, Section},
};

impl Reader<'_> {
    pub(super) fn token(&self, section: Section<'_>) -> Option<Token> {
        let required = section.boolean("required", true);
        let issuer = required_text(&section, "issuer", "tokens are accepted from one issuer alone");
        let audience = section.take("audience");
        if audience.is_none() {
            section.missing("audience", "a token for another audience must not be accepted here");
        }
        let audience = audience.and_then(|node| node.texts());
        if section.take("jwks").is_none() {
            section.missing("jwks", "the issuer's keys are needed to verify anything");
        }
        let jwks = self.one_source(&section, "jwks", Content::KeySet);
        let algorithms = token_algorithms(&section);
        let bound = section.take("certificate_bound");
        let certificate_bound = bound.as_ref().and_then(|node| {
            node.choice(&[
                ("required", CertificateBound::Required),
                ("if-present", CertificateBound::IfPresent),
                ("off", CertificateBound::Off),
            ])
        });
        if let (Some(node), Some(CertificateBound::Off)) = (&bound, certificate_bound) {
            node.warn(
                "a token that was stolen from one client is good with the certificate of another",
            );
        }
        let scopes = section.take("scopes").map(|node| scopes(&node)).unwrap_or_default();
        let claims = section.take("claims").map(|node| claims(&node)).unwrap_or_default();
        section.finish();
        Some(Token {
            required,
            issuer: issuer?,
            audience: audience?.into_iter().map(|(text, _)| text.to_owned()).collect(),
            jwks: jwks?,
            algorithms: algorithms?,
            certificate_bound: certificate_bound.unwrap_or(CertificateBound::Required),
            scopes,
            claims,
        })
    }

    pub(super) fn identity_token(
        &self,
        section: Section<'_>,
        gateway_cache_ttl: Option<Duration>,
    ) -> Option<IdentityToken> {
        const USUAL_LIFETIME: Duration = Duration::from_secs(60);
        let issuer = required_text(&section, "issuer", "a backend has to know whose token it is");
        let audience =
            required_text(&section, "audience", "a backend has to know that a token is for it");
        let key = section.take("key");
        if key.is_none() {
            section.missing("key", "a token has to be signed");
        }
        let written = section.duration("lifetime");
        let lifetime = written.as_ref().map_or(USUAL_LIFETIME, |(lifetime, _)| *lifetime);
        let cached = gateway_cache_ttl.unwrap_or_default();
        if lifetime <= cached {
            let rule = format!(
                "a token lives {} s, and the gateway caches it for {} s ({GATEWAY_CACHE_TTL}): backends would get tokens that have expired",
                lifetime.as_secs(),
                cached.as_secs()
            );
            let offset = written.as_ref().map_or(section.offset, |(_, node)| node.offset);
            self.findings.fault(offset, "[identity_token]: lifetime", rule);
        }
        section.finish();
        let key = self.sources(&key?, Content::SigningKey);
        Some(IdentityToken {
            issuer: issuer?.to_owned(),
            audience: audience?.to_owned(),
            lifetime,
            key,
        })
    }
}

fn token_algorithms(section: &Section<'_>) -> Option<Vec<TokenAlgorithm>> {
    let Some(node) = section.take("algorithms") else {
        section.missing("algorithms", "a token must not choose how it is verified");
        return None;
    };
    let mut algorithms = Vec::new();
    for (text, node) in node.texts()? {
        if text.eq_ignore_ascii_case("none") {
            node.fault("`none` is no signature, and never possible");
        } else if text.to_ascii_uppercase().starts_with("HS") {
            node.fault(format!(
                "`{}` is symmetric, and never possible: whoever can verify it can sign it",
                text.escape_debug()
            ));
        } else {
            algorithms.extend(node.choice(&TokenAlgorithm::ALL));
        }
    }
    Some(algorithms)
}

/// RFC 6749, section 3.3.
fn scopes(node: &Node<'_>) -> Vec<String> {
    let mut scopes = Vec::new();
    for (text, node) in node.texts().unwrap_or_default() {
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte)) {
            node.fault(format!(
                "`{}` is no scope; several are several members of the array",
                text.escape_debug()
            ));
        }
        scopes.push(text.to_owned());
    }
    scopes
}

fn claims(node: &Node<'_>) -> Vec<(String, String)> {
    let Some(table) = node.table() else { return Vec::new() };
    let mut claims = Vec::new();
    for (key, offset, node) in table.entries() {
        if let Some(rule) = client::context_key_fault(key, true) {
            node.findings.fault(offset, &node.place.to_string(), rule);
        }
        if let Some(claim) = node.text() {
            claims.push((key.to_owned(), claim.to_owned()));
        }
    }
    claims
}
