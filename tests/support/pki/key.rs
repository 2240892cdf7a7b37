//! Key pairs, and the signatures that they make.

use super::{der::*, rsa::RsaKey};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair,
    },
};

/// A private key, the public one, and how it signs.
pub struct Key {
    secret: Secret,
    scheme: Scheme,
}

enum Secret {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKey),
    /// A SubjectPublicKeyInfo without a private key.
    Unsigned(Der),
}

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Ed25519,
    EcdsaP256Sha256,
    EcdsaP384Sha384,
    RsaPkcs1(Hash),
    /// With a salt as long as the hash.
    RsaPss(Hash),
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Key {
    /// The Ed25519 key of this name: always the same one.
    pub fn ed25519(name: &str) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&sha256(name.as_bytes())).unwrap();
        Self { secret: Secret::Ed25519(pair), scheme: Scheme::Ed25519 }
    }

    /// A new P-256 key.
    pub fn p256() -> Self {
        Self::ecdsa(Scheme::EcdsaP256Sha256)
    }

    /// A new P-384 key.
    pub fn p384() -> Self {
        Self::ecdsa(Scheme::EcdsaP384Sha384)
    }

    fn ecdsa(scheme: Scheme) -> Self {
        let algorithm = match scheme {
            Scheme::EcdsaP384Sha384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
            _ => &ECDSA_P256_SHA256_ASN1_SIGNING,
        };
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self { secret: Secret::Ecdsa(pair), scheme }
    }

    /// The one RSA key of 1024 bits, PKCS #1 v1.5 with SHA-256.
    pub fn rsa_1024() -> Self {
        Self { secret: Secret::Rsa(RsaKey::of_1024_bits()), scheme: Scheme::RsaPkcs1(Hash::Sha256) }
    }

    /// The one RSA key of 2048 bits, PKCS #1 v1.5 with SHA-256.
    pub fn rsa_2048() -> Self {
        Self { secret: Secret::Rsa(RsaKey::of_2048_bits()), scheme: Scheme::RsaPkcs1(Hash::Sha256) }
    }

    /// A key whose public half is this SubjectPublicKeyInfo; its signatures are zeros, called Ed25519.
    pub fn unsigned(public_key: &[u8]) -> Self {
        Self { secret: Secret::Unsigned(public_key.to_vec()), scheme: Scheme::Ed25519 }
    }

    /// This key, signing in another way. An RSA key takes RSA schemes only.
    #[must_use]
    pub fn with_scheme(self, scheme: Scheme) -> Self {
        Self { scheme, ..self }
    }

    /// The SubjectPublicKeyInfo.
    pub fn public_key(&self) -> Der {
        match &self.secret {
            Secret::Ed25519(pair) => {
                spki(&sequence(&[oid("1.3.101.112")]), pair.public_key().as_ref())
            }
            Secret::Ecdsa(pair) => {
                let point = pair.public_key().as_ref();
                let curve = if point.len() == 65 { "1.2.840.10045.3.1.7" } else { "1.3.132.0.34" };
                spki(&sequence(&[oid("1.2.840.10045.2.1"), oid(curve)]), point)
            }
            Secret::Rsa(key) => {
                spki(&sequence(&[oid("1.2.840.113549.1.1.1"), null()]), &key.public_key())
            }
            Secret::Unsigned(public_key) => public_key.clone(),
        }
    }

    /// The contents of the SubjectPublicKeyInfo's BIT STRING, without the count of unused bits.
    pub fn public_key_bits(&self) -> Vec<u8> {
        match &self.secret {
            Secret::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
            Secret::Ecdsa(pair) => pair.public_key().as_ref().to_vec(),
            Secret::Rsa(key) => key.public_key(),
            Secret::Unsigned(_) => Vec::new(),
        }
    }

    /// SHA-1 of these, as key identifiers are made (RFC 5280, section 4.2.1.2, method 1).
    pub fn id(&self) -> Vec<u8> {
        sha1(&self.public_key_bits())
    }

    /// The AlgorithmIdentifier of what [`Key::sign`] makes.
    pub fn algorithm(&self) -> Der {
        self.scheme.algorithm()
    }

    /// The signature of a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match (&self.secret, self.scheme) {
            (Secret::Ed25519(pair), _) => pair.sign(message).as_ref().to_vec(),
            (Secret::Ecdsa(pair), _) => {
                pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
            }
            (Secret::Rsa(key), Scheme::RsaPkcs1(hash)) => {
                let algorithm = sequence(&[oid(hash.oid()), null()]);
                key.sign_pkcs1(&sequence(&[algorithm, octet_string(&hash.of(message))]))
            }
            (Secret::Rsa(key), Scheme::RsaPss(hash)) => key.sign_pss(message, |data| hash.of(data)),
            (Secret::Rsa(_), scheme) => panic!("an RSA key does not sign by {scheme:?}"),
            (Secret::Unsigned(_), _) => vec![0; 64],
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({:?})", self.scheme)
    }
}

/// A SubjectPublicKeyInfo of an AlgorithmIdentifier and the contents of the BIT STRING.
pub fn spki(algorithm: &[u8], bits: &[u8]) -> Der {
    sequence(&[algorithm.to_vec(), bit_string(bits)])
}

impl Scheme {
    /// Its AlgorithmIdentifier.
    pub fn algorithm(self) -> Der {
        match self {
            Self::Ed25519 => sequence(&[oid("1.3.101.112")]),
            Self::EcdsaP256Sha256 => sequence(&[oid("1.2.840.10045.4.3.2")]),
            Self::EcdsaP384Sha384 => sequence(&[oid("1.2.840.10045.4.3.3")]),
            Self::RsaPkcs1(hash) => {
                let dotted = match hash {
                    Hash::Sha1 => "1.2.840.113549.1.1.5",
                    Hash::Sha256 => "1.2.840.113549.1.1.11",
                    Hash::Sha384 => "1.2.840.113549.1.1.12",
                    Hash::Sha512 => "1.2.840.113549.1.1.13",
                };
                sequence(&[oid(dotted), null()])
            }
            Self::RsaPss(hash) => {
                let hash_algorithm = sequence(&[oid(hash.oid()), null()]);
                let mask = sequence(&[oid("1.2.840.113549.1.1.8"), hash_algorithm.clone()]);
                let salt_length = explicit(2, &number(hash.of(&[]).len() as u64));
                let parameters =
                    sequence(&[explicit(0, &hash_algorithm), explicit(1, &mask), salt_length]);
                sequence(&[oid("1.2.840.113549.1.1.10"), parameters])
            }
        }
    }
}

impl Hash {
    fn oid(self) -> &'static str {
        match self {
            Self::Sha1 => "1.3.14.3.2.26",
            Self::Sha256 => "2.16.840.1.101.3.4.2.1",
            Self::Sha384 => "2.16.840.1.101.3.4.2.2",
            Self::Sha512 => "2.16.840.1.101.3.4.2.3",
        }
    }

    fn of(self, data: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, data).as_ref().to_vec()
    }
}
