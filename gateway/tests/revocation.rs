//! A revocation, seen from the client: one command, and the next call is denied.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

mod support;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use mtls_gateway::clock::Clock;
use mtls_gateway::ocsp::{self, Responder};
use mtls_gateway::pki::PkiError;
use mtls_gateway::revocation::{Check, Revocation, tables, time_to_show};
use support::{Setup, pki, skip, use_time_of_day};
use time::OffsetDateTime;
use tokio::net::TcpListener;

const ANYBODY: &str = "[[client]]\nid = \"anybody\"\nany = true\nallow = [\"*\"]\n";

async fn responder() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let responder = Responder::new(Revocation::of(pki()).unwrap(), Clock::system());
    tokio::spawn(ocsp::serve(listener, Arc::new(responder)));
    address
}

/// As the program does it.
async fn change(change: impl FnOnce(&Revocation, OffsetDateTime) -> Result<(), PkiError>) {
    let revocation = Revocation::of(pki()).unwrap();
    change(&revocation, OffsetDateTime::now_utc()).unwrap();
    let now = OffsetDateTime::now_utc();
    while OffsetDateTime::now_utc() < now + time_to_show(now) {
        tokio::task::yield_now().await;
    }
}

/// One after the other: there is one record of revocations.
#[tokio::test(flavor = "multi_thread")]
async fn revoked_client_is_denied_at_its_next_call_and_no_other_is() {
    use_time_of_day();
    for check in [Check::Crl, Check::Ocsp] {
        let address = responder().await;
        let setup = Setup::new("rest.yaml").authorizer(ANYBODY);
        let running = setup.tables(tables(pki(), check, address)).start().await;
        let status = async |client| running.get(client, "/orders/7").await.status;
        assert_eq!(status("orders").await, 200, "{:#?}", running.function_log());
        assert_eq!(status("billing").await, 200);
        assert_eq!(status("revoked").await, 403);

        change(|ca, now| ca.revoke("orders", now)).await;
        assert_eq!(status("orders").await, 403, "{check:?}");
        assert_eq!(status("billing").await, 200, "{check:?}");
        change(|ca, now| ca.unrevoke("orders", now)).await;
        assert_eq!(status("orders").await, 200, "{check:?}");

        let decisions = running.decisions(6).await;
        let denied: Vec<_> =
            decisions.iter().filter(|decision| decision["decision"] == "Deny").collect();
        assert_eq!(denied.len(), 2, "{decisions:#?}");
        for decision in denied {
            assert_eq!(decision["reason"], "revoked");
            assert_eq!(decision["revocation_reason"], "keyCompromise");
        }
        assert!(running.log().iter().any(|line| line.ends_with("(revoked)")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_list_and_its_responder_nobody_gets_in() {
    use_time_of_day();
    // Nobody listens on port 1.
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let setup = Setup::new("rest.yaml").authorizer(ANYBODY);
    let running = setup.tables(tables(pki(), Check::Ocsp, nobody)).start().await;
    assert_eq!(running.get("billing", "/orders/7").await.status, 403);
    assert_eq!(running.decisions(1).await[0]["reason"], "revocation-unknown");
}

/// The answers are read by somebody who has not written them.
#[tokio::test(flavor = "multi_thread")]
async fn responder_is_understood_by_openssl() {
    use_time_of_day();
    let program = Command::new("openssl").arg("version").output();
    if program.is_err() {
        skip("responder_is_understood_by_openssl", "openssl");
        return;
    }
    let url = format!("http://{}", responder().await);
    let store = pki().file("truststore.pem");
    for (client, by, said) in [
        ("billing", "-sha1", "billing.pem: good"),
        ("revoked", "-sha256", "revoked.pem: revoked"),
        ("other-ca", "-sha1", "other-ca.pem: unknown"),
    ] {
        let output = tokio::process::Command::new("openssl")
            .args(["ocsp", "-no_nonce", by, "-url", &url, "-issuer"])
            .arg(&store)
            .arg("-CAfile")
            .arg(&store)
            .arg("-cert")
            .arg(pki().file(&format!("{client}.pem")))
            .output()
            .await
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("Response verify OK") && text.contains(said), "{client}: {text}");
    }
}

#[tokio::test]
async fn client_that_does_not_exist_can_not_be_revoked() {
    use_time_of_day();
    let revocation = Revocation::of(pki()).unwrap();
    let error = revocation.revoke("nobody", OffsetDateTime::now_utc()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`nobody` is none of the clients orders, billing, expired, revoked"
    );
}
