//! Bearer tokens and identity tokens: every rule with a token that keeps it and one that does not, the vectors of
//! the RFCs, and two libraries that are not ours (PyJWT, and `jose` for Node.js) on the other side.

#![cfg(feature = "network")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs
)]

mod support;

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use mtls_authorizer::{
    authorizer::{Authorizer, Loader},
    certificate::Certificate,
    event::headers::Header,
    policy::configuration::{CertificateBound, Token, TokenAlgorithm},
    source::{Clock, Fetcher, Source},
    telemetry::{DecisionLine, Invocation},
    timestamp::Timestamp,
    token::{self, TokenRules, keys::KeySet},
};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair,
    },
};
use serde_json::{Value, json};
use support::{
    Scratch,
    certificates::authorities,
    pki::{self, Hash, Key, Scheme},
    scratch, skip,
};

/// 2026-11-21T08:00:00Z.
const NOW: i64 = 1_795_248_000;
const ISSUER: &str = "https://login.example.com/";

// ---------------------------------------------------------------- what tokens must be

#[tokio::test]
async fn token_of_every_algorithm_is_taken_and_of_no_other() {
    let world = World::new("token_algorithms");
    let names = TokenAlgorithm::ALL.map(|(name, _)| name);
    let all = world.load(&world.config(&format!("algorithms = {names:?}"))).await;
    for name in names {
        let token = world.issuer.token(json!({ "alg": name, "kid": name }), world.claims());
        assert_eq!(all.ask(&bearer(&token)).await.reason, "", "{name}");
        let others: Vec<_> = names.into_iter().filter(|other| *other != name).collect();
        let rest = world.load(&world.config(&format!("algorithms = {others:?}"))).await;
        rest.deny(&token, "token-invalid", "algorithm is not among those accepted").await;
        // The same signature under another name.
        let other = if name == "RS256" { "RS512" } else { "RS256" };
        let key = world.issuer.jwk(name, "RS256");
        let renamed =
            world.issuer.signed_as(name, json!({ "alg": other, "kid": name }), &world.claims());
        assert!(key["kty"].is_string());
        all.deny(&renamed, "token-invalid", "").await;
    }
}

#[tokio::test]
async fn header_that_leads_astray_is_refused() {
    let world = World::new("token_header");
    let authorizer = world.load(&world.config("")).await;
    let good = json!({ "alg": "ES256", "kid": "ES256", "typ": "JWT" });
    let sign = |header: Value| world.issuer.signed_as("ES256", header, &world.claims());
    assert_eq!(authorizer.ask(&bearer(&sign(good.clone()))).await.reason, "");
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "jwt"] {
        let outcome = authorizer.ask(&bearer(&sign(with(&good, "typ", json!(typ))))).await;
        assert_eq!(outcome.reason, "", "{typ}");
    }
    let own_key = world.issuer.jwk("ES256", "ES256");
    for (name, value, why) in [
        ("jwk", own_key, "brings a key of its own"),
        ("jwk", Value::Null, "brings a key of its own"),
        ("jku", json!("https://evil.example/jwks.json"), "brings a key of its own"),
        ("x5c", json!(["MIIB"]), "brings a key of its own"),
        ("x5u", json!("https://evil.example/cert.pem"), "brings a key of its own"),
        ("crit", json!(["exp"]), "demands an extension"),
        ("crit", json!([]), "demands an extension"),
        ("b64", json!(false), "demands an extension"),
        ("zip", json!("DEF"), "encrypted or compressed"),
        ("enc", json!("A256GCM"), "encrypted or compressed"),
        ("typ", json!("dpop+jwt"), "of another type"),
        ("typ", json!(["JWT"]), "of another type"),
        ("kid", json!(7), "`kid` is no string"),
        ("alg", Value::Null, "names no algorithm"),
        ("alg", json!("ES512"), "not among those accepted"),
        ("alg", json!("es256"), "not among those accepted"),
    ] {
        authorizer.deny(&sign(with(&good, name, value)), "token-invalid", why).await;
    }
    let twice = r#"{"alg":"ES256","kid":"ES256","kid":"ES256"}"#;
    let token = world.issuer.signed_text("ES256", twice, &world.claims().to_string());
    authorizer.deny(&token, "token-invalid", "a name in it occurs twice").await;
    let array = world.issuer.signed_text("ES256", "[]", &world.claims().to_string());
    authorizer.deny(&array, "token-invalid", "no JSON object").await;
}

