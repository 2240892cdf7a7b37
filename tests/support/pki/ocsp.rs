//! OCSP answers (RFC 6960).

use super::{certificate::Authority, der::*, key::Key};

/// The fields of an OCSPResponse that holds a BasicOCSPResponse.
#[derive(Clone, Debug)]
pub struct OcspResponse {
    /// The ENUMERATED responseStatus; 0 is `successful`.
    pub status: u8,
    /// The type of response, dotted.
    pub response_type: String,
    /// The `[0]` element; `None` is v1, the only one there is.
    pub version: Option<Der>,
    /// Of [`responder_by_key`] or [`responder_by_name`]; `None`: the signer's key.
    pub responder_id: Option<Der>,
    pub produced_at: Der,
    pub responses: Vec<SingleResponse>,
    /// Response extensions, such as a nonce.
    pub extensions: Option<Vec<Der>>,
    /// Certificates that come along, such as a delegated signer's; `Some` of none writes an empty SEQUENCE.
    pub certificates: Option<Vec<Der>>,
    /// The algorithm outside; `None`: the signer's.
    pub signature_algorithm: Option<Der>,
}

impl OcspResponse {
    /// An answer of these responses, produced an hour ago.
    pub fn of(responses: Vec<SingleResponse>) -> Self {
        Self {
            status: 0,
            response_type: "1.3.6.1.5.5.7.48.1.1".to_owned(),
            version: None,
            responder_id: None,
            produced_at: generalized_time(NOW - HOUR),
            responses,
            extensions: None,
            certificates: None,
            signature_algorithm: None,
        }
    }

    /// The ResponseData.
    pub fn to_be_signed(&self, key: &Key) -> Der {
        let responses: Vec<Der> = self.responses.iter().map(SingleResponse::to_der).collect();
        sequence(&[
            self.version.clone().unwrap_or_default(),
            self.responder_id.clone().unwrap_or_else(|| responder_by_key(key)),
            self.produced_at.clone(),
            sequence(&responses),
            self.extensions.as_ref().map(|list| explicit(1, &sequence(list))).unwrap_or_default(),
        ])
    }

    /// The OCSPResponse, signed with `key`.
    pub fn signed_by(&self, key: &Key) -> Der {
        let signed = self.to_be_signed(key);
        let certificates = self.certificates.as_ref().map(|list| explicit(0, &sequence(list)));
        let basic = sequence(&[
            signed.clone(),
            self.signature_algorithm.clone().unwrap_or_else(|| key.algorithm()),
            bit_string(&key.sign(&signed)),
            certificates.unwrap_or_default(),
        ]);
        let bytes = sequence(&[oid(&self.response_type), octet_string(&basic)]);
        sequence(&[enumerated(self.status), explicit(0, &bytes)])
    }
}

/// An OCSPResponse of a status other than `successful`, which holds no answer: 1 malformedRequest, 2 internalError,
/// 3 tryLater, 5 sigRequired, 6 unauthorized.
pub fn ocsp_error(status: u8) -> Der {
    sequence(&[enumerated(status)])
}

pub fn responder_by_name(name: &[u8]) -> Der {
    explicit(1, name)
}

pub fn responder_by_key(key: &Key) -> Der {
    explicit(2, &octet_string(&key.id()))
}

/// What an answer says about one certificate.
#[derive(Clone, Debug)]
pub struct SingleResponse {
    pub cert_id: Der,
    /// `[0]` good, `[1]` revoked, `[2]` unknown.
    pub cert_status: Der,
    pub this_update: Der,
    pub next_update: Option<Der>,
    pub extensions: Option<Vec<Der>>,
}

impl SingleResponse {
    /// `good`, from an hour ago to in an hour, for the certificate of this serial number that `issuer` issued.
    pub fn good(issuer: &Authority, serial_number: &[u8]) -> Self {
        Self {
            cert_id: CertId::sha1(issuer, serial_number).to_der(),
            cert_status: implicit(0, &[]),
            this_update: generalized_time(NOW - HOUR),
            next_update: Some(generalized_time(NOW + HOUR)),
            extensions: None,
        }
    }

    /// `revoked` at an instant, with a CRLReason or none.
    pub fn revoked(issuer: &Authority, serial_number: &[u8], at: i64, reason: Option<u8>) -> Self {
        let reason = reason.map(|code| explicit(0, &enumerated(code))).unwrap_or_default();
        let cert_status = explicit(1, &concat(&[generalized_time(at), reason]));
        Self { cert_status, ..Self::good(issuer, serial_number) }
    }

    /// `unknown`.
    pub fn unknown(issuer: &Authority, serial_number: &[u8]) -> Self {
        Self { cert_status: implicit(2, &[]), ..Self::good(issuer, serial_number) }
    }

    fn to_der(&self) -> Der {
        sequence(&[
            self.cert_id.clone(),
            self.cert_status.clone(),
            self.this_update.clone(),
            self.next_update.as_ref().map(|time| explicit(0, time)).unwrap_or_default(),
            self.extensions.as_ref().map(|list| explicit(1, &sequence(list))).unwrap_or_default(),
        ])
    }
}

/// A CertID: the certificate that a request or an answer is about.
#[derive(Clone, Debug)]
pub struct CertId {
    pub hash_algorithm: Der,
    pub issuer_name_hash: Vec<u8>,
    pub issuer_key_hash: Vec<u8>,
    /// Contents octets.
    pub serial_number: Vec<u8>,
}

impl CertId {
    /// By SHA-1, as nearly every responder has it.
    pub fn sha1(issuer: &Authority, serial_number: &[u8]) -> Self {
        Self {
            hash_algorithm: sequence(&[oid("1.3.14.3.2.26"), null()]),
            issuer_name_hash: sha1(&issuer.name),
            issuer_key_hash: sha1(&issuer.key.public_key_bits()),
            serial_number: serial_number.to_vec(),
        }
    }

    /// By SHA-256.
    pub fn sha256(issuer: &Authority, serial_number: &[u8]) -> Self {
        Self {
            hash_algorithm: sequence(&[oid("2.16.840.1.101.3.4.2.1"), null()]),
            issuer_name_hash: sha256(&issuer.name),
            issuer_key_hash: sha256(&issuer.key.public_key_bits()),
            serial_number: serial_number.to_vec(),
        }
    }

    pub fn to_der(&self) -> Der {
        sequence(&[
            self.hash_algorithm.clone(),
            octet_string(&self.issuer_name_hash),
            octet_string(&self.issuer_key_hash),
            integer(&self.serial_number),
        ])
    }
}
