//! The authorizer cache: answers by their identity sources, for their time to live.
//!
//! The key is what API Gateway's is, the values of the identity sources and nothing else. Where a
//! template leaves the certificate out of them, one client's answer is served to another here, as
//! it would be there: that is a fault to be seen, not to be hidden. What is kept is the whole
//! answer, which is applied anew to every call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use crate::answer::Answer;

const CAPACITY: usize = 10_000;

/// The values of an authorizer's identity sources, with its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The authorizer.
    pub authorizer: String,
    /// The values, in the order of the sources.
    pub values: Vec<String>,
}

/// Answers that may be used again.
#[derive(Debug, Default)]
pub struct Cache {
    answers: Mutex<HashMap<Key, (OffsetDateTime, Arc<Answer>)>>,
}

impl Cache {
    /// The answer for `key`, where one is still good at `now`.
    #[must_use]
    pub fn find(&self, key: &Key, now: OffsetDateTime) -> Option<Arc<Answer>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(key).filter(|(until, _)| now < *until).map(|(_, answer)| Arc::clone(answer))
    }

    /// Keeps an answer until `now` and `time_to_live`.
    pub fn keep(&self, key: Key, answer: Arc<Answer>, now: OffsetDateTime, time_to_live: Duration) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= CAPACITY {
            answers.retain(|_, (until, _)| now < *until);
        }
        // Full of answers that are all good: this one is asked for again.
        if answers.len() < CAPACITY {
            answers.insert(key, (now + time_to_live, answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Decision;

    fn answer(allowed: bool) -> Arc<Answer> {
        Arc::new(Answer {
            principal_id: None,
            decision: Decision::Simple(allowed),
            context: std::collections::BTreeMap::new(),
            usage_identifier_key: None,
        })
    }

    fn key(value: &str) -> Key {
        Key { authorizer: "a".to_owned(), values: vec![value.to_owned()] }
    }

    #[test]
    fn answer_is_found_by_its_key_until_its_time_is_over() {
        let cache = Cache::default();
        let start = OffsetDateTime::UNIX_EPOCH;
        cache.keep(key("one"), answer(true), start, Duration::from_secs(60));
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(cache.find(&key("one"), at(59)), Some(answer(true)));
        assert_eq!(cache.find(&key("two"), at(59)), None);
        assert_eq!(cache.find(&key("one"), at(60)), None);
    }
}
