//! The serial numbers of one list, in eight bytes each.
//!
//! Of every serial number a keyed hash of 60 bits is kept, with the reason code in the four bits below,
//! sorted. A serial that was added is always found. Two serials of one list collide with a probability of
//! about 2^-60, and a collision can only refuse: it makes a good certificate look revoked, never the
//! reverse. The key is drawn for each process, so that nobody can look for collisions beforehand.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::ReasonCode;

/// The keyed hash that serial numbers are indexed by: SipHash 1-3 with a key of this process.
#[derive(Clone, Debug, Default)]
pub struct SerialHasher(RandomState);

impl SerialHasher {
    /// A hash whose key is drawn from the operating system's randomness, once a process.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The hash of the contents octets of an `INTEGER`, its four low bits zero.
    #[inline]
    fn hash(&self, serial: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(serial);
        hasher.finish() & !REASON_BITS
    }
}

const REASON_BITS: u64 = 0xf;

/// What `removeFromCRL` is kept as: above every other reason, so that of two entries for one serial number
/// the one that revokes is found.
const REMOVE: u64 = 0xf;

/// The serial numbers of a list, while they are being read.
#[derive(Debug)]
pub(super) struct IndexBuilder<'a> {
    hasher: &'a SerialHasher,
    keys: Vec<u64>,
}

impl<'a> IndexBuilder<'a> {
    /// Room for about `entries` serial numbers.
    pub(super) fn with_capacity(hasher: &'a SerialHasher, entries: usize) -> Self {
        Self { hasher, keys: Vec::with_capacity(entries) }
    }

    #[inline]
    pub(super) fn insert(&mut self, serial: &[u8], reason: ReasonCode) {
        let reason = match reason {
            ReasonCode::RemoveFromCrl => REMOVE,
            other => u64::from(other.code()),
        };
        self.keys.push(self.hasher.hash(serial) | reason);
    }

    pub(super) fn build(mut self) -> SerialIndex {
        self.keys.sort_unstable();
        SerialIndex { hasher: self.hasher.clone(), keys: self.keys.into_boxed_slice() }
    }
}

/// The serial numbers of a list, sorted by hash.
#[derive(Clone, Debug)]
pub(super) struct SerialIndex {
    hasher: SerialHasher,
    keys: Box<[u64]>,
}

impl SerialIndex {
    /// The reason with which this serial number is listed, if it is.
    pub(super) fn find(&self, serial: &[u8]) -> Option<ReasonCode> {
        let hash = self.hasher.hash(serial);
        let at = self.keys.partition_point(|&key| key < hash);
        let key = *self.keys.get(at)?;
        if key & !REASON_BITS != hash {
            return None;
        }
        Some(match key & REASON_BITS {
            REMOVE => ReasonCode::RemoveFromCrl,
            code => u8::try_from(code)
                .ok()
                .and_then(ReasonCode::from_code)
                .unwrap_or(ReasonCode::Unspecified),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Bytes that the index takes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val::<[u64]>(&self.keys)
    }
}
