//! Mutual TLS by a load balancer in front of a private API, with the template that deploys it and
//! this repository's authorizer behind it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

mod support;

use std::path::{Path, PathBuf};

use mtls_gateway::balancer::{Balancer, HeaderNames, Mode};
use mtls_gateway::certificate::Certificate;
use mtls_gateway::http::Headers;
use mtls_gateway::revocation::trust_table;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use support::{Client, Running, Setup, pki, read_template, use_time_of_day};

const POLICY: &str = r#"
[[client]]
id = "orders-service"
subject = { CN = "orders", O = "Acme" }
issuer = { CN = "Acme Issuing CA", O = "Acme" }
allow = ["GET /orders/*"]
"#;

const PREFIX: (&str, &str) = ("HeaderPrefix", "X-Acme-5d1f0c7e2a94");

fn template() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy/private-api.yaml")
}

fn balancer(mode: &'static str) -> Balancer {
    let template = read_template(&template(), &[("MutualTlsMode", mode), PREFIX]);
    Balancer::read(&template).unwrap().unwrap()
}

async fn start(mode: &'static str, more: &[(&'static str, &'static str)]) -> Running {
    use_time_of_day();
    let tables = balancer(mode).source_table() + &trust_table(pki());
    let parameters = [&[("MutualTlsMode", mode), PREFIX], more].concat();
    let mut setup = Setup::new("rest.yaml").parameters(&parameters);
    setup.template = template();
    setup.authorizer(POLICY).tables(tables).start().await
}

/// The status for a call, or none where the connection ends without an answer.
async fn status(running: &Running, client: &Client, headers: &[(&str, &str)]) -> Option<u16> {
    let mut connection = running.connect(client).await.ok()?;
    connection.get("/orders/7", headers).await.ok().map(|answer| answer.status)
}

async fn last_reason(running: &Running, count: usize) -> String {
    let decisions = running.decisions(count).await;
    decisions.last().unwrap()["reason"].as_str().unwrap_or("allowed").to_owned()
}

/// What a load balancer would say about a client.
fn said_about(balancer: &Balancer, client: &str) -> Vec<(String, String)> {
    let der = CertificateDer::from_pem_file(pki().file(&format!("{client}.pem"))).unwrap();
    let mut headers = Headers::new();
    balancer.add_headers(&[Certificate::from_der(&der).unwrap()], &mut headers);
    headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn verified_client_gets_in_and_its_identity_reaches_the_backend() {
    let running = start("verify", &[]).await;
    let answer = running.get("orders", "/orders/7").await;
    assert_eq!(answer.status, 200, "{:#?}", running.function_log());
    assert_eq!(answer.seen("X-Client-Cert-Sub"), "CN=orders,O=Acme,C=US");
    assert_eq!(status(&running, &Client::named("billing"), &[]).await, Some(403));
    assert_eq!(last_reason(&running, 2).await, "no-client-matched");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_certificate_ends_the_connection_in_verify_mode() {
    let running = start("verify", &[]).await;
    for (client, why) in [
        (Client::named("expired"), "invalid peer certificate: Expired"),
        (Client::named("other-ca"), "invalid peer certificate: UnknownIssuer"),
        (Client::none(), "no client certificate"),
    ] {
        assert_eq!(status(&running, &client, &[]).await, None, "{why}");
        running.logged(why).await;
    }
    assert_eq!(status(&running, &Client::named("orders"), &[]).await, Some(200));
    assert_eq!(running.decisions(1).await.len(), 1, "nobody asks about a connection that ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn header_beside_the_load_balancers_own_is_refused() {
    let running = start("verify", &[]).await;
    let billing = Client::named("billing");
    let orders = Client::named("orders");
    let mut count = 0;
    // Billing says that it is orders, in each header by itself and in all of them.
    let forged = said_about(&balancer("verify"), "orders");
    assert_eq!(forged.len(), 5);
    let forged: Vec<(&str, &str)> =
        forged.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for headers in forged.chunks(1).chain([forged.as_slice()]) {
        for client in [&billing, &orders] {
            assert_eq!(status(&running, client, headers).await, Some(403), "{}", headers[0].0);
            count += 1;
            assert_eq!(last_reason(&running, count).await, "header-mismatch");
        }
    }
    // Under AWS's own names, to which nobody listens here.
    let unheard = [("X-Amzn-Mtls-Clientcert-Leaf", "forged")];
    assert_eq!(status(&running, &orders, &unheard).await, Some(200));
    assert_eq!(status(&running, &billing, &unheard).await, Some(403));
}

#[tokio::test(flavor = "multi_thread")]
async fn authorizer_judges_what_is_passed_through() {
    let running = start("passthrough", &[]).await;
    let mut count = 0;
    for (client, expected, reason) in [
        (Client::named("orders"), 200, "allowed"),
        (Client::named("billing"), 403, "no-client-matched"),
        (Client::named("expired"), 403, "certificate-expired"),
        (Client::named("other-ca"), 403, "untrusted-chain"),
        (Client::none(), 403, "no-client-certificate"),
    ] {
        assert_eq!(status(&running, &client, &[]).await, Some(expected), "{reason}");
        count += 1;
        assert_eq!(last_reason(&running, count).await, reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_chain_is_refused_unless_the_name_was_given_away() {
    let running = start("passthrough", &[]).await;
    let chain = said_about(&balancer("passthrough"), "orders");
    let [(name, value)] = chain.as_slice() else { panic!("{chain:?}") };
    let default = HeaderNames::default().chain;
    for (client, header, expected, reason) in [
        (Client::named("billing"), name.as_str(), Some(403), "header-mismatch"),
        (Client::named("orders"), name, Some(403), "header-mismatch"),
        (Client::none(), &default, Some(403), "no-client-certificate"),
        (Client::named("orders"), &default, Some(200), "allowed"),
        // Why the name must be one that nobody guesses: this client has shown no key at all.
        (Client::none(), name, Some(200), "allowed"),
    ] {
        let count = running.decisions(0).await.len();
        assert_eq!(status(&running, &client, &[(header, value)]).await, expected, "{reason}");
        assert_eq!(last_reason(&running, count + 1).await, reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_answers_are_shared_by_nobody() {
    for mode in ["verify", "passthrough"] {
        let running = start(mode, &[("CacheTtlSeconds", "300")]).await;
        assert_eq!(running.get("orders", "/orders/7").await.status, 200);
        assert_eq!(running.get("orders", "/orders/8").await.status, 200);
        assert_eq!(running.get("billing", "/orders/7").await.status, 403);
        let cached = running.log().iter().filter(|line| line.ends_with("from the cache")).count();
        assert_eq!(cached, 1, "{:#?}", running.log());
    }
}

#[test]
fn names_and_mode_are_those_of_the_listener() {
    let verify = balancer("verify");
    assert_eq!(verify.mode, Mode::Verify);
    assert_eq!(verify.headers.leaf, "X-Acme-5d1f0c7e2a94-Leaf");
    assert_eq!(balancer("passthrough").mode, Mode::Passthrough);
    let public = template().parent().unwrap().join("http-api.yaml");
    assert_eq!(Balancer::read(&read_template(&public, &[])).unwrap(), None);
    let nameless = read_template(&template(), &[]);
    let error = Balancer::read(&nameless).unwrap_err().to_string();
    assert!(error.contains("is no header name"), "{error}");
}
