//! Where an event presents the client's certificate: in its request context, or in the headers of a load balancer.
//!
//! Which of them is a matter of configuration, never guessed from the event: whoever reaches a private API past
//! its load balancer can send any header. So with a load balancer the call must have come through a pinned VPC
//! endpoint, and what the load balancer says about the certificate must agree with the certificate itself
//! ("Mutual authentication with TLS in Application Load Balancer" in the ELB guide).

use std::borrow::Cow;

use crate::{
    certificate::{Certificate, Malformed, name::parse_rfc4514, pem},
    decision::{Denial, Evidence, Reason},
    event::{
        EventFault, Request,
        headers::{Header, HeaderFields},
    },
    hex,
    policy::configuration::{AlbVerifyHeaders, Presentation},
    timestamp::Timestamp,
};

/// What an event presents.
#[derive(Debug)]
pub struct Presented<'a> {
    /// The client's certificate, unread.
    pub leaf: Leaf<'a>,
    /// The certificates that came with it, as DER, unread.
    pub others: Vec<Vec<u8>>,
    /// What the load balancer says about the certificate.
    pub assertions: Option<Assertions>,
}

/// A client's certificate as it came.
#[derive(Debug)]
pub enum Leaf<'a> {
    /// The first block of this text.
    Pem(Cow<'a, str>),
    /// Bytes of DER.
    Der(Vec<u8>),
}

/// What a load balancer in verify mode says about a certificate, beside the certificate.
#[derive(Debug)]
pub struct Assertions {
    serial_number: Header,
    subject: Header,
    issuer: Header,
    validity: Header,
}

/// Finds the certificate of a request.
///
/// # Errors
/// A denial: past the pinned endpoints, without a certificate, with a repeated header, or with a chain that is no PEM.
/// Or a fault, where the event's headers are none.
pub fn present<'a>(
    request: &'a Request<'_>,
    presentation: &Presentation,
) -> Result<Result<Presented<'a>, Denial>, EventFault> {
    match presentation {
        Presentation::ApiGateway => Ok(from_context(request)),
        Presentation::AlbVerify { vpc_endpoints, headers } => {
            match through(request, vpc_endpoints) {
                Ok(()) => from_leaf(request, headers),
                Err(denial) => Ok(Err(denial)),
            }
        }
        Presentation::AlbPassthrough { vpc_endpoints, chain } => {
            match through(request, vpc_endpoints) {
                Ok(()) => from_chain(request, chain),
                Err(denial) => Ok(Err(denial)),
            }
        }
    }
}

fn malformed(malformed: &Malformed) -> Denial {
    Denial::new(Reason::MalformedCertificate).with("rule", malformed)
}

fn from_context<'a>(request: &'a Request<'_>) -> Result<Presented<'a>, Denial> {
    let text =
        request.client_certificate.as_deref().ok_or(Denial::new(Reason::NoClientCertificate))?;
    let leaf = Leaf::Pem(text.into());
    Ok(Presented { leaf, others: Vec::new(), assertions: None })
}

fn through(request: &Request<'_>, vpc_endpoints: &[String]) -> Result<(), Denial> {
    match &request.vpc_endpoint {
        Some(endpoint) if vpc_endpoints.contains(endpoint) => Ok(()),
        Some(endpoint) => {
            Err(Denial::new(Reason::UntrustedPath).with("vpc_endpoint", endpoint.escape_debug()))
        }
        None => Err(Denial::new(Reason::UntrustedPath).with("vpc_endpoint", "none")),
    }
}

fn from_leaf(
    request: &Request<'_>,
    names: &AlbVerifyHeaders,
) -> Result<Result<Presented<'static>, Denial>, EventFault> {
    let fields = request.headers.read()?;
    let assertions = Assertions {
        serial_number: fields.header(&names.serial_number),
        subject: fields.header(&names.subject),
        issuer: fields.header(&names.issuer),
        validity: fields.header(&names.validity),
    };
    Ok(encoded_pem(&fields, &names.leaf).and_then(|text| {
        if pem::block_count(&text) > 1 {
            return Err(Denial::new(Reason::MalformedCertificate)
                .with("rule", "more than one certificate where the leaf alone belongs"));
        }
        Ok(Presented {
            leaf: Leaf::Pem(text.into()),
            others: Vec::new(),
            assertions: Some(assertions),
        })
    }))
}

