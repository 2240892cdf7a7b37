//! The lists of all sources, and what they say together about a certificate.
//!
//! A list is kept in one of two states. *Verified*: its signature has been checked with a key, which is
//! remembered; the DER is gone. *Unverified*: no key is known yet that made the signature, so the DER is
//! kept until [`CrlStore::verify_for`] brings one; the keys that did not are remembered, so that none is
//! tried twice.
//!
//! A list takes the place of the one that came before it from the same source, by the same key, for the same
//! scope, unless it is older ([`CertificateRevocationList::replaces`]). An unverified list takes no other's
//! place: whoever can write to a source cannot take a good list away. For the same reason a verified list
//! that its source no longer carries stays until it expires, and one in force stays beside its next where
//! that isn't: issued ahead of its time, or expired already.
//!
//! Where lists contradict each other, the one that revokes is believed.

use std::collections::HashMap;

use super::{
    CertificateRevocationList, Document, DocumentError, Evidence, Listing, Obstacle, Rollback,
    SerialHasher, Signed, Subject, Verdict, parse,
};
use crate::{
    der::{DerError, Reader},
    signature::{self, PublicKey, SignatureAlgorithm, Strength, VerifyingKey},
    timestamp::Timestamp,
};

/// How many keys that did not make a list's signature are remembered; beyond, the oldest is forgotten.
const REFUSED_AT_MOST: usize = 16;

/// A CA, as far as its lists are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Issuer<'a> {
    /// Its subject, a `Name` in DER.
    pub name: &'a [u8],
    /// Its `SubjectPublicKeyInfo` in DER.
    pub public_key: &'a [u8],
    /// Whether it may sign lists: it has no key usage extension, or one with `cRLSign`.
    pub may_sign_crls: bool,
}

/// Checks a signature with a `SubjectPublicKeyInfo` in DER. [`Strength`] does, by what it demands.
pub trait VerifySignature {
    /// # Errors
    /// Why the signature is not accepted, as a clause.
    fn verify(&self, public_key: &[u8], signed: &Signed<'_>) -> Result<(), String>;
}

impl VerifySignature for Strength {
    fn verify(&self, public_key: &[u8], signed: &Signed<'_>) -> Result<(), String> {
        let malformed = |error: DerError| error.to_string();
        let kind = Reader::new(public_key).any().and_then(PublicKey::parse).map_err(malformed)?;
        let algorithm = Reader::new(signed.algorithm)
            .any()
            .and_then(SignatureAlgorithm::parse)
            .map_err(malformed)?;
        let key = VerifyingKey { public_key: &kind, subject_public_key_info: public_key };
        signature::verify(&algorithm, key, signed.message, signed.signature, *self)
            .map_err(|error| error.to_string())
    }
}

/// The lists of all sources.
#[derive(Debug, Default)]
pub struct CrlStore {
    hasher: SerialHasher,
    by_issuer: HashMap<Box<[u8]>, Vec<Slot>>,
}

#[derive(Debug)]
struct Slot {
    source: String,
    list: CertificateRevocationList,
    state: State,
}

#[derive(Debug)]
enum State {
    Verified { public_key: Box<[u8]> },
    Unverified { der: Vec<u8>, refused: Vec<Refused> },
}

#[derive(Debug)]
struct Refused {
    public_key: Box<[u8]>,
    why: String,
}

/// Why nothing of a source could be taken in. What it gave before stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The bytes hold no list.
    Document(DocumentError),
    /// One of the lists, counted from 1, is malformed.
    Malformed {
        /// Which list of the source.
        list: usize,
        /// What is wrong with it.
        error: DerError,
    },
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Document(error) => error.fmt(f),
            Self::Malformed { list: 1, error } => write!(f, "malformed revocation list: {error}"),
            Self::Malformed { list, error } => {
                write!(f, "malformed revocation list (number {list} of the file): {error}")
            }
        }
    }
}

impl std::error::Error for LoadError {}

