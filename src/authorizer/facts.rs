//! What was found out about certificates and may be found out again: facts, never decisions.
//!
//! A certificate that was read, and the path that was verified for it, are kept by its fingerprint; and the
//! certificate also by the PEM that it was read from, whole, so that a client that comes again costs one comparison
//! and neither base64 nor a hash. Whether it is in force, revoked, denied or admitted is judged anew on every call,
//! and a path is forgotten with the anchors that it led to.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use foldhash::fast::RandomState;
use futures_util::future::join_all;
use ring::digest::{SHA256, digest};

use crate::{
    certificate::{Certificate, Malformed, pem},
    decision::Denial,
    event::presented::Leaf,
    policy::fault::Content,
    source::{Call, Loaded, Refreshed, Source, Use},
    timestamp::Timestamp,
    trust::{PathRules, TrustStore, VerifiedPath, can_anchor},
};

/// How many certificates are remembered. Each takes a few kilobytes.
const MAX_REMEMBERED: usize = 256;
/// The longest PEM that is remembered. Those of real clients have one or two kilobytes.
const MAX_REMEMBERED_TEXT: usize = 8 * 1024;
/// The largest bundle of anchors. API Gateway takes 1,000 certificates and 1 MB.
pub(super) const MAX_BUNDLE_BYTES: usize = 8 * 1024 * 1024;

/// Certificates that were seen lately.
#[derive(Debug, Default)]
pub(super) struct Facts {
    by_fingerprint: RefCell<HashMap<[u8; 32], Remembered>>,
    /// Hashed fast: a text is over a kilobyte, and each that is kept took a certificate that could be read.
    by_text: RefCell<HashMap<Box<str>, Arc<Certificate>, RandomState>>,
}

#[derive(Debug)]
struct Remembered {
    certificate: Arc<Certificate>,
    path: Option<KnownPath>,
}

/// A path, and what it was found in.
#[derive(Debug)]
struct KnownPath {
    store: Arc<TrustStore>,
    /// The fingerprints of the certificates that came with the leaf. A call must come to the same whatever calls were
    /// before it, so another call's certificates are not made use of.
    others: Vec<[u8; 32]>,
    path: Arc<VerifiedPath>,
}

impl KnownPath {
    fn serves(&self, others: &[Certificate], store: &Arc<TrustStore>, now: Timestamp) -> bool {
        Arc::ptr_eq(&self.store, store)
            && self.others.iter().eq(others.iter().map(Certificate::fingerprint))
            && self.path.issuers().iter().all(|issuer| issuer.in_force(now))
    }
}

impl Facts {
    /// The certificate that was presented.
    pub(super) fn certificate(&self, leaf: &Leaf<'_>) -> Result<Arc<Certificate>, Malformed> {
        let text = match leaf {
            Leaf::Pem(text) => text,
            Leaf::Der(der) => return self.of_der(der),
        };
        if let Some(certificate) = self.by_text.borrow().get(&**text) {
            return Ok(Arc::clone(certificate));
        }
        let certificate = self.of_der(&pem::first_certificate(text)?)?;
        if text.len() <= MAX_REMEMBERED_TEXT {
            remember(&self.by_text, (**text).into(), Arc::clone(&certificate));
        }
        Ok(certificate)
    }

    fn of_der(&self, der: &[u8]) -> Result<Arc<Certificate>, Malformed> {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, der).as_ref());
        if let Some(remembered) = self.by_fingerprint.borrow().get(&key) {
            return Ok(Arc::clone(&remembered.certificate));
        }
        let certificate = Arc::new(Certificate::parse(der)?);
        let remembered = Remembered { certificate: Arc::clone(&certificate), path: None };
        remember(&self.by_fingerprint, key, remembered);
        Ok(certificate)
    }

    /// A path for the certificate. One that was verified before serves while its authorities are in force, for a call
    /// with the same certificates; else another is looked for.
    pub(super) fn path(
        &self,
        leaf: &Certificate,
        others: &[Certificate],
        store: &Arc<TrustStore>,
        rules: PathRules<'_>,
        now: Timestamp,
    ) -> Result<Arc<VerifiedPath>, Denial> {
        if let Some(Remembered { path: Some(known), .. }) =
            self.by_fingerprint.borrow().get(leaf.fingerprint())
            && known.serves(others, store, now)
        {
            return Ok(Arc::clone(&known.path));
        }
        let path = Arc::new(store.verify(leaf, others, rules, now)?);
        if let Some(remembered) = self.by_fingerprint.borrow_mut().get_mut(leaf.fingerprint()) {
            remembered.path = Some(KnownPath {
                store: Arc::clone(store),
                others: others.iter().map(|other| *other.fingerprint()).collect(),
                path: Arc::clone(&path),
            });
        }
        Ok(path)
    }
}

