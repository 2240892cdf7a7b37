//! The authorizer: one page that leads a call through event → certificate → decide → answer.
//!
//! The decision is [`decide`]'s, which is pure; here is what has to wait between its steps: keeping
//! anchors, deny list, JWK Set and revocation lists fresh, each asked for by the call that finds it old.

mod facts;
mod load;
mod revocation;

use std::{sync::Arc, time::Duration};

use crate::{
    answer::{Answer, AnswerRules, answer},
    certificate::{Certificate, Malformed},
    decide::{self, Current, Decision, Rules, accept, identify, prove_current},
    decision::{Denial, Evidence, Reason},
    deny_list::{DeniedDigests, DenyList, DenyListFault},
    event::{
        Request,
        headers::Header,
        presented::{Presented, present},
    },
    fault::Fault,
    identity::IdentityTokens,
    policy::configuration::{Configuration, ExtendedKeyUsage, LogDecisions},
    source::{Budget, Call, Fetcher, Loaded, Refreshed},
    timestamp::Timestamp,
    token::{self, TokenError, TokenRules, Verified, keys::KeySet},
    trust::{PathRules, VerifiedPath},
};
use facts::{Facts, TrustSources};
pub use load::{LoadFault, Loader, Notice};
use revocation::RevocationChecker;

/// How long all waits of one call may take together.
const BUDGET: Duration = Duration::from_secs(5);

/// Everything that a call needs, loaded once.
#[derive(Debug)]
pub struct Authorizer {
    configuration: Configuration,
    rules: Rules,
    answers: AnswerRules,
    fetcher: Fetcher,
    facts: Facts,
    trust: Option<TrustSources>,
    deny_list: Option<Refreshed<DenyListCopy>>,
    revocation: Option<RevocationChecker>,
    token: Option<TokenChecker>,
    identity: Option<IdentityTokens>,
}

/// A list, or why it can't be read. One that can't be is no failure to fetch it, after which the copy at hand would
/// serve on: whoever broke it meant to change it.
type DenyListCopy = Result<Arc<DeniedDigests>, DenyListFault>;

fn load_deny_list(bytes: Vec<u8>) -> Result<Loaded<DenyListCopy>, String> {
    Ok(Loaded { value: DeniedDigests::parse(&bytes).map(Arc::new), expires_at: None })
}

fn load_key_set(bytes: Vec<u8>) -> Result<Loaded<KeySet>, String> {
    match KeySet::parse(&bytes) {
        Ok(value) => Ok(Loaded { value, expires_at: None }),
        Err(fault) => Err(fault.to_string()),
    }
}

#[derive(Debug)]
struct TokenChecker {
    rules: TokenRules,
    keys: Refreshed<KeySet>,
}

/// What was decided for one call, and what goes back.
#[derive(Debug)]
pub struct Authorized<'a> {
    /// The decision.
    pub decision: Decision<'a>,
    /// The answer; a fault of our own where it could not be written.
    pub answer: Result<Answer, Fault>,
}

impl Authorizer {
    /// The configuration.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The keys and rules of identity tokens, where they are configured.
    #[must_use]
    pub fn identity(&self) -> Option<&IdentityTokens> {
        self.identity.as_ref()
    }

    /// Whether a decision belongs into the log.
    #[must_use]
    pub fn logs(&self, decision: &Decision<'_>) -> bool {
        self.configuration.log_decisions == LogDecisions::All || !decision.is_allow()
    }

    /// Decides for one event, and shows the outcome to `see` before the answer goes out.
    ///
    /// # Errors
    /// A payload that is no authorizer event.
    pub async fn authorize(
        &self,
        payload: &[u8],
        now: Timestamp,
        see: impl FnOnce(&Request<'_>, &Authorized<'_>),
    ) -> Result<Answer, Fault> {
        let request = Request::parse(payload)?;
        let presented = present(&request, &self.configuration.presentation)?;
        self.judge(&request, presented, now, see).await
    }

    /// As [`Authorizer::authorize`], for a certificate that is presented in another way than by the event.
    ///
    /// # Errors
    /// Headers that are none.
    pub async fn judge(
        &self,
        request: &Request<'_>,
        presented: Result<Presented<'_>, Denial>,
        now: Timestamp,
        see: impl FnOnce(&Request<'_>, &Authorized<'_>),
    ) -> Result<Answer, Fault> {
        let header = self.authorization(request)?;
        let read = presented.and_then(|presented| self.read(presented));
        let decision = match &read {
            Err(denial) => Decision::denied(None, denial.clone()),
            Ok(client) => self.decide(client, &header, request, now).await,
        };
        let authorized = self.answer(decision, request, now);
        see(request, &authorized);
        authorized.answer
    }

    /// Reads the certificates that were presented, or remembers having read them.
    ///
    /// # Errors
    /// `malformed-certificate`.
    fn read(&self, presented: Presented<'_>) -> Result<PresentedCertificate, Denial> {
        let malformed = |malformed: Malformed| {
            Denial::new(Reason::MalformedCertificate).with("rule", malformed)
        };
        let certificate = self.facts.certificate(&presented.leaf).map_err(malformed)?;
        let others: Result<_, _> =
            presented.others.iter().map(|der| Certificate::parse(der)).collect();
        Ok(PresentedCertificate {
            certificate,
            others: others.map_err(malformed)?,
            assertions: presented.assertions,
        })
    }

