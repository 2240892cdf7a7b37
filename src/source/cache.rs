//! The last good copy of a source, and when it is asked for again.
//!
//! Nothing runs between the calls of a Lambda function. So the call that finds a copy due asks for it, with
//! the copy's validator, before it decides; calls that find another asking wait for its answer. A copy is due
//!
//! * once it was last asked for `refresh` ago, or longer;
//! * at every call while the last asking failed, or the copy has expired by what it says itself – but a source
//!   is left in peace for five times as long as it took to fail (at most `refresh`), so that a server that
//!   does not answer costs the calls no more than a sixth of their time;
//! * whenever the clock has gone backwards.
//!
//! A failure never removes a copy. Whether an old one still serves is the caller's decision: a revocation list
//! says so itself (`nextUpdate`); for what does not, there is [`Current::within_max_stale`].
//!
//! Time is a parameter. Only how long a failure took is measured, on the runtime's monotonic clock.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Ask, Budget, Endpoint, Fetcher, Outcome, Receive, Source, Target, Use, Validator};
use crate::timestamp::{Timestamp, seconds};

/// How often [`Refreshed::ask_again`] asks a source at most: a document that changed since is missed for that long,
/// and nobody makes this program ask more often.
pub const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// How a source is kept fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// How old a copy may be before it is asked for again.
    pub refresh: Duration,
    /// The longest wait for one answer.
    pub timeout: Duration,
}

/// What a call brings along: who reads, when it is, and how long it may wait.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Who reads.
    pub fetcher: &'a Fetcher,
    /// The instant that is decided for.
    pub now: Timestamp,
    /// What the call may still wait.
    pub budget: Budget,
}

/// A document that was understood.
#[derive(Clone, Copy, Debug)]
pub struct Loaded<T> {
    /// What it says.
    pub value: T,
    /// When it expires by what it says itself: it is asked for then, whatever `refresh` says.
    pub expires_at: Option<Timestamp>,
}

/// A source and the last good copy of it.
pub struct Refreshed<T> {
    origin: Origin,
    used_as: Use,
    limit: usize,
    schedule: Schedule,
    /// Held by the one call that is asking.
    asking: tokio::sync::Mutex<()>,
    state: Mutex<State<T>>,
}

/// Why a source is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The copy is due.
    Due,
    /// It is not, but lacks something.
    OutOfTurn,
}

enum Origin {
    Source(Source),
    Endpoint(Endpoint),
}

struct State<T> {
    copy: Option<Held<T>>,
    last: Option<Attempt>,
    asked_again_at: Option<Timestamp>,
}

struct Held<T> {
    value: Arc<T>,
    expires_at: Option<Timestamp>,
    confirmed_at: Timestamp,
    validator: Option<Validator>,
}

#[derive(Clone)]
struct Attempt {
    at: Timestamp,
    /// Not to be asked again for so long.
    pause: Duration,
    failure: Option<String>,
}

/// What is known of a source at the moment of a call: the copy at hand, and for the evidence of a denial, how
/// old it is and what went wrong last.
#[derive(Debug)]
pub struct Current<T> {
    /// The last good copy.
    pub value: Option<Arc<T>>,
    /// When its source last said that this is the document.
    pub confirmed_at: Option<Timestamp>,
    /// Why the last asking failed, where it did.
    pub failure: Option<String>,
}

impl<T> Current<T> {
    /// Seconds since the copy was confirmed.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Option<i64> {
        self.confirmed_at.map(|confirmed_at| now.since(confirmed_at))
    }

    /// The copy, unless asking again has failed and it is older than `max_stale`: the rule for documents that
    /// don't say themselves until when they hold.
    #[must_use]
    pub fn within_max_stale(&self, now: Timestamp, max_stale: Duration) -> Option<&Arc<T>> {
        let fresh = self.failure.is_none();
        let stale = || self.age(now).is_none_or(|age| age < 0 || age > seconds(max_stale));
        self.value.as_ref().filter(|_| fresh || !stale())
    }
}

impl<T> Refreshed<T> {
    /// A source of the configuration, not asked for yet.
    #[must_use]
    pub fn new(source: Source, used_as: Use, limit: usize, schedule: Schedule) -> Self {
        Self::of(Origin::Source(source), used_as, limit, schedule)
    }

    /// An endpoint that was let pass, not asked for yet.
    #[must_use]
    pub fn at(endpoint: Endpoint, used_as: Use, limit: usize, schedule: Schedule) -> Self {
        Self::of(Origin::Endpoint(endpoint), used_as, limit, schedule)
    }

    /// The copy for a call, asked for first where it is due.
    ///
    /// A new document goes into `receiver`; `load` makes of it what is kept; `accept` is shown the new and the
    /// one at hand, and may refuse an older document. Refusals and faults leave the copy as it was and are
    /// reported in [`Current::failure`].
    pub async fn current<R: Receive>(
        &self,
        call: Call<'_>,
        receiver: R,
        load: impl FnOnce(R) -> Result<Loaded<T>, String>,
        accept: impl FnOnce(&T, &T) -> Result<(), String>,
    ) -> Current<T> {
        self.settle(call, Turn::Due, receiver, load, accept).await
    }

