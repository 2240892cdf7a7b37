//! What stands where [`super`] would have `remote`, in a build without the feature `network`: nobody is asked for
//! anything, and there is no code that could.
//!
//! A configuration that needs more than files does not get this far: it is refused at start, by
//! [`super::Source::parse`] and by the reader of `[revocation]`.

use super::{Ask, Clock, FetchFault, Outcome, Post, Receive};
use crate::environment::Environment;

/// Reads nothing.
pub(super) struct Remote;

/// What a server says of the state of a document: there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AnswerState {}

impl Remote {
    pub(super) const fn new(_: &dyn Environment, _: Clock) -> Self {
        Self
    }

    pub(super) async fn fetch(
        &self,
        _: Ask<'_>,
        _: &mut dyn Receive,
    ) -> Result<Outcome, FetchFault> {
        Err(FetchFault::Offline)
    }

    pub(super) async fn post(&self, _: Post<'_>) -> Result<Vec<u8>, FetchFault> {
        Err(FetchFault::Offline)
    }
}