#[tokio::test]
async fn token_that_nobody_signed_is_refused() {
    let world = World::new("token_unsigned");
    let config = world.config(r#"algorithms = ["RS256", "ES256"]"#);
    let authorizer = world.load(&config).await;
    let claims = world.claims().to_string();
    for alg in ["none", "None", "NONE"] {
        let header = json!({ "alg": alg, "kid": "ES256" }).to_string();
        let message = format!("{}.{}", base64url(&header), base64url(&claims));
        authorizer.deny(&format!("{message}."), "token-invalid", "not signed").await;
    }
    // HS256 with what everybody knows: the RSA public key, in each form in which a library might hold it.
    let rsa = Key::rsa_2048();
    let spki = pki::pem("PUBLIC KEY", &rsa.public_key());
    for secret in
        [rsa.public_key(), spki.clone().into_bytes(), spki.trim_end().into(), rsa.public_key_bits()]
    {
        let header = json!({ "alg": "HS256", "kid": "RS256" }).to_string();
        let message = format!("{}.{}", base64url(&header), base64url(&claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), message.as_bytes());
        let token = format!("{message}.{}", base64url(tag.as_ref()));
        authorizer.deny(&token, "token-invalid", "symmetric algorithm").await;
        let token =
            token.replace(&base64url(&header), &base64url(header.replace("HS256", "RS256")));
        authorizer.deny(&token, "token-invalid", "signature does not verify").await;
    }

    let good = world.issuer.token(json!({ "alg": "ES256", "kid": "ES256" }), world.claims());
    let [header, payload, signature] = parts(&good);
    let other = base64url(with(&world.claims(), "sub", json!("admin")).to_string());
    let flipped = if let Some(rest) = signature.strip_prefix('A') {
        format!("B{rest}")
    } else {
        format!("A{}", &signature[1..])
    };
    let verify = "signature does not verify";
    authorizer.deny(&format!("{header}.{other}.{signature}"), "token-invalid", verify).await;
    authorizer.deny(&format!("{header}.{payload}.{flipped}"), "token-invalid", verify).await;
    authorizer.deny(&format!("{header}.{payload}."), "token-invalid", verify).await;
    authorizer
        .deny(&format!("{header}.{payload}.{}", "A".repeat(86)), "token-invalid", verify)
        .await;
    // ASN.1 instead of the two numbers, and the same numbers in another base64.
    authorizer.deny(&format!("{header}.{payload}.{signature}A"), "token-invalid", "").await;
    authorizer.deny(&format!("{header}.{payload}"), "token-invalid", "three parts").await;
    authorizer
        .deny(
            &format!("{header}.{payload}.{signature}.{signature}.x"),
            "token-invalid",
            "three parts",
        )
        .await;
    authorizer.deny("..", "token-invalid", "no JSON object").await;
    authorizer.deny("x", "token-invalid", "three parts").await;

    // Somebody else's key under our key's name.
    let stranger = Issuer::new();
    let token = stranger.token(json!({ "alg": "ES256", "kid": "ES256" }), world.claims());
    authorizer.deny(&token, "token-invalid", verify).await;
}

#[tokio::test]
async fn claims_are_judged_one_by_one() {
    let world = World::new("token_claims");
    let authorizer = world.load(&world.config(r#"audience = ["orders", "stock"]"#)).await;
    let claims = world.claims();
    let sign = |claims: &Value| {
        world.issuer.token(json!({ "alg": "ES256", "kid": "ES256" }), claims.clone())
    };
    for (name, value) in [
        ("aud", json!("stock")),
        ("aud", json!(["others", "orders"])),
        ("exp", json!(NOW + 1)),
        ("exp", json!(NOW as f64 + 0.5)),
        ("exp", json!(9.9e17)),
        ("nbf", json!(NOW)),
        ("nbf", json!(NOW as f64 - 0.5)),
        ("iat", json!(NOW + 1000)),
        ("scp", json!({ "odd": true })),
    ] {
        let outcome = authorizer.ask(&bearer(&sign(&with(&claims, name, value.clone())))).await;
        assert_eq!(outcome.reason, "", "{name} {value}");
    }
    for (name, value, why) in [
        ("iss", json!("https://login.example.com"), "of another issuer"),
        ("iss", json!([ISSUER]), "of another issuer"),
        ("iss", Value::Null, "of another issuer"),
        ("aud", json!("order"), "another audience"),
        ("aud", json!("Orders"), "another audience"),
        ("aud", json!(["orders", 7]), "another audience"),
        ("aud", json!([]), "another audience"),
        ("aud", Value::Null, "another audience"),
        ("exp", Value::Null, "no time of expiry"),
        ("exp", json!((NOW + 60).to_string()), "no time of expiry"),
        ("nbf", json!(NOW + 1), "not valid yet"),
        ("nbf", json!(NOW as f64 + 0.5), "not valid yet"),
        ("nbf", json!("0"), "`nbf` is no time"),
        ("nbf", json!([]), "`nbf` is no time"),
    ] {
        authorizer.deny(&sign(&with(&claims, name, value)), "token-invalid", why).await;
    }
    for exp in [json!(NOW), json!(NOW - 1), json!(0), json!(-1e300), json!(NOW as f64 - 0.5)] {
        authorizer.deny(&sign(&with(&claims, "exp", exp)), "token-expired", "").await;
    }
    let outcome = authorizer.ask(&bearer(&sign(&with(&claims, "exp", json!(NOW - 1))))).await;
    assert_eq!(outcome.line["exp"], "2026-11-21T07:59:59Z");

    let text = claims.to_string();
    let [object, rest] = ["{", &text[1..]];
    for twice in [
        format!(r#"{object}"sub":"admin",{rest}"#),
        format!(r#"{object}"\u0073ub":"admin",{rest}"#),
        format!(r#"{object}"act":{{"sub":"a","sub":"b"}},{rest}"#),
        "[]".to_owned(),
        "\"text\"".to_owned(),
        format!("{text}{text}"),
        text[1..].to_owned(),
        format!("{object}\"deep\":{}{}{}", "[".repeat(200), "]".repeat(200), &format!(",{rest}")),
    ] {
        let header = r#"{"alg":"ES256","kid":"ES256"}"#;
        let token = world.issuer.signed_text("ES256", header, &twice);
        authorizer.deny(&token, "token-invalid", "no JSON object, or one occurs twice").await;
    }
}

#[tokio::test]
async fn clock_skew_widens_both_ends() {
    let world = World::new("token_skew");
    let config = format!("[certificate]\nclock_skew = \"30s\"\n{}", world.config(""));
    let authorizer = world.load(&config).await;
    for (name, value, reason) in [
        ("exp", NOW - 29, ""),
        ("exp", NOW - 30, "token-expired"),
        ("nbf", NOW + 30, ""),
        ("nbf", NOW + 31, "token-invalid"),
    ] {
        let claims = with(&world.claims(), name, json!(value));
        let token = world.issuer.token(json!({ "alg": "ES256", "kid": "ES256" }), claims);
        assert_eq!(authorizer.ask(&bearer(&token)).await.reason, reason, "{name} {}", value - NOW);
    }
}

#[tokio::test]
async fn sixty_four_kilobytes_are_not_looked_at() {
    let world = World::new("token_long");
    let authorizer = world.load(&world.config("")).await;
    let long = |length: usize| {
        let claims = with(&world.claims(), "padding", json!("x".repeat(length)));
        world.issuer.token(json!({ "alg": "ES256", "kid": "ES256" }), claims)
    };
    let fits = long(8 * 1024);
    assert!(fits.len() < token::MAX_BYTES);
    assert_eq!(authorizer.ask(&bearer(&fits)).await.reason, "");
    authorizer.deny(&long(48 * 1024), "token-invalid", "too long").await;
    authorizer.deny(&"x".repeat(64 * 1024), "token-invalid", "too long").await;
}

// ---------------------------------------------------------------- where tokens stand

#[tokio::test]
async fn authorization_header_is_found_in_every_form_and_taken_once() {
    let world = World::new("token_forms");
    let authorizer = world.load(&world.config("")).await;
    let token = world.token();
    let other = world.issuer.token(json!({ "alg": "ES256", "kid": "ES256" }), world.claims());
    assert_ne!(token, other);
    for form in [Form::Rest, Form::HttpV1, Form::HttpV2] {
        for name in ["Authorization", "authorization", "AUTHORIZATION", "aUtHoRiZaTiOn"] {
            for scheme in ["Bearer", "bearer", "BEARER", "Bearer "] {
                let headers = json!({ name: format!("{scheme} {token}") });
                let outcome = authorizer.event(&event(form, &headers, None)).await;
                assert_eq!(outcome.reason, "", "{form:?} {name} {scheme}");
            }
        }
        let bearer = format!("Bearer {token}");
        for (headers, multiple) in [
            // Two in one value, as format 2.0 joins them.
            (json!({ "Authorization": format!("{bearer},Bearer {other}") }), None),
            (json!({ "Authorization": format!("{bearer}, {bearer}") }), None),
            // Two names that differ in letter case alone.
            (json!({ "Authorization": bearer, "authorization": bearer }), None),
            // Two values where one map shows the last alone.
            (
                json!({ "Authorization": bearer }),
                Some(json!({ "Authorization": [bearer, bearer] })),
            ),
            (
                json!({ "Authorization": bearer }),
                Some(json!({ "authorization": [format!("Bearer {other}"), bearer] })),
            ),
            // Maps that tell different stories.
            (
                json!({ "Authorization": bearer }),
                Some(json!({ "Authorization": [format!("Bearer {other}")] })),
            ),
            (json!({ "Authorization": bearer }), Some(json!({ "Host": ["a"] }))),
            // Something else.
            (json!({ "Authorization": "" }), None),
            (json!({ "Authorization": "Bearer" }), None),
            (json!({ "Authorization": "Bearer " }), None),
            (json!({ "Authorization": token }), None),
            (json!({ "Authorization": "Basic b3JkZXJzOnNlY3JldA==" }), None),
            (json!({ "Authorization": format!("Bearer {token} {token}") }), None),
            (json!({ "Authorization": format!("Bearer\t{token}") }), None),
            (json!({ "Authorization": format!("Bearer {token}=") }), None),
        ] {
            let outcome = authorizer.event(&event(form, &headers, multiple.as_ref())).await;
            assert_eq!(outcome.reason, "token-invalid", "{form:?} {headers} {multiple:?}");
            outcome.assert_tells_nothing_of(&token);
        }
        // A header of another name is none.
        let headers = json!({ "X-Authorization": bearer, "Proxy-Authorization": bearer });
        let outcome = authorizer.event(&event(form, &headers, None)).await;
        assert_eq!(outcome.reason, "token-missing", "{form:?}");
    }
}

#[tokio::test]
async fn call_without_a_token_is_denied_where_one_is_required() {
    let world = World::new("token_missing");
    let required = world.load(&world.config("")).await;
    let outcome = required.event(&event(Form::Rest, &json!({}), None)).await;
    assert_eq!(outcome.reason, "token-missing");
    assert_eq!(outcome.answer["context"], json!({ "denyReason": "token-missing" }));
    let outcome = required.event(&event(Form::Rest, &Value::Null, None)).await;
    assert_eq!(outcome.reason, "token-missing");

    let unauthorized = world.config("") + "[response]\nunauthenticated = \"unauthorized\"\n";
    let unauthorized = world.load(&unauthorized).await;
    let outcome = unauthorized.event(&event(Form::Rest, &json!({}), None)).await;
    assert_eq!(outcome.reason, "token-missing");
    assert_eq!(
        outcome.answer,
        json!({ "errorType": "Unauthorized", "errorMessage": "Unauthorized" })
    );
    // A token that is bad is no missing one.
    let outcome = unauthorized.ask("Bearer x").await;
    assert_eq!(outcome.answer["context"], json!({ "denyReason": "token-invalid" }));
}

#[tokio::test]
async fn optional_token_leaves_its_keys_empty_and_a_bad_one_still_denies() {
    let world = World::new("token_optional");
    let claims = r#"{ tokenSub = "sub", tokenScope = "scope" }"#;
    let config = world.config(&format!("required = false\nscopes = [\"read\"]\nclaims = {claims}"));
    let authorizer = world.load(&config).await;
    let outcome = authorizer.event(&event(Form::Rest, &json!({}), None)).await;
    assert_eq!(outcome.reason, "");
    // A mapping from a key that is absent could leave the client's own header in place.
    assert_eq!(outcome.answer["context"]["tokenSub"], "");
    assert_eq!(outcome.answer["context"]["tokenScope"], "");
    let outcome = authorizer.ask(&bearer(&world.token())).await;
    assert_eq!(outcome.reason, "token-scope");
    assert_eq!(authorizer.ask("Bearer x").await.reason, "token-invalid");
    assert_eq!(authorizer.ask("").await.reason, "token-invalid");
}

#[tokio::test]
async fn token_is_judged_after_the_certificate_and_before_the_client() {
    let world = World::new("token_order");
    let authorizer = world.load(&world.config("").replace("\"orders\" }", "\"nobody\" }")).await;
    assert_eq!(authorizer.ask("Bearer x").await.reason, "token-invalid");
    assert_eq!(authorizer.ask(&bearer(&world.token())).await.reason, "no-client-matched");
    let mut late = event(Form::Rest, &json!({ "Authorization": "Bearer x" }), None);
    late["requestContext"]["identity"]["clientCert"]["clientCertPem"] = json!("x");
    assert_eq!(authorizer.event(&late).await.reason, "malformed-certificate");
}

// ---------------------------------------------------------------- what tokens say

#[tokio::test]
async fn bound_token_needs_the_certificate_that_it_names() {
    let world = World::new("token_bound");
    let thumbprint = thumbprint(&client_der());
    let other = base64url([7; 32]);
    let hex: String = ring::digest::digest(&ring::digest::SHA256, &client_der())
        .as_ref()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let cases = [
        // confirmation, required, if-present, off
        (json!({ "x5t#S256": thumbprint }), [true, true, true]),
        (json!({ "x5t#S256": thumbprint, "jkt": other }), [true, true, true]),
        (Value::Null, [false, true, true]),
        (json!({ "x5t#S256": other }), [false, false, true]),
        (json!({ "x5t#S256": format!("{thumbprint}=") }), [false, false, true]),
        (json!({ "x5t#S256": thumbprint.to_uppercase() }), [false, false, true]),
        (json!({ "x5t#S256": &thumbprint[..42] }), [false, false, true]),
        (json!({ "x5t#S256": "" }), [false, false, true]),
        (json!({ "x5t#S256": [thumbprint] }), [false, false, true]),
        (json!({ "x5t#s256": thumbprint }), [false, false, true]),
        (json!({ "x5t#S256": hex }), [false, false, true]),
        (json!({ "jkt": thumbprint }), [false, false, true]),
        (json!({}), [false, false, true]),
        (json!(thumbprint), [false, false, true]),
    ];
    for (position, rule) in ["required", "if-present", "off"].into_iter().enumerate() {
        let config = world.config(&format!("certificate_bound = {rule:?}"));
        let authorizer = world.load(&config).await;
        for (confirmation, allowed) in &cases {
            let claims = with(&world.claims(), "cnf", confirmation.clone());
            let token = world.issuer.token(json!({ "alg": "ES256", "kid": "ES256" }), claims);
            let outcome = authorizer.ask(&bearer(&token)).await;
            let expected = if allowed[position] { "" } else { "token-not-bound" };
            assert_eq!(outcome.reason, expected, "{rule} {confirmation}");
            outcome.assert_tells_nothing_of(&token);
        }
    }
    // `"cnf": null` says less than no `cnf`.
    let text =
        world.claims().to_string().replace(&json!({ "x5t#S256": thumbprint }).to_string(), "null");
    assert!(text.contains("\"cnf\":null"));
    let token = world.issuer.signed_text("ES256", r#"{"alg":"ES256","kid":"ES256"}"#, &text);
    let authorizer = world.load(&world.config("certificate_bound = \"if-present\"")).await;
    assert_eq!(authorizer.ask(&bearer(&token)).await.reason, "token-not-bound");
    // Where nothing is said, a token must be bound.
    let authorizer = world.load(&world.config("")).await;
    let claims = with(&world.claims(), "cnf", Value::Null);
    let token = world.issuer.token(json!({ "alg": "ES256", "kid": "ES256" }), claims);
    authorizer.deny(&token, "token-not-bound", "bound to no certificate").await;
}

#[tokio::test]
async fn every_scope_is_needed_and_found_in_scope_and_scp() {
    let world = World::new("token_scopes");
    let authorizer = world.load(&world.config(r#"scopes = ["orders.read", "orders.write"]"#)).await;
    for (scope, scp, reason) in [
        (json!("orders.read orders.write"), Value::Null, ""),
        (json!("a orders.write b orders.read"), Value::Null, ""),
        (json!(["orders.read", "orders.write"]), Value::Null, ""),
        (Value::Null, json!(["orders.read", "orders.write"]), ""),
        (Value::Null, json!("orders.read orders.write"), ""),
        (json!("orders.read"), json!(["orders.write"]), ""),
        (Value::Null, Value::Null, "token-scope"),
        (json!("orders.read"), Value::Null, "token-scope"),
        (json!("orders.read orders.writeX"), Value::Null, "token-scope"),
        (json!("orders.read,orders.write"), Value::Null, "token-scope"),
        (json!("orders.read Orders.write"), Value::Null, "token-scope"),
        (json!("orders.read\torders.write"), Value::Null, "token-scope"),
        (json!(["orders.read", "orders.write", 7]), Value::Null, "token-scope"),
        (json!({ "orders.read": true, "orders.write": true }), Value::Null, "token-scope"),
    ] {
        let claims = with(&with(&world.claims(), "scope", scope.clone()), "scp", scp.clone());
        let token = world.issuer.token(json!({ "alg": "ES256", "kid": "ES256" }), claims);
        assert_eq!(authorizer.ask(&bearer(&token)).await.reason, reason, "{scope} {scp}");
    }
    let claims = with(&world.claims(), "scope", json!("orders.read secret-scope"));
    let token = world.issuer.token(json!({ "alg": "ES256", "kid": "ES256" }), claims);
    let outcome = authorizer.ask(&bearer(&token)).await;
    assert_eq!(outcome.line["missing"], "orders.write");
    assert!(!outcome.line.to_string().contains("secret-scope"));
}

#[tokio::test]
async fn claims_reach_the_context_in_printable_ascii() {
    let world = World::new("token_context");
    let authorizer =
        world.load(&world.config(r#"claims = { tokenX = "https://example.com/x" }"#)).await;
    let claimed = |value: &Value| {
        let claims = with(&world.claims(), "https://example.com/x", value.clone());
        world.issuer.token(json!({ "alg": "ES256", "kid": "ES256" }), claims)
    };
    for (value, text) in [
        (json!("orders"), "orders"),
        (json!("a, \"b\"; c"), "a, \"b\"; c"),
        (json!("100%"), "100%25"),
        (json!("M\u{fc}ller"), "M%C3%BCller"),
        (json!("a\r\nX-Admin: 1"), "a%0D%0AX-Admin: 1"),
        (json!("\u{0}\u{7f}"), "%00%7F"),
        (json!(["read", "write"]), "read write"),
        (json!(["read write", "x"]), "read%20write x"),
        (json!([]), ""),
        (json!(7), "7"),
        (json!(-1.5), "-1.5"),
        (json!(true), "true"),
        (Value::Null, ""),
    ] {
        let outcome = authorizer.ask(&bearer(&claimed(&value))).await;
        assert_eq!(outcome.answer["context"]["tokenX"], text, "{value}");
    }
    for value in [json!({ "a": 1 }), json!(["a", 1]), json!([["a"]])] {
        authorizer.deny(&claimed(&value), "token-invalid", "is an object, or an array").await;
    }
    let outcome = authorizer.ask(&bearer(&claimed(&json!("x".repeat(9000))))).await;
    assert_eq!(outcome.reason, "identity-too-large");
}

#[tokio::test]
async fn client_is_told_by_the_claims_of_the_token() {
    let world = World::new("token_client");
    let conditions = r#"token = { sub = "alice", groups = { prefix = "ops-" } }"#;
    let config = world.config("").replace("allow =", &format!("{conditions}\nallow ="));
    let authorizer = world.load(&config).await;
    for (sub, groups, reason) in [
        (json!("alice"), json!(["dev", "ops-eu"]), ""),
        (json!("alice"), json!("ops-eu"), ""),
        (json!("Alice"), json!("ops-eu"), "no-client-matched"),
        (json!("alice"), json!(["dev"]), "no-client-matched"),
        (json!("alice"), Value::Null, "no-client-matched"),
        (Value::Null, json!("ops-eu"), "no-client-matched"),
        (json!({ "alice": 1 }), json!("ops-eu"), "no-client-matched"),
    ] {
        let claims = with(&with(&world.claims(), "sub", sub.clone()), "groups", groups.clone());
        let token = world.issuer.token(json!({ "alg": "ES256", "kid": "ES256" }), claims);
        assert_eq!(authorizer.ask(&bearer(&token)).await.reason, reason, "{sub} {groups}");
    }
}

// ---------------------------------------------------------------- keys

#[tokio::test]
async fn key_is_told_by_its_kid_and_tried_by_kind_without_one() {
    let world = World::new("token_kid");
    let authorizer = world.load(&world.config(r#"algorithms = ["RS256", "PS256", "ES256"]"#)).await;
    for alg in ["RS256", "PS256", "ES256"] {
        let token = world.issuer.token(json!({ "alg": alg }), world.claims());
        assert_eq!(authorizer.ask(&bearer(&token)).await.reason, "", "{alg}");
    }
    let token = world.issuer.token(json!({ "alg": "ES256", "kid": "RS256" }), world.claims());
    authorizer.deny(&token, "token-invalid", "none for the token's algorithm").await;
    // A key that says RS256 does not verify PS256, though it could.
    let token = world.issuer.token(json!({ "alg": "PS256", "kid": "RS256" }), world.claims());
    authorizer.deny(&token, "token-invalid", "none for the token's algorithm").await;
    for kid in ["", "es256", "ES256 "] {
        let token = world.issuer.token(json!({ "alg": "ES256", "kid": kid }), world.claims());
        authorizer.deny(&token, "token-invalid", "no key of the JWK Set").await;
    }
}

#[test]
fn key_set_leaves_out_what_is_no_key_for_signatures() {
    let issuer = Issuer::new();
    let usable =
        |jwk: Value| KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).is_ok();
    let key = issuer.jwk("ES256", "ES256");
    assert!(usable(key.clone()));
    assert!(usable(without(&key, "alg")) && usable(without(&key, "kid")));
    assert!(usable(with(&without(&key, "use"), "key_ops", json!(["verify"]))));
    let rsa = Key::rsa_1024();
    for (why, jwk) in [
        ("encrypts", with(&key, "use", json!("enc"))),
        ("derives", with(&without(&key, "use"), "key_ops", json!(["deriveKey"]))),
        ("is called by another kind's algorithm", with(&key, "alg", json!("RS256"))),
        ("is called by an algorithm for encryption", with(&key, "alg", json!("ECDH-ES"))),
        ("is on another curve", with(&key, "crv", json!("secp256k1"))),
        ("has no curve", without(&key, "crv")),
        ("has half a point", without(&key, "y")),
        ("is cut", with(&key, "x", json!("AAAA"))),
        ("is not base64url", with(&key, "x", json!("+/=="))),
        ("is symmetric", json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" })),
        ("is of no known kind", json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA" })),
        ("is too short", rsa_jwk(&rsa, "short", "RS256")),
        ("is no object", json!("key")),
    ] {
        assert!(!usable(jwk.clone()), "a key that {why} is taken");
        // It spoils nothing.
        let set = json!({ "keys": [jwk, key], "more": true }).to_string();
        assert_eq!(KeySet::parse(set.as_bytes()).unwrap().len(), 1, "{why}");
    }
    for text in
        ["", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[]}", "<html>", "{\"keys\":[],\"keys\":[]}"]
    {
        assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[tokio::test]
async fn key_set_that_is_no_file_of_keys_keeps_it_from_starting() {
    let world = World::new("token_jwks_fault");
    for (content, why) in
        [("<html>", "not a JWK Set"), ("{\"keys\":[]}", "without a key for signatures")]
    {
        world.scratch.write("jwks.json", content);
        let faults = world.try_load(&world.config("")).await.unwrap_err();
        assert!(faults.contains("[token]: jwks") && faults.contains(why), "{faults}");
    }
}

#[tokio::test]
async fn unknown_kid_asks_for_the_keys_once_a_minute() {
    let world = World::new("token_rotation");
    let old = json!({ "keys": [world.issuer.jwk("ES256", "old")] }).to_string();
    let new = json!({ "keys": [world.issuer.jwk("ES256", "new")] }).to_string();
    let peer = Peer::serving(old);
    let config = world.config("").replace("\"jwks.json\"", &format!("{:?}", peer.url()));
    let authorizer = world.load(&config).await;
    let asked = || peer.count();
    let ask = async |kid: &str, at: i64| {
        let token = world.issuer.token(json!({ "alg": "ES256", "kid": kid }), world.claims());
        authorizer.ask_at(&bearer(&token), NOW + at).await.reason
    };
    assert_eq!(asked(), 1);
    // Known keys ask nobody, nor does a kid that is not there in the very second of the start.
    assert_eq!((ask("old", 1).await, asked()), (String::new(), 1));
    assert_eq!((ask("new", 0).await, asked()), ("token-invalid".into(), 1));
    // The issuer has a new key: the first token with it asks, and is let in.
    peer.serve(new.clone());
    assert_eq!((ask("new", 2).await, asked()), (String::new(), 2));
    assert_eq!((ask("old", 2).await, asked()), ("token-invalid".into(), 2));
    // A flood of made-up kids asks once a minute.
    for second in 3..62 {
        assert_eq!(ask(&format!("made-up-{second}"), second).await, "token-invalid");
        assert_eq!(ask("new", second).await, "");
    }
    assert_eq!(asked(), 2);
    for second in 62..122 {
        assert_eq!(ask(&format!("made-up-{second}"), second).await, "token-invalid");
    }
    assert_eq!(asked(), 3);
    // So does one while the issuer is away, and the keys at hand serve on; its failure is evidence.
    peer.fail();
    assert_eq!((ask("made-up", 122).await, asked()), ("token-invalid".into(), 4));
    assert_eq!(ask("new", 124).await, "");
    // Neither a bad signature nor another algorithm is a reason to ask.
    peer.serve(new);
    assert_eq!(ask("new", 190).await, "");
    let before = asked();
    let stranger = Issuer::new();
    for header in [json!({ "alg": "ES256", "kid": "new" }), json!({ "alg": "EdDSA", "kid": "new" })]
    {
        let token = stranger.token(header, world.claims());
        assert_eq!(authorizer.ask_at(&bearer(&token), NOW + 200).await.reason, "token-invalid");
    }
    assert_eq!(asked(), before);
}

#[tokio::test]
async fn issuer_that_is_away_at_the_start_denies_until_it_is_back() {
    let world = World::new("token_away");
    let peer = Peer::serving(json!({ "keys": [world.issuer.jwk("ES256", "ES256")] }).to_string());
    peer.fail();
    let config = world.config("").replace("\"jwks.json\"", &format!("{:?}", peer.url()));
    let authorizer = world.load(&config).await;
    let outcome = authorizer.ask_at(&bearer(&world.token()), NOW + 10).await;
    assert_eq!(outcome.reason, "token-invalid");
    assert!(
        outcome.line["jwks"].as_str().is_some_and(|why| why.contains("503")),
        "{}",
        outcome.line
    );
    peer.serve(json!({ "keys": [world.issuer.jwk("ES256", "ES256")] }).to_string());
    assert_eq!(authorizer.ask_at(&bearer(&world.token()), NOW + 20).await.reason, "");
    // The last good copy serves for `max_stale`, and no longer.
    peer.fail();
    let later = |seconds: i64| {
        let claims = with(&world.claims(), "exp", json!(NOW + 100_000));
        let token = world.issuer.token(json!({ "alg": "ES256", "kid": "ES256" }), claims);
        let authorizer = &authorizer;
        async move { authorizer.ask_at(&bearer(&token), NOW + 20 + seconds).await.reason }
    };
    assert_eq!(later(3600).await, "");
    assert_eq!(later(3601).await, "token-invalid");
}

// ---------------------------------------------------------------- vectors of the RFCs

/// RFC 7515, appendices A.2 and A.3: claims of `joe`, who has no audience; that this is found missing, and not the
/// signature bad, shows that the signature verifies.
#[test]
fn rfc_7515_signatures_verify() {
    const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let rs256 = json!({ "kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" });
    let rs256_signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let es256 = json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" });
    let es256_signature =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    for (alg, jwk, signature) in
        [("RS256", rs256, rs256_signature), ("ES256", es256, es256_signature)]
    {
        let header = base64url(format!("{{\"alg\":\"{alg}\"}}"));
        let rules = rules("joe", CertificateBound::Off);
        let why = |token: &str| refusal(token, &rules, &jwk);
        assert_eq!(
            why(&format!("{header}.{PAYLOAD}.{signature}")),
            "the token is meant for another audience"
        );
        let other = base64url(r#"{"iss":"joe","exp":1300819380}"#);
        assert_eq!(
            why(&format!("{header}.{other}.{signature}")),
            "the token's signature does not verify"
        );
    }
}

/// RFC 7515, appendices A.1 and A.5: HMAC, and no signature at all. RFC 7519, section 6.1, is the latter.
#[test]
fn rfc_7515_tokens_without_a_public_key_are_refused() {
    let jwk = Issuer::new().jwk("ES256", "ES256");
    let rules = rules("joe", CertificateBound::Off);
    let hs256 = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert_eq!(refusal(hs256, &rules, &jwk), "the token is signed with a symmetric algorithm");
    let none = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    assert_eq!(refusal(none, &rules, &jwk), "the token is not signed");
}

/// RFC 7517, appendix A.1: of its two keys one is for encryption.
#[test]
fn rfc_7517_set_holds_one_key_for_signatures() {
    let set = json!({ "keys": [
        { "kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM", "use": "enc", "kid": "1" },
        { "kty": "RSA", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29" },
    ] });
    assert_eq!(KeySet::parse(set.to_string().as_bytes()).unwrap().len(), 1);
}

/// RFC 8037, appendix A.4: what is signed there are no claims, which is told only of what verifies.
#[test]
fn rfc_8037_signature_verifies() {
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let rules = rules("joe", CertificateBound::Off);
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(
        refusal(token, &rules, &jwk),
        "the token's claims are no JSON object, or one occurs twice"
    );
    let other = token.replace("RXhh", "RXhi");
    assert_eq!(refusal(&other, &rules, &jwk), "the token's signature does not verify");
}

/// RFC 8705, appendix A: a certificate and the confirmation that names it.
#[test]
fn rfc_8705_confirmation_names_its_certificate() {
    const PEM: &str = "MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwIDSQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOVbUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=";
    let der = base64::prelude::BASE64_STANDARD.decode(PEM).unwrap();
    let certificate = Certificate::parse(&der).unwrap();
    let issuer = Issuer::new();
    let keys =
        KeySet::parse(json!({ "keys": [issuer.jwk("ES256", "ES256")] }).to_string().as_bytes())
            .unwrap();
    let rules = rules(ISSUER, CertificateBound::Required);
    let verify = |thumbprint: &str| {
        let claims = json!({ "iss": ISSUER, "aud": "orders", "exp": NOW + 60, "cnf": { "x5t#S256": thumbprint } });
        let token = issuer.token(json!({ "alg": "ES256", "kid": "ES256" }), claims);
        let header = Header::One(bearer(&token));
        token::verify(&header, &rules, &keys, &certificate, Timestamp::from_unix_seconds(NOW))
            .is_ok()
    };
    assert!(verify("A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"));
    assert!(!verify("bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"));
}

/// RFC 8037, appendix A.3: the thumbprint of RFC 7638 of an Ed25519 key.
#[tokio::test]
async fn rfc_8037_thumbprint_is_the_kid() {
    let world = World::new("identity_thumbprint");
    let seed =
        BASE64_URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    world.secret("identity-key.pem", &ed25519_pkcs8(&seed));
    let authorizer = world.load(&world.identity_config("")).await;
    let set = authorizer.0.identity().unwrap().keys().jwk_set();
    assert_eq!(set["keys"][0]["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(set["keys"][0]["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
}

// ---------------------------------------------------------------- identity tokens

#[tokio::test]
async fn identity_token_says_who_for_whom_and_until_when() {
    for key in ["ES256", "EdDSA"] {
        let world = World::new(&format!("identity_claims_{key}"));
        world.signing_key("identity-key.pem", key);
        let authorizer = world.load(&world.identity_config("")).await;
        let set = authorizer.0.identity().unwrap().keys().jwk_set();
        let jwk = &set["keys"][0];
        assert_eq!((jwk["alg"].as_str(), jwk["use"].as_str()), (Some(key), Some("sig")));
        assert!(jwk.get("d").is_none());

        let outcome = authorizer.ask("").await;
        let token = outcome.identity_token();
        let [header, claims] = decoded(&token);
        assert_eq!(header, json!({ "alg": key, "kid": jwk["kid"], "typ": "JWT" }));
        let expected = json!({
            "iss": "https://api.example.com", "aud": "backend", "sub": "CN=orders,O=Acme,C=US",
            "iat": NOW, "exp": NOW + 60, "jti": claims["jti"], "clientId": "orders-service",
            "cnf": { "x5t#S256": thumbprint(&client_der()) },
            "context": { "tenant": "acme", "tier": "2" },
        });
        assert_eq!(claims, expected);
        assert_eq!(
            BASE64_URL_SAFE_NO_PAD.decode(claims["jti"].as_str().unwrap()).unwrap().len(),
            16
        );
        assert!(!outcome.line.to_string().contains(&token[..40]));
        // The route is not in it: a route that is not allowed gets the same policy and context.
        let mut elsewhere = event(Form::Rest, &json!({}), None);
        elsewhere["methodArn"] = json!(format!("{ARN}/DELETE/orders/7"));
        let refused = authorizer.event(&elsewhere).await;
        assert_eq!(refused.reason, "route-not-allowed");
        assert_eq!(refused.identity_token(), token);
        // Every other denial has none.
        let mut nobody = event(Form::Rest, &json!({}), None);
        nobody["requestContext"]["identity"]["clientCert"] = Value::Null;
        assert!(authorizer.event(&nobody).await.answer["context"].get("identityToken").is_none());
    }
}

#[tokio::test]
async fn identity_token_is_made_anew_while_it_still_outlives_the_gateways_cache() {
    for (lifetime, cache, reused_for) in [(60, 0, 30), (60, 50, 5), (61, 60, 0), (300, 60, 120)] {
        let world = World::new(&format!("identity_cache_{lifetime}_{cache}"));
        world.signing_key("identity-key.pem", "ES256");
        let config = world.identity_config(&format!("lifetime = \"{lifetime}s\""));
        let authorizer =
            world.load_with(&config, &[("AUTHORIZER_GATEWAY_CACHE_TTL", &cache.to_string())]).await;
        let mut made = std::collections::BTreeSet::new();
        for second in 0..(lifetime * 2) {
            let token = authorizer.ask_at("", NOW + second).await.identity_token();
            let [_, claims] = decoded(&token);
            let left = claims["exp"].as_i64().unwrap() - (NOW + second);
            assert!(
                left > cache,
                "{left} s left after {second} s of {lifetime}, cached for {cache}"
            );
            assert!(claims["iat"].as_i64().unwrap() <= NOW + second);
            made.insert(token);
        }
        let expected = (lifetime * 2 + reused_for.max(1) - 1) / reused_for.max(1);
        assert_eq!(
            i64::try_from(made.len()).unwrap(),
            expected,
            "lifetime {lifetime}, cache {cache}"
        );
        // A clock that goes back gets no token of the future.
        let [_, claims] = decoded(&authorizer.ask_at("", NOW - 1000).await.identity_token());
        assert_eq!(claims["iat"], NOW - 1000);
    }
    let world = World::new("identity_cache_fault");
    world.signing_key("identity-key.pem", "ES256");
    let environment = [("AUTHORIZER_GATEWAY_CACHE_TTL", "60")];
    let faults = world.try_load_with(&world.identity_config(""), &environment).await.unwrap_err();
    assert!(faults.contains("[identity_token]: lifetime"), "{faults}");
}

#[tokio::test]
async fn identity_token_is_of_this_certificate() {
    let world = World::new("identity_each");
    world.signing_key("identity-key.pem", "ES256");
    let config = world.identity_config("").replace("subject = { CN = \"orders\" }", "any = true");
    let authorizer = world.load(&config).await;
    let [_, orders] = decoded(&authorizer.ask("").await.identity_token());
    let mut other = event(Form::Rest, &json!({}), None);
    let leaf = pki::Certificate::leaf("billing", &Key::ed25519("billing"));
    let leaf = pki::Certificate {
        not_before: pki::time(NOW - 1000),
        not_after: pki::time(NOW + 100_000),
        ..leaf
    };
    let der = authorities().1.issue(leaf);
    other["requestContext"]["identity"]["clientCert"]["clientCertPem"] =
        json!(pki::pem("CERTIFICATE", &der));
    let [_, billing] = decoded(&authorizer.event(&other).await.identity_token());
    assert_eq!(billing["sub"], "CN=billing,O=Acme,C=US");
    assert_eq!(billing["cnf"]["x5t#S256"], thumbprint(&der));
    assert_ne!(billing["jti"], orders["jti"]);
}

#[tokio::test]
async fn identity_token_is_of_the_client_that_matched_whatever_its_id_is() {
    let world = World::new("identity_clients");
    world.signing_key("identity-key.pem", "ES256");
    for (ids, tenants) in [
        (["a", "b"], ["acme", "umbrella"]),
        (["same", "same"], ["acme", "umbrella"]),
        (["a", "b"], ["acme", "acme"]),
    ] {
        let client = |id, sub, tenant| {
            format!(
                "[[client]]\nid = {id:?}\nany = true\ntoken = {{ sub = {sub:?} }}\nallow = [\"*\"]\ncontext = {{ tenant = {tenant:?} }}\n"
            )
        };
        let clients = client(ids[0], "alice", tenants[0]) + &client(ids[1], "bob", tenants[1]);
        let config = world.config("").replace(CLIENT, "")
            + "\n"
            + world.identity_config("").split_once("[[client]]").unwrap().0
            + &clients;
        let authorizer = world.load(&config).await;
        for (sub, id, tenant) in [
            ("alice", ids[0], tenants[0]),
            ("bob", ids[1], tenants[1]),
            ("alice", ids[0], tenants[0]),
        ] {
            let claims = with(&world.claims(), "sub", json!(sub));
            let token = world.issuer.token(json!({ "alg": "ES256", "kid": "ES256" }), claims);
            let [_, identity] = decoded(&authorizer.ask(&bearer(&token)).await.identity_token());
            assert_eq!(identity["clientId"], id);
            assert_eq!(identity["context"], json!({ "tenant": tenant }));
        }
    }
}

#[tokio::test]
async fn first_key_signs_and_all_are_published() {
    let world = World::new("identity_rotation");
    world.signing_key("new.pem", "EdDSA");
    world.signing_key("old.pem", "ES256");
    let config =
        world.identity_config("").replace("[\"identity-key.pem\"]", "[\"new.pem\", \"old.pem\"]");
    let authorizer = world.load(&config).await;
    let set = authorizer.0.identity().unwrap().keys().jwk_set();
    let algorithms: Vec<_> =
        set["keys"].as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap()).collect();
    assert_eq!(algorithms, ["EdDSA", "ES256"]);
    let [header, _] = decoded(&authorizer.ask("").await.identity_token());
    assert_eq!(header["kid"], set["keys"][0]["kid"]);

    // The command prints the same, and nothing that is secret.
    let config = world.scratch.write("authorizer.toml", config);
    let output = Command::new(env!("CARGO_BIN_EXE_mtls-authorizer"))
        .args(["jwks", "--config", &config])
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), set);
    assert!(output.stderr.is_empty());
    let none = world.scratch.write("none.toml", world.config(""));
    let output = Command::new(env!("CARGO_BIN_EXE_mtls-authorizer"))
        .args(["jwks", "--config", &none])
        .env_clear()
        .output()
        .unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
}

#[tokio::test]
async fn signing_key_of_another_kind_keeps_it_from_starting_and_is_not_shown() {
    let world = World::new("identity_fault");
    let p384 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new())
        .unwrap();
    let p256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .unwrap();
    let good = pki::pem("PRIVATE KEY", p256.as_ref());
    let bad = [
        pki::pem("PRIVATE KEY", p384.as_ref()),
        pki::pem("EC PRIVATE KEY", p256.as_ref()),
        pki::pem("PRIVATE KEY", &p256.as_ref()[..100]),
        format!("{good}{good}"),
        String::new(),
    ];
    for document in &bad {
        world.secret_text("identity-key.pem", document);
        let faults = world.try_load(&world.identity_config("")).await.unwrap_err();
        assert!(
            faults.contains("[identity_token]: key") && faults.contains("not one PEM"),
            "{faults}"
        );
        for line in document.lines().filter(|line| !line.starts_with("--")) {
            assert!(!faults.contains(line));
        }
    }
    world.secret_text("identity-key.pem", &good);
    assert!(world.try_load(&world.identity_config("")).await.is_ok());
}

// ---------------------------------------------------------------- libraries that are not ours

/// PyJWT and `cryptography` make tokens that verify here, and with the ten lines of `docs/tokens.md` verify identity
/// tokens that are made here.
#[tokio::test]
async fn pyjwt_agrees() {
    const MAKE: &str = r#"
import json, sys, jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
claims = json.loads(sys.argv[1])
keys = {"RS256": rsa.generate_private_key(65537, 2048), "PS256": rsa.generate_private_key(65537, 3072), "ES256": ec.generate_private_key(ec.SECP256R1()), "ES384": ec.generate_private_key(ec.SECP384R1()), "EdDSA": ed25519.Ed25519PrivateKey.generate()}
of = {"RS": RSAAlgorithm, "PS": RSAAlgorithm, "ES": ECAlgorithm, "Ed": OKPAlgorithm}
jwks = [dict(of[alg[:2]].to_jwk(key.public_key(), as_dict=True), kid=alg) for alg, key in keys.items()]
tokens = {alg: jwt.encode(claims, key, algorithm=alg, headers={"kid": alg}) for alg, key in keys.items()}
print(json.dumps({"jwks": {"keys": jwks}, "tokens": tokens}))
"#;
    const VERIFY: &str = "import json, sys; print(json.dumps(identity(sys.argv[1])))";
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let here = Path::new(".");
    if run(here, &python, &["-c", "import jwt, cryptography"]).is_none() {
        return skip("pyjwt_agrees", "python3 with PyJWT and cryptography");
    }
    let verify = format!("{}\n{VERIFY}", documented("python"));
    agree("pyjwt", |directory, task| match task {
        Task::Make(claims) => run(directory, &python, &["-c", MAKE, claims]),
        Task::Verify(token) => run(directory, &python, &["-c", &verify, token]),
    })
    .await;
}

/// `jose` for Node.js does.
#[tokio::test]
async fn jose_agrees() {
    const MAKE: &str = r#"
import { exportJWK, generateKeyPair, SignJWT } from "jose";
const keys = [], tokens = {};
for (const alg of ["RS256", "PS256", "ES256", "ES384", "EdDSA"]) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  keys.push({ ...(await exportJWK(publicKey)), kid: alg });
  tokens[alg] = await new SignJWT(JSON.parse(process.argv[2])).setProtectedHeader({ alg, kid: alg, typ: "at+jwt" }).sign(privateKey);
}
console.log(JSON.stringify({ jwks: { keys }, tokens }));
"#;
    const VERIFY: &str = "console.log(JSON.stringify(await identity(process.argv[2])));";
    // An ES module finds a package from the directory of its own file.
    let Some(packages) = std::env::var_os("JOSE_DIRECTORY") else {
        return skip("jose_agrees", "node, and JOSE_DIRECTORY with `jose` in its node_modules");
    };
    let script = |name: &str, text: &str| {
        let name = format!("tokens-{}-{name}.mjs", std::process::id());
        let path = Path::new(&packages).canonicalize().unwrap().join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let make = script("make", MAKE);
    let verify = script("verify", &format!("{}\n{VERIFY}", documented("js")));
    agree("jose", |directory, task| match task {
        Task::Make(claims) => run(directory, "node", &[&make, claims]),
        Task::Verify(token) => run(directory, "node", &[&verify, token]),
    })
    .await;
    for path in [make, verify] {
        std::fs::remove_file(path).unwrap();
    }
}

/// The ten lines of `docs/tokens.md` in Rust are those of [`identity`], but for the cryptography.
#[tokio::test]
async fn documented_rust_verifies_identity_tokens() {
    let lines = documented("rust");
    let function = lines.split_once("fn identity").unwrap().1;
    assert!(include_str!("tokens.rs").contains(function), "docs/tokens.md and `identity` differ");
    for key in ["ES256", "EdDSA"] {
        let world = World::new(&format!("documented_rust_{key}"));
        let (token, set) = world.lasting_identity_token(key).await;
        token::crypto::install();
        let keys = serde_json::from_value(set).unwrap();
        assert_eq!(identity(&token, &keys).unwrap(), decoded(&token)[1]);
        assert!(identity(&changed(&token), &keys).is_none());
    }
}

fn identity(token: &str, keys: &JwkSet) -> Option<Value> {
    let header = decode_header(token).ok()?;
    let allowed = [Algorithm::ES256, Algorithm::EdDSA];
    let mut rules = Validation::new(allowed.into_iter().find(|known| *known == header.alg)?);
    rules.set_issuer(&["https://api.example.com"]);
    rules.set_audience(&["backend"]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let key = DecodingKey::from_jwk(keys.find(&header.kid?)?).ok()?;
    Some(decode(token, &key, &rules).ok()?.claims)
}

/// The code of a language in `docs/tokens.md`.
fn documented(language: &str) -> &'static str {
    let (_, rest) =
        include_str!("../docs/tokens.md").split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

/// What the library is asked: for `{"jwks": …, "tokens": {algorithm: token}}`, or for the claims of a token that
/// verifies by `jwks.json`.
enum Task<'a> {
    Make(&'a str),
    Verify(&'a str),
}

async fn agree(name: &str, library: impl Fn(&Path, Task<'_>) -> Option<String>) {
    let world = World::new(&format!("agree_{name}"));
    let path = world.scratch.write("jwks.json", "");
    let directory = Path::new(&path).parent().unwrap();
    let made = library(directory, Task::Make(&world.claims().to_string())).expect("tokens");
    let made: Value = serde_json::from_str(&made).unwrap();
    world.scratch.write("jwks.json", made["jwks"].to_string());
    let algorithms: Vec<&String> = made["tokens"].as_object().unwrap().keys().collect();
    assert_eq!(algorithms.len(), 5);
    let authorizer = world.load(&world.config(&format!("algorithms = {algorithms:?}"))).await;
    for (alg, token) in made["tokens"].as_object().unwrap() {
        let token = token.as_str().unwrap();
        assert_eq!(authorizer.ask(&bearer(token)).await.reason, "", "{name} {alg}");
        authorizer.deny(&changed(token), "token-invalid", "does not verify").await;
    }
    for key in ["ES256", "EdDSA"] {
        let (token, set) = world.lasting_identity_token(key).await;
        world.scratch.write("jwks.json", set.to_string());
        let verified = library(directory, Task::Verify(&token)).expect("claims");
        let verified: Value = serde_json::from_str(&verified).unwrap();
        assert_eq!(verified, decoded(&token)[1], "{name} {key}");
        assert!(library(directory, Task::Verify(&changed(&token))).is_none());
    }
}

/// The token with another `sub` under the same signature.
fn changed(token: &str) -> String {
    let [header, _, signature] = parts(token);
    let claims = with(&decoded(token)[1], "sub", json!("CN=admin"));
    format!("{header}.{}.{signature}", base64url(claims.to_string()))
}

/// What a program prints, if it is there and succeeds.
fn run(directory: &Path, program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.current_dir(directory).args(arguments).stdin(Stdio::null());
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

// ---------------------------------------------------------------- tools

/// An authorizer's surroundings: a directory with the issuer's keys.
struct World {
    scratch: Scratch,
    issuer: Issuer,
}

impl World {
    fn new(test: &str) -> Self {
        let (scratch, issuer) = (scratch(&format!("tokens_{test}")), Issuer::new());
        scratch.write("jwks.json", issuer.jwks().to_string());
        Self { scratch, issuer }
    }

    /// A configuration with `[token]`; `more` replaces keys of it or adds to it.
    fn config(&self, more: &str) -> String {
        let usual = [
            ("issuer", format!("{ISSUER:?}")),
            ("audience", "[\"orders\"]".to_owned()),
            ("jwks", "\"jwks.json\"".to_owned()),
            ("algorithms", "[\"ES256\"]".to_owned()),
        ];
        let replaced = |key: &str| more.lines().any(|line| line.starts_with(&format!("{key} =")));
        let usual = usual.iter().filter(|(key, _)| !replaced(key));
        let token: String = usual.map(|(key, value)| format!("{key} = {value}\n")).collect();
        format!("[token]\n{token}{more}\n{CLIENT}")
    }

    /// A configuration with `[identity_token]`.
    fn identity_config(&self, more: &str) -> String {
        let identity = "[identity_token]\nissuer = \"https://api.example.com\"\naudience = \"backend\"\nkey = [\"identity-key.pem\"]";
        format!("{identity}\n{more}\n{CLIENT}context = {{ tenant = \"acme\", tier = 2 }}\n")
    }

    /// Claims that break no rule.
    fn claims(&self) -> Value {
        json!({ "iss": ISSUER, "aud": "orders", "sub": "alice", "exp": NOW + 300, "cnf": { "x5t#S256": thumbprint(&client_der()) } })
    }

    /// A token that breaks none.
    fn token(&self) -> String {
        self.issuer.token(json!({ "alg": "ES256", "kid": "ES256" }), self.claims())
    }

    /// An identity token for libraries that look at the clock themselves, so it is made by the clock too; and its keys.
    async fn lasting_identity_token(&self, algorithm: &str) -> (String, Value) {
        self.signing_key("identity-key.pem", algorithm);
        let authorizer = self.load(&self.identity_config("lifetime = \"1h\"")).await;
        let now = Timestamp::from(std::time::SystemTime::now()).unix_seconds();
        let token = authorizer.ask_at("", now).await.identity_token();
        (token, authorizer.0.identity().unwrap().keys().jwk_set())
    }

    fn signing_key(&self, name: &str, algorithm: &str) {
        let random = SystemRandom::new();
        let document = match algorithm {
            "ES256" => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                .unwrap()
                .as_ref()
                .to_vec(),
            _ => Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref().to_vec(),
        };
        self.secret(name, &document);
    }

    fn secret(&self, name: &str, pkcs8: &[u8]) {
        self.secret_text(name, &pki::pem("PRIVATE KEY", pkcs8));
    }

    fn secret_text(&self, name: &str, text: &str) {
        let path = self.scratch.write(name, text);
        #[cfg(unix)]
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
    }

    async fn load(&self, config: &str) -> Loaded {
        self.load_with(config, &[]).await
    }

    async fn load_with(&self, config: &str, environment: &[(&str, &str)]) -> Loaded {
        match self.try_load_with(config, environment).await {
            Ok(loaded) => loaded,
            Err(faults) => panic!("{faults}"),
        }
    }

    async fn try_load(&self, config: &str) -> Result<Loaded, String> {
        self.try_load_with(config, &[]).await
    }

    async fn try_load_with(
        &self,
        config: &str,
        environment: &[(&str, &str)],
    ) -> Result<Loaded, String> {
        let config = self.scratch.write("authorizer.toml", config);
        let environment: BTreeMap<String, String> = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let fetcher = Fetcher::new(&environment, Clock::new(|| Timestamp::from_unix_seconds(NOW)));
        let now = Timestamp::from_unix_seconds(NOW);
        let loader = Loader { environment: &environment, fetcher, now };
        let loaded = loader.load(Some(Path::new(&config))).await;
        loaded.map(|(authorizer, _)| Loaded(authorizer)).map_err(|faults| faults.to_string())
    }
}

const CLIENT: &str = "[[client]]\nid = \"orders-service\"\nsubject = { CN = \"orders\" }\nallow = [\"GET /orders/*\"]\n";

#[derive(Debug)]
struct Loaded(Authorizer);

struct Outcome {
    /// Empty where the call is allowed.
    reason: String,
    line: Value,
    answer: Value,
}

impl Loaded {
    async fn ask(&self, authorization: &str) -> Outcome {
        self.ask_at(authorization, NOW).await
    }

    async fn ask_at(&self, authorization: &str, at: i64) -> Outcome {
        let event = event(Form::Rest, &json!({ "Authorization": authorization }), None);
        self.event_at(&event, at).await
    }

    async fn event(&self, event: &Value) -> Outcome {
        self.event_at(event, NOW).await
    }

    async fn event_at(&self, event: &Value, at: i64) -> Outcome {
        let (mut line, mut reason) = (Vec::new(), String::new());
        let answer = self
            .0
            .authorize(
                event.to_string().as_bytes(),
                Timestamp::from_unix_seconds(at),
                |request, authorized| {
                    let decision = &authorized.decision;
                    reason = decision
                        .denial()
                        .map_or_else(String::new, |denial| denial.reason.code().to_owned());
                    let invocation = Invocation::default();
                    DecisionLine { decision, request, invocation: &invocation, duration_us: 0 }
                        .write(&mut line)
                        .unwrap();
                },
            )
            .await
            .unwrap();
        Outcome {
            reason,
            line: serde_json::from_slice(&line).unwrap(),
            answer: serde_json::from_str(answer.json()).unwrap(),
        }
    }

    /// The token is denied, for this reason, and the log line says `why` and nothing of the token.
    async fn deny(&self, token: &str, reason: &str, why: &str) {
        let outcome = self.ask(&bearer(token)).await;
        assert_eq!(outcome.reason, reason, "{why}");
        assert_eq!(outcome.answer["context"], json!({ "denyReason": reason }), "{why}");
        let said = outcome.line["why"].as_str().unwrap_or_default();
        assert!(said.contains(why), "`{said}` instead of `{why}`");
        outcome.assert_tells_nothing_of(token);
    }
}

impl Outcome {
    fn identity_token(&self) -> String {
        self.answer["context"]["identityToken"].as_str().expect("an identity token").to_owned()
    }

    fn assert_tells_nothing_of(&self, token: &str) {
        let said = format!("{} {}", self.line, self.answer);
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(!said.contains(&part[..8]), "`{}` is in {said}", &part[..8]);
        }
        for text in ["alice", "kid", ISSUER] {
            assert!(
                !self.line.to_string().contains(text)
                    || text == "kid"
                        && self.line["why"].as_str().is_some_and(|why| why.contains("`kid`")),
                "{}",
                self.line
            );
        }
    }
}

/// An issuer with a key of every kind.
struct Issuer {
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let ecdsa = |algorithm| {
            let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap()
        };
        let document = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Self {
            p256: ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            p384: ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            ed25519: Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap(),
        }
    }

    /// A key for every algorithm, called by its name.
    fn jwks(&self) -> Value {
        json!({ "keys": TokenAlgorithm::ALL.map(|(name, _)| self.jwk(name, name)) })
    }

    fn jwk(&self, algorithm: &str, kid: &str) -> Value {
        let point = |pair: &EcdsaKeyPair, curve: &str| {
            let (x, y) = pair.public_key().as_ref()[1..]
                .split_at((pair.public_key().as_ref().len() - 1) / 2);
            json!({ "kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y), "kid": kid, "alg": algorithm, "use": "sig" })
        };
        match algorithm {
            "ES256" => point(&self.p256, "P-256"),
            "ES384" => point(&self.p384, "P-384"),
            "EdDSA" => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(self.ed25519.public_key()), "kid": kid, "alg": algorithm })
            }
            _ => rsa_jwk(&Key::rsa_2048(), kid, algorithm),
        }
    }

    /// A token signed as its header says.
    fn token(&self, header: Value, claims: Value) -> String {
        let algorithm = header["alg"].as_str().unwrap().to_owned();
        self.signed_as(&algorithm, header, &claims)
    }

    fn signed_as(&self, algorithm: &str, header: Value, claims: &Value) -> String {
        self.signed_text(algorithm, &header.to_string(), &claims.to_string())
    }

    fn signed_text(&self, algorithm: &str, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", base64url(header), base64url(claims));
        let octets = message.as_bytes();
        let rsa = |scheme| Key::rsa_2048().with_scheme(scheme).sign(octets);
        let random = SystemRandom::new();
        let signature = match algorithm {
            "ES256" => self.p256.sign(&random, octets).unwrap().as_ref().to_vec(),
            "ES384" => self.p384.sign(&random, octets).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed25519.sign(octets).as_ref().to_vec(),
            "RS256" => rsa(Scheme::RsaPkcs1(Hash::Sha256)),
            "RS384" => rsa(Scheme::RsaPkcs1(Hash::Sha384)),
            "RS512" => rsa(Scheme::RsaPkcs1(Hash::Sha512)),
            "PS256" => rsa(Scheme::RsaPss(Hash::Sha256)),
            "PS384" => rsa(Scheme::RsaPss(Hash::Sha384)),
            "PS512" => rsa(Scheme::RsaPss(Hash::Sha512)),
            other => panic!("nobody signs by {other}"),
        };
        format!("{message}.{}", base64url(signature))
    }
}

/// The JWK of an RSA key: modulus and exponent out of its RSAPublicKey.
fn rsa_jwk(key: &Key, kid: &str, algorithm: &str) -> Value {
    let bits = key.public_key_bits();
    let length = if bits.len() > 200 { 256 } else { 128 };
    // SEQUENCE, INTEGER with a zero in front, INTEGER 65537.
    let modulus = &bits[bits.len() - 5 - length..bits.len() - 5];
    assert!(bits.ends_with(&[2, 3, 1, 0, 1]));
    json!({ "kty": "RSA", "n": base64url(modulus), "e": "AQAB", "kid": kid, "alg": algorithm, "use": "sig" })
}

/// A server that hands out a document and counts how often it is asked.
struct Peer {
    address: std::net::SocketAddr,
    state: Arc<Mutex<(Option<String>, usize)>>,
}

impl Peer {
    fn serving(document: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new((Some(document), 0)));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &shared);
            }
        });
        Self { address, state }
    }

    fn url(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    fn serve(&self, document: String) {
        self.state.lock().unwrap().0 = Some(document);
    }

    fn fail(&self) {
        self.state.lock().unwrap().0 = None;
    }

    fn count(&self) -> usize {
        self.state.lock().unwrap().1
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<(Option<String>, usize)>) {
    let mut request = Vec::new();
    let mut octet = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut octet).unwrap_or(0) == 1 {
        request.push(octet[0]);
    }
    if request.is_empty() {
        return;
    }
    let document = {
        let mut state = state.lock().unwrap();
        state.1 += 1;
        state.0.clone()
    };
    let (status, body) = match document {
        Some(document) => ("200 OK", document),
        None => ("503 Service Unavailable", String::new()),
    };
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Rest,
    HttpV1,
    HttpV2,
}

const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod";

/// An event of `GET /orders/7` with these headers; where `multiple` is not given, `multiValueHeaders` of REST
/// tells the same.
fn event(form: Form, headers: &Value, multiple: Option<&Value>) -> Value {
    let certificate = json!({ "clientCertPem": pki::pem("CERTIFICATE", &client_der()) });
    let arn = format!("{ARN}/GET/orders/7");
    let mut event = match form {
        Form::Rest => {
            json!({ "methodArn": arn, "requestContext": { "identity": { "clientCert": certificate } } })
        }
        Form::HttpV1 => {
            json!({ "version": "1.0", "methodArn": arn, "requestContext": { "identity": { "clientCert": certificate } } })
        }
        Form::HttpV2 => {
            json!({ "version": "2.0", "routeArn": arn, "requestContext": { "authentication": { "clientCert": certificate } } })
        }
    };
    event["type"] = json!("REQUEST");
    event["headers"] = headers.clone();
    if let Some(multiple) = multiple {
        event["multiValueHeaders"] = multiple.clone();
    } else if let (Form::Rest, Value::Object(headers)) = (form, headers) {
        event["multiValueHeaders"] =
            headers.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
    }
    event
}

/// The certificate of `CN=orders,O=Acme,C=US`, always the same.
fn client_der() -> Vec<u8> {
    authorities().1.issue(support::certificates::client())
}

fn rules(issuer: &str, certificate_bound: CertificateBound) -> TokenRules {
    let token = Token {
        required: true,
        issuer: issuer.to_owned(),
        audience: vec!["orders".to_owned()],
        jwks: Source::File("jwks.json".into()),
        algorithms: TokenAlgorithm::ALL.map(|(_, algorithm)| algorithm).to_vec(),
        certificate_bound,
        scopes: Vec::new(),
        claims: Vec::new(),
    };
    TokenRules { token, clock_skew: 0 }
}

/// Why a token is refused that should be signed by this key.
fn refusal(token: &str, rules: &TokenRules, jwk: &Value) -> String {
    let keys = KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
    let certificate = Certificate::parse(&client_der()).unwrap();
    let now = Timestamp::from_unix_seconds(1_300_819_379);
    let denial = token::verify(&Header::One(bearer(token)), rules, &keys, &certificate, now)
        .unwrap_err()
        .into_denial();
    let why = denial.evidence.iter().find(|(key, _)| *key == "why");
    why.map(|(_, why)| why.to_owned()).unwrap_or_default()
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn thumbprint(der: &[u8]) -> String {
    base64url(ring::digest::digest(&ring::digest::SHA256, der))
}

fn base64url(octets: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(octets)
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

/// Header and claims.
fn decoded(token: &str) -> [Value; 2] {
    let [header, claims, _] = parts(token);
    [header, claims]
        .map(|part| serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
}

/// An object with a member set; `null` takes it out, but where a member `null` is what matters (`jwk`).
fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut object = object.clone();
    if value.is_null() && name != "jwk" {
        object.as_object_mut().unwrap().remove(name);
    } else {
        object[name] = value;
    }
    object
}

fn without(object: &Value, name: &str) -> Value {
    with(object, name, Value::Null)
}

/// PKCS#8 of a seed, as OpenSSL writes it (RFC 8410).
fn ed25519_pkcs8(seed: &[u8]) -> Vec<u8> {
    pki::sequence(&[
        pki::number(0),
        pki::sequence(&[pki::oid("1.3.101.112")]),
        pki::octet_string(&pki::octet_string(seed)),
    ])
}
