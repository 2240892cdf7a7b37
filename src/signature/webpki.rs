//! The algorithms of signatures, as `rustls-webpki` wants them: each for one kind of key, told by its
//! `AlgorithmIdentifier` in DER.
//!
//! They are those that [`verify`](super::verify) knows, written once more: webpki compares identifiers as bytes, and takes
//! what it verifies with from a list. Tests show each of both (`tests/trust.rs`, `tests/signatures.rs`).

use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};

use super::{Curve, Hash, Strength, ecdsa};

/// The algorithms that webpki may use, those first that most certificates are signed with. The strength of keys is
/// judged elsewhere.
pub(crate) fn algorithms(
    strength: Strength,
) -> &'static [&'static dyn SignatureVerificationAlgorithm] {
    let sha1 = if strength.allow_sha1 { 0 } else { SHA1_ALGORITHMS };
    ALGORITHMS.get(..ALGORITHMS.len() - sha1).unwrap_or_default()
}

/// How many of [`ALGORITHMS`], at the end, are over SHA-1.
const SHA1_ALGORITHMS: usize = 4;

/// RSA-PSS with this `RSASSA-PSS-params`: the last arc of the hash, the length of the salt, and what follows the hash
/// of the message and that of the mask, each after its length. RFC 4055, section 2.1, has a NULL and nothing taken for
/// the same, and OpenSSL has written either; webpki knows two NULLs.
macro_rules! pss {
    (
        $verification:ident, $arc:literal, $salt:literal,
        ($message_length:literal, [$($message:literal),*]), ($mask_length:literal, [$($mask:literal),*])
    ) => {
        Rsa {
            signature_alg_id: AlgorithmIdentifier::from_slice(&[
                0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a,
                0x30, 0x30 + $message_length + $mask_length,
                0xa0, 0x0d + $message_length, 0x30, 0x0b + $message_length,
                0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, $arc, $($message,)*
                0xa1, 0x1a + $mask_length, 0x30, 0x18 + $mask_length,
                0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08,
                0x30, 0x0b + $mask_length,
                0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, $arc, $($mask,)*
                0xa2, 0x03, 0x02, 0x01, $salt,
            ]),
            verification: &ring::signature::$verification,
        }
    };
}

static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    ::webpki::ring::ECDSA_P256_SHA256,
    &Rsa {
        signature_alg_id: alg_id::RSA_PKCS1_SHA256,
        verification: &ring::signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    },
    ::webpki::ring::ECDSA_P384_SHA384,
    ::webpki::ring::RSA_PKCS1_2048_8192_SHA384,
    &Rsa {
        signature_alg_id: alg_id::RSA_PKCS1_SHA512,
        verification: &ring::signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    },
    ::webpki::ring::ED25519,
    ::webpki::ring::ECDSA_P256_SHA384,
    ::webpki::ring::ECDSA_P384_SHA256,
    &Ecdsa(Curve::P256, Hash::Sha512),
    &Ecdsa(Curve::P384, Hash::Sha512),
    &Ecdsa(Curve::P521, Hash::Sha256),
    &Ecdsa(Curve::P521, Hash::Sha384),
    &Ecdsa(Curve::P521, Hash::Sha512),
    ::webpki::ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    ::webpki::ring::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    ::webpki::ring::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
    ::webpki::ring::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
    ::webpki::ring::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
    ::webpki::ring::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    &pss!(RSA_PSS_2048_8192_SHA256, 0x01, 32, (0, []), (0, [])),
    &pss!(RSA_PSS_2048_8192_SHA256, 0x01, 32, (0, []), (2, [0x05, 0x00])),
    &pss!(RSA_PSS_2048_8192_SHA256, 0x01, 32, (2, [0x05, 0x00]), (0, [])),
    &pss!(RSA_PSS_2048_8192_SHA384, 0x02, 48, (0, []), (0, [])),
    &pss!(RSA_PSS_2048_8192_SHA384, 0x02, 48, (0, []), (2, [0x05, 0x00])),
    &pss!(RSA_PSS_2048_8192_SHA384, 0x02, 48, (2, [0x05, 0x00]), (0, [])),
    &pss!(RSA_PSS_2048_8192_SHA512, 0x03, 64, (0, []), (0, [])),
    &pss!(RSA_PSS_2048_8192_SHA512, 0x03, 64, (0, []), (2, [0x05, 0x00])),
    &pss!(RSA_PSS_2048_8192_SHA512, 0x03, 64, (2, [0x05, 0x00]), (0, [])),
    // Those over SHA-1.
    &Rsa {
        signature_alg_id: RSA_PKCS1_SHA1,
        verification: &ring::signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
    },
    &Ecdsa(Curve::P256, Hash::Sha1),
    &Ecdsa(Curve::P384, Hash::Sha1),
    &Ecdsa(Curve::P521, Hash::Sha1),
];

/// sha1WithRSAEncryption, NULL.
const RSA_PKCS1_SHA1: AlgorithmIdentifier = AlgorithmIdentifier::from_slice(&[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00,
]);
/// ecdsa-with-SHA1.
const ECDSA_SHA1: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01]);

/// RSA with short keys, and over SHA-1, which webpki leaves out on purpose; and PSS written in another way.
#[derive(Debug)]
struct Rsa {
    signature_alg_id: AlgorithmIdentifier,
    verification: &'static ring::signature::RsaParameters,
}

impl SignatureVerificationAlgorithm for Rsa {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        ring::signature::UnparsedPublicKey::new(self.verification, public_key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature_alg_id
    }
}

/// The ECDSA that `ring` leaves out.
#[derive(Debug)]
struct Ecdsa(Curve, Hash);

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let Self(curve, hash) = *self;
        let verified = ecdsa::is_by(curve, hash, public_key, message, signature);
        if verified { Ok(()) } else { Err(InvalidSignature) }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        match self.0 {
            Curve::P256 => alg_id::ECDSA_P256,
            Curve::P384 => alg_id::ECDSA_P384,
            Curve::P521 => alg_id::ECDSA_P521,
        }
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self.1 {
            Hash::Sha1 => ECDSA_SHA1,
            Hash::Sha256 => alg_id::ECDSA_SHA256,
            Hash::Sha384 => alg_id::ECDSA_SHA384,
            Hash::Sha512 => alg_id::ECDSA_SHA512,
        }
    }
}
