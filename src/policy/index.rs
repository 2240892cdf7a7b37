//! Finds the clients that a certificate could be, without asking all of them.
//!
//! A client with a condition that names all it accepts (a common name, a fingerprint, an exact alternative name)
//! is filed under that condition's values, and looked at only for certificates that have one of them. Of several
//! such conditions it is filed under the one whose values the fewest clients share: the common name, then, and
//! not the organization. Clients without one are looked at for every certificate.
//!
//! The index only narrows the search: whoever it yields is still asked whether all its conditions hold, and in
//! the order of the document, so that the answer is that of asking everybody. Keys are kept as 64-bit hashes
//! with a key of this process; a collision costs a comparison.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
};

use crate::certificate::name::Name;

use super::client::{Client, Condition, Subject, claim_texts};

/// What clients are filed under.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    hashes: RandomState,
    /// Positions of clients, ascending, by the hash of a fact that a certificate or token must have.
    filed: HashMap<u64, Vec<u32>>,
    /// Positions of clients that are filed under nothing, ascending.
    unfiled: Vec<u32>,
    /// Kinds of facts that somebody is filed under.
    kinds: Kinds,
    /// Claims that somebody is filed under.
    claims: Vec<String>,
}

/// A fact that a certificate or token has, or that a condition asks for.
#[derive(Clone, Copy, Hash)]
enum Fact<'a> {
    Fingerprint(&'a [u8; 32]),
    PublicKey(&'a [u8; 32]),
    SerialNumber(&'a [u8]),
    SubjectName(&'a str),
    Subject(&'a [u8], &'a str),
    Issuer(&'a [u8], &'a str),
    IssuerName(&'a str),
    /// In lower case.
    SanDns(&'a str),
    SanUri(&'a str),
    SanEmail(&'a str),
    SanIp(std::net::IpAddr),
    Token(&'a str, &'a str),
}

#[derive(Clone, Copy, Debug, Default)]
struct Kinds {
    subject: bool,
    issuer: bool,
    san_dns: bool,
    san_uri: bool,
    san_email: bool,
    san_ip: bool,
}

impl Index {
    pub(super) fn new(clients: &[Client]) -> Self {
        let mut index = Self::default();
        let hashed: Vec<Vec<(&Condition, Vec<u64>)>> = clients
            .iter()
            .map(|client| {
                let exact = |condition| Some((condition, index.hash_all(&facts_asked(condition)?)));
                client.conditions.iter().filter_map(exact).collect()
            })
            .collect();
        let mut shared_by: HashMap<u64, usize> = HashMap::new();
        for hash in hashed.iter().flatten().flat_map(|(_, hashes)| hashes) {
            *shared_by.entry(*hash).or_default() += 1;
        }
        let crowd = |hashes: &[u64]| -> usize {
            hashes.iter().filter_map(|hash| shared_by.get(hash)).sum()
        };
        for (position, conditions) in hashed.iter().enumerate() {
            let Ok(position) = u32::try_from(position) else { break };
            match conditions.iter().min_by_key(|(_, hashes)| crowd(hashes)) {
                Some((condition, hashes)) => index.file(position, condition, hashes),
                None => index.unfiled.push(position),
            }
        }
        index
    }

    fn file(&mut self, position: u32, condition: &Condition, hashes: &[u64]) {
        for hash in hashes {
            let filed = self.filed.entry(*hash).or_default();
            if filed.last() != Some(&position) {
                filed.push(position);
            }
        }
        match condition {
            Condition::Subject(..) => self.kinds.subject = true,
            Condition::Issuer(..) => self.kinds.issuer = true,
            Condition::SanDns(_) => self.kinds.san_dns = true,
            Condition::SanUri(_) => self.kinds.san_uri = true,
            Condition::SanEmail(_) => self.kinds.san_email = true,
            Condition::SanIp(_) => self.kinds.san_ip = true,
            Condition::Token(claim, _) if !self.claims.contains(claim) => {
                self.claims.push(claim.clone());
            }
            _ => {}
        }
    }

    /// Positions of the clients that could match, ascending. Whoever is left out does not match.
    pub(super) fn candidates(&self, subject: &Subject<'_>) -> impl Iterator<Item = usize> + '_ {
        let mut filed = Vec::new();
        self.visit_facts(subject, &mut |hash| {
            filed.extend(self.filed.get(&hash).into_iter().flatten().copied());
        });
        filed.sort_unstable();
        filed.dedup();
        merge(filed.into_iter(), self.unfiled.iter().copied())
            .filter_map(|position| usize::try_from(position).ok())
    }

    fn hash_all(&self, facts: &[Fact<'_>]) -> Vec<u64> {
        let mut hashes: Vec<u64> = facts.iter().map(|fact| self.hashes.hash_one(fact)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    }

    /// The hashes of what a certificate and token have, as far as somebody could be filed under it.
    fn visit_facts(&self, subject: &Subject<'_>, visit: &mut dyn FnMut(u64)) {
        if self.filed.is_empty() {
            return;
        }
        let mut fact = |fact: Fact<'_>| visit(self.hashes.hash_one(fact));
        let certificate = subject.certificate;
        fact(Fact::Fingerprint(certificate.fingerprint()));
        fact(Fact::PublicKey(certificate.public_key_fingerprint()));
        fact(Fact::SerialNumber(certificate.serial_number().magnitude()));
        if let Some(name) = certificate.subject().canonical() {
            fact(Fact::SubjectName(name));
        }
        if let Some(name) = certificate.issuer().canonical() {
            fact(Fact::IssuerName(name));
        }
        if self.kinds.subject {
            each_text(certificate.subject(), |oid, text| fact(Fact::Subject(oid, text)));
        }
        if self.kinds.issuer {
            each_text(certificate.issuer(), |oid, text| fact(Fact::Issuer(oid, text)));
        }
        let names = certificate.subject_alternative_names();
        if self.kinds.san_dns {
            names.dns().for_each(|name| fact(Fact::SanDns(&name.to_ascii_lowercase())));
        }
        if self.kinds.san_uri {
            names.uri().for_each(|name| fact(Fact::SanUri(name)));
        }
        if self.kinds.san_email {
            names.email().for_each(|name| fact(Fact::SanEmail(name)));
        }
        if self.kinds.san_ip {
            names.ip().for_each(|address| fact(Fact::SanIp(address)));
        }
        for claim in &self.claims {
            claim_texts(subject, claim).for_each(|text| fact(Fact::Token(claim, text)));
        }
    }
}

fn each_text(name: &Name, mut visit: impl FnMut(&[u8], &str)) {
    for attribute in name.attributes() {
        if let Some(text) = attribute.text() {
            visit(attribute.oid().octets(), text);
        }
    }
}

/// The facts of which a certificate or token must have at least one for a condition to hold; `None` where they
/// can't be told in full.
fn facts_asked(condition: &Condition) -> Option<Vec<Fact<'_>>> {
    fn texts<'a>(
        values: &'a super::pattern::Values,
        fact: impl Fn(&'a str) -> Fact<'a>,
    ) -> Option<Vec<Fact<'a>>> {
        Some(values.only_exact()?.iter().map(|text| fact(text)).collect())
    }
    match condition {
        Condition::Fingerprint(digests) => Some(digests.iter().map(Fact::Fingerprint).collect()),
        Condition::PublicKey(digests) => Some(digests.iter().map(Fact::PublicKey).collect()),
        Condition::SerialNumber(serials) => {
            Some(serials.iter().map(|serial| Fact::SerialNumber(serial)).collect())
        }
        Condition::SubjectName(names) => {
            Some(names.iter().map(|name| Fact::SubjectName(name.as_str())).collect())
        }
        Condition::IssuerName(names) => {
            Some(names.iter().map(|name| Fact::IssuerName(name.as_str())).collect())
        }
        Condition::Subject(oid, values) => texts(values, |text| Fact::Subject(oid, text)),
        Condition::Issuer(oid, values) => texts(values, |text| Fact::Issuer(oid, text)),
        Condition::SanDns(values) => texts(values, Fact::SanDns),
        Condition::SanUri(values) => texts(values, Fact::SanUri),
        Condition::SanEmail(values) => texts(values, Fact::SanEmail),
        Condition::SanIp(networks) => {
            networks.iter().map(|network| network.single_address().map(Fact::SanIp)).collect()
        }
        Condition::Token(claim, values) => texts(values, |text| Fact::Token(claim, text)),
        // Every certificate of an authority has it, and it is known late: nothing to file under.
        Condition::IssuerPublicKey(_) => None,
    }
}

/// Two ascending sequences as one.
fn merge(
    left: impl Iterator<Item = u32>,
    right: impl Iterator<Item = u32>,
) -> impl Iterator<Item = u32> {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(first), Some(second)) if first <= second => left.next(),
        (Some(_), None) => left.next(),
        _ => right.next(),
    })
}
