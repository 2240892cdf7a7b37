//! The document: from TOML text to a valid [`Configuration`], or to every fault in it.
//!
//! The text becomes a tree whose values know their places (`tree`), a walk over it collects what it finds (`walk`),
//! and each section is read by one function, the longer ones in a module of their own. Serde is not used: it stops at
//! the first error, and loses keys and places in untagged values.
//! Rules that take several sections, or a section and the environment, stand in the function of the section
//! that they could make invalid.
//!
//! What the template owns comes from its environment: `AUTHORIZER_SOURCE_KIND`, `AUTHORIZER_VPC_ENDPOINTS`,
//! `AUTHORIZER_HTTP_API` and `AUTHORIZER_GATEWAY_CACHE_TTL`. A document may leave these out or agree.

mod certificate;
mod client;
mod revocation;
mod source;
mod token;
mod tree;
mod walk;

use std::{cell::RefCell, time::Duration};

use crate::{
    environment::Environment,
    source::{Base, Rules, Source},
};

use super::{
    Policy,
    configuration::{Configuration, Forward, HttpApiAnswer, LogDecisions, Trust, Unauthenticated},
    fault::{Content, Faults, NamedSource},
    location::in_lambda,
};
use client::Surroundings;
use tree::Table;
use walk::{Findings, Label, Node, Section};

const SOURCE_KIND: &str = "AUTHORIZER_SOURCE_KIND";
const VPC_ENDPOINTS: &str = "AUTHORIZER_VPC_ENDPOINTS";
const HTTP_API: &str = "AUTHORIZER_HTTP_API";
const GATEWAY_CACHE_TTL: &str = "AUTHORIZER_GATEWAY_CACHE_TTL";

/// A document, and what is around it.
#[derive(Clone, Copy)]
pub struct Document<'a> {
    /// What it is called in messages: the path, or wherever it came from.
    pub name: &'a str,
    /// The document.
    pub text: &'a str,
    /// What paths in it are relative to.
    pub base: &'a Base,
    /// The environment of the process.
    pub environment: &'a dyn Environment,
}

impl Configuration {
    /// Reads a document.
    ///
    /// # Errors
    /// Every fault in it. Where the text is no TOML, its syntax errors alone.
    pub fn parse(document: Document<'_>) -> Result<Self, Faults> {
        Self::parse_naming(document).0
    }

    /// As [`Configuration::parse`], with every source that the document names, whether or not it has faults.
    pub fn parse_naming(document: Document<'_>) -> (Result<Self, Faults>, Vec<NamedSource>) {
        let named = RefCell::default();
        let findings = Findings::new(document.name, document.text);
        let root = Table::parse(document.text);
        let configuration = match &root {
            Ok(root) => {
                let root = Section::new(&findings, root, 0, Label::Document);
                let reader = Reader {
                    document,
                    findings: &findings,
                    named: &named,
                    in_lambda: in_lambda(document.environment),
                };
                reader.read(root)
            }
            Err(errors) => {
                for error in errors {
                    findings.fault(error.offset, "", format!("not TOML: {}", error.message));
                }
                None
            }
        };
        let (faults, warnings) = findings.into_inner();
        let configuration = match configuration {
            Some(configuration) if faults.is_empty() => Ok(Self { warnings, ..configuration }),
            _ => Err(Faults(faults)),
        };
        (configuration, named.into_inner())
    }
}

struct Reader<'a> {
    document: Document<'a>,
    findings: &'a Findings<'a>,
    named: &'a RefCell<Vec<NamedSource>>,
    in_lambda: bool,
}

