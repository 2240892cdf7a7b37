//! The document: from TOML text to a valid [`Configuration`], or to every fault in it.
//!
//! The text becomes a tree whose values know their places (`tree`), a walk over it collects what it finds (`walk`),
//! and each section is read by one function. Serde is not used: it stops at the first error, and loses keys and places in untagged values.
//! Rules that take several sections, or a section and the environment, stand in the function of the section
//! that they could make invalid.
//!
//! What the template owns comes from its environment: `AUTHORIZER_SOURCE_KIND`, `AUTHORIZER_VPC_ENDPOINTS`,
//! `AUTHORIZER_HTTP_API` and `AUTHORIZER_GATEWAY_CACHE_TTL`. A document may leave these out or agree.

mod client;
mod tree;
mod walk;

use std::{cell::RefCell, net::Ipv6Addr, time::Duration};

use crate::{
    der::Oid,
    environment::Environment,
    signature::Strength,
    source::{Base, NETWORK, Rules, Source, SourceFault, url::Host},
};

use super::{
    Policy,
    configuration::{
        AlbVerifyHeaders, CertificateBound, CertificateRules, Configuration, ExtendedKeyUsage,
        Forward, Freshness, HttpApiAnswer, IdentityToken, LogDecisions, OnUnknown, Presentation,
        Revocation, RevocationDepth, RevocationMethod, Token, TokenAlgorithm, Trust,
        Unauthenticated,
    },
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
        let certificate = certificate(self.section_or(&root, "certificate", &empty));
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

    fn presentation(&self, section: Section<'_>, has_anchors: bool) -> Option<Presentation> {
        let kinds = [
            ("api-gateway", Kind::ApiGateway),
            ("alb-verify", Kind::AlbVerify),
            ("alb-passthrough", Kind::AlbPassthrough),
        ];
        let kind = self
            .choice_or_variable(&section, "kind", SOURCE_KIND, &kinds)
            .unwrap_or(Kind::ApiGateway);
        let vpc_endpoints = self.vpc_endpoints(&section, kind);
        let default_headers = section.take("dangerously_default_headers");
        let default_headers_allowed =
            default_headers.as_ref().and_then(Node::boolean).unwrap_or(false);
        if let Some(node) = &default_headers
            && default_headers_allowed
        {
            match kind {
                Kind::AlbPassthrough => node.warn(
                    "a client can send the default header itself, with anybody's certificate in it",
                ),
                _ => node.fault("is for `alb-passthrough` alone"),
            }
        }
        let headers = section.take("headers");
        let presentation = match kind {
            Kind::ApiGateway => {
                if let Some(node) = &headers {
                    node.fault("is for load balancers: `alb-verify` and `alb-passthrough`");
                }
                Some(Presentation::ApiGateway)
            }
            Kind::AlbVerify => alb_verify_headers(headers.as_ref())
                .map(|headers| Presentation::AlbVerify { vpc_endpoints, headers }),
            Kind::AlbPassthrough => {
                if !has_anchors {
                    section.fault("`alb-passthrough` needs [trust] anchors: the load balancer verifies nothing");
                }
                alb_chain_header(&section, headers.as_ref(), default_headers_allowed)
                    .map(|chain| Presentation::AlbPassthrough { vpc_endpoints, chain })
            }
        };
        section.finish();
        presentation
    }

    fn vpc_endpoints(&self, section: &Section<'_>, kind: Kind) -> Vec<String> {
        let written = section.take("vpc_endpoints");
        let in_document: Option<Vec<String>> = written.as_ref().and_then(|node| {
            let texts = node.texts()?;
            for (text, node) in &texts {
                if let Some(rule) = vpc_endpoint_fault(text) {
                    node.fault(rule);
                }
            }
            Some(texts.into_iter().map(|(text, _)| text.to_owned()).collect())
        });
        let in_environment: Option<Vec<String>> = self.variable(VPC_ENDPOINTS).map(|value| {
            let endpoints: Vec<String> =
                value.split(',').map(|endpoint| endpoint.trim().to_owned()).collect();
            for endpoint in &endpoints {
                if let Some(rule) = vpc_endpoint_fault(endpoint) {
                    self.findings.fault_in_variable(VPC_ENDPOINTS, rule);
                }
            }
            endpoints
        });
        if kind == Kind::ApiGateway {
            let rule = "is for load balancers: nothing would be pinned for `api-gateway`";
            if let Some(node) = &written {
                node.fault(rule);
            }
            if in_environment.is_some() {
                self.findings.fault_in_variable(VPC_ENDPOINTS, rule);
            }
            return Vec::new();
        }
        if let (Some(node), Some(document), Some(environment)) =
            (&written, &in_document, &in_environment)
        {
            let same = document.iter().all(|endpoint| environment.contains(endpoint))
                && environment.iter().all(|endpoint| document.contains(endpoint));
            if !same {
                node.fault(contradiction(VPC_ENDPOINTS, &environment.join(",")));
            }
        }
        if written.is_none() && in_environment.is_none() {
            section.missing(
                "vpc_endpoints",
                "a request could come from anywhere, with headers of its own making",
            );
        }
        in_environment.or(in_document).unwrap_or_default()
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

    fn revocation(
        &self,
        section: Section<'_>,
        has_anchors: bool,
    ) -> (Option<Revocation>, Option<Source>, Freshness) {
        let check = revocation_methods(&section);
        let asks = |method| check.as_ref().is_some_and(|check| check.contains(&method));
        let crls_node = section.take("crls");
        let crls = crls_node
            .as_ref()
            .map(|node| self.sources(node, Content::RevocationLists))
            .unwrap_or_default();
        let points_node = section.take("distribution_points");
        let distribution_points = points_node.as_ref().and_then(Node::boolean).unwrap_or(false);
        let responder_node = section.take("ocsp_responder");
        let ocsp_responder = responder_node
            .as_ref()
            .and_then(|node| self.source(node, node.text()?, Content::Responder));
        let hosts_node = section.take("allowed_hosts");
        let allowed_hosts = hosts_node.as_ref().map(allowed_hosts).unwrap_or_default();
        let depth = section
            .choice("depth", &[("leaf", RevocationDepth::Leaf), ("chain", RevocationDepth::Chain)]);
        let unknown_node = section.take("on_unknown");
        let on_unknown = unknown_node.as_ref().and_then(|node| {
            node.choice(&[
                ("deny", OnUnknown::Deny),
                ("dangerously-allow", OnUnknown::DangerouslyAllow),
            ])
        });
        if let (Some(node), Some(OnUnknown::DangerouslyAllow)) = (&unknown_node, on_unknown) {
            node.warn("whoever keeps the sources from answering gets revoked certificates in");
        }
        let freshness = freshness(&section);
        let deny_list = self.one_source(&section, "deny_list", Content::DenyList);
        if deny_list.is_some() && !has_anchors {
            section.findings.warn(
                section.offset,
                "[revocation]: deny_list",
                "without [trust] anchors only the client's certificate is looked for in it, not its issuers",
            );
        }
        if let Some(node) = &crls_node
            && !asks(RevocationMethod::Crl)
        {
            node.fault("`check` does not list \"crl\", so these would never be asked");
        }
        if let Some(node) = &points_node
            && distribution_points
        {
            needs_network(node, "they are on servers");
            if !asks(RevocationMethod::Crl) {
                node.fault("`check` does not list \"crl\", so these would never be asked");
            }
            if hosts_node.is_none() {
                node.fault("needs `allowed_hosts`: no host that a certificate names is contacted unless it is listed");
            }
        }
        if let Some(node) = &responder_node
            && !asks(RevocationMethod::Ocsp)
        {
            node.fault("`check` does not list \"ocsp\", so it would never be asked");
        }
        let certificate_says_where =
            distribution_points || asks(RevocationMethod::Ocsp) && responder_node.is_none();
        if let Some(node) = &hosts_node
            && !certificate_says_where
        {
            node.warn("has no effect: nothing that a certificate names is ever contacted here");
        }
        if asks(RevocationMethod::Crl) && crls_node.is_none() && !distribution_points {
            section.missing("crls", "`check` lists \"crl\", and there is nowhere to get one: write `crls`, or `distribution_points = true`");
        }
        if asks(RevocationMethod::Ocsp) && responder_node.is_none() && hosts_node.is_none() {
            section.missing("ocsp_responder", "`check` lists \"ocsp\", and there is nobody to ask: write `ocsp_responder`, or `allowed_hosts` for those that certificates name");
        }
        if check.is_some() && !has_anchors {
            section.fault("`check` needs [trust] anchors: a list counts by its issuer's signature");
        }
        section.finish();
        let revocation = check.map(|check| Revocation {
            check,
            crls,
            distribution_points,
            ocsp_responder,
            allowed_hosts,
            depth: depth.unwrap_or(RevocationDepth::Leaf),
            on_unknown: on_unknown.unwrap_or(OnUnknown::Deny),
        });
        (revocation, deny_list, freshness)
    }

    fn token(&self, section: Section<'_>) -> Option<Token> {
        let required = section.boolean("required", true);
        let issuer = required_text(&section, "issuer", "tokens are accepted from one issuer alone");
        let audience = section.take("audience");
        if audience.is_none() {
            section.missing("audience", "a token for another audience must not be accepted here");
        }
        let audience = audience.and_then(|node| node.texts());
        if section.take("jwks").is_none() {
            section.missing("jwks", "the issuer's keys are needed to verify anything");
        }
        let jwks = self.one_source(&section, "jwks", Content::KeySet);
        let algorithms = token_algorithms(&section);
        let bound = section.take("certificate_bound");
        let certificate_bound = bound.as_ref().and_then(|node| {
            node.choice(&[
                ("required", CertificateBound::Required),
                ("if-present", CertificateBound::IfPresent),
                ("off", CertificateBound::Off),
            ])
        });
        if let (Some(node), Some(CertificateBound::Off)) = (&bound, certificate_bound) {
            node.warn(
                "a token that was stolen from one client is good with the certificate of another",
            );
        }
        let scopes = section.take("scopes").map(|node| scopes(&node)).unwrap_or_default();
        let claims = section.take("claims").map(|node| claims(&node)).unwrap_or_default();
        section.finish();
        Some(Token {
            required,
            issuer: issuer?,
            audience: audience?.into_iter().map(|(text, _)| text.to_owned()).collect(),
            jwks: jwks?,
            algorithms: algorithms?,
            certificate_bound: certificate_bound.unwrap_or(CertificateBound::Required),
            scopes,
            claims,
        })
    }

    fn identity_token(
        &self,
        section: Section<'_>,
        gateway_cache_ttl: Option<Duration>,
    ) -> Option<IdentityToken> {
        const USUAL_LIFETIME: Duration = Duration::from_secs(60);
        let issuer = required_text(&section, "issuer", "a backend has to know whose token it is");
        let audience =
            required_text(&section, "audience", "a backend has to know that a token is for it");
        let key = section.take("key");
        if key.is_none() {
            section.missing("key", "a token has to be signed");
        }
        let written = section.duration("lifetime");
        let lifetime = written.as_ref().map_or(USUAL_LIFETIME, |(lifetime, _)| *lifetime);
        let cached = gateway_cache_ttl.unwrap_or_default();
        if lifetime <= cached {
            let rule = format!(
                "a token lives {} s, and the gateway caches it for {} s ({GATEWAY_CACHE_TTL}): backends would get tokens that have expired",
                lifetime.as_secs(),
                cached.as_secs()
            );
            let offset = written.as_ref().map_or(section.offset, |(_, node)| node.offset);
            self.findings.fault(offset, "[identity_token]: lifetime", rule);
        }
        section.finish();
        let key = self.sources(&key?, Content::SigningKey);
        Some(IdentityToken {
            issuer: issuer?.to_owned(),
            audience: audience?.to_owned(),
            lifetime,
            key,
        })
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    ApiGateway,
    AlbVerify,
    AlbPassthrough,
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

fn vpc_endpoint_fault(text: &str) -> Option<String> {
    let sound = text
        .strip_prefix("vpce-")
        .is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    (!sound).then(|| {
        format!("`{}` is no id of a VPC endpoint, such as `vpce-0a1b2c3d`", text.escape_debug())
    })
}

/// A table of header names: the given keys with their default names, and what to say of other keys.
fn header_names<const N: usize>(
    node: Option<&Node<'_>>,
    wanted: [(&'static str, &str); N],
    unwanted: &[&'static str],
    why: &str,
) -> Option<[String; N]> {
    let mut names = wanted.map(|(_, default)| default.to_owned());
    let Some(node) = node else { return Some(names) };
    let table = node.table()?;
    let mut seen: Vec<String> = Vec::new();
    for ((key, _), name) in wanted.iter().zip(&mut names) {
        if let Some(node) = table.take(key)
            && let Some(text) = node.text()
        {
            if !is_header_name(text) {
                node.fault(format!("`{}` is no name of a header", text.escape_debug()));
            }
            text.clone_into(name);
        }
        let folded = name.to_ascii_lowercase();
        if seen.contains(&folded) {
            node.fault(format!("`{name}` stands here twice; each header has one meaning"));
        }
        seen.push(folded);
    }
    for key in unwanted {
        if let Some(node) = table.take(key) {
            node.fault(why);
        }
    }
    table.finish();
    Some(names)
}

/// RFC 9110, section 5.6.2.
fn is_header_name(text: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(token)
}

fn alb_verify_headers(node: Option<&Node<'_>>) -> Option<AlbVerifyHeaders> {
    let wanted = [
        ("leaf", "X-Amzn-Mtls-Clientcert-Leaf"),
        ("serial_number", "X-Amzn-Mtls-Clientcert-Serial-Number"),
        ("subject", "X-Amzn-Mtls-Clientcert-Subject"),
        ("issuer", "X-Amzn-Mtls-Clientcert-Issuer"),
        ("validity", "X-Amzn-Mtls-Clientcert-Validity"),
    ];
    let why = "is for `alb-passthrough`; `alb-verify` sends the leaf alone";
    let [leaf, serial_number, subject, issuer, validity] =
        header_names(node, wanted, &["chain"], why)?;
    Some(AlbVerifyHeaders { leaf, serial_number, subject, issuer, validity })
}

fn alb_chain_header(
    section: &Section<'_>,
    node: Option<&Node<'_>>,
    default_allowed: bool,
) -> Option<String> {
    let unwanted = ["leaf", "serial_number", "subject", "issuer", "validity"];
    let why = "is for `alb-verify`; `alb-passthrough` sends the chain alone";
    let wanted = [("chain", "X-Amzn-Mtls-Clientcert")];
    let [chain] = header_names(node, wanted, &unwanted, why)?;
    if !default_allowed && chain.to_ascii_lowercase().starts_with("x-amzn-mtls-") {
        let rule = "`alb-passthrough` needs a header that a client can't guess: rename it at the listener and here (or write dangerously_default_headers = true)";
        match node {
            Some(node) => node.fault(rule),
            None => section.missing("headers", rule),
        }
        return None;
    }
    Some(chain)
}

fn certificate(section: Section<'_>) -> CertificateRules {
    const MOST_SKEW: Duration = Duration::from_secs(5 * 60);
    let extended_key_usage =
        section.take("extended_key_usage").and_then(|node| extended_key_usage(&node));
    let require_extended_key_usage = section.boolean("require_extended_key_usage", false);
    let max_validity = section.duration("max_validity").map(|(duration, node)| {
        if duration.is_zero() {
            node.fault("nothing is that short; leave it out for no limit");
        }
        duration
    });
    let clock_skew = section.duration("clock_skew").map(|(duration, node)| {
        if duration > MOST_SKEW {
            node.fault("is over 5m; clocks that differ so much are to be set");
        }
        duration
    });
    let strength = Strength {
        min_rsa_bits: section
            .take("min_rsa_bits")
            .and_then(|node| min_rsa_bits(&node))
            .unwrap_or(Strength::default().min_rsa_bits),
        allow_sha1: match section.take("allow_sha1") {
            Some(node) => {
                let allow = node.boolean().unwrap_or(false);
                if allow {
                    node.warn("collisions of SHA-1 can be made: an authority that still signs with it can be made to sign what it never saw");
                }
                allow
            }
            None => Strength::default().allow_sha1,
        },
    };
    section.finish();
    CertificateRules {
        extended_key_usage: extended_key_usage
            .unwrap_or_else(|| ExtendedKeyUsage::OneOf(vec![CLIENT_AUTH.to_vec()])),
        require_extended_key_usage,
        max_validity,
        clock_skew: clock_skew.unwrap_or_default(),
        strength,
    }
}

/// 1.3.6.1.5.5.7.3.2.
const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];

/// RFC 5280, section 4.2.1.12.
const PURPOSES: [(&str, &[u8]); 6] = [
    ("serverAuth", &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01]),
    ("clientAuth", CLIENT_AUTH),
    ("codeSigning", &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03]),
    ("emailProtection", &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04]),
    ("timeStamping", &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08]),
    ("OCSPSigning", &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09]),
];

