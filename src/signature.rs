//! Public keys, signature algorithms, and the one place where a signature is verified.
//!
//! Certificates, revocation lists and OCSP answers are all signed the same way: an `AlgorithmIdentifier`, a
//! `SubjectPublicKeyInfo` and a `BIT STRING` (RFC 5280, sections 4.1.1 and 4.1.2.7; RFC 4055, 5480, 8410).
//! The arithmetic is `ring`'s; what it leaves out of ECDSA is in [`ecdsa`]. MD2, MD4, MD5, DSA, Ed448 and keys
//! on other curves are named in errors and never accepted. Neither are RSA-PSS keys of their own type (RFC 4055,
//! section 1.2); RSA-PSS signatures by plain RSA keys are.

pub mod ecdsa;
pub(crate) mod webpki;

use std::fmt;

use ring::signature as algorithms;

use crate::der::{self, DerError, Element, Oid, Reader, tag};

/// A public key's kind and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA.
    Rsa {
        /// The length of the modulus in bits.
        modulus_bits: usize,
        /// Whether the public exponent is odd and at least 3.
        sound_exponent: bool,
    },
    /// An elliptic curve that is accepted.
    EllipticCurve(Curve),
    /// Ed25519.
    Ed25519,
    /// Another kind; the dotted identifier of its algorithm or curve.
    Other(String),
}

/// An elliptic curve of FIPS 186.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// P-256, also called prime256v1 and secp256r1.
    P256,
    /// P-384, also called secp384r1.
    P384,
    /// P-521, also called secp521r1.
    P521,
}

/// A hash function that a signature is made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1: broken for signatures, taken only where the configuration says so.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// How a signature was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1(Hash),
    /// RSASSA-PSS, the mask and the salt as long as the hash says.
    RsaPss(Hash),
    /// ECDSA.
    Ecdsa(Hash),
    /// Ed25519.
    Ed25519,
    /// Another algorithm, or one with parameters that are not accepted; its dotted identifier.
    Other(String),
}

/// What keys and signatures must at least be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strength {
    /// The shortest RSA modulus, in bits.
    pub min_rsa_bits: usize,
    /// Whether signatures over SHA-1 are taken.
    pub allow_sha1: bool,
}

impl Default for Strength {
    /// RSA of 2048 bits, no SHA-1.
    fn default() -> Self {
        Self { min_rsa_bits: 2048, allow_sha1: false }
    }
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// The key is too weak, or of a kind that is not accepted.
    WeakKey(String),
    /// The algorithm is too weak, or not accepted.
    WeakAlgorithm(String),
    /// The algorithm and the key do not go together, or the combination can't be verified here.
    Unsupported(String),
    /// The signature was not made by this key over these bytes.
    Wrong,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WeakKey(why) => write!(f, "the signing key is weak: {why}"),
            Self::WeakAlgorithm(why) => write!(f, "the signature algorithm is weak: {why}"),
            Self::Unsupported(what) => write!(f, "{what} can't be verified"),
            Self::Wrong => f.write_str("the signature does not verify"),
        }
    }
}

impl std::error::Error for SignatureError {}

mod oids {
    pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    pub(super) const RSA_PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    pub(super) const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
    pub(super) const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
    pub(super) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    pub(super) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    pub(super) const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
    pub(super) const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
    pub(super) const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
    pub(super) const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    pub(super) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    pub(super) const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
    pub(super) const SHA2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
}