/// Adds to what is known, forgetting everything where it gets too much.
fn remember<K: Eq + Hash, V, S: BuildHasher>(known: &RefCell<HashMap<K, V, S>>, key: K, value: V) {
    let mut known = known.borrow_mut();
    if known.len() >= MAX_REMEMBERED {
        known.clear();
    }
    known.insert(key, value);
}

/// The sources of anchors and intermediates, and the store that was made of what they gave last.
#[derive(Debug)]
pub(super) struct TrustSources {
    anchors: Vec<Refreshed<Vec<Certificate>>>,
    intermediates: Vec<Refreshed<Vec<Certificate>>>,
    max_stale: std::time::Duration,
    built: RefCell<Built>,
}

#[derive(Debug, Default)]
struct Built {
    bundles: Vec<Option<Arc<Vec<Certificate>>>>,
    store: Arc<TrustStore>,
}

impl TrustSources {
    pub(super) fn new(
        anchors: Vec<Refreshed<Vec<Certificate>>>,
        intermediates: Vec<Refreshed<Vec<Certificate>>>,
        max_stale: std::time::Duration,
    ) -> Self {
        Self { anchors, intermediates, max_stale, built: RefCell::default() }
    }

    /// A source of a bundle.
    pub(super) fn source(
        source: Source,
        schedule: crate::source::Schedule,
    ) -> Refreshed<Vec<Certificate>> {
        Refreshed::new(source, Use::Document, MAX_BUNDLE_BYTES, schedule)
    }

    /// The sources, anchors first, and what each is to hold.
    pub(super) fn all(&self) -> impl Iterator<Item = (Content, &Refreshed<Vec<Certificate>>)> {
        let anchors = self.anchors.iter().map(|source| (Content::TrustAnchors, source));
        anchors.chain(self.intermediates.iter().map(|source| (Content::Intermediates, source)))
    }

    /// The store of what the sources give now. Bundles that can't be had any more drop out of it.
    pub(super) async fn current(&self, call: Call<'_>) -> Arc<TrustStore> {
        let currents = join_all(
            self.all()
                .map(|(_, source)| source.current(call, Vec::new(), load_bundle, |_, _| Ok(()))),
        );
        let bundles: Vec<_> = currents
            .await
            .iter()
            .map(|current| current.within_max_stale(call.now, self.max_stale).cloned())
            .collect();
        let mut built = self.built.borrow_mut();
        let same = built.bundles.len() == bundles.len()
            && built.bundles.iter().zip(&bundles).all(|(old, new)| match (old, new) {
                (Some(old), Some(new)) => Arc::ptr_eq(old, new),
                (None, None) => true,
                _ => false,
            });
        if !same {
            let (anchors, intermediates) = bundles.split_at(self.anchors.len().min(bundles.len()));
            let certificates = |bundles: &[Option<Arc<Vec<Certificate>>>]| -> Vec<Certificate> {
                bundles.iter().flatten().flat_map(|bundle| bundle.iter().cloned()).collect()
            };
            built.store =
                Arc::new(TrustStore::new(certificates(anchors), certificates(intermediates)));
            built.bundles = bundles;
        }
        Arc::clone(&built.store)
    }
}

/// Reads a bundle of certificates.
pub(super) fn load_bundle(bytes: Vec<u8>) -> Result<Loaded<Vec<Certificate>>, String> {
    let text = String::from_utf8(bytes).map_err(|_| "not PEM".to_owned())?;
    let ders = pem::certificates(&text).map_err(|error| error.to_string())?;
    let mut certificates = Vec::with_capacity(ders.len());
    let mut faults = Vec::new();
    for (position, der) in ders.iter().enumerate() {
        match Certificate::parse(der).map_err(|error| error.to_string()) {
            Ok(certificate) if can_anchor(&certificate) => certificates.push(certificate),
            Ok(_) => faults.push(format!("certificate {}: it can't issue others", position + 1)),
            Err(error) => faults.push(format!("certificate {}: {error}", position + 1)),
        }
    }
    match faults.is_empty() {
        true => Ok(Loaded { value: certificates, expires_at: None }),
        false => Err(faults.join("; ")),
    }
}
