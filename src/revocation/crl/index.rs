//! The serial numbers of one list, in eight bytes each.
//!
//! Of every serial number a keyed hash of 60 bits is kept, with the reason code in the four bits below,
//! sorted. A serial that was added is always found. Two serials of the length that RFC 5280 allows collide
//! with a probability of 2^-60 ([`SerialHasher`]), and a collision can only refuse: it makes a good certificate
//! look revoked, never the reverse. The keys are drawn for each process, so that nobody can look for collisions
//! beforehand.

use std::hash::{BuildHasher, RandomState};

use super::ReasonCode;

/// The keyed hash that serial numbers are indexed by: multilinear hashing, the upper half of
/// `k + k0·length + k1·w1 + k2·w2 + …` modulo 2^128, where the w are the octets, eight at a time, and the k
/// are random, 128 bits each.
///
/// It is strongly universal (Lemire and Kaser, "Strongly universal string hashing is fast", 2014): over the
/// choice of the keys, the hashes of two serial numbers are independent and uniform. That is proven for up to
/// 24 octets. A longer one, which RFC 5280 does not allow, is hashed in parts, each with the hash of those
/// before it in the place of the length; of these it is not proven, only expected. Nothing more is asked of a
/// hash that nobody sees; the `SipHash` of the standard library was near half of the instructions that reading
/// a list took.
#[derive(Clone, Debug)]
pub struct SerialHasher {
    constant: u128,
    length: u128,
    words: [u128; Self::WORDS + 1],
}

impl SerialHasher {
    /// How many whole words a part has.
    const WORDS: usize = 3;

    /// A hash whose keys are drawn from the operating system's randomness, once a process.
    #[must_use]
    pub fn new() -> Self {
        let random = RandomState::new();
        let key = |number: u8| {
            u128::from(random.hash_one((number, 0))) << 64
                | u128::from(random.hash_one((number, 1)))
        };
        Self { constant: key(0), length: key(1), words: [2, 3, 4, 5].map(key) }
    }

    /// The hash of the contents octets of an `INTEGER`, its four low bits zero.
    #[inline]
    fn hash(&self, serial: &[u8]) -> u64 {
        let mut hash = serial.len() as u64;
        for part in serial.chunks(Self::WORDS * 8) {
            hash = self.hash_part(hash, part);
        }
        hash & !REASON_BITS
    }

    #[inline]
    fn hash_part(&self, before: u64, part: &[u8]) -> u64 {
        let (words, rest) = part.as_chunks();
        let rest = rest.iter().fold(0, |word, &octet| (word << 8) | u64::from(octet));
        let words = words.iter().map(|word| u64::from_be_bytes(*word));
        let mut sum = self.constant.wrapping_add(self.length.wrapping_mul(before.into()));
        for (key, word) in self.words.iter().zip(words.chain(std::iter::once(rest))) {
            sum = sum.wrapping_add(key.wrapping_mul(word.into()));
        }
        u64::try_from(sum >> 64).unwrap_or_default()
    }
}

impl Default for SerialHasher {
    fn default() -> Self {
        Self::new()
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

    pub(super) fn build(self) -> SerialIndex {
        SerialIndex { hasher: self.hasher.clone(), keys: sorted(self.keys).into_boxed_slice() }
    }
}

/// Sorts keys in half the time that `sort_unstable` takes for a million, since they are hashes, whose leading
/// bits tell almost all of them apart: by each of the three leading octets, the least significant of them
/// first, and then what little still shares them. Whoever repeats a serial number gains nothing: what shares
/// its leading octets is left to the library's sort, however much it is.
fn sorted(mut keys: Vec<u64>) -> Vec<u64> {
    let mut other = vec![0; keys.len()];
    let mut counts = [[0; 256]; 3];
    for &key in &keys {
        for (octet, counts) in counts.iter_mut().enumerate() {
            if let Some(count) = counts.get_mut(octet_of(key, octet)) {
                *count += 1;
            }
        }
    }
    for (octet, counts) in counts.iter().enumerate().rev() {
        sort_by_octet(octet, counts, &keys, &mut other);
        std::mem::swap(&mut keys, &mut other);
    }
    drop(other);
    let leading = |key: u64| key >> 40;
    for group in keys.chunk_by_mut(|&a, &b| leading(a) == leading(b)) {
        group.sort_unstable();
    }
    debug_assert!(keys.is_sorted(), "look-ups would miss serial numbers");
    keys
}

/// One of a key's octets, counted from the most significant one.
#[inline]
fn octet_of(key: u64, octet: usize) -> usize {
    key.to_be_bytes().get(octet).copied().map_or(0, usize::from)
}

/// Writes all keys to `to`, which is as long as `from`, by one of their octets, of which each value occurs as often
/// as `counts` says; keys whose octet is the same stay in their order.
fn sort_by_octet(octet: usize, counts: &[usize; 256], from: &[u64], to: &mut [u64]) {
    let mut next = *counts;
    let mut before = 0;
    for place in &mut next {
        before += std::mem::replace(place, before);
    }
    for &key in from {
        if let Some(place) = next.get_mut(octet_of(key, octet)) {
            if let Some(slot) = to.get_mut(*place) {
                *slot = key;
            }
            *place += 1;
        }
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