/// 2.5.29.37.0.
const ANY_PURPOSE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];

fn extended_key_usage(node: &Node<'_>) -> Option<ExtendedKeyUsage> {
    if let Some(text) = node.value.as_str() {
        if text == "any" {
            node.warn(
                "certificates for servers, e-mail and everything else are taken for clients'",
            );
            return Some(ExtendedKeyUsage::Any);
        }
        node.fault(format!(
            "`{}` is neither \"any\" nor an array of purposes",
            text.escape_debug()
        ));
        return None;
    }
    let mut purposes = Vec::new();
    for (text, node) in node.texts()? {
        let known = PURPOSES.iter().find(|(name, _)| *name == text);
        let octets = match known {
            Some((_, octets)) => Some(octets.to_vec()),
            None => Oid::parse_dotted(text),
        };
        match octets {
            Some(octets) if octets == ANY_PURPOSE => node.fault(any_purpose_rule(text)),
            Some(octets) => purposes.push(octets),
            None if matches!(text, "any" | "anyExtendedKeyUsage") => {
                node.fault(any_purpose_rule(text));
            }
            None => {
                let hint = match walk::suggestion(text, PURPOSES.iter().map(|(name, _)| *name)) {
                    Some(name) => format!("; did you mean `{name}`?"),
                    None => String::new(),
                };
                node.fault(format!(
                    "`{}` is neither a purpose of RFC 5280 nor a dotted identifier{hint}",
                    text.escape_debug()
                ));
            }
        }
    }
    Some(ExtendedKeyUsage::OneOf(purposes))
}

