//! Subject alternative names (RFC 5280, section 4.2.1.6), each kind by itself.
//!
//! A name that is no name of its kind (a dNSName with a space, an address of five bytes) is kept, so that
//! it can be shown, but [`SubjectAlternativeNames::dns`] and its siblings leave it out: it matches nothing.
//! Not looked at beyond their DER form: other names, directory names, X.400 and EDI names, registered ids.

use std::net::{IpAddr, Ipv6Addr};

use crate::der::{DerError, Element, Oid, Reader, tag};

use super::name::Name;

/// The subject alternative names of a certificate; empty where it has no such extension.
#[derive(Clone, Debug, Default)]
pub struct SubjectAlternativeNames {
    names: Vec<AlternativeName>,
    has_utf8_mailbox: bool,
}

/// A kind of alternative name that conditions and context values speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// `rfc822Name`.
    Email,
    /// `dNSName`.
    Dns,
    /// `uniformResourceIdentifier`.
    Uri,
    /// `iPAddress`.
    Ip,
}

/// One alternative name: its kind, and its contents octets as they stand in the certificate.
#[derive(Clone, Debug)]
pub struct AlternativeName {
    kind: NameKind,
    octets: Box<[u8]>,
    well_formed: bool,
}

impl AlternativeName {
    /// The kind of name.
    #[must_use]
    pub fn kind(&self) -> NameKind {
        self.kind
    }

    /// The contents octets: characters for all kinds but addresses.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The address, for a well-formed `iPAddress`.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.kind {
            NameKind::Ip => address(&self.octets),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        if self.well_formed { std::str::from_utf8(&self.octets).ok() } else { None }
    }
}

impl SubjectAlternativeNames {
    /// Reads the value of the extension: `GeneralNames`.
    ///
    /// # Errors
    /// An empty sequence, or a name that is not DER of its kind.
    pub fn parse(value: &mut Reader<'_>) -> Result<Self, DerError> {
        let mut read = Self::default();
        let list = value.expect(tag::SEQUENCE, "the alternative names are not a SEQUENCE")?;
        let mut elements = list.reader();
        if elements.is_empty() {
            return Err(list.error("the alternative names are empty"));
        }
        while !elements.is_empty() {
            let element = elements.any()?;
            read.names.extend(parse_general_name(element)?);
            read.has_utf8_mailbox |= is_utf8_mailbox(element);
        }
        Ok(read)
    }

    /// Every e-mail, DNS, URI and address name, well formed or not, in the order of the certificate.
    pub fn iter(&self) -> impl Iterator<Item = &AlternativeName> {
        self.names.iter()
    }

    /// Whether one is an e-mail address beyond ASCII (`SmtpUTF8Mailbox`, RFC 9598), which is an `otherName` and no
    /// condition speaks of. Constraints on e-mail addresses hold for it.
    #[must_use]
    pub fn has_utf8_mailbox(&self) -> bool {
        self.has_utf8_mailbox
    }

    /// The well-formed `dNSName`s: letters, digits, hyphens and underscores between dots, the first label
    /// possibly `*`. Letter case is as in the certificate.
    pub fn dns(&self) -> impl Iterator<Item = &str> {
        self.texts(NameKind::Dns)
    }

    /// The well-formed `uniformResourceIdentifier`s: a scheme, a colon, characters
    /// that RFC 3986 allows, and no `.` or `..` as a segment of the path.
    pub fn uri(&self) -> impl Iterator<Item = &str> {
        self.texts(NameKind::Uri)
    }

    /// The well-formed `rfc822Name`s: printable ASCII without spaces around a single `@`.
    pub fn email(&self) -> impl Iterator<Item = &str> {
        self.texts(NameKind::Email)
    }

    /// The well-formed `iPAddress`es: four bytes or sixteen.
    pub fn ip(&self) -> impl Iterator<Item = IpAddr> {
        self.names.iter().filter_map(AlternativeName::address)
    }

    fn texts(&self, kind: NameKind) -> impl Iterator<Item = &str> {
        self.names.iter().filter(move |name| name.kind == kind).filter_map(AlternativeName::text)
    }
}

