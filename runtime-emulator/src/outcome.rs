//! How an invocation ended.

use std::process::ExitStatus;
use std::time::Duration;

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The function answered; its payload as it was sent.
    Response(Vec<u8>),
    /// The function reported an error for this event, and can take the next one.
    Error {
        /// `Lambda-Runtime-Function-Error-Type`, where the function sent one.
        error_type: Option<String>,
        /// The body of the report: JSON with `errorType` and `errorMessage`, as a rule.
        body: Vec<u8>,
    },
    /// The function reported that it could not start.
    InitError {
        /// `Lambda-Runtime-Function-Error-Type`, where the function sent one.
        error_type: Option<String>,
        /// The body of the report.
        body: Vec<u8>,
    },
    /// The process ended without an answer; its status where it could be learnt.
    Exited(Option<ExitStatus>),
    /// The function was given more time than it has, and was ended.
    TimedOut,
}

/// An invocation with what was measured of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The request id the function was given.
    pub request_id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// From just before the event was written to when the last byte of the answer had been read.
    /// Taken where the answer arrives, so it does not hold the emulator's own thread switches.
    pub duration: Duration,
}
