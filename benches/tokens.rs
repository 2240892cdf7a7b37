//! What tokens cost a warm call, as ratios within one run, so that the machine's speed cancels out:
//!
//! * a call that verifies an ES256 token, against a call without one and the bare verification of its signature;
//! * a call that hands out a cached identity token, against a call that has none.
//!
//! ```sh
//! cargo bench --bench tokens
//! ```
//!
//! Each round runs all of them in turn, and the medians are compared.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use mtls_authorizer::{
    authorizer::{Authorizer, Loader},
    source::{Clock, Fetcher},
    telemetry::{DecisionLine, Invocation},
    timestamp::Timestamp,
};
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
        UnparsedPublicKey,
    },
};
use serde_json::{Value, json};
use support::{Scratch, certificates::authorities, pki, scratch};

/// 2026-11-21T08:00:00Z.
const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_248_000);
const ROUNDS: usize = 400;
const CALLS: u32 = 20;
const CLIENT: &str = "[[client]]\nid = \"orders-service\"\nsubject = { CN = \"orders\" }\n\
                      allow = [\"GET /orders/*\"]\n";
const TOKEN: &str = "[token]\nissuer = \"https://login.example.com/\"\naudience = [\"orders\"]\n\
                     jwks = \"jwks.json\"\nalgorithms = [\"ES256\"]\nscopes = [\"orders.read\"]\n\
                     claims = { tokenSub = \"sub\", tokenScope = \"scope\" }\n";
const IDENTITY: &str = "[identity_token]\nissuer = \"https://api.example.com\"\n\
                        audience = \"backend\"\nkey = [\"key.pem\"]\n";

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let directory = scratch("bench_tokens");
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random);
    let key = key.unwrap();
    let der = authorities().1.issue(support::certificates::client());
    let token = token(&key, &der);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    directory.write("jwks.json", jwks(&key).to_string());
    let path = directory.write("key.pem", pki::pem("PRIVATE KEY", pkcs8.as_ref()));
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();

    let load = |config: &str| runtime.block_on(load(&directory, config));
    let (plain, bearer) = (load(CLIENT), load(&format!("{TOKEN}{CLIENT}")));
    let identity = load(&format!("{IDENTITY}{CLIENT}"));
    let without_token = event(&der, None);
    let with_token = event(&der, Some(&token));
    let public_key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref());

    let call = |authorizer: &Authorizer, event: &[u8]| runtime.block_on(call(authorizer, event));
    let mut runs: [Run<'_>; 5] = [
        ("a call", Vec::new(), &|| call(&plain, &without_token)),
        ("a call whose token nobody asks for", Vec::new(), &|| call(&plain, &with_token)),
        ("an ES256 signature, verified", Vec::new(), &|| {
            public_key.verify(signed.as_bytes(), black_box(&signature)).unwrap();
        }),
        ("a call with an ES256 token", Vec::new(), &|| call(&bearer, &with_token)),
        ("a call with a cached identity token", Vec::new(), &|| call(&identity, &without_token)),
    ];
    for _ in 0..ROUNDS {
        for (_, times, run) in &mut runs {
            let started = Instant::now();
            for _ in 0..CALLS {
                run();
            }
            times.push(started.elapsed() / CALLS);
        }
    }
    let medians = runs.map(|(name, mut times, _)| {
        times.sort_unstable();
        let median = times[ROUNDS / 2].as_secs_f64() * 1e6;
        println!("{name:<36} {median:7.1} µs");
        median
    });
    let [plain, _, signature, bearer, identity] = medians;
    println!();
    println!(
        "token / (signature + call)           {:7.2}     1.5 at most",
        bearer / (signature + plain)
    );
    println!("identity token / call                {:7.2}     1.1 at most", identity / plain);
}

/// A name, how long each round took, and what is done.
type Run<'a> = (&'static str, Vec<Duration>, &'a dyn Fn());

async fn load(directory: &Scratch, config: &str) -> Authorizer {
    let config = directory.write("authorizer.toml", config);
    let environment = BTreeMap::<String, String>::new();
    let fetcher = Fetcher::new(&environment, Clock::new(|| NOW));
    let loader = Loader { environment: &environment, fetcher, now: NOW };
    loader.load(Some(Path::new(&config))).await.unwrap().0
}

async fn call(authorizer: &Authorizer, event: &[u8]) {
    let answer = authorizer.authorize(event, NOW, |request, authorized| {
        let decision = &authorized.decision;
        assert!(decision.is_allow());
        let line =
            DecisionLine { decision, request, invocation: &Invocation::default(), duration_us: 0 };
        line.write(std::io::sink()).unwrap();
    });
    black_box(answer.await.unwrap());
}

fn token(key: &EcdsaKeyPair, certificate: &[u8]) -> String {
    let header = json!({ "alg": "ES256", "kid": "2026-11", "typ": "at+jwt" });
    let claims = json!({
        "iss": "https://login.example.com/", "aud": "orders", "sub": "alice", "client_id": "orders-app",
        "iat": NOW.unix_seconds(), "exp": NOW.unix_seconds() + 3600, "jti": "b0a1c2d3-e4f5",
        "scope": "openid orders.read orders.write",
        "cnf": { "x5t#S256": base64url(digest(&SHA256, certificate)) },
    });
    let message = format!("{}.{}", base64url(header.to_string()), base64url(claims.to_string()));
    let signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", base64url(signature))
}

fn jwks(key: &EcdsaKeyPair) -> Value {
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y), "kid": "2026-11",
        "alg": "ES256", "use": "sig",
    }] })
}

/// The sample event, with this certificate and token.
fn event(certificate: &[u8], token: Option<&str>) -> Vec<u8> {
    let mut event: Value = serde_json::from_str(include_str!("../events/rest-allow.json")).unwrap();
    let pem = pki::pem("CERTIFICATE", certificate);
    event["requestContext"]["identity"]["clientCert"]["clientCertPem"] = json!(pem);
    if let Some(token) = token {
        event["headers"]["Authorization"] = json!(format!("Bearer {token}"));
        event["multiValueHeaders"]["Authorization"] = json!([format!("Bearer {token}")]);
    }
    event.to_string().into_bytes()
}

fn base64url(octets: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(octets)
}
