//! Keys and signatures: which are read as what, and which verify. OpenSSL makes what the test PKI does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use mtls_authorizer::{
    certificate::Certificate as Parsed,
    der::Reader,
    signature::{self, PublicKey, SignatureAlgorithm, SignatureError, Strength, VerifyingKey},
    trust::{PathRules, TrustStore},
};
use support::{openssl::openssl_status, pki::*, scratch};

const RSA: &str = "1.2.840.113549.1.1.1";
const RSA_PSS: &str = "1.2.840.113549.1.1.10";
const SHA256: &str = "2.16.840.1.101.3.4.2.1";
const SHA384: &str = "2.16.840.1.101.3.4.2.2";

fn public_key(der: &Der) -> Result<PublicKey, String> {
    let element = Reader::new(der).any().unwrap();
    PublicKey::parse(element).map_err(|error| error.to_string())
}

fn algorithm(der: &Der) -> Result<SignatureAlgorithm, String> {
    let element = Reader::new(der).any().unwrap();
    SignatureAlgorithm::parse(element).map_err(|error| error.to_string())
}

/// What a certificate's own key makes of its signature.
fn verify_self(der: &Der, strength: Strength) -> Result<(), SignatureError> {
    let certificate = Parsed::parse(der).unwrap();
    let key = VerifyingKey {
        public_key: certificate.public_key(),
        subject_public_key_info: certificate.subject_public_key_info(),
    };
    signature::verify(
        certificate.signature_algorithm(),
        key,
        certificate.tbs_der(),
        certificate.signature(),
        strength,
    )
}

#[test]
fn keys_are_named_by_kind_and_size() {
    for (key, name) in [
        (Key::rsa_1024(), "RSA-1024"),
        (Key::rsa_2048(), "RSA-2048"),
        (Key::p256(), "P-256"),
        (Key::p384(), "P-384"),
        (Key::ed25519("orders"), "Ed25519"),
    ] {
        assert_eq!(public_key(&key.public_key()).unwrap().to_string(), name);
    }
    let ec = |curve: &str| spki(&sequence(&[oid("1.2.840.10045.2.1"), oid(curve)]), &[4; 133]);
    assert_eq!(public_key(&ec("1.3.132.0.35")).unwrap().to_string(), "P-521");
    // secp256k1, and Ed448.
    assert_eq!(public_key(&ec("1.3.132.0.10")).unwrap().to_string(), "1.3.132.0.10");
    let ed448 = spki(&sequence(&[oid("1.3.101.113")]), &[4; 57]);
    assert_eq!(public_key(&ed448).unwrap().to_string(), "1.3.101.113");
    for weak in [ec("1.3.132.0.10"), ed448] {
        assert!(public_key(&weak).unwrap().check_strength(Strength::default()).is_err());
    }
}

#[test]
fn rsa_keys_are_two_sound_numbers() {
    let rsa =
        |numbers: &[Der]| public_key(&spki(&sequence(&[oid(RSA), null()]), &sequence(numbers)));
    let mut octets = vec![0x00, 0xff];
    octets.resize(257, 0x11);
    let modulus = integer(&octets);
    let strength = |exponent: Der| {
        rsa(&[modulus.clone(), exponent]).unwrap().check_strength(Strength::default())
    };
    assert_eq!(strength(number(65_537)), Ok(()));
    assert_eq!(strength(number(3)), Ok(()));
    assert!(strength(number(1)).is_err());
    assert!(strength(number(4)).is_err());
    assert!(rsa(std::slice::from_ref(&modulus)).is_err());
    assert!(rsa(&[modulus.clone(), integer(&[0xff])]).is_err());
    assert!(rsa(&[modulus.clone(), number(3), number(3)]).is_err());
    assert!(rsa(&[integer(&[0x80, 0x11]), number(3)]).is_err());
    // A leading zero octet is of the sign and no bit of the modulus.
    assert_eq!(rsa(&[modulus, number(3)]).unwrap().to_string(), "RSA-2048");
    let short = integer(&[&[0x7f], &octets[2..]].concat());
    assert_eq!(rsa(&[short, number(3)]).unwrap().to_string(), "RSA-2047");
}

#[test]
fn short_rsa_keys_are_weak_unless_the_configuration_takes_them() {
    let certificate = |key: Key| Certificate::ca("Acme", &key, None).self_signed(&key);
    let at_least = |min_rsa_bits: usize| Strength { min_rsa_bits, ..Strength::default() };
    let short = certificate(Key::rsa_1024());
    assert_eq!(verify_self(&short, at_least(1024)), Ok(()));
    assert!(matches!(verify_self(&short, at_least(1025)), Err(SignatureError::WeakKey(_))));
    let long = certificate(Key::rsa_2048());
    assert_eq!(verify_self(&long, at_least(2048)), Ok(()));
    assert!(matches!(verify_self(&long, at_least(2049)), Err(SignatureError::WeakKey(_))));
}

