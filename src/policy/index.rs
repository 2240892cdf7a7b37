//! Finds the clients that a certificate could be, without asking all of them.
//!
//! A client with a condition that names all it accepts (a common name, a fingerprint, an exact alternative name)
//! is filed under that condition's values, and looked at only for certificates that have one of them. Of several
//! such conditions it is filed under the one whose values the fewest clients share: the common name, then, and
//! not the organization. Clients without one are looked at for every certificate.
//!
//! The index only narrows the search: whoever it yields is still asked whether all its conditions hold, and in
//! the order of the document, so that the answer is that of asking everybody. Facts are kept as 64-bit hashes
//! with a key of this process, sorted; a collision costs a comparison.

use std::hash::{BuildHasher, Hash, RandomState};

use crate::certificate::name::Name;

use super::client::{Client, Condition, Subject, claim_texts};

/// What clients are filed under.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    hashes: RandomState,
    /// The hash of a fact that a certificate or token must have, and the position of a client: ascending.
    filed: Box<[(u64, u32)]>,
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
    fingerprint: bool,
    public_key: bool,
    serial_number: bool,
    subject_name: bool,
    issuer_name: bool,
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
        let mut filed = Vec::with_capacity(clients.len());
        // Clients with several conditions to choose from, and what to choose by.
        let mut undecided = Vec::new();
        let mut asked = Vec::new();
        for (position, client) in (0_u32..).zip(clients) {
            let exact = |condition| Some((condition, index.hash_all(&facts_asked(condition)?)));
            let mut exact = client.conditions.iter().filter_map(exact);
            match (exact.next(), exact.next()) {
                (None, _) => index.unfiled.push(position),
                (Some((condition, hashes)), None) => {
                    asked.extend_from_slice(&hashes);
                    index.file(&mut filed, position, condition, &hashes);
                }
                (Some(first), Some(second)) => {
                    let choice: Vec<_> = [first, second].into_iter().chain(exact).collect();
                    asked.extend(choice.iter().flat_map(|(_, hashes)| hashes));
                    undecided.push((position, choice));
                }
            }
        }
        asked.sort_unstable();
        let shared_by = |hash: &u64| {
            asked.partition_point(|other| other <= hash)
                - asked.partition_point(|other| other < hash)
        };
        let crowd = |hashes: &[u64]| -> usize { hashes.iter().map(shared_by).sum() };
        for (position, choice) in undecided {
            if let Some((condition, hashes)) = choice.iter().min_by_key(|(_, hashes)| crowd(hashes))
            {
                index.file(&mut filed, position, condition, hashes);
            }
        }
        filed.sort_unstable();
        filed.dedup();
        index.filed = filed.into();
        index
    }

    fn file(
        &mut self,
        filed: &mut Vec<(u64, u32)>,
        position: u32,
        condition: &Condition,
        hashes: &[u64],
    ) {
        filed.extend(hashes.iter().map(|hash| (*hash, position)));
        match condition {
            Condition::Fingerprint(_) => self.kinds.fingerprint = true,
            Condition::PublicKey(_) => self.kinds.public_key = true,
            Condition::SerialNumber(_) => self.kinds.serial_number = true,
            Condition::SubjectName(_) => self.kinds.subject_name = true,
            Condition::IssuerName(_) => self.kinds.issuer_name = true,
            Condition::Subject(..) => self.kinds.subject = true,
            Condition::Issuer(..) => self.kinds.issuer = true,
            Condition::SanDns(_) => self.kinds.san_dns = true,
            Condition::SanUri(_) => self.kinds.san_uri = true,
            Condition::SanEmail(_) => self.kinds.san_email = true,
            Condition::SanIp(_) => self.kinds.san_ip = true,
            Condition::Token(claim, _) if !self.claims.contains(claim) => {
                self.claims.push(claim.clone());
            }
            // Nothing is filed under the key of an authority.
            Condition::Token(..) | Condition::IssuerPublicKey(_) => {}
        }
    }

    /// Positions of the clients that could match, ascending. Whoever is left out does not match.
    pub(super) fn candidates(&self, subject: &Subject<'_>) -> impl Iterator<Item = usize> + '_ {
        let mut filed = Vec::new();
        self.visit_facts(subject, &mut |hash| {
            let from = self.filed.partition_point(|(other, _)| *other < hash);
            let same = self.filed.iter().skip(from).take_while(|(other, _)| *other == hash);
            filed.extend(same.map(|(_, position)| *position));
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
        if self.kinds.fingerprint {
            fact(Fact::Fingerprint(certificate.fingerprint()));
        }
        if self.kinds.public_key {
            fact(Fact::PublicKey(certificate.public_key_fingerprint()));
        }
        if self.kinds.serial_number {
            fact(Fact::SerialNumber(certificate.serial_number().magnitude()));
        }
        if self.kinds.subject_name
            && let Some(name) = certificate.subject().canonical()
        {
            fact(Fact::SubjectName(name));
        }
        if self.kinds.issuer_name
            && let Some(name) = certificate.issuer().canonical()
        {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{collections::HashMap, path::PathBuf};

    use crate::{
        policy::{Configuration, Document},
        source::Base,
    };

    /// How many facts a client with these conditions is filed under; none where it is looked at for every certificate.
    fn facts_filed(conditions: &str) -> Option<usize> {
        let document = Document {
            name: "test",
            text: &format!(
                "[trust]\nanchors = [\"a\"]\n[token]\nissuer = \"i\"\naudience = [\"a\"]\njwks = \"j\"\nalgorithms = [\"ES256\"]\n[[client]]\nid = \"c\"\nallow = [\"*\"]\n{conditions}\n"
            ),
            base: &Base::Directory(PathBuf::new()),
            environment: &HashMap::<&str, &str>::new(),
        };
        let index = Configuration::parse(document).unwrap().policy.index;
        let everywhere = index.unfiled == [0];
        assert_ne!(everywhere, index.unfiled.is_empty());
        assert_eq!(everywhere, index.filed.is_empty());
        (!everywhere).then_some(index.filed.len())
    }

    #[test]
    fn a_client_is_filed_under_what_it_names_in_full_and_looked_at_everywhere_where_it_does_not() {
        let (pin, other) = ("sha256:".to_owned() + &"00".repeat(32), "ff".repeat(32));
        for (in_full, facts, not_in_full) in [
            ("subject.CN = \"a\"", 1, "subject.CN = { prefix = \"a\" }"),
            ("subject.CN = [\"a\", \"b\"]", 2, "subject.CN = [\"a\", { suffix = \"b\" }]"),
            ("issuer.CN = \"a\"", 1, "issuer.CN = { regex = \"a\" }"),
            ("subject_dn = [\"CN=a\", \"CN=b\"]", 2, "any = true"),
            ("issuer_dn = \"CN=a\"", 1, "any = true"),
            ("san_dns = [\"a.b\", \"A.B\"]", 1, "san_dns = { suffix = \".b\" }"),
            ("san_uri = \"urn:a\"", 1, "san_uri = { prefix = \"urn:a/\" }"),
            ("san_email = \"a@b\"", 1, "san_email = { suffix = \"@b\" }"),
            ("san_ip = [\"10.0.0.1\", \"::1/128\"]", 2, "san_ip = [\"10.0.0.1\", \"::/127\"]"),
            ("any = true\ntoken.sub = \"a\"", 1, "any = true\ntoken.sub = { prefix = \"a\" }"),
            (&format!("fingerprint = [\"{pin}\", \"sha256:{other}\"]"), 2, "any = true"),
            (&format!("public_key = \"{pin}\""), 1, &format!("issuer_public_key = \"{pin}\"")),
            // Under one of several conditions, where it can be.
            (
                "serial_number = \"1\"\nissuer_dn = [\"CN=a\", \"CN=b\"]",
                1,
                "san_dns = { suffix = \".b\" }\nsubject.CN = { prefix = \"a\" }",
            ),
            ("subject.CN = \"a\"\nsan_dns = { suffix = \".b\" }", 1, "any = true"),
        ] {
            assert_eq!(facts_filed(in_full), Some(facts), "{in_full}");
            assert_eq!(facts_filed(not_in_full), None, "{not_in_full}");
        }
    }
}