/// What became of one list of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The list's issuer, a `Name` in DER.
    pub issuer: Box<[u8]>,
    /// How many certificates it holds.
    pub entries: usize,
    /// When it was issued.
    pub this_update: Timestamp,
    /// Until when it serves.
    pub serves_until: Timestamp,
    /// What keeps it from ever showing that a certificate is not revoked.
    pub never_serves: Option<Obstacle>,
    /// Whether it is about certificates of CAs only.
    pub of_authorities_only: bool,
    /// Whether it is genuine and taken in.
    pub signature: Signature,
}

/// What is known of a list's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// It is by an issuer at hand.
    Verified,
    /// No issuer of that name is at hand yet.
    Unverified,
    /// None of the issuers of that name made it; why the last one's key was refused.
    Refused(String),
    /// It is valid, but the list is older than the one at hand, which stays.
    Rollback(Rollback),
}

impl CrlStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what a source gave: one list in DER, or any number in PEM. `issuers` are the CAs that the
    /// configuration knows; the signature of a list by another CA waits for [`CrlStore::verify_for`].
    ///
    /// # Errors
    /// A list is malformed, or there is none. Then nothing changes.
    pub fn load(
        &mut self,
        source: &str,
        bytes: Vec<u8>,
        issuers: &[Issuer<'_>],
        verifier: &impl VerifySignature,
        now: Timestamp,
    ) -> Result<Vec<Loaded>, LoadError> {
        let document = Document::read(bytes).map_err(LoadError::Document)?;
        let mut read = Vec::new();
        for (index, der) in document.lists().enumerate() {
            let (list, signed) = parse(der, &self.hasher)
                .map_err(|error| LoadError::Malformed { list: index + 1, error })?;
            let keys = self.keys_of(list.issuer(), issuers);
            read.push((list, try_keys(keys, &signed, verifier)));
        }
        let mut ders = copies_of_unverified(document, &read).into_iter();

        self.forget(source, &read, now);
        let mut loaded = Vec::new();
        for (list, outcome) in read {
            let der = ders.next().unwrap_or_default();
            let mut its = issuers.iter().filter(|issuer| *issuer.name == *list.issuer).peekable();
            let may_sign = its.peek().is_none() || its.any(|issuer| issuer.may_sign_crls);
            loaded.push(self.take_in(source, list, outcome, der, may_sign, now));
        }
        Ok(loaded)
    }

    /// The keys that may have signed a list by this issuer: those configured, and those that have signed one
    /// before.
    fn keys_of(&self, name: &[u8], issuers: &[Issuer<'_>]) -> Vec<Box<[u8]>> {
        let configured = issuers
            .iter()
            .filter(|issuer| issuer.name == name)
            .map(|issuer| Box::from(issuer.public_key));
        let known =
            self.by_issuer.get(name).into_iter().flatten().filter_map(|slot| match &slot.state {
                State::Verified { public_key } => Some(public_key.clone()),
                State::Unverified { .. } => None,
            });
        let mut keys: Vec<Box<[u8]>> = configured.chain(known).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Forgets what came from a source before and can't serve: lists that were never verified, and expired
    /// ones, unless a list that takes the place of one has come.
    fn forget(
        &mut self,
        source: &str,
        read: &[(CertificateRevocationList, Outcome)],
        now: Timestamp,
    ) {
        for slots in self.by_issuer.values_mut() {
            slots.retain(|slot| {
                let carried_on =
                    || read.iter().any(|(list, _)| list.is_successor_in_kind(&slot.list));
                slot.source != source
                    || slot.is_verified() && (now <= slot.list.serves_until() || carried_on())
            });
        }
        self.by_issuer.retain(|_, slots| !slots.is_empty());
    }

    fn take_in(
        &mut self,
        source: &str,
        list: CertificateRevocationList,
        outcome: Outcome,
        der: Vec<u8>,
        may_sign: bool,
        now: Timestamp,
    ) -> Loaded {
        let mut loaded = Loaded {
            issuer: list.issuer.clone(),
            entries: list.entries(),
            this_update: list.this_update,
            serves_until: list.serves_until(),
            never_serves: list.never_serves().or((!may_sign).then_some(Obstacle::IssuerMayNotSign)),
            of_authorities_only: list.scope.is_of_authorities_only(),
            signature: outcome.signature(),
        };
        let slots = self.by_issuer.entry(list.issuer.clone()).or_default();
        let state = match outcome {
            Outcome::Verified(public_key) => State::Verified { public_key },
            Outcome::Refused(refused) => State::Unverified { der, refused },
        };
        let slot = Slot { source: source.to_owned(), list, state };
        if let Err(rollback) = place(slots, slot, now) {
            loaded.signature = Signature::Rollback(rollback);
        }
        loaded
    }

    /// Verifies what is still unverified with the key of an issuer whose path has been verified: to be
    /// called before [`CrlStore::verdict`]. Costs nothing once done.
    pub fn verify_for(
        &mut self,
        issuer: &Issuer<'_>,
        verifier: &impl VerifySignature,
        now: Timestamp,
    ) {
        let Some(slots) = self.by_issuer.get_mut(issuer.name) else { return };
        if !slots.iter().any(|slot| slot.awaits(issuer.public_key)) {
            return;
        }
        for mut slot in std::mem::take(slots) {
            if slot.awaits(issuer.public_key) {
                slot.verify(issuer.public_key, verifier);
            }
            // One that is older than another list by the same key drops out here.
            let _rollback = place(slots, slot, now);
        }
    }

    /// What the lists say about a certificate by this issuer, whose path has been verified.
    #[must_use]
    pub fn verdict(&self, subject: &Subject<'_>, issuer: &Issuer<'_>, now: Timestamp) -> Verdict {
        let slots = self.by_issuer.get(subject.issuer).map(Vec::as_slice).unwrap_or_default();
        let mut best = Verdict::Unknown(Obstacle::NoList, None);
        for slot in slots {
            let verdict = match slot.listing(subject, issuer, now) {
                Listing::Revoked(reason) => return Verdict::Revoked(reason, slot.evidence()),
                Listing::NotRevoked => Verdict::NotRevoked(slot.evidence()),
                Listing::Unknown(obstacle) => Verdict::Unknown(obstacle, Some(slot.evidence())),
            };
            if is_better(&verdict, &best) {
                best = verdict;
            }
        }
        best
    }

    /// How many lists there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_issuer.values().map(Vec::len).sum()
    }

    /// Bytes that the serial numbers of all lists take on the heap.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.by_issuer.values().flatten().map(|slot| slot.list.index_bytes()).sum()
    }

    /// Whether there is no list.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Slot {
    fn awaits(&self, key: &[u8]) -> bool {
        match &self.state {
            State::Verified { .. } => false,
            State::Unverified { refused, .. } => {
                !refused.iter().any(|refused| *refused.public_key == *key)
            }
        }
    }

    fn verify(&mut self, public_key: &[u8], verifier: &impl VerifySignature) {
        let State::Unverified { der, refused } = &mut self.state else { return };
        let Some(signed) = parse::signed(der) else { return };
        match verifier.verify(public_key, &signed) {
            Ok(()) => self.state = State::Verified { public_key: public_key.into() },
            Err(why) => {
                if refused.len() >= REFUSED_AT_MOST {
                    refused.remove(0);
                }
                refused.push(Refused { public_key: public_key.into(), why });
            }
        }
    }

    fn listing(&self, subject: &Subject<'_>, issuer: &Issuer<'_>, now: Timestamp) -> Listing {
        if let Err(obstacle) = self.is_genuine(issuer) {
            return Listing::Unknown(obstacle);
        }
        if !issuer.may_sign_crls {
            return Listing::Unknown(Obstacle::IssuerMayNotSign);
        }
        self.list.listing(subject, now)
    }

    /// Whether this issuer's key made the list's signature.
    fn is_genuine(&self, issuer: &Issuer<'_>) -> Result<(), Obstacle> {
        if *self.list.issuer != *issuer.name {
            return Err(Obstacle::NoList);
        }
        match &self.state {
            State::Verified { public_key } if **public_key == *issuer.public_key => Ok(()),
            State::Verified { .. } => Err(Obstacle::SignatureRefused(
                "it was made by another key of an issuer of this name".to_owned(),
            )),
            State::Unverified { refused, .. } => Err(refused
                .iter()
                .find(|refused| *refused.public_key == *issuer.public_key)
                .map_or(Obstacle::SignatureUnverified, |refused| {
                    Obstacle::SignatureRefused(refused.why.clone())
                })),
        }
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            source: self.source.clone(),
            this_update: self.list.this_update,
            next_update: self.list.next_update,
        }
    }

    /// Whether `older` is the list that this one is the next of.
    fn succeeds(&self, older: &Self) -> bool {
        let (State::Verified { public_key: new }, State::Verified { public_key: old }) =
            (&self.state, &older.state)
        else {
            return false;
        };
        new == old && self.source == older.source && self.list.is_successor_in_kind(&older.list)
    }

    fn is_verified(&self) -> bool {
        matches!(self.state, State::Verified { .. })
    }
}