/// Reads a `GeneralName`: one of the four kinds, or `None` for a well-encoded name of another.
fn parse_general_name(element: Element<'_>) -> Result<Option<AlternativeName>, DerError> {
    const OTHER_NAME: u8 = tag::context_constructed(0);
    const EMAIL: u8 = tag::context(1);
    const DNS: u8 = tag::context(2);
    const X400_ADDRESS: u8 = tag::context_constructed(3);
    const DIRECTORY_NAME: u8 = tag::context_constructed(4);
    const EDI_PARTY_NAME: u8 = tag::context_constructed(5);
    const URI: u8 = tag::context(6);
    const IP: u8 = tag::context(7);
    const REGISTERED_ID: u8 = tag::context(8);
    let octets = element.content;
    let (kind, well_formed) = match element.tag {
        EMAIL => (NameKind::Email, is_email(octets)),
        DNS => (NameKind::Dns, is_dns_name(octets)),
        URI => (NameKind::Uri, is_uri(octets)),
        IP => (NameKind::Ip, address(octets).is_some()),
        OTHER_NAME => {
            let mut fields = element.reader();
            fields.oid("another name has no type")?;
            let value = fields.expect(tag::context_constructed(0), "another name has no value")?;
            fields.end("another name has more than a type and a value")?;
            let mut inner = value.reader();
            inner.any()?;
            inner.end("another name has more than one value")?;
            return Ok(None);
        }
        DIRECTORY_NAME => {
            let mut inner = element.reader();
            Name::parse(inner.expect(tag::SEQUENCE, "a directory name is not a SEQUENCE")?)?;
            inner.end("a directory name has trailing elements")?;
            return Ok(None);
        }
        REGISTERED_ID => {
            Oid::from_element(element)?;
            return Ok(None);
        }
        X400_ADDRESS | EDI_PARTY_NAME => return Ok(None),
        _ => return Err(element.error("an alternative name is of no known kind")),
    };
    Ok(Some(AlternativeName { kind, octets: octets.into(), well_formed }))
}

/// Whether a `GeneralName` is an `otherName` of type `id-on-SmtpUTF8Mailbox`, 1.3.6.1.5.5.7.8.9.
fn is_utf8_mailbox(element: Element<'_>) -> bool {
    const TYPE: &[u8] = &[tag::OID, 8, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x09];
    element.tag == tag::context_constructed(0) && element.content.starts_with(TYPE)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(IpAddr::from(octets));
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

/// Whether text is a `dNSName` that conditions look at.
pub(crate) fn is_dns_name(octets: &[u8]) -> bool {
    let labels = octets.strip_prefix(b"*.").unwrap_or(octets);
    let label = |label: &[u8]| {
        (1..=63).contains(&label.len())
            && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    octets.len() <= 253 && labels.split(|&byte| byte == b'.').all(label)
}

/// Whether text is a `uniformResourceIdentifier` that conditions look at.
pub(crate) fn is_uri(octets: &[u8]) -> bool {
    let mut parts = octets.splitn(2, |&byte| byte == b':');
    let (Some(scheme), Some(rest)) = (parts.next(), parts.next()) else { return false };
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
        && !rest.is_empty()
        && !has_dot_segments(rest)
        && rest.iter().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(byte))
        && rest.iter().filter(|&&byte| byte == b'#').count() <= 1
        && rest.split(|&byte| byte == b'%').skip(1).all(begins_with_hex_pair)
        && brackets_enclose_an_address(rest)
}

fn begins_with_hex_pair(text: &[u8]) -> bool {
    text.get(..2).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
}

/// Whether `[` and `]` stand around an IPv6 address as host, or nowhere (RFC 3986, section 3.2.2).
fn brackets_enclose_an_address(rest: &[u8]) -> bool {
    let has_brackets = |text: &[u8]| text.iter().any(|byte| b"[]".contains(byte));
    if !has_brackets(rest) {
        return true;
    }
    let Some(rest) = rest.strip_prefix(b"//") else { return false };
    let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    let host = authority.rsplit(|&byte| byte == b'@').next().unwrap_or_default();
    let user = authority.strip_suffix(host).unwrap_or_default();
    let mut parts = host.strip_prefix(b"[").unwrap_or_default().splitn(2, |&byte| byte == b']');
    let (Some(address), Some(port)) = (parts.next(), parts.next()) else { return false };
    let is_port = |port: &[u8]| port.iter().all(u8::is_ascii_digit);
    !has_brackets(after)
        && !has_brackets(user)
        && std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
        && (port.is_empty() || port.strip_prefix(b":").is_some_and(is_port))
}

/// Whether a path goes up or stays (RFC 3986, section 5.2.4), possibly percent-encoded: to a reader that resolves
/// them, such a URI names another place than its text says.
fn has_dot_segments(rest: &[u8]) -> bool {
    let path = rest.split(|byte| b"?#".contains(byte)).next().unwrap_or_default();
    let text = String::from_utf8_lossy(path).to_ascii_lowercase().replace("%2e", ".");
    text.split('/').any(|segment| segment == "." || segment == "..")
}

/// Whether text is an `rfc822Name` that conditions look at.
pub(crate) fn is_email(octets: &[u8]) -> bool {
    let mut parts = octets.split(|&byte| byte == b'@');
    let (Some(local), Some(host), None) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    !local.is_empty() && !host.is_empty() && octets.iter().all(u8::is_ascii_graphic)
}