impl Curve {
    /// Whether octets have the form of a point (SEC 1, section 2.3.3), compressed or not. Whether it is on the curve is
    /// found out where a signature is verified.
    fn may_be_point(self, octets: &[u8]) -> bool {
        let coordinate = match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        };
        match octets.split_first() {
            Some((2 | 3, x)) => x.len() == coordinate,
            Some((4, point)) => point.len() == 2 * coordinate,
            _ => false,
        }
    }
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// Anything but its DER, or an RSA key that is not two positive integers.
    pub fn parse(info: Element<'_>) -> Result<Self, DerError> {
        let (oid, mut parameters, key) = subject_public_key_info(info)?;
        let kind = match oid.octets() {
            oids::RSA => {
                null_parameters(&mut parameters)?;
                parse_rsa(key)?
            }
            oids::EC if parameters.peek() == Some(tag::OID) => {
                let curve = parameters.oid("an elliptic curve has no name")?;
                match curve.octets() {
                    oids::P256 => Self::EllipticCurve(Curve::P256),
                    oids::P384 => Self::EllipticCurve(Curve::P384),
                    oids::P521 => Self::EllipticCurve(Curve::P521),
                    _ => Self::Other(curve.to_string()),
                }
            }
            oids::ED25519 => Self::Ed25519,
            _ => return Ok(Self::Other(oid.to_string())),
        };
        match kind {
            Self::Other(_) => {}
            _ => parameters.end("a public key's algorithm has unknown parameters")?,
        }
        let octets = der::BitString::from_element(key)?.octets;
        let fits = match &kind {
            Self::EllipticCurve(curve) => curve.may_be_point(octets),
            Self::Ed25519 => octets.len() == 32,
            Self::Rsa { .. } | Self::Other(_) => true,
        };
        if fits { Ok(kind) } else { Err(key.error("a public key is no point of its curve")) }
    }

    /// Whether the key is of an accepted kind and long enough.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn check_strength(&self, strength: Strength) -> Result<(), String> {
        match self {
            Self::Rsa { modulus_bits, .. } if *modulus_bits < strength.min_rsa_bits => {
                Err(format!("RSA keys have at least {} bits", strength.min_rsa_bits))
            }
            Self::Rsa { sound_exponent: false, .. } => {
                Err("RSA exponents are odd and at least 3".to_owned())
            }
            Self::Other(_) => Err("keys are RSA, P-256, P-384, P-521 or Ed25519".to_owned()),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { modulus_bits, .. } => write!(f, "RSA-{modulus_bits}"),
            Self::EllipticCurve(Curve::P256) => f.write_str("P-256"),
            Self::EllipticCurve(Curve::P384) => f.write_str("P-384"),
            Self::EllipticCurve(Curve::P521) => f.write_str("P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(oid) => f.write_str(oid),
        }
    }
}

/// Takes a `SubjectPublicKeyInfo` apart: algorithm, its parameters unread, and the key's octets.
fn subject_public_key_info(
    info: Element<'_>,
) -> Result<(Oid<'_>, Reader<'_>, Element<'_>), DerError> {
    let mut fields = info.reader();
    let mut algorithm = fields.sequence("a public key has no algorithm")?;
    let oid = algorithm.oid("a public key's algorithm has no identifier")?;
    let key = fields.expect(tag::BIT_STRING, "a public key has no key")?;
    fields.end("a public key has elements after the key")?;
    if der::BitString::from_element(key)?.unused_bits != 0 {
        return Err(key.error("a public key is not of whole bytes"));
    }
    Ok((oid, algorithm, key))
}

/// The octets of the key in a `SubjectPublicKeyInfo`: the value of its `BIT STRING`, which OCSP hashes.
#[must_use]
pub fn key_octets(subject_public_key_info_der: &[u8]) -> Option<&[u8]> {
    let info = Reader::new(subject_public_key_info_der).any().ok()?;
    let (_, _, key) = subject_public_key_info(info).ok()?;
    key.content.get(1..)
}

fn parse_rsa(key: Element<'_>) -> Result<PublicKey, DerError> {
    let mut outer = Reader::new(key.content.get(1..).unwrap_or_default());
    let read = |outer: &mut Reader<'_>| -> Result<PublicKey, DerError> {
        let mut fields = outer.sequence("an RSA key is not a SEQUENCE")?;
        let modulus = fields.integer("an RSA key has no modulus")?;
        let exponent = fields.integer("an RSA key has no exponent")?;
        fields.end("an RSA key has more than two numbers")?;
        outer.end("an RSA key has trailing bytes")?;
        let positive = |number: &[u8]| number.first().is_some_and(|first| first & 0x80 == 0);
        if !positive(modulus) || !positive(exponent) {
            return Err(key.error("an RSA key has a negative number"));
        }
        let magnitude = modulus.strip_prefix(&[0]).unwrap_or(modulus);
        let leading_zeros = magnitude.first().map_or(0, |first| first.leading_zeros() as usize);
        let odd = exponent.last().is_some_and(|last| last & 1 == 1);
        Ok(PublicKey::Rsa {
            modulus_bits: magnitude.len() * 8 - leading_zeros,
            sound_exponent: odd && exponent != [1],
        })
    };
    // Offsets inside the key count from its own start; the key's place says more.
    read(&mut outer).map_err(|error| key.error(error.rule))
}

