//! The whole chain with this repository's authorizer: certificate, handshake, event, decision,
//! answer, headers. It knows no time but that of the day, so certificates are made for it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use mtls_gateway::api::Api;
use mtls_gateway::identity::Publisher;
use mtls_gateway::mapping::{HeaderCase, Target};
use ring::{rand::SystemRandom, signature::Ed25519KeyPair};
use serde_json::Value;
use support::{Client, Running, Setup, directory, read_template, use_time_of_day};

const POLICY: &str = r#"
[[client]]
id = "orders-service"
subject = { CN = "orders", O = "Acme" }
issuer = { CN = "Acme Issuing CA", O = "Acme" }
allow = ["GET /orders/*"]
deny = ["* /orders/admin/*"]
"#;

const BILLING_TOO: &str = r#"
[[client]]
id = "billing-service"
subject = { CN = "billing", O = "Acme" }
issuer = { CN = "Acme Issuing CA", O = "Acme" }
allow = ["*"]
"#;

const APIS: &[(&str, &[(&str, &str)])] = &[
    ("rest.yaml", &[]),
    ("rest.yaml", &[("Ttl", "300")]),
    ("http.yaml", &[]),
    ("http.yaml", &[("Ttl", "300")]),
    ("http.yaml", &[("Format", "1.0")]),
    ("http.yaml", &[("Simple", "true")]),
];

