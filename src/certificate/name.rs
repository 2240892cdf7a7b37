//! Distinguished names (RFC 5280, section 4.1.2.4) and their text (RFC 4514).
//!
//! A name is judged attribute by attribute, never as text. Text is made in three forms, each of which tells
//! two different names apart: [`Name::ascii`] for headers and logs, [`Name::utf8`] for people, and
//! [`Name::canonical`] for comparing a certificate's name with one that a configuration spells out.
//!
//! `TeletexString` is read as ISO 8859-1, as OpenSSL does and as it was used in practice. Names are compared
//! exactly: neither letter case nor white space is folded, and no Unicode normalisation takes place.

use std::{borrow::Cow, fmt::Write as _, ops::Range};

use crate::{
    der::{DerError, Element, Oid, Reader, tag},
    hex,
};

/// Attribute types with a short name in RFC 4514, section 3: the name, the contents octets, the dotted form.
const SHORT_NAMES: [(&str, &[u8], &str); 9] = [
    ("CN", &[0x55, 0x04, 0x03], "2.5.4.3"),
    ("L", &[0x55, 0x04, 0x07], "2.5.4.7"),
    ("ST", &[0x55, 0x04, 0x08], "2.5.4.8"),
    ("O", &[0x55, 0x04, 0x0a], "2.5.4.10"),
    ("OU", &[0x55, 0x04, 0x0b], "2.5.4.11"),
    ("C", &[0x55, 0x04, 0x06], "2.5.4.6"),
    ("STREET", &[0x55, 0x04, 0x09], "2.5.4.9"),
    (
        "DC",
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19],
        "0.9.2342.19200300.100.1.25",
    ),
    (
        "UID",
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01],
        "0.9.2342.19200300.100.1.1",
    ),
];

/// The contents octets of the type that an RFC 4514 short name stands for, in any letter case.
#[must_use]
pub fn short_name_oid(short_name: &str) -> Option<Oid<'static>> {
    let (_, octets, _) = by_short_name(short_name)?;
    Some(Oid::new(octets))
}

fn by_short_name(short_name: &str) -> Option<(&'static str, &'static [u8], &'static str)> {
    SHORT_NAMES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(short_name)).copied()
}

/// The RFC 4514 short name of a type.
#[must_use]
pub fn short_name(oid: Oid<'_>) -> Option<&'static str> {
    SHORT_NAMES.iter().find(|&&(_, octets, _)| octets == oid.octets()).map(|&(name, ..)| name)
}

/// `commonName`, 2.5.4.3.
pub const COMMON_NAME: Oid<'static> = Oid::new(&[0x55, 0x04, 0x03]);

/// A distinguished name as it stands in a certificate.
#[derive(Clone, Debug)]
pub struct Name {
    der: Box<[u8]>,
    attributes: Box<[Attribute]>,
    ascii: String,
    canonical: Option<String>,
}

/// One attribute of a distinguished name.
#[derive(Clone, Debug)]
pub struct Attribute {
    rdn: usize,
    oid: Box<[u8]>,
    value_der: Box<[u8]>,
    decoded: Option<String>,
}

impl Attribute {
    /// The attribute's type.
    #[must_use]
    pub fn oid(&self) -> Oid<'_> {
        Oid::new(&self.oid)
    }

    /// The value, if it is a string that could be decoded and holds no NUL or other control character.
    /// A value without one matches nothing.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.decoded.as_deref().filter(|text| !text.chars().any(char::is_control))
    }

    /// The value as DER, with tag and length.
    #[must_use]
    pub fn value_der(&self) -> &[u8] {
        &self.value_der
    }

    /// The position, from 0 in the order of the certificate, of the relative name it belongs to.
    #[must_use]
    pub fn rdn(&self) -> usize {
        self.rdn
    }
}

impl Name {
    /// Reads a `Name`.
    ///
    /// # Errors
    /// Anything but a sequence of non-empty sets, each sorted, of type and value.
    pub fn parse(element: Element<'_>) -> Result<Self, DerError> {
        let mut attributes = Vec::new();
        let mut relative_names = element.reader();
        let mut rdn = 0;
        while !relative_names.is_empty() {
            let set =
                relative_names.expect(tag::SET, "a relative distinguished name is not a SET")?;
            parse_relative_name(set, rdn, &mut attributes)?;
            rdn += 1;
        }
        let ascii = render(&attributes, Charset::Ascii);
        let canonical = canonical(&attributes);
        Ok(Self { der: element.raw.into(), attributes: attributes.into(), ascii, canonical })
    }