#[test]
fn parameters_of_pss_must_go_together() {
    let hash = |dotted: &str| sequence(&[oid(dotted), null()]);
    let pss = |message: &str, mask: &str, salt: u64| {
        let mask = sequence(&[oid("1.2.840.113549.1.1.8"), hash(mask)]);
        algorithm(&sequence(&[
            oid(RSA_PSS),
            sequence(&[
                explicit(0, &hash(message)),
                explicit(1, &mask),
                explicit(2, &number(salt)),
            ]),
        ]))
        .unwrap()
        .to_string()
    };
    assert_eq!(pss(SHA256, SHA256, 32), "RSA-PSS with SHA-256");
    assert_eq!(pss(SHA384, SHA384, 48), "RSA-PSS with SHA-384");
    assert_eq!(pss(SHA256, SHA384, 32), RSA_PSS);
    assert_eq!(pss(SHA256, SHA256, 20), RSA_PSS);
    // All defaults, which mean SHA-1.
    assert_eq!(
        algorithm(&sequence(&[oid(RSA_PSS), sequence::<Der>(&[])])).unwrap().to_string(),
        RSA_PSS
    );
    let other = algorithm(&sequence(&[oid(RSA_PSS)])).unwrap();
    assert!(other.check_strength(Strength::default()).is_err());
}

/// RFC 4055, section 2.1: a NULL and no parameters at all are legal and equivalent for the hashes of PSS.
#[test]
fn a_path_of_pss_signatures_stands_with_and_without_the_null_of_its_hashes() {
    const SHA512: &str = "2.16.840.1.101.3.4.2.3";
    let hash = |dotted: &str, with_null: bool| {
        let parameters = if with_null { null() } else { Der::new() };
        sequence(&[oid(dotted), parameters])
    };
    for (scheme, dotted, salt) in [
        (Scheme::RsaPss(Hash::Sha256), SHA256, 32),
        (Scheme::RsaPss(Hash::Sha384), SHA384, 48),
        (Scheme::RsaPss(Hash::Sha512), SHA512, 64),
    ] {
        let root = Authority::root_with("Acme Root CA", Key::rsa_2048().with_scheme(scheme));
        let stands = |message_null: bool, mask_null: bool, salt: u64| {
            let mask = sequence(&[oid("1.2.840.113549.1.1.8"), hash(dotted, mask_null)]);
            let parameters = sequence(&[
                explicit(0, &hash(dotted, message_null)),
                explicit(1, &mask),
                explicit(2, &number(salt)),
            ]);
            let algorithm = Some(sequence(&[oid(RSA_PSS), parameters]));
            let leaf = root.issue(Certificate {
                signature: algorithm.clone(),
                signature_algorithm: algorithm,
                ..Certificate::leaf("orders", &Key::ed25519("orders"))
            });
            let store = TrustStore::new([Parsed::parse(&root.certificate).unwrap()], []);
            let rules = PathRules { strength: Strength::default(), extended_key_usage: None };
            let path = |leaf: &Der| {
                let leaf = Parsed::parse(leaf).unwrap();
                store.verify(&leaf, &[], rules, leaf.validity().not_before).is_ok()
            };
            let mut wrong = leaf.clone();
            *wrong.last_mut().unwrap() ^= 1;
            assert!(!path(&wrong), "{dotted} {message_null} {mask_null}");
            path(&leaf)
        };
        for (message_null, mask_null) in
            [(true, true), (true, false), (false, true), (false, false)]
        {
            let case = format!("{dotted} {message_null} {mask_null}");
            assert!(stands(message_null, mask_null, salt), "{case}");
            assert!(!stands(message_null, mask_null, salt - 1), "{case}");
        }
    }
}

#[test]
fn parameters_that_an_algorithm_cannot_have_are_malformed() {
    let with = |dotted: &str, parameters: &[Der]| {
        algorithm(&sequence(&[&[oid(dotted)], parameters].concat())).map(|it| it.to_string())
    };
    let (rsa_sha256, ecdsa_sha256) = ("1.2.840.113549.1.1.11", "1.2.840.10045.4.3.2");
    assert_eq!(with(rsa_sha256, &[null()]).unwrap(), "RSA PKCS#1 with SHA-256");
    assert_eq!(with(rsa_sha256, &[]).unwrap(), "RSA PKCS#1 with SHA-256");
    assert!(with(rsa_sha256, &[number(1)]).is_err());
    assert!(with(rsa_sha256, &[null(), null()]).is_err());
    assert_eq!(with(ecdsa_sha256, &[]).unwrap(), "ECDSA with SHA-256");
    assert!(with(ecdsa_sha256, &[null()]).is_err());
    assert!(with("1.3.101.112", &[null()]).is_err());
}

