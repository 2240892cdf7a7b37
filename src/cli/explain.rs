//! `explain`: what happened to a certificate, check by check, for a person.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{
    authorizer::{Authorized, Authorizer},
    certificate::{Certificate, pem},
    decide::Decision,
    decision::{Denial, Reason},
    event::{
        Request,
        presented::{Leaf, Presented},
    },
    hex,
    policy::{
        Comparison, Subject,
        configuration::{Configuration, ExtendedKeyUsage, Presentation},
    },
    timestamp::Timestamp,
};

use super::{Arguments, Exit, Terminal, refuse};

/// The stage that routes are explained for where there is no event.
const STAGE: &str = "arn:aws:execute-api:us-east-1:123456789012:api/stage";

pub(super) async fn explain(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Exit {
    if let Err(why) = refuse(arguments, "explain", &[]) {
        return terminal.complain(&why);
    }
    let (path, of_event) = match (&arguments.operand, &arguments.event) {
        (Some(certificate), None) => (certificate, false),
        (None, Some(event)) if arguments.route.is_none() => (event, true),
        (None, Some(_)) => {
            return terminal.complain("the route of an event is its ARN's: no --route");
        }
        _ => return terminal.complain("`explain` needs a certificate, or --event and an event"),
    };
    let (authorizer, _) = match terminal.load(arguments).await {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let bytes = match terminal.read(path) {
        Ok(bytes) => bytes,
        Err(exit) => return exit,
    };
    let now = terminal.now(arguments);
    let mut report = Report { text: String::new(), colour: terminal.colour };
    let mut exit = Exit::NoDecision;
    let mut passed_over = 0;
    let presented = match of_event {
        true => None,
        false => Some(presented(&bytes).map(|mut presented| {
            // Elsewhere the leaf alone is presented, and what leads to an anchor has to be configured.
            let chain = matches!(
                authorizer.configuration().presentation,
                Presentation::AlbPassthrough { .. }
            );
            if !chain {
                passed_over = std::mem::take(&mut presented.others).len();
            }
            presented
        })),
    };
    let see = |request: &Request<'_>, authorized: &Authorized<'_>| {
        let story = Story {
            authorizer: &authorizer,
            decision: &authorized.decision,
            route: match (of_event, &arguments.route) {
                (false, None) => None,
                _ => Some((request.arn.method(), request.arn.path())),
            },
            of_event,
            passed_over,
            now,
        };
        exit = story.tell(&mut report, authorized);
    };
    let told = if let Some(presented) = presented {
        let (method, path) = arguments.route.clone().unwrap_or(("GET".into(), "/".into()));
        let event = serde_json::json!({
            "type": "REQUEST",
            "methodArn": format!("{STAGE}/{method}{path}"),
            "requestContext": {},
        });
        let event = event.to_string();
        match Request::parse(event.as_bytes()) {
            Ok(request) => authorizer.judge(&request, presented, now, see).await,
            Err(fault) => Err(fault.into()),
        }
    } else {
        authorizer.authorize(&bytes, now, see).await
    };
    match told {
        Ok(_) => terminal.print(&report.text, exit),
        Err(fault) => terminal.complain(&fault.to_string()),
    }
}

/// The certificates of a PEM file: the client's own first.
fn presented(bytes: &[u8]) -> Result<Presented<'static>, Denial> {
    let mut ders = pem::certificates(&String::from_utf8_lossy(bytes))
        .map_err(|error| Denial::new(Reason::MalformedCertificate).with("rule", error))?
        .into_iter();
    let leaf = ders.next().unwrap_or_default();
    Ok(Presented { leaf: Leaf::Der(leaf), others: ders.collect(), assertions: None })
}

/// What is told of one decision.
struct Story<'a> {
    authorizer: &'a Authorizer,
    decision: &'a Decision<'a>,
    route: Option<(&'a str, &'a str)>,
    of_event: bool,
    /// How many certificates of the file a gateway would not present.
    passed_over: usize,
    now: Timestamp,
}

