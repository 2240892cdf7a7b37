//! A build without the feature `network`: it decides by files as any other, and refuses a configuration that names
//! anything else, at start and with every fault at once. `tests/samples.rs` holds there too.

#![cfg(not(feature = "network"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod support;

use std::{path::Path, process::Output};

use mtls_authorizer::source::{
    Base, Rules, Source, SourceFault,
    Use::{self, Document, Responder, RevocationList, SigningKey},
};
use runtime_emulator::Launch;
use support::{
    function::{Function, bare, launch, launch_inline, refused},
    run_binary, scratch,
};

const WHY: &str = "this build reads files alone; it was made without the feature `network`";
const ARN: &str = "secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:k-AbCdEf";

/// Names everything that is no file, and files beside it.
const REMOTE: &str = r#"[trust]
anchors = ["pki/root.pem", "https://pki.example.com/ca.pem"]
intermediates = ["pki/issuing.pem", "s3://pki/issuing.pem"]
[revocation]
check = ["crl", "ocsp"]
crls = ["http://pki.example.com/a.crl", "pki/issuing.crl", "s3://pki/b.crl"]
deny_list = "s3://pki/emergency.txt"
ocsp_responder = "http://ocsp.example.com"
distribution_points = true
allowed_hosts = ["pki.example.com"]
[token]
issuer = "https://login.acme.example/"
jwks = "https://login.acme.example/jwks.json"
audience = ["https://api.acme.example"]
algorithms = ["ES256"]
[identity_token]
issuer = "https://api.acme.example"
key = ["ARN", "s3://pki/key.pem"]
audience = "backend"
[[client]]
id = "orders-service"
subject = { CN = "orders", O = "Acme" }
allow = ["*"]
"#;
/// The line and key of each.
const REMOTE_PLACES: [(usize, &str); 11] = [
    (2, "[trust]: anchors"),
    (3, "[trust]: intermediates"),
    (5, "[revocation]: check"),
    (6, "[revocation]: crls"),
    (6, "[revocation]: crls"),
    (7, "[revocation]: deny_list"),
    (8, "[revocation]: ocsp_responder"),
    (9, "[revocation]: distribution_points"),
    (13, "[token]: jwks"),
    (18, "[identity_token]: key"),
    (18, "[identity_token]: key"),
];

fn remote() -> String {
    REMOTE.replace("ARN", ARN)
}

/// Runs a command in the directory of the sample events, with nothing in the environment.
fn run(arguments: &[&str]) -> Output {
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    run_binary(&events, arguments, b"")
}

