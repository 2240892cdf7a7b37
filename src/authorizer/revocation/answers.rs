//! What responders have answered, by the certificate that they were asked about, and when they are asked again.
//!
//! An answer is kept while it is in date, whoever fails to renew it. How new the newest one was is kept even longer, so
//! that nobody who can answer in a responder's place, or keep its answers from coming, gets an older one to count. What
//! is forgotten, with the process or where there are too many certificates, protects nobody any more.

use std::{collections::HashMap, time::Duration};

use crate::{
    certificate::Certificate,
    decision::Evidence,
    revocation::{Status, ocsp},
    timestamp::{Timestamp, seconds},
};

/// How many answers are kept. Each takes a kilobyte or two.
const MAX_ANSWERS: usize = 4096;
/// Seconds for which a responder that gave no good answer about a certificate is left in peace.
const PEACE: i64 = 10;

/// A certificate that responders are asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    /// The key of its issuer.
    issuer: [u8; 32],
    serial_number: Box<[u8]>,
}

/// What came of asking, for each certificate.
#[derive(Debug, Default)]
pub(super) struct Answers(HashMap<Asked, Answered>);

/// What came of asking, and when.
#[derive(Debug)]
pub(super) struct Answered {
    /// When this came of it.
    at: Timestamp,
    /// When somebody was last asked.
    asked_at: Timestamp,
    source: String,
    outcome: Result<ocsp::Answer, Vec<String>>,
    /// The newest answer that there was, this one or one before it.
    newest: Option<ocsp::Edition>,
}

impl Asked {
    pub(super) fn about(subject: &Certificate, issuer: &Certificate) -> Self {
        Self {
            issuer: *issuer.public_key_fingerprint(),
            serial_number: subject.serial_number().magnitude().into(),
        }
    }
}

impl Answers {
    /// Whether it is time to ask about a certificate.
    pub(super) fn is_due(&self, asked: &Asked, refresh: Duration, now: Timestamp) -> bool {
        self.0.get(asked).is_none_or(|known| known.is_due(now, refresh))
    }

    /// The newest answer that there was about a certificate: older ones do not count.
    pub(super) fn newest(&self, asked: &Asked) -> Option<ocsp::Edition> {
        self.0.get(asked)?.newest
    }

    /// Takes in what came of asking about a certificate.
    pub(super) fn add(
        &mut self,
        asked: Asked,
        answered: Answered,
        refresh: Duration,
        now: Timestamp,
    ) {
        match self.0.get_mut(&asked) {
            Some(known) => known.renew(answered, now),
            None => {
                self.make_room(refresh, now);
                self.0.insert(asked, answered);
            }
        }
    }

    fn make_room(&mut self, refresh: Duration, now: Timestamp) {
        if self.0.len() >= MAX_ANSWERS {
            self.0.retain(|_, known| !known.is_due(now, refresh));
        }
        if self.0.len() >= MAX_ANSWERS
            && let Some(oldest) = self
                .0
                .iter()
                .min_by_key(|(_, known)| known.asked_at)
                .map(|(asked, _)| asked.clone())
        {
            self.0.remove(&oldest);
        }
    }

    /// What is known about a certificate.
    pub(super) fn status(&self, asked: &Asked, clock_skew: i64, now: Timestamp) -> Status {
        self.0.get(asked).map_or_else(
            || Status::Unknown(Evidence::default()),
            |known| known.status(clock_skew, now),
        )
    }
}

impl Answered {
    pub(super) fn now(
        now: Timestamp,
        source: String,
        outcome: Result<ocsp::Answer, Vec<String>>,
    ) -> Self {
        let newest = outcome.as_ref().ok().map(ocsp::Answer::edition);
        Self { at: now, asked_at: now, source, outcome, newest }
    }

    /// Takes in what came of asking again.
    fn renew(&mut self, answered: Self, now: Timestamp) {
        // An answer serves on while it is in date, whoever fails to renew it.
        if answered.outcome.is_err() && self.serves(now) {
            self.asked_at = now;
        } else {
            let newest = self.newest.max(answered.newest);
            *self = Self { newest, ..answered };
        }
    }

    /// Whether it is time to ask again: after `nextUpdate`, or, where the responder promises none, after `refresh`.
    fn is_due(&self, now: Timestamp, refresh: Duration) -> bool {
        let lately = now.since(self.asked_at);
        if (0..PEACE).contains(&lately) && (self.asked_at != self.at || self.outcome.is_err()) {
            return false;
        }
        match &self.outcome {
            Ok(answer) if answer.next_update().is_some() => lately < 0 || !self.serves(now),
            Ok(_) => !(0..seconds(refresh)).contains(&lately),
            Err(_) => true,
        }
    }

    /// Whether it is an answer that is in date.
    fn serves(&self, now: Timestamp) -> bool {
        self.outcome.as_ref().is_ok_and(|answer| now <= answer.serves_until())
    }

    fn status(&self, clock_skew: i64, now: Timestamp) -> Status {
        let mut evidence = Evidence::default();
        let answer = match &self.outcome {
            Ok(answer) => answer,
            Err(failures) => {
                failures.iter().for_each(|failure| evidence.add("ocsp", failure));
                return Status::Unknown(evidence);
            }
        };
        evidence.add("source", &self.source);
        evidence.add("source_age_seconds", now.since(self.at));
        let rests_on = |evidence: &mut Evidence, answer: &ocsp::Evidence| {
            evidence.add("signer", &answer.signer);
            evidence.add("this_update", answer.this_update);
            if let Some(next_update) = answer.next_update {
                evidence.add("next_update", next_update);
            }
        };
        match answer.verdict(clock_skew, now) {
            ocsp::Verdict::NotRevoked(answer) => {
                rests_on(&mut evidence, &answer);
                Status::NotRevoked(evidence)
            }
            ocsp::Verdict::Revoked { at, reason, evidence: answer } => {
                evidence.add("revoked_at", at);
                evidence.add("revocation_reason", reason);
                rests_on(&mut evidence, &answer);
                Status::Revoked(evidence)
            }
            ocsp::Verdict::Unknown(obstacle, answer) => {
                evidence.add("ocsp", obstacle);
                rests_on(&mut evidence, &answer);
                Status::Unknown(evidence)
            }
        }
    }
}