/// Puts a list into the place of the one that it is the next of, or beside the others. A list in force gives way to none
/// that isn't, and one ahead of its time says nothing yet of what may come before it.
fn place(slots: &mut Vec<Slot>, slot: Slot, now: Timestamp) -> Result<(), Rollback> {
    let ahead = |slot: &Slot| now < slot.list.this_update;
    let comparable = |older: &Slot| slot.succeeds(older) && (ahead(&slot) || !ahead(older));
    for older in slots.iter().filter(|older| comparable(older)) {
        slot.list.replaces(&older.list)?;
    }
    let in_force = |slot: &Slot| slot.list.in_date(now).is_ok();
    slots.retain(|older| !comparable(older) || in_force(older) && !in_force(&slot));
    slots.push(slot);
    Ok(())
}

/// What came of trying keys on a list's signature.
enum Outcome {
    Verified(Box<[u8]>),
    Refused(Vec<Refused>),
}

impl Outcome {
    fn signature(&self) -> Signature {
        match self {
            Self::Verified(_) => Signature::Verified,
            Self::Refused(refused) => refused
                .last()
                .map_or(Signature::Unverified, |last| Signature::Refused(last.why.clone())),
        }
    }
}

fn try_keys(keys: Vec<Box<[u8]>>, signed: &Signed<'_>, verifier: &impl VerifySignature) -> Outcome {
    let mut refused = Vec::new();
    for public_key in keys {
        match verifier.verify(&public_key, signed) {
            Ok(()) => return Outcome::Verified(public_key),
            Err(why) => refused.push(Refused { public_key, why }),
        }
    }
    Outcome::Refused(refused)
}

/// The DER of each list that is still needed; nothing for the others.
fn copies_of_unverified(
    document: Document,
    read: &[(CertificateRevocationList, Outcome)],
) -> Vec<Vec<u8>> {
    let unverified = |outcome: &Outcome| matches!(outcome, Outcome::Refused(_));
    if let [(_, outcome)] = read {
        let der = if unverified(outcome) { document.into_single() } else { None };
        return vec![der.unwrap_or_default()];
    }
    document
        .lists()
        .zip(read)
        .map(|(der, (_, outcome))| if unverified(outcome) { der.to_vec() } else { Vec::new() })
        .collect()
}

/// "Not revoked" before "unknown", then the newer list; of two that cannot tell, the one that came nearer.
fn is_better(new: &Verdict, old: &Verdict) -> bool {
    match (new, old) {
        (Verdict::NotRevoked(new), Verdict::NotRevoked(old)) => new.this_update > old.this_update,
        (Verdict::NotRevoked(_), _) => true,
        (Verdict::Unknown(new, _), Verdict::Unknown(old, _)) => new > old,
        _ => false,
    }
}
