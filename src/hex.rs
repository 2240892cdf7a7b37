//! Octets as hex digits, and back.

/// Upper-case digits, two an octet.
#[must_use]
pub fn upper(octets: &[u8]) -> String {
    base16ct::upper::encode_string(octets)
}

/// The two upper-case digits of an octet.
#[must_use]
pub fn pair(octet: u8) -> [char; 2] {
    let digit = |nibble| char::from(nibble + if nibble < 10 { b'0' } else { b'A' - 10 });
    [digit(octet >> 4), digit(octet & 0x0f)]
}

/// Lower-case digits, two an octet.
#[must_use]
pub fn lower(octets: &[u8]) -> String {
    base16ct::lower::encode_string(octets)
}

/// The octets of digits in any letter case, two an octet.
#[must_use]
pub fn octets(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(digit(high)? * 16 + digit(low)?).ok()).collect()
}

/// The octets of a number of at least one digit, without leading zeros; none for zero.
#[must_use]
pub fn magnitude(digits: &str) -> Option<Vec<u8>> {
    let significant = digits.trim_start_matches('0');
    let octets = match significant.len() % 2 {
        0 => octets(significant),
        _ => octets(&format!("0{significant}")),
    };
    octets.filter(|_| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(octets(&lower(&all)), Some(all.clone()));
        assert_eq!(upper(&all), lower(&all).to_uppercase());
        assert_eq!(octets(&upper(&all)), Some(all.clone()));
        assert_eq!(all.iter().flat_map(|octet| pair(*octet)).collect::<String>(), upper(&all));
        for wrong in ["0", "0g", "+1", " 1", "1 ", "\u{e9}", "0x"] {
            assert_eq!(octets(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_number_is_the_same_however_many_zeros_it_begins_with() {
        for (digits, number) in [
            ("0", Some(vec![])),
            ("000", Some(vec![])),
            ("5", Some(vec![5])),
            ("005", Some(vec![5])),
            ("03A5b1", Some(vec![3, 0xa5, 0xb1])),
            ("3a5B1", Some(vec![3, 0xa5, 0xb1])),
            ("0500", Some(vec![5, 0])),
            ("", None),
            ("00g", None),
            ("0:5", None),
            ("-5", None),
            ("+5", None),
        ] {
            assert_eq!(magnitude(digits), number, "{digits}");
        }
    }
}
