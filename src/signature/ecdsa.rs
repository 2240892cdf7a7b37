//! The ECDSA that `ring` leaves out: P-521, and the other curves with a hash of another length than theirs.
//!
//! AWS Private CA, for one, issues with all of them. The curves are RustCrypto's (`p256`, `p384`, `p521`), the
//! hashes `ring`'s. Only public data is handled.

use ring::digest::{self, digest};

use super::{Curve, Hash};

/// Whether a signature (DER, RFC 3279, section 2.2.3) is by a key (an uncompressed or compressed point, RFC 5480,
/// section 2.2) over a message.
#[must_use]
pub fn is_by(curve: Curve, hash: Hash, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let digest = digest(algorithm(hash), message);
    let verified = match curve {
        Curve::P256 => p256(key, digest.as_ref(), signature),
        Curve::P384 => p384(key, digest.as_ref(), signature),
        Curve::P521 => p521(key, digest.as_ref(), signature),
    };
    verified.is_ok()
}

fn algorithm(hash: Hash) -> &'static digest::Algorithm {
    match hash {
        Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    }
}

macro_rules! curves {
    ($($curve:ident)*) => {$(
        fn $curve(key: &[u8], digest: &[u8], signature: &[u8]) -> Result<(), $curve::ecdsa::Error> {
            use $curve::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier};
            let signature = Signature::from_der(signature)?;
            VerifyingKey::from_sec1_bytes(key)?.verify_prehash(digest, &signature)
        }
    )*};
}

curves! { p256 p384 p521 }