impl<'a> Reader<'a> {
    /// `None` only after a fault.
    fn read(&self, root: Section<'a>) -> Option<Configuration> {
        let empty = Table::default();
        let trust_node = root.take("trust");
        let trust_section = trust_node.as_ref().and_then(|node| self.section("trust", node));
        let trust = trust_section.and_then(|section| self.trust(section));
        let source = self.section_or(&root, "source", &empty);
        let presentation = self.presentation(source, trust_node.is_some());
        let certificate = certificate::certificate(self.section_or(&root, "certificate", &empty));
        let gateway_cache_ttl = self.gateway_cache_ttl();
        let revocation_section = self.section_or(&root, "revocation", &empty);
        let revoking = self.revocation(revocation_section, trust_node.is_some());
        let token_node = root.take("token");
        let token = token_node
            .as_ref()
            .and_then(|node| self.section("token", node))
            .and_then(|section| self.token(section));
        let identity_node = root.take("identity_token");
        let identity_token = identity_node
            .as_ref()
            .and_then(|node| self.section("identity_token", node))
            .and_then(|section| self.identity_token(section, gateway_cache_ttl));
        let forward = forward(self.section_or(&root, "forward", &empty));
        let response = self.section_or(&root, "response", &empty);
        let (http_api, unauthenticated) = self.response(response, gateway_cache_ttl);
        let log_decisions = log(self.section_or(&root, "log", &empty));
        let surroundings = Surroundings {
            has_anchors: trust_node.is_some(),
            has_token: token_node.is_some(),
            claim_keys: token
                .iter()
                .flat_map(|token| &token.claims)
                .map(|(key, _)| key.as_str())
                .collect(),
        };
        let policy = self.policy(&root, &surroundings);
        root.finish();
        let (revocation, deny_list, freshness) = revoking;
        Some(Configuration {
            presentation: presentation?,
            certificate,
            trust,
            revocation,
            deny_list,
            freshness,
            token,
            identity_token,
            forward,
            http_api,
            unauthenticated,
            log_decisions,
            policy,
            gateway_cache_ttl,
            warnings: Vec::new(),
        })
    }

    fn section(&self, name: &'static str, node: &Node<'a>) -> Option<Section<'a>> {
        let Some(table) = node.value.as_table() else {
            node.expected(&format!("a section: [{name}]"));
            return None;
        };
        Some(Section::new(self.findings, table, node.offset, Label::Section(name)))
    }

    /// A section that need not be there.
    fn section_or<'t>(
        &self,
        root: &Section<'a>,
        name: &'static str,
        empty: &'t Table<'t>,
    ) -> Section<'t>
    where
        'a: 't,
    {
        let there = root.take(name).and_then(|node| self.section(name, &node));
        there.unwrap_or_else(|| Section::new(self.findings, empty, 0, Label::Section(name)))
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.document.environment.variable(name).filter(|value| !value.is_empty())
    }

    /// A variable that holds one of several words.
    fn choice<T: Copy>(&self, variable: &str, words: &[(&str, T)]) -> Option<T> {
        let value = self.variable(variable)?;
        let found = words.iter().find(|(word, _)| *word == value);
        if found.is_none() {
            let all: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            let rule = format!("`{}` is none of {}", value.escape_debug(), all.join(", "));
            self.findings.fault_in_variable(variable, rule);
        }
        found.map(|(_, value)| *value)
    }

    /// A key that the environment may say too. Where they disagree, that is a fault.
    fn choice_or_variable<T: Copy + PartialEq>(
        &self,
        section: &Section<'_>,
        key: &'static str,
        variable: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let written = section.take(key);
        let in_document = written.as_ref().and_then(|node| node.choice(words));
        let in_environment = self.choice(variable, words);
        if let (Some(node), Some(document), Some(environment)) =
            (&written, in_document, in_environment)
            && document != environment
        {
            node.fault(contradiction(variable, &word(words, environment)));
        }
        in_environment.or(in_document)
    }

    fn gateway_cache_ttl(&self) -> Option<Duration> {
        let value = self.variable(GATEWAY_CACHE_TTL)?;
        let seconds = value
            .parse::<u64>()
            .ok()
            .filter(|seconds| *seconds <= 3600 && value.bytes().all(|byte| byte.is_ascii_digit()));
        match seconds {
            None => {
                let rule = format!("`{}` is no number of seconds from 0 to 3600", value.escape_debug());
                self.findings.fault_in_variable(GATEWAY_CACHE_TTL, rule);
            }
            Some(0) => {}
            Some(seconds) => self.findings.warn_of_variable(
                GATEWAY_CACHE_TTL,
                format!("the gateway repeats an answer for {seconds} s: a certificate that expires or is revoked, a client that is taken out and a revocation that could not be checked live on for so long"),
            ),
        }
        seconds.map(Duration::from_secs)
    }

    fn source(&self, node: &Node<'_>, text: &str, content: Content) -> Option<Source> {
        let used_as = content.used_as();
        let rules = Rules { used_as, base: self.document.base, in_lambda: self.in_lambda };
        let source =
            Source::parse(text, rules).map_err(|error| node.fault(error.to_string())).ok()?;
        self.named.borrow_mut().push(NamedSource {
            source: source.clone(),
            content,
            position: self.findings.position(node.offset),
        });
        Some(source)
    }

    fn one_source(
        &self,
        section: &Section<'_>,
        key: &'static str,
        content: Content,
    ) -> Option<Source> {
        let node = section.take(key)?;
        self.source(&node, node.text()?, content)
    }

    fn sources(&self, node: &Node<'_>, content: Content) -> Vec<Source> {
        let texts = node.texts().unwrap_or_default();
        texts.into_iter().filter_map(|(text, node)| self.source(&node, text, content)).collect()
    }

    fn trust(&self, section: Section<'_>) -> Option<Trust> {
        let anchors = section.take("anchors");
        if anchors.is_none() {
            section.missing("anchors", "without anchors no path can be verified");
        }
        let intermediates = section.take("intermediates").map(|node| {
            let texts = node.texts_or_none().unwrap_or_default();
            texts
                .into_iter()
                .filter_map(|(text, node)| self.source(&node, text, Content::Intermediates))
                .collect()
        });
        section.finish();
        let anchors = self.sources(&anchors?, Content::TrustAnchors);
        Some(Trust { anchors, intermediates: intermediates.unwrap_or_default() })
    }

    fn response(
        &self,
        section: Section<'_>,
        gateway_cache_ttl: Option<Duration>,
    ) -> (HttpApiAnswer, Unauthenticated) {
        let answers = [("iam", HttpApiAnswer::Iam), ("simple", HttpApiAnswer::Simple)];
        let http_api = self
            .choice_or_variable(&section, "http_api", HTTP_API, &answers)
            .unwrap_or(HttpApiAnswer::Iam);
        if http_api == HttpApiAnswer::Simple && gateway_cache_ttl.is_some_and(|ttl| !ttl.is_zero())
        {
            self.findings.fault_in_variable(
                GATEWAY_CACHE_TTL,
                "must be 0 with simple answers: one that is cached opens every route",
            );
        }
        let unauthenticated = section.choice(
            "unauthenticated",
            &[("deny", Unauthenticated::Deny), ("unauthorized", Unauthenticated::Unauthorized)],
        );
        section.finish();
        (http_api, unauthenticated.unwrap_or(Unauthenticated::Deny))
    }

    fn policy(&self, root: &Section<'_>, surroundings: &Surroundings<'_>) -> Policy {
        let Some(node) = root.take("client") else {
            self.findings.warn_of_all("there is no [[client]], so nobody is allowed");
            return Policy::new(Vec::new());
        };
        if node.value.as_table().is_some() {
            node.fault("clients are a list: write `[[client]]`");
            return Policy::new(Vec::new());
        }
        let nodes = node.members().unwrap_or_default();
        let read = |(index, node): (usize, &Node<'_>)| {
            Some((node.offset, client::read(index + 1, node, surroundings)?))
        };
        let clients: Vec<_> = nodes.iter().enumerate().filter_map(read).collect();
        if nodes.is_empty() {
            self.findings.warn_of_all("there is no [[client]], so nobody is allowed");
        }
        client::warn_of_order(&clients, self.findings);
        Policy::new(clients.into_iter().map(|(_, client)| client).collect())
    }
}