#[test]
fn algorithm_and_key_must_go_together() {
    let (rsa, curve) = (Key::rsa_2048(), Key::p256());
    let certificate =
        Certificate { public_key: rsa.public_key(), ..Certificate::ca("Acme", &curve, None) };
    let outcome = verify_self(&certificate.self_signed(&curve), Strength::default());
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "ECDSA with SHA-256 by a RSA-2048 key can't be verified"
    );
}

/// A root and a leaf by OpenSSL for every algorithm, verified alone and as a path, and with a bit turned over.
#[test]
fn what_openssl_signs_verifies() {
    const TEST: &str = "what_openssl_signs_verifies";
    let scratch = scratch(TEST);
    let p521 = "ec -pkeyopt ec_paramgen_curve:P-521";
    let p384 = "ec -pkeyopt ec_paramgen_curve:P-384";
    let p256 = "ec -pkeyopt ec_paramgen_curve:P-256";
    let pss = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest";
    let pss256 = format!("-sha256 {pss}");
    let pss512 = format!("-sha512 {pss}");
    let strict = Strength::default();
    for (key, signature, name) in [
        (p256, "-sha256", "ECDSA with SHA-256"),
        (p256, "-sha384", "ECDSA with SHA-384"),
        (p256, "-sha512", "ECDSA with SHA-512"),
        (p256, "-sha1", "ECDSA with SHA-1"),
        (p384, "-sha256", "ECDSA with SHA-256"),
        (p384, "-sha384", "ECDSA with SHA-384"),
        (p384, "-sha512", "ECDSA with SHA-512"),
        (p384, "-sha1", "ECDSA with SHA-1"),
        (p521, "-sha256", "ECDSA with SHA-256"),
        (p521, "-sha384", "ECDSA with SHA-384"),
        (p521, "-sha512", "ECDSA with SHA-512"),
        (p521, "-sha1", "ECDSA with SHA-1"),
        ("rsa:2048", "-sha256", "RSA PKCS#1 with SHA-256"),
        ("rsa:2048", "-sha384", "RSA PKCS#1 with SHA-384"),
        ("rsa:2048", "-sha512", "RSA PKCS#1 with SHA-512"),
        ("rsa:2048", "-sha1", "RSA PKCS#1 with SHA-1"),
        ("rsa:2048", &pss256, "RSA-PSS with SHA-256"),
        ("rsa:2048", &pss512, "RSA-PSS with SHA-512"),
        ("ed25519", "-sha256", "Ed25519"),
    ] {
        let root_key = scratch.write("root.key", "");
        let root = scratch.write("root.pem", "");
        let leaf_key = scratch.write("leaf.key", "");
        let request = scratch.write("leaf.csr", "");
        let extensions = scratch.write("leaf.cnf", "extendedKeyUsage=clientAuth\n");
        let leaf = scratch.write("leaf.pem", "");
        let run = |arguments: String| {
            let arguments: Vec<&str> = arguments.split(' ').collect();
            let (success, output) = openssl_status(TEST, &arguments)?;
            assert!(success, "openssl {arguments:?}: {output}");
            Some(())
        };
        let made = run(format!(
            "req -x509 -newkey {key} -nodes -subj /CN=Root -keyout {root_key} -out {root} -days 9 {signature}"
        ));
        if made.is_none() {
            return;
        }
        run(format!("req -newkey {key} -nodes -subj /CN=orders -keyout {leaf_key} -out {request}"))
            .unwrap();
        run(format!(
            "x509 -req -CA {root} -CAkey {root_key} -in {request} -out {leaf} -extfile {extensions} \
             -set_serial 7 {signature}"
        ))
        .unwrap();
        let read = |path: &str| pem::parse(std::fs::read(path).unwrap()).unwrap().into_contents();
        let (root, leaf) = (read(&root), read(&leaf));
        let case = format!("{key} {signature}");

        let is_sha1 = signature == "-sha1";
        let strength = Strength { allow_sha1: is_sha1, ..strict };
        assert_eq!(Parsed::parse(&root).unwrap().signature_algorithm().to_string(), name, "{case}");
        assert_eq!(verify_self(&root, strength), Ok(()), "{case}");
        assert_eq!(verify_self(&root, strict).is_ok(), !is_sha1, "{case}");
        let mut wrong = root.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(verify_self(&wrong, strength), Err(SignatureError::Wrong), "{case}");

        let store = TrustStore::new([Parsed::parse(&root).unwrap()], []);
        let path = |leaf: &[u8], strength: Strength| {
            let leaf = Parsed::parse(leaf).unwrap();
            let rules = PathRules { strength, extended_key_usage: None };
            // OpenSSL reads the clock; the test takes its time for now.
            store.verify(&leaf, &[], rules, leaf.validity().not_before)
        };
        assert!(path(&leaf, strength).is_ok(), "{case}: {:?}", path(&leaf, strength));
        assert_eq!(path(&leaf, strict).is_ok(), !is_sha1, "{case}");
        let mut wrong = leaf.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert!(path(&wrong, strength).is_err(), "{case}");
    }
}
