//! Octets as hex digits.

/// Two upper-case digits.
#[must_use]
pub fn upper(octet: u8) -> [char; 2] {
    digits(octet, b'A')
}

/// Lower-case digits, two an octet.
#[must_use]
pub fn lower(octets: &[u8]) -> String {
    let mut text = String::with_capacity(2 * octets.len());
    text.extend(octets.iter().flat_map(|octet| digits(*octet, b'a')));
    text
}

fn digits(octet: u8, ten: u8) -> [char; 2] {
    [octet >> 4, octet & 0x0f].map(|nibble| match nibble {
        0..=9 => char::from(b'0' + nibble),
        _ => char::from(ten + (nibble - 10)),
    })
}
