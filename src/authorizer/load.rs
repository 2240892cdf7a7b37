//! From a configuration to an authorizer: everything it names is read once, and every fault is reported at once.
//!
//! A file that can't be read, or not understood, is a fault: it was there when somebody wrote the configuration. A
//! source on the network may be away for a moment, so a fetch that fails is a notice, and calls are decided with what
//! is in hand, which is nothing; they fail closed until a call has fetched it. Signing keys are needed from the first
//! call on, so without them there is no start.

use std::path::Path;

use crate::{
    answer::AnswerRules,
    decide::{Rules, UnknownRevocation},
    deny_list::DeniedDigests,
    environment::Environment,
    identity::{IdentityRules, IdentityTokens, SigningKeys},
    policy::{
        Faults, Finding,
        configuration::{self, Configuration, OnUnknown, RevocationDepth, RevocationMethod},
        document::Document,
        fault::{Content, NamedSource},
        location::{DocumentLocation, locate},
    },
    revocation::crl,
    signature::Strength,
    source::{
        AllowedHosts, Ask, Budget, Call, Endpoint, Fetched, Fetcher, Host, Refreshed, Schedule,
        Source, Target, Use, is_there,
    },
    timestamp::{Timestamp, seconds},
    token::{TokenRules, keys::KeySet},
    trust::may_anchor,
};

use super::{
    Authorizer, BUDGET, Facts, TokenChecker, TrustSources,
    facts::load_bundle,
    revocation::{Method, RevocationChecker, Settings},
};

/// The largest configuration document.
const MAX_DOCUMENT_BYTES: usize = 16 * 1024 * 1024;
/// The largest deny list: 100,000 lines.
const MAX_DENY_LIST_BYTES: usize = 8 * 1024 * 1024;
/// The largest JWK Set.
const MAX_JWK_SET_BYTES: usize = 1024 * 1024;
/// The largest signing key.
const MAX_KEY_BYTES: usize = 64 * 1024;

/// Reads a configuration and what it names.
pub struct Loader<'a> {
    /// The environment.
    pub environment: &'a dyn Environment,
    /// What reads sources.
    pub fetcher: Fetcher,
    /// When this is.
    pub now: Timestamp,
}

/// What keeps an authorizer from starting.
pub type LoadFault = Faults;

/// What does not keep it from starting and should still be looked at.
pub type Notice = Finding;

