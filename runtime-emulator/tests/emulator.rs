//! The emulator against a bootstrap that behaves, and misbehaves, on request.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use runtime_emulator::{Bootstrap, Launch, LogStream, Outcome};

const PATIENCE: Duration = Duration::from_secs(60);
const BRIEF: Duration = Duration::from_millis(200);

fn launch() -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_fake-bootstrap")).timeout(PATIENCE).init_timeout(PATIENCE)
}

fn start() -> Bootstrap {
    launch().spawn().unwrap()
}

fn text(outcome: Outcome) -> String {
    match outcome {
        Outcome::Response(body) => String::from_utf8(body).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_come_back_and_the_next_call_is_served() {
    let mut bootstrap = start();
    for number in 0..50 {
        let event = format!("echo {number}");
        assert_eq!(text(bootstrap.invoke(event.as_bytes())), event);
    }
    assert!(bootstrap.is_running());
}

#[test]
fn an_event_carries_lambdas_headers() {
    let mut bootstrap = launch().function_name("orders").spawn().unwrap();
    let invocation = bootstrap.invoke_measured(b"headers");
    let head = text(invocation.outcome);
    let id = format!("lambda-runtime-aws-request-id: {}", invocation.request_id);
    assert!(head.contains(&id), "{head}");
    assert_eq!(invocation.request_id.len(), 36);
    assert!(head.contains("lambda-runtime-deadline-ms: 1"), "{head}");
    let arn = "lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:orders\r\n";
    assert!(head.contains(arn), "{head}");
    assert!(head.contains("lambda-runtime-trace-id: root=1-"), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
}

#[test]
fn the_environment_is_lambdas_own_and_what_was_set() {
    let variables = text(
        launch()
            .env("AUTHORIZER_CONFIG", "a.toml")
            .memory_mb(256)
            .spawn()
            .unwrap()
            .invoke(b"environment"),
    );
    let has = |line: &str| variables.lines().any(|found| found == line);
    assert!(has("AUTHORIZER_CONFIG=a.toml"), "{variables}");
    assert!(has("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256"), "{variables}");
    assert!(has("AWS_LAMBDA_FUNCTION_VERSION=$LATEST"), "{variables}");
    assert!(variables.contains("AWS_LAMBDA_RUNTIME_API=127.0.0.1:"), "{variables}");
    // Cargo sets this one for the test itself.
    assert!(!variables.contains("CARGO_MANIFEST_DIR="), "{variables}");
    let inherited = text(launch().inherit_env().spawn().unwrap().invoke(b"environment"));
    assert!(inherited.contains("CARGO_MANIFEST_DIR="), "{inherited}");
}

#[test]
fn six_megabytes_go_there_and_back() {
    let mut event = b"echo ".to_vec();
    event.resize(6 * 1024 * 1024, b'x');
    assert!(text(start().invoke(&event)).into_bytes() == event);
}

#[test]
fn chunked_answers_are_joined() {
    let mut event = b"chunked ".to_vec();
    event.resize(5000, b'x');
    assert_eq!(text(start().invoke(&event)).into_bytes(), event);
}

#[test]
fn an_answer_over_lambdas_limit_is_its_error() {
    let outcome = start().invoke(b"large");
    let Outcome::Error { error_type, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error_type.as_deref(), Some("Function.ResponseSizeTooLarge"));
}

#[test]
fn an_error_is_told_from_an_answer_and_the_next_call_is_served() {
    let mut bootstrap = start();
    let told = Outcome::Error { error_type: Some("Told".to_owned()), body: b"{}".to_vec() };
    assert_eq!(bootstrap.invoke(b"error"), told);
    assert_eq!(text(bootstrap.invoke(b"echo")), "echo");
}

#[test]
fn a_stream_that_breaks_off_is_an_error() {
    let broken =
        Outcome::Error { error_type: Some("Stream.Broken".to_owned()), body: b"hi".to_vec() };
    assert_eq!(start().invoke(b"broken-stream"), broken);
}

#[test]
fn an_answer_to_another_request_is_refused() {
    assert_eq!(text(start().invoke(b"wrong-id")), "HTTP/1.1 400 Bad Request");
}

#[test]
fn an_answer_to_another_invocation_of_the_request_is_refused() {
    let mut bootstrap = start();
    assert_eq!(text(bootstrap.invoke(b"own-invocation")), "own-invocation");
    assert_eq!(text(bootstrap.invoke(b"other-invocation")), "HTTP/1.1 410 Gone");
}

#[test]
fn the_first_of_two_answers_counts() {
    let mut bootstrap = start();
    assert_eq!(text(bootstrap.invoke(b"twice")), "once");
    assert_eq!(text(bootstrap.invoke(b"echo")), "echo");
}

#[test]
fn asking_for_an_event_before_answering_the_last_is_refused() {
    assert_eq!(text(start().invoke(b"impatient")), "HTTP/1.1 403 Forbidden");
}

#[test]
fn an_answer_may_come_on_another_connection() {
    let mut bootstrap = start();
    assert_eq!(text(bootstrap.invoke(b"new-connection")), "new-connection");
    assert_eq!(text(bootstrap.invoke(b"echo")), "echo");
}

#[test]
fn a_process_that_ends_is_noticed() {
    let mut bootstrap = start();
    let Outcome::Exited(Some(status)) = bootstrap.invoke(b"exit") else { panic!() };
    assert_eq!(status.code(), Some(7));
    assert!(!bootstrap.is_running());
    assert!(matches!(bootstrap.invoke(b"echo"), Outcome::Exited(Some(_))));
    let outcome = launch().arg("exit-at-start").spawn().unwrap().invoke(b"echo");
    let Outcome::Exited(Some(status)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(status.code(), Some(3));
}

#[test]
fn last_words_count() {
    for _ in 0..20 {
        let mut bootstrap = start();
        assert_eq!(text(bootstrap.invoke(b"answer-and-exit")), "last words");
        assert!(matches!(bootstrap.invoke(b"echo"), Outcome::Exited(Some(_))));
    }
}

#[test]
fn a_process_that_cannot_initialise_says_so() {
    for _ in 0..20 {
        let outcome = launch().arg("init-error").spawn().unwrap().invoke(b"echo");
        let Outcome::InitError { error_type, body } = outcome else { panic!("{outcome:?}") };
        assert_eq!(error_type.as_deref(), Some("Config.Invalid"));
        assert_eq!(body, b"{\"errorType\":\"Config.Invalid\"}");
    }
}

#[test]
fn a_process_that_overruns_its_time_is_ended() {
    let mut bootstrap = launch().timeout(BRIEF).spawn().unwrap();
    assert_eq!(bootstrap.invoke(b"hang"), Outcome::TimedOut);
    assert!(!bootstrap.is_running());
    assert!(matches!(bootstrap.invoke(b"echo"), Outcome::Exited(_)));
    let never = launch().arg("never-ready").timeout(BRIEF).init_timeout(BRIEF).spawn();
    assert_eq!(never.unwrap().invoke(b"echo"), Outcome::TimedOut);
}

#[test]
fn one_launch_starts_several_environments() {
    let launch = launch();
    let mut environments: Vec<_> = (0..4).map(|_| launch.spawn().unwrap()).collect();
    thread_each(&mut environments, |environment, number| {
        let event = format!("echo {number}");
        assert_eq!(text(environment.invoke(event.as_bytes())), event);
    });
    assert!(matches!(environments.first_mut().unwrap().invoke(b"exit"), Outcome::Exited(_)));
    *environments.first_mut().unwrap() = launch.spawn().unwrap();
    assert_eq!(text(environments.first_mut().unwrap().invoke(b"echo again")), "echo again");
}

fn thread_each(environments: &mut [Bootstrap], job: impl Fn(&mut Bootstrap, usize) + Sync) {
    std::thread::scope(|scope| {
        for (number, environment) in environments.iter_mut().enumerate() {
            let job = &job;
            scope.spawn(move || job(environment, number));
        }
    });
}

#[test]
fn lines_of_both_streams_are_kept() {
    let mut bootstrap = start();
    bootstrap.invoke(b"error");
    let line = bootstrap.log_line(PATIENCE, |line| line.text == "event of 5 bytes").unwrap();
    assert_eq!(line.stream, LogStream::Stdout);
    let line = bootstrap.log_line(PATIENCE, |line| line.text == "failing as told").unwrap();
    assert_eq!(line.stream, LogStream::Stderr);
    assert_eq!(bootstrap.take_log().len(), 2);
    assert!(bootstrap.log().is_empty());
    bootstrap.kill();
    assert_eq!(bootstrap.log_line(PATIENCE, |_| true), None);
}

#[test]
fn lines_go_to_whoever_asked_for_them() {
    let seen = Arc::new((Mutex::new(Vec::new()), std::sync::Condvar::new()));
    let of_sink = Arc::clone(&seen);
    let launch = launch().on_log_line(move |line| {
        of_sink.0.lock().unwrap().push(line.text.clone());
        of_sink.1.notify_all();
    });
    let mut bootstrap = launch.spawn().unwrap();
    assert_eq!(text(bootstrap.invoke(b"echo")), "echo");
    let lines = seen.1.wait_while(seen.0.lock().unwrap(), |lines| lines.is_empty()).unwrap();
    assert_eq!(*lines, ["event of 4 bytes"]);
    assert!(bootstrap.log().is_empty());
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    assert!(Launch::new("/nowhere/bootstrap").spawn().is_err());
}
