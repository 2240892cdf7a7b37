//! What a condition compares a value with: exact texts, prefixes, suffixes, regular expressions, networks.
//!
//! Comparison is exact and case-sensitive but for DNS names, whose ASCII letters are folded. A `*` is data. A
//! pattern that could match by accident is refused when it is made: nothing empty, no prefix of a URI or suffix
//! of a DNS name that ends in the middle of a label. A regular expression is compiled alone first, so that a
//! stray `)` can't step out of the group it is then put into, and always has to match the whole value.

use std::{fmt, net::IpAddr};

use regex_lite::{Regex, RegexBuilder};

use crate::certificate::san::{is_dns_name, is_email, is_uri};

/// The most memory that one compiled regular expression may take.
const REGEX_SIZE_LIMIT: usize = 256 * 1024;
const REGEX_NEST_LIMIT: u32 = 32;

/// What kind of value is compared, which decides over letter case and over what a pattern may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Attributes of names, and claims of tokens.
    Text,
    /// A dNSName.
    Dns,
    /// A uniformResourceIdentifier.
    Uri,
    /// An rfc822Name.
    Email,
}

/// A pattern beyond an exact text.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// The value begins like this.
    Prefix(Box<str>),
    /// The value ends like this.
    Suffix(Box<str>),
    /// The whole value matches.
    Regex(WholeRegex),
}

/// A regular expression that has to match a whole value.
#[derive(Clone, Debug)]
pub struct WholeRegex {
    source: Box<str>,
    compiled: Regex,
}

/// The rule that a value or pattern breaks, as a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternFault(pub String);

impl fmt::Display for PatternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PatternFault {}

fn fault<T>(rule: impl Into<String>) -> Result<T, PatternFault> {
    Err(PatternFault(rule.into()))
}

/// What a value is compared with: it matches where any member does.
#[derive(Clone, Debug)]
pub struct Values {
    kind: ValueKind,
    /// Sorted, so that a long list costs no more than a short one.
    exact: Vec<Box<str>>,
    patterns: Vec<Pattern>,
}

impl Values {
    /// No values yet: matches nothing.
    #[must_use]
    pub const fn new(kind: ValueKind) -> Self {
        Self { kind, exact: Vec::new(), patterns: Vec::new() }
    }

    /// Adds a text that is matched exactly.
    ///
    /// # Errors
    /// An empty text, one with a control character, or one that is no name of its kind: none of them can match.
    pub fn add_exact(&mut self, text: &str) -> Result<(), PatternFault> {
        check_text(text, "an exact value")?;
        match self.kind {
            ValueKind::Dns if !is_dns_name(text.as_bytes()) => {
                return fault(format!(
                    "`{text}` is no DNS name, and would match nothing; labels hold letters, digits, `-` and `_`"
                ));
            }
            ValueKind::Uri if !is_uri(text.as_bytes()) => {
                return fault(format!(
                    "`{text}` is no URI, and would match nothing; it needs a scheme, no `.` or `..` steps, and what RFC 3986 does not allow is percent-encoded"
                ));
            }
            ValueKind::Email if !is_email(text.as_bytes()) => {
                return fault(format!(
                    "`{text}` is no e-mail address (`local@host`), and would match nothing"
                ));
            }
            _ => {}
        }
        let text = self.folded(text);
        if let Err(place) = self.exact.binary_search(&text) {
            self.exact.insert(place, text);
        }
        Ok(())
    }

    /// Adds a text that values begin with.
    ///
    /// # Errors
    /// An empty prefix, one with a control character, and a URI prefix that does not end in `/` after an
    /// authority or path.
    pub fn add_prefix(&mut self, text: &str) -> Result<(), PatternFault> {
        check_text(text, "a prefix")?;
        if self.kind == ValueKind::Uri {
            if !text.ends_with('/') {
                return fault(format!(
                    "the URI prefix `{text}` does not end in `/`, and would match `{text}-and-more` too"
                ));
            }
            if !is_uri(text.as_bytes()) || names_no_authority(text) {
                return fault(format!(
                    "the URI prefix `{text}` needs a scheme, and something between that and the last `/`: it would match anybody's"
                ));
            }
        }
        let text = self.folded(text);
        self.patterns.push(Pattern::Prefix(text));
        Ok(())
    }

