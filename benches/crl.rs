//! What a revocation list of a million entries costs: `cargo bench --bench crl`.
//!
//! Lists are made and signed here, written to Cargo's target directory, and loaded as the authorizer loads
//! them: read, indexed, their signature verified. Loading is timed against hashing the same bytes with
//! SHA-256 in the same process, alternately, and the fastest of each counts; memory is the peak resident
//! set of a process that does nothing else. Exits with 1 where a limit is exceeded.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation
)]

use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use mtls_authorizer::{
    revocation::crl::{CrlStore, Issuer, Signature, Subject, Verdict},
    signature::Strength,
    timestamp::Timestamp,
};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};

const MILLION: usize = 1_000_000;
const NOW: Timestamp = Timestamp::from_unix_seconds(1_767_225_600); // 2026-01-01
const RUNS: usize = 25;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "memory", list, key] => memory(list, key),
        _ => report(),
    }
}

fn report() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let ca = Ca::new();
    let key = directory.join("issuer.spki");
    fs::write(&key, &ca.public_key).unwrap();
    let mut within = true;

    println!("a list of {MILLION} entries");
    for (what, reasons) in [("without reasons", false), ("with reasons", true)] {
        let der = ca.list(MILLION, reasons);
        let (hash, load, index) = timing(&der, &ca);
        let ratio = load.as_secs_f64() / hash.as_secs_f64();
        println!("  {what}, {:.1} MB of DER", der.len() as f64 / 1e6);
        println!("    SHA-256        {hash:>9.1?}");
        within &= row("load", format!("{load:.1?}"), ratio, 3.0, "times SHA-256");
        within &= row("index", String::new(), index, 16.0, "bytes an entry");

        let file = directory.join("list.der");
        fs::write(&file, &der).unwrap();
        within &= row("peak, DER", String::new(), peak(&file, &key), 115.0, "MiB");
        fs::write(&file, pem(&der)).unwrap();
        within &= row("peak, PEM", String::new(), peak(&file, &key), 150.0, "MiB");
        fs::remove_file(&file).unwrap();
    }

    println!("a look-up");
    for entries in [10, 1_000, 100_000, MILLION] {
        let (absent, listed) = look_up(&ca, entries);
        println!("  {entries:>9} entries  {absent:>7.1?} not listed  {listed:>7.1?} listed");
    }
    std::process::exit(i32::from(!within));
}

fn row(what: &str, value: String, figure: f64, limit: f64, unit: &str) -> bool {
    let within = figure <= limit;
    let verdict = if within { "" } else { "  EXCEEDED" };
    println!("    {what:<14} {value:>9} {figure:>7.2} {unit} (limit {limit}){verdict}");
    within
}

/// The fastest times of hashing and of loading, and the index's bytes an entry.
fn timing(der: &[u8], ca: &Ca) -> (Duration, Duration, f64) {
    let (mut hash, mut load, mut index) = (Duration::MAX, Duration::MAX, 0.0);
    for _ in 0..RUNS {
        let start = Instant::now();
        black_box(digest::digest(&digest::SHA256, black_box(der)));
        hash = hash.min(start.elapsed());

        let bytes = der.to_vec();
        let start = Instant::now();
        let store = loaded(bytes, ca.issuer());
        load = load.min(start.elapsed());
        index = store.index_bytes() as f64 / MILLION as f64;
    }
    (hash, load, index)
}

fn loaded(bytes: Vec<u8>, issuer: Issuer<'_>) -> CrlStore {
    let mut store = CrlStore::new();
    let loaded = store.load("bench", bytes, &[issuer], &Strength::default(), NOW).unwrap();
    assert_eq!(loaded[0].signature, Signature::Verified);
    store
}

/// The peak memory, in MiB, of a process that loads this list.
fn peak(list: &Path, key: &Path) -> f64 {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).arg("memory").arg(list).arg(key).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse::<f64>().unwrap() / 1024.0
}

fn memory(list: &str, key: &str) {
    let public_key = fs::read(key).unwrap();
    let name = name();
    let issuer = Issuer { name: &name, public_key: &public_key, may_sign_crls: true };
    let store = loaded(fs::read(list).unwrap(), issuer);
    assert_eq!(store.len(), 1);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("{}", peak.trim().trim_end_matches(" kB"));
}

