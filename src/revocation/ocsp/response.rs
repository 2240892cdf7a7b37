//! The answer's structure (RFC 6960, section 4.2), read strictly and judged elsewhere.

use super::{Obstacle, ResponderStatus, request::CertificateId};
use crate::{
    der::{self, DerError, Element, Oid, Reader, tag},
    revocation::crl::ReasonCode,
    signature::SignatureAlgorithm,
    timestamp::Timestamp,
};

/// A `BasicOCSPResponse`.
pub(super) struct BasicResponse<'a> {
    /// `tbsResponseData`, as DER.
    pub(super) signed: &'a [u8],
    pub(super) responder: ResponderId<'a>,
    pub(super) produced_at: Timestamp,
    pub(super) responses: Vec<SingleResponse<'a>>,
    /// Whether a nonce came back.
    pub(super) has_nonce: bool,
    /// The first critical extension of the whole answer that is not understood; dotted.
    pub(super) unknown_critical_extension: Option<String>,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) signature: &'a [u8],
    /// Certificates that came along, unread, as DER.
    pub(super) certificates: Vec<&'a [u8]>,
}

/// Who says that they signed.
#[derive(Clone, Copy)]
pub(super) enum ResponderId<'a> {
    /// A `Name`, as DER.
    Name(&'a [u8]),
    /// SHA-1 of a key.
    KeyHash(&'a [u8]),
}

/// What is said about one certificate.
pub(super) struct SingleResponse<'a> {
    /// `None` where it is named by a hash that is not known here.
    pub(super) certificate: Option<CertificateId<'a>>,
    pub(super) status: CertificateStatus,
    pub(super) this_update: Timestamp,
    pub(super) next_update: Option<Timestamp>,
    /// The first critical extension of this response that is not understood; dotted.
    pub(super) unknown_critical_extension: Option<String>,
}

/// `CertStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CertificateStatus {
    Good,
    Revoked { at: Timestamp, reason: ReasonCode },
    Unknown,
}

/// Reads an `OCSPResponse`.
pub(super) fn parse(response: &[u8]) -> Result<BasicResponse<'_>, Obstacle> {
    const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
    let mut outer = Reader::new(response);
    let mut fields = outer.sequence("the answer is not a SEQUENCE")?;
    outer.end("there are bytes after the answer")?;
    let status = fields.expect(tag::ENUMERATED, "the answer has no status")?;
    let bytes = fields.optional(tag::context_constructed(0))?;
    fields.end("there are elements after the answer")?;
    match (der::integer(status)?, &bytes) {
        ([0], Some(_)) => {}
        ([0], None) => return Err(fields.error("a successful answer says nothing").into()),
        ([code], _) => return Err(Obstacle::NoAnswer(ResponderStatus::from_code(*code))),
        _ => return Err(status.error("the answer's status is none of RFC 6960's").into()),
    }
    let Some(bytes) = bytes else { return Err(status.error("the answer is empty").into()) };
    let mut bytes_outer = bytes.reader();
    let mut bytes = bytes_outer.sequence("the answer's bytes are not a SEQUENCE")?;
    bytes_outer.end("there are elements after the answer's bytes")?;
    let kind = bytes.oid("the answer has no type")?;
    let value = bytes.expect(tag::OCTET_STRING, "the answer has no bytes")?;
    bytes.end("there are elements after the answer's bytes")?;
    if kind.octets() != BASIC {
        return Err(Obstacle::UnknownKind(kind.to_string()));
    }
    let mut basic_outer = value.reader();
    let basic = basic_outer.expect(tag::SEQUENCE, "the basic answer is not a SEQUENCE")?;
    basic_outer.end("there are bytes after the basic answer")?;
    Ok(BasicResponse::parse(basic)?)
}

impl<'a> BasicResponse<'a> {
    fn parse(basic: Element<'a>) -> Result<Self, DerError> {
        let mut fields = basic.reader();
        let data = fields.expect(tag::SEQUENCE, "the answer has no data")?;
        let algorithm = fields.expect(tag::SEQUENCE, "the answer has no signature algorithm")?;
        let algorithm = SignatureAlgorithm::parse(algorithm)?;
        let signature = fields.bit_string("the answer has no signature")?;
        if signature.unused_bits != 0 {
            return Err(fields.error("the answer's signature is not of whole bytes"));
        }
        let certificates = match fields.optional(tag::context_constructed(0))? {
            Some(element) => parse_certificates(element)?,
            None => Vec::new(),
        };
        fields.end("there are elements after the answer's certificates")?;

        let mut fields = data.reader();
        if let Some(version) = fields.optional(tag::context_constructed(0))? {
            // Version 1 is the default, and there is no other.
            return Err(version.error("the answer is not of version 1, or spells it out"));
        }
        let responder = ResponderId::parse(&mut fields)?;
        let produced_at = generalized_time(&mut fields, "the answer was produced at no time")?;
        let list = fields.expect(tag::SEQUENCE, "the answer has no list of responses")?;
        let extensions = Extensions::parse(&mut fields)?;
        fields.end("there are elements after the answer's extensions")?;
        let mut members = list.reader();
        let mut responses = Vec::new();
        while !members.is_empty() {
            responses.push(SingleResponse::parse(&mut members)?);
        }
        Ok(Self {
            signed: data.raw,
            responder,
            produced_at,
            responses,
            has_nonce: extensions.has_nonce,
            unknown_critical_extension: extensions.unknown_critical,
            algorithm,
            signature: signature.octets,
            certificates,
        })
    }
}