    /// Adds a text that values end with.
    ///
    /// # Errors
    /// An empty suffix, one with a control character, a DNS suffix without its leading dot, and an e-mail
    /// suffix without `@` and a host.
    pub fn add_suffix(&mut self, text: &str) -> Result<(), PatternFault> {
        check_text(text, "a suffix")?;
        match self.kind {
            ValueKind::Dns => {
                let Some(domain) = text.strip_prefix('.') else {
                    return fault(format!(
                        "the DNS suffix `{text}` has no leading dot, and would match `evil{text}` too"
                    ));
                };
                if !is_dns_name(domain.as_bytes()) || domain.starts_with("*.") {
                    return fault(format!(
                        "`{text}` is no suffix of a DNS name, and would match nothing"
                    ));
                }
            }
            ValueKind::Email => match text.rsplit_once('@') {
                None => {
                    return fault(format!(
                        "the e-mail suffix `{text}` has no `@`, and would match hosts that only end alike"
                    ));
                }
                Some((_, "")) => {
                    return fault(format!(
                        "the e-mail suffix `{text}` names no host, and would match nothing"
                    ));
                }
                Some(_) => {}
            },
            ValueKind::Text | ValueKind::Uri => {}
        }
        let text = self.folded(text);
        self.patterns.push(Pattern::Suffix(text));
        Ok(())
    }

    /// Adds a regular expression, which has to match a whole value.
    ///
    /// # Errors
    /// One that does not compile by itself, is too large, or matches the empty string.
    pub fn add_regex(&mut self, source: &str) -> Result<(), PatternFault> {
        let regex = WholeRegex::new(source, self.kind == ValueKind::Dns)?;
        self.patterns.push(Pattern::Regex(regex));
        Ok(())
    }

    /// Whether a value matches.
    #[must_use]
    pub fn match_text(&self, value: &str) -> bool {
        self.matches_exactly(value)
            || self.patterns.iter().any(|pattern| self.meets(pattern, value))
    }

    /// The exact texts, if that is all there is: what a client can be looked up by. DNS names are in lower case.
    #[must_use]
    pub fn only_exact(&self) -> Option<&[Box<str>]> {
        self.patterns.is_empty().then_some(&*self.exact)
    }

    /// The patterns.
    #[must_use]
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    fn matches_exactly(&self, value: &str) -> bool {
        if self.kind == ValueKind::Dns && value.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.matches_exactly(&value.to_ascii_lowercase());
        }
        self.exact.binary_search_by(|text| (**text).cmp(value)).is_ok()
    }

    fn meets(&self, pattern: &Pattern, value: &str) -> bool {
        let equal = |left: Option<&[u8]>, right: &str| {
            left.is_some_and(|left| match self.kind {
                ValueKind::Dns => left.eq_ignore_ascii_case(right.as_bytes()),
                _ => left == right.as_bytes(),
            })
        };
        let value_octets = value.as_bytes();
        match pattern {
            Pattern::Prefix(prefix) => equal(value_octets.get(..prefix.len()), prefix),
            Pattern::Suffix(suffix) => {
                let start = value.len().checked_sub(suffix.len());
                equal(start.and_then(|start| value_octets.get(start..)), suffix)
            }
            Pattern::Regex(regex) => regex.compiled.is_match(value),
        }
    }

    fn folded(&self, text: &str) -> Box<str> {
        match self.kind {
            ValueKind::Dns => text.to_ascii_lowercase().into(),
            _ => text.into(),
        }
    }
}

/// As people read it: `` `orders` or a prefix `spiffe://acme/` ``.
impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let total = self.exact.len() + self.patterns.len();
        let exact = self.exact.iter().map(|text| format!("`{text}`"));
        let patterns = self.patterns.iter().map(ToString::to_string);
        for (position, member) in exact.chain(patterns).take(SHOWN).enumerate() {
            if position > 0 {
                f.write_str(" or ")?;
            }
            f.write_str(&member)?;
        }
        if total > SHOWN { write!(f, " or {} more", total - SHOWN) } else { Ok(()) }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(text) => write!(f, "the prefix `{text}`"),
            Self::Suffix(text) => write!(f, "the suffix `{text}`"),
            Self::Regex(regex) => write!(f, "the regex `{}`", regex.source),
        }
    }
}

