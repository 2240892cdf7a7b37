//! PEM text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mtls_authorizer::certificate::pem::{certificates, first_certificate};
use mtls_authorizer_fuzz::pem;

fuzz_target!(|text: &str| {
    let first = first_certificate(text);
    if let Ok(all) = certificates(text) {
        assert!(!all.is_empty());
        assert_eq!(first.as_ref().ok(), all.first(), "one reading of the first block");
    }
    if let Ok(der) = &first {
        assert!(!text.contains("PRIVATE KEY-----"));
        assert_eq!(first_certificate(&pem(der)).as_ref(), Ok(der));
    }
});