/// RFC 3279 and 4055 demand NULL; some encoders leave it out, which can't mean anything else.
fn null_parameters(parameters: &mut Reader<'_>) -> Result<(), DerError> {
    match parameters.optional(tag::NULL)? {
        Some(null) if !null.content.is_empty() => Err(null.error("a NULL is not empty")),
        _ => Ok(()),
    }
}

impl SignatureAlgorithm {
    /// Reads an `AlgorithmIdentifier`.
    ///
    /// # Errors
    /// Anything but its DER, or parameters that a known algorithm does not have.
    pub fn parse(identifier: Element<'_>) -> Result<Self, DerError> {
        let mut fields = identifier.reader();
        let oid = fields.oid("a signature algorithm has no identifier")?;
        let algorithm = match oid.octets() {
            oids::RSA_PSS => return Ok(parse_pss(fields).unwrap_or(Self::Other(oid.to_string()))),
            octets if octets.starts_with(oids::RSA_PKCS1) => {
                let hash = match octets.get(oids::RSA_PKCS1.len()..) {
                    Some([0x05]) => Hash::Sha1,
                    Some([0x0b]) => Hash::Sha256,
                    Some([0x0c]) => Hash::Sha384,
                    Some([0x0d]) => Hash::Sha512,
                    _ => return Ok(Self::Other(oid.to_string())),
                };
                null_parameters(&mut fields)?;
                Self::RsaPkcs1(hash)
            }
            oids::ECDSA_SHA1 => Self::Ecdsa(Hash::Sha1),
            octets if octets.starts_with(oids::ECDSA_SHA2) => {
                match octets.get(oids::ECDSA_SHA2.len()..) {
                    Some([0x02]) => Self::Ecdsa(Hash::Sha256),
                    Some([0x03]) => Self::Ecdsa(Hash::Sha384),
                    Some([0x04]) => Self::Ecdsa(Hash::Sha512),
                    _ => return Ok(Self::Other(oid.to_string())),
                }
            }
            oids::ED25519 => Self::Ed25519,
            _ => return Ok(Self::Other(oid.to_string())),
        };
        fields.end("a signature algorithm has parameters that it can't have")?;
        Ok(algorithm)
    }

    /// Whether the algorithm is accepted.
    ///
    /// # Errors
    /// Which rule it breaks.
    pub fn check_strength(&self, strength: Strength) -> Result<(), String> {
        match self {
            Self::RsaPkcs1(Hash::Sha1) | Self::RsaPss(Hash::Sha1) | Self::Ecdsa(Hash::Sha1)
                if !strength.allow_sha1 =>
            {
                Err("signatures over SHA-1 are not taken".to_owned())
            }
            Self::Other(_) => {
                Err("signatures are RSA, ECDSA or Ed25519, over SHA-256 or better".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RsaPkcs1(hash) => write!(f, "RSA PKCS#1 with {hash}"),
            Self::RsaPss(hash) => write!(f, "RSA-PSS with {hash}"),
            Self::Ecdsa(hash) => write!(f, "ECDSA with {hash}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(oid) => f.write_str(oid),
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        })
    }
}

/// `RSASSA-PSS-params` (RFC 4055, section 3.1); `None` for combinations that nobody should use: a mask over
/// another hash than the message, a salt of another length.
fn parse_pss(mut identifier: Reader<'_>) -> Option<SignatureAlgorithm> {
    let mut fields = identifier.sequence("").ok()?;
    identifier.end("").ok()?;
    let hash_identifier = explicit(&mut fields, 0)?;
    let hash = parse_hash(hash_identifier)?;
    let mut mask = explicit(&mut fields, 1)?.reader();
    if mask.oid("").ok()?.octets() != oids::MGF1 || parse_hash(mask.any().ok()?)? != hash {
        return None;
    }
    mask.end("").ok()?;
    let (salt, length): (&[u8], &[u8]) = match hash {
        Hash::Sha256 => (explicit(&mut fields, 2)?.content, &[32]),
        Hash::Sha384 => (explicit(&mut fields, 2)?.content, &[48]),
        Hash::Sha512 => (explicit(&mut fields, 2)?.content, &[64]),
        Hash::Sha1 => return None,
    };
    (salt == length && fields.is_empty()).then_some(SignatureAlgorithm::RsaPss(hash))
}

fn explicit<'a>(fields: &mut Reader<'a>, number: u8) -> Option<Element<'a>> {
    let mut inner = fields.expect(tag::context_constructed(number), "").ok()?.reader();
    let element = inner.any().ok()?;
    inner.is_empty().then_some(element)
}