impl Loader<'_> {
    /// Finds, reads and validates the configuration, and reads everything that it names.
    ///
    /// # Errors
    /// Every fault.
    pub async fn load(self, config: Option<&Path>) -> Result<(Authorizer, Vec<Notice>), LoadFault> {
        let location = locate(config, self.environment, &is_there)?;
        let text = self.document(&location).await?;
        let (configuration, named) = Configuration::parse_naming(Document {
            name: &location.name(),
            text: &text,
            base: &location.base(),
            environment: self.environment,
        });
        match configuration {
            Ok(configuration) => self.build(configuration, &location.name(), named).await,
            Err(faults) => Err(self.faults_of_files_too(faults, &location.name(), named).await),
        }
    }

    /// The faults of a document, and those of the files that it names, so that all of them are told at once.
    async fn faults_of_files_too(
        &self,
        faults: Faults,
        document: &str,
        named: Vec<NamedSource>,
    ) -> Faults {
        let mut found = Found { document, named, faults: faults.0, notices: Vec::new() };
        let schedule = Schedule {
            refresh: std::time::Duration::MAX,
            timeout: configuration::Freshness::default().timeout,
        };
        for NamedSource { source, content, .. } in found.named.clone() {
            if !matches!(source, Source::File(_)) {
                continue;
            }
            let bytes = self.fetch(&source, content.used_as(), usize::MAX, schedule).await;
            let read = bytes.and_then(|bytes| understand(content, bytes, self.now));
            if let Err(why) = read {
                found.missing(content, Target::Source(&source), why);
            }
        }
        found.faults.sort_by_key(|fault| fault.position);
        Faults(found.faults)
    }

    async fn document(&self, location: &DocumentLocation) -> Result<String, Faults> {
        let source = match location {
            DocumentLocation::Inline { text, .. } => return Ok(text.clone()),
            DocumentLocation::Source(source) => source,
        };
        let schedule = Schedule {
            refresh: std::time::Duration::MAX,
            timeout: configuration::Freshness::default().timeout,
        };
        let bytes = self
            .fetch(source, Use::Document, MAX_DOCUMENT_BYTES, schedule)
            .await
            .map_err(|why| faults(&location.name(), "", why))?;
        String::from_utf8(bytes).map_err(|_| faults(&location.name(), "", "not UTF-8"))
    }

    async fn fetch(
        &self,
        source: &Source,
        used_as: Use,
        limit: usize,
        schedule: Schedule,
    ) -> Result<Vec<u8>, String> {
        let ask = Ask {
            target: Target::Source(source),
            used_as,
            validator: None,
            limit,
            timeout: schedule.timeout,
            budget: Budget::starting_now(BUDGET),
        };
        match self.fetcher.fetch(ask).await {
            Ok(Fetched::New { bytes, .. }) => Ok(bytes),
            Ok(Fetched::NotModified) => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn build(
        self,
        configuration: Configuration,
        document: &str,
        named: Vec<NamedSource>,
    ) -> Result<(Authorizer, Vec<Notice>), LoadFault> {
        let notices = configuration.warnings.clone();
        let mut found = Found { document, named, faults: Vec::new(), notices };
        let schedule = Schedule {
            refresh: configuration.freshness.refresh,
            timeout: configuration.freshness.timeout,
        };
        let identity = self.identity(&configuration, schedule, &mut found).await;
        let authorizer = Authorizer {
            rules: rules(&configuration),
            answers: AnswerRules {
                http_api: configuration.http_api,
                unauthenticated: configuration.unauthenticated,
                include: configuration.forward.clone(),
                client_context_keys: configuration.policy.context_keys(),
            },
            trust: configuration.trust.as_ref().map(|trust| {
                let bundle = |sources: &[Source]| {
                    sources.iter().map(|it| TrustSources::source(it.clone(), schedule)).collect()
                };
                TrustSources::new(
                    bundle(&trust.anchors),
                    bundle(&trust.intermediates),
                    configuration.freshness.max_stale,
                )
            }),
            deny_list: configuration
                .deny_list
                .clone()
                .map(|source| Refreshed::new(source, Use::Document, MAX_DENY_LIST_BYTES, schedule)),
            revocation: configuration.revocation.as_ref().map(|revocation| {
                RevocationChecker::new(settings(&configuration, revocation, schedule))
            }),
            token: configuration.token.clone().map(|token| TokenChecker {
                keys: Refreshed::new(
                    token.jwks.clone(),
                    Use::Document,
                    MAX_JWK_SET_BYTES,
                    schedule,
                ),
                rules: TokenRules {
                    token,
                    clock_skew: seconds(configuration.certificate.clock_skew),
                },
            }),
            identity,
            facts: Facts::default(),
            fetcher: self.fetcher,
            configuration,
        };
        let budget = Budget::starting_now(BUDGET);
        authorizer.read_sources(self.now, budget, &mut found).await;
        if found.faults.is_empty() {
            Ok((authorizer, found.notices))
        } else {
            Err(Faults(found.faults))
        }
    }

    async fn identity(
        &self,
        configuration: &Configuration,
        schedule: Schedule,
        found: &mut Found<'_>,
    ) -> Option<IdentityTokens> {
        let identity = configuration.identity_token.as_ref()?;
        let mut documents = Vec::new();
        for source in &identity.key {
            match self.fetch(source, Use::SigningKey, MAX_KEY_BYTES, schedule).await {
                Ok(bytes) => documents.push(bytes),
                // Without its keys no identity token can be made, wherever they come from.
                Err(why) => found.fault(Content::SigningKey, source, why),
            }
        }
        if documents.len() < identity.key.len() {
            return None;
        }
        let rules = IdentityRules {
            issuer: identity.issuer.clone(),
            audience: identity.audience.clone(),
            lifetime: seconds(identity.lifetime),
            gateway_cache_ttl: configuration.gateway_cache_ttl.map_or(0, seconds),
        };
        match SigningKeys::parse(documents.iter().map(Vec::as_slice)) {
            Ok(keys) => Some(IdentityTokens::new(rules, keys)),
            Err((position, fault)) => {
                if let Some(source) = identity.key.get(position) {
                    found.fault(Content::SigningKey, source, format!("`{source}`: {fault}"));
                }
                None
            }
        }
    }
}

/// What was found on the way to an authorizer.
struct Found<'a> {
    document: &'a str,
    named: Vec<NamedSource>,
    faults: Vec<Finding>,
    notices: Vec<Finding>,
}

