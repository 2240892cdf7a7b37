//! The bytes of an event, through the whole authorizer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mtls_authorizer_fuzz::{CONFIGURATIONS, Harness};

thread_local!(static HARNESS: Harness = Harness::of(CONFIGURATIONS));

fuzz_target!(|payload: &[u8]| HARNESS.with(|harness| harness.check(payload)));