    /// As [`Refreshed::current`], but asks although the copy is not due: for a document that turned out to lack
    /// something. However often this is called, it asks at most once in [`AGAIN_AFTER`], and never a source that was
    /// asked at this very instant or is left in peace.
    pub async fn ask_again<R: Receive>(
        &self,
        call: Call<'_>,
        receiver: R,
        load: impl FnOnce(R) -> Result<Loaded<T>, String>,
        accept: impl FnOnce(&T, &T) -> Result<(), String>,
    ) -> Current<T> {
        self.settle(call, Turn::OutOfTurn, receiver, load, accept).await
    }

    async fn settle<R: Receive>(
        &self,
        call: Call<'_>,
        turn: Turn,
        receiver: R,
        load: impl FnOnce(R) -> Result<Loaded<T>, String>,
        accept: impl FnOnce(&T, &T) -> Result<(), String>,
    ) -> Current<T> {
        if self.is_settled(turn, call.now) {
            return self.known();
        }
        let Some(_asking) = self.turn_to_ask(call).await else {
            return Current {
                failure: Some("no complete answer in time".to_owned()),
                ..self.known()
            };
        };
        // Whoever was asking may have settled it.
        if self.is_settled(turn, call.now) {
            return self.known();
        }
        if turn == Turn::OutOfTurn {
            self.state().asked_again_at = Some(call.now);
        }
        let began = Instant::now();
        let failure = self.ask(call, receiver, load, accept).await.err();
        self.note(call.now, began.elapsed(), failure);
        self.known()
    }

    /// What is known, without asking.
    #[must_use]
    pub fn known(&self) -> Current<T> {
        let state = self.state();
        Current {
            value: state.copy.as_ref().map(|copy| Arc::clone(&copy.value)),
            confirmed_at: state.copy.as_ref().map(|copy| copy.confirmed_at),
            failure: state.last.as_ref().and_then(|last| last.failure.clone()),
        }
    }

    /// Where it is read from.
    #[must_use]
    pub const fn target(&self) -> Target<'_> {
        match &self.origin {
            Origin::Source(source) => Target::Source(source),
            Origin::Endpoint(endpoint) => Target::Endpoint(endpoint),
        }
    }

    const fn of(origin: Origin, used_as: Use, limit: usize, schedule: Schedule) -> Self {
        let asking = tokio::sync::Mutex::const_new(());
        let state = Mutex::new(State { copy: None, last: None, asked_again_at: None });
        Self { origin, used_as, limit, schedule, asking, state }
    }

    fn is_settled(&self, turn: Turn, now: Timestamp) -> bool {
        let state = self.state();
        let within = |since: i64, span: Duration| (0..seconds(span)).contains(&since);
        let Some(last) = &state.last else { return false };
        let since = now.since(last.at);
        let in_peace = within(since, last.pause);
        match turn {
            Turn::Due => {
                let good = last.failure.is_none() && !state.has_expired(now);
                in_peace || (good && within(since, self.schedule.refresh))
            }
            Turn::OutOfTurn => {
                let lately = |at| within(now.since(at), AGAIN_AFTER);
                in_peace || since == 0 || state.asked_again_at.is_some_and(lately)
            }
        }
    }

    async fn turn_to_ask(&self, call: Call<'_>) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        // Tried first: with files alone nobody waits here, and the runtime needs no timer.
        if let Ok(asking) = self.asking.try_lock() {
            return Some(asking);
        }
        let deadline = call.budget.deadline(self.schedule.timeout);
        tokio::time::timeout_at(deadline, self.asking.lock()).await.ok()
    }

    async fn ask<R: Receive>(
        &self,
        call: Call<'_>,
        mut receiver: R,
        load: impl FnOnce(R) -> Result<Loaded<T>, String>,
        accept: impl FnOnce(&T, &T) -> Result<(), String>,
    ) -> Result<(), String> {
        let held = self
            .state()
            .copy
            .as_ref()
            .map(|copy| (Arc::clone(&copy.value), copy.validator.clone()));
        let ask = Ask {
            target: self.target(),
            used_as: self.used_as,
            validator: held.as_ref().and_then(|(_, validator)| validator.as_ref()),
            limit: self.limit,
            timeout: self.schedule.timeout,
            budget: call.budget,
        };
        let outcome = call.fetcher.fetch_into(ask, &mut receiver).await;
        match outcome.map_err(|error| error.to_string())? {
            Outcome::NotModified => {
                if let Some(copy) = &mut self.state().copy {
                    copy.confirmed_at = call.now;
                }
            }
            Outcome::Complete(validator) => {
                let Loaded { value, expires_at } = load(receiver)?;
                if let Some((held, _)) = &held {
                    accept(&value, held)?;
                }
                let value = Arc::new(value);
                let copy = Held { value, expires_at, confirmed_at: call.now, validator };
                self.state().copy = Some(copy);
            }
        }
        Ok(())
    }

    fn note(&self, now: Timestamp, took: Duration, failure: Option<String>) {
        const PEACE: u32 = 5;
        let mut state = self.state();
        let good = failure.is_none() && !state.has_expired(now);
        let pause = if good {
            Duration::ZERO
        } else {
            took.saturating_mul(PEACE).min(self.schedule.refresh)
        };
        state.last = Some(Attempt { at: now, pause, failure });
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing that could panic happens under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn has_expired(&self, now: Timestamp) -> bool {
        self.copy.as_ref().and_then(|copy| copy.expires_at).is_some_and(|end| end <= now)
    }
}

/// Where it is read from, and nothing of what was read.
impl<T> fmt::Debug for Refreshed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refreshed({})", self.target())
    }
}
