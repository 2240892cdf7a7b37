//! What is printed at the start: where it listens, what it does not represent, what to try.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mtls_gateway::api::Api;
use mtls_gateway::arguments::Arguments;
use mtls_gateway::backend::Backend;
use mtls_gateway::gateway::Gateway;
use mtls_gateway::pki::Pki;
use mtls_gateway::template::Template;

/// A command to try: what to expect, and which certificate to show.
struct Try {
    expect: String,
    certificate: Option<&'static str>,
}

/// The text to print.
pub(crate) fn text(
    gateway: &Gateway,
    template: &Template,
    arguments: &Arguments,
    pki: &Pki,
    port: u16,
) -> String {
    let api = &gateway.api;
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "Serving `{}` of {} on https://localhost:{port}, calls go to {}",
        api.name,
        template.name(),
        match &gateway.backend {
            Backend::Echo => "the built-in echo".to_owned(),
            Backend::Server(url) => url.to_string(),
            Backend::Integration => "the template's integrations".to_owned(),
        }
    );
    for note in &api.notes {
        let _ = writeln!(text, "  {}:{}: {}", template.name(), note.line, note.text);
    }
    let stand_ins: Vec<&str> = template.stand_ins().map(|(name, _)| name).collect();
    if !stand_ins.is_empty() {
        let _ = writeln!(
            text,
            "  parameters without a value, which stand-ins take the place of: {}",
            stand_ins.join(", ")
        );
    }
    for Try { expect, certificate } in tries(api, arguments) {
        let command = command(api, arguments, pki, port, certificate);
        let _ = write!(text, "\n{expect}\n{command}\n");
    }
    text.push_str("\nCtrl-C ends it. One line is logged for each request.");
    text
}

fn tries(api: &Api, arguments: &Arguments) -> Vec<Try> {
    let refusal = |kind: &str, own: &str| match api.responses.get(kind) {
        Some(response) => {
            let status = response.status.unwrap_or(403);
            let body = response.template.clone().unwrap_or_else(|| own.to_owned());
            format!("{status} {body}")
        }
        None => format!("403 {own}"),
    };
    let own = match api.kind {
        mtls_gateway::api::Kind::Rest => {
            r#"{"Message":"User is not authorized to access this resource with an explicit deny"}"#
        }
        mtls_gateway::api::Kind::Http => r#"{"message":"Forbidden"}"#,
    };
    let denied = refusal("ACCESS_DENIED", own);
    let forbidden = r#"403 {"message":"Forbidden"}"#;
    let none = Try {
        expect: "No certificate: no answer, the connection ends in the handshake (curl: 56)"
            .to_owned(),
        certificate: None,
    };
    if arguments.trust_store.is_some() {
        let own = Try {
            expect: "With a certificate of your trust store: what the authorizer says".to_owned(),
            certificate: Some("CLIENT"),
        };
        return vec![own, none];
    }
    let expect = |who: &str, answer: &str, certificate| Try {
        expect: format!("{who}: {answer}"),
        certificate: Some(certificate),
    };
    vec![
        expect("Allowed", "200 and the headers that reached the backend", "orders"),
        expect("Unknown to the policy", &denied, "billing"),
        expect("Expired", forbidden, "expired"),
        none,
        expect("From another CA", forbidden, "other-ca"),
    ]
}

fn command(
    api: &Api,
    arguments: &Arguments,
    pki: &Pki,
    port: u16,
    certificate: Option<&str>,
) -> String {
    let shown = |path: PathBuf| shell(&near(&path));
    let mut command =
        format!("curl -sS -w '\\n%{{http_code}}\\n' --cacert {}", shown(pki.file("server-ca.pem")));
    match certificate {
        Some("CLIENT") => command.push_str(" --cert client.pem --key client-key.pem"),
        Some(name) => {
            let certificate = shown(pki.file(&format!("{name}.pem")));
            let key = shown(pki.file(&format!("{name}-key.pem")));
            let _ = write!(command, " --cert {certificate} --key {key}");
        }
        None => {}
    }
    let _ = arguments;
    let base = if api.base_path.is_empty() { String::new() } else { format!("/{}", api.base_path) };
    let _ = write!(command, " https://localhost:{port}{base}/orders/7");
    command
}

/// A path from the working directory where it lies below it.
fn near(path: &Path) -> String {
    let directory = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&directory).unwrap_or(path).display().to_string()
}

/// A word of a shell.
fn shell(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
