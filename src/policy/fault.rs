//! What is found in a configuration: faults, which end the process at start, and warnings.
//!
//! All of them are collected, since whoever fixes one at a time gives up after three. Each says where it is,
//! which key it is about, and the rule: ``authorizer.toml:12:8: [[client]] `orders`: subject.CN: an exact value
//! must not be empty``. Never shown: usage plan keys.

use std::{fmt, sync::Arc};

use crate::source::{Source, reference::Use};

/// A fault or a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The document, as it was named.
    pub document: Arc<str>,
    /// Where in the document it is; `None` where it is about the whole, or about the environment.
    pub position: Option<Position>,
    /// The section and key: ``[[client]] `orders`: subject.CN``, or the name of a variable.
    pub path: String,
    /// The rule, as a clause.
    pub rule: String,
}

/// A place in a document; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.document)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.rule)
    }
}

/// What a source that a document names is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `[trust] anchors`: certificates.
    TrustAnchors,
    /// `[trust] intermediates`: certificates.
    Intermediates,
    /// `[revocation] crls`.
    RevocationLists,
    /// `[revocation] ocsp_responder`: nothing to read.
    Responder,
    /// `[revocation] deny_list`.
    DenyList,
    /// `[token] jwks`.
    KeySet,
    /// `[identity_token] key`.
    SigningKey,
}

impl Content {
    /// What it may be read from.
    #[must_use]
    pub const fn used_as(self) -> Use {
        match self {
            Self::RevocationLists => Use::RevocationList,
            Self::Responder => Use::Responder,
            Self::SigningKey => Use::SigningKey,
            Self::TrustAnchors | Self::Intermediates | Self::DenyList | Self::KeySet => {
                Use::Document
            }
        }
    }

    /// The section and key that name it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::TrustAnchors => "[trust]: anchors",
            Self::Intermediates => "[trust]: intermediates",
            Self::RevocationLists => "[revocation]: crls",
            Self::Responder => "[revocation]: ocsp_responder",
            Self::DenyList => "[revocation]: deny_list",
            Self::KeySet => "[token]: jwks",
            Self::SigningKey => "[identity_token]: key",
        }
    }
}

/// A source that a document names, and where it does: so that what is found out when it is read can be told with
/// its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSource {
    /// The source.
    pub source: Source,
    /// What it is to hold.
    pub content: Content,
    /// Where it is named.
    pub position: Position,
}

/// Every fault of a configuration, in the order of the document. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Finding>);

/// One fault a line.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, finding) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            finding.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