impl Found<'_> {
    fn fault(&mut self, content: Content, source: &Source, rule: impl Into<String>) {
        self.faults.push(self.finding(content, Target::Source(source), rule));
    }

    fn notice(&mut self, content: Content, target: Target<'_>, rule: impl Into<String>) {
        self.notices.push(self.finding(content, target, rule));
    }

    /// What could not be had: a fault of a file, a notice of the network.
    fn missing(&mut self, content: Content, target: Target<'_>, why: impl Into<String>) {
        match target {
            Target::Source(source) if !source.is_remote() => self.fault(content, source, why),
            _ => self.notice(content, target, why),
        }
    }

    fn finding(&self, content: Content, target: Target<'_>, rule: impl Into<String>) -> Finding {
        let is_it = |named: &&NamedSource| {
            named.content == content
                && matches!(target, Target::Source(source) if named.source == *source)
        };
        let position = self.named.iter().find(is_it).map(|named| named.position);
        Finding { position, ..finding(self.document, content.key(), rule) }
    }
}

/// Whether bytes are what a source is to hold.
fn understand(content: Content, bytes: Vec<u8>, now: Timestamp) -> Result<(), String> {
    match content {
        Content::TrustAnchors | Content::Intermediates => load_bundle(bytes).map(|_| ()),
        Content::RevocationLists => crl::CrlStore::new()
            .load("", bytes, &[], &Strength::default(), now)
            .map(|_| ())
            .map_err(|error| error.to_string()),
        Content::DenyList => {
            DeniedDigests::parse(&bytes).map(|_| ()).map_err(|fault| fault.to_string())
        }
        Content::KeySet => KeySet::parse(&bytes).map(|_| ()).map_err(|fault| fault.to_string()),
        Content::SigningKey => {
            SigningKeys::parse([&*bytes]).map(|_| ()).map_err(|(_, fault)| fault.to_string())
        }
        Content::Responder => Ok(()),
    }
}

fn finding(document: &str, path: &str, rule: impl Into<String>) -> Finding {
    Finding { document: document.into(), position: None, path: path.to_owned(), rule: rule.into() }
}

fn faults(document: &str, path: &str, rule: impl Into<String>) -> Faults {
    Faults(vec![finding(document, path, rule)])
}

fn rules(configuration: &Configuration) -> Rules {
    Rules {
        certificate: configuration.certificate.clone(),
        path_required: configuration.trust.is_some(),
        token_configured: configuration.token.is_some(),
        unknown_revocation: match &configuration.revocation {
            None => UnknownRevocation::NotChecked,
            Some(revocation) => match revocation.on_unknown {
                OnUnknown::Deny => UnknownRevocation::Deny,
                OnUnknown::DangerouslyAllow => UnknownRevocation::DangerouslyAllow,
            },
        },
    }
}

