//! X.509 certificates (RFC 5280, section 4), from PEM to typed facts.
//!
//! Reading is strict: what is not DER of the structure that RFC 5280 defines is [`Malformed`], and nothing of
//! it is used. `x509-parser` was the first choice and is kept as a second opinion in the tests; it does not
//! serve here because it takes lengths that are not minimal, elements after the last one of a structure, and
//! trailing bytes.
//!
//! Of extensions that nothing here is decided by, those of RFC 5280 must be DER of the right outermost type, and others
//! may hold any bytes.
//!
//! Reading judges nothing: whether a certificate is in force, strong enough or trusted is for
//! [`decide`](crate::decide) to say. Versions 1 to 3 are read, and serial numbers of any length. Unused
//! bits at the end of a key usage are not required to be cut off, `FALSE` may be spelt out where it is the default, and
//! `GeneralizedTime` is taken before 2050 too: all of it occurs, and none can be read in two ways.

pub mod name;
pub mod pem;
pub mod san;

use std::{borrow::Cow, collections::HashSet, ops::Range};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};

use crate::{
    der::{self, BitString, DerError, Element, Oid, Reader, tag},
    hex,
    signature::{PublicKey, SignatureAlgorithm},
    timestamp::Timestamp,
};
use name::Name;
use san::SubjectAlternativeNames;

/// A certificate that could be read.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: Box<[u8]>,
    tbs: Range<usize>,
    version: Version,
    serial_number: SerialNumber,
    signature_algorithm: SignatureAlgorithm,
    signature: Range<usize>,
    issuer: Name,
    validity: Validity,
    subject: Name,
    subject_public_key_info: Range<usize>,
    public_key: PublicKey,
    extensions: Extensions,
    fingerprint: [u8; 32],
    public_key_fingerprint: [u8; 32],
}

/// Why bytes are no certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The rule that is broken, as a clause. Never holds any of the input.
    pub rule: &'static str,
    /// Offset into the DER, where the fault is in the DER.
    pub offset: Option<usize>,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.offset {
            Some(offset) => write!(f, "{} at byte {offset}", self.rule),
            None => f.write_str(self.rule),
        }
    }
}

impl std::error::Error for Malformed {}

impl From<DerError> for Malformed {
    fn from(error: DerError) -> Self {
        Self { rule: error.rule, offset: Some(error.offset) }
    }
}

/// The version of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// Version 1: no extensions. What `openssl x509 -req` makes without an extension file.
    V1,
    /// Version 2: unique identifiers, no extensions.
    V2,
    /// Version 3.
    V3,
}

/// The period in which a certificate is in force, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

/// A serial number that is not negative, of any length.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SerialNumber(Box<[u8]>);

impl SerialNumber {
    /// The number's magnitude, big endian, without leading zero bytes; empty for zero.
    #[must_use]
    pub fn magnitude(&self) -> &[u8] {
        match &*self.0 {
            [0, rest @ ..] => rest,
            all => all,
        }
    }

    /// The contents octets of the DER `INTEGER`.
    #[must_use]
    pub fn der_contents(&self) -> &[u8] {
        &self.0
    }
}

/// The magnitude in upper-case hex, whole bytes, no separators; `00` for zero.
impl std::fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.magnitude() {
            [] => f.write_str("00"),
            octets => f.write_str(&hex::upper(octets)),
        }
    }
}

/// The extensions (RFC 5280, section 4.2) that decisions rest on.
#[derive(Clone, Debug, Default)]
pub struct Extensions {
    basic_constraints: Option<BasicConstraints>,
    key_usage: Option<KeyUsage>,
    extended_key_usage: Option<Vec<Box<[u8]>>>,
    subject_alternative_names: SubjectAlternativeNames,
    crl_distribution_points: Option<Range<usize>>,
    authority_information_access: Option<Range<usize>>,
    name_constraints: Option<NameConstraints>,
    certificate_policies: Option<Range<usize>>,
    policy_mappings: Option<Range<usize>>,
    policy_constraints: Option<Range<usize>>,
    inhibit_any_policy: Option<Range<usize>>,
    unknown_critical: Option<Box<[u8]>>,
}

/// What is known of name constraints (RFC 5280, section 4.2.1.10). Names are compared with them where the path is
/// built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NameConstraints {
    /// Whether a subtree is one of e-mail addresses.
    on_email: bool,
}

