//! The value of an `Authorization` header: no claims but those of a token that the issuer signed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mtls_authorizer::{
    certificate::Certificate,
    event::headers::Header,
    policy::configuration::{CertificateBound, Token, TokenAlgorithm},
    source::{Base, Rules, Source, Use},
    token::{TokenRules, keys::KeySet, verify},
};
use mtls_authorizer_fuzz::{NOW, sample};

/// Those of the tokens that meet every rule.
const GENUINE: &[&str] =
    &[include_str!("../tokens/good.jwt"), include_str!("../tokens/without-kid.jwt")];

thread_local! {
    static KEYS: KeySet =
        KeySet::parse(include_bytes!("../tokens/jwks.json")).expect("a JWK Set");
    static CLIENT: Certificate =
        Certificate::parse(&sample("client.pem")).expect("a certificate");
}

fn rules() -> TokenRules {
    let here = Base::Directory(".".into());
    TokenRules {
        token: Token {
            required: true,
            issuer: "https://login.example.com/".to_owned(),
            audience: vec!["orders".to_owned()],
            jwks: Source::parse(
                "jwks.json",
                Rules { used_as: Use::Document, base: &here, in_lambda: false },
            ).expect("a source"),
            algorithms: TokenAlgorithm::ALL.iter().map(|(_, algorithm)| *algorithm).collect(),
            certificate_bound: CertificateBound::Required,
            scopes: vec!["orders.read".to_owned()],
            claims: vec![
                ("tokenRoles".to_owned(), "roles".to_owned()),
                ("tokenSub".to_owned(), "sub".to_owned()),
            ],
        },
        clock_skew: 0,
    }
}

fuzz_target!(|value: &str| {
    let header = Header::One(value.to_owned());
    let verified = KEYS.with(|keys| {
        CLIENT.with(|client| verify(&header, &rules(), keys, client, NOW))
    });
    let genuine =
        GENUINE.iter().any(|token| value.split_once(' ').is_some_and(|it| it.1.trim() == token.trim()));
    match verified {
        Ok(verified) => {
            assert!(genuine, "claims of nobody's token");
            let (claims, context) = verified.into_parts();
            assert!(claims.is_some(), "no claims of a token that is required");
            for (_, value) in &context {
                assert!(value.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            }
        }
        Err(_) => assert!(!(genuine && value.starts_with("Bearer ")), "a genuine token is refused"),
    }
});
