//! Gathers what is known about revocation: the part of the check that waits for files and servers.
//!
//! Nothing here is called before the path and the client of a certificate stand, so nobody makes this program
//! contact anyone by showing it a certificate of their own making. What is fetched is judged by
//! [`crate::revocation`], which knows no I/O.

mod answers;

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

use futures_util::future::join_all;

use crate::{
    certificate::Certificate,
    decision::Evidence,
    revocation::{
        Status,
        crl::{self, CrlStore, Issuer, Subject, Verdict, distribution_points},
        ocsp,
    },
    signature::Strength,
    source::{
        AllowedHosts, Ask, Call, Endpoint, FetchFault, Fetched, Loaded, Post, Refreshed, Schedule,
        Source, Target, Use,
    },
    timestamp::Timestamp,
    trust::{TrustStore, VerifiedPath},
};
use answers::{Answered, Answers, Asked};

/// The largest list that is taken. A million entries are 35 to 50 MB as DER, 68 MB as PEM.
const MAX_LIST_BYTES: usize = 96 * 1024 * 1024;
/// How many lists that certificates name are kept in mind. None is given up for another: with it would go how new it
/// was, and an older one could take its place. An authority may split its list into hundreds.
const MAX_POINTS: usize = 1024;
/// How many places of one certificate are asked for a list.
const MAX_POINTS_OF_ONE: usize = 4;
/// How many responders of one certificate are asked.
const MAX_RESPONDERS: usize = 2;
/// The longest URL that a question is put into; longer ones are posted (RFC 5019, section 5).
const MAX_GET_BYTES: usize = 255;

/// A way to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Certificate revocation lists.
    Crl,
    /// The Online Certificate Status Protocol.
    Ocsp,
}

/// How revocation is found out.
#[derive(Debug)]
pub(super) struct Settings {
    /// In order of preference.
    pub methods: Vec<Method>,
    /// Every certificate of the path but the anchor, or the leaf alone.
    pub whole_path: bool,
    /// Where lists are.
    pub lists: Vec<(String, Source)>,
    /// Whether the lists that a certificate names are asked for too.
    pub distribution_points: bool,
    /// The responder; where it is absent, the one that a certificate names.
    pub responder: Option<Endpoint>,
    /// The only hosts that are contacted because a certificate names them.
    pub allowed_hosts: AllowedHosts,
    /// When lists are asked for again, and how long that may take.
    pub schedule: Schedule,
    /// What signatures on lists and answers must at least be.
    pub strength: Strength,
    /// Tolerance for the times of OCSP answers, in seconds.
    pub clock_skew: i64,
}

/// What a list's source came to when it was last asked.
#[derive(Clone, Debug)]
pub(super) struct ListReport<'a> {
    /// The source.
    pub target: Target<'a>,
    /// The lists that it gave, or why it gave none.
    pub outcome: Result<Arc<Vec<crl::Loaded>>, String>,
}

/// Lists and answers at hand, and where to get newer ones.
#[derive(Debug)]
pub(super) struct RevocationChecker {
    settings: Settings,
    store: RefCell<CrlStore>,
    lists: Vec<List>,
    points: RefCell<HashMap<String, Rc<List>>>,
    answers: RefCell<Answers>,
}

#[derive(Debug)]
struct List {
    label: String,
    refreshed: Refreshed<Vec<crl::Loaded>>,
}

impl RevocationChecker {
    /// A checker that has asked nobody yet.
    #[must_use]
    pub(super) fn new(settings: Settings) -> Self {
        let lists = settings.lists.iter().map(|(label, source)| List {
            label: label.clone(),
            refreshed: Refreshed::new(
                source.clone(),
                Use::RevocationList,
                MAX_LIST_BYTES,
                settings.schedule,
            ),
        });
        Self {
            lists: lists.collect(),
            store: RefCell::default(),
            points: RefCell::default(),
            answers: RefCell::default(),
            settings,
        }
    }

    /// Whether every certificate of a path is checked but the anchor.
    pub(super) fn checks_whole_path(&self) -> bool {
        self.settings.whole_path
    }