/// `BasicConstraints`, RFC 5280, section 4.2.1.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicConstraints {
    /// Whether the subject is a certification authority.
    pub ca: bool,
    /// How many authorities may follow below it; any number where it does not say.
    pub path_length: Option<usize>,
}

/// `KeyUsage`, RFC 5280, section 4.2.1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    /// May sign other things than certificates and CRLs, such as a TLS handshake.
    pub digital_signature: bool,
    /// May agree on keys.
    pub key_agreement: bool,
    /// May sign certificates.
    pub key_cert_sign: bool,
    /// May sign CRLs.
    pub crl_sign: bool,
}

impl Certificate {
    /// Reads a certificate from DER.
    ///
    /// # Errors
    /// Anything but the DER of exactly one certificate of RFC 5280.
    pub fn parse(der: &[u8]) -> Result<Self, Malformed> {
        let mut outer = Reader::new(der);
        let mut certificate = outer.sequence("the certificate is not a SEQUENCE")?;
        outer.end("there are bytes after the certificate")?;
        let tbs = certificate.expect(tag::SEQUENCE, "the certificate has no body")?;
        let algorithm =
            certificate.expect(tag::SEQUENCE, "the certificate has no signature algorithm")?;
        let signature_offset = certificate.offset();
        let signature = certificate.bit_string("the certificate has no signature")?;
        if signature.unused_bits != 0 {
            return Err(Malformed {
                rule: "the signature is not of whole bytes",
                offset: Some(signature_offset),
            });
        }
        let signature_end = certificate.offset();
        certificate.end("there are elements after the signature")?;
        let body = Body::parse(tbs)?;
        if body.signature_algorithm.raw != algorithm.raw {
            return Err(algorithm.error("the two signature algorithms differ").into());
        }
        let subject_public_key_info = range(body.subject_public_key_info);
        Ok(Self {
            tbs: range(tbs),
            version: body.version,
            serial_number: body.serial_number,
            signature_algorithm: SignatureAlgorithm::parse(algorithm)?,
            signature: signature_end - signature.octets.len()..signature_end,
            issuer: body.issuer,
            validity: body.validity,
            subject: body.subject,
            public_key: PublicKey::parse(body.subject_public_key_info)?,
            public_key_fingerprint: sha256(body.subject_public_key_info.raw),
            subject_public_key_info,
            extensions: body.extensions,
            fingerprint: sha256(der),
            der: der.into(),
        })
    }

    /// The certificate as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The part that is signed (`tbsCertificate`), as DER.
    #[must_use]
    pub fn tbs_der(&self) -> &[u8] {
        self.slice(&self.tbs)
    }