fn word<T: Copy + PartialEq>(words: &[(&str, T)], value: T) -> String {
    words
        .iter()
        .find(|(_, known)| *known == value)
        .map_or_else(String::new, |(word, _)| (*word).to_owned())
}

fn contradiction(variable: &str, value: &str) -> String {
    format!("contradicts {variable}, which the template sets to `{}`", value.escape_debug())
}

fn required_text<'a>(section: &Section<'a>, key: &'static str, why: &str) -> Option<String> {
    let Some(node) = section.take(key) else {
        section.missing(key, why);
        return None;
    };
    node.text().map(str::to_owned)
}

fn forward(section: Section<'_>) -> Vec<Forward> {
    let Some(node) = section.take("include") else {
        section.finish();
        return Forward::DEFAULT.to_vec();
    };
    section.finish();
    let words: Vec<_> = Forward::ALL.iter().map(|forward| (forward.key(), *forward)).collect();
    let mut included = Vec::new();
    for (text, node) in node.texts_or_none().unwrap_or_default() {
        if matches!(text, "clientId" | "identityToken") {
            node.fault(format!("`{text}` is always sent; leave it out here"));
        } else {
            included.extend(node.choice(&words));
        }
    }
    included
}

fn log(section: Section<'_>) -> LogDecisions {
    let decisions = section
        .choice("decisions", &[("all", LogDecisions::All), ("denied", LogDecisions::Denied)]);
    section.finish();
    decisions.unwrap_or(LogDecisions::All)
}