    /// The name as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether the name has no attribute at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// The attributes, in the order of the certificate.
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter()
    }

    /// The attributes of one type, in the order of the certificate.
    pub fn attributes_of<'a>(&'a self, oid: Oid<'a>) -> impl Iterator<Item = &'a Attribute> {
        self.attributes.iter().filter(move |attribute| attribute.oid() == oid)
    }

    /// The name in RFC 4514, most specific relative name first, in printable ASCII (0x20 to 0x7E): every
    /// other byte of the UTF-8 form, and every special character, is escaped. Types without an RFC 4514
    /// short name, and values that are no string, are written as `#` and the hex of their DER.
    #[must_use]
    pub fn ascii(&self) -> &str {
        &self.ascii
    }

    /// As [`Name::ascii`], but UTF-8 is kept; control characters are still escaped.
    #[must_use]
    pub fn utf8(&self) -> String {
        render(&self.attributes, Charset::Utf8)
    }

    /// The text that is compared with [`CanonicalName`]; `None` where a value can't be decoded or holds a
    /// control character, since such a name equals nothing that a configuration can say.
    #[must_use]
    pub fn canonical(&self) -> Option<&str> {
        self.canonical.as_deref()
    }

    /// The common name, escaped as in [`Name::ascii`], where there is exactly one.
    #[must_use]
    pub fn single_common_name(&self) -> Option<String> {
        let mut common_names = self.attributes_of(COMMON_NAME);
        let (Some(only), None) = (common_names.next(), common_names.next()) else { return None };
        let mut text = String::new();
        push_value(&mut text, only, Charset::Ascii);
        Some(text)
    }
}

fn parse_relative_name(
    set: Element<'_>,
    rdn: usize,
    attributes: &mut Vec<Attribute>,
) -> Result<(), DerError> {
    let mut members = set.reader();
    if members.is_empty() {
        return Err(set.error("a relative distinguished name is empty"));
    }
    let mut previous: Option<&[u8]> = None;
    while !members.is_empty() {
        let member = members.expect(tag::SEQUENCE, "an attribute of a name is not a SEQUENCE")?;
        if previous.is_some_and(|previous| previous > member.raw) {
            return Err(member.error("the members of a SET are not sorted"));
        }
        previous = Some(member.raw);
        let mut fields = member.reader();
        let oid = fields.oid("an attribute of a name has no type")?;
        let value = fields.any()?;
        fields.end("an attribute of a name has more than a type and a value")?;
        attributes.push(Attribute {
            rdn,
            oid: oid.octets().into(),
            value_der: value.raw.into(),
            decoded: decode_string(value),
        });
    }
    Ok(())
}

/// The text of one of the string types of X.509; `None` for other types and for contents that are not of
/// the type.
fn decode_string(element: Element<'_>) -> Option<String> {
    let content = element.content;
    let ascii = |allowed: fn(&u8) -> bool| {
        content.iter().all(allowed).then(|| content.iter().map(|&byte| char::from(byte)).collect())
    };
    match element.tag {
        tag::UTF8_STRING => std::str::from_utf8(content).ok().map(str::to_owned),
        // Beyond its narrow repertoire, issuers put `*`, `@`, `&` and `_` into PrintableString.
        tag::PRINTABLE_STRING | tag::VISIBLE_STRING => ascii(|byte| (0x20..0x7f).contains(byte)),
        tag::IA5_STRING => ascii(u8::is_ascii),
        tag::NUMERIC_STRING => ascii(|byte| byte.is_ascii_digit() || *byte == b' '),
        tag::TELETEX_STRING => ascii(|_| true),
        tag::BMP_STRING => decode_units::<2>(content),
        tag::UNIVERSAL_STRING => decode_units::<4>(content),
        _ => None,
    }
}

