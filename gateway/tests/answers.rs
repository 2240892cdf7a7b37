//! What becomes of each answer, and of none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

mod support;

use std::time::Duration;

use support::Setup;

/// Path, and status, error type and body in a REST API, and what the log says.
const FAILURES: &[(&str, u16, &str, &str, &str)] = &[
    ("/crash", 500, "AuthorizerFailureException", r#"{"message":null}"#, "exit status: 3"),
    ("/error", 500, "AuthorizerFailureException", r#"{"message":null}"#, "Boom: boom"),
    ("/hang", 500, "AuthorizerFailureException", r#"{"message":null}"#, "took too long"),
    (
        "/unauthorized",
        401,
        "UnauthorizedException",
        r#"{"message":"Unauthorized"}"#,
        "Unauthorized",
    ),
    (
        "/not-json",
        500,
        "AuthorizerConfigurationException",
        r#"{"message":null}"#,
        "not a JSON object",
    ),
    (
        "/no-principal",
        500,
        "AuthorizerConfigurationException",
        r#"{"message":null}"#,
        "principalId",
    ),
    ("/object-context", 500, "AuthorizerConfigurationException", r#"{"message":null}"#, "`calls`"),
];

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_the_authorizer_are_told_as_api_gateway_tells_them() {
    let mut setup = Setup::new("rest.yaml");
    setup.launch = Box::new(|launch| launch.timeout(Duration::from_millis(500)));
    let running = setup.start().await;
    for (path, status, error_type, body, reason) in FAILURES {
        let answer = running.get("orders", path).await;
        assert_eq!((answer.status, answer.body.as_str()), (*status, *body), "{path}");
        assert_eq!(answer.headers["x-amzn-errortype"], *error_type, "{path}");
        let log = running.log();
        assert!(log.last().unwrap().contains(reason), "{path}: {log:?}");
        // The next call is served, by a new process if need be.
        assert_eq!(running.get("orders", "/orders/7").await.status, 200, "after {path}");
    }
    assert_eq!(running.get("orders", "/crashed").await.status, 200, "the twin of `/crash`");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_api_answers_500_and_allows_objects_in_the_context() {
    let running = Setup::new("http.yaml").start().await;
    for path in ["/crash", "/error", "/not-json", "/no-principal"] {
        let answer = running.get("orders", path).await;
        let expected = (500, r#"{"message":"Internal Server Error"}"#);
        assert_eq!((answer.status, answer.body.as_str()), expected, "{path}");
    }
    assert_eq!(running.get("orders", "/unauthorized").await.status, 401);
    let answer = running.get("orders", "/object-context").await;
    assert!(answer.seen("X-Calls").as_str().unwrap().starts_with("{\"of\":"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn process_serves_one_call_after_the_other_and_is_replaced_when_it_ends() {
    let running = Setup::new("rest.yaml").start().await;
    for calls in 1..=3 {
        assert_eq!(running.get("orders", "/orders/7").await.seen("X-Calls"), calls.to_string());
    }
    running.get("orders", "/crash").await;
    assert_eq!(running.get("orders", "/orders/7").await.seen("X-Calls"), "1");
    let started = |line: &&String| *line == "fake authorizer started";
    assert_eq!(running.function_log().iter().filter(started).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_call_holds_nobody_up() {
    let mut setup = Setup::new("rest.yaml");
    setup.launch = Box::new(|launch| launch.timeout(Duration::from_secs(60)));
    let running = setup.start().await;
    let hanging = running.get("orders", "/hang");
    tokio::select! {
        _ = hanging => panic!("it answered"),
        answer = async {
            // A process is up, so the hanging call has one of its own or waits for one.
            running.get("orders", "/orders/7").await;
            running.get("orders", "/orders/7").await
        } => assert_eq!(answer.status, 200),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_failed_call_is_cached() {
    let running = Setup::new("rest.yaml").parameter("Ttl", "300").start().await;
    assert_eq!(running.get("orders", "/crash").await.status, 500);
    assert_eq!(running.get("orders", "/unauthorized").await.status, 401);
    assert_eq!(running.get("orders", "/orders/7").await.status, 200);
}
