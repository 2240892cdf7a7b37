//! The configuration: from one TOML document to a policy that is valid by construction.
//!
//! [`location`] says where the document is, [`document`] reads it into a [`Configuration`] or reports every
//! [`fault`] in it, and [`Policy`] finds the client that a certificate and token belong to. Nothing here
//! reads files, variables or the network: the environment is a parameter, and sources are only named.
//!
//! Nobody gets in by omission: unknown keys, empty conditions and patterns that could match by accident are
//! faults, and a policy without clients matches nobody.

pub mod client;
pub mod configuration;
pub mod document;
pub mod fault;
mod index;
pub mod location;
pub mod pattern;
pub mod route;

pub use client::{Client, Comparison, Condition, Subject};
pub use configuration::Configuration;
pub use document::Document;
pub use fault::{Faults, Finding};

use index::Index;

/// The clients, in the order of the document: the first that matches decides.
#[derive(Clone, Debug)]
pub struct Policy {
    clients: Box<[Client]>,
    index: Index,
}

impl Policy {
    pub(crate) fn new(clients: Vec<Client>) -> Self {
        let index = Index::new(&clients);
        Self { clients: clients.into(), index }
    }

    /// The clients, in the order of the document.
    #[must_use]
    pub fn clients(&self) -> &[Client] {
        &self.clients
    }

    /// The keys of all clients' own context, sorted.
    #[must_use]
    pub fn context_keys(&self) -> Vec<String> {
        let keys = self.clients.iter().flat_map(|client| &client.context).map(|(key, _)| key);
        let mut keys: Vec<&String> = keys.collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().cloned().collect()
    }

    /// The first client all of whose conditions hold.
    #[must_use]
    pub fn client_for(&self, subject: &Subject<'_>) -> Option<&Client> {
        self.index
            .candidates(subject)
            .filter_map(|position| self.clients.get(position))
            .find(|client| client.matches(subject))
    }

    /// The client that comes closest, for explanations: the one that lacks the fewest conditions, the first of
    /// these that meets the most, the first of these in the document. Looks at every client.
    #[must_use]
    pub fn nearest(&self, subject: &Subject<'_>) -> Option<(&Client, Vec<Comparison>)> {
        let fared = |client: &Client| {
            let met = client.conditions.iter().filter(|condition| condition.holds(subject)).count();
            (client.conditions.len() - met, usize::MAX - met)
        };
        let nearest = self.clients.iter().min_by_key(|client| fared(client))?;
        Some((nearest, nearest.explain(subject)))
    }
}