    /// The issuer's signature over [`Certificate::tbs_der`].
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        self.slice(&self.signature)
    }

    /// The algorithm of the issuer's signature.
    #[must_use]
    pub fn signature_algorithm(&self) -> &SignatureAlgorithm {
        &self.signature_algorithm
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The serial number, unique for the issuer alone.
    #[must_use]
    pub fn serial_number(&self) -> &SerialNumber {
        &self.serial_number
    }

    /// The name of the authority that issued it.
    #[must_use]
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// The name of the party it was issued to; possibly empty.
    #[must_use]
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// When it is in force.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Whether it is in force at this instant, without tolerance.
    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.validity.not_before <= now && now <= self.validity.not_after
    }

    /// The kind of key that it certifies.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The key that it certifies, as DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn subject_public_key_info(&self) -> &[u8] {
        self.slice(&self.subject_public_key_info)
    }

    /// SHA-256 of the whole certificate.
    #[must_use]
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// SHA-256 of the whole certificate as RFC 8705, section 3.1, writes it in `x5t#S256`.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.fingerprint)
    }

    /// Who it is about, in one line of printable ASCII: the subject; where it is empty, the first URI, else the first
    /// DNS name, else the fingerprint.
    #[must_use]
    pub fn principal(&self) -> Cow<'_, str> {
        let names = self.subject_alternative_names();
        if !self.subject.is_empty() {
            self.subject.ascii().into()
        } else if let Some(name) = names.uri().next().or_else(|| names.dns().next()) {
            name.into()
        } else {
            self.short_principal().into()
        }
    }

    /// The fingerprint as it stands for a name that is absent or too long.
    #[must_use]
    pub fn short_principal(&self) -> String {
        format!("sha256:{}", hex::lower(&self.fingerprint))
    }

    /// SHA-256 of the `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key_fingerprint(&self) -> &[u8; 32] {
        &self.public_key_fingerprint
    }

    /// Whether its basic constraints say that it is a certification authority's.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.extensions.is_ca()
    }

    /// Whether it bears its issuer's name, octet by octet, as where an authority changes its key. Such certificates do
    /// not count where the length of a path is limited (RFC 5280, sections 4.2.1.9 and 6.1).
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.subject.der() == self.issuer.der()
    }

    /// The basic constraints, where it has them.
    #[must_use]
    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.extensions.basic_constraints
    }

    /// The key usage, where it has one.
    #[must_use]
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.extensions.key_usage
    }

    /// The purposes of the extended key usage, where it has one.
    #[must_use]
    pub fn extended_key_usage(&self) -> Option<impl Iterator<Item = Oid<'_>>> {
        let purposes = self.extensions.extended_key_usage.as_ref()?;
        Some(purposes.iter().map(|octets| Oid::new(octets)))
    }

    /// The subject alternative names.
    #[must_use]
    pub fn subject_alternative_names(&self) -> &SubjectAlternativeNames {
        &self.extensions.subject_alternative_names
    }

    /// The value of the CRL distribution points extension, as DER, unread.
    #[must_use]
    pub fn crl_distribution_points(&self) -> Option<&[u8]> {
        self.extensions.crl_distribution_points.as_ref().map(|range| self.slice(range))
    }

    /// The value of the authority information access extension, as DER, unread.
    #[must_use]
    pub fn authority_information_access(&self) -> Option<&[u8]> {
        self.extensions.authority_information_access.as_ref().map(|range| self.slice(range))
    }

    /// The first critical extension that is not understood here.
    #[must_use]
    pub fn unknown_critical_extension(&self) -> Option<Oid<'_>> {
        self.extensions.unknown_critical.as_deref().map(Oid::new)
    }

    /// The value of the certificate policies extension, as DER, unread.
    #[must_use]
    pub fn certificate_policies(&self) -> Option<&[u8]> {
        self.extensions.certificate_policies.as_ref().map(|range| self.slice(range))
    }

    /// The value of the policy mappings extension, as DER, unread.
    #[must_use]
    pub fn policy_mappings(&self) -> Option<&[u8]> {
        self.extensions.policy_mappings.as_ref().map(|range| self.slice(range))
    }

    /// The value of the policy constraints extension, as DER, unread.
    #[must_use]
    pub fn policy_constraints(&self) -> Option<&[u8]> {
        self.extensions.policy_constraints.as_ref().map(|range| self.slice(range))
    }

    /// The value of the inhibit anyPolicy extension, as DER, unread.
    #[must_use]
    pub fn inhibit_any_policy(&self) -> Option<&[u8]> {
        self.extensions.inhibit_any_policy.as_ref().map(|range| self.slice(range))
    }

    /// Whether it constrains the names of what is issued below it.
    #[must_use]
    pub fn has_name_constraints(&self) -> bool {
        self.extensions.name_constraints.is_some()
    }

    /// Whether it constrains e-mail addresses of what is issued below it.
    #[must_use]
    pub fn constrains_email(&self) -> bool {
        self.extensions.name_constraints.is_some_and(|constraints| constraints.on_email)
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.der.get(range.clone()).unwrap_or_default()
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut output = [0; 32];
    output.copy_from_slice(digest(&SHA256, bytes).as_ref());
    output
}

fn range(element: Element<'_>) -> Range<usize> {
    element.offset..element.offset + element.raw.len()
}

/// `TBSCertificate`.
struct Body<'a> {
    version: Version,
    serial_number: SerialNumber,
    signature_algorithm: Element<'a>,
    issuer: Name,
    validity: Validity,
    subject: Name,
    subject_public_key_info: Element<'a>,
    extensions: Extensions,
}

