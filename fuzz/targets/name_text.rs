//! The text of a distinguished name (RFC 4514).
#![no_main]

use libfuzzer_sys::fuzz_target;
use mtls_authorizer::certificate::name::parse_rfc4514;

fuzz_target!(|text: &str| {
    match parse_rfc4514(text) {
        Ok(name) => {
            // The canonical form runs from the root, RFC 4514 the other way: reading it twice is the identity.
            let turned = parse_rfc4514(name.as_str()).expect("what was written can be read");
            let again = parse_rfc4514(turned.as_str()).expect("what was written can be read");
            assert_eq!(again, name);
            assert!(!name.as_str().chars().any(char::is_control));
        }
        Err(error) => assert!(error.offset <= text.len()),
    }
});
