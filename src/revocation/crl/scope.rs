//! What a list is about: its issuing distribution point (RFC 5280, section 5.2.5), and the distribution
//! points that a certificate names (section 4.2.1.13).
//!
//! A certificate that names no distribution point is taken to name its issuer's entry in the directory (section
//! 6.3.3). Section 6.3.3 would have that taken of every other certificate too, in the end: but a list of the issuer's
//! entry alone says nothing of certificates that point elsewhere, and BSI's test suite and OpenSSL refuse it as well.
//!
//! Names are compared as DER, byte by byte. A name relative to the issuer is written out in full first, so
//! that it compares equal to the same name given in full. A distribution point with a `cRLIssuer` belongs to
//! an indirect list and one with `reasons` to a list of some reasons; neither brings a list into scope here.

use crate::der::{BitString, DerError, Element, Reader, encode, tag};

/// Which certificates a list is limited to by an issuing distribution point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope {
    /// `distributionPoint`, each name a `GeneralName` in DER.
    names: Option<Vec<Box<[u8]>>>,
    only: Option<OnlyContains>,
    /// `onlySomeReasons` is there, whichever reasons it gives.
    pub(super) some_reasons: bool,
    /// `indirectCRL`.
    pub(super) indirect: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnlyContains {
    User,
    Ca,
    Attribute,
}

/// Why a list is not about a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutOfScope {
    /// The list's distribution point is none of the certificate's.
    DistributionPoint,
    /// The list holds certificates of end entities only, and this is a CA's.
    UserCertificatesOnly,
    /// The list holds certificates of CAs only, and this is an end entity's.
    CaCertificatesOnly,
    /// The list holds attribute certificates only.
    AttributeCertificatesOnly,
}

impl std::fmt::Display for OutOfScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::DistributionPoint => "its distribution point is none of the certificate's",
            Self::UserCertificatesOnly => "it is about certificates of end entities only",
            Self::CaCertificatesOnly => "it is about certificates of CAs only",
            Self::AttributeCertificatesOnly => "it is about attribute certificates only",
        })
    }
}

impl Scope {
    /// Reads the value of an issuing distribution point extension of a list by `issuer` (a `Name` in DER).
    pub(super) fn parse(value: Element<'_>, issuer: &[u8]) -> Result<Self, DerError> {
        let mut outer = value.reader();
        let point = outer.expect(tag::SEQUENCE, "the issuing distribution point is no SEQUENCE")?;
        outer.end("something follows the issuing distribution point")?;
        if point.content.is_empty() {
            return Err(point.error("the issuing distribution point is empty"));
        }
        let mut fields = point.reader();
        let names = match fields.optional(tag::context_constructed(0))? {
            Some(name) => Some(point_names(name, issuer)?),
            None => None,
        };
        let user = fields.default_false_tagged(tag::context(1))?;
        let ca = fields.default_false_tagged(tag::context(2))?;
        let some_reasons = match fields.optional(tag::context(3))? {
            Some(reasons) => BitString::from_element(reasons).map(|_| true)?,
            None => false,
        };
        let indirect = fields.default_false_tagged(tag::context(4))?;
        let attribute = fields.default_false_tagged(tag::context(5))?;
        fields.end("the issuing distribution point holds an unknown or misplaced field")?;
        let only = match (user, ca, attribute) {
            (false, false, false) => None,
            (true, false, false) => Some(OnlyContains::User),
            (false, true, false) => Some(OnlyContains::Ca),
            (false, false, true) => Some(OnlyContains::Attribute),
            _ => return Err(point.error("a list is limited to two kinds of certificates at once")),
        };
        Ok(Self { names, only, some_reasons, indirect })
    }

    /// Whether the list is about attribute certificates, whose serial numbers are not certificates'.
    pub(super) fn is_attribute_only(&self) -> bool {
        self.only == Some(OnlyContains::Attribute)
    }

    /// Whether the list is about certificates of CAs only.
    pub(super) fn is_of_authorities_only(&self) -> bool {
        self.only == Some(OnlyContains::Ca)
    }

    /// Whether a list of this scope by `issuer` is about a certificate of the same issuer.
    pub(super) fn covers(
        &self,
        issuer: &[u8],
        is_ca: bool,
        points: &[DistributionPoint],
    ) -> Result<(), OutOfScope> {
        match self.only {
            Some(OnlyContains::Attribute) => {
                return Err(OutOfScope::AttributeCertificatesOnly);
            }
            Some(OnlyContains::User) if is_ca => return Err(OutOfScope::UserCertificatesOnly),
            Some(OnlyContains::Ca) if !is_ca => return Err(OutOfScope::CaCertificatesOnly),
            _ => {}
        }
        let Some(names) = &self.names else { return Ok(()) };
        let named = names.iter().any(|name| {
            (points.is_empty() && is_directory_name(name, issuer))
                || points.iter().filter(|point| point.is_plain()).any(|point| point.has(name))
        });
        if named { Ok(()) } else { Err(OutOfScope::DistributionPoint) }
    }
}

