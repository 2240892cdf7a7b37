//! The program itself: its options, its mistakes, its end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use support::{ORDERS, directory, fixture, skip};

fn gateway(arguments: &[&str]) -> Command {
    gateway_in(&directory(), arguments)
}

/// With the throwaway certificates in this directory.
fn gateway_in(target: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtls-gateway"));
    command.args(arguments).env("CARGO_TARGET_DIR", target);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A gateway that has printed what to try.
struct Started {
    child: Child,
    commands: Vec<(String, String)>,
    port: String,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(template: &Path, program: &str, config: &Path, more: &[&str]) -> Started {
    start_in(&directory(), template, program, config, more)
}

fn start_in(
    target: &Path,
    template: &Path,
    program: &str,
    config: &Path,
    more: &[&str],
) -> Started {
    let mut arguments = vec!["--port", "0", "--template", text(template), "--authorizer", program];
    arguments.extend(["--config", text(config)]);
    arguments.extend(more);
    let mut child = gateway_in(target, &arguments).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let mut lines: Vec<String> = Vec::new();
    for line in stdout.lines() {
        let line = line.unwrap();
        let last = line.starts_with("Ctrl-C");
        lines.push(line);
        if last {
            break;
        }
    }
    if lines.is_empty() {
        let mut error = String::new();
        child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        panic!("it does not start: {error}");
    }
    let port = lines[0].split("localhost:").nth(1).unwrap();
    let port = port.chars().take_while(char::is_ascii_digit).collect();
    let commands = lines
        .windows(2)
        .filter(|pair| pair[1].starts_with("curl"))
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect();
    Started { child, commands, port }
}

fn policy() -> PathBuf {
    let path = directory().join("allowed.txt");
    std::fs::write(&path, format!("{ORDERS}\n")).unwrap();
    path
}

const FAKE: &str = env!("CARGO_BIN_EXE_fake-authorizer");

/// Whether a program is there; in CI it must be.
fn has(program: &str, test: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        skip(test, program);
    }
    found
}

#[test]
fn printed_commands_answer_as_the_line_above_them_says() {
    if !has("curl", "printed_commands_answer_as_the_line_above_them_says") {
        return;
    }
    for (template, denied) in [
        (
            "rest.yaml",
            r#"403 {"Message":"User is not authorized to access this resource with an explicit deny"}"#,
        ),
        ("http.yaml", r#"403 {"message":"Forbidden"}"#),
    ] {
        let started = start(&fixture(template), FAKE, &policy(), &[]);
        let forbidden = r#"403 {"message":"Forbidden"}"#;
        let expected = [
            ("Allowed: 200 and the headers that reached the backend", "200 {"),
            (&*format!("Unknown to the policy: {denied}"), denied),
            (&*format!("Expired: {forbidden}"), forbidden),
            ("No certificate: no answer, the connection ends in the handshake (curl: 56)", "000 "),
            (&*format!("From another CA: {forbidden}"), forbidden),
        ];
        assert_eq!(started.commands.len(), expected.len());
        for ((said, command), (expected, result)) in started.commands.iter().zip(expected) {
            assert_eq!(said, expected);
            let output = Command::new("sh").args(["-c", command]).output().unwrap();
            let output = String::from_utf8(output.stdout).unwrap();
            let (body, status) = output.trim_end().rsplit_once('\n').unwrap_or(("", output.trim()));
            assert!(format!("{status} {}", body.trim()).starts_with(result), "{command}: {output}");
            if result.starts_with("200") {
                assert!(
                    output.contains(&format!("\"X-Client-Cert-Sub\": \"{ORDERS}\"")),
                    "{output}"
                );
            }
        }
    }
}

/// The status that a command of the shell prints, 000 where there was no answer.
fn status_of(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    output.trim_end().lines().next_back().unwrap_or_default().to_owned()
}

const POLICY: &str = r#"
[[client]]
id = "orders-service"
subject = { CN = "orders", O = "Acme" }
issuer = { CN = "Acme Issuing CA", O = "Acme" }
allow = ["GET /orders/*"]
"#;

#[test]
fn one_command_revokes_and_the_next_call_is_denied() {
    if !has("curl", "one_command_revokes_and_the_next_call_is_denied") {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let private = root.join("deploy/private-api.yaml");
    let headers = ["leaf", "serial_number", "subject", "issuer", "validity"];
    let ends = ["Leaf", "Serial", "Subject", "Issuer", "Validity"];
    let named: String = headers
        .iter()
        .zip(ends)
        .map(|(key, end)| format!("headers.{key} = \"X-Acme-5d1f0c7e2a94-{end}\"\n"))
        .collect();
    let prefix = "HeaderPrefix=X-Acme-5d1f0c7e2a94";
    let verify = format!("[source]\n{named}");
    let passthrough = "[source]\nheaders.chain = \"X-Acme-5d1f0c7e2a94-Chain\"\n";
    for (template, source, more) in [
        (fixture("rest.yaml"), "", &["--revocation", "crl"][..]),
        (fixture("http.yaml"), "", &["--revocation", "ocsp"]),
        (
            private.clone(),
            &*verify,
            &["--mode", "alb-verify", "--revocation", "crl", "--parameter", prefix],
        ),
        (
            private,
            passthrough,
            &["--mode=alb-passthrough", "--revocation=ocsp", "--parameter", prefix],
        ),
    ] {
        let target = directory();
        let config = target.join("authorizer.toml");
        std::fs::write(&config, format!("{source}{POLICY}")).unwrap();
        let program = support::authorizer();
        let started = start_in(&target, &template, text(&program), &config, more);
        for (said, command) in &started.commands {
            let (who, expected) = said.split_once(": ").unwrap();
            let expected = if expected.starts_with("no answer") {
                "000"
            } else {
                expected.split(' ').next().unwrap()
            };
            assert_eq!(status_of(command), expected, "{more:?} {who}: {command}");
        }
        assert!(started.commands.iter().any(|(said, _)| said.starts_with("Revoked: 403 ")));
        let (_, allowed) = &started.commands[0];
        for (what, expected) in [("revoke", "403"), ("unrevoke", "200")] {
            assert!(gateway_in(&target, &[what, "orders"]).status().unwrap().success());
            assert_eq!(status_of(allowed), expected, "{more:?} {what}");
        }
    }
}

#[cfg(unix)]
#[test]
fn interrupt_ends_it_and_its_authorizer() {
    let mut started = start(&fixture("rest.yaml"), FAKE, &policy(), &[]);
    let mut lines = BufReader::new(started.child.stderr.take().unwrap()).lines();
    let authorizer = lines
        .find_map(|line| Some(line.unwrap().trim().strip_prefix("process ")?.to_owned()))
        .unwrap();
    let signal = |signal: &str, id: &str| {
        Command::new("kill").args([signal, id]).stderr(Stdio::null()).status().unwrap().success()
    };
    assert!(signal("-0", &authorizer));
    assert!(signal("-INT", &started.child.id().to_string()));
    assert!(started.child.wait().unwrap().success());
    assert_eq!(lines.last().unwrap().unwrap(), "stopping");
    assert!(!signal("-0", &authorizer), "the authorizer lives on");
}

#[test]
fn mistakes_are_one_clear_line() {
    let rest = fixture("rest.yaml");
    let missing = directory().join("missing");
    let odd = directory().join("odd");
    std::fs::write(&odd, "not what is needed: [").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (rest, missing, odd) = (text(&rest), text(&missing), text(&odd));
    for (arguments, message) in [
        (
            vec!["--port", port.as_str(), "--template", rest],
            format!("port {port} is in use: choose another one with `--port`"),
        ),
        (
            vec!["--port", "0", "--template", missing],
            format!("`{missing}` can't be read: No such file or directory (os error 2)"),
        ),
        (
            vec!["--port", "0", "--template", rest, "--trust-store", missing],
            format!("`{missing}` can't be read: No such file or directory (os error 2)"),
        ),
        (
            vec!["--port", "0", "--template", rest, "--trust-store", odd],
            format!("`{odd}` is no trust store: it holds no PEM certificate"),
        ),
        (
            vec!["--port", "0", "--template", rest, "--authorizer", missing],
            format!("`{missing}` can't be run: No such file or directory (os error 2)"),
        ),
        (
            vec!["--port", "0", "--template", rest, "--authorizer", odd],
            "the authorizer does not start: it can't be started: Permission denied (os error 13)"
                .to_owned(),
        ),
        (
            vec!["--port", "0", "--template", rest, "--authorizer", FAKE, "--config", missing],
            format!("`{missing}` can't be read: No such file or directory (os error 2)"),
        ),
        (
            vec!["--port", "0", "--template", rest, "--parameter", "Nobody=1"],
            format!("{rest}:6: `Nobody` is no parameter of this template"),
        ),
        (
            vec!["--port", "0", "--template", rest, "--api", "Nobody"],
            format!("{rest}:1: no API `Nobody` in the template"),
        ),
        (
            vec!["revoke", "orders"],
            "there are no throwaway certificates yet: start `cargo gateway` first".to_owned(),
        ),
        (
            vec!["--port", "0", "--template", rest, "--mode", "alb-verify"],
            format!("{rest}:6: `HeaderPrefix` is no parameter of this template"),
        ),
        (
            vec!["--port", "0", "--template", rest, "--trust-store", odd, "--revocation", "crl"],
            "`--revocation` is about the throwaway certificates, in whose place `--trust-store` puts others"
                .to_owned(),
        ),
        (vec!["--prot", "0"], "`--prot` is no option; `--help` lists them".to_owned()),
    ] {
        let output = gateway(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(error, format!("error: {message}\n"), "{arguments:?}");
    }
    let output = gateway(&["--port", "0", "--template", odd]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with(&format!("error: {odd}:")) && error.lines().count() == 1, "{error}");
}

#[test]
fn help_teaches() {
    let output = gateway(&["--help"]).output().unwrap();
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("cargo gateway --trust-store ca.pem"));
    assert!(help.lines().all(|line| line.chars().count() <= 100));
}

#[cfg(unix)]
#[test]
fn keys_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let files: Vec<_> = std::fs::read_dir(support::pki().file("")).unwrap().collect();
    assert!(files.len() >= 13, "{files:?}");
    for file in files {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.path().display());
    }
}

#[test]
fn backend_gets_what_was_mapped() {
    use std::io::Write as _;
    use std::net::TcpListener;
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/base", backend.local_addr().unwrap());
    let started = start(&fixture("rest.yaml"), FAKE, &policy(), &["--backend", &url]);
    if !has("curl", "backend_gets_what_was_mapped") {
        return;
    }
    let (_, command) = &started.commands[0];
    let command = format!("{command} -d body -H 'X-Client-Cert-Sub: forged'");
    let client = std::thread::spawn(move || Command::new("sh").args(["-c", &command]).output());
    let (mut stream, _) = backend.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let mut body = [0; 4];
    reader.read_exact(&mut body).unwrap();
    stream
        .write_all(b"HTTP/1.1 201 Created\r\nX-Own: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
        .unwrap();
    drop(stream);
    let output = client.join().unwrap().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "ok\n201\n");
    assert_eq!(lines[0], "POST /base/orders/7?from=gateway HTTP/1.1");
    assert_eq!(&body, b"body");
    assert!(lines.contains(&format!("X-Client-Cert-Sub: {ORDERS}")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("forged") && !line.starts_with("X-Event")));
    assert!(started.port.parse::<u16>().is_ok());
}
