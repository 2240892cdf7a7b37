//! The OCSP responder of the throwaway PKI (RFC 6960): POST or GET, over plain HTTP on loopback.
//!
//! Answers are signed by the issuing CA itself when they are asked for, and hold for the second in
//! which they are made, so that a revocation shows at once. Requests may name the certificate by
//! SHA-1 or SHA-256. Not done: signed requests, nonces (none comes back), more than eight
//! certificates in one request.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use ring::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use x509_parser::der_parser::asn1_rs::{Any, FromDer as _};

use crate::certificate::Certificate;
use crate::clock::Clock;
use crate::http::{Connection, Headers, Request, Response};
use crate::pki::PkiError;
use crate::revocation::{Revocation, Status};

/// Certificates in one request.
const MAX_CERTIFICATES: usize = 8;
/// How long a connection may take.
const TIMEOUT: Duration = Duration::from_secs(10);

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const GENERALIZED_TIME: u8 = 0x18;
/// `OCSPResponseStatus` with one octet follows these.
const ENUMERATED: u8 = 0x0a;
/// id-sha1, id-sha256.
const SHA1_OID: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
const SHA256_OID: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// `id-pkix-ocsp-basic`, as an element.
const BASIC: &[u8] = &[0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
/// `ecdsa-with-SHA256`, as an `AlgorithmIdentifier`: what the throwaway PKI's keys sign with.
const ECDSA_SHA256: &[u8] =
    &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/// A responder for one CA.
#[derive(Debug)]
pub struct Responder {
    revocation: Revocation,
    /// The CA's own name in DER.
    name: Vec<u8>,
    clock: Clock,
}

impl Responder {
    /// A responder for the CA that issued `client`, which tells its name.
    #[must_use]
    pub fn new(revocation: Revocation, client: &Certificate, clock: Clock) -> Self {
        Self { revocation, name: client.raw_issuer().to_vec(), clock }
    }

    /// An `OCSPResponse` to an `OCSPRequest`.
    #[must_use]
    pub fn answer(&self, request: &[u8]) -> Vec<u8> {
        const MALFORMED_REQUEST: u8 = 1;
        const INTERNAL_ERROR: u8 = 2;
        let refusal = |status| element(SEQUENCE, &element(ENUMERATED, &[status]));
        let Some(certificates) = certificates(request) else { return refusal(MALFORMED_REQUEST) };
        self.basic(&certificates).unwrap_or_else(|_| refusal(INTERNAL_ERROR))
    }

    fn basic(&self, certificates: &[CertificateId<'_>]) -> Result<Vec<u8>, PkiError> {
        let now = element(GENERALIZED_TIME, generalized_time(self.clock.now()).as_bytes());
        let key: &KeyPair = self.revocation.ca.key();
        let mut statements = Vec::new();
        for certificate in certificates {
            let status = match self.status(certificate)? {
                Status::Good => element(0x80, &[]),
                Status::Revoked(since) => {
                    let since = element(GENERALIZED_TIME, generalized_time(since).as_bytes());
                    // keyCompromise
                    let reason = element(0xa0, &element(ENUMERATED, &[1]));
                    element(0xa1, &[since, reason].concat())
                }
                Status::Unknown => element(0x82, &[]),
            };
            let next_update = element(0xa0, &now);
            let parts = [certificate.der, &status, &now, &next_update].concat();
            statements.push(element(SEQUENCE, &parts));
        }
        let key_hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, key.der_bytes());
        let by_key = element(0xa2, &element(OCTET_STRING, key_hash.as_ref()));
        let statements = element(SEQUENCE, &statements.concat());
        let data = element(SEQUENCE, &[by_key, now, statements].concat());
        let signature = [&[0], key.sign(&data)?.as_slice()].concat();
        let basic = [data.as_slice(), ECDSA_SHA256, &element(0x03, &signature)].concat();
        let basic = element(OCTET_STRING, &element(SEQUENCE, &basic));
        let bytes = element(0xa0, &element(SEQUENCE, &[BASIC, &basic].concat()));
        Ok(element(SEQUENCE, &[element(ENUMERATED, &[0]), bytes].concat()))
    }

    /// Unknown too where another CA is meant.
    fn status(&self, certificate: &CertificateId<'_>) -> Result<Status, PkiError> {
        let hash = |octets| digest(certificate.algorithm, octets);
        let key = self.revocation.ca.key().der_bytes();
        let own = certificate.issuer_name_hash == hash(&self.name).as_ref()
            && certificate.issuer_key_hash == hash(key).as_ref();
        if own { self.revocation.status(certificate.serial_number) } else { Ok(Status::Unknown) }
    }

    fn respond(&self, request: &Request) -> Response {
        let question = match request.method.as_str() {
            "POST" => Some(request.body.clone()),
            "GET" => from_path(&request.path),
            _ => None,
        };
        let mut headers = Headers::new();
        match question {
            Some(question) => {
                headers.push("Content-Type", "application/ocsp-response");
                headers.push("Cache-Control", "no-store");
                Response { status: 200, headers, body: self.answer(&question) }
            }
            None => Response { status: 400, headers, body: Vec::new() },
        }
    }
}

/// Answers until the listener fails for good; to stop, drop the future.
pub async fn serve(listener: TcpListener, responder: Arc<Responder>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(timeout(TIMEOUT, connection(stream, Arc::clone(&responder))));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, responder: Arc<Responder>) {
    let mut connection = Connection::new(stream);
    let Ok(head) = connection.read_request_head().await else { return };
    let Ok(request) = connection.read_request_body(head).await else { return };
    if connection.write_response(&responder.respond(&request), false, true).await.is_ok() {
        connection.close(0).await;
    }
}

/// What names a certificate, with the whole `CertID` as it is to come back.
struct CertificateId<'a> {
    der: &'a [u8],
    algorithm: &'static digest::Algorithm,
    issuer_name_hash: &'a [u8],
    issuer_key_hash: &'a [u8],
    serial_number: &'a [u8],
}

