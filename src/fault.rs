//! Faults: what is neither a decision nor a matter of configuration. API Gateway answers them with 500.

use crate::event::EventFault;

/// Why there is no decision. Alarms are built on [`Fault::error_type`], so it is fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The payload is no authorizer event.
    Event(EventFault),
    /// Something happened that can't: a panic, or JSON that could not be written.
    BrokenInvariant,
}

impl Fault {
    /// The `errorType` in the answer to Lambda.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Event(_) => "MalformedEvent",
            Self::BrokenInvariant => "BrokenInvariant",
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Event(fault) => fault.fmt(f),
            Self::BrokenInvariant => {
                f.write_str("a broken invariant in the authorizer; please report it")
            }
        }
    }
}

impl std::error::Error for Fault {}

impl From<EventFault> for Fault {
    fn from(fault: EventFault) -> Self {
        Self::Event(fault)
    }
}
