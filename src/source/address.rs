//! Where a certificate may send this program: the rules for hosts and addresses.
//!
//! A certificate names hosts in its CRL distribution points (RFC 5280, 4.2.1.13) and its authority information
//! access (4.2.2.1), and whoever had it issued chose them. So a certificate's URL is contacted only where its
//! host is on the list of the configuration, over `http` or `https`, on port 80 or 443, and only at addresses
//! of the public Internet. Names are resolved once, the addresses are judged, and the connection goes to just
//! those: there is no second look-up that could answer otherwise.
//!
//! Hosts that the configuration itself names are exempt: a list in a private network is written there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::url::{Host, Scheme, Url, UrlError};

/// A URL together with the right to contact it. There are two ways to one: the configuration names it, or
/// [`AllowedHosts::admit`] lets a certificate's URL pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    url: Url,
    reach: Reach,
}

/// Which addresses an endpoint may be at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Any: the configuration names the host.
    Anywhere,
    /// Those of the public Internet: a certificate names the host.
    Public,
}

impl Endpoint {
    /// An endpoint that the configuration names. Never to be made of what a certificate says.
    #[must_use]
    pub const fn configured(url: Url) -> Self {
        Self { url, reach: Reach::Anywhere }
    }

    /// The same endpoint, one step further down the path: how OCSP's GET appends its request (RFC 6960, A.1).
    /// `None` where the URL has a query, or where the step is not percent-encoded.
    #[must_use]
    pub fn step(&self, step: &str) -> Option<Self> {
        let slash = if self.url.path().ends_with('/') { "" } else { "/" };
        let plain =
            step.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"%-._~".contains(&byte));
        if !plain || step.is_empty() || self.url.has_query() {
            return None;
        }
        let url = self.url.with_path(format!("{}{slash}{step}", self.url.path()));
        Some(Self { url, reach: self.reach })
    }

    /// The URL.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Which addresses it may be at.
    #[must_use]
    pub const fn reach(&self) -> Reach {
        self.reach
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// The only hosts that are ever contacted because a certificate names them. Empty: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts(Vec<Host>);

impl AllowedHosts {
    /// A list of hosts, each compared whole: no wildcards, no suffixes.
    #[must_use]
    pub const fn new(hosts: Vec<Host>) -> Self {
        Self(hosts)
    }

    /// Lets a URL that a certificate names pass, or says which rule forbids it. The addresses of its host are
    /// judged when it is contacted.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn admit(&self, uri: &str) -> Result<Endpoint, AddressFault> {
        let url = match Url::parse(uri) {
            Ok(url) => url,
            Err(UrlError::Scheme) => return Err(AddressFault::Scheme),
            Err(error) => return Err(AddressFault::Url(error)),
        };
        if !self.0.contains(url.host()) {
            return Err(AddressFault::Host(url.host().clone()));
        }
        let ports = [Scheme::Http.default_port(), Scheme::Https.default_port()];
        if !ports.contains(&url.port()) {
            return Err(AddressFault::Port(url.port()));
        }
        Ok(Endpoint { url, reach: Reach::Public })
    }
}

/// Why a URL that a certificate names is not contacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressFault {
    /// `ldap`, or another scheme that is not spoken.
    Scheme,
    /// Not a well-formed URL.
    Url(UrlError),
    /// The host is not on the list.
    Host(Host),
    /// A port other than 80 and 443.
    Port(u16),
    /// The host has addresses, and none of them is public. The first of them, and what it is.
    Address(IpAddr, AddressKind),
}

impl fmt::Display for AddressFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("only `http` and `https` are followed from a certificate"),
            Self::Url(error) => error.fmt(f),
            Self::Host(host) => write!(f, "`{host}` is not in `revocation.allowed_hosts`"),
            Self::Port(port) => {
                write!(
                    f,
                    "port {port} is not contacted because a certificate names it, only 80 and 443"
                )
            }
            Self::Address(address, kind) => {
                write!(f, "`{address}` is {kind}, never contacted because a certificate names it")
            }
        }
    }
}

impl std::error::Error for AddressFault {}

/// What an address that is not public is for, by IANA's special-purpose registries (RFC 6890 and successors).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// `0.0.0.0/8`, `::`.
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// `10/8`, `172.16/12`, `192.168/16`; `fc00::/7`, where metadata services live too; `fec0::/10`.
    Private,
    /// `100.64.0.0/10`, between a provider and its customers.
    Shared,
    /// `169.254.0.0/16`, where metadata services live; `fe80::/10`.
    LinkLocal,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// An IPv4 address in the clothes of an IPv6 one: mapped, compatible, translated, 6to4, Teredo.
    EmbeddedIpv4,
    /// For documentation, benchmarks, protocols, or the future.
    Reserved,
}

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "an unspecified address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::Shared => "a shared address",
            Self::LinkLocal => "a link-local or metadata address",
            Self::Multicast => "a multicast address",
            Self::EmbeddedIpv4 => "an IPv4 address inside an IPv6 address",
            Self::Reserved => "a reserved address",
        })
    }
}