impl WholeRegex {
    fn new(source: &str, case_insensitive: bool) -> Result<Self, PatternFault> {
        if source.is_empty() {
            return fault("a regex must not be empty");
        }
        let build = |source: &str| {
            RegexBuilder::new(source)
                .case_insensitive(case_insensitive)
                .size_limit(REGEX_SIZE_LIMIT)
                .nest_limit(REGEX_NEST_LIMIT)
                .build()
        };
        if let Err(error) = build(source) {
            return fault(format!("the regex `{source}` does not compile: {error}"));
        }
        let Ok(compiled) = build(&format!(r"\A(?:{source})\z")) else {
            return fault(format!("the regex `{source}` does not compile as a part of another"));
        };
        if compiled.is_match("") {
            return fault(format!(
                "the regex `{source}` matches the empty string; say what has to be there"
            ));
        }
        Ok(Self { source: source.into(), compiled })
    }

    /// Whether it matches each of a handful of values that have nothing in common: a sign, not a proof, that
    /// it matches everything.
    #[must_use]
    pub fn seems_to_match_everything(&self) -> bool {
        ["a", "Z9.example", "7", "-", " ", "\u{e9}", "x:/@ y?,=", &"q".repeat(300)]
            .iter()
            .all(|probe| self.compiled.is_match(probe))
    }
}

fn check_text(text: &str, what: &str) -> Result<(), PatternFault> {
    if text.is_empty() {
        return fault(format!("{what} must not be empty"));
    }
    if text.chars().any(char::is_control) {
        return fault(format!("{what} with a control character would match nothing"));
    }
    Ok(())
}

/// `spiffe://` and `file:///`: a prefix of everybody's names.
fn names_no_authority(text: &str) -> bool {
    text.split_once(':').is_none_or(|(_, rest)| rest.bytes().all(|byte| byte == b'/'))
}

/// A network, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix_length: u8,
}

impl Network {
    /// Reads an address, or a network in CIDR notation.
    ///
    /// # Errors
    /// Text that is neither, `/0`, and an address with bits outside of its own network.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        let (address, prefix_length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return fault(format!(
                "`{text}` is neither an IP address nor a network such as `10.1.0.0/16`"
            ));
        };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let Some(length) = prefix_length else {
            return Ok(Self { address, prefix_length: longest });
        };
        let plain = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        let Some(prefix_length) =
            length.parse::<u8>().ok().filter(|length| plain && *length <= longest)
        else {
            return fault(format!("the prefix length of `{text}` is not a number up to {longest}"));
        };
        if prefix_length == 0 {
            return fault(format!("`{text}` is every address; a condition must not be empty"));
        }
        let network = Self { address, prefix_length };
        let masked = network.masked(address);
        if masked != address {
            return fault(format!(
                "`{text}` has bits set outside of its network; the network is `{masked}/{prefix_length}`"
            ));
        }
        Ok(network)
    }

    /// Whether an address lies within. An IPv4 address is never within an IPv6 network.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && self.masked(address) == self.address
    }

    /// The address, if it is a single one.
    #[must_use]
    pub fn single_address(&self) -> Option<IpAddr> {
        let longest = if self.address.is_ipv4() { 32 } else { 128 };
        (self.prefix_length == longest).then_some(self.address)
    }

    fn masked(&self, address: IpAddr) -> IpAddr {
        let length = u32::from(self.prefix_length);
        match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length)).unwrap_or(0);
                IpAddr::from((v4.to_bits() & mask).to_be_bytes())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length)).unwrap_or(0);
                IpAddr::from((v6.to_bits() & mask).to_be_bytes())
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.single_address() {
            Some(address) => write!(f, "{address}"),
            None => write!(f, "{}/{}", self.address, self.prefix_length),
        }
    }
}
