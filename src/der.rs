//! A reader of the Distinguished Encoding Rules (X.690, clause 10) that takes nothing but DER.
//!
//! Everything that this crate decides upon arrives as DER: certificates, revocation lists, OCSP answers.
//! `x509-parser`, the usual choice, takes lengths that are not minimal, elements after the last one of a
//! structure and trailing bytes; two readings of one certificate are how authorizers get fooled, so this
//! reader refuses them all. It borrows, allocates nothing, and never looks past the slice it was given. The little that is
//! written is written by [`encode`].
//!
//! Not supported, since no structure of RFC 5280 or RFC 6960 needs it: tag numbers above 30.

use crate::timestamp::Timestamp;

/// Identifier octets of the types that X.509 uses (universal class unless said otherwise).
pub mod tag {
    /// `BOOLEAN`.
    pub const BOOLEAN: u8 = 0x01;
    /// `INTEGER`.
    pub const INTEGER: u8 = 0x02;
    /// `BIT STRING`, primitive as DER demands.
    pub const BIT_STRING: u8 = 0x03;
    /// `OCTET STRING`, primitive as DER demands.
    pub const OCTET_STRING: u8 = 0x04;
    /// `NULL`.
    pub const NULL: u8 = 0x05;
    /// `OBJECT IDENTIFIER`.
    pub const OID: u8 = 0x06;
    /// `ENUMERATED`.
    pub const ENUMERATED: u8 = 0x0a;
    /// `UTF8String`.
    pub const UTF8_STRING: u8 = 0x0c;
    /// `NumericString`.
    pub const NUMERIC_STRING: u8 = 0x12;
    /// `PrintableString`.
    pub const PRINTABLE_STRING: u8 = 0x13;
    /// `TeletexString`, also called T61String.
    pub const TELETEX_STRING: u8 = 0x14;
    /// `IA5String`.
    pub const IA5_STRING: u8 = 0x16;
    /// `UTCTime`.
    pub const UTC_TIME: u8 = 0x17;
    /// `GeneralizedTime`.
    pub const GENERALIZED_TIME: u8 = 0x18;
    /// `VisibleString`.
    pub const VISIBLE_STRING: u8 = 0x1a;
    /// `UniversalString` (UTF-32, big endian).
    pub const UNIVERSAL_STRING: u8 = 0x1c;
    /// `BMPString` (UTF-16 without surrogates, big endian).
    pub const BMP_STRING: u8 = 0x1e;
    /// `SEQUENCE` and `SEQUENCE OF`.
    pub const SEQUENCE: u8 = 0x30;
    /// `SET` and `SET OF`.
    pub const SET: u8 = 0x31;

    /// `[number]` of the context class, primitive (an implicit tag on a simple type).
    #[must_use]
    pub const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// `[number]` of the context class, constructed (an explicit tag, or an implicit one on a structure).
    #[must_use]
    pub const fn context_constructed(number: u8) -> u8 {
        0xa0 | number
    }
}

/// Which rule of DER, or of the structure that was being read, the bytes break, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DerError {
    /// The rule, as a clause that completes "malformed: …".
    pub rule: &'static str,
    /// Offset of the element that breaks it, in bytes from the start of the outermost slice.
    pub offset: usize,
}

impl std::fmt::Display for DerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}", self.rule, self.offset)
    }
}

impl std::error::Error for DerError {}

/// One tag-length-value of DER.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    /// The identifier octet; see [`tag`].
    pub tag: u8,
    /// The contents octets.
    pub content: &'a [u8],
    /// Identifier, length and contents octets.
    pub raw: &'a [u8],
    /// Offset of the identifier octet from the start of the outermost slice.
    pub offset: usize,
}

impl<'a> Element<'a> {
    /// A reader over the contents, for constructed types.
    #[must_use]
    pub fn reader(&self) -> Reader<'a> {
        Reader { rest: self.content, offset: self.offset + (self.raw.len() - self.content.len()) }
    }

    /// A reader over the contents, if the encoding is constructed.
    fn children(&self) -> Option<Reader<'a>> {
        (self.tag & 0x20 != 0).then(|| self.reader())
    }

    /// An error about this element.
    #[must_use]
    pub fn error(&self, rule: &'static str) -> DerError {
        DerError { rule, offset: self.offset }
    }
}

