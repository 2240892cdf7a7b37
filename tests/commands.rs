//! The commands that people type, through the built binary: what they print where, and how they end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic
)]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use mtls_authorizer::{
    cli::{self, Exit, Terminal},
    timestamp::Timestamp,
};
use serde_json::Value;
use support::{run_binary, scratch};

/// How a command ended and what it printed.
struct Run {
    exit: i32,
    output: String,
    errors: String,
}

/// Runs the binary in the directory of the sample events, with nothing in the environment.
fn run(arguments: &[&str]) -> Run {
    run_with(arguments, b"")
}

fn run_with(arguments: &[&str], input: &[u8]) -> Run {
    let output = run_binary(&events(), arguments, input);
    Run {
        exit: output.status.code().expect("an exit code"),
        output: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

fn events() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("events")
}

const DEFAULT: &str = "../authorizer.toml";

impl Run {
    /// The checks of `explain`: each one's mark, and the line whole.
    fn checks(&self) -> Vec<(&str, &str)> {
        let after = self.output.split_once("decided for").expect("a report").1;
        let table = after.split("\n\n").nth(1).expect("a table of checks");
        table
            .lines()
            .filter(|line| !line.starts_with("    "))
            .map(|line| (line[2..].get(..12).unwrap_or(&line[2..]).trim(), line))
            .collect()
    }

    fn verdict(&self) -> &str {
        self.output.trim_end().lines().next_back().unwrap()
    }

    fn says(&self, line: &str) -> bool {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.output.lines().any(|printed| squeezed(printed) == line)
    }
}

#[test]
fn every_sample_event_is_explained_as_it_is_decided() {
    let expected = fs::read_to_string(events().join("expected.json")).unwrap();
    let expected: Vec<Value> = serde_json::from_str(&expected).unwrap();
    for case in &expected {
        let text = |key: &str| case[key].as_str();
        let mut arguments = vec!["explain", "--event", text("event").unwrap()];
        arguments.extend(["--config", text("config").unwrap()]);
        arguments.extend(text("at").into_iter().flat_map(|at| ["--at", at]));
        let told = run(&arguments);
        assert_eq!(case["exit"], told.exit, "{case}\n{}{}", told.output, told.errors);
        if told.exit == 2 {
            assert_eq!(told.output, "", "{case}");
            assert_eq!(told.errors.lines().count(), 1, "{case}: {}", told.errors);
            continue;
        }
        assert_eq!(told.errors, "", "{case}");
        let checks = told.checks();
        let failed = checks.iter().position(|(mark, _)| *mark == "FAILED");
        let reached = failed.unwrap_or(checks.len());
        for (position, (mark, line)) in checks.iter().enumerate() {
            let sound = match position.cmp(&reached) {
                std::cmp::Ordering::Less => ["passed", "not checked"].contains(mark),
                std::cmp::Ordering::Equal => line.ends_with(text("reason").unwrap()),
                std::cmp::Ordering::Greater => *mark == "not reached",
            };
            assert!(sound, "{case}\n{}", told.output);
        }
        let verdict = match text("reason") {
            None => "Allow: ".to_owned(),
            Some(reason) => format!("Deny: {reason}. "),
        };
        assert_eq!(failed.is_some(), text("reason").is_some(), "{case}\n{}", told.output);
        assert!(told.verdict().starts_with(&verdict), "{case}: {}", told.verdict());
        if let Some(client) = text("client") {
            assert!(told.output.contains(&format!("{client} (line ")), "{case}\n{}", told.output);
        }
    }
}

#[test]
fn a_certificate_is_explained_for_the_route_that_is_asked_for() {
    let explain = |route: &[&str]| {
        run(&[&["explain", "pki/client.pem", "--config", DEFAULT], route].concat())
    };
    let allowed = explain(&["--route", "GET /orders/7"]);
    assert_eq!((allowed.exit, allowed.verdict()), (0, "Allow: GET /orders/7"));
    assert!(allowed.says("passed route GET /orders/7"));
    assert!(allowed.says("clientId orders-service"));

    let denied = explain(&["--route", "DELETE /orders/7"]);
    assert_eq!(denied.exit, 1);
    assert!(denied.verdict().starts_with("Deny: route-not-allowed. "), "{}", denied.verdict());
    assert!(denied.says("FAILED route route-not-allowed"));
    // What the client may call is told all the same.
    assert!(denied.says("allow GET /orders/*"));

    // Where no route is asked for, there is none to deny.
    let asked_for_none = explain(&[]);
    assert_eq!((asked_for_none.exit, asked_for_none.verdict()), (0, "Allow: the routes above"));
    assert!(asked_for_none.says("not checked route none was asked for"));
}

#[test]
fn a_certificate_of_no_client_is_told_what_the_nearest_client_wants() {
    let other = run(&["explain", "pki/other-client.pem", "--config", DEFAULT]);
    assert_eq!(other.exit, 1);
    assert!(other.output.contains("): 3 of 4 conditions hold"), "{}", other.output);
    assert!(other.says("FAILED subject.CN wanted `orders`"));
    assert!(other.says("found = billing"));
    assert!(other.says("passed subject.O wanted `Acme`"));

    // The certificate that meets them all is told of no nearest client.
    let client = run(&["explain", "pki/client.pem", "--config", DEFAULT]);
    assert_eq!(client.exit, 0);
    assert!(!client.output.contains("nearest"), "{}", client.output);

    let scratch = scratch("explain_nearest");
    let pinned =
        "[[client]]\nid = \"uri\"\nsan_uri = [\"spiffe://elsewhere/orders\"]\nallow = [\"*\"]\n";
    let pinned = scratch.write("uri.toml", pinned);
    let without = run(&["explain", "pki/step.pem", "--config", &pinned]);
    assert_eq!(without.exit, 1);
    assert!(without.says("found = nothing of the kind"), "{}", without.output);

    let nobody = scratch.write("nobody.toml", "");
    let nobody = run(&["explain", "pki/client.pem", "--config", &nobody]);
    assert_eq!(nobody.exit, 1);
    assert!(nobody.says("client the configuration has no [[client]], so nobody is allowed"));
}

#[test]
fn every_kind_of_condition_is_told_with_what_was_wanted_and_what_was_found() {
    // Each holds for the client's certificate, and has a twin that does not.
    let fingerprint = "a8b3f2accfbbf32c08dc44d1d9db663f30cd8e7dbc5698eddc4a1fb456610eff";
    let key = "8811896f8ebd628a6c26d80988012229bb151035068bd797d6c5e1482da60083";
    let zeros = "00".repeat(32);
    let serial = "52F431EBCA3D1203C20B6FB058ACA7E6";
    let issuer = "issuer = { CN = \"Acme Issuing CA\" }\n";
    let cases = [
        ("subject = { CN = \"orders\" }", "subject = { CN = \"order\" }"),
        ("subject = { CN = { prefix = \"ord\" } }", "subject = { CN = { prefix = \"rd\" } }"),
        ("subject = { CN = { suffix = \"ers\" } }", "subject = { CN = { suffix = \"er\" } }"),
        ("subject = { CN = { regex = \"[a-z]+\" } }", "subject = { CN = { regex = \"[a-n]+\" } }"),
        ("subject = { CN = [\"x\", \"orders\"] }", "subject = { CN = [\"x\", \"y\"] }"),
        ("subject_dn = \"CN=orders,O=Acme,C=US\"", "subject_dn = \"C=US,O=Acme,CN=orders\""),
        (
            "issuer_dn = \"CN=Acme Issuing CA,O=Acme,C=US\"",
            "issuer_dn = \"CN=Acme Issuing CA,O=Acme\"",
        ),
        (
            &format!("fingerprint = [\"sha256:{fingerprint}\"]"),
            &format!("fingerprint = [\"sha256:{zeros}\"]"),
        ),
        (
            &format!("public_key = [\"sha256:{key}\"]"),
            &format!("public_key = [\"sha256:{zeros}\"]"),
        ),
        (
            &format!("{issuer}serial_number = [\"{serial}\"]"),
            &format!("{issuer}serial_number = [\"{serial}00\"]"),
        ),
        (
            "san_uri = [{ prefix = \"spiffe://acme/orders/\" }]",
            "san_uri = [{ prefix = \"spiffe://acme/billing/\" }]",
        ),
        ("san_dns = [{ suffix = \".acme.example\" }]", "san_dns = [\"acme.example\"]"),
        ("any = true", "san_ip = [\"192.0.2.0/24\"]"),
        ("any = true", "san_email = [\"nobody@acme.example\"]"),
    ];
    let scratch = scratch("explain_conditions");
    for (number, (holds, fails)) in cases.iter().enumerate() {
        for (condition, exit) in [(holds, 0), (fails, 1)] {
            let document = format!("[[client]]\nid = \"a\"\nallow = [\"*\"]\n{condition}\n");
            let config = scratch.write(&format!("{number}-{exit}.toml"), document);
            let told = run(&["explain", "pki/client.pem", "--config", &config]);
            assert_eq!(told.exit, exit, "{condition}\n{}{}", told.output, told.errors);
            if exit == 1 {
                assert!(told.output.contains("  FAILED      "), "{condition}\n{}", told.output);
                assert!(told.output.contains("wanted "), "{condition}\n{}", told.output);
                assert!(told.output.contains("found = "), "{condition}\n{}", told.output);
            }
        }
    }
}

#[test]
fn a_long_list_of_wanted_values_is_told_by_its_first_and_a_count() {
    let scratch = scratch("explain_many");
    let list = |count: usize, last: &str| {
        let mut texts: Vec<String> = (1..count).map(|it| format!("\"{it:064x}\"")).collect();
        texts.push(format!("\"{last}\""));
        texts.join(", ").replace("\"0", "\"sha256:0")
    };
    let key = "sha256:8811896f8ebd628a6c26d80988012229bb151035068bd797d6c5e1482da60083";
    for (name, count, told_count) in [("few", 8, None), ("many", 11, Some("or 3 more"))] {
        for (last, exit) in [(key, 0), (&*format!("{:064x}", 99), 1)] {
            let digests = list(count, last);
            let document =
                format!("[[client]]\nid = \"a\"\npublic_key = [{digests}]\nallow = [\"*\"]\n");
            let config = scratch.write(&format!("{name}-{exit}.toml"), document);
            let told = run(&["explain", "pki/client.pem", "--config", &config]);
            assert_eq!(told.exit, exit, "{}{}", told.output, told.errors);
            let line = told.output.lines().find(|line| line.contains("wanted"));
            assert_eq!(line.is_some(), exit == 1, "{}", told.output);
            if let Some(line) = line {
                assert_eq!(line.matches("`sha256:").count(), 8, "{line}");
                let counted = told_count.is_some_and(|it| line.ends_with(it));
                assert_eq!(counted, told_count.is_some(), "{line}");
                assert!(told.says(&format!("found = {key}")), "{}", told.output);
            }
        }
    }
}

#[test]
fn a_condition_on_the_issuers_key_is_told_with_what_was_wanted() {
    let scratch = scratch("explain_issuers_key");
    let trust = "[trust]\nanchors = [\"ROOT\", \"ISSUING\"]\n"
        .replace("ROOT", events().join("pki/root.pem").to_str().unwrap())
        .replace("ISSUING", events().join("pki/issuing.pem").to_str().unwrap());
    let issuing = run(&["explain", "pki/issuing.pem", "--config", DEFAULT]);
    let key = issuing.output.lines().find_map(|line| line.strip_prefix("key sha256 ")).unwrap();
    for (key, exit) in [(key.trim(), 0), (&*"00".repeat(32), 1)] {
        let document = format!(
            "{trust}[[client]]\nid = \"a\"\nissuer_public_key = [\"sha256:{key}\"]\nallow = [\"*\"]\n"
        );
        let config = scratch.write(&format!("{exit}.toml"), document);
        let told = run(&["explain", "pki/client.pem", "--config", &config]);
        assert_eq!(told.exit, exit, "{}{}", told.output, told.errors);
        if exit == 1 {
            assert!(
                told.says(&format!("FAILED issuer_public_key wanted `sha256:{key}`")),
                "{}",
                told.output
            );
        }
    }
}

#[test]
fn a_condition_that_holds_of_the_path_or_token_is_told_as_holding_where_another_does_not() {
    let scratch = scratch("explain_compared");
    let pki = |name: &str| events().join("pki").join(name).to_str().unwrap().to_owned();
    let trust =
        format!("[trust]\nanchors = [\"{}\", \"{}\"]\n", pki("root.pem"), pki("issuing.pem"));
    let issuing = run(&["explain", "pki/issuing.pem", "--config", DEFAULT]);
    let key = issuing.output.lines().find_map(|line| line.strip_prefix("key sha256 ")).unwrap();
    let key = format!("sha256:{}", key.trim());
    let client = |common_name: &str, condition: &str| {
        format!(
            "[[client]]\nid = \"a\"\nsubject = {{ CN = \"{common_name}\" }}\n{condition}\nallow = [\"*\"]\n"
        )
    };
    for (common_name, exit) in [("orders", 0), ("billing", 1)] {
        let document =
            trust.clone() + &client(common_name, &format!("issuer_public_key = \"{key}\""));
        let config = scratch.write("issuer.toml", document);
        let told = run(&["explain", "pki/client.pem", "--config", &config]);
        assert_eq!(told.exit, exit, "{}{}", told.output, told.errors);
        let holds = told.says(&format!("passed issuer_public_key wanted `{key}`"));
        assert_eq!(holds, exit == 1, "{}", told.output);
        assert_eq!(told.says(&format!("found = {key}")), exit == 1, "{}", told.output);
    }

    let token = fs::read_to_string(events().join("token.toml")).unwrap();
    let sections = token.split_once("[[client]]").unwrap().0.replace("pki/", &pki(""));
    let condition = "token = { iss = \"https://login.acme.example/\" }";
    for (common_name, exit) in [("orders", 0), ("billing", 1)] {
        let document = format!("{sections}{}", client(common_name, condition));
        let config = scratch.write("token.toml", document);
        let told = run(&["explain", "--event", "rest-token.json", "--config", &config]);
        assert_eq!(told.exit, exit, "{}{}", told.output, told.errors);
        let holds = told.says("passed token.iss wanted `https://login.acme.example/`");
        assert_eq!(holds, exit == 1, "{}", told.output);
    }
}

#[test]
fn an_events_path_gives_the_terminal_no_orders() {
    let event = fs::read_to_string(events().join("rest-allow.json")).unwrap();
    let mut event: Value = serde_json::from_str(&event).unwrap();
    let arn = event["methodArn"].as_str().unwrap().to_owned();
    for (path, shown) in [("\u{1b}[2J\u{9b}\r\n", r"\u{1b}[2J\u{9b}\r\n"), ("it's/é\\", "it's/é\\")]
    {
        event["methodArn"] = format!("{arn}{path}").into();
        let arguments = ["explain", "--event", "-", "--config", DEFAULT];
        let told = run_with(&arguments, event.to_string().as_bytes());
        assert_eq!(told.exit, 0, "{}{}", told.output, told.errors);
        let route = format!("GET {}{shown}", arn.split_once("/GET").unwrap().1);
        assert_eq!(told.verdict(), format!("Allow: {route}"));
        assert!(told.says(&format!("passed route {route}")), "{}", told.output);
        assert!(!told.output.contains(|it: char| it.is_control() && it != '\n'));
        // The decision line holds it whole, in ASCII.
        let path = format!("{path}\u{7f}\u{202e}\u{1f512}");
        event["methodArn"] = format!("{arn}{path}").into();
        let decided = run_with(&["decide", "-", "--config", DEFAULT], event.to_string().as_bytes());
        assert!(decided.errors.trim_end().bytes().all(|it| (0x20..=0x7e).contains(&it)));
        let line: Value = serde_json::from_str(&decided.errors).unwrap();
        assert_eq!(line["route"], format!("GET {}{path}", arn.split_once("/GET").unwrap().1));
    }
}

#[test]
fn what_is_no_certificate_is_explained_as_malformed() {
    for input in
        [&b"nothing"[..], b"", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"]
    {
        let told = run_with(&["explain", "-", "--config", DEFAULT], input);
        assert_eq!(told.exit, 1, "{}", told.errors);
        assert!(told.says("FAILED certificate malformed-certificate"), "{}", told.output);
        assert!(told.output.contains("rule = "), "{}", told.output);
    }
    let genuine = fs::read(events().join("pki/client.pem")).unwrap();
    let told = run_with(&["explain", "-", "--config", DEFAULT], &genuine);
    assert!(told.says("passed certificate read"), "{}", told.output);
}

#[test]
fn an_explanation_shows_neither_tokens_nor_keys() {
    let told = run(&["explain", "--event", "rest-token.json", "--config", "token.toml"]);
    assert_eq!(told.exit, 0);
    let event = fs::read_to_string(events().join("rest-token.json")).unwrap();
    let pieces = support::secrets::pieces(&serde_json::from_str(&event).unwrap());
    support::secrets::assert_absent(&pieces, told.output.lines());

    let told = run(&["explain", "--event", "rest-allow.json", "--config", "clients.toml"]);
    assert!(told.says("usageIdentifierKey (an API key, not shown)"), "{}", told.output);
    assert!(!told.output.contains("acme-gold-plan"));
}

#[test]
fn an_explanation_says_what_the_path_and_revocation_came_to() {
    let told = run(&["explain", "pki/client.pem", "--config", "trust.toml"]);
    assert!(told.says("passed path to a trust anchor"), "{}", told.output);
    let told = run(&["explain", "pki/impostor.pem", "--config", "trust.toml"]);
    assert!(told.says("FAILED path untrusted-chain"), "{}", told.output);

    let told = run(&["explain", "pki/client.pem", "--config", "revocation.toml"]);
    assert!(told.says("passed revocation not revoked"), "{}", told.output);
    let told = run(&["explain", "pki/revoked.pem", "--config", "revocation.toml"]);
    assert!(told.says("FAILED revocation revoked"), "{}", told.output);
    // The twin of the certificate that is revoked, where nobody asks.
    let told = run(&["explain", "pki/revoked.pem", "--config", DEFAULT]);
    assert!(told.says("not checked revocation not configured"), "{}", told.output);
}

#[test]
fn an_authority_is_told_apart_where_it_is_pinned() {
    let scratch = scratch("explain_authority");
    let fingerprint = {
        let told = run(&["explain", "pki/self-signed.pem", "--config", DEFAULT]);
        assert!(told.says("FAILED no authority's certificate-is-ca"), "{}", told.output);
        let line = told.output.lines().find_map(|line| line.strip_prefix("sha256 "));
        line.unwrap().trim().to_owned()
    };
    let document = format!(
        "[[client]]\nid = \"a\"\nfingerprint = [\"sha256:{fingerprint}\"]\nallow = [\"*\"]\n"
    );
    let pinned = scratch.write("pinned.toml", document);
    let told = run(&["explain", "pki/self-signed.pem", "--config", &pinned]);
    assert_eq!(told.exit, 0, "{}", told.output);
    assert!(told.says("passed no authority's an authority's, but pinned"), "{}", told.output);
}

#[test]
fn a_deny_list_is_told_by_its_place() {
    let scratch = scratch("explain_deny_list");
    let digest = "a8b3f2accfbbf32c08dc44d1d9db663f30cd8e7dbc5698eddc4a1fb456610eff";
    let policy = "\n[[client]]\nid = \"a\"\nany = true\nallow = [\"*\"]\n";
    for (name, list, expected) in [
        ("empty", "# nobody\n".to_owned(), "passed deny list not on"),
        ("full", format!("sha256:{digest}\n"), "FAILED deny list deny-listed"),
    ] {
        let list = scratch.write(&format!("{name}.txt"), list);
        let document = format!("[revocation]\ndeny_list = \"{list}\"\n{policy}");
        let config = scratch.write(&format!("{name}.toml"), document);
        let told = run(&["explain", "pki/client.pem", "--config", &config]);
        let line =
            told.checks().into_iter().find(|(_, line)| line.contains("deny list")).unwrap().1;
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(line.starts_with(expected), "{}", told.output);
    }
}

#[test]
fn another_instant_is_decided_for_where_one_is_given() {
    let at =
        |instant: &str| run(&["explain", "pki/expired.pem", "--config", DEFAULT, "--at", instant]);
    assert_eq!(at("2020-12-31T23:59:59Z").exit, 0);
    let later = at("2021-01-01T00:00:00Z");
    assert_eq!(later.exit, 1);
    assert!(later.says("decided for 2021-01-01T00:00:00Z"), "{}", later.output);
    assert!(later.says("not_after = 2020-12-31T23:59:59Z"), "{}", later.output);
}

#[test]
fn an_instant_at_the_end_of_time_is_no_panic() {
    let at =
        |instant: &str| run(&["explain", "pki/client.pem", "--config", DEFAULT, "--at", instant]);
    for instant in ["9999-12-31T23:59:59-00:01", "0000-01-01T00:00:00+00:01"] {
        assert_eq!(at(instant).exit, 1, "{instant}");
    }
}

#[test]
fn certificates_after_the_clients_own_are_those_that_a_load_balancer_passes_through() {
    let scratch = scratch("explain_chain");
    let pki = events().join("pki");
    let read = |name: &str| fs::read_to_string(pki.join(name)).unwrap();
    let chain = scratch.write("chain.pem", read("client.pem") + &read("issuing.pem"));
    let client = "[[client]]\nid = \"a\"\nany = true\nallow = [\"*\"]\n";
    let trust = format!("[trust]\nanchors = [\"{}\"]\n{client}", pki.join("root.pem").display());
    let passthrough = "[source]\nkind = \"alb-passthrough\"\nvpc_endpoints = [\"vpce-1\"]\nheaders = { chain = \"X-Chain\" }\n";
    for (name, source, exit, verdict) in
        [("gateway", "", 1, "untrusted-chain"), ("balancer", passthrough, 0, "Allow")]
    {
        let config = scratch.write(&format!("{name}.toml"), format!("{source}{trust}"));
        let told = run(&["explain", &chain, "--config", &config]);
        assert_eq!(told.exit, exit, "{name}: {}", told.output);
        assert!(told.verdict().contains(verdict), "{name}: {}", told.output);
        let passed_over = "certificates after it 1, passed over: a gateway presents the leaf alone";
        assert_eq!(told.says(passed_over), exit == 1, "{name}: {}", told.output);
    }
}

#[test]
fn a_deny_list_that_cannot_be_read_is_told_line_by_line() {
    let scratch = scratch("check_deny_list");
    let config = scratch.write(
        "authorizer.toml",
        "[revocation]\ndeny_list = \"denied.txt\"\n[[client]]\nid = \"a\"\nany = true\nallow = [\"*\"]\n",
    );
    let digest = "a8b3f2accfbbf32c08dc44d1d9db663f30cd8e7dbc5698eddc4a1fb456610eff";
    let rule = "neither `sha256:` nor `spki-sha256:` and 64 hex digits, nor a comment";
    for (list, why) in [
        (format!("sha256:{digest}\n{digest}\n").into_bytes(), format!("line 2 is {rule}")),
        (
            format!("sha1:00\n# x\nsha256:{digest}\nspki-sha256:00\n").into_bytes(),
            format!("lines 1, 4 are {rule}"),
        ),
        (
            "x\n".repeat(12).into_bytes(),
            format!("lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, … are {rule}"),
        ),
        (b"s\0h\0a\0\xff".to_vec(), "not UTF-8 text".to_owned()),
    ] {
        scratch.write("denied.txt", list);
        let told = run(&["check", "--config", &config]);
        assert_eq!(told.exit, 2, "{}", told.errors);
        assert!(
            told.errors.contains(&why) || told.output.contains(&why),
            "{}{}",
            told.output,
            told.errors
        );
    }
}

#[test]
fn what_may_be_secret_in_a_url_is_shown_by_no_fault() {
    let scratch = scratch("check_secrets");
    for lines in [
        "[trust]\nanchors = [\"https://127.0.0.1:9/a?hidden\", \"https://127.0.0.1:9/a?hidden\"]",
        "[trust]\nanchors = [\"https://127.0.0.1:9/a#hidden\"]",
        "[trust]\nanchors = [\"https:/user:hidden@h.example/j\"]",
        "[trust]\nanchors = [\"https:user:hidden@h.example/j\"]",
        "[trust]\nanchors = [\"s3://b/k?hidden\"]",
        "[trust]\nanchors = [\"ftp://user:hidden@h.example/j?hidden#hidden\"]",
    ] {
        let client = "[[client]]\nid = \"a\"\nany = true\nallow = [\"*\"]\n";
        let config = scratch.write("authorizer.toml", format!("{lines}\n{client}"));
        let told = run(&["check", "--config", &config]);
        assert_eq!(told.exit, 2, "{lines}: {}{}", told.output, told.errors);
        assert!(!(told.output + &told.errors).contains("hidden"), "{lines}");
    }
}

#[test]
fn a_command_line_that_is_wrong_gets_one_line_and_no_decision() {
    let client = "pki/client.pem";
    let cases: &[(&[&str], &str)] = &[
        (&["bogus"], "`bogus` is no command; there are `decide`, `explain`, `check` and `jwks`"),
        (&["decide"], "`decide` needs an event: a file, or `-` for standard input"),
        (&["decide", "rest-allow.json", "--route", "GET /"], "`decide` takes no --route"),
        (&["decide", "--event", "rest-allow.json"], "`decide` takes no --event"),
        (&["decide", "nothing.json"], "`nothing.json`: No such file or directory (os error 2)"),
        (&["explain"], "`explain` needs a certificate, or --event and an event"),
        (
            &["explain", client, "--event", "rest-allow.json"],
            "`explain` needs a certificate, or --event and an event",
        ),
        (
            &["explain", "--event", "rest-allow.json", "--route", "GET /"],
            "the route of an event is its ARN's: no --route",
        ),
        (
            &["explain", client, "--route", "get /"],
            "--route: `get /` is no route such as `GET /orders/7`",
        ),
        (
            &["explain", client, "--route", "GET orders"],
            "--route: `GET orders` is no route such as `GET /orders/7`",
        ),
        (
            &["explain", client, "--route", "GET"],
            "--route: `GET` is no route such as `GET /orders/7`",
        ),
        (
            &["explain", client, "--at", "soon"],
            "--at: `soon` is no RFC 3339 time such as `2030-01-01T00:00:00Z`",
        ),
        (
            &["explain", client, "--at", "2030-01-01T00:00:00+25:00"],
            "--at: `2030-01-01T00:00:00+25:00` is no RFC 3339 time such as `2030-01-01T00:00:00Z`",
        ),
        (&["explain", client, client], "`pki/client.pem` is one argument too many"),
        (&["explain", "nothing.pem"], "`nothing.pem`: No such file or directory (os error 2)"),
        (&["check", "authorizer.toml"], "`check` takes no argument, but got `authorizer.toml`"),
        (&["check", "--at", "2030-01-01T00:00:00Z"], "`check` takes no --at"),
        (&["jwks", "x"], "`jwks` takes no argument, but got `x`"),
        (&["jwks", "--route", "GET /"], "`jwks` takes no --route"),
        (&["jwks"], "there is no [identity_token] in the configuration"),
        (&["check", "--config", DEFAULT], "--config is given twice"),
        (&["check", "--verbose"], "invalid option '--verbose'"),
        (&["check", "-v"], "invalid option '-v'"),
    ];
    for (arguments, why) in cases {
        let done = run(&[*arguments, &["--config", DEFAULT]].concat());
        assert_eq!(done.exit, 2, "{arguments:?}");
        assert_eq!(done.output, "", "{arguments:?}");
        assert_eq!(done.errors, format!("mtls-authorizer: {why}\n"), "{arguments:?}");
    }
    // Right but for one thing, each of them does its work.
    for arguments in [
        &["decide", "rest-allow.json"][..],
        &["explain", "--event", "rest-allow.json"],
        &["explain", client, "--route", "GET /orders/7", "--at", "2030-01-01T00:00:00Z"],
        &["check"],
    ] {
        let done = run(&[arguments, &["--config", DEFAULT]].concat());
        assert_eq!(done.exit, 0, "{arguments:?}: {}", done.errors);
    }
    let missing = run(&["check", "--config"]);
    assert_eq!((missing.exit, missing.output.as_str()), (2, ""));
}

#[test]
fn help_goes_to_standard_output_where_it_is_asked_for() {
    for option in ["--help", "-h"] {
        let help = run(&[option]);
        assert_eq!((help.exit, help.errors.as_str()), (0, ""));
        assert!(help.output.contains("exit codes"));
    }
    let version = run(&["--version"]);
    assert_eq!((version.exit, version.errors.as_str()), (0, ""));
    assert_eq!(version.output, concat!("mtls-authorizer ", env!("CARGO_PKG_VERSION"), "\n"));
    let nothing = run(&[]);
    assert_eq!((nothing.exit, nothing.output.as_str()), (2, ""));
    assert!(nothing.errors.contains("usage:"));
}

#[test]
fn check_counts_clients_and_warnings_and_tells_each_warning() {
    let scratch = scratch("check_counts");
    let client =
        |id: &str| format!("[[client]]\nid = \"{id}\"\nany = true\nallow = [\"GET /orders\"]\n");
    for (name, document, expected) in [
        ("none", String::new(), "valid: 0 clients"),
        ("one", client("a"), "valid: 1 client"),
        ("two", client("a") + &client("b"), "valid: 2 clients"),
    ] {
        let config = scratch.write(&format!("{name}.toml"), document);
        let checked = run(&["check", "--config", &config]);
        assert_eq!(checked.exit, 0, "{}", checked.errors);
        let warnings = checked.errors.lines().filter(|line| line.starts_with("warning: ")).count();
        assert_eq!(checked.errors.lines().count(), warnings, "{}", checked.errors);
        let counted = match warnings {
            0 => String::new(),
            1 => ", 1 warning".to_owned(),
            more => format!(", {more} warnings"),
        };
        assert_eq!(checked.output, format!("{expected}{counted}\n"));
    }
    assert_eq!(
        run(&["check", "--config", "clients.toml"]).output,
        "valid: 3 clients, 3 warnings\n"
    );
    assert_eq!(run(&["check", "--config", "simple.toml"]).output, "valid: 1 client, 1 warning\n");
    assert_eq!(run(&["check", "--config", "trust.toml"]).output, "valid: 1 client\n");
}

#[test]
fn check_tells_all_faults_at_once_with_their_places() {
    let scratch = scratch("check_faults");
    let faulty = "[certificate]\nmin_rsa_bits = 1\nbogus = 2\n[[client]]\nid = \"a\"\n";
    let config = scratch.write("faulty.toml", faulty);
    let checked = run(&["check", "--config", &config]);
    assert_eq!((checked.exit, checked.output.as_str()), (2, ""));
    let places: Vec<&str> = checked
        .errors
        .lines()
        .map(|line| line.strip_prefix(config.as_str()).unwrap_or(line).split(": ").next().unwrap())
        .collect();
    assert_eq!(places, [":2:16", ":3:1", ":4:1", ":4:1"], "{}", checked.errors);
    // No other command goes on with it either.
    for arguments in [&["decide", "rest-allow.json"][..], &["explain", "pki/client.pem"], &["jwks"]]
    {
        let done = run(&[arguments, &["--config", &config]].concat());
        assert_eq!((done.exit, done.output.as_str()), (2, ""), "{arguments:?}");
        assert_eq!(done.errors, checked.errors, "{arguments:?}");
    }
    let missing = run(&["check", "--config", "/nowhere/authorizer.toml"]);
    assert_eq!(missing.exit, 2);
    assert_eq!(
        missing.errors,
        "configuration: --config: there is no file `/nowhere/authorizer.toml`\n"
    );
}

#[test]
fn check_tells_the_faults_of_files_beside_those_of_the_document() {
    let scratch = scratch("check_files");
    let good = fs::read_to_string(events().join("pki/root.pem")).unwrap();
    let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    scratch.write("good.pem", &good);
    scratch.write("odd.pem", format!("{odd}{good}{odd}"));
    scratch.write("odd.crl", "junk");
    scratch.write("odd.txt", "x\nsha256:00\n");
    scratch.write("odd.jwks", "{}");
    let document = "[trust]\nanchors = [\"good.pem\", \"odd.pem\", \"none.pem\"]\nintermediates = [\"odd.pem\"]\n\
        [revocation]\ncheck = [\"crl\"]\ncrls = [\"odd.crl\"]\ndeny_list = \"odd.txt\"\n\
        [token]\nissuer = \"https://a.example/\"\naudience = [\"a\"]\nalgorithms = [\"ES256\"]\njwks = \"odd.jwks\"\n\
        [[client]]\nid = \"a\"\nany = true\nallow = [\"*\"]\n";
    let places = |document: &str| -> Vec<String> {
        let config = scratch.write("authorizer.toml", document);
        let checked = run(&["check", "--config", &config]);
        assert_eq!((checked.exit, checked.output.as_str()), (2, ""));
        let place = |line: &str| {
            let (place, key) =
                line.strip_prefix(config.as_str()).unwrap().split_once(": ").unwrap();
            format!("{place} {}", key.split(": ").take(2).collect::<Vec<_>>().join(" "))
        };
        checked.errors.lines().map(place).collect()
    };
    let of_files = [
        ":2:24 [trust] anchors",
        ":2:35 [trust] anchors",
        ":3:18 [trust] intermediates",
        ":6:9 [revocation] crls",
        ":7:13 [revocation] deny_list",
        ":12:8 [token] jwks",
    ];
    let mut found = places(document);
    found.sort_by_key(|place| of_files.iter().position(|it| it == place));
    assert_eq!(found, of_files);
    let more = places(&format!("{document}bogus = 1\n"));
    assert_eq!(more, [&of_files[..], &[":17:1 [[client]] `a` unknown key `bogus`"]].concat());
    // Each certificate of a bundle is told.
    let config = scratch.write("authorizer.toml", document);
    let told = run(&["check", "--config", &config]).errors;
    assert!(told.contains("certificate 1: ") && told.contains("; certificate 3: "), "{told}");
}

#[test]
fn a_configuration_that_is_there_and_cannot_be_read_is_not_passed_over() {
    let scratch = scratch("unreadable_place");
    scratch.write("authorizer.toml", "[[client]]\nid = \"a\"\nany = true\nallow = [\"*\"]\n");
    let root = scratch.directory("task");
    let here = root.parent().unwrap();
    let check = || {
        std::process::Command::new(env!("CARGO_BIN_EXE_mtls-authorizer"))
            .arg("check")
            .env_clear()
            .env("LAMBDA_TASK_ROOT", &root)
            .current_dir(here)
            .output()
            .unwrap()
    };
    assert_eq!(check().status.code(), Some(0));
    std::os::unix::fs::symlink("nowhere", root.join("authorizer.toml")).unwrap();
    let unreadable = check();
    assert_eq!(unreadable.status.code(), Some(2));
    assert!(String::from_utf8(unreadable.stderr).unwrap().contains("task/authorizer.toml"));
}

#[tokio::test]
async fn colour_says_nothing_that_the_words_do_not() {
    let explain = async |colour: bool, certificate: &str| {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let environment = std::collections::BTreeMap::<String, String>::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut terminal = Terminal {
            environment: &environment,
            clock: || Timestamp::from_unix_seconds(1_795_248_000),
            input: &mut std::io::empty(),
            output: &mut output,
            errors: &mut errors,
            colour,
        };
        let arguments = [
            "explain".into(),
            root.join("events/pki").join(certificate).into_os_string(),
            "--config".into(),
            root.join("authorizer.toml").into_os_string(),
        ];
        let exit = cli::run(arguments, &mut terminal).await;
        assert_eq!(errors, b"");
        (exit, String::from_utf8(output).unwrap())
    };
    for (certificate, ends, code) in
        [("client.pem", Exit::Allow, "\x1b[1;32m"), ("other-client.pem", Exit::Deny, "\x1b[1;31m")]
    {
        let (exit, plain) = explain(false, certificate).await;
        let (same, coloured) = explain(true, certificate).await;
        assert_eq!((exit, same), (ends, ends));
        assert!(!plain.contains('\x1b'));
        assert!(coloured.contains(code));
        let mut stripped = coloured;
        for code in ["1;32", "1;31", "32", "31", "33", "2", "0"] {
            stripped = stripped.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(stripped, plain);
    }
}