    /// Asks every configured list that is due, and tells what is known of each. The authorities of `trust` are those
    /// whose lists can be verified at once.
    pub(super) async fn refresh(&self, trust: &TrustStore, call: Call<'_>) -> Vec<ListReport<'_>> {
        join_all(self.lists.iter().map(|list| self.refresh_one(list, trust, call))).await
    }

    async fn refresh_one<'a>(
        &self,
        list: &'a List,
        trust: &TrustStore,
        call: Call<'_>,
    ) -> ListReport<'a> {
        let load = |bytes: Vec<u8>| {
            let authorities = trust.anchors().chain(trust.intermediates());
            let issuers: Vec<Issuer<'_>> = authorities.map(|authority| issuer(authority)).collect();
            let loaded = self
                .store
                .borrow_mut()
                .load(&list.label, bytes, &issuers, &self.settings.strength, call.now)
                .map_err(|error| error.to_string())?;
            let expires_at = loaded.iter().map(|list| list.serves_until).min();
            Ok(Loaded { value: loaded, expires_at })
        };
        // The store itself refuses older lists, each against the one it would take the place of.
        let current = list.refreshed.current(call, Vec::new(), load, |_, _| Ok(())).await;
        let outcome = match (current.value, current.failure) {
            (Some(lists), _) => Ok(lists),
            (None, failure) => Err(failure.unwrap_or_else(|| "never asked".to_owned())),
        };
        ListReport { target: list.refreshed.target(), outcome }
    }

    /// Finds out about every certificate of a path that is to be checked. One that is revoked decides, then the first
    /// about which nothing can be known. Nobody revokes an anchor, so there is nothing to find out about a
    /// leaf that is one, unless another issued it, whose word is not at hand.
    pub(super) async fn status(
        &self,
        leaf: &Certificate,
        path: &VerifiedPath,
        trust: &TrustStore,
        call: Call<'_>,
    ) -> Status {
        if path.issuers().is_empty() && leaf.subject().der() != leaf.issuer().der() {
            let mut evidence = Evidence::default();
            evidence.add("revocation_of", leaf.subject().ascii());
            evidence.add("why", "it is a trust anchor itself, and its issuer is not in the path");
            return Status::Unknown(evidence);
        }
        let mut subject = leaf;
        let mut found = Status::NotRevoked(Evidence::default());
        for issuer in path.issuers() {
            match (self.status_of(subject, issuer, trust, call).await, &found) {
                (revoked @ Status::Revoked(_), _) => return revoked,
                (status, Status::NotRevoked(_)) => found = status,
                _ => {}
            }
            if !self.settings.whole_path {
                break;
            }
            subject = issuer;
        }
        found
    }

    /// Asks by each method in turn; the next is asked only where the one before does not know.
    async fn status_of(
        &self,
        subject: &Certificate,
        issuer: &Certificate,
        trust: &TrustStore,
        call: Call<'_>,
    ) -> Status {
        let mut unknown = Evidence::default();
        unknown.add("revocation_of", subject.subject().ascii());
        for method in &self.settings.methods {
            let status = match method {
                Method::Crl => self.status_by_lists(subject, issuer, trust, call).await,
                Method::Ocsp => self.status_by_responder(subject, issuer, call).await,
            };
            match status {
                Status::Unknown(evidence) => unknown.extend(evidence),
                known => return known,
            }
        }
        Status::Unknown(unknown)
    }

    async fn status_by_lists(
        &self,
        subject: &Certificate,
        issuer: &Certificate,
        trust: &TrustStore,
        call: Call<'_>,
    ) -> Status {
        let reports = self.refresh(trust, call).await;
        let points = match subject.crl_distribution_points() {
            None => Ok(Vec::new()),
            Some(value) => distribution_points(value, issuer.subject().der()),
        };
        let points = match points {
            Ok(points) => points,
            Err(error) => {
                let mut evidence = Evidence::default();
                evidence.add("crl", format_args!("the distribution points are malformed: {error}"));
                return Status::Unknown(evidence);
            }
        };
        let facts = Subject {
            issuer: subject.issuer().der(),
            serial: subject.serial_number().der_contents(),
            is_ca: subject.is_ca(),
            distribution_points: &points,
        };
        // What came from a place before is kept as fresh as the configured lists; others are asked while nothing is known.
        let (known, new): (Vec<&str>, Vec<&str>) = points
            .iter()
            .filter(|point| self.settings.distribution_points && point.is_plain())
            .flat_map(|point| point.uris())
            .take(MAX_POINTS_OF_ONE)
            .partition(|uri| self.points.borrow().contains_key(*uri));
        let asked = join_all(known.iter().map(|uri| self.ask_point(uri, trust, call))).await;
        let mut verdict = self.verdict(&facts, issuer, call.now);
        let mut failures: Vec<String> = reports
            .into_iter()
            .filter_map(|report| {
                report.outcome.err().map(|why| format!("{}: {why}", report.target))
            })
            .collect();
        let failed =
            |(uri, asked): (&str, Result<(), String>)| Some(format!("{uri}: {}", asked.err()?));
        failures.extend(known.into_iter().zip(asked).filter_map(failed));
        for uri in new {
            if !matches!(verdict, Verdict::Unknown(..)) {
                break;
            }
            match self.ask_point(uri, trust, call).await {
                Ok(()) => verdict = self.verdict(&facts, issuer, call.now),
                Err(why) => failures.push(format!("{uri}: {why}")),
            }
        }
        self.status_of_verdict(verdict, &failures, call.now)
    }

    fn verdict(&self, facts: &Subject<'_>, authority: &Certificate, now: Timestamp) -> Verdict {
        let authority = issuer(authority);
        let mut store = self.store.borrow_mut();
        store.verify_for(&authority, &self.settings.strength, now);
        store.verdict(facts, &authority, now)
    }

    async fn ask_point(&self, uri: &str, trust: &TrustStore, call: Call<'_>) -> Result<(), String> {
        let endpoint = self.settings.allowed_hosts.admit(uri).map_err(|fault| fault.to_string())?;
        let known = self.points.borrow().get(uri).cloned();
        let list = match known {
            Some(list) => list,
            None if self.points.borrow().len() >= MAX_POINTS => {
                return Err(format!("more than {MAX_POINTS} places are named by certificates"));
            }
            None => {
                let refreshed = Refreshed::at(
                    endpoint,
                    Use::RevocationList,
                    MAX_LIST_BYTES,
                    self.settings.schedule,
                );
                let list = Rc::new(List { label: uri.to_owned(), refreshed });
                self.points.borrow_mut().insert(uri.to_owned(), Rc::clone(&list));
                list
            }
        };
        self.refresh_one(&list, trust, call).await.outcome.map(|_| ())
    }

    fn status_of_verdict(&self, verdict: Verdict, failures: &[String], now: Timestamp) -> Status {
        let mut evidence = Evidence::default();
        let rests_on = |evidence: &mut Evidence, list: &crl::Evidence| {
            evidence.add("source", &list.source);
            evidence.add("this_update", list.this_update);
            if let Some(next_update) = list.next_update {
                evidence.add("next_update", next_update);
            }
            if let Some(age) = self.age(&list.source, now) {
                evidence.add("source_age_seconds", age);
            }
        };
        match verdict {
            Verdict::NotRevoked(list) => {
                rests_on(&mut evidence, &list);
                Status::NotRevoked(evidence)
            }
            Verdict::Revoked(reason, list) => {
                evidence.add("revocation_reason", reason);
                rests_on(&mut evidence, &list);
                Status::Revoked(evidence)
            }
            Verdict::Unknown(obstacle, list) => {
                evidence.add("crl", obstacle);
                if let Some(list) = list {
                    rests_on(&mut evidence, &list);
                }
                for failure in failures {
                    evidence.add("crl_failure", failure);
                }
                Status::Unknown(evidence)
            }
        }
    }

    async fn status_by_responder(
        &self,
        subject: &Certificate,
        issuer: &Certificate,
        call: Call<'_>,
    ) -> Status {
        let asked = Asked::about(subject, issuer);
        if self.answers.borrow().is_due(&asked, self.settings.schedule.refresh, call.now) {
            let newest = self.answers.borrow().newest(&asked);
            let answered = self.ask_responders(subject, issuer, newest, call).await;
            let refresh = self.settings.schedule.refresh;
            self.answers.borrow_mut().add(asked.clone(), answered, refresh, call.now);
        }
        self.answers.borrow().status(&asked, self.settings.clock_skew, call.now)
    }

    /// Asks the configured responder, or those that the certificate names, until one gives an answer that counts.
    async fn ask_responders(
        &self,
        subject: &Certificate,
        issuer: &Certificate,
        newest: Option<ocsp::Edition>,
        call: Call<'_>,
    ) -> Answered {
        let mut failures = Vec::new();
        for endpoint in self.responders(subject, &mut failures) {
            let source = endpoint.to_string();
            let question = ocsp::Question::new(subject, issuer);
            match self.ask_responder(&endpoint, question, newest, call).await {
                Ok(answer) => return Answered::now(call.now, source, Ok(answer)),
                Err(why) => failures.push(format!("{source}: {why}")),
            }
        }
        if failures.is_empty() {
            failures.push("no responder is configured, and the certificate names none".to_owned());
        }
        Answered::now(call.now, String::new(), Err(failures))
    }

    fn responders(&self, subject: &Certificate, failures: &mut Vec<String>) -> Vec<Endpoint> {
        if let Some(responder) = &self.settings.responder {
            return vec![responder.clone()];
        }
        let named = match subject.authority_information_access().map(ocsp::responders) {
            None => Vec::new(),
            Some(Ok(named)) => named,
            Some(Err(error)) => {
                failures.push(format!("the authority information access is malformed: {error}"));
                Vec::new()
            }
        };
        let mut endpoints = Vec::new();
        for uri in named.into_iter().take(MAX_RESPONDERS) {
            match self.settings.allowed_hosts.admit(uri) {
                Ok(endpoint) => endpoints.push(endpoint),
                Err(fault) => failures.push(format!("{uri}: {fault}")),
            }
        }
        endpoints
    }

    /// Puts the question into the URL where it fits, so that caches on the way can answer; else, or where nothing good
    /// came of that, since some responders take questions by POST alone, posts it.
    async fn ask_responder(
        &self,
        endpoint: &Endpoint,
        question: ocsp::Question<'_>,
        newest: Option<ocsp::Edition>,
        call: Call<'_>,
    ) -> Result<ocsp::Answer, String> {
        let timeout = self.settings.schedule.timeout;
        let limit = ocsp::MAX_ANSWER_BYTES;
        let short = endpoint
            .step(&question.to_path_segment())
            .filter(|step| step.to_string().len() <= MAX_GET_BYTES);
        if let Some(step) = &short {
            let ask = Ask {
                target: Target::Endpoint(step),
                used_as: Use::Responder,
                validator: None,
                limit,
                timeout,
                budget: call.budget,
            };
            match call.fetcher.fetch(ask).await {
                Ok(Fetched::New { bytes, .. }) => {
                    if let Ok(answer) = self.read_answer(&bytes, question, newest, call.now) {
                        return Ok(answer);
                    }
                }
                // It has had the time that a source has.
                Err(error) if *error.fault() == FetchFault::TimedOut => {
                    return Err(error.to_string());
                }
                Ok(Fetched::NotModified) | Err(_) => {}
            }
        }
        let post = Post {
            endpoint,
            content_type: "application/ocsp-request",
            body: &question.to_der(),
            limit,
            timeout,
            budget: call.budget,
        };
        let response = call.fetcher.post(post).await.map_err(|error| error.to_string())?;
        self.read_answer(&response, question, newest, call.now)
    }

    fn read_answer(
        &self,
        response: &[u8],
        question: ocsp::Question<'_>,
        newest: Option<ocsp::Edition>,
        now: Timestamp,
    ) -> Result<ocsp::Answer, String> {
        let answer = ocsp::Answer::verify(response, question, self.settings.strength)
            .map_err(|obstacle| obstacle.to_string())?;
        if newest.is_some_and(|newest| answer.edition() < newest) {
            return Err("the answer is older than one that came before (thisUpdate)".to_owned());
        }
        match answer.verdict(self.settings.clock_skew, now) {
            ocsp::Verdict::Unknown(obstacle, _) => Err(obstacle.to_string()),
            ocsp::Verdict::NotRevoked(_) | ocsp::Verdict::Revoked { .. } => Ok(answer),
        }
    }

    /// Seconds since the source last said that its copy is current.
    fn age(&self, label: &str, now: Timestamp) -> Option<i64> {
        let configured = self.lists.iter().find(|list| list.label == label);
        match configured {
            Some(list) => list.refreshed.known().age(now),
            None => self.points.borrow().get(label)?.refreshed.known().age(now),
        }
    }
}

fn issuer(authority: &Certificate) -> Issuer<'_> {
    Issuer {
        name: authority.subject().der(),
        public_key: authority.subject_public_key_info(),
        may_sign_crls: authority.key_usage().is_none_or(|usage| usage.crl_sign),
    }
}