/// One distribution point of a certificate: where a list about it can be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistributionPoint {
    names: Vec<Box<[u8]>>,
    some_reasons: bool,
    other_issuer: bool,
}

impl DistributionPoint {
    /// The URIs among its names. A list there answers for the certificate only where
    /// [`DistributionPoint::is_plain`] holds.
    pub fn uris(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter_map(|name| {
            let uri = Reader::new(name).expect(tag::context(6), "").ok()?;
            std::str::from_utf8(uri.content).ok().filter(|uri| uri.is_ascii())
        })
    }

    /// Whether lists there are the certificate issuer's own and about every reason: neither `cRLIssuer` nor
    /// `reasons` is given.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.some_reasons && !self.other_issuer
    }

    fn has(&self, name: &[u8]) -> bool {
        self.names.iter().any(|own| **own == *name)
    }
}

/// Reads the value of a `cRLDistributionPoints` extension (the contents of its `OCTET STRING`) of a
/// certificate by `issuer` (a `Name` in DER). The value of `freshestCRL` has the same form.
///
/// # Errors
/// The value is not DER of this type, or is empty.
pub fn distribution_points(
    value: &[u8],
    issuer: &[u8],
) -> Result<Vec<DistributionPoint>, DerError> {
    let mut outer = Reader::new(value);
    let points = outer.expect(tag::SEQUENCE, "distribution points are no SEQUENCE")?;
    outer.end("something follows the distribution points")?;
    read_points(points, issuer)
}

pub(super) fn read_points(
    points: Element<'_>,
    issuer: &[u8],
) -> Result<Vec<DistributionPoint>, DerError> {
    if points.content.is_empty() {
        return Err(points.error("there is no distribution point in the extension"));
    }
    let mut reader = points.reader();
    let mut read = Vec::new();
    while !reader.is_empty() {
        let point = reader.expect(tag::SEQUENCE, "a distribution point is no SEQUENCE")?;
        let mut fields = point.reader();
        let names = match fields.optional(tag::context_constructed(0))? {
            Some(name) => point_names(name, issuer)?,
            None => Vec::new(),
        };
        let some_reasons = match fields.optional(tag::context(1))? {
            Some(reasons) => BitString::from_element(reasons).map(|_| true)?,
            None => false,
        };
        let other_issuer = match fields.optional(tag::context_constructed(2))? {
            Some(names) => general_names(names).map(|_| true)?,
            None => false,
        };
        fields.end("a distribution point holds an unknown or misplaced field")?;
        if names.is_empty() && !other_issuer {
            return Err(point.error("a distribution point has neither a name nor an issuer"));
        }
        read.push(DistributionPoint { names, some_reasons, other_issuer });
    }
    Ok(read)
}

/// Reads an explicitly tagged `DistributionPointName`.
fn point_names(explicit: Element<'_>, issuer: &[u8]) -> Result<Vec<Box<[u8]>>, DerError> {
    let mut reader = explicit.reader();
    let name = reader.any()?;
    reader.end("something follows the name of a distribution point")?;
    if name.tag == tag::context_constructed(0) {
        return general_names(name);
    }
    if name.tag != tag::context_constructed(1) || name.content.is_empty() {
        return Err(name.error("the name of a distribution point is neither full nor relative"));
    }
    let issuer = Reader::new(issuer).expect(tag::SEQUENCE, "an issuer is no SEQUENCE")?;
    let rdns = [issuer.content, &encode(tag::SET, name.content)].concat();
    let directory_name = encode(tag::context_constructed(4), &encode(tag::SEQUENCE, &rdns));
    Ok(vec![directory_name.into_boxed_slice()])
}

/// Reads implicitly tagged `GeneralNames`, of which there must be one at least.
pub(super) fn general_names(names: Element<'_>) -> Result<Vec<Box<[u8]>>, DerError> {
    let mut reader = names.reader();
    let mut read = Vec::new();
    while !reader.is_empty() {
        let name = reader.any()?;
        if !matches!(name.tag, 0xa0 | 0x81 | 0x82 | 0xa3..=0xa5 | 0x86..=0x88) {
            return Err(name.error("a general name is of no known kind"));
        }
        read.push(name.raw.into());
    }
    if read.is_empty() { Err(names.error("a list of general names is empty")) } else { Ok(read) }
}

/// Whether `general` is a `directoryName` of exactly this `Name`.
pub(super) fn is_directory_name(general: &[u8], name: &[u8]) -> bool {
    Reader::new(general)
        .expect(tag::context_constructed(4), "")
        .is_ok_and(|element| element.content == name)
}