    async fn decide<'a>(
        &'a self,
        client: &'a PresentedCertificate,
        authorization: &Header,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Decision<'a> {
        match self.prove(client, authorization, now).await {
            Ok(current) => decide::authorize(current, &request.arn),
            Err(decision) => decision,
        }
    }

    async fn prove<'a>(
        &'a self,
        client: &'a PresentedCertificate,
        authorization: &Header,
        now: Timestamp,
    ) -> Result<Current<'a>, Decision<'a>> {
        let certificate = &*client.certificate;
        let denied = |denial| Decision::denied(Some(certificate), denial);
        let budget = Budget::starting_now(BUDGET);
        let call = Call { fetcher: &self.fetcher, now, budget };

        let notes = self.check_assertions(client).map_err(denied)?;
        let deny_list = self.deny_list(call).await;
        let policy = &self.configuration.policy;
        let accepted = accept(certificate, &self.rules.certificate, policy, &deny_list, now)
            .map_err(denied)?;
        let path = self.path(client, call).await.map_err(denied)?;
        let trusted =
            decide::trust(accepted, path, &self.rules, &deny_list, now).map_err(denied)?;
        let token = self.token(authorization, certificate, call).await.map_err(denied)?;
        let identified = identify(trusted, policy, token, &self.rules)?;
        let status = match (&self.revocation, &self.trust, identified.path()) {
            (Some(checker), Some(trust), Some(path)) => {
                let anchors = trust.current(call).await;
                Some(checker.status(certificate, path, &anchors, call).await)
            }
            _ => None,
        };
        prove_current(identified, status, notes, &self.rules)
    }

    fn check_assertions(&self, client: &PresentedCertificate) -> Result<Evidence, Denial> {
        use crate::policy::configuration::Presentation;
        match (&client.assertions, &self.configuration.presentation) {
            (Some(assertions), Presentation::AlbVerify { headers, .. }) => {
                assertions.check(&client.certificate, headers)
            }
            _ => Ok(Evidence::default()),
        }
    }

    async fn deny_list(&self, call: Call<'_>) -> DenyList {
        let Some(list) = &self.deny_list else { return DenyList::None };
        let current = list.current(call, Vec::new(), load_deny_list, |_, _| Ok(())).await;
        let max_stale = self.configuration.freshness.max_stale;
        match current.within_max_stale(call.now, max_stale).map(AsRef::as_ref) {
            Some(Ok(digests)) => DenyList::Listed(Arc::clone(digests)),
            Some(Err(fault)) => DenyList::Unreadable(fault.to_string()),
            None => DenyList::Unreadable(current.failure.unwrap_or_default()),
        }
    }

    async fn path(
        &self,
        client: &PresentedCertificate,
        call: Call<'_>,
    ) -> Result<Option<Arc<VerifiedPath>>, Denial> {
        let Some(trust) = &self.trust else { return Ok(None) };
        let store = trust.current(call).await;
        let rules = PathRules {
            strength: self.rules.certificate.strength,
            extended_key_usage: match &self.rules.certificate.extended_key_usage {
                ExtendedKeyUsage::Any => None,
                ExtendedKeyUsage::OneOf(accepted) => Some(accepted),
            },
        };
        let path = self.facts.path(&client.certificate, &client.others, &store, rules, call.now)?;
        Ok(Some(path))
    }

    fn authorization(&self, request: &Request<'_>) -> Result<Header, Fault> {
        match &self.token {
            None => Ok(Header::Absent),
            Some(_) => Ok(request.headers.read()?.header("Authorization")),
        }
    }

    async fn token(
        &self,
        authorization: &Header,
        certificate: &Certificate,
        call: Call<'_>,
    ) -> Result<Option<Verified>, Denial> {
        let Some(checker) = &self.token else { return Ok(None) };
        let max_stale = self.configuration.freshness.max_stale;
        let verify = |current: &crate::source::Current<KeySet>| {
            let none = KeySet::default();
            let keys = current.within_max_stale(call.now, max_stale).map_or(&none, |keys| keys);
            token::verify(authorization, &checker.rules, keys, certificate, call.now)
        };
        match verify(&self.keys(checker, call).await) {
            Ok(verified) => Ok(Some(verified)),
            Err(TokenError::Denied(denial)) => Err(denial),
            // The issuer may have a new key. How often a made-up `kid` makes us ask is bounded by the source.
            Err(TokenError::UnknownKey(_)) => {
                let current =
                    checker.keys.ask_again(call, Vec::new(), load_key_set, |_, _| Ok(())).await;
                verify(&current).map(Some).map_err(|error| {
                    let denial = error.into_denial();
                    match &current.failure {
                        Some(failure) => denial.with("jwks", failure),
                        None => denial,
                    }
                })
            }
        }
    }

    async fn keys(&self, checker: &TokenChecker, call: Call<'_>) -> crate::source::Current<KeySet> {
        checker.keys.current(call, Vec::new(), load_key_set, |_, _| Ok(())).await
    }

    fn answer<'a>(
        &self,
        mut decision: Decision<'a>,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Authorized<'a> {
        let identity_token = match (&self.identity, decision.grant()) {
            (Some(tokens), Some(grant)) => match tokens.token_for(grant, now) {
                Ok(token) => Some(token),
                Err(_) => return Authorized { decision, answer: Err(Fault::BrokenInvariant) },
            },
            _ => None,
        };
        let answer = answer(&mut decision, request, identity_token.as_deref(), &self.answers)
            .map_err(|_| Fault::BrokenInvariant);
        Authorized { decision, answer }
    }
}

/// The certificates of a client, read.
#[derive(Debug)]
struct PresentedCertificate {
    certificate: Arc<Certificate>,
    others: Vec<Certificate>,
    assertions: Option<crate::event::presented::Assertions>,
}