fn any_purpose_rule(text: &str) -> String {
    format!(
        "`{text}` is no purpose to list; extended_key_usage = \"any\" says that none is looked at"
    )
}

fn min_rsa_bits(node: &Node<'_>) -> Option<usize> {
    let bits = node.integer()?;
    let Some(bits) = usize::try_from(bits).ok().filter(|bits| (1024..=8192).contains(bits)) else {
        node.fault(format!("`{bits}` is no length from 1024 to 8192"));
        return None;
    };
    if bits < 2048 {
        node.warn("RSA keys under 2048 bits can be broken");
    }
    Some(bits)
}

fn revocation_methods(section: &Section<'_>) -> Option<Vec<RevocationMethod>> {
    let methods = [("crl", RevocationMethod::Crl), ("ocsp", RevocationMethod::Ocsp)];
    let texts = section.take("check")?.texts()?;
    let mut chosen = Vec::new();
    for (_, node) in texts {
        let method = node.choice(&methods);
        if method == Some(RevocationMethod::Ocsp) {
            needs_network(&node, "\"ocsp\" asks a server");
        }
        chosen.extend(method);
    }
    Some(chosen)
}

/// What only a build with a network can do is a fault in another, never passed over.
fn needs_network(node: &Node<'_>, why: &str) {
    if !NETWORK {
        node.fault(format!("{why}, and {}", SourceFault::Offline));
    }
}