fn parse_hash(identifier: Element<'_>) -> Option<Hash> {
    let mut fields = identifier.reader();
    let oid = fields.oid("").ok()?;
    null_parameters(&mut fields).ok()?;
    if !fields.is_empty() {
        return None;
    }
    match oid.octets() {
        oids::SHA1 => Some(Hash::Sha1),
        octets if octets.starts_with(oids::SHA2) => match octets.get(oids::SHA2.len()..) {
            Some([0x01]) => Some(Hash::Sha256),
            Some([0x02]) => Some(Hash::Sha384),
            Some([0x03]) => Some(Hash::Sha512),
            _ => None,
        },
        _ => None,
    }
}

/// A key that verifies: a `SubjectPublicKeyInfo`, and what was read from it.
#[derive(Clone, Copy, Debug)]
pub struct VerifyingKey<'a> {
    /// Its kind.
    pub public_key: &'a PublicKey,
    /// Its DER.
    pub subject_public_key_info: &'a [u8],
}

/// Verifies that `signature` was made by `key` over `message`, key and algorithm being strong enough.
///
/// # Errors
/// Which of these does not hold.
pub fn verify(
    algorithm: &SignatureAlgorithm,
    key: VerifyingKey<'_>,
    message: &[u8],
    signature: &[u8],
    strength: Strength,
) -> Result<(), SignatureError> {
    key.public_key.check_strength(strength).map_err(SignatureError::WeakKey)?;
    algorithm.check_strength(strength).map_err(SignatureError::WeakAlgorithm)?;
    let octets = key_octets(key.subject_public_key_info).ok_or(SignatureError::Wrong)?;
    let verified = match (by_ring(algorithm, key.public_key), algorithm, key.public_key) {
        (Some(by_ring), _, _) => {
            algorithms::UnparsedPublicKey::new(by_ring, octets).verify(message, signature).is_ok()
        }
        (None, SignatureAlgorithm::Ecdsa(hash), PublicKey::EllipticCurve(curve)) => {
            ecdsa::is_by(*curve, *hash, octets, message, signature)
        }
        _ => {
            return Err(SignatureError::Unsupported(format!(
                "{algorithm} by a {} key",
                key.public_key
            )));
        }
    };
    if verified { Ok(()) } else { Err(SignatureError::Wrong) }
}

fn by_ring(
    algorithm: &SignatureAlgorithm,
    key: &PublicKey,
) -> Option<&'static dyn algorithms::VerificationAlgorithm> {
    use Curve::{P256, P384};
    use Hash::{Sha1, Sha256, Sha384, Sha512};
    use PublicKey::{EllipticCurve, Rsa};
    use SignatureAlgorithm::{Ecdsa, RsaPkcs1, RsaPss};
    Some(match (algorithm, key) {
        // Whoever may verify with shorter keys has said so in `min_rsa_bits`.
        (RsaPkcs1(Sha1), Rsa { .. }) => &algorithms::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (RsaPkcs1(Sha256), Rsa { .. }) => {
            &algorithms::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY
        }
        (RsaPkcs1(Sha384), Rsa { .. }) => &algorithms::RSA_PKCS1_2048_8192_SHA384,
        (RsaPkcs1(Sha512), Rsa { .. }) => {
            &algorithms::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY
        }
        (RsaPss(Sha256), Rsa { .. }) => &algorithms::RSA_PSS_2048_8192_SHA256,
        (RsaPss(Sha384), Rsa { .. }) => &algorithms::RSA_PSS_2048_8192_SHA384,
        (RsaPss(Sha512), Rsa { .. }) => &algorithms::RSA_PSS_2048_8192_SHA512,
        (Ecdsa(Sha256), EllipticCurve(P256)) => &algorithms::ECDSA_P256_SHA256_ASN1,
        (Ecdsa(Sha384), EllipticCurve(P256)) => &algorithms::ECDSA_P256_SHA384_ASN1,
        (Ecdsa(Sha256), EllipticCurve(P384)) => &algorithms::ECDSA_P384_SHA256_ASN1,
        (Ecdsa(Sha384), EllipticCurve(P384)) => &algorithms::ECDSA_P384_SHA384_ASN1,
        (SignatureAlgorithm::Ed25519, PublicKey::Ed25519) => &algorithms::ED25519,
        _ => return None,
    })
}
