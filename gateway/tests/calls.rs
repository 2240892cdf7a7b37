//! Calls through the gateway: who gets in, who does not, and what each side sees of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

mod support;

use mtls_gateway::mapping::HeaderCase;
use support::{BILLING, Client, ORDERS, Setup};

/// Every API that the tests run behind: kind, format, form of answer, with and without a cache.
const APIS: &[(&str, &[(&str, &str)])] = &[
    ("rest.yaml", &[]),
    ("rest.yaml", &[("Ttl", "300")]),
    ("http.yaml", &[]),
    ("http.yaml", &[("Ttl", "300")]),
    ("http.yaml", &[("Format", "1.0")]),
    ("http.yaml", &[("Format", "1.0"), ("Ttl", "300")]),
    ("http.yaml", &[("Simple", "true")]),
];

const FORBIDDEN: &str = r#"{"message":"Forbidden"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn allowed_client_gets_through_and_every_other_is_refused_with_its_reason_in_the_log() {
    for (template, parameters) in APIS {
        let running = Setup::new(template).parameters(parameters).start().await;
        let what = format!("{template} {parameters:?}");
        for _ in 0..2 {
            let answer = running.get("orders", "/orders/7").await;
            assert_eq!(answer.status, 200, "{what}: {}", answer.body);
            assert_eq!(answer.seen("X-Client-Cert-Sub"), ORDERS, "{what}");

            let answer = running.get("billing", "/orders/7").await;
            assert_eq!(answer.status, 403, "{what}");
            assert!(!answer.body.contains("match"), "{what}: the reason is in {}", answer.body);
            for untrusted in ["expired", "other-ca"] {
                let answer = running.get(untrusted, "/orders/7").await;
                assert_eq!((answer.status, answer.body.as_str()), (403, FORBIDDEN), "{what}");
            }
        }
        let mut connection = running.connect(&Client::none()).await;
        if let Ok(connection) = &mut connection {
            // In TLS 1.3 the client learns of it only when it reads.
            assert!(connection.get("/orders/7", &[]).await.is_err(), "{what}");
        }
        running.logged("no client certificate").await;
        let reasons = [
            "200 GET /orders/7 from \"C=US,O=Acme,CN=orders\": allowed",
            "403 GET /orders/7 from \"C=US,O=Acme,CN=billing\": denied by the authorizer (no-client-matched)",
            "403 GET /orders/7 from \"C=US,O=Acme,CN=orders\": the certificate has expired",
            "403 GET /orders/7 from \"C=US,O=Acme,CN=orders\": no path from the certificate to a root of the trust store",
        ];
        let log = running.log();
        assert_eq!(log.len(), 9, "{what}: {log:#?}");
        for (index, reason) in reasons.iter().chain(&reasons).enumerate() {
            assert!(log[index].starts_with(reason), "{what}: {} is not {reason}", log[index]);
        }
        assert_eq!(
            log[8], "--- connection from 127.0.0.1 refused: no client certificate",
            "{what}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_tls_are_served() {
    let running = Setup::new("rest.yaml").start().await;
    for version in rustls::ALL_VERSIONS {
        let client = Client::named("orders").version(version);
        let answer = running.connect(&client).await.unwrap().get("/orders/7", &[]).await.unwrap();
        assert_eq!(answer.status, 200, "{version:?}");
        let none = running.connect(&Client::none().version(version)).await;
        if let Ok(mut connection) = none {
            assert!(connection.get("/orders/7", &[]).await.is_err(), "{version:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_header_of_the_same_name_is_replaced() {
    for (template, parameters) in APIS {
        let running = Setup::new(template).parameters(parameters).start().await;
        let client = Client::named("orders").title_case();
        let mut connection = running.connect(&client).await.unwrap();
        let forged = [("X-Client-Cert-Sub", "CN=admin"), ("X-Client-Cert-Sub", "CN=root")];
        let answer = connection.get("/orders/7", &forged).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.seen("X-Client-Cert-Sub"), ORDERS, "{template} {parameters:?}");
        let headers = answer.json()["headers"].as_object().unwrap().clone();
        let named = |name: &&String| name.eq_ignore_ascii_case("X-Client-Cert-Sub");
        assert_eq!(headers.keys().filter(named).count(), 1, "{template} {parameters:?}");
    }
}

/// Nobody has confirmed what a REST API does to it; the gateway shows the worst, so that a backend
/// is built to refuse duplicates, or to verify the signed identity.
#[tokio::test(flavor = "multi_thread")]
async fn forged_header_in_another_letter_case_reaches_the_backend_of_a_rest_api() {
    let forged = [("x-client-cert-sub", "CN=admin")];
    let seen = async |setup: Setup| {
        let running = setup.start().await;
        // hyper sends names in lower case.
        let mut connection = running.connect(&Client::named("orders")).await.unwrap();
        let answer = connection.get("/orders/7", &forged).await.unwrap();
        (answer.seen("X-Client-Cert-Sub"), answer.seen("x-client-cert-sub"))
    };
    let (own, other) = seen(Setup::new("rest.yaml")).await;
    assert_eq!((own.as_str(), other.as_str()), (Some(ORDERS), Some("CN=admin")));

    let insensitive =
        Setup::new("rest.yaml").gateway(|gateway| gateway.header_case = HeaderCase::Insensitive);
    let (own, other) = seen(insensitive).await;
    assert_eq!((own.as_str(), other.as_str()), (Some(ORDERS), None));

    let (own, other) = seen(Setup::new("http.yaml")).await;
    assert_eq!((own.as_str(), other.as_str()), (Some(ORDERS), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn append_lets_the_forged_header_through_and_overwrite_does_not() {
    let client = Client::named("orders").title_case();
    let forged = [("X-Client-Cert-Sub", "CN=admin")];
    for (operation, expected) in [
        ("overwrite", serde_json::json!(ORDERS)),
        ("append", serde_json::json!(["CN=admin", ORDERS])),
    ] {
        let running = Setup::new("http.yaml").parameter("Operation", operation).start().await;
        let mut connection = running.connect(&client).await.unwrap();
        let answer = connection.get("/orders/7", &forged).await.unwrap();
        assert_eq!(answer.seen("X-Client-Cert-Sub"), expected, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mapping_from_an_absent_key_leaves_the_forged_header() {
    let running = Setup::new("rest.yaml").start().await;
    let client = Client::named("orders").title_case();
    let mut connection = running.connect(&client).await.unwrap();
    let forged = [("X-Client-Cert-Sub", "CN=admin")];
    let answer = connection.get("/absent-key", &forged).await.unwrap();
    assert_eq!(answer.seen("X-Client-Cert-Sub"), "CN=admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn value_that_would_inject_a_header_is_an_error() {
    let running = Setup::new("rest.yaml").start().await;
    let answer = running.get("orders", "/odd-value").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (500, r#"{"message":"Internal server error"}"#)
    );
    assert!(running.log()[0].contains("not printable ASCII"), "{:?}", running.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_is_matched_against_method_and_path() {
    for template in ["rest.yaml", "http.yaml"] {
        let running = Setup::new(template).start().await;
        assert_eq!(running.get("orders", "/orders/7").await.status, 200);
        assert_eq!(running.get("orders", "/admin/x").await.status, 403);
        // What the policy denies is `*/admin/*`, as text: this is another path.
        assert_eq!(running.get("orders", "/adm%69n/x").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_never_share_a_cached_answer() {
    for (template, parameters) in APIS.iter().filter(|(_, own)| own.contains(&("Ttl", "300"))) {
        let running =
            Setup::new(template).parameters(parameters).allowed(&[ORDERS, BILLING]).start().await;
        for _ in 0..3 {
            for (client, subject) in [("orders", ORDERS), ("billing", BILLING)] {
                let answer = running.get(client, "/orders/7").await;
                assert_eq!(answer.seen("X-Client-Cert-Sub"), subject, "{template} {parameters:?}");
            }
        }
        let cached = running.log().iter().filter(|line| line.ends_with("from the cache")).count();
        assert_eq!(cached, 4, "{:#?}", running.log());
    }
}

/// What the templates must not do, shown.
#[tokio::test(flavor = "multi_thread")]
async fn key_without_the_certificate_hands_one_clients_answer_to_another() {
    let running = Setup::new("rest.yaml")
        .parameter("Ttl", "300")
        .parameter("Sources", "method.request.header.Authorization")
        .start()
        .await;
    let get = async |client| {
        let mut connection = running.connect(&Client::named(client)).await.unwrap();
        connection.get("/orders/7", &[("Authorization", "Bearer t")]).await.unwrap()
    };
    assert_eq!(get("orders").await.status, 200);
    let stolen = get("billing").await;
    assert_eq!(stolen.status, 200);
    assert_eq!(stolen.seen("X-Client-Cert-Sub"), ORDERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_identity_source_is_a_401_without_a_call() {
    for (template, source) in [
        ("rest.yaml", "method.request.header.Authorization"),
        ("http.yaml", "$request.header.Authorization"),
    ] {
        let running = Setup::new(template).parameter("Sources", source).start().await;
        let mut connection = running.connect(&Client::named("orders")).await.unwrap();
        for headers in [&[][..], &[("Authorization", "")]] {
            let answer = connection.get("/orders/7", headers).await.unwrap();
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (401, r#"{"message":"Unauthorized"}"#)
            );
        }
        assert!(running.function_log().is_empty(), "the authorizer was started");
        let answer = connection.get("/orders/7", &[("Authorization", "x")]).await.unwrap();
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_change_takes_effect_at_once_without_a_cache_and_after_its_time_with_one() {
    let running = Setup::new("rest.yaml").start().await;
    assert_eq!(running.get("orders", "/orders/7").await.status, 200);
    running.allow(&[BILLING]);
    assert_eq!(running.get("orders", "/orders/7").await.status, 403);
    assert_eq!(running.get("billing", "/orders/7").await.status, 200);

    let running = Setup::new("rest.yaml").parameter("Ttl", "300").start().await;
    assert_eq!(running.get("orders", "/orders/7").await.status, 200);
    running.allow(&[BILLING]);
    running.advance(299);
    assert_eq!(running.get("orders", "/orders/7").await.status, 200, "a cached answer lives on");
    assert_eq!(running.get("billing", "/orders/7").await.status, 200, "another key is asked for");
    running.advance(1);
    assert_eq!(running.get("orders", "/orders/7").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_that_expires_on_an_open_connection_is_refused() {
    let running = Setup::new("rest.yaml").parameter("Ttl", "3600").start().await;
    let mut connection = running.connect(&Client::named("orders")).await.unwrap();
    assert_eq!(connection.get("/orders/7", &[]).await.unwrap().status, 200);
    running.advance(366 * 86_400);
    let answer = connection.get("/orders/7", &[]).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (403, FORBIDDEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn api_key_is_required_where_the_method_says_so() {
    let running = Setup::new("rest.yaml").parameter("ApiKeys", "true").start().await;
    let answer = running.get("orders", "/orders/7").await;
    assert_eq!((answer.status, answer.body.as_str()), (403, FORBIDDEN));
    assert!(running.log()[0].ends_with("the authorizer named no API key"), "{:?}", running.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_get_the_answer_of_their_kind_of_api() {
    let running = Setup::new("rest.yaml").start().await;
    let answer = running.get("orders", "/").await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.body, r#"{"message":"Missing Authentication Token"}"#);
    // A path that is found without the method does not fall through to `/{proxy+}`.
    let mut connection = running.connect(&Client::named("orders")).await.unwrap();
    let answer = connection.send("DELETE", "/orders/7", &[], "").await.unwrap();
    assert_eq!(answer.status, 403);

    let running = Setup::new("http.yaml").start().await;
    let mut connection = running.connect(&Client::named("orders")).await.unwrap();
    let answer = connection.send("DELETE", "/orders/7", &[], "").await.unwrap();
    assert_eq!((answer.status, answer.json()["path"].as_str()), (200, Some("/other")));
}
