//! The server's side of TLS 1.2 and 1.3, with a client certificate asked for.
//!
//! API Gateway completes the handshake with a certificate that it does not trust and answers 403,
//! so there the verifier accepts every certificate whose key signed the handshake, and
//! [`TrustStore`] judges it afterwards; a client without a certificate is refused by TLS itself. A
//! load balancer that verifies ends the handshake of a certificate that it does not trust, and one
//! that does not verify lets in also a client without. X.509 v1 certificates must get in, which the verifier of rustls cannot
//! read: the handshake's signature is verified with the bare public key.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved,
    ServerConfig, SignatureScheme,
};
use webpki::RawPublicKeyEntity;

use crate::certificate::Certificate;
use crate::clock::Clock;
use crate::trust::{TrustStore, Untrusted};

/// What the handshake demands of a client.
#[derive(Debug, Clone)]
pub enum Demand {
    /// A certificate, trusted or not, as API Gateway.
    AnyCertificate,
    /// A certificate that a trust store leads to, as a load balancer in verify mode.
    Trusted(TrustStore, Clock),
    /// Nothing, as a load balancer in passthrough mode.
    Nothing,
}

/// The configuration of the listener.
///
/// # Errors
/// Where `chain` and `key` are no usable pair.
pub fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    demand: Demand,
) -> Result<ServerConfig, Error> {
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let verifier = KeyHolder { algorithms: provider.signature_verification_algorithms, demand };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Accepts the certificates that are demanded, from whoever holds their key.
struct KeyHolder {
    algorithms: WebPkiSupportedAlgorithms,
    demand: Demand,
}

impl fmt::Debug for KeyHolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyHolder")
    }
}

impl ClientCertVerifier for KeyHolder {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // None: a client shall show what it has, also where nobody here would trust it.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let certificate = Certificate::from_connection(end_entity).map_err(|_| bad_encoding())?;
        if let Demand::Trusted(store, clock) = &self.demand {
            store.verify(&certificate, clock.now()).map_err(untrusted)?;
        }
        Ok(ClientCertVerified::assertion())
    }

    fn client_auth_mandatory(&self) -> bool {
        !matches!(self.demand, Demand::Nothing)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // In TLS 1.2 a scheme does not fix the curve: each algorithm of the scheme may be meant.
        self.verify_signature(message, certificate, signed, usize::MAX)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let legacy = matches!(
            signed.scheme,
            SignatureScheme::RSA_PKCS1_SHA256
                | SignatureScheme::RSA_PKCS1_SHA384
                | SignatureScheme::RSA_PKCS1_SHA512
        );
        if legacy {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        self.verify_signature(message, certificate, signed, 1)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl KeyHolder {
    /// Tries the first `at_most` algorithms of the scheme.
    fn verify_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        at_most: usize,
    ) -> Result<HandshakeSignatureValid, Error> {
        let certificate = Certificate::from_connection(certificate).map_err(|_| bad_encoding())?;
        let key = certificate.public_key();
        let key = RawPublicKeyEntity::try_from(&key).map_err(|_| bad_encoding())?;
        let (_, algorithms) = self
            .algorithms
            .mapping
            .iter()
            .find(|(scheme, _)| *scheme == signed.scheme)
            .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        algorithms
            .iter()
            .take(at_most)
            .find(|algorithm| {
                key.verify_signature(**algorithm, message, signed.signature()).is_ok()
            })
            .map(|_| HandshakeSignatureValid::assertion())
            .ok_or(Error::InvalidCertificate(CertificateError::BadSignature))
    }
}

fn untrusted(why: Untrusted) -> Error {
    Error::InvalidCertificate(match why {
        Untrusted::Expired => CertificateError::Expired,
        Untrusted::NotYetValid => CertificateError::NotValidYet,
        Untrusted::NoPath | Untrusted::PathTooLong => CertificateError::UnknownIssuer,
    })
}

fn bad_encoding() -> Error {
    Error::InvalidCertificate(CertificateError::BadEncoding)
}
