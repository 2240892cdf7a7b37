//! Policies as an authorizer answers with them, and their evaluation.
//!
//! An explicit Deny wins over every Allow, and what nothing allows is denied. `*` is any run of
//! characters, slashes included, and `?` is one. A statement with a `Condition`, `NotAction` or
//! `NotResource` is refused: they can't be evaluated here, and to leave them out would be wrong.
//!
//! The authorizer has an evaluator of its own for simple answers and its log. It is not linked in,
//! which would double the time of a first build; a test holds the two against each other.

use serde_json::Value;

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    allow: bool,
    actions: Vec<String>,
    resources: Vec<String>,
}

/// What a policy says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A statement allows it and none denies it.
    Allow,
    /// A statement denies it.
    ExplicitDeny,
    /// No statement allows it.
    ImplicitDeny,
}

impl Policy {
    /// Reads a `policyDocument`.
    ///
    /// # Errors
    /// What API Gateway, or this gateway, makes nothing of.
    pub fn read(document: &Value) -> Result<Self, String> {
        let Value::Object(document) = document else {
            return Err("`policyDocument` is not an object".to_owned());
        };
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().map(statement).collect(),
            Some(one @ Value::Object(_)) => statement(one).map(|one| vec![one]),
            _ => Err("`policyDocument` has no Statement".to_owned()),
        };
        Ok(Self { statements: statements? })
    }

    /// What it says of invoking `resource`, the ARN of the call.
    #[must_use]
    pub fn evaluate(&self, resource: &str) -> Verdict {
        let mut verdict = Verdict::ImplicitDeny;
        for statement in &self.statements {
            let applies = statement
                .actions
                .iter()
                .any(|action| matches(&action.to_ascii_lowercase(), "execute-api:invoke"))
                && statement.resources.iter().any(|pattern| matches(pattern, resource));
            match (applies, statement.allow) {
                (true, false) => return Verdict::ExplicitDeny,
                (true, true) => verdict = Verdict::Allow,
                (false, _) => {}
            }
        }
        verdict
    }
}

fn statement(value: &Value) -> Result<Statement, String> {
    let Value::Object(fields) = value else {
        return Err("a Statement is not an object".to_owned());
    };
    for key in fields.keys() {
        if !matches!(key.as_str(), "Sid" | "Effect" | "Action" | "Resource") {
            return Err(format!("`{key}` in a Statement can't be evaluated here"));
        }
    }
    let allow = match fields.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return Err("an Effect that is neither `Allow` nor `Deny`".to_owned()),
    };
    let texts = |key: &str| match fields.get(key) {
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(texts)) if !texts.is_empty() => texts
            .iter()
            .map(|text| text.as_str().map(str::to_owned).ok_or_else(|| format!("{key} is no text")))
            .collect(),
        _ => Err(format!("a Statement without {key}")),
    };
    let resources = texts("Resource")?;
    if resources.iter().any(|resource| resource.len() > 512) {
        return Err("a Resource of more than 512 characters".to_owned());
    }
    Ok(Statement { allow, actions: texts("Action")?, resources })
}

/// Whether `text` fits a pattern with `*` and `?`.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // The last `*`, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(character) if *character == '?' || text.get(t) == Some(character) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|character| *character == '*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/live/GET/orders/7";

    fn verdict(statements: &Value) -> Verdict {
        Policy::read(&json!({ "Version": "2012-10-17", "Statement": statements }))
            .unwrap()
            .evaluate(ARN)
    }

    fn say(effect: &str, resource: &str) -> Value {
        json!({ "Effect": effect, "Action": "execute-api:Invoke", "Resource": resource })
    }

    #[test]
    fn explicit_deny_wins_wherever_it_stands() {
        let (allow, deny) = (say("Allow", "*"), say("Deny", "*/GET/orders/?"));
        assert_eq!(verdict(&json!([allow, deny])), Verdict::ExplicitDeny);
        assert_eq!(verdict(&json!([deny, allow])), Verdict::ExplicitDeny);
        assert_eq!(verdict(&json!([allow, say("Deny", "*/GET/orders/??")])), Verdict::Allow);
    }

    #[test]
    fn what_nothing_allows_is_denied() {
        assert_eq!(verdict(&json!([])), Verdict::ImplicitDeny);
        assert_eq!(verdict(&json!([say("Allow", "*/POST/*")])), Verdict::ImplicitDeny);
        let other = json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "*" });
        assert_eq!(verdict(&json!([other])), Verdict::ImplicitDeny);
    }

    #[test]
    fn wildcards_cross_slashes() {
        assert_eq!(verdict(&json!([say("Allow", "arn:*/live/*/orders/?")])), Verdict::Allow);
        assert_eq!(verdict(&json!([say("Allow", "arn:*/7")])), Verdict::Allow);
        assert_eq!(verdict(&json!([say("Allow", "arn:*/live/GET/?rders/?")])), Verdict::Allow);
        assert_eq!(verdict(&json!([say("Allow", "*/LIVE/*")])), Verdict::ImplicitDeny);
        assert_eq!(verdict(&json!([say("Allow", "*/orders/7?")])), Verdict::ImplicitDeny);
    }

    #[test]
    fn what_cannot_be_evaluated_is_refused() {
        for statement in [
            json!({ "Effect": "allow", "Action": "execute-api:Invoke", "Resource": "*" }),
            json!({ "Action": "execute-api:Invoke", "Resource": "*" }),
            json!({ "Effect": "Allow", "Action": "execute-api:Invoke" }),
            json!({ "Effect": "Allow", "Action": [], "Resource": "*" }),
            json!({ "Effect": "Deny", "Action": "*", "NotResource": "*" }),
            json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {} }),
            json!({ "Effect": "Allow", "Action": "*", "Resource": "a".repeat(513) }),
            json!("Allow"),
        ] {
            assert!(Policy::read(&json!({ "Statement": [statement] })).is_err(), "{statement}");
        }
        assert!(Policy::read(&json!({})).is_err());
        assert!(Policy::read(&json!("Allow")).is_err());
    }

    /// Every pattern and text of up to four characters.
    #[test]
    fn evaluator_agrees_with_the_authorizers() {
        let words = |alphabet: &[char]| {
            let mut words = vec![String::new()];
            let mut last = words.clone();
            for _ in 0..4 {
                last = last
                    .iter()
                    .flat_map(|word| alphabet.iter().map(move |letter| format!("{word}{letter}")))
                    .collect();
                words.extend(last.clone());
            }
            words
        };
        let texts = words(&['a', 'b', '/']);
        for pattern in words(&['a', '/', '*', '?']) {
            for text in &texts {
                assert_eq!(
                    matches(&pattern, text),
                    mtls_authorizer::policy::route::glob_matches(&pattern, text),
                    "{pattern} {text}"
                );
            }
        }
    }
}