fn allowed_hosts(node: &Node<'_>) -> Vec<String> {
    let mut hosts = Vec::new();
    for (text, node) in node.texts().unwrap_or_default() {
        match Host::parse(text) {
            Ok(host) => hosts.push(host.to_string()),
            Err(_) if text.parse::<Ipv6Addr>().is_ok() => {
                node.fault(format!("an IPv6 address stands in brackets: `[{text}]`"));
            }
            Err(_) => node.fault(format!(
                "`{}` is no host; write a DNS name or an IP address, without scheme, port or path",
                text.escape_debug()
            )),
        }
    }
    hosts
}

fn freshness(section: &Section<'_>) -> Freshness {
    const LONGEST_WAIT: Duration = Duration::from_secs(5);
    let usual = Freshness::default();
    let of = |key, usual| section.duration(key).map_or(usual, |(duration, _)| duration);
    let timeout = section.duration("timeout").map(|(timeout, node)| {
        if timeout.is_zero() || timeout > LONGEST_WAIT {
            node.fault("must be from 1s to 5s, which is what all waits of a call may come to");
        }
        timeout
    });
    Freshness {
        refresh: of("refresh", usual.refresh),
        timeout: timeout.unwrap_or(usual.timeout),
        max_stale: of("max_stale", usual.max_stale),
    }
}