async fn check(running: &Running, what: &str) {
    let subject = "CN=orders,O=Acme,C=US";
    for _ in 0..2 {
        let answer = running.get("orders", "/orders/7").await;
        assert_eq!(answer.status, 200, "{what}: {} {:#?}", answer.body, running.function_log());
        assert_eq!(answer.seen("X-Client-Cert-Sub"), subject, "{what}");
    }
    for (client, path) in [
        ("orders", "/orders/admin/7"),
        ("orders", "/invoices/7"),
        ("billing", "/orders/7"),
        ("expired", "/orders/7"),
        ("other-ca", "/orders/7"),
    ] {
        let answer = running.get(client, path).await;
        assert_eq!(answer.status, 403, "{what}: {client} {path}");
        for said in ["route", "match", "expired", "client", "chain"] {
            assert!(!answer.body.contains(said), "{what}: {client} learns {}", answer.body);
        }
    }
    let client = Client::named("orders").title_case();
    let mut connection = running.connect(&client).await.unwrap();
    let forged = [("X-Client-Cert-Sub", "CN=admin"), ("X-Client-Id", "admin")];
    let answer = connection.get("/orders/7", &forged).await.unwrap();
    assert_eq!(answer.seen("X-Client-Cert-Sub"), subject, "{what}");
    let none = running.connect(&Client::none()).await;
    if let Ok(mut connection) = none {
        assert!(connection.get("/orders/7", &[]).await.is_err(), "{what}");
    }
    running.logged("no client certificate").await;
    running.logged("denied by the authorizer (no-client-matched)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_event_and_answer_works_with_the_authorizer() {
    use_time_of_day();
    for (template, parameters) in APIS {
        let setup = Setup::new(template).parameters(parameters).authorizer(POLICY);
        check(&setup.start().await, &format!("{template} {parameters:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_policy_serves_every_route_of_its_client_and_of_no_other() {
    use_time_of_day();
    let running = Setup::new("rest.yaml").parameter("Ttl", "300").authorizer(POLICY).start().await;
    // The first call is refused for its route; what is cached must not lock the client out.
    assert_eq!(running.get("orders", "/invoices/7").await.status, 403);
    assert_eq!(running.get("orders", "/orders/7").await.status, 200);
    assert_eq!(running.get("orders", "/orders/admin/7").await.status, 403);
    assert_eq!(running.get("billing", "/orders/7").await.status, 403);
    let cached = running.log().iter().filter(|line| line.ends_with("from the cache")).count();
    assert_eq!(cached, 2, "{:#?}", running.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_change_takes_effect() {
    use_time_of_day();
    let running = Setup::new("rest.yaml").authorizer(POLICY).start().await;
    assert_eq!(running.get("billing", "/orders/7").await.status, 403);
    running.configure(&format!("{POLICY}{BILLING_TOO}"));
    assert_eq!(running.get("billing", "/orders/7").await.status, 200);
    running.configure(BILLING_TOO);
    assert_eq!(running.get("orders", "/orders/7").await.status, 403);
    // A policy with a fault ends the authorizer, which is a 500 and no way in.
    running.configure("[[client]]\nid = \"nobody\"\n");
    assert_eq!(running.get("billing", "/orders/7").await.status, 500);
    running.configure(&format!("{POLICY}{BILLING_TOO}\n"));
    assert_eq!(running.get("orders", "/orders/7").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn decision_is_logged_and_nothing_secret_is() {
    use_time_of_day();
    let running = Setup::new("rest.yaml").authorizer(POLICY).start().await;
    let mut connection = running.connect(&Client::named("orders")).await.unwrap();
    let secret = [("Authorization", "Bearer hush-hush"), ("X-Api-Key", "hush-hush")];
    connection.get("/orders/7?token=hush-hush", &secret).await.unwrap();
    running.get("billing", "/orders/7").await;
    // The call that comes back proves that the lines of those before have been read.
    while running.function_log().iter().filter(|line| line.contains("decision")).count() < 2 {
        tokio::task::yield_now().await;
    }
    let log = [running.log(), running.function_log()].concat().join("\n");
    assert!(log.contains("no-client-matched"), "{log}");
    for secret in ["hush-hush", "BEGIN CERTIFICATE", "clientCertPem"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

/// The echo believes the token of the authorizer alone: one of the client's own never gets through, and where the
/// keys are others', it is refused.
#[tokio::test(flavor = "multi_thread")]
async fn echo_verifies_identity_tokens_and_shows_their_claims() {
    use_time_of_day();
    let identity = |name: &str| {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = pem::encode(&pem::Pem::new("PRIVATE KEY", key.as_ref()));
        let path = directory().join(name);
        std::fs::write(&path, key).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        let section =
            "[identity_token]\nissuer = \"https://api.example.com\"\naudience = \"backend\"";
        format!("{section}\nlifetime = \"10m\"\nkey = [{path:?}]\n{POLICY}")
    };
    let (own, other) = (identity("identity-key.pem"), identity("other-key.pem"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (published, forwarded) in [(&own, "true"), (&other, "true"), (&own, "false")] {
        let config = directory().join("published.toml");
        std::fs::write(&config, published).unwrap();
        let mut setup = Setup::new("rest.yaml").authorizer(&own);
        setup = setup.parameter("ForwardIdentityToken", forwarded);
        setup.template = root.join("template.yaml");
        let program = setup.program.clone();
        let setup = setup.gateway(move |gateway| {
            let environment = BTreeMap::new();
            gateway.publisher = Some(Publisher { program, config, environment });
        });
        let running = setup.start().await;
        let client = Client::named("orders").title_case();
        let mut connection = running.connect(&client).await.unwrap();
        let forged = [("X-Client-Identity", "e30.e30.e30")];
        let answer = connection.get("/orders/7", &forged).await.unwrap();
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let shown = &body["identity"];
        match (published == &own, forwarded) {
            (true, "true") => {
                assert_eq!(shown["verified"]["sub"], "CN=orders,O=Acme,C=US", "{body}");
                assert_eq!(shown["verified"]["clientId"], "orders-service");
            }
            (false, _) => assert_eq!(shown["refused"], "its key is not in the JWK Set", "{body}"),
            _ => {
                assert!(shown.is_null(), "{body}");
                assert_eq!(answer.seen("X-Client-Identity"), "none");
            }
        }
    }
}

/// The templates that are deployed, with every identity header of theirs sent by the client too.
#[tokio::test(flavor = "multi_thread")]
async fn templates_of_the_repository_let_no_forged_identity_through() {
    use_time_of_day();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (name, parameters) in [
        ("template.yaml", &[][..]),
        ("template.yaml", &[("CacheTtlSeconds", "300")]),
        ("deploy/http-api.yaml", &[]),
        ("deploy/http-api.yaml", &[("CacheTtlSeconds", "300")]),
        ("deploy/http-api.yaml", &[("SimpleResponses", "true")]),
    ] {
        let path = root.join(name);
        let template = read_template(&path, parameters);
        let api = Api::read(&template, None).unwrap();
        let mut mapped: Vec<&str> = Vec::new();
        for mapping in api.routes.iter().flat_map(|route| &route.integration.mappings) {
            if let Target::Header(name) = &mapping.target {
                mapped.push(name);
            }
        }
        assert!(mapped.contains(&"X-Client-Cert-Sub"), "{name}: {mapped:?}");
        let mut setup = Setup::new("rest.yaml").parameters(parameters).authorizer(POLICY);
        setup.template = path;
        let setup = setup.gateway(|gateway| gateway.header_case = HeaderCase::Insensitive);
        let running = setup.start().await;
        check(&running, &format!("{name} {parameters:?}")).await;
        let forged: Vec<(&str, &str)> = mapped.iter().map(|name| (*name, "forged")).collect();
        let mut connection = running.connect(&Client::named("orders")).await.unwrap();
        let answer = connection.get("/orders/7", &forged).await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(!answer.body.contains("forged"), "{name} {parameters:?}: {}", answer.body);
    }
}
