//! Answers: from a decision to the JSON that API Gateway expects.
//!
//! An IAM answer holds one Allow statement over everything that the client may do, and one Deny statement over
//! what it may not, not just the route of this call: API Gateway caches the policy and applies it to every later
//! call under the same key, so a policy of one route would lock the client out of its others. For the same
//! reason a route that the lists do not admit gets the very same policy; API Gateway itself refuses the call.
//! Every other denial is one Deny statement over the stage.
//!
//! The types are the project's own: in `aws_lambda_events` 1.2 an effect that is not set means Allow, and
//! absent parts are sent as null.

pub mod context;

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    decide::{Decision, Grant},
    decision::{Denial, Reason},
    event::{EventForm, Request},
    policy::{
        client::UsagePlanKey,
        configuration::{Forward, HttpApiAnswer, Unauthenticated},
    },
};

/// The largest answer in bytes of JSON. API Gateway's own limit is not documented; 10,240 bytes is what all
/// headers to a backend may have.
pub const MAX_BYTES: usize = 8192;

/// What goes back to API Gateway.
#[derive(Debug)]
pub enum Answer {
    /// The authorizer's answer.
    Json(Box<RawValue>),
    /// The error `Unauthorized`, which API Gateway turns into 401.
    Unauthorized,
}

/// How the configuration wants answers.
#[derive(Clone, Debug)]
pub struct AnswerRules {
    /// What an HTTP API of format 2.0 expects.
    pub http_api: HttpApiAnswer,
    /// What a call without a certificate or token gets.
    pub unauthenticated: Unauthenticated,
    /// The certificate's context keys to send.
    pub include: Vec<Forward>,
    /// The context keys of all clients ([`Policy::context_keys`](crate::policy::Policy::context_keys)).
    pub client_context_keys: Vec<String>,
}

/// A fault of our own: JSON that can't be written. It can't happen, and answers 500 if it does.
#[derive(Debug)]
pub struct AnswerFault;

impl Answer {
    /// The JSON that goes back, errors included, as the Runtime API shows them.
    #[must_use]
    pub fn json(&self) -> &str {
        match self {
            Self::Json(json) => RawValue::get(json),
            Self::Unauthorized => r#"{"errorType":"Unauthorized","errorMessage":"Unauthorized"}"#,
        }
    }
}

/// Writes the answer to a decision. An Allow whose answer would be too large becomes a denial, in place.
///
/// # Errors
/// JSON that can't be written.
pub fn answer(
    decision: &mut Decision<'_>,
    request: &Request<'_>,
    identity_token: Option<&str>,
    rules: &AnswerRules,
) -> Result<Answer, AnswerFault> {
    let simple = request.form == EventForm::HttpV2 && rules.http_api == HttpApiAnswer::Simple;
    if let Some(grant) = decision.grant() {
        let json = if simple && decision.denial().is_none() {
            to_raw_value(&Simple {
                is_authorized: true,
                context: grant_context(grant, identity_token, rules),
            })
        } else if simple {
            return refuse(decision, request, rules, simple);
        } else {
            to_raw_value(&iam_allow(grant, request, identity_token, rules))
        };
        let json = json.map_err(|_| AnswerFault)?;
        if json.get().len() <= MAX_BYTES {
            return Ok(Answer::Json(json));
        }
        let denial = Denial::new(Reason::IdentityTooLarge)
            .with("answer_bytes", json.get().len())
            .with("max_bytes", MAX_BYTES);
        decision.deny(denial);
    }
    refuse(decision, request, rules, simple)
}