fn from_chain(
    request: &Request<'_>,
    name: &str,
) -> Result<Result<Presented<'static>, Denial>, EventFault> {
    let fields = request.headers.read()?;
    Ok(encoded_pem(&fields, name).and_then(|text| {
        let chain = pem::certificates(&text).map_err(|error| malformed(&error))?;
        let mut chain = chain.into_iter();
        let leaf = chain.next().ok_or(Denial::new(Reason::NoClientCertificate))?;
        Ok(Presented { leaf: Leaf::Der(leaf), others: chain.collect(), assertions: None })
    }))
}

/// The text of a URL-encoded header.
fn encoded_pem(fields: &HeaderFields, name: &str) -> Result<String, Denial> {
    match fields.header(name) {
        Header::Absent => Err(Denial::new(Reason::NoClientCertificate)),
        // A comma joins the values of a header that was sent twice; in PEM there is none.
        Header::One(value) if value.contains(',') => Err(repeated(name)),
        Header::Repeated => Err(repeated(name)),
        Header::One(value) => percent_decode(&value).ok_or_else(|| {
            Denial::new(Reason::MalformedCertificate)
                .with("rule", "the header is not percent-encoded ASCII")
        }),
    }
}

fn repeated(name: &str) -> Denial {
    Denial::new(Reason::HeaderMismatch)
        .with("header", name)
        .with("why", "sent more than once, or with two values")
}

/// Decodes `%` and two hex digits; everything else stays as it is, `+` too, which base64 is full of.
fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first != b'%' {
            decoded.push(*first);
            rest = after;
            continue;
        }
        let [high, low, after @ ..] = after else { return None };
        let digit = |digit: u8| char::from(digit).to_digit(16);
        decoded.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
        rest = after;
    }
    String::from_utf8(decoded).ok().filter(|text| text.is_ascii())
}

impl Assertions {
    /// Checks that what the load balancer says is so.
    ///
    /// Serial number and validity must be there and agree. How names are rendered is not documented, so one that
    /// is no RFC 4514 text is only noted; one that can be read and differs is a mismatch.
    ///
    /// # Errors
    /// `header-mismatch`, with the header's kind.
    pub fn check(
        &self,
        certificate: &Certificate,
        names: &AlbVerifyHeaders,
    ) -> Result<Evidence, Denial> {
        let mismatch = |name: &str| {
            Denial::new(Reason::HeaderMismatch)
                .with("header", name)
                .with("why", "at odds with the certificate")
        };
        let value = |header: &Header, name: &str| match header {
            Header::One(value) => Ok(Some(value.clone())),
            Header::Absent => Ok(None),
            Header::Repeated => Err(repeated(name)),
        };
        let serial_number = value(&self.serial_number, &names.serial_number)?;
        if serial_number.and_then(|text| hex::magnitude(&text)).as_deref()
            != Some(certificate.serial_number().magnitude())
        {
            return Err(mismatch(&names.serial_number));
        }
        let validity = certificate.validity();
        if value(&self.validity, &names.validity)?.and_then(|text| period(&text))
            != Some((validity.not_before, validity.not_after))
        {
            return Err(mismatch(&names.validity));
        }
        let mut notes = Evidence::default();
        for (header, name, actual) in [
            (&self.subject, &names.subject, certificate.subject()),
            (&self.issuer, &names.issuer, certificate.issuer()),
        ] {
            let said = value(header, name)?.unwrap_or_default();
            let said = if said.is_empty() { Some(String::new()) } else { canonical(&said) };
            match (said, actual.canonical()) {
                (Some(said), Some(actual)) if said == actual => {}
                (Some(said), Some(_)) if !said.is_empty() => return Err(mismatch(name)),
                _ => notes.add("header_not_compared", name),
            }
        }
        Ok(notes)
    }
}

fn canonical(text: &str) -> Option<String> {
    parse_rfc4514(text).ok().map(|name| name.as_str().to_owned())
}

/// `NotBefore=…;NotAfter=…`, both RFC 3339.
fn period(text: &str) -> Option<(Timestamp, Timestamp)> {
    let (not_before, not_after) = text.split_once(';')?;
    let not_before = not_before.trim().strip_prefix("NotBefore=")?;
    let not_after = not_after.trim().strip_prefix("NotAfter=")?;
    Some((Timestamp::parse_rfc3339(not_before)?, Timestamp::parse_rfc3339(not_after)?))
}
