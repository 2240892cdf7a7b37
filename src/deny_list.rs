//! The deny list: certificates and keys that are refused at once, whatever else is said of them.
//!
//! One entry a line, `sha256:<hex>` for a certificate or `spki-sha256:<hex>` for a key (its DER
//! `SubjectPublicKeyInfo`); `#` begins a comment. A list with a line that can't be read denies everybody: half
//! a deny list is none.

use std::{collections::HashSet, sync::Arc};

use crate::{
    certificate::Certificate,
    decision::{Denial, Reason},
    hex,
};

/// What the configured deny list says.
#[derive(Clone, Debug, Default)]
pub enum DenyList {
    /// None is configured.
    #[default]
    None,
    /// A list that could be read.
    Listed(Arc<DeniedDigests>),
    /// A list is configured, but there is none that could be read: everybody is denied.
    Unreadable(String),
}

/// The entries of a deny list.
#[derive(Clone, Debug, Default)]
pub struct DeniedDigests {
    certificates: HashSet<[u8; 32]>,
    public_keys: HashSet<[u8; 32]>,
}

/// What of a deny list can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DenyListFault {
    /// It is no UTF-8 text.
    NotText,
    /// These lines, numbered from 1, are neither entries nor comments.
    Lines(Vec<usize>),
}

impl std::fmt::Display for DenyListFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 10;
        let lines = match self {
            Self::NotText => return f.write_str("not UTF-8 text"),
            Self::Lines(lines) => lines,
        };
        let numbers: Vec<String> = lines.iter().take(SHOWN).map(ToString::to_string).collect();
        let more = if lines.len() > SHOWN { ", …" } else { "" };
        let (line, is) = if lines.len() == 1 { ("line", "is") } else { ("lines", "are") };
        write!(
            f,
            "{line} {}{more} {is} neither `sha256:` nor `spki-sha256:` and 64 hex digits, nor a comment",
            numbers.join(", ")
        )
    }
}

impl std::error::Error for DenyListFault {}

impl DeniedDigests {
    /// Reads a list.
    ///
    /// # Errors
    /// Every line that is not an entry, a comment or blank; or text that is not UTF-8.
    pub fn parse(list: &[u8]) -> Result<Self, DenyListFault> {
        let text = std::str::from_utf8(list).map_err(|_| DenyListFault::NotText)?;
        let mut digests = Self::default();
        let mut unreadable = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let entry = line.split('#').next().unwrap_or_default().trim();
            let read = match entry.strip_prefix("spki-sha256:") {
                _ if entry.is_empty() => continue,
                Some(digits) => parse_digest(digits).map(|key| digests.public_keys.insert(key)),
                None => entry
                    .strip_prefix("sha256:")
                    .and_then(parse_digest)
                    .map(|certificate| digests.certificates.insert(certificate)),
            };
            if read.is_none() {
                unreadable.push(index + 1);
            }
        }
        if unreadable.is_empty() { Ok(digests) } else { Err(DenyListFault::Lines(unreadable)) }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.certificates.len() + self.public_keys.len()
    }

    /// Whether there is no entry, so that nobody is denied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn parse_digest(digits: &str) -> Option<[u8; 32]> {
    hex::octets(digits)?.try_into().ok()
}

impl DenyList {
    /// Checks that neither the certificate nor its key is listed.
    ///
    /// # Errors
    /// `deny-listed`; also where the list can't be read.
    pub fn admits(&self, certificate: &Certificate) -> Result<(), Denial> {
        self.admits_digests(certificate.fingerprint(), certificate.public_key_fingerprint())
    }

    /// As [`DenyList::admits`], for a certificate of which only the digests are at hand.
    ///
    /// # Errors
    /// As [`DenyList::admits`].
    pub fn admits_digests(
        &self,
        fingerprint: &[u8; 32],
        public_key_fingerprint: &[u8; 32],
    ) -> Result<(), Denial> {
        let denial = Denial::new(Reason::DenyListed);
        match self {
            Self::None => Ok(()),
            Self::Unreadable(why) => Err(denial.with("deny_list", "unreadable").with("why", why)),
            Self::Listed(digests) if digests.certificates.contains(fingerprint) => {
                Err(denial.with("deny_list", "certificate"))
            }
            Self::Listed(digests) if digests.public_keys.contains(public_key_fingerprint) => {
                Err(denial.with("deny_list", "public key"))
            }
            Self::Listed(_) => Ok(()),
        }
    }
}
