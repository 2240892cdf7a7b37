//! `http` and `https` URLs (RFC 3986), and no more of them than fetching needs.
//!
//! Two programs that read one URL differently are how requests end up where nobody allowed them, so this
//! reader takes a subset on which all readers agree: ASCII, no user information, no fragment, a host that is
//! an IP address in its usual spelling or a DNS name. The other spellings of IPv4 addresses that resolvers
//! understand (`127.1`, `0x7f000001`, `2130706433`) are refused, and so are names that end in a dot.
//!
//! A query may hold a signature or a token, so neither `Display` nor `Debug` shows it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The two schemes that are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP without TLS: only for what is signed, or on this machine.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// As it is written in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port where the URL names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The host of a URL: a DNS name in lower case, or an IP address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A DNS name, in lower case.
    Name(String),
    /// An address given as such.
    Address(IpAddr),
}

impl Host {
    /// Reads a host as it stands in a URL: `pki.example.com`, `192.0.2.1`, `[2001:db8::1]`.
    ///
    /// # Errors
    /// Where the text is neither an address nor a DNS name, or is one of the unusual spellings of an address.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if let Some(inner) = text.strip_prefix('[') {
            let address = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
            return address.map(|it| Self::Address(it.into())).ok_or(UrlError::Host);
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        if is_dns_name(text) && !ends_like_ipv4(text) {
            return Ok(Self::Name(text.to_ascii_lowercase()));
        }
        Err(UrlError::Host)
    }

    /// Whether this is the machine itself by definition: `localhost`, 127.0.0.0/8 or `::1`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost",
            Self::Address(address) => address.is_loopback(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// An absolute `http` or `https` URL.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    scheme: Scheme,
    host: Host,
    port: Option<u16>,
    path: String,
    query: Option<String>,
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// Which rule the text breaks; see the module's documentation.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = match scheme {
            it if it.eq_ignore_ascii_case("http") => Scheme::Http,
            it if it.eq_ignore_ascii_case("https") => Scheme::Https,
            _ => return Err(UrlError::Scheme),
        };
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains(['\\', '"', '<', '>'])
        {
            return Err(UrlError::Character);
        }
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if authority.contains('@') {
            return Err(UrlError::UserInformation);
        }
        let (host, port) = split_port(authority)?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (rest, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { scheme, host: Host::parse(host)?, port, path: path.to_owned(), query })
    }

    /// `http` or `https`.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port, the scheme's own where none is written.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }

    /// The path, at least `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Host and, where it isn't the scheme's own, port: what the `Host` header says.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.port.filter(|port| *port != self.scheme.default_port()) {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }

    /// Path and query: what the request line says. It may hold a secret.
    #[must_use]
    pub fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    pub(super) const fn has_query(&self) -> bool {
        self.query.is_some()
    }

    /// The same server with another path; the query is gone.
    pub(super) fn with_path(&self, path: String) -> Self {
        Self { path, query: None, ..self.clone() }
    }
}

/// The URL without its query, which may hold a secret: `https://pki.example.com/list?…`.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = if self.query.is_some() { "?…" } else { "" };
        write!(f, "{}://{}{}{hidden}", self.scheme.as_str(), self.authority(), self.path)
    }
}

/// As `Display`: without the query.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// Which rule a URL breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// Neither `http://` nor `https://`.
    Scheme,
    /// A space, a control character, something outside ASCII, or one of `\ " < >`.
    Character,
    /// A fragment (`#…`) means nothing to a server.
    Fragment,
    /// A user name or password before the host.
    UserInformation,
    /// The host is neither a DNS name nor an IP address in its usual spelling.
    Host,
    /// The port is no number from 1 to 65535.
    Port,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "a URL here starts with `http://` or `https://`",
            Self::Character => {
                "a URL holds printable ASCII only, without space, `\\`, `\"`, `<` and `>`: percent-encode them"
            }
            Self::Fragment => "a URL here has no `#` part",
            Self::UserInformation => "a URL here has no user name or password before its host",
            Self::Host => "the host must be a DNS name or an IP address in its usual spelling",
            Self::Port => "the port must be a number from 1 to 65535",
        })
    }
}

impl std::error::Error for UrlError {}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    // The colons of an IPv6 address stand in brackets.
    let after_bracket = authority.rfind(']').map_or(0, |end| end + 1);
    let Some(colon) = authority.rfind(':').filter(|colon| *colon >= after_bracket) else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(colon);
    let digits = port.trim_start_matches(':');
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) || host.ends_with(':')
    {
        return Err(UrlError::Port);
    }
    match digits.parse::<u16>() {
        Ok(port) if port > 0 => Ok((host, Some(port))),
        _ => Err(UrlError::Port),
    }
}

fn is_dns_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// Resolvers read a name whose last label is a number, decimal or `0x`, as an IPv4 address.
fn ends_like_ipv4(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .or(last.strip_prefix("0X"))
            .is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