/// Characters of a fixed number of octets, big endian. Surrogates are no characters.
fn decode_units<const OCTETS: usize>(content: &[u8]) -> Option<String> {
    let (units, rest) = content.as_chunks::<OCTETS>();
    if !rest.is_empty() {
        return None;
    }
    units
        .iter()
        .map(|unit| {
            char::from_u32(unit.iter().fold(0, |value, &octet| (value << 8) | u32::from(octet)))
        })
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Charset {
    Ascii,
    Utf8,
}

fn render(attributes: &[Attribute], charset: Charset) -> String {
    let mut text = String::with_capacity(attributes.len() * 24);
    for relative_name in attributes.chunk_by(|left, right| left.rdn == right.rdn).rev() {
        if !text.is_empty() {
            text.push(',');
        }
        for (position, attribute) in relative_name.iter().enumerate() {
            if position > 0 {
                text.push('+');
            }
            match short_name(attribute.oid()) {
                Some(short_name) => {
                    text.push_str(short_name);
                    text.push('=');
                    push_value(&mut text, attribute, charset);
                }
                None => {
                    let _ = write!(text, "{}=", attribute.oid());
                    push_hex(&mut text, &attribute.value_der);
                }
            }
        }
    }
    text
}

fn push_value(text: &mut String, attribute: &Attribute, charset: Charset) {
    match &attribute.decoded {
        Some(value) => push_escaped(text, value, charset),
        None => push_hex(text, &attribute.value_der),
    }
}

fn push_hex(text: &mut String, octets: &[u8]) {
    text.push('#');
    text.push_str(&hex::upper(octets));
}

/// Whether a value is written as it is: without a special character, nor a space or `#` where it would be one.
fn is_plain(value: &str) -> bool {
    let special = |octet: u8| matches!(octet, b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\');
    let octets = value.as_bytes();
    octets.iter().all(|octet| (0x20..=0x7e).contains(octet) && !special(*octet))
        && !matches!(octets.first(), Some(b' ' | b'#'))
        && octets.last() != Some(&b' ')
}

/// RFC 4514, section 2.4.
fn push_escaped(text: &mut String, value: &str, charset: Charset) {
    if is_plain(value) {
        return text.push_str(value);
    }
    let last = value.char_indices().next_back().map_or(0, |(index, _)| index);
    for (index, character) in value.char_indices() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => {
                text.push('\\');
                text.push(character);
            }
            ' ' if index == 0 || index == last => text.push_str("\\ "),
            '#' if index == 0 => text.push_str("\\#"),
            ' '..='~' => text.push(character),
            _ if charset == Charset::Utf8 && !character.is_control() => text.push(character),
            _ => {
                for octet in character.encode_utf8(&mut [0; 4]).bytes() {
                    text.push('\\');
                    text.extend(hex::pair(octet));
                }
            }
        }
    }
}

/// Every attribute as `type=value`, values as text whatever their type, relative names in the order of the
/// certificate and their members sorted.
fn canonical(attributes: &[Attribute]) -> Option<String> {
    let mut members = Members::for_text(attributes.iter().map(|it| it.value_der.len()).sum());
    for attribute in attributes {
        members.push(attribute.rdn, attribute.oid(), attribute.text()?);
    }
    Some(members.join())
}

/// Attributes as canonical text, on their way to a whole name.
struct Members {
    text: String,
    /// The relative name that one belongs to, in the order of certificates, and where it stands in the text.
    ranges: Vec<(usize, Range<usize>)>,
}

impl Members {
    /// With room for values of so many octets in all.
    fn for_text(octets: usize) -> Self {
        Self { text: String::with_capacity(octets + 64), ranges: Vec::with_capacity(8) }
    }

    fn push(&mut self, rdn: usize, oid: Oid<'_>, value: &str) {
        match SHORT_NAMES.iter().find(|&&(_, octets, _)| octets == oid.octets()) {
            Some((_, _, dotted)) => self.push_dotted(rdn, dotted, value),
            None => self.push_dotted(rdn, &oid.to_string(), value),
        }
    }

    fn push_dotted(&mut self, rdn: usize, dotted: &str, value: &str) {
        let start = self.text.len();
        self.text.push_str(dotted);
        self.text.push('=');
        push_escaped(&mut self.text, value, Charset::Utf8);
        self.ranges.push((rdn, start..self.text.len()));
    }