/// A check: its name, the reasons that it denies with, and what is told of it where it did not.
struct Check(&'static str, &'static [Reason], fn(&Story<'_>) -> Told);

/// What is told of a check that did not deny.
enum Told {
    /// It passed.
    Passed(String),
    /// It was not made: a check that is not configured passes nobody and denies nobody.
    NotMade(&'static str),
}

/// The checks, in the order in which they are made.
const CHECKS: [Check; 16] = [
    Check("way in", &[Reason::UntrustedPath], |story| story.way_in()),
    Check(
        "certificate",
        &[Reason::HeaderMismatch, Reason::NoClientCertificate, Reason::MalformedCertificate],
        |_| Told::Passed("read".to_owned()),
    ),
    Check("deny list", &[Reason::DenyListed], |story| match &story.configuration().deny_list {
        None => Told::NotMade("none is configured"),
        Some(list) => Told::Passed(format!("not on {list}")),
    }),
    Check(
        "validity",
        &[Reason::CertificateNotYetValid, Reason::CertificateExpired, Reason::ValidityTooLong],
        |story| {
            story.of_certificate(|it| {
                format!("{} to {}", it.validity().not_before, it.validity().not_after)
            })
        },
    ),
    Check("no authority's", &[Reason::CertificateIsCa], |story| {
        story.of_certificate(|it| match it.is_ca() {
            true => "an authority's, but pinned".to_owned(),
            false => String::new(),
        })
    }),
    Check("key usage", &[Reason::KeyUsage], |story| {
        story.of_certificate(|it| match it.key_usage() {
            None => "not restricted".to_owned(),
            Some(_) => "for signatures or key agreement".to_owned(),
        })
    }),
    Check("extended key usage", &[Reason::ExtendedKeyUsage], |story| story.extended_key_usage()),
    Check("critical extensions", &[Reason::UnknownCriticalExtension], |_| {
        Told::Passed(String::new())
    }),
    Check("key", &[Reason::WeakKey], |story| {
        story.of_certificate(|it| it.public_key().to_string())
    }),
    Check("signature", &[Reason::WeakSignature], |story| {
        story.of_certificate(|it| it.signature_algorithm().to_string())
    }),
    Check("path", &[Reason::UntrustedChain], |story| match &story.configuration().trust {
        None => Told::NotMade("no anchors: left to the gateway"),
        Some(_) => Told::Passed("to a trust anchor".to_owned()),
    }),
    Check(
        "token",
        &[
            Reason::TokenMissing,
            Reason::TokenInvalid,
            Reason::TokenExpired,
            Reason::TokenNotBound,
            Reason::TokenScope,
        ],
        |story| match &story.configuration().token {
            None => Told::NotMade("none is configured"),
            Some(token) => Told::Passed(format!("of {}", token.issuer)),
        },
    ),
    Check("client", &[Reason::NoClientMatched], |story| {
        let client = story.decision.client();
        Told::Passed(client.map(|client| client.id.clone()).unwrap_or_default())
    }),
    Check("revocation", &[Reason::Revoked, Reason::RevocationUnknown], |story| story.revocation()),
    Check("route", &[Reason::RouteNotAllowed], |story| match story.route {
        None => Told::NotMade("none was asked for"),
        Some((method, path)) => Told::Passed(format!("{method} {path}")),
    }),
    Check("size of the answer", &[Reason::IdentityTooLarge], |_| Told::Passed(String::new())),
];

impl Story<'_> {
    fn tell(&self, report: &mut Report, authorized: &Authorized<'_>) -> Exit {
        if let Some(certificate) = self.decision.certificate() {
            tell_certificate(report, certificate);
        }
        if self.passed_over > 0 {
            let rule = "passed over: a gateway presents the leaf alone";
            report.field("certificates after it", &format!("{}, {rule}", self.passed_over));
        }
        report.field("decided for", &self.now.to_string());
        report.line("");
        let denial = self.denial();
        self.tell_checks(report, denial);
        self.tell_client(report);
        if let (Some(_), Ok(answer)) = (self.decision.grant(), &authorized.answer) {
            tell_context(report, answer.json());
        }
        report.line("");
        match denial {
            None => {
                let route = match self.route {
                    Some((method, path)) => format!("{method} {path}"),
                    None => "the routes above".to_owned(),
                };
                report.verdict(true, &format!("Allow: {route}"));
                Exit::Allow
            }
            Some(denial) => {
                let reason = denial.reason;
                report.verdict(false, &format!("Deny: {reason}. {}", reason.description()));
                Exit::Deny
            }
        }
    }

    /// The denial, unless it is about a route that nobody asked for.
    fn denial(&self) -> Option<&Denial> {
        self.decision
            .denial()
            .filter(|denial| self.route.is_some() || denial.reason != Reason::RouteNotAllowed)
    }

    fn tell_checks(&self, report: &mut Report, denial: Option<&Denial>) {
        let mut denied = false;
        for Check(name, reasons, tell) in &CHECKS {
            match denial.filter(|denial| reasons.contains(&denial.reason)) {
                _ if denied => report.check(Mark::NotReached, name, ""),
                Some(denial) => {
                    denied = true;
                    self.tell_failure(report, name, denial);
                }
                None => match tell(self) {
                    Told::Passed(text) => report.check(Mark::Passed, name, &text),
                    Told::NotMade(why) => report.check(Mark::NotMade, name, why),
                },
            }
        }
    }

    fn tell_failure(&self, report: &mut Report, name: &str, denial: &Denial) {
        report.check(Mark::Failed, name, denial.reason.code());
        for (key, value) in denial.evidence.iter() {
            report.evidence(key, value);
        }
        if denial.reason == Reason::TokenMissing && !self.of_event {
            report.evidence("hint", "a certificate brings no token; use --event");
        }
    }

    fn configuration(&self) -> &Configuration {
        self.authorizer.configuration()
    }

    fn of_certificate(&self, tell: fn(&Certificate) -> String) -> Told {
        Told::Passed(self.decision.certificate().map(tell).unwrap_or_default())
    }

    fn way_in(&self) -> Told {
        match self.configuration().presentation.kind() {
            _ if !self.of_event => Told::NotMade("no event was given"),
            "api-gateway" => Told::NotMade("API Gateway itself"),
            kind => Told::Passed(kind.to_owned()),
        }
    }

    fn extended_key_usage(&self) -> Told {
        let rules = &self.configuration().certificate;
        if rules.extended_key_usage == ExtendedKeyUsage::Any && !rules.require_extended_key_usage {
            return Told::NotMade("any is accepted");
        }
        self.of_certificate(|it| match it.extended_key_usage() {
            None => "not restricted".to_owned(),
            Some(purposes) => purposes.map(|oid| oid.to_string()).collect::<Vec<_>>().join(", "),
        })
    }

    fn revocation(&self) -> Told {
        if self.configuration().revocation.is_none() {
            return Told::NotMade("not configured");
        }
        let mut notes = self.decision.grant().into_iter().flat_map(|grant| grant.notes().iter());
        let unknown = notes.any(|(key, _)| key == "revocation");
        let text = if unknown { "unknown, dangerously allowed" } else { "not revoked" };
        Told::Passed(text.to_owned())
    }

    fn tell_client(&self, report: &mut Report) {
        if let Some(client) = self.decision.client() {
            report.line("");
            report.field("client", &format!("{} (line {})", client.id, client.line));
            for pattern in client.routes.allow() {
                report.field("  allow", &pattern.to_string());
            }
            for pattern in client.routes.deny() {
                report.field("  deny", &pattern.to_string());
            }
        } else if let Some(subject) = self.decision.compared() {
            self.tell_nearest(report, &subject);
        }
    }

    fn tell_nearest(&self, report: &mut Report, subject: &Subject<'_>) {
        report.line("");
        let Some((client, comparisons)) = self.authorizer.configuration().policy.nearest(subject)
        else {
            report.field("client", "the configuration has no [[client]], so nobody is allowed");
            return;
        };
        let met = comparisons.iter().filter(|comparison| comparison.holds).count();
        report.field(
            "nearest",
            &format!(
                "{} (line {}): {met} of {} conditions hold",
                client.id,
                client.line,
                comparisons.len()
            ),
        );
        tell_comparisons(report, &comparisons);
    }
}

fn tell_certificate(report: &mut Report, certificate: &Certificate) {
    report.field("certificate", certificate.subject().ascii());
    report.field("issued by", certificate.issuer().ascii());
    report.field("serial", &certificate.serial_number().to_string());
    report.field("sha256", &hex::lower(certificate.fingerprint()));
    report.field("key sha256", &hex::lower(certificate.public_key_fingerprint()));
}

fn tell_comparisons(report: &mut Report, comparisons: &[Comparison]) {
    for comparison in comparisons {
        let mark = if comparison.holds { Mark::Passed } else { Mark::Failed };
        report.check(mark, &comparison.condition, &format!("wanted {}", comparison.expected));
        let found = if comparison.found.is_empty() {
            "nothing of the kind".to_owned()
        } else {
            comparison.found.join(", ")
        };
        report.evidence("found", &found);
    }
}

/// Every context value of an answer, secrets masked.
fn tell_context(report: &mut Report, answer: &str) {
    let Ok(answer) = serde_json::from_str::<Value>(answer) else { return };
    report.line("");
    report.line("context for the backend");
    for (key, value) in answer.get("context").and_then(Value::as_object).into_iter().flatten() {
        let value = match key.as_str() {
            "identityToken" => "(a signed token, not shown)",
            _ => value.as_str().unwrap_or_default(),
        };
        report.field(&format!("  {key}"), value);
    }
    if answer.get("usageIdentifierKey").is_some() {
        report.field("  usageIdentifierKey", "(an API key, not shown)");
    }
}

#[derive(Clone, Copy)]
enum Mark {
    Passed,
    Failed,
    NotMade,
    NotReached,
}

/// Text for a terminal: colour only where it understands it, and the words say the same without.
struct Report {
    text: String,
    colour: bool,
}

impl Report {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn field(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.text, "{name:<24}{}", harmless(value));
    }

    fn check(&mut self, mark: Mark, name: &str, text: &str) {
        let (word, colour) = match mark {
            Mark::Passed => ("passed", "32"),
            Mark::Failed => ("FAILED", "31"),
            Mark::NotMade => ("not checked", "33"),
            Mark::NotReached => ("not reached", "2"),
        };
        let word = self.paint(&format!("{word:<12}"), colour);
        self.line(format!("  {word}{name:<22}{}", harmless(text)).trim_end());
    }

    fn evidence(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.text, "{:36}{key} = {}", "", harmless(value));
    }

    fn verdict(&mut self, allow: bool, text: &str) {
        let text = self.paint(&harmless(text), if allow { "1;32" } else { "1;31" });
        self.line(&text);
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Text without control characters and what changes the order of others: paths of events, and URLs of certificates, could
/// give a terminal orders.
fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => harmless.push(character),
            _ => harmless.extend(character.escape_debug()),
        }
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_of_one_check() {
        for reason in Reason::ALL {
            let checks = CHECKS.iter().filter(|check| check.1.contains(reason)).count();
            assert_eq!(checks, 1, "{reason}");
        }
    }
}
