//! The DER of a distinguished name: what is written of it can be read back, and is the same name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mtls_authorizer::{
    certificate::name::{Name, parse_rfc4514},
    der::Reader,
};

fuzz_target!(|der: &[u8]| {
    let mut reader = Reader::new(der);
    let Ok(element) = reader.any() else { return };
    let Ok(name) = Name::parse(element) else { return };
    assert!(name.ascii().bytes().all(|byte| (0x20..0x7f).contains(&byte)));
    assert!(!name.utf8().chars().any(char::is_control));
    assert_eq!(name.is_empty(), name.ascii().is_empty());
    assert_eq!(name.is_empty(), name.utf8().is_empty());
    // What a configuration can't say, it can't match either: control characters and empty values.
    let sayable = !name.is_empty()
        && name.attributes().all(|attribute| attribute.text().is_some_and(|text| !text.is_empty()));
    for text in [name.ascii(), &name.utf8()] {
        let read = parse_rfc4514(text).ok();
        let read = read.as_ref().map(|name| name.as_str());
        if sayable {
            assert_eq!(read, name.canonical(), "{text}");
        } else {
            assert_eq!(read, None, "{text}");
        }
    }
});