    fn join(mut self) -> String {
        let member = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        // As a rule relative names have one member each, and come in this order or, from text, in the other.
        if self.ranges.is_sorted_by(|(left, _), (right, _)| left > right) {
            self.ranges.reverse();
        } else {
            self.ranges.sort_by(|(left_rdn, left), (right_rdn, right)| {
                left_rdn.cmp(right_rdn).then_with(|| member(left).cmp(member(right)))
            });
        }
        let mut text = String::with_capacity(self.text.len() + self.ranges.len());
        let mut previous = None;
        for (rdn, range) in &self.ranges {
            if let Some(previous) = previous {
                text.push(if previous == rdn { '+' } else { ',' });
            }
            text.push_str(member(range));
            previous = Some(rdn);
        }
        text
    }
}

/// A distinguished name that was spelt out as RFC 4514 text, in the form of [`Name::canonical`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CanonicalName(String);

impl CanonicalName {
    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As people write it, in RFC 4514: most specific relative name first, types by their short names.
impl std::fmt::Display for CanonicalName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&spell_out(&self.0))
    }
}

/// A name in the form of [`Name::canonical`] as people write it, in RFC 4514: most specific relative name first, types
/// by their short names. Where [`parse_rfc4514`] reads it, it is the same name again; it reads no empty values.
pub(crate) fn spell_out(canonical: &str) -> String {
    let mut text = String::with_capacity(canonical.len());
    let relative_names: Vec<&str> = split_unescaped(canonical, ',').collect();
    for relative_name in relative_names.into_iter().rev() {
        let mut separator = if text.is_empty() { "" } else { "," };
        for member in split_unescaped(relative_name, '+') {
            let (dotted, value) = member.split_once('=').unwrap_or_default();
            let known = SHORT_NAMES.iter().find(|(_, _, known)| *known == dotted);
            let attribute_type = known.map_or(dotted, |(short, ..)| short);
            text.extend([separator, attribute_type, "=", value]);
            separator = "+";
        }
    }
    text
}

fn split_unescaped(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    text.split(move |character| {
        let separates = !escaped && character == separator;
        escaped = !escaped && character == '\\';
        separates
    })
}

/// Where and why text is no distinguished name of RFC 4514.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameSyntaxError {
    /// The rule, as a clause.
    pub rule: String,
    /// Offset into the text, in characters.
    pub offset: usize,
}

impl std::fmt::Display for NameSyntaxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at character {}", self.rule, self.offset + 1)
    }
}

impl std::error::Error for NameSyntaxError {}

/// Reads a distinguished name of RFC 4514: most specific relative name first, types as short names (any
/// letter case) or dotted identifiers, values as strings with escapes or as `#` and hex DER of a string.
///
/// # Errors
/// Text that is not of that form, an empty name, a value with a control character, a `#` value that is no
/// string, or a type that is neither.
pub fn parse_rfc4514(text: &str) -> Result<CanonicalName, NameSyntaxError> {
    parse_name(TextParser { text, at: 0 }).map_err(|error| {
        let before = text.get(..error.offset).unwrap_or(text);
        NameSyntaxError { offset: before.chars().count(), ..error }
    })
}

/// An error's offset is in bytes here.
fn parse_name(mut parser: TextParser<'_>) -> Result<CanonicalName, NameSyntaxError> {
    let mut members = Members::for_text(parser.text.len());
    let mut rdn = usize::MAX;
    loop {
        parser.attribute(rdn, &mut members)?;
        match parser.next() {
            None => break,
            Some('+') => {}
            // The text runs from the most specific name to the root, the certificate the other way.
            Some(',') => rdn -= 1,
            Some(_) => return Err(parser.error("a `,` or `+` is missing between attributes")),
        }
    }
    Ok(CanonicalName(members.join()))
}

