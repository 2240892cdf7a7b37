//! The question (RFC 6960, section 4.1), and whom to put it to.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::{
    certificate::Certificate,
    der::{DerError, Element, Reader, encode, tag},
    signature::key_octets,
};

/// The question whether an authority has revoked a certificate that it issued.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub(super) certificate: &'a Certificate,
    pub(super) issuer: &'a Certificate,
}

impl<'a> Question<'a> {
    /// The question about `certificate`, which `issuer` is known to have issued.
    #[must_use]
    pub fn new(certificate: &'a Certificate, issuer: &'a Certificate) -> Self {
        Self { certificate, issuer }
    }

    /// An `OCSPRequest` for this certificate alone, unsigned and without a nonce: what POST sends as
    /// `application/ocsp-request`.
    ///
    /// The certificate is named by SHA-1, which every responder knows. Nothing rests on its strength: the
    /// answer says what it is about, and is signed.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        // SHA-1 with NULL parameters, as RFC 5019, section 2.1.1, has it.
        const SHA1: &[u8] = &[0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00];
        let by_sha1 = |octets| digest(&SHA1_FOR_LEGACY_USE_ONLY, octets);
        let certificate_id = [
            SHA1.to_vec(),
            encode(tag::OCTET_STRING, by_sha1(self.issuer_name()).as_ref()),
            encode(tag::OCTET_STRING, by_sha1(self.issuer_key()).as_ref()),
            encode(tag::INTEGER, self.certificate.serial_number().der_contents()),
        ];
        // Request, requestList, tbsRequest, OCSPRequest.
        let certificate_id = encode(tag::SEQUENCE, &certificate_id.concat());
        (0..4).fold(certificate_id, |inner, _| encode(tag::SEQUENCE, &inner))
    }

    /// The same as one segment of a path, to be appended to the responder's URL: what GET asks for (RFC 6960,
    /// appendix A.1).
    #[must_use]
    pub fn to_path_segment(&self) -> String {
        STANDARD.encode(self.to_der()).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
    }

    /// Whether a `CertID` names this certificate.
    pub(super) fn is_named_by(&self, name: &CertificateId<'_>) -> bool {
        let hash = |octets| digest(name.algorithm, octets);
        name.serial_number == self.certificate.serial_number().der_contents()
            && name.issuer_name_hash == hash(self.issuer_name()).as_ref()
            && name.issuer_key_hash == hash(self.issuer_key()).as_ref()
    }

    fn issuer_name(&self) -> &'a [u8] {
        self.issuer.subject().der()
    }

    fn issuer_key(&self) -> &'a [u8] {
        key_octets(self.issuer.subject_public_key_info()).unwrap_or_default()
    }
}

/// A `CertID` by a hash that is known here.
pub(super) struct CertificateId<'a> {
    algorithm: &'static digest::Algorithm,
    issuer_name_hash: &'a [u8],
    issuer_key_hash: &'a [u8],
    serial_number: &'a [u8],
}

impl<'a> CertificateId<'a> {
    /// Reads a `CertID`; `None` where it is by another hash than SHA-1 or SHA-256.
    pub(super) fn parse(fields: &mut Reader<'a>) -> Result<Option<Self>, DerError> {
        let mut fields = fields.sequence("an answer names no certificate")?;
        let hash = fields.expect(tag::SEQUENCE, "a certificate is named by no hash")?;
        let algorithm = parse_hash(hash)?;
        let name = fields.expect(tag::OCTET_STRING, "a certificate's issuer is not named")?;
        let key = fields.expect(tag::OCTET_STRING, "a certificate's issuer has no key")?;
        let serial_number = fields.integer("a certificate has no serial number")?;
        fields.end("there are elements after a certificate's serial number")?;
        Ok(algorithm.map(|algorithm| Self {
            algorithm,
            issuer_name_hash: name.content,
            issuer_key_hash: key.content,
            serial_number,
        }))
    }
}

fn parse_hash(identifier: Element<'_>) -> Result<Option<&'static digest::Algorithm>, DerError> {
    let mut fields = identifier.reader();
    let oid = fields.oid("a hash has no identifier")?;
    let algorithm = match oid.octets() {
        [0x2b, 0x0e, 0x03, 0x02, 0x1a] => &SHA1_FOR_LEGACY_USE_ONLY,
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01] => &digest::SHA256,
        _ => return Ok(None),
    };
    if let Some(null) = fields.optional(tag::NULL)?
        && !null.content.is_empty()
    {
        return Err(null.error("a NULL is not empty"));
    }
    fields.end("a hash has parameters that it can't have")?;
    Ok(Some(algorithm))
}

/// The URIs of the OCSP responders that an authority information access extension names (RFC 5280, section
/// 4.2.2.1), in its order, whatever their scheme. Locations that are no URI, and other access methods, are
/// passed over.
///
/// # Errors
/// Anything but the DER of the extension's value.
pub fn responders(authority_information_access: &[u8]) -> Result<Vec<&str>, DerError> {
    const OCSP: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];
    const URI: u8 = tag::context(6);
    let mut outer = Reader::new(authority_information_access);
    let mut descriptions = outer.sequence("the authority information access is no SEQUENCE")?;
    outer.end("something follows the authority information access")?;
    if descriptions.is_empty() {
        return Err(descriptions.error("the authority information access is empty"));
    }
    let mut uris = Vec::new();
    while !descriptions.is_empty() {
        let mut description = descriptions.sequence("an access description is no SEQUENCE")?;
        let method = description.oid("an access description has no method")?;
        let location = description.any()?;
        description.end("there are elements after an access location")?;
        if method.octets() == OCSP && location.tag == URI {
            let uri = std::str::from_utf8(location.content).ok().filter(|uri| uri.is_ascii());
            uris.push(uri.ok_or(location.error("a URI is not ASCII"))?);
        }
    }
    Ok(uris)
}