/// How long a verdict takes for certificates that are not on the list, and that are.
fn look_up(ca: &Ca, entries: usize) -> (Duration, Duration) {
    let store = loaded(ca.list(entries, true), ca.issuer());
    let mut random = Random(7);
    let absent: Vec<[u8; 16]> = (0..100_000).map(|_| random.serial()).collect();
    let mut random = Random(1);
    let listed: Vec<[u8; 16]> = (0..entries).map(|_| random.serial()).collect();
    let time = |serials: &[[u8; 16]], revoked: bool| {
        let start = Instant::now();
        for n in 0..100_000_usize {
            // A stride, so that neighbours in time are no neighbours in memory.
            let serial = &serials[n * 7919 % serials.len()];
            let subject =
                Subject { issuer: &ca.name, serial, is_ca: false, distribution_points: &[] };
            let verdict = black_box(store.verdict(black_box(&subject), &ca.issuer(), NOW));
            assert_eq!(matches!(verdict, Verdict::Revoked(..)), revoked);
        }
        start.elapsed() / 100_000
    };
    (time(&absent, false), time(&listed, true))
}

struct Ca {
    name: Vec<u8>,
    public_key: Vec<u8>,
    key: EcdsaKeyPair,
}

impl Ca {
    fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let kind = tlv(0x30, &[EC_PUBLIC_KEY, PRIME256V1].concat());
        let point = tlv(0x03, &[&[0], key.public_key().as_ref()].concat());
        Self { name: name(), public_key: tlv(0x30, &[kind, point].concat()), key }
    }

    fn issuer(&self) -> Issuer<'_> {
        Issuer { name: &self.name, public_key: &self.public_key, may_sign_crls: true }
    }

    fn list(&self, entries: usize, reasons: bool) -> Vec<u8> {
        let mut random = Random(1);
        let mut revoked = Vec::with_capacity(entries * 51);
        for n in 0..entries {
            let date = format!("25{:02}{:02}{:02}0000Z", n % 12 + 1, n % 28 + 1, n % 24);
            let mut entry = tlv(0x02, &random.serial());
            entry.extend(tlv(0x17, date.as_bytes()));
            if reasons {
                entry.extend_from_slice(KEY_COMPROMISE);
            }
            revoked.extend(tlv(0x30, &entry));
        }
        let algorithm = tlv(0x30, ECDSA_WITH_SHA256);
        let fields = [
            &[0x02, 0x01, 0x01][..],
            &algorithm,
            &self.name,
            &tlv(0x17, b"251231000000Z"),
            &tlv(0x17, b"260131000000Z"),
            &tlv(0x30, &revoked),
        ];
        let tbs = tlv(0x30, &fields.concat());
        let signature = self.key.sign(&SystemRandom::new(), &tbs).unwrap();
        let signature = tlv(0x03, &[&[0], signature.as_ref()].concat());
        tlv(0x30, &[tbs, algorithm, signature].concat())
    }
}

/// `CN=bench`
fn name() -> Vec<u8> {
    let attribute = [&[0x06, 0x03, 0x55, 0x04, 0x03][..], &tlv(0x0c, b"bench")].concat();
    tlv(0x30, &tlv(0x31, &tlv(0x30, &attribute)))
}

const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const PRIME256V1: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ECDSA_WITH_SHA256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// Entry extensions with the reason `keyCompromise`.
const KEY_COMPROMISE: &[u8] =
    &[0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01, 0x01];

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    if content.len() < 0x80 {
        element.push(content.len() as u8);
    } else {
        let length = content.len().to_be_bytes();
        let length = &length[content.len().leading_zeros() as usize / 8..];
        element.push(0x80 | length.len() as u8);
        element.extend_from_slice(length);
    }
    element.extend_from_slice(content);
    element
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN X509 CRL-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).unwrap());
        pem.push('\n');
    }
    pem + "-----END X509 CRL-----\n"
}

/// SplitMix64: the same serial numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 16 octets, positive and minimal.
    fn serial(&mut self) -> [u8; 16] {
        let mut serial = [0; 16];
        serial[..8].copy_from_slice(&self.next().to_be_bytes());
        serial[8..].copy_from_slice(&self.next().to_be_bytes());
        serial[0] = serial[0] & 0x3f | 0x40;
        serial
    }
}