/// The certificates that a request asks about; none where it is none.
fn certificates(request: &[u8]) -> Option<Vec<CertificateId<'_>>> {
    // OCSPRequest, tbsRequest; version and name of whoever asks may come first.
    let mut rest = contents(contents(request)?)?;
    let list = loop {
        let (after, first) = Any::from_der(rest).ok()?;
        if first.header.is_universal() {
            break first.data;
        }
        rest = after;
    };
    let mut certificates = Vec::new();
    let mut rest = list;
    while !rest.is_empty() && certificates.len() < MAX_CERTIFICATES {
        let (after, single) = Any::from_der(rest).ok()?;
        let (options, id) = Any::from_der(single.data).ok()?;
        let der = single.data.get(..single.data.len() - options.len())?;
        let (rest_of_id, algorithm) = Any::from_der(id.data).ok()?;
        let (_, oid) = Any::from_der(algorithm.data).ok()?;
        let (rest_of_id, issuer_name_hash) = Any::from_der(rest_of_id).ok()?;
        let (rest_of_id, issuer_key_hash) = Any::from_der(rest_of_id).ok()?;
        let (_, serial_number) = Any::from_der(rest_of_id).ok()?;
        certificates.push(CertificateId {
            der,
            algorithm: match oid.data {
                SHA1_OID => &SHA1_FOR_LEGACY_USE_ONLY,
                SHA256_OID => &SHA256,
                _ => return None,
            },
            issuer_name_hash: issuer_name_hash.data,
            issuer_key_hash: issuer_key_hash.data,
            serial_number: serial_number.data,
        });
        rest = after;
    }
    (!certificates.is_empty()).then_some(certificates)
}

fn contents(der: &[u8]) -> Option<&[u8]> {
    Any::from_der(der).ok().map(|(_, element)| element.data)
}

/// The last segment of a path, percent- and base64-decoded.
fn from_path(path: &str) -> Option<Vec<u8>> {
    let text = path.trim_start_matches('/');
    let text = text.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    STANDARD.decode(text).ok()
}

/// An element in DER.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    let length = contents.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|octet| *octet == 0).collect();
    match significant.as_slice() {
        [] => element.push(0),
        [short @ 0..=0x7f] => element.push(*short),
        long => {
            // A usize has at most eight octets.
            element.push(0x80 | u8::try_from(long.len()).unwrap_or_default());
            element.extend_from_slice(long);
        }
    }
    element.extend_from_slice(contents);
    element
}

fn generalized_time(at: OffsetDateTime) -> String {
    let form = format_description!("[year][month][day][hour][minute][second]Z");
    at.format(form).unwrap_or_default()
}