fn exit(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

fn lines(output: &Output) -> Vec<&str> {
    std::str::from_utf8(&output.stderr).unwrap().lines().collect()
}

/// Writes a document where the names of the samples' files hold.
fn beside_the_samples(scratch: &support::Scratch, document: &str) -> String {
    let pki = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/pki");
    let document = document.replace("\"pki/", &format!("\"{}/", pki.display()));
    scratch.write("authorizer.toml", document)
}

#[test]
fn files_are_all_that_a_decision_takes() {
    for (event, config, expected) in [
        ("rest-allow.json", "../authorizer.toml", 0),
        ("rest-other-client.json", "../authorizer.toml", 1),
        // Anchors.
        ("rest-allow.json", "trust.toml", 0),
        ("rest-impostor.json", "trust.toml", 1),
        // A revocation list.
        ("rest-allow.json", "revocation.toml", 0),
        ("rest-revoked.json", "revocation.toml", 1),
        // A key set.
        ("rest-token.json", "token.toml", 0),
        ("rest-token-forged.json", "token.toml", 1),
    ] {
        let decided = run(&["decide", event, "--config", config]);
        assert_eq!(exit(&decided), expected, "{event}, {config}: {:?}", lines(&decided));
    }
}

#[test]
fn a_configuration_of_files_is_valid_as_it_is_elsewhere() {
    for config in ["../authorizer.toml", "trust.toml", "revocation.toml", "token.toml"] {
        let checked = run(&["check", "--config", config]);
        assert_eq!(exit(&checked), 0, "{config}: {:?}", lines(&checked));
        assert!(!lines(&checked).iter().any(|line| line.contains(WHY)), "{:?}", lines(&checked));
    }
}

#[test]
fn everything_that_is_no_file_is_a_fault_and_all_are_told_at_once() {
    let scratch = scratch("offline_check");
    let config = beside_the_samples(&scratch, &remote());
    let checked = run(&["check", "--config", &config]);
    assert_eq!((exit(&checked), &*checked.stdout), (2, &b""[..]));
    let told = lines(&checked);
    assert_eq!(told.len(), REMOTE_PLACES.len(), "{told:#?}");
    for (fault, (line, key)) in told.iter().zip(REMOTE_PLACES) {
        assert!(fault.starts_with(&format!("{config}:{line}:")), "{fault}: line {line}");
        assert!(fault.contains(&format!(": {key}: ")), "{fault}: {key}");
        assert!(fault.ends_with(WHY), "{fault}");
    }
    // No other command goes on with it either.
    for arguments in [&["decide", "rest-allow.json"][..], &["explain", "pki/client.pem"], &["jwks"]]
    {
        let done = run(&[arguments, &["--config", &config]].concat());
        assert_eq!((exit(&done), &*done.stdout), (2, &b""[..]), "{arguments:?}");
        assert_eq!(lines(&done), told, "{arguments:?}");
    }
}

#[test]
fn each_remote_key_of_revocation_is_a_fault_by_itself() {
    let scratch = scratch("offline_keys");
    let trust = "[trust]\nanchors = [\"pki/root.pem\"]\nintermediates = [\"pki/issuing.pem\"]\n";
    let client = "[[client]]\nid = \"a\"\nany = true\nallow = [\"*\"]\n";
    let list = "check = [\"crl\"]\ncrls = [\"pki/issuing.crl\"]\n";
    for (more, faults) in [
        ("", 0),
        ("distribution_points = false\n", 0),
        ("distribution_points = true\nallowed_hosts = [\"pki.example.com\"]\n", 1),
        ("deny_list = \"https://pki.example.com/deny.txt\"\n", 1),
    ] {
        let document = format!("{trust}[revocation]\n{list}{more}{client}");
        let checked = run(&["check", "--config", &beside_the_samples(&scratch, &document)]);
        let told = lines(&checked).iter().filter(|line| line.ends_with(WHY)).count();
        assert_eq!(told, faults, "{more}: {:?}", lines(&checked));
        assert_eq!(exit(&checked), if faults == 0 { 0 } else { 2 }, "{more}");
    }
    let asked = "check = [\"ocsp\"]\nallowed_hosts = [\"ocsp.example.com\"]\n";
    let document = format!("{trust}[revocation]\n{asked}{client}");
    let checked = run(&["check", "--config", &beside_the_samples(&scratch, &document)]);
    let expected = format!(":5:10: [revocation]: check: \"ocsp\" asks a server, and {WHY}");
    assert_eq!(exit(&checked), 2);
    assert!(matches!(&*lines(&checked), [line] if line.ends_with(&expected)), "{checked:?}");
}

#[test]
fn the_function_does_not_start_with_a_source_that_it_could_not_read() {
    let at_the_samples = |launch: Launch| {
        launch.env("LAMBDA_TASK_ROOT", Path::new(env!("CARGO_MANIFEST_DIR")).join("events"))
    };
    let faults = refused(&at_the_samples(launch_inline(&remote())));
    assert_eq!(faults.len(), REMOTE_PLACES.len(), "{faults:#?}");
    for (fault, (line, key)) in faults.iter().zip(REMOTE_PLACES) {
        let place = format!("AUTHORIZER_CONFIG_TOML:{line}:");
        let told = fault.starts_with(&place) && fault.contains(key) && fault.ends_with(WHY);
        assert!(told, "{fault}: line {line}, {key}");
    }
    for source in ["s3://pki/authorizer.toml", "https://pki.example.com/authorizer.toml"] {
        let faults = refused(&at_the_samples(bare().env("AUTHORIZER_CONFIG", source)));
        let expected =
            format!("configuration: AUTHORIZER_CONFIG: `{source}` is no source here: {WHY}");
        assert_eq!(faults, [expected]);
    }
    // The twin, whose configuration is a file.
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/revocation.toml");
    let mut function = Function::start(&launch(&config));
    let event = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/rest-allow.json");
    let answer = function.call(std::fs::read(event).unwrap()).answer();
    assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Allow");
}

#[test]
fn a_file_is_the_one_kind_of_source() {
    let base = Base::Directory("/etc/authorizer".into());
    let read = |text: &str, used_as: Use| {
        let rules = Rules { used_as, base: &base, in_lambda: false };
        Source::parse(text, rules).map_err(|error| error.fault())
    };
    for (text, used_as) in [
        ("s3://pki/ca.pem", Document),
        ("s3://pki/a.crl", RevocationList),
        ("s3://pki/key.pem", SigningKey),
        ("https://pki.example.com/ca.pem", Document),
        ("https://pki.example.com/a.crl", RevocationList),
        ("https://ocsp.example.com", Responder),
        ("https://pki.example.com/key.pem", SigningKey),
        ("http://pki.example.com/a.crl", RevocationList),
        ("http://ocsp.example.com", Responder),
        ("http://localhost/ca.pem", Document),
        ("HTTPS://pki.example.com/ca.pem", Document),
        (ARN, SigningKey),
    ] {
        assert_eq!(read(text, used_as), Err(SourceFault::Offline), "{text}");
    }
    for (text, used_as) in [
        ("ca.pem", Document),
        ("/opt/ca.pem", Document),
        ("../a:b.pem", Document),
        ("a.crl", RevocationList),
        ("key.pem", SigningKey),
    ] {
        assert!(matches!(read(text, used_as), Ok(Source::File(_))), "{text}");
    }
}
