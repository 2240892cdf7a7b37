//! A deny list: read in full or not at all.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

use mtls_authorizer::deny_list::{DeniedDigests, DenyList};

const DIGEST: [u8; 32] = [0xab; 32];

fuzz_target!(|list: &[u8]| {
    let Ok(digests) = DeniedDigests::parse(list) else { return };
    assert!(digests.len() <= list.len() / 71 + 1);
    let with = |line: &str| [list, b"\n", line.as_bytes()].concat();
    // What is added denies, and what can't be read spoils all.
    let hex = "ab".repeat(32);
    for (line, certificate, key) in [
        (format!("sha256:{hex}"), DIGEST, [0; 32]),
        (format!("spki-sha256:{hex} # leaked"), [0; 32], DIGEST),
    ] {
        let longer = DeniedDigests::parse(&with(&line)).expect("one more line");
        assert!(DenyList::Listed(Arc::new(longer)).admits_digests(&certificate, &key).is_err());
    }
    assert!(DeniedDigests::parse(&with("sha256:abcd")).is_err());
});