fn refuse(
    decision: &Decision<'_>,
    request: &Request<'_>,
    rules: &AnswerRules,
    simple: bool,
) -> Result<Answer, AnswerFault> {
    let reason = decision.denial().map_or(Reason::NoClientCertificate, |denial| denial.reason);
    if rules.unauthenticated == Unauthenticated::Unauthorized
        && matches!(reason, Reason::NoClientCertificate | Reason::TokenMissing)
    {
        return Ok(Answer::Unauthorized);
    }
    let context = Context(vec![(Cow::Borrowed("denyReason"), Cow::Borrowed(reason.code()))]);
    if simple {
        let json = to_raw_value(&Simple { is_authorized: false, context });
        return json.map(Answer::Json).map_err(|_| AnswerFault);
    }
    let stage = vec![format!("{}/*", request.arn.stage())];
    let mut iam = Iam {
        principal_id: decision.principal(),
        policy_document: PolicyDocument::new(vec![Statement::new(Effect::Deny, stage)]),
        context,
        usage_identifier_key: None,
    };
    let json = to_raw_value(&iam).map_err(|_| AnswerFault)?;
    if json.get().len() > MAX_BYTES
        && let Some(certificate) = decision.certificate()
    {
        iam.principal_id = certificate.short_principal().into();
        return to_raw_value(&iam).map(Answer::Json).map_err(|_| AnswerFault);
    }
    Ok(Answer::Json(json))
}

fn iam_allow<'a>(
    grant: &'a Grant<'_>,
    request: &Request<'_>,
    identity_token: Option<&'a str>,
    rules: &'a AnswerRules,
) -> Iam<'a> {
    let stage = request.arn.stage();
    let routes = &grant.client().routes;
    let mut statements =
        vec![Statement::new(Effect::Allow, routes.allow_resources(stage).collect())];
    let denied: Vec<String> = routes.deny_resources(stage).collect();
    if !denied.is_empty() {
        statements.push(Statement::new(Effect::Deny, denied));
    }
    Iam {
        principal_id: grant.certificate().principal(),
        policy_document: PolicyDocument::new(statements),
        context: grant_context(grant, identity_token, rules),
        usage_identifier_key: grant
            .client()
            .usage_plan_key
            .as_ref()
            .filter(|_| request.form == EventForm::Rest)
            .map(UsagePlanKey::expose),
    }
}

/// Everything that a backend is told about a client: the same keys on every Allow, those of other clients too. Where
/// a key is mapped to a header and absent, the header that the client sent itself could stay.
fn grant_context<'a>(
    grant: &'a Grant<'_>,
    identity_token: Option<&'a str>,
    rules: &'a AnswerRules,
) -> Context<'a> {
    let mut entries: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::with_capacity(16);
    for key in &rules.include {
        let value = context::certificate_value(*key, grant.certificate());
        entries.push((Cow::Borrowed(key.key()), value));
    }
    entries.push((Cow::Borrowed("clientId"), Cow::Borrowed(grant.client().id.as_str())));
    for key in &rules.client_context_keys {
        let own = grant.client().context.iter().find(|(own, _)| own == key);
        let value = own.map_or("", |(_, value)| value);
        entries.push((Cow::Borrowed(key), Cow::Borrowed(value)));
    }
    for (key, value) in grant.token_context() {
        entries.push((Cow::Borrowed(key), Cow::Borrowed(value)));
    }
    if let Some(token) = identity_token {
        entries.push((Cow::Borrowed("identityToken"), Cow::Borrowed(token)));
    }
    Context(entries)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Iam<'a> {
    principal_id: Cow<'a, str>,
    policy_document: PolicyDocument,
    context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_identifier_key: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyDocument {
    version: &'static str,
    statement: Vec<Statement>,
}

impl PolicyDocument {
    fn new(statement: Vec<Statement>) -> Self {
        Self { version: "2012-10-17", statement }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    action: &'static str,
    effect: Effect,
    resource: Vec<String>,
}

impl Statement {
    fn new(effect: Effect, resource: Vec<String>) -> Self {
        Self { action: "execute-api:Invoke", effect, resource }
    }
}

#[derive(Serialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Simple<'a> {
    is_authorized: bool,
    context: Context<'a>,
}

/// A JSON object in the order in which it was put together; the configuration sees to it that keys differ.
struct Context<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl Serialize for Context<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
