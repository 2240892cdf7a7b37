//! What an authorizer answered, read as strictly as API Gateway reads it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::api::{AnswerForm, EventForm};
use crate::iam::{Policy, Verdict};

/// An authorizer's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whom the call is from; simple answers have none.
    pub principal_id: Option<String>,
    /// What may be called.
    pub decision: Decision,
    /// What goes along to mappings and logs, every value as text.
    pub context: BTreeMap<String, String>,
    /// The API key whose usage plan counts.
    pub usage_identifier_key: Option<String>,
}

/// What may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// What a policy allows.
    Policy(Policy),
    /// All or nothing.
    Simple(bool),
}

impl Answer {
    /// Reads the answer to an event of form `event`, where `form` is expected.
    ///
    /// # Errors
    /// Why API Gateway would answer 500. Nothing of the answer's values is in the text.
    pub fn read(body: &[u8], event: EventForm, form: AnswerForm) -> Result<Self, String> {
        let Ok(Value::Object(answer)) = serde_json::from_slice(body) else {
            return Err("the answer is not a JSON object".to_owned());
        };
        match form {
            AnswerForm::Iam => policy_answer(&answer, event),
            AnswerForm::Simple => simple_answer(&answer, event),
        }
    }

    /// What it says of the call with this ARN.
    #[must_use]
    pub fn verdict(&self, arn: &str) -> Verdict {
        match &self.decision {
            Decision::Policy(policy) => policy.evaluate(arn),
            Decision::Simple(true) => Verdict::Allow,
            Decision::Simple(false) => Verdict::ExplicitDeny,
        }
    }
}

fn policy_answer(answer: &Map<String, Value>, event: EventForm) -> Result<Answer, String> {
    let principal_id = match answer.get("principalId") {
        Some(Value::String(principal)) => principal.clone(),
        Some(_) => return Err("`principalId` is not a string".to_owned()),
        None => return Err("there is no `principalId`".to_owned()),
    };
    let policy = answer.get("policyDocument").ok_or("there is no `policyDocument`")?;
    let usage_identifier_key = match answer.get("usageIdentifierKey") {
        None | Some(Value::Null) => None,
        Some(Value::String(key)) => Some(key.clone()),
        Some(_) => return Err("`usageIdentifierKey` is not a string".to_owned()),
    };
    Ok(Answer {
        principal_id: Some(principal_id),
        decision: Decision::Policy(Policy::read(policy)?),
        context: context(answer, event)?,
        usage_identifier_key,
    })
}

fn simple_answer(answer: &Map<String, Value>, event: EventForm) -> Result<Answer, String> {
    let Some(Value::Bool(authorized)) = answer.get("isAuthorized") else {
        return Err("there is no `isAuthorized` that is true or false".to_owned());
    };
    Ok(Answer {
        principal_id: None,
        decision: Decision::Simple(*authorized),
        context: context(answer, event)?,
        usage_identifier_key: None,
    })
}

fn context(
    answer: &Map<String, Value>,
    event: EventForm,
) -> Result<BTreeMap<String, String>, String> {
    let entries = match answer.get("context") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(entries)) => entries,
        Some(_) => return Err("`context` is not an object".to_owned()),
    };
    let mut context = BTreeMap::new();
    for (key, value) in entries {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) if event == EventForm::HttpV2 => {
                value.to_string()
            }
            _ => return Err(format!("`{key}` in `context` is no string, number or boolean")),
        };
        if key == "claims" && event != EventForm::HttpV2 {
            return Err("`claims` in `context` is reserved".to_owned());
        }
        context.insert(key.clone(), text);
    }
    Ok(context)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({
            "principalId": "orders",
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    { "Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*" }
                ]
            },
            "context": { "tier": 2, "trusted": true, "tenant": "acme" }
        })
    }

    fn read(answer: &Value) -> Result<Answer, String> {
        Answer::read(answer.to_string().as_bytes(), EventForm::Rest, AnswerForm::Iam)
    }

    #[test]
    fn context_values_become_text() {
        let context = read(&good()).unwrap().context;
        let context: Vec<_> = context.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(context, [("tenant", "acme"), ("tier", "2"), ("trusted", "true")]);
    }

    #[test]
    fn malformed_answers_are_refused() {
        type Spoil = fn(&mut Value);
        let faults: [Spoil; 8] = [
            |answer| *answer = json!("Allow"),
            |answer| drop(answer.as_object_mut().unwrap().remove("principalId")),
            |answer| drop(answer.as_object_mut().unwrap().remove("policyDocument")),
            |answer| *answer.pointer_mut("/principalId").unwrap() = json!(7),
            |answer| *answer.pointer_mut("/policyDocument/Statement").unwrap() = json!(null),
            |answer| *answer.pointer_mut("/context/tier").unwrap() = json!({ "a": 1 }),
            |answer| *answer.pointer_mut("/context/tier").unwrap() = json!([1]),
            |answer| *answer.pointer_mut("/context").unwrap() = json!("none"),
        ];
        assert!(read(&good()).is_ok());
        for (index, spoil) in faults.into_iter().enumerate() {
            let mut answer = good();
            spoil(&mut answer);
            assert!(read(&answer).is_err(), "fault {index}");
        }
    }

    #[test]
    fn simple_answer_where_a_policy_is_expected_is_refused_and_the_other_way_round() {
        let simple = json!({ "isAuthorized": true }).to_string();
        let read = |body: &str, form| Answer::read(body.as_bytes(), EventForm::HttpV2, form);
        assert!(read(&simple, AnswerForm::Simple).is_ok());
        assert!(read(&simple, AnswerForm::Iam).is_err());
        assert!(read(&good().to_string(), AnswerForm::Simple).is_err());
        assert!(read(&json!({ "isAuthorized": "true" }).to_string(), AnswerForm::Simple).is_err());
    }
}