/// A cursor over the elements of one slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader over `input`, whose first byte counts as offset 0.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        Self { rest: input, offset: 0 }
    }

    /// Whether every element has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Offset of the next element from the start of the outermost slice.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What has not been read yet.
    #[must_use]
    pub fn remaining(&self) -> &'a [u8] {
        self.rest
    }

    /// The identifier octet of the next element.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// An error about what comes next.
    #[must_use]
    pub fn error(&self, rule: &'static str) -> DerError {
        DerError { rule, offset: self.offset }
    }

    /// Reads the next element, whatever its tag.
    ///
    /// # Errors
    /// The slice ends early, the tag number is above 30, or the length is indefinite or not minimal.
    #[inline]
    pub fn any(&mut self) -> Result<Element<'a>, DerError> {
        let (tag, header, length) = self.header()?;
        let end = header.checked_add(length).ok_or(self.error("a length is out of range"))?;
        let raw = self.rest.get(..end).ok_or(self.error("an element ends after its input"))?;
        let content = raw.get(header..).unwrap_or_default();
        let element = Element { tag, content, raw, offset: self.offset };
        self.rest = self.rest.get(end..).unwrap_or_default();
        self.offset += end;
        Ok(element)
    }

    /// Reads identifier and length octets: the tag, how many octets both take, and the content's length.
    #[inline]
    fn header(&self) -> Result<(u8, usize, usize), DerError> {
        let (&tag, after_tag) =
            self.rest.split_first().ok_or(self.error("an element is missing"))?;
        if tag & 0x1f == 0x1f {
            return Err(self.error("a tag number is above 30"));
        }
        let (&first, after_first) =
            after_tag.split_first().ok_or(self.error("an element ends inside its length"))?;
        if first < 0x80 {
            return Ok((tag, 2, usize::from(first)));
        }
        let count = usize::from(first & 0x7f);
        if count == 0 {
            return Err(self.error("a length is indefinite"));
        }
        if count > 4 {
            return Err(self.error("a length is out of range"));
        }
        let octets =
            after_first.get(..count).ok_or(self.error("an element ends inside its length"))?;
        let length =
            octets.iter().fold(0_usize, |length, &octet| (length << 8) | usize::from(octet));
        let minimal = octets.first() != Some(&0) && length >= 0x80;
        if !minimal {
            return Err(self.error("a length is not minimal"));
        }
        Ok((tag, 2 + count, length))
    }

    /// Reads the next element, which must have this tag.
    ///
    /// # Errors
    /// As [`Reader::any`]; and `rule` when the tag differs or nothing is left.
    #[inline]
    pub fn expect(&mut self, tag: u8, rule: &'static str) -> Result<Element<'a>, DerError> {
        if self.peek() != Some(tag) {
            return Err(self.error(rule));
        }
        self.any()
    }

    /// Reads the next element if it has this tag.
    ///
    /// # Errors
    /// As [`Reader::any`].
    #[inline]
    pub fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, DerError> {
        if self.peek() == Some(tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// `rule` when something is.
    pub fn end(&self, rule: &'static str) -> Result<(), DerError> {
        if self.is_empty() { Ok(()) } else { Err(self.error(rule)) }
    }

    /// Reads a `SEQUENCE` and gives a reader over its elements.
    ///
    /// # Errors
    /// As [`Reader::expect`].
    pub fn sequence(&mut self, rule: &'static str) -> Result<Reader<'a>, DerError> {
        self.expect(tag::SEQUENCE, rule).map(|element| element.reader())
    }

    /// Reads an `INTEGER` and gives its contents octets: two's complement, big endian, minimal.
    ///
    /// # Errors
    /// As [`Reader::expect`]; and contents that are empty or not minimal.
    #[inline]
    pub fn integer(&mut self, rule: &'static str) -> Result<&'a [u8], DerError> {
        integer(self.expect(tag::INTEGER, rule)?)
    }

    /// Reads an `OBJECT IDENTIFIER`.
    ///
    /// # Errors
    /// As [`Reader::expect`]; and an encoding that is empty, cut off or not minimal.
    pub fn oid(&mut self, rule: &'static str) -> Result<Oid<'a>, DerError> {
        Oid::from_element(self.expect(tag::OID, rule)?)
    }

    /// Reads a `BIT STRING`.
    ///
    /// # Errors
    /// As [`Reader::expect`]; and unused bits that are miscounted or not zero.
    pub fn bit_string(&mut self, rule: &'static str) -> Result<BitString<'a>, DerError> {
        BitString::from_element(self.expect(tag::BIT_STRING, rule)?)
    }

    /// Reads a `BOOLEAN DEFAULT FALSE`: absent means false. A false that is spelt out, against DER, is taken too: some
    /// authorities write it, and it can't be read in two ways.
    ///
    /// # Errors
    /// A value that is neither `0x00` nor `0xff`.
    pub fn default_false(&mut self) -> Result<bool, DerError> {
        self.default_false_tagged(tag::BOOLEAN)
    }

    /// As [`Reader::default_false`], with an implicit tag.
    ///
    /// # Errors
    /// As [`Reader::default_false`].
    pub fn default_false_tagged(&mut self, tag: u8) -> Result<bool, DerError> {
        let Some(element) = self.optional(tag)? else { return Ok(false) };
        match element.content {
            [0xff] => Ok(true),
            [0x00] => Ok(false),
            _ => Err(element.error("a BOOLEAN is neither true nor false")),
        }
    }

    /// Reads the last element, which must have this tag, and everything inside it without a look at what it says.
    ///
    /// # Errors
    /// As [`Reader::expect`], for elements at any depth; and `rule` when there is another element behind it.
    pub fn only(&mut self, tag: u8, rule: &'static str) -> Result<(), DerError> {
        let outermost = self.expect(tag, rule)?;
        self.end(rule)?;
        // No recursion: depth is the sender's choice.
        let mut open = Vec::from_iter(outermost.children());
        while let Some(inside) = open.last_mut() {
            if inside.is_empty() {
                open.pop();
            } else if let Some(children) = inside.any()?.children() {
                open.push(children);
            }
        }
        Ok(())
    }

    /// Reads a `Time` of RFC 5280, section 4.1.2.5: `UTCTime` or `GeneralizedTime`, to the second, in UTC.
    ///
    /// # Errors
    /// Another type, another form, or a date that does not exist.
    pub fn time(&mut self, rule: &'static str) -> Result<Timestamp, DerError> {
        match self.peek() {
            Some(tag::UTC_TIME | tag::GENERALIZED_TIME) => time(self.any()?),
            _ => Err(self.error(rule)),
        }
    }
}

/// Checks that the contents of an `INTEGER` (or of an implicitly tagged one) are minimal, and gives them.
///
/// # Errors
/// Contents that are empty or not minimal.
#[inline]
pub fn integer(element: Element<'_>) -> Result<&[u8], DerError> {
    match element.content {
        [] => Err(element.error("an INTEGER is empty")),
        [0x00, second, ..] if second & 0x80 == 0 => Err(element.error("an INTEGER is not minimal")),
        [0xff, second, ..] if second & 0x80 != 0 => Err(element.error("an INTEGER is not minimal")),
        content => Ok(content),
    }
}

/// Reads the contents of an `INTEGER (0..MAX)` that counts certificates. What is longer than any path is the largest.
///
/// # Errors
/// As [`integer`]; and a negative number.
pub fn count(element: Element<'_>) -> Result<usize, DerError> {
    match integer(element)? {
        [first, ..] if first & 0x80 != 0 => {
            Err(element.error("a number of certificates is negative"))
        }
        [small] => Ok(usize::from(*small)),
        _ => Ok(usize::MAX),
    }
}

/// Reads the contents of a `UTCTime` (years 1950 to 2049) or `GeneralizedTime` element.
///
/// # Errors
/// Anything but `YYMMDDHHMMSSZ` and `YYYYMMDDHHMMSSZ` respectively, or a date that does not exist.
pub fn time(element: Element<'_>) -> Result<Timestamp, DerError> {
    let bad = element.error("a time is not of the form that RFC 5280 demands");
    let (body, century) = match (element.tag, element.content) {
        (tag::UTC_TIME, [body @ .., b'Z']) if body.len() == 12 => (body, None),
        (tag::GENERALIZED_TIME, [c1, c2, body @ .., b'Z']) if body.len() == 12 => {
            (body, Some(two_digits(*c1, *c2).ok_or(bad)?))
        }
        _ => return Err(bad),
    };
    let mut fields = [0_u8; 6];
    for (field, pair) in fields.iter_mut().zip(body.chunks_exact(2)) {
        if let [high, low] = pair {
            *field = two_digits(*high, *low).ok_or(bad)?;
        }
    }
    let [year, month, day, hour, minute, second] = fields;
    let century = century.unwrap_or(if year >= 50 { 19 } else { 20 });
    let year = i32::from(century) * 100 + i32::from(year);
    Timestamp::from_civil(year, month, day, hour, minute, second)
        .ok_or(element.error("a time is a date that does not exist"))
}

fn two_digits(high: u8, low: u8) -> Option<u8> {
    if high.is_ascii_digit() && low.is_ascii_digit() {
        Some((high - b'0') * 10 + (low - b'0'))
    } else {
        None
    }
}

/// Writes an element.
#[must_use]
pub fn encode(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|octet| *octet == 0).collect();
    let mut der = vec![tag];
    match *significant {
        [] => der.push(0),
        [short @ ..0x80] => der.push(short),
        _ => {
            // A usize has eight octets at most.
            der.push(0x80 | u8::try_from(significant.len()).unwrap_or_default());
            der.extend_from_slice(&significant);
        }
    }
    der.extend_from_slice(content);
    der
}

/// A `BIT STRING`: its octets, and how many bits of the last one do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitString<'a> {
    /// The octets, most significant bit first.
    pub octets: &'a [u8],
    /// How many of the least significant bits of the last octet do not count (0 to 7); they are zero.
    pub unused_bits: u8,
}

impl<'a> BitString<'a> {
    /// Reads the contents of a `BIT STRING` (or of an implicitly tagged one).
    ///
    /// # Errors
    /// Unused bits that are miscounted or not zero.
    pub fn from_element(element: Element<'a>) -> Result<Self, DerError> {
        let (&unused_bits, octets) =
            element.content.split_first().ok_or(element.error("a BIT STRING is empty"))?;
        let padding = match (unused_bits, octets.last()) {
            (0, _) => 0,
            (1..=7, Some(last)) => last & ((1 << unused_bits) - 1),
            _ => return Err(element.error("a BIT STRING miscounts its unused bits")),
        };
        if padding != 0 {
            return Err(element.error("a BIT STRING has unused bits that are not zero"));
        }
        Ok(Self { octets, unused_bits })
    }

    /// Bit `number`, counted from 0 at the most significant bit of the first octet, as named bit lists are.
    #[must_use]
    pub fn bit(&self, number: usize) -> bool {
        self.octets.get(number / 8).is_some_and(|octet| octet & (0x80 >> (number % 8)) != 0)
    }
}

/// The contents octets of an `OBJECT IDENTIFIER`, known to be well formed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid<'a>(&'a [u8]);

impl<'a> Oid<'a> {
    /// An identifier from its contents octets, which the caller knows to be well formed: for constants.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// Reads the contents of an `OBJECT IDENTIFIER` (or of an implicitly tagged one).
    ///
    /// # Errors
    /// An encoding that is empty, cut off or not minimal.
    pub fn from_element(element: Element<'a>) -> Result<Self, DerError> {
        let mut starts = true;
        let mut arc = 0_u128;
        for &octet in element.content {
            if starts && octet == 0x80 {
                return Err(element.error("an OBJECT IDENTIFIER is not minimal"));
            }
            if arc >> 121 != 0 {
                return Err(element.error("an OBJECT IDENTIFIER has an arc above 2^128"));
            }
            starts = octet & 0x80 == 0;
            arc = if starts { 0 } else { (arc | u128::from(octet & 0x7f)) << 7 };
        }
        if element.content.is_empty() || !starts {
            return Err(element.error("an OBJECT IDENTIFIER is cut off"));
        }
        Ok(Self(element.content))
    }

    /// The contents octets.
    #[must_use]
    pub fn octets(&self) -> &'a [u8] {
        self.0
    }

    /// The contents octets of a dotted identifier such as `2.5.4.3`; `None` where it is not one.
    #[must_use]
    pub fn parse_dotted(text: &str) -> Option<Vec<u8>> {
        let mut arcs = text.split('.').map(|arc| {
            let canonical = arc.bytes().all(|byte| byte.is_ascii_digit())
                && (arc.len() == 1 || !arc.starts_with('0'));
            if canonical { arc.parse::<u128>().ok() } else { None }
        });
        let (first, second) = (arcs.next()??, arcs.next()??);
        if first > 2 || (first < 2 && second > 39) {
            return None;
        }
        let mut octets = Vec::new();
        push_base_128(&mut octets, (first * 40).checked_add(second)?);
        for arc in arcs {
            push_base_128(&mut octets, arc?);
        }
        Some(octets)
    }
}

fn push_base_128(octets: &mut Vec<u8>, value: u128) {
    let groups = (128 - value.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let bits = u8::try_from((value >> (7 * group)) & 0x7f).unwrap_or_default();
        octets.push(if group == 0 { bits } else { bits | 0x80 });
    }
}

/// The dotted form, such as `2.5.4.3`.
impl std::fmt::Display for Oid<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut arc = 0_u128;
        let mut first = true;
        for &octet in self.0 {
            arc |= u128::from(octet & 0x7f);
            if octet & 0x80 != 0 {
                arc <<= 7;
                continue;
            }
            if first {
                let root = (arc / 40).min(2);
                write!(f, "{root}.{}", arc - root * 40)?;
            } else {
                write!(f, ".{arc}")?;
            }
            first = false;
            arc = 0;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Oid<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