fn token_algorithms(section: &Section<'_>) -> Option<Vec<TokenAlgorithm>> {
    let Some(node) = section.take("algorithms") else {
        section.missing("algorithms", "a token must not choose how it is verified");
        return None;
    };
    let mut algorithms = Vec::new();
    for (text, node) in node.texts()? {
        if text.eq_ignore_ascii_case("none") {
            node.fault("`none` is no signature, and never possible");
        } else if text.to_ascii_uppercase().starts_with("HS") {
            node.fault(format!(
                "`{}` is symmetric, and never possible: whoever can verify it can sign it",
                text.escape_debug()
            ));
        } else {
            algorithms.extend(node.choice(&TokenAlgorithm::ALL));
        }
    }
    Some(algorithms)
}

/// RFC 6749, section 3.3.
fn scopes(node: &Node<'_>) -> Vec<String> {
    let mut scopes = Vec::new();
    for (text, node) in node.texts().unwrap_or_default() {
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte)) {
            node.fault(format!(
                "`{}` is no scope; several are several members of the array",
                text.escape_debug()
            ));
        }
        scopes.push(text.to_owned());
    }
    scopes
}

fn claims(node: &Node<'_>) -> Vec<(String, String)> {
    let Some(table) = node.table() else { return Vec::new() };
    let mut claims = Vec::new();
    for (key, offset, node) in table.entries() {
        if let Some(rule) = client::context_key_fault(key, true) {
            node.findings.fault(offset, &node.place.to_string(), rule);
        }
        if let Some(claim) = node.text() {
            claims.push((key.to_owned(), claim.to_owned()));
        }
    }
    claims
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
