//! What is printed at the start: where it listens, what it does not represent, what to try.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mtls_gateway::api::Api;
use mtls_gateway::arguments::Arguments;
use mtls_gateway::backend::Backend;
use mtls_gateway::balancer::Mode;
use mtls_gateway::gateway::Gateway;
use mtls_gateway::pki::Pki;
use mtls_gateway::template::Template;

/// A command to try: what to expect, and which certificate to show.
struct Try {
    expect: String,
    certificate: Option<&'static str>,
    /// A header of the client's own.
    header: Option<String>,
}

/// The text to print.
pub(crate) fn text(
    gateway: &Gateway,
    template: &Template,
    arguments: &Arguments,
    pki: &Pki,
    port: u16,
    checks_revocation: bool,
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
    if let Some(balancer) = &gateway.balancer {
        let _ = writeln!(
            text,
            "  a load balancer in front does mutual TLS ({}) and sends certificates in headers",
            balancer.mode.kind()
        );
    }
    for Try { expect, certificate, header } in tries(gateway, arguments, checks_revocation) {
        let mut command = command(api, pki, port, certificate);
        if let Some(header) = header {
            let _ = write!(command, " -H {}", shell(&header));
        }
        let _ = write!(text, "\n{expect}\n{command}\n");
    }
    if checks_revocation {
        text.push_str(
            "\nRevocation: run `cargo gateway revoke orders` beside this, repeat the first command \
             and expect\nthe answer of a revoked client; `cargo gateway unrevoke orders` takes it \
             back.\n",
        );
    }
    text.push_str("\nCtrl-C ends it. One line is logged for each request.");
    text
}

fn tries(gateway: &Gateway, arguments: &Arguments, checks_revocation: bool) -> Vec<Try> {
    let api = &gateway.api;
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
    let forbidden = r#"403 {"message":"Forbidden"}"#.to_owned();
    let ended = "no answer, the connection ends in the handshake (curl: 56)".to_owned();
    let mode = gateway.balancer.as_ref().map(|balancer| balancer.mode);
    // Who refuses a certificate that is not trusted, and one that is not there.
    let (untrusted, absent) = match mode {
        None => (forbidden, ended),
        Some(Mode::Verify) => (ended.clone(), ended),
        Some(Mode::Passthrough) => (denied.clone(), denied.clone()),
    };
    let expect = |who: &str, answer: &str, certificate| Try {
        expect: format!("{who}: {answer}"),
        certificate,
        header: None,
    };
    let none = expect("No certificate", &absent, None);
    if arguments.trust_store.is_some() {
        let own = Try {
            expect: "With a certificate of your trust store: what the authorizer says".to_owned(),
            certificate: Some("CLIENT"),
            header: None,
        };
        return vec![own, none];
    }
    let mut tries = vec![
        expect("Allowed", "200 and the headers that reached the backend", Some("orders")),
        expect("Unknown to the policy", &denied, Some("billing")),
        expect("Expired", &untrusted, Some("expired")),
        none,
        expect("From another CA", &untrusted, Some("other-ca")),
    ];
    if checks_revocation {
        tries.push(expect("Revoked", &denied, Some("revoked")));
    }
    if let Some(balancer) = &gateway.balancer {
        let name = match balancer.mode {
            Mode::Verify => &balancer.headers.leaf,
            Mode::Passthrough => &balancer.headers.chain,
        };
        let mut forged =
            expect("A forged header beside the load balancer's", &denied, Some("orders"));
        forged.header = Some(format!("{name}: forged"));
        tries.push(forged);
    }
    tries
}

fn command(api: &Api, pki: &Pki, port: u16, certificate: Option<&str>) -> String {
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
