//! A signature: one byte for the algorithm, two for the key's length, the key (`SubjectPublicKeyInfo`), two for the
//! signature's length, the signature, and the message.
//!
//! Both libraries for ECDSA have to agree wherever both can verify, and what holds for one message holds for no other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mtls_authorizer::{
    der::Reader,
    signature::{
        Curve, Hash, PublicKey, SignatureAlgorithm, Strength, VerifyingKey, ecdsa, key_octets, verify,
    },
};

const STRENGTH: Strength = Strength { min_rsa_bits: 1024, allow_sha1: true };
const ALGORITHMS: [SignatureAlgorithm; 12] = {
    use Hash::{Sha1, Sha256, Sha384, Sha512};
    use SignatureAlgorithm::{Ecdsa, Ed25519, RsaPkcs1, RsaPss};
    [
        Ecdsa(Sha1), Ecdsa(Sha256), Ecdsa(Sha384), Ecdsa(Sha512),
        RsaPkcs1(Sha1), RsaPkcs1(Sha256), RsaPkcs1(Sha384), RsaPkcs1(Sha512),
        RsaPss(Sha256), RsaPss(Sha384), RsaPss(Sha512), Ed25519,
    ]
};

fuzz_target!(|input: &[u8]| {
    let Some((algorithm, info, signature, message)) = parts(input) else { return };
    let algorithm = &ALGORITHMS[usize::from(algorithm) % ALGORITHMS.len()];
    let Ok(element) = Reader::new(info).any() else { return };
    let Ok(public_key) = PublicKey::parse(element) else { return };
    let key = VerifyingKey { public_key: &public_key, subject_public_key_info: info };
    let holds = |message: &[u8]| verify(algorithm, key, message, signature, STRENGTH).is_ok();
    let verified = holds(message);
    assert!(!(verified && public_key.check_strength(STRENGTH).is_err()), "a weak key verifies");
    if verified {
        let mut other = message.to_vec();
        match other.last_mut() {
            Some(last) => *last ^= 1,
            None => other.push(0),
        }
        assert!(!holds(&other), "one signature, two messages");
    }
    second_opinion(algorithm, &public_key, info, message, signature, verified);
});

/// What `ring` says of a signature, RustCrypto says too.
fn second_opinion(
    algorithm: &SignatureAlgorithm,
    key: &PublicKey,
    info: &[u8],
    message: &[u8],
    signature: &[u8],
    verified: bool,
) {
    let (SignatureAlgorithm::Ecdsa(hash @ (Hash::Sha256 | Hash::Sha384)), PublicKey::EllipticCurve(curve)) =
        (algorithm, key)
    else {
        return;
    };
    let octets = key_octets(info).expect("a key that was read");
    // `ring` takes no compressed points.
    if matches!(curve, Curve::P256 | Curve::P384) && octets.first() == Some(&4) {
        assert_eq!(ecdsa::is_by(*curve, *hash, octets, message, signature), verified);
    }
}

fn parts(input: &[u8]) -> Option<(u8, &[u8], &[u8], &[u8])> {
    let (&algorithm, rest) = input.split_first()?;
    let (key, rest) = counted(rest)?;
    let (signature, message) = counted(rest)?;
    Some((algorithm, key, signature, message))
}

fn counted(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = input.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