fn settings(
    configuration: &Configuration,
    revocation: &configuration::Revocation,
    schedule: Schedule,
) -> Settings {
    let methods = revocation.check.iter().map(|method| match method {
        RevocationMethod::Crl => Method::Crl,
        RevocationMethod::Ocsp => Method::Ocsp,
    });
    let responder = match &revocation.ocsp_responder {
        Some(Source::Web(url)) => Some(Endpoint::configured(url.clone())),
        _ => None,
    };
    let hosts = revocation.allowed_hosts.iter().filter_map(|host| Host::parse(host).ok());
    Settings {
        methods: methods.collect(),
        whole_path: revocation.depth == RevocationDepth::Chain,
        lists: revocation.crls.iter().map(|source| (source.to_string(), source.clone())).collect(),
        distribution_points: revocation.distribution_points,
        responder,
        allowed_hosts: AllowedHosts::new(hosts.collect()),
        schedule,
        strength: configuration.certificate.strength,
        clock_skew: seconds(configuration.certificate.clock_skew),
    }
}

impl Authorizer {
    /// Reads every source once, and tells what was found.
    async fn read_sources(&self, now: Timestamp, budget: Budget, found: &mut Found<'_>) {
        let call = Call { fetcher: &self.fetcher, now, budget };
        if let Some(trust) = &self.trust {
            let store = trust.current(call).await;
            for (content, bundle) in trust.all() {
                let known = bundle.known();
                if let Some(why) = known.failure {
                    found.missing(content, bundle.target(), why);
                } else if content == Content::TrustAnchors {
                    for anchor in known.value.iter().flat_map(|anchors| anchors.iter()) {
                        if let Err(why) = may_anchor(anchor, now) {
                            found.notice(content, bundle.target(), why);
                        }
                    }
                }
            }
            if let Some(checker) = &self.revocation {
                let content = Content::RevocationLists;
                let leaf_only = !checker.checks_whole_path();
                for report in checker.refresh(&store, call).await {
                    match report.outcome {
                        Err(why) => found.missing(content, report.target, why),
                        Ok(lists) => {
                            let why = |list| why_unfit(list, leaf_only, now);
                            for why in lists.iter().filter_map(why) {
                                let rule = format!("`{}`: {why}", report.target);
                                found.notice(content, report.target, rule);
                            }
                        }
                    }
                }
            }
        }
        if let Some(list) = &self.deny_list {
            self.deny_list(call).await;
            let known = list.known();
            let fault = known.value.as_deref().and_then(|list| list.as_ref().err());
            let why = known.failure.or(fault.map(|fault| format!("`{}`: {fault}", list.target())));
            if let Some(why) = why {
                let why = format!("{why}; until it can be read, everybody is denied");
                found.missing(Content::DenyList, list.target(), why);
            }
        }
        if let Some(token) = &self.token {
            let known = self.keys(token, call).await;
            if let Some(why) = known.failure {
                found.missing(Content::KeySet, token.keys.target(), why);
            }
        }
    }
}

/// Why a list that was read can't show that a certificate is not revoked.
fn why_unfit(list: &crl::Loaded, leaf_only: bool, now: Timestamp) -> Option<String> {
    if let Some(obstacle) = &list.never_serves {
        return Some(obstacle.to_string());
    }
    if list.of_authorities_only && leaf_only {
        return Some("it is about certificates of CAs only, and `depth` is \"leaf\"".to_owned());
    }
    match &list.signature {
        crl::Signature::Refused(why) => {
            return Some(format!("its signature does not count: {why}"));
        }
        crl::Signature::Unverified => {
            return Some("its issuer is not among the anchors and intermediates".to_owned());
        }
        crl::Signature::Rollback(_) | crl::Signature::Verified => {}
    }
    if now < list.this_update {
        return Some(format!("it is not valid before {}", list.this_update));
    }
    (now > list.serves_until).then(|| format!("it expired at {}", list.serves_until))
}
