//! A writer of DER. It writes what it is told, well formed or not.

use ring::digest;

/// The encoding of one element, or of several after one another.
pub type Der = Vec<u8>;

/// 2026-11-21T08:00:00Z, the present of every test.
pub const NOW: i64 = 1_795_248_000;
pub const HOUR: i64 = 3_600;
pub const DAY: i64 = 24 * HOUR;
pub const YEAR: i64 = 365 * DAY;

/// Tag, length in its minimal form, contents.
pub fn tlv(tag: u8, content: &[u8]) -> Der {
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().take_while(|&&octet| octet == 0).count()..];
    let mut out = vec![tag];
    if content.len() < 0x80 {
        out.push(content.len() as u8);
    } else {
        out.push(0x80 | significant.len() as u8);
        out.extend_from_slice(significant);
    }
    out.extend_from_slice(content);
    out
}

/// Tag, the length octets as given (such as `&[0x81, 0x05]`, not minimal, or `&[0x80]`, indefinite), contents.
pub fn raw_length(tag: u8, length: &[u8], content: &[u8]) -> Der {
    [&[tag], length, content].concat()
}

/// Elements after one another.
pub fn concat<T: AsRef<[u8]>>(elements: &[T]) -> Der {
    elements.iter().flat_map(|element| element.as_ref().iter().copied()).collect()
}

pub fn sequence<T: AsRef<[u8]>>(elements: &[T]) -> Der {
    tlv(0x30, &concat(elements))
}

/// A SET OF, in the order given.
pub fn set<T: AsRef<[u8]>>(elements: &[T]) -> Der {
    tlv(0x31, &concat(elements))
}

/// `[number] EXPLICIT`, and `[number] IMPLICIT` of a constructed type given by its contents.
pub fn explicit(number: u8, content: &[u8]) -> Der {
    tlv(0xa0 | number, content)
}

/// `[number] IMPLICIT` of a primitive type given by its contents.
pub fn implicit(number: u8, content: &[u8]) -> Der {
    tlv(0x80 | number, content)
}

pub fn boolean(value: bool) -> Der {
    tlv(0x01, &[if value { 0xff } else { 0x00 }])
}

/// An INTEGER of these contents octets, minimal or not.
pub fn integer(octets: &[u8]) -> Der {
    tlv(0x02, octets)
}

/// An INTEGER of this value.
pub fn number(value: u64) -> Der {
    unsigned(&value.to_be_bytes())
}

/// An INTEGER of this magnitude, with leading zeros removed and a sign octet added as needed.
pub fn unsigned(magnitude: &[u8]) -> Der {
    let zeros = magnitude.iter().take_while(|&&octet| octet == 0).count();
    let mut octets = magnitude[zeros..].to_vec();
    if octets.first().is_none_or(|&first| first & 0x80 != 0) {
        octets.insert(0, 0);
    }
    integer(&octets)
}

pub fn bit_string(octets: &[u8]) -> Der {
    tlv(0x03, &[&[0], octets].concat())
}

/// A named bit list, with trailing zero bits removed as DER demands.
pub fn named_bits(bits: &[usize]) -> Der {
    let Some(last) = bits.iter().max() else { return tlv(0x03, &[0]) };
    let mut octets = vec![0_u8; last / 8 + 1];
    for bit in bits {
        octets[bit / 8] |= 0x80 >> (bit % 8);
    }
    tlv(0x03, &[&[7 - (last % 8) as u8], octets.as_slice()].concat())
}

pub fn octet_string(octets: &[u8]) -> Der {
    tlv(0x04, octets)
}

pub fn null() -> Der {
    tlv(0x05, &[])
}

pub fn enumerated(value: u8) -> Der {
    tlv(0x0a, &[value])
}