impl<'a> Body<'a> {
    fn parse(tbs: Element<'a>) -> Result<Self, DerError> {
        let mut fields = tbs.reader();
        let version = parse_version(&mut fields)?;
        let serial_number = parse_serial_number(&mut fields)?;
        let signature_algorithm =
            fields.expect(tag::SEQUENCE, "the body has no signature algorithm")?;
        let issuer = Name::parse(fields.expect(tag::SEQUENCE, "there is no issuer")?)?;
        let mut times = fields.sequence("there is no validity")?;
        let validity = Validity {
            not_before: times.time("the validity has no notBefore")?,
            not_after: times.time("the validity has no notAfter")?,
        };
        times.end("the validity has more than two times")?;
        let subject = Name::parse(fields.expect(tag::SEQUENCE, "there is no subject")?)?;
        let subject_public_key_info = fields.expect(tag::SEQUENCE, "there is no public key")?;
        for number in [1, 2] {
            if let Some(unique_id) = fields.optional(tag::context(number))? {
                if version < Version::V2 {
                    return Err(unique_id.error("a version 1 certificate has a unique identifier"));
                }
                BitString::from_element(unique_id)?;
            }
        }
        let extensions = match fields.optional(tag::context_constructed(3))? {
            Some(element) if version < Version::V3 => {
                return Err(element.error("a certificate before version 3 has extensions"));
            }
            Some(element) => Extensions::parse(element)?,
            None => Extensions::default(),
        };
        fields.end("there are elements after the extensions")?;
        Ok(Self {
            version,
            serial_number,
            signature_algorithm,
            issuer,
            validity,
            subject,
            subject_public_key_info,
            extensions,
        })
    }
}

fn parse_version(fields: &mut Reader<'_>) -> Result<Version, DerError> {
    let Some(element) = fields.optional(tag::context_constructed(0))? else {
        return Ok(Version::V1);
    };
    let mut inner = element.reader();
    let version = match inner.integer("the version is not an INTEGER")? {
        [1] => Version::V2,
        [2] => Version::V3,
        [0] => return Err(element.error("a default value is spelt out")),
        _ => return Err(element.error("the version is not 1, 2 or 3")),
    };
    inner.end("the version has trailing elements")?;
    Ok(version)
}

fn parse_serial_number(fields: &mut Reader<'_>) -> Result<SerialNumber, DerError> {
    let element = fields.expect(tag::INTEGER, "the serial number is not an INTEGER")?;
    let contents = der::integer(element)?;
    if contents.first().is_some_and(|first| first & 0x80 != 0) {
        return Err(element.error("the serial number is negative"));
    }
    Ok(SerialNumber(contents.into()))
}

impl Extensions {
    fn parse(element: Element<'_>) -> Result<Self, DerError> {
        let mut outer = element.reader();
        let list = outer.expect(tag::SEQUENCE, "the extensions are not a SEQUENCE")?;
        outer.end("there are elements after the extensions")?;
        let mut members = list.reader();
        if members.is_empty() {
            return Err(list.error("the extensions are empty"));
        }
        let mut extensions = Self::default();
        let mut seen = HashSet::new();
        while !members.is_empty() {
            let extension = members.expect(tag::SEQUENCE, "an extension is not a SEQUENCE")?;
            let mut fields = extension.reader();
            let oid = fields.oid("an extension has no identifier")?;
            let critical = fields.default_false()?;
            let value = fields.expect(tag::OCTET_STRING, "an extension has no value")?;
            fields.end("an extension has elements after its value")?;
            if !seen.insert(oid) {
                return Err(extension.error("an extension occurs twice"));
            }
            extensions.read(oid, critical, value)?;
        }
        if extensions.name_constraints.is_some() && !extensions.is_ca() {
            return Err(list.error("name constraints stand in a certificate of no authority"));
        }
        Ok(extensions)
    }

    fn is_ca(&self) -> bool {
        self.basic_constraints.is_some_and(|constraints| constraints.ca)
    }

    /// Where the value of an extension is kept that is read later, where revocation is checked or the path verified.
    fn place_of_unread(&mut self, oid: Oid<'_>) -> Option<&mut Option<Range<usize>>> {
        match oid.octets() {
            [0x55, 0x1d, 0x1f] => Some(&mut self.crl_distribution_points),
            [0x55, 0x1d, 0x20] => Some(&mut self.certificate_policies),
            [0x55, 0x1d, 0x21] => Some(&mut self.policy_mappings),
            [0x55, 0x1d, 0x24] => Some(&mut self.policy_constraints),
            [0x55, 0x1d, 0x36] => Some(&mut self.inhibit_any_policy),
            AUTHORITY_INFORMATION_ACCESS => Some(&mut self.authority_information_access),
            _ => None,
        }
    }