impl<'a> ResponderId<'a> {
    fn parse(fields: &mut Reader<'a>) -> Result<Self, DerError> {
        let element = fields.any()?;
        let mut inner = element.reader();
        let responder = if element.tag == tag::context_constructed(1) {
            Self::Name(inner.expect(tag::SEQUENCE, "the responder's name is not a SEQUENCE")?.raw)
        } else if element.tag == tag::context_constructed(2) {
            Self::KeyHash(
                inner.expect(tag::OCTET_STRING, "the responder's key has no hash")?.content,
            )
        } else {
            return Err(element.error("the responder is named neither by its name nor by its key"));
        };
        inner.end("there are elements after the responder")?;
        Ok(responder)
    }
}

impl<'a> SingleResponse<'a> {
    fn parse(members: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = members.sequence("a response is not a SEQUENCE")?;
        let certificate = CertificateId::parse(&mut fields)?;
        let status = CertificateStatus::parse(fields.any()?)?;
        let this_update = generalized_time(&mut fields, "a response has no thisUpdate")?;
        let next_update = match fields.optional(tag::context_constructed(0))? {
            Some(element) => {
                let mut inner = element.reader();
                let time = generalized_time(&mut inner, "a nextUpdate is not a GeneralizedTime")?;
                inner.end("there are elements after a nextUpdate")?;
                if time < this_update {
                    return Err(element.error("a nextUpdate lies before its thisUpdate"));
                }
                Some(time)
            }
            None => None,
        };
        let extensions = Extensions::parse(&mut fields)?;
        fields.end("there are elements after a response")?;
        Ok(Self {
            certificate,
            status,
            this_update,
            next_update,
            unknown_critical_extension: extensions.unknown_critical,
        })
    }
}

impl CertificateStatus {
    fn parse(element: Element<'_>) -> Result<Self, DerError> {
        const GOOD: u8 = tag::context(0);
        const REVOKED: u8 = tag::context_constructed(1);
        const UNKNOWN: u8 = tag::context(2);
        match (element.tag, element.content) {
            (GOOD, []) => Ok(Self::Good),
            (UNKNOWN, []) => Ok(Self::Unknown),
            (REVOKED, _) => {
                let mut fields = element.reader();
                let at = generalized_time(&mut fields, "a revocation has no time")?;
                let reason = match fields.optional(tag::context_constructed(0))? {
                    Some(element) => parse_reason(element)?,
                    None => ReasonCode::Unspecified,
                };
                fields.end("there are elements after a revocation")?;
                Ok(Self::Revoked { at, reason })
            }
            _ => Err(element.error("a status is neither good nor revoked nor unknown")),
        }
    }
}

/// A code that means nothing is read as no reason: the certificate is revoked all the same.
fn parse_reason(element: Element<'_>) -> Result<ReasonCode, DerError> {
    let mut fields = element.reader();
    let code = der::integer(fields.expect(tag::ENUMERATED, "a reason is not an ENUMERATED")?)?;
    fields.end("there are elements after a reason")?;
    let known = if let [code] = code { ReasonCode::from_code(*code) } else { None };
    Ok(known.unwrap_or(ReasonCode::Unspecified))
}

/// RFC 6960 knows no `UTCTime`.
fn generalized_time(fields: &mut Reader<'_>, rule: &'static str) -> Result<Timestamp, DerError> {
    der::time(fields.expect(tag::GENERALIZED_TIME, rule)?)
}

fn parse_certificates(element: Element<'_>) -> Result<Vec<&[u8]>, DerError> {
    let mut outer = element.reader();
    let mut members = outer.sequence("the answer's certificates are not a SEQUENCE")?;
    outer.end("there are elements after the answer's certificates")?;
    let mut certificates = Vec::new();
    while !members.is_empty() {
        certificates.push(members.expect(tag::SEQUENCE, "a certificate is not a SEQUENCE")?.raw);
    }
    Ok(certificates)
}

/// `[1] EXPLICIT Extensions OPTIONAL`, of the answer or of one response.
#[derive(Default)]
struct Extensions {
    has_nonce: bool,
    unknown_critical: Option<String>,
}

impl Extensions {
    fn parse(fields: &mut Reader<'_>) -> Result<Self, DerError> {
        const NONCE: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02];
        let mut extensions = Self::default();
        let Some(element) = fields.optional(tag::context_constructed(1))? else {
            return Ok(extensions);
        };
        let mut outer = element.reader();
        let mut members = outer.sequence("the extensions are not a SEQUENCE")?;
        outer.end("there are elements after the extensions")?;
        let mut seen: Vec<Oid<'_>> = Vec::new();
        while !members.is_empty() {
            let extension = members.expect(tag::SEQUENCE, "an extension is not a SEQUENCE")?;
            let mut fields = extension.reader();
            let oid = fields.oid("an extension has no identifier")?;
            let critical = fields.default_false()?;
            fields.expect(tag::OCTET_STRING, "an extension has no value")?;
            fields.end("an extension has elements after its value")?;
            // A list of extensions is short: a megabyte of them would be refused as too large.
            if seen.contains(&oid) {
                return Err(extension.error("an extension occurs twice"));
            }
            seen.push(oid);
            if oid.octets() == NONCE {
                extensions.has_nonce = true;
            } else if critical && extensions.unknown_critical.is_none() {
                extensions.unknown_critical = Some(oid.to_string());
            }
        }
        Ok(extensions)
    }
}