/// What keeps an address from being one of the public Internet; `None` where nothing does.
#[must_use]
pub fn special_purpose(address: IpAddr) -> Option<AddressKind> {
    match address {
        IpAddr::V4(address) => special_purpose_v4(address),
        IpAddr::V6(address) => special_purpose_v6(address),
    }
}

fn special_purpose_v4(address: Ipv4Addr) -> Option<AddressKind> {
    let [a, b, c, _] = address.octets();
    Some(match (a, b, c) {
        (0, ..) => AddressKind::Unspecified,
        (127, ..) => AddressKind::Loopback,
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => AddressKind::Private,
        (100, 64..=127, _) => AddressKind::Shared,
        (169, 254, _) => AddressKind::LinkLocal,
        (224..=239, ..) => AddressKind::Multicast,
        // Protocol assignments; documentation; 6to4 relays; benchmarks; the future and broadcast.
        (192, 0, 0 | 2)
        | (198, 51, 100)
        | (203, 0, 113)
        | (192, 88, 99)
        | (198, 18..=19, _)
        | (240.., ..) => AddressKind::Reserved,
        _ => return None,
    })
}

fn special_purpose_v6(address: Ipv6Addr) -> Option<AddressKind> {
    let segments = address.segments();
    Some(match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressKind::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Loopback,
        // Compatible, mapped (RFC 4291), translated (RFC 2765), NAT64 (RFC 6052, RFC 8215), 6to4, Teredo.
        [0, 0, 0, 0, 0, 0, ..]
        | [0, 0, 0, 0, 0, 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, ..]
        | [0x2002, ..]
        | [0x2001, 0, ..] => AddressKind::EmbeddedIpv4,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => AddressKind::Private,
        [0xfe80..=0xfebf, ..] => AddressKind::LinkLocal,
        [0xff00..=0xffff, ..] => AddressKind::Multicast,
        // Protocol assignments (2001::/23), documentation (2001:db8::/32, 3fff::/20).
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => {
            AddressKind::Reserved
        }
        // All that is allocated to the public lies in 2000::/3; the rest is reserved.
        [0x2000..=0x3fff, ..] => return None,
        _ => AddressKind::Reserved,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn kind(address: &str) -> Option<AddressKind> {
        special_purpose(address.parse().unwrap())
    }

    #[test]
    fn addresses_of_special_purpose_are_told_from_their_public_neighbours() {
        use AddressKind::{
            EmbeddedIpv4, LinkLocal, Loopback, Multicast, Private, Reserved, Shared, Unspecified,
        };
        for (address, expected) in [
            ("0.0.0.0", Some(Unspecified)),
            ("0.255.255.255", Some(Unspecified)),
            ("1.0.0.0", None),
            ("9.255.255.255", None),
            ("10.0.0.0", Some(Private)),
            ("10.255.255.255", Some(Private)),
            ("11.0.0.0", None),
            ("100.63.255.255", None),
            ("100.64.0.0", Some(Shared)),
            ("100.127.255.255", Some(Shared)),
            ("100.128.0.0", None),
            ("126.255.255.255", None),
            ("127.0.0.1", Some(Loopback)),
            ("127.255.255.255", Some(Loopback)),
            ("128.0.0.0", None),
            ("169.253.255.255", None),
            ("169.254.169.254", Some(LinkLocal)),
            ("169.254.170.2", Some(LinkLocal)),
            ("169.255.0.0", None),
            ("172.15.255.255", None),
            ("172.16.0.0", Some(Private)),
            ("172.31.255.255", Some(Private)),
            ("172.32.0.0", None),
            ("191.255.255.255", None),
            ("192.0.0.8", Some(Reserved)),
            ("192.0.1.0", None),
            ("192.0.2.1", Some(Reserved)),
            ("192.0.3.0", None),
            ("192.88.98.255", None),
            ("192.88.99.1", Some(Reserved)),
            ("192.88.100.0", None),
            ("192.167.255.255", None),
            ("192.168.0.0", Some(Private)),
            ("192.169.0.0", None),
            ("198.17.255.255", None),
            ("198.18.0.0", Some(Reserved)),
            ("198.19.255.255", Some(Reserved)),
            ("198.20.0.0", None),
            ("198.51.99.255", None),
            ("198.51.100.1", Some(Reserved)),
            ("198.51.101.0", None),
            ("203.0.112.255", None),
            ("203.0.113.1", Some(Reserved)),
            ("203.0.114.0", None),
            ("223.255.255.255", None),
            ("224.0.0.1", Some(Multicast)),
            ("239.255.255.255", Some(Multicast)),
            ("240.0.0.0", Some(Reserved)),
            ("255.255.255.255", Some(Reserved)),
            ("::", Some(Unspecified)),
            ("::1", Some(Loopback)),
            ("::2", Some(EmbeddedIpv4)),
            ("::7f00:1", Some(EmbeddedIpv4)),
            ("::ffff:127.0.0.1", Some(EmbeddedIpv4)),
            ("::ffff:8.8.8.8", Some(EmbeddedIpv4)),
            ("::ffff:0:8.8.8.8", Some(EmbeddedIpv4)),
            ("64:ff9b::a00:1", Some(EmbeddedIpv4)),
            ("64:ff9b:1::1", Some(EmbeddedIpv4)),
            ("100::1", Some(Reserved)),
            ("1fff::1", Some(Reserved)),
            ("2000::1", None),
            ("2001::1", Some(EmbeddedIpv4)),
            ("2001:2::1", Some(Reserved)),
            ("2001:1ff:ffff::1", Some(Reserved)),
            ("2001:200::1", None),
            ("2001:db7::1", None),
            ("2001:db8::1", Some(Reserved)),
            ("2001:db9::1", None),
            ("2002:7f00:1::1", Some(EmbeddedIpv4)),
            ("2003::1", None),
            ("2606:4700::1111", None),
            ("3ffe::1", None),
            ("3fff::1", Some(Reserved)),
            ("3fff:1000::1", None),
            ("4000::1", Some(Reserved)),
            ("5f00::1", Some(Reserved)),
            ("fbff::1", Some(Reserved)),
            ("fc00::1", Some(Private)),
            ("fd00:ec2::254", Some(Private)),
            ("fe00::1", Some(Reserved)),
            ("fe80::1", Some(LinkLocal)),
            ("febf::1", Some(LinkLocal)),
            ("fec0::1", Some(Private)),
            ("ff02::1", Some(Multicast)),
        ] {
            assert_eq!(kind(address), expected, "{address}");
        }
    }

    #[test]
    fn a_certificate_reaches_listed_hosts_on_the_usual_ports_alone() {
        let hosts = ["pki.example.com", "192.0.2.7", "[2001:db8::1]"];
        let hosts = AllowedHosts::new(hosts.map(|host| Host::parse(host).unwrap()).to_vec());
        for (uri, fault) in [
            ("http://pki.example.com/a.crl", None),
            ("https://PKI.Example.com:443/a.crl", None),
            ("http://pki.example.com:443/a.crl", None),
            ("http://192.0.2.7/a.crl", None),
            ("http://[2001:DB8:0::1]/a.crl", None),
            ("http://pki.example.com:8080/a.crl", Some(AddressFault::Port(8080))),
            ("http://pki.example.com:22/a.crl", Some(AddressFault::Port(22))),
            ("ldap://pki.example.com/cn=ca", Some(AddressFault::Scheme)),
            ("file:///etc/passwd", Some(AddressFault::Scheme)),
            ("pki.example.com/a.crl", Some(AddressFault::Scheme)),
            ("http://pki.example.com./a.crl", Some(AddressFault::Url(UrlError::Host))),
            ("http://a@pki.example.com/", Some(AddressFault::Url(UrlError::UserInformation))),
            (
                "http://pki.example.com@evil.example/",
                Some(AddressFault::Url(UrlError::UserInformation)),
            ),
            (
                "http://pki.example.com\\.evil.example/",
                Some(AddressFault::Url(UrlError::Character)),
            ),
        ] {
            assert_eq!(hosts.admit(uri).err(), fault, "{uri}");
        }
        for name in
            ["evil.example", "sub.pki.example.com", "pki.example.com.evil.example", "192.0.2.8"]
        {
            let host = Host::parse(name).unwrap();
            assert_eq!(hosts.admit(&format!("http://{name}/")), Err(AddressFault::Host(host)));
        }
        let none = AllowedHosts::default().admit("http://pki.example.com/");
        assert!(matches!(none, Err(AddressFault::Host(_))));
    }

    #[test]
    fn a_step_down_the_path_stays_on_the_host() {
        let endpoint = |url| Endpoint::configured(Url::parse(url).unwrap());
        let stepped = |url, step| endpoint(url).step(step).map(|it| it.to_string());
        assert_eq!(stepped("http://o.example", "MEI%3D").unwrap(), "http://o.example/MEI%3D");
        assert_eq!(stepped("http://o.example/a", "MEI").unwrap(), "http://o.example/a/MEI");
        assert_eq!(stepped("http://o.example/a/", "MEI").unwrap(), "http://o.example/a/MEI");
        assert_eq!(stepped("http://o.example/a?b", "MEI"), None);
        assert_eq!(stepped("http://o.example/a", "a/b"), None);
        assert_eq!(stepped("http://o.example/a", "a?b"), None);
        assert_eq!(stepped("http://o.example/a", ""), None);
    }
}