    fn read(&mut self, oid: Oid<'_>, critical: bool, value: Element<'_>) -> Result<(), DerError> {
        const SUBJECT_INFORMATION_ACCESS: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x0b];
        const NOT_DER: &str = "an extension's value is not the element that its type demands";
        if let Some(place) = self.place_of_unread(oid) {
            *place = Some(contents_range(value));
        }
        let mut reader = value.reader();
        match oid.octets() {
            [0x55, 0x1d, 0x13] => {
                self.basic_constraints = Some(BasicConstraints::parse(&mut reader)?);
            }
            [0x55, 0x1d, 0x0f] => self.key_usage = Some(KeyUsage::parse(&mut reader)?),
            [0x55, 0x1d, 0x25] => {
                self.extended_key_usage = Some(parse_extended_key_usage(&mut reader)?);
            }
            [0x55, 0x1d, 0x11] => {
                self.subject_alternative_names = SubjectAlternativeNames::parse(&mut reader)?;
            }
            [0x55, 0x1d, 0x1e] => {
                self.name_constraints = Some(NameConstraints::parse(&mut reader)?);
            }
            // CRL distribution points, certificate policies and issuer alternative names.
            [0x55, 0x1d, 0x12 | 0x1f | 0x20] => return reader.only(tag::SEQUENCE, NOT_DER),
            // Authority information access, which may not be critical.
            AUTHORITY_INFORMATION_ACCESS if !critical => {
                return reader.only(tag::SEQUENCE, NOT_DER);
            }
            octets => {
                if critical {
                    self.unknown_critical.get_or_insert(octets.into());
                }
                return match octets {
                    // Key identifiers, policy mappings and constraints, the freshest CRL, information access.
                    [0x55, 0x1d, 0x0e] => reader.only(tag::OCTET_STRING, NOT_DER),
                    [0x55, 0x1d, 0x36] => reader.only(tag::INTEGER, NOT_DER),
                    [0x55, 0x1d, 0x21 | 0x23 | 0x24 | 0x2e]
                    | AUTHORITY_INFORMATION_ACCESS
                    | SUBJECT_INFORMATION_ACCESS => reader.only(tag::SEQUENCE, NOT_DER),
                    _ => Ok(()),
                };
            }
        }
        reader.end("an extension's value has trailing bytes")
    }
}

const AUTHORITY_INFORMATION_ACCESS: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01];

fn contents_range(element: Element<'_>) -> Range<usize> {
    let end = element.offset + element.raw.len();
    end - element.content.len()..end
}

impl NameConstraints {
    fn parse(value: &mut Reader<'_>) -> Result<Self, DerError> {
        const RFC822_NAME: u8 = tag::context(1);
        let list = value.expect(tag::SEQUENCE, "the name constraints are not a SEQUENCE")?;
        let mut fields = list.reader();
        if fields.is_empty() {
            return Err(list.error("the name constraints are empty"));
        }
        let mut on_email = false;
        for number in [0, 1] {
            let Some(subtrees) = fields.optional(tag::context_constructed(number))? else {
                continue;
            };
            let mut members = subtrees.reader();
            while !members.is_empty() {
                let mut subtree = members.sequence("a name constraint is not a SEQUENCE")?;
                on_email |= subtree.any()?.tag == RFC822_NAME;
            }
        }
        fields.end("the name constraints have trailing elements")?;
        Ok(Self { on_email })
    }
}

impl BasicConstraints {
    fn parse(value: &mut Reader<'_>) -> Result<Self, DerError> {
        let mut fields = value.sequence("the basic constraints are not a SEQUENCE")?;
        let ca = fields.default_false()?;
        let path_length = fields.optional(tag::INTEGER)?.map(der::count).transpose()?;
        fields.end("the basic constraints have trailing elements")?;
        Ok(Self { ca, path_length })
    }
}

impl KeyUsage {
    fn parse(value: &mut Reader<'_>) -> Result<Self, DerError> {
        let bits = value.bit_string("the key usage is not a BIT STRING")?;
        Ok(Self {
            digital_signature: bits.bit(0),
            key_agreement: bits.bit(4),
            key_cert_sign: bits.bit(5),
            crl_sign: bits.bit(6),
        })
    }
}

fn parse_extended_key_usage(value: &mut Reader<'_>) -> Result<Vec<Box<[u8]>>, DerError> {
    let list = value.expect(tag::SEQUENCE, "the extended key usage is not a SEQUENCE")?;
    let mut members = list.reader();
    if members.is_empty() {
        return Err(list.error("the extended key usage is empty"));
    }
    let mut purposes = Vec::new();
    while !members.is_empty() {
        purposes.push(members.oid("a key purpose is not an OBJECT IDENTIFIER")?.octets().into());
    }
    Ok(purposes)
}