struct TextParser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> TextParser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn error(&self, rule: impl Into<String>) -> NameSyntaxError {
        NameSyntaxError { rule: rule.into(), offset: self.at }
    }

    fn attribute(&mut self, rdn: usize, members: &mut Members) -> Result<(), NameSyntaxError> {
        let start = self.at;
        let Some(length) = self.rest().bytes().position(|octet| octet == b'=') else {
            return Err(self.error("an attribute without `=`"));
        };
        let attribute_type = self.rest().get(..length).unwrap_or_default().trim_start();
        self.at += length + 1;
        let dotted = match by_short_name(attribute_type) {
            Some((_, _, dotted)) => Cow::Borrowed(dotted),
            None => match Oid::parse_dotted(attribute_type) {
                // Written anew: there is one way to write an identifier in a canonical name.
                Some(octets) => Cow::Owned(Oid::new(&octets).to_string()),
                None => {
                    return Err(NameSyntaxError {
                        rule: format!(
                            "the type `{attribute_type}` is neither an RFC 4514 short name nor a dotted identifier"
                        ),
                        offset: start,
                    });
                }
            },
        };
        let value_start = self.at;
        if let Some(value) = self.plain_value() {
            members.push_dotted(rdn, &dotted, value);
            return Ok(());
        }
        let value = if self.peek() == Some('#') { self.hex_value()? } else { self.string_value()? };
        if value.chars().any(char::is_control) {
            return Err(NameSyntaxError {
                rule: "a value holds a control character, which matches nothing".into(),
                offset: value_start,
            });
        }
        if value.is_empty() {
            return Err(NameSyntaxError { rule: "a value is empty".into(), offset: value_start });
        }
        members.push_dotted(rdn, &dotted, &value);
        Ok(())
    }

    fn hex_value(&mut self) -> Result<String, NameSyntaxError> {
        let error = self.error("a `#` value is not the hex DER of a string");
        self.at += 1;
        let mut octets = Vec::new();
        while let Some(high) = self.peek().and_then(|digit| digit.to_digit(16)) {
            self.at += 1;
            let low = self.peek().and_then(|digit| digit.to_digit(16)).ok_or(error.clone())?;
            self.at += 1;
            octets.push(u8::try_from(high * 16 + low).map_err(|_| error.clone())?);
        }
        let mut reader = Reader::new(&octets);
        let element = reader.any().map_err(|_| error.clone())?;
        reader.end("trailing").map_err(|_| error.clone())?;
        decode_string(element).ok_or(error)
    }

    /// The value up to the next attribute, where there is one and nothing in it means anything but itself.
    fn plain_value(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let end = rest.bytes().position(|octet| matches!(octet, b',' | b'+')).unwrap_or(rest.len());
        let value = rest.get(..end).filter(|value| !value.is_empty() && is_plain(value))?;
        self.at += end;
        Some(value)
    }

    fn string_value(&mut self) -> Result<String, NameSyntaxError> {
        let mut octets: Vec<u8> = Vec::new();
        // How much of `octets` must stay when unescaped spaces at the end are refused.
        let mut unescaped_space_at_end = false;
        if self.peek() == Some(' ') {
            return Err(self.error("a value begins with a space that is not escaped"));
        }
        while let Some(character) = self.peek() {
            match character {
                ',' | '+' => break,
                '"' | ';' | '<' | '>' => {
                    return Err(
                        self.error(format!("`{character}` must be escaped as `\\{character}`"))
                    );
                }
                '\\' => {
                    self.at += 1;
                    octets.extend_from_slice(&self.escaped()?);
                    unescaped_space_at_end = false;
                }
                _ => {
                    self.at += character.len_utf8();
                    octets.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    unescaped_space_at_end = character == ' ';
                }
            }
        }
        if unescaped_space_at_end {
            return Err(self.error("a value ends with a space that is not escaped"));
        }
        String::from_utf8(octets).map_err(|_| self.error("escaped bytes are not UTF-8"))
    }

    fn escaped(&mut self) -> Result<Vec<u8>, NameSyntaxError> {
        let error = self.error("an escape is neither a special character nor two hex digits");
        let first = self.next().ok_or(error.clone())?;
        if matches!(first, '"' | '+' | ',' | ';' | '<' | '>' | '\\' | ' ' | '#' | '=') {
            return Ok(vec![u8::try_from(first).map_err(|_| error)?]);
        }
        let (Some(high), Some(low)) =
            (first.to_digit(16), self.next().and_then(|c| c.to_digit(16)))
        else {
            return Err(error);
        };
        Ok(vec![u8::try_from(high * 16 + low).map_err(|_| error)?])
    }
}