/// An OBJECT IDENTIFIER from its dotted form.
pub fn oid(dotted: &str) -> Der {
    let arcs: Vec<u64> = dotted.split('.').map(|arc| arc.parse().expect("a dotted OID")).collect();
    let mut octets = Vec::new();
    for arc in std::iter::once(arcs[0] * 40 + arcs[1]).chain(arcs[2..].iter().copied()) {
        let groups = (64 - arc.leading_zeros()).div_ceil(7).max(1);
        for group in (0..groups).rev() {
            let more = if group == 0 { 0 } else { 0x80 };
            octets.push((arc >> (7 * group)) as u8 & 0x7f | more);
        }
    }
    tlv(0x06, &octets)
}

pub fn utf8_string(text: &str) -> Der {
    tlv(0x0c, text.as_bytes())
}

pub fn numeric_string(text: &str) -> Der {
    tlv(0x12, text.as_bytes())
}

pub fn printable_string(text: &str) -> Der {
    tlv(0x13, text.as_bytes())
}

/// A TeletexString (T61String) of these octets.
pub fn teletex_string(octets: &[u8]) -> Der {
    tlv(0x14, octets)
}

pub fn ia5_string(text: &str) -> Der {
    tlv(0x16, text.as_bytes())
}

pub fn visible_string(text: &str) -> Der {
    tlv(0x1a, text.as_bytes())
}

pub fn universal_string(text: &str) -> Der {
    tlv(0x1c, &text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect::<Vec<_>>())
}

/// A BMPString; characters beyond the first plane become surrogates, which the type does not have.
pub fn bmp_string(text: &str) -> Der {
    tlv(0x1e, &text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>())
}

/// A Time as RFC 5280 demands it: UTCTime up to 2049, GeneralizedTime from 2050 on.
pub fn time(seconds: i64) -> Der {
    let text = digits(seconds);
    let in_utc_time =
        (instant(1950, 1, 1, 0, 0, 0)..instant(2050, 1, 1, 0, 0, 0)).contains(&seconds);
    if in_utc_time { tlv(0x17, &text.as_bytes()[2..]) } else { tlv(0x18, text.as_bytes()) }
}

/// A UTCTime of this text, such as `261121080000Z`.
pub fn utc_time(text: &str) -> Der {
    tlv(0x17, text.as_bytes())
}

/// A GeneralizedTime of an instant. CRLs and certificates may have it from 2050 on only, OCSP always has it.
pub fn generalized_time(seconds: i64) -> Der {
    tlv(0x18, digits(seconds).as_bytes())
}

/// Seconds since 1970 of an instant of the Gregorian calendar in UTC.
pub fn instant(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> i64 {
    // Days since 0000-03-01, years beginning in March, so that the leap day comes last.
    let (shifted_year, shifted_month) = ((year * 12 + month - 3) / 12, (month + 9) % 12);
    let leap_days = shifted_year / 4 - shifted_year / 100 + shifted_year / 400;
    let days = shifted_year * 365 + leap_days + (shifted_month * 153 + 2) / 5 + day - 1;
    ((days - 719_468) * 24 + hour) * HOUR + minute * 60 + second
}

/// `YYYYMMDDHHMMSSZ`.
fn digits(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let mut year = 1970 + days.div_euclid(366) - 1;
    while instant(year + 1, 1, 1, 0, 0, 0) <= seconds {
        year += 1;
    }
    let month = (1..=12).rev().find(|&month| instant(year, month, 1, 0, 0, 0) <= seconds).unwrap();
    let day = 1 + (seconds - instant(year, month, 1, 0, 0, 0)) / DAY;
    let (hour, minute, second) = (rest / HOUR, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z")
}

pub fn sha256(data: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, data).as_ref().to_vec()
}

pub fn sha1(data: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, data).as_ref().to_vec()
}

/// RFC 7468: lines of 64 characters, LF, with one at the end.
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = base64(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// RFC 4648, section 4.
pub fn base64(data: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in data.chunks(3) {
        let octet = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for sextet in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * sextet)) as usize & 0x3f];
            text.push(if sextet <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
