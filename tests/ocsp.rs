//! OCSP: what is asked, and which answers count. Every fault is one step away from an answer that does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use mtls_authorizer::{
    certificate::Certificate as Parsed,
    revocation::{
        crl::ReasonCode,
        ocsp::{
            Answer, MAX_ANSWER_BYTES, Obstacle, Question, ResponderStatus, Verdict, responders,
        },
    },
    signature::Strength,
    timestamp::Timestamp,
};
use support::{openssl::openssl_status, pki::*, scratch};

const SERIAL: &[u8] = &[0x03, 0xa5, 0xb1];

/// An authority, a certificate that it issued, and what is made of answers about that certificate.
struct Scene {
    issuer: Authority,
    issuer_certificate: Parsed,
    certificate: Parsed,
}

impl Scene {
    fn new() -> Self {
        Self::of(Authority::root("Acme Issuing CA"))
    }

    fn of(issuer: Authority) -> Self {
        let leaf = Certificate {
            serial_number: integer(SERIAL),
            ..Certificate::leaf("orders", &Key::ed25519("orders"))
        };
        Self {
            issuer_certificate: Parsed::parse(&issuer.certificate).unwrap(),
            certificate: Parsed::parse(&issuer.issue(leaf)).unwrap(),
            issuer,
        }
    }

    fn question(&self) -> Question<'_> {
        Question::new(&self.certificate, &self.issuer_certificate)
    }

    fn good(&self) -> SingleResponse {
        SingleResponse::good(&self.issuer, SERIAL)
    }

    fn revoked(&self) -> SingleResponse {
        SingleResponse::revoked(&self.issuer, SERIAL, NOW - DAY, Some(1))
    }

    /// The answer of these responses, signed by the authority.
    fn answer(&self, responses: Vec<SingleResponse>) -> Vec<u8> {
        self.issuer.answer(OcspResponse::of(responses))
    }

    fn verify(&self, response: &[u8]) -> Result<Answer, Obstacle> {
        Answer::verify(response, self.question(), Strength::default())
    }

    fn verdict_at(&self, response: &[u8], seconds: i64) -> Outcome {
        match self.verify(response) {
            Err(obstacle) => Outcome::Unknown(obstacle),
            Ok(answer) => match answer.verdict(0, Timestamp::from_unix_seconds(seconds)) {
                Verdict::NotRevoked(_) => Outcome::NotRevoked,
                Verdict::Revoked { reason, .. } => Outcome::Revoked(reason),
                Verdict::Unknown(obstacle, _) => Outcome::Unknown(obstacle),
            },
        }
    }

    fn verdict(&self, response: &[u8]) -> Outcome {
        self.verdict_at(response, NOW)
    }

    /// A delegated responder of the authority, and what it answers.
    fn delegated(&self, signer: impl FnOnce(&Key) -> Certificate) -> Vec<u8> {
        let key = Key::ed25519("responder");
        let certificate = self.issuer.issue(signer(&key));
        OcspResponse {
            certificates: Some(vec![certificate]),
            ..OcspResponse::of(vec![self.good()])
        }
        .signed_by(&key)
    }
}

/// A verdict without its evidence.
#[derive(Debug, PartialEq)]
enum Outcome {
    NotRevoked,
    Revoked(ReasonCode),
    Unknown(Obstacle),
}

fn is_malformed(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unknown(Obstacle::Malformed(_)))
}

fn is_refused_signature(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unknown(Obstacle::Signature(_)))
}

fn unauthorized(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Unknown(Obstacle::Unauthorized(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn request_names_the_certificate_by_sha1_and_carries_no_nonce() {
    let scene = Scene::new();
    let certificate_id = CertId::sha1(&scene.issuer, SERIAL).to_der();
    let expected = sequence(&[sequence(&[sequence(&[sequence(&[certificate_id])])])]);
    assert_eq!(scene.question().to_der(), expected);
}

#[test]
fn request_for_get_is_one_segment_of_a_path() {
    let scene = Scene::new();
    let segment = scene.question().to_path_segment();
    let base64 = segment.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    assert_eq!(base64, support::pki::base64(&scene.question().to_der()));
    assert!(segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'%'), "{segment}");
}

#[test]
fn request_holds_serial_numbers_of_any_length() {
    let issuer = Authority::root("Acme Issuing CA");
    for length in [1, 20, 200, 70_000] {
        let serial = vec![0x41; length];
        let leaf = Certificate {
            serial_number: integer(&serial),
            ..Certificate::leaf("orders", &Key::ed25519("orders"))
        };
        let certificate = Parsed::parse(&issuer.issue(leaf)).unwrap();
        let issuer_certificate = Parsed::parse(&issuer.certificate).unwrap();
        let certificate_id = CertId::sha1(&issuer, &serial).to_der();
        let expected = sequence(&[sequence(&[sequence(&[sequence(&[certificate_id])])])]);
        assert_eq!(Question::new(&certificate, &issuer_certificate).to_der(), expected, "{length}");
    }
}

#[test]
fn responders_are_the_uris_of_the_ocsp_method() {
    let access = |method: &str, location: Der| sequence(&[oid(method), location]);
    let value = sequence(&[
        access("1.3.6.1.5.5.7.48.2", uri(b"http://ca.example.com/ca.der")),
        access("1.3.6.1.5.5.7.48.1", uri(b"http://ocsp.example.com")),
        access("1.3.6.1.5.5.7.48.1", directory_name(&acme("Responder"))),
        access("1.3.6.1.5.5.7.48.1", uri(b"ldap://ocsp.example.com")),
    ]);
    assert_eq!(responders(&value).unwrap(), ["http://ocsp.example.com", "ldap://ocsp.example.com"]);
}

#[test]
fn malformed_access_information_is_refused() {
    let one = sequence(&[oid("1.3.6.1.5.5.7.48.1"), uri(b"http://ocsp.example.com")]);
    assert!(responders(&sequence(&[&one])).is_ok());
    assert!(responders(&sequence::<Der>(&[])).is_err());
    assert!(responders(&[sequence(&[&one]), null()].concat()).is_err());
    assert!(responders(&one).is_err());
    let longer = sequence(&[oid("1.3.6.1.5.5.7.48.1"), uri(b"http://ocsp.example.com"), null()]);
    assert!(responders(&sequence(&[longer])).is_err());
    let not_ascii = sequence(&[oid("1.3.6.1.5.5.7.48.1"), uri("http://öcsp.example".as_bytes())]);
    assert!(responders(&sequence(&[not_ascii])).is_err());
}

#[test]
fn good_answer_of_the_issuer_shows_not_revoked() {
    let scene = Scene::new();
    let answer = scene.verify(&scene.answer(vec![scene.good()])).unwrap();
    let Verdict::NotRevoked(evidence) = answer.verdict(0, Timestamp::from_unix_seconds(NOW)) else {
        panic!()
    };
    assert_eq!(evidence.signer, "CN=Acme Issuing CA,O=Acme,C=US");
    assert_eq!(evidence.produced_at, Timestamp::from_unix_seconds(NOW - HOUR));
    assert_eq!(evidence.this_update, Timestamp::from_unix_seconds(NOW - HOUR));
    assert_eq!(evidence.next_update, Some(Timestamp::from_unix_seconds(NOW + HOUR)));
    assert_eq!(answer.serves_until(), Timestamp::from_unix_seconds(NOW + HOUR));
    assert!(answer.delegate().is_none());
}

#[test]
fn revoked_answer_says_since_when_and_why() {
    let scene = Scene::new();
    let answer = scene.verify(&scene.answer(vec![scene.revoked()])).unwrap();
    let verdict = answer.verdict(0, Timestamp::from_unix_seconds(NOW));
    let Verdict::Revoked { at, reason, .. } = verdict else { panic!() };
    assert_eq!(at, Timestamp::from_unix_seconds(NOW - DAY));
    assert_eq!(reason, ReasonCode::KeyCompromise);
}

#[test]
fn hold_no_reason_and_a_reason_that_means_nothing_are_all_revoked() {
    let scene = Scene::new();
    for (code, reason) in [
        (Some(6), ReasonCode::CertificateHold),
        (None, ReasonCode::Unspecified),
        (Some(7), ReasonCode::Unspecified),
    ] {
        let revoked = SingleResponse::revoked(&scene.issuer, SERIAL, NOW - DAY, code);
        assert_eq!(scene.verdict(&scene.answer(vec![revoked])), Outcome::Revoked(reason));
    }
}

#[test]
fn unknown_answer_shows_nothing() {
    let scene = Scene::new();
    let answer = scene.answer(vec![SingleResponse::unknown(&scene.issuer, SERIAL)]);
    assert_eq!(scene.verdict(&answer), Outcome::Unknown(Obstacle::UnknownToResponder));
}

#[test]
fn certificate_may_be_named_by_sha256() {
    let scene = Scene::new();
    let cert_id = CertId::sha256(&scene.issuer, SERIAL).to_der();
    let good = SingleResponse { cert_id, ..scene.good() };
    assert_eq!(scene.verdict(&scene.answer(vec![good])), Outcome::NotRevoked);
}

#[test]
fn answer_about_another_certificate_shows_nothing() {
    let scene = Scene::new();
    let other_issuer = Authority::root("Other CA");
    let same_name =
        Authority { key: Key::ed25519("another key"), ..Authority::root("Acme Issuing CA") };
    let sha384 = CertId {
        hash_algorithm: sequence(&[oid("2.16.840.1.101.3.4.2.2"), null()]),
        ..CertId::sha256(&scene.issuer, SERIAL)
    };
    for cert_id in [
        CertId::sha1(&scene.issuer, &[0x03, 0xa5, 0xb2]),
        CertId::sha1(&scene.issuer, &[0x00, 0x83, 0xa5, 0xb1]),
        CertId::sha1(&other_issuer, SERIAL),
        CertId::sha1(&same_name, SERIAL),
        CertId {
            hash_algorithm: sequence(&[oid("1.3.14.3.2.26"), null()]),
            ..CertId::sha256(&scene.issuer, SERIAL)
        },
        sha384,
    ] {
        let good = SingleResponse { cert_id: cert_id.to_der(), ..scene.good() };
        let outcome = scene.verdict(&scene.answer(vec![good]));
        assert_eq!(outcome, Outcome::Unknown(Obstacle::OtherCertificate), "{cert_id:?}");
    }
    let none = scene.answer(vec![]);
    assert_eq!(scene.verdict(&none), Outcome::Unknown(Obstacle::OtherCertificate));
}

#[test]
fn of_several_statements_the_worst_counts() {
    let scene = Scene::new();
    let unknown = || SingleResponse::unknown(&scene.issuer, SERIAL);
    let other = SingleResponse::revoked(&scene.issuer, &[0x07], NOW - DAY, None);
    let stale = SingleResponse { next_update: Some(generalized_time(NOW - 1)), ..scene.good() };
    let revoked = Outcome::Revoked(ReasonCode::KeyCompromise);
    let judge = |responses| scene.verdict(&scene.answer(responses));
    assert_eq!(judge(vec![scene.good(), scene.good()]), Outcome::NotRevoked);
    assert_eq!(judge(vec![scene.good(), other]), Outcome::NotRevoked);
    assert_eq!(judge(vec![scene.good(), scene.revoked()]), revoked);
    assert_eq!(judge(vec![scene.revoked(), scene.good()]), revoked);
    assert_eq!(judge(vec![unknown(), scene.revoked(), scene.good()]), revoked);
    assert_eq!(
        judge(vec![scene.good(), unknown()]),
        Outcome::Unknown(Obstacle::UnknownToResponder)
    );
    assert_eq!(judge(vec![scene.good(), stale]), Outcome::Unknown(Obstacle::Expired));
}

#[test]
fn answer_serves_from_this_update_to_next_update() {
    let scene = Scene::new();
    let answer = scene.answer(vec![scene.good()]);
    let not_yet = Outcome::Unknown(Obstacle::NotYetValid);
    assert_eq!(scene.verdict_at(&answer, NOW - HOUR - 1), not_yet);
    assert_eq!(scene.verdict_at(&answer, NOW - HOUR), Outcome::NotRevoked);
    assert_eq!(scene.verdict_at(&answer, NOW + HOUR), Outcome::NotRevoked);
    let expired = Outcome::Unknown(Obstacle::Expired);
    assert_eq!(scene.verdict_at(&answer, NOW + HOUR + 1), expired);
    // What was revoked in an answer that has expired is unknown, not good.
    let revoked = scene.answer(vec![scene.revoked()]);
    assert_eq!(scene.verdict_at(&revoked, NOW + HOUR + 1), expired);
}

#[test]
fn answer_produced_ahead_of_now_does_not_count() {
    let scene = Scene::new();
    let ahead = OcspResponse {
        produced_at: generalized_time(NOW + 1),
        ..OcspResponse::of(vec![scene.good()])
    };
    let ahead = scene.issuer.answer(ahead);
    assert_eq!(scene.verdict(&ahead), Outcome::Unknown(Obstacle::NotYetValid));
    assert_eq!(scene.verdict_at(&ahead, NOW + 1), Outcome::NotRevoked);
}

#[test]
fn clock_skew_is_tolerated_at_both_ends() {
    let scene = Scene::new();
    let answer = scene.verify(&scene.answer(vec![scene.good()])).unwrap();
    let verdict = |skew, at| answer.verdict(skew, Timestamp::from_unix_seconds(at));
    for at in [NOW - HOUR - 60, NOW + HOUR + 60] {
        assert!(matches!(verdict(60, at), Verdict::NotRevoked(_)));
        assert!(matches!(verdict(59, at), Verdict::Unknown(..)));
    }
}

#[test]
fn answer_without_next_update_serves_for_seven_days() {
    let scene = Scene::new();
    let open = SingleResponse { next_update: None, ..scene.good() };
    let answer = scene.answer(vec![open]);
    let last = NOW - HOUR + 7 * DAY;
    assert_eq!(scene.verdict_at(&answer, last), Outcome::NotRevoked);
    assert_eq!(scene.verdict_at(&answer, last + 1), Outcome::Unknown(Obstacle::Expired));
    let serves_until = scene.verify(&answer).unwrap().serves_until();
    assert_eq!(serves_until, Timestamp::from_unix_seconds(last));
}

#[test]
fn next_update_before_this_update_is_malformed() {
    let scene = Scene::new();
    let backwards =
        SingleResponse { next_update: Some(generalized_time(NOW - HOUR - 1)), ..scene.good() };
    assert!(is_malformed(&scene.verdict(&scene.answer(vec![backwards]))));
}

#[test]
fn wrong_signature_is_refused() {
    let scene = Scene::new();
    let sound = scene.answer(vec![scene.good()]);
    let mut wrong = sound.clone();
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(scene.verdict(&sound), Outcome::NotRevoked);
    assert!(is_refused_signature(&scene.verdict(&wrong)));
}

#[test]
fn every_changed_byte_of_an_answer_is_noticed() {
    let scene = Scene::new();
    let sound = scene.answer(vec![scene.revoked()]);
    for index in 0..sound.len() {
        let mut changed = sound.clone();
        changed[index] ^= 0x01;
        let outcome = scene.verdict(&changed);
        assert!(matches!(outcome, Outcome::Unknown(_)), "byte {index}: {outcome:?}");
    }
}

#[test]
fn every_cut_of_an_answer_is_malformed() {
    let scene = Scene::new();
    let sound = scene.answer(vec![scene.good()]);
    for length in 0..sound.len() {
        assert!(is_malformed(&scene.verdict(&sound[..length])), "{length} bytes");
    }
    assert!(is_malformed(&scene.verdict(&[sound.as_slice(), &[0]].concat())));
}

#[test]
fn responder_is_known_by_name_or_by_key_and_by_nothing_else() {
    let scene = Scene::new();
    let by = |responder_id: Der| {
        let response = OcspResponse {
            responder_id: Some(responder_id),
            ..OcspResponse::of(vec![scene.good()])
        };
        scene.verdict(&scene.issuer.answer(response))
    };
    assert_eq!(by(responder_by_name(&scene.issuer.name)), Outcome::NotRevoked);
    assert_eq!(by(responder_by_key(&scene.issuer.key)), Outcome::NotRevoked);
    unauthorized(&by(responder_by_name(&acme("Other CA"))));
    unauthorized(&by(responder_by_key(&Key::ed25519("other"))));
    assert!(is_malformed(&by(explicit(3, &octet_string(&scene.issuer.key.id())))));
}

#[test]
fn answer_of_another_authority_is_refused() {
    let scene = Scene::new();
    let other = Authority::root("Other CA");
    let response = || OcspResponse::of(vec![scene.good()]);
    unauthorized(&scene.verdict(&other.answer(response())));
    let with_certificate =
        OcspResponse { certificates: Some(vec![other.certificate.clone()]), ..response() };
    let why = scene.verdict(&other.answer(with_certificate));
    assert_eq!(unauthorized(&why), "another authority issued its certificate");
    // In the name of the right one, by another key.
    let impostor =
        OcspResponse { responder_id: Some(responder_by_name(&scene.issuer.name)), ..response() };
    assert!(is_refused_signature(&scene.verdict(&other.answer(impostor))));
}

#[test]
fn delegated_responder_may_answer() {
    let scene = Scene::new();
    let answer = scene.delegated(|key| Certificate::ocsp_signer("Responder", key));
    assert_eq!(scene.verdict(&answer), Outcome::NotRevoked);
    let answer = scene.verify(&answer).unwrap();
    assert_eq!(answer.delegate().unwrap().subject().ascii(), "CN=Responder,O=Acme,C=US");
    let Verdict::NotRevoked(evidence) = answer.verdict(0, Timestamp::from_unix_seconds(NOW)) else {
        panic!()
    };
    assert_eq!(evidence.signer, "CN=Responder,O=Acme,C=US");
}

#[test]
fn delegated_responder_needs_the_purpose() {
    let scene = Scene::new();
    for purposes in [&[CLIENT_AUTH][..], &[ANY_EXTENDED_KEY_USAGE], &[]] {
        let answer = scene.delegated(|key| {
            let signer = Certificate::ocsp_signer("Responder", key).without("2.5.29.37");
            if purposes.is_empty() { signer } else { signer.with(extended_key_usage(purposes)) }
        });
        let outcome = scene.verdict(&answer);
        assert!(unauthorized(&outcome).contains("OCSPSigning"), "{outcome:?}");
    }
    let two = scene.delegated(|key| {
        Certificate::ocsp_signer("Responder", key)
            .without("2.5.29.37")
            .with(extended_key_usage(&[CLIENT_AUTH, OCSP_SIGNING]))
    });
    assert_eq!(scene.verdict(&two), Outcome::NotRevoked);
}

#[test]
fn delegated_responder_may_be_used_for_signatures() {
    let scene = Scene::new();
    let with_usage = |usage: Option<usize>| {
        scene.delegated(|key| {
            let signer = Certificate::ocsp_signer("Responder", key).without("2.5.29.15");
            match usage {
                Some(usage) => signer.with(key_usage(&[usage])),
                None => signer,
            }
        })
    };
    assert_eq!(scene.verdict(&with_usage(Some(DIGITAL_SIGNATURE))), Outcome::NotRevoked);
    assert_eq!(scene.verdict(&with_usage(None)), Outcome::NotRevoked);
    let outcome = scene.verdict(&with_usage(Some(KEY_ENCIPHERMENT)));
    assert!(unauthorized(&outcome).contains("digitalSignature"), "{outcome:?}");
}

#[test]
fn delegated_responder_of_another_authority_is_refused() {
    let scene = Scene::new();
    let other = Authority::root("Other CA");
    let key = Key::ed25519("responder");
    let answer = |certificate: Vec<u8>| {
        OcspResponse {
            certificates: Some(vec![certificate]),
            ..OcspResponse::of(vec![scene.good()])
        }
        .signed_by(&key)
    };
    let outcome = scene.verdict(&answer(other.issue(Certificate::ocsp_signer("Responder", &key))));
    assert_eq!(unauthorized(&outcome), "another authority issued its certificate");
    // One step below the authority is not directly below it.
    let below = scene.issuer.intermediate("Acme OCSP CA");
    let outcome = scene.verdict(&answer(below.issue(Certificate::ocsp_signer("Responder", &key))));
    assert_eq!(unauthorized(&outcome), "another authority issued its certificate");
    // In the authority's name, but not by its key.
    let forged =
        Certificate::ocsp_signer("Responder", &key).signed_by(&scene.issuer.name, &other.key);
    let outcome = scene.verdict(&answer(forged));
    assert!(unauthorized(&outcome).contains("does not verify"), "{outcome:?}");
}

#[test]
fn delegated_responder_must_be_in_force_when_the_answer_is_used() {
    let scene = Scene::new();
    let answer = scene.delegated(|key| Certificate {
        not_before: time(NOW - 60),
        not_after: time(NOW + 60),
        ..Certificate::ocsp_signer("Responder", key)
    });
    let refused = Outcome::Unknown(Obstacle::SignerNotInForce);
    assert_eq!(scene.verdict_at(&answer, NOW - 61), refused);
    assert_eq!(scene.verdict_at(&answer, NOW - 60), Outcome::NotRevoked);
    assert_eq!(scene.verdict_at(&answer, NOW + 60), Outcome::NotRevoked);
    assert_eq!(scene.verdict_at(&answer, NOW + 61), refused);
    let serves_until = scene.verify(&answer).unwrap().serves_until();
    assert_eq!(serves_until, Timestamp::from_unix_seconds(NOW + 60));
}

#[test]
fn delegated_responder_with_an_unknown_critical_extension_is_refused() {
    let scene = Scene::new();
    let with = |extension: Der| {
        scene.delegated(|key| Certificate::ocsp_signer("Responder", key).with(extension))
    };
    assert_eq!(scene.verdict(&with(extension("1.2.3.4", &null()))), Outcome::NotRevoked);
    let outcome = scene.verdict(&with(critical("1.2.3.4", &null())));
    assert!(unauthorized(&outcome).contains("1.2.3.4"), "{outcome:?}");
}

#[test]
fn signer_is_found_among_other_certificates_and_unreadable_ones() {
    let scene = Scene::new();
    let key = Key::ed25519("responder");
    let signer = scene.issuer.issue(Certificate::ocsp_signer("Responder", &key));
    let with = |certificates: Vec<Der>| {
        let response = OcspResponse {
            certificates: Some(certificates),
            ..OcspResponse::of(vec![scene.good()])
        };
        scene.verdict(&response.signed_by(&key))
    };
    let root = scene.issuer.certificate.clone();
    assert_eq!(with(vec![root.clone(), sequence(&[null()]), signer.clone()]), Outcome::NotRevoked);
    // Only so many are looked at.
    let mut many = vec![root; 8];
    many.push(signer);
    unauthorized(&with(many));
    unauthorized(&with(vec![]));
    assert!(is_malformed(&with(vec![null()])));
}

#[test]
fn nonce_that_nobody_sent_is_refused() {
    let scene = Scene::new();
    let with = |extension: Der| {
        let response = OcspResponse {
            extensions: Some(vec![extension]),
            ..OcspResponse::of(vec![scene.good()])
        };
        scene.verdict(&scene.issuer.answer(response))
    };
    assert_eq!(with(ocsp_nonce(&[7; 16])), Outcome::Unknown(Obstacle::Nonce));
    assert_eq!(with(extension("1.3.6.1.5.5.7.48.1.9", &null())), Outcome::NotRevoked);
}

#[test]
fn critical_extensions_that_are_not_understood_are_refused() {
    let scene = Scene::new();
    let unknown = || Outcome::Unknown(Obstacle::UnknownCriticalExtension("1.2.3.4".to_owned()));
    let whole = |extension: Der| {
        let response = OcspResponse {
            extensions: Some(vec![extension]),
            ..OcspResponse::of(vec![scene.good()])
        };
        scene.verdict(&scene.issuer.answer(response))
    };
    assert_eq!(whole(extension("1.2.3.4", &null())), Outcome::NotRevoked);
    assert_eq!(whole(critical("1.2.3.4", &null())), unknown());
    let single = |extension: Der| {
        let good = SingleResponse { extensions: Some(vec![extension]), ..scene.good() };
        scene.verdict(&scene.answer(vec![good]))
    };
    assert_eq!(single(extension("1.2.3.4", &null())), Outcome::NotRevoked);
    assert_eq!(single(critical("1.2.3.4", &null())), unknown());
}

#[test]
fn errors_of_the_responder_are_named() {
    let scene = Scene::new();
    for (code, status, name) in [
        (1, ResponderStatus::MalformedRequest, "malformedRequest"),
        (2, ResponderStatus::InternalError, "internalError"),
        (3, ResponderStatus::TryLater, "tryLater"),
        (5, ResponderStatus::SignatureRequired, "sigRequired"),
        (6, ResponderStatus::Unauthorized, "unauthorized"),
        (9, ResponderStatus::Other(9), "status 9"),
    ] {
        let obstacle = scene.verify(&ocsp_error(code)).unwrap_err();
        assert_eq!(obstacle, Obstacle::NoAnswer(status));
        assert_eq!(obstacle.to_string(), format!("the responder gives no answer: {name}"));
    }
    // `successful`, and nothing said.
    assert!(is_malformed(&scene.verdict(&ocsp_error(0))));
}

#[test]
fn other_forms_of_an_answer_are_refused() {
    let scene = Scene::new();
    let response = || OcspResponse::of(vec![scene.good()]);
    let verdict = |response: OcspResponse| scene.verdict(&scene.issuer.answer(response));
    assert_eq!(
        verdict(OcspResponse { response_type: "1.2.3.4".to_owned(), ..response() }),
        Outcome::Unknown(Obstacle::UnknownKind("1.2.3.4".to_owned()))
    );
    for version in [0, 1] {
        let version = Some(explicit(0, &number(version)));
        assert!(is_malformed(&verdict(OcspResponse { version, ..response() })));
    }
    let utc = OcspResponse { produced_at: utc_time("261121070000Z"), ..response() };
    assert!(is_malformed(&verdict(utc)));
    let fraction = OcspResponse { produced_at: tlv(0x18, b"20261121070000.5Z"), ..response() };
    assert!(is_malformed(&verdict(fraction)));
    // HTML, as captive portals give it, and nothing at all.
    assert!(is_malformed(&scene.verdict(b"<html>")));
    assert!(is_malformed(&scene.verdict(b"")));
    let long = vec![0x30; MAX_ANSWER_BYTES + 1];
    assert_eq!(scene.verdict(&long), Outcome::Unknown(Obstacle::TooLong));
}

#[test]
fn weak_keys_and_algorithms_are_refused_unless_the_configuration_takes_them() {
    let judge = |key: Key, strength: Strength| {
        let scene = Scene::of(Authority::root_with("Acme Issuing CA", key));
        let answer = scene.answer(vec![scene.good()]);
        Answer::verify(&answer, scene.question(), strength).map(|_| ())
    };
    let strict = Strength::default();
    let short = Strength { min_rsa_bits: 1024, ..strict };
    let sha1 = Strength { allow_sha1: true, ..strict };
    let by_sha1 = || Key::rsa_2048().with_scheme(Scheme::RsaPkcs1(Hash::Sha1));
    assert_eq!(judge(Key::rsa_2048(), strict), Ok(()));
    assert_eq!(judge(Key::p256(), strict), Ok(()));
    assert_eq!(judge(Key::p384(), strict), Ok(()));
    assert!(matches!(judge(Key::rsa_1024(), strict), Err(Obstacle::Signature(_))));
    assert_eq!(judge(Key::rsa_1024(), short), Ok(()));
    assert!(matches!(judge(by_sha1(), strict), Err(Obstacle::Signature(_))));
    assert_eq!(judge(by_sha1(), sha1), Ok(()));
}

#[test]
fn openssl_answers_what_is_asked_here() {
    const TEST: &str = "openssl_answers_what_is_asked_here";
    let scratch = scratch(TEST);
    let path = |name: &str| scratch.write(name, "");
    let names = ["ca.key", "ca.pem", "leaf.key", "leaf.csr", "responder.key", "responder.csr"];
    let [ca_key, ca, leaf_key, leaf_csr, responder_key, responder_csr] = names.map(path);
    let [leaf, revoked, responder] = ["leaf.pem", "revoked.pem", "responder.pem"].map(path);
    let extensions = scratch.write("responder.cnf", "extendedKeyUsage=OCSPSigning\n");
    let index = scratch.write(
        "index.txt",
        "V\t401231235959Z\t\t1001\tunknown\t/CN=orders\n\
         R\t401231235959Z\t261120080000Z,keyCompromise\t1002\tunknown\t/CN=orders\n",
    );
    let run = |arguments: &str| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let (success, output) = openssl_status(TEST, &arguments)?;
        assert!(success, "openssl {arguments:?}: {output}");
        Some(())
    };
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    let make = || {
        run(&format!("req -x509 {new_key} -subj /CN=Peer -keyout {ca_key} -out {ca} -days 9"))?;
        run(&format!("req {new_key} -subj /CN=orders -keyout {leaf_key} -out {leaf_csr}"))?;
        run(&format!("req {new_key} -subj /CN=ocsp -keyout {responder_key} -out {responder_csr}"))?;
        let sign = format!("x509 -req -CA {ca} -CAkey {ca_key} -days 9");
        run(&format!("{sign} -in {leaf_csr} -out {leaf} -set_serial 0x1001"))?;
        run(&format!("{sign} -in {leaf_csr} -out {revoked} -set_serial 0x1002"))?;
        run(&format!(
            "{sign} -in {responder_csr} -out {responder} -set_serial 1 -extfile {extensions}"
        ))
    };
    if make().is_none() {
        return;
    }
    let read = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap();
        let der = pem::parse(text).unwrap();
        Parsed::parse(der.contents()).unwrap()
    };
    let issuer = read(&ca);
    for (certificate, is_revoked) in [(read(&leaf), false), (read(&revoked), true)] {
        let question = Question::new(&certificate, &issuer);
        let request = scratch.write("request.der", question.to_der());
        for (signer, key) in [(&ca, &ca_key), (&responder, &responder_key)] {
            for by_key in ["", " -resp_key_id"] {
                let response = scratch.write("response.der", "");
                run(&format!(
                    "ocsp -index {index} -CA {ca} -rsigner {signer} -rkey {key} -nmin 5 \
                     -reqin {request} -respout {response}{by_key}"
                ))
                .unwrap();
                let response = std::fs::read(response).unwrap();
                let answer = Answer::verify(&response, question, Strength::default()).unwrap();
                // The peer reads the clock; the test takes the peer's time for its own.
                let produced_at = match answer.verdict(0, Timestamp::from_unix_seconds(0)) {
                    Verdict::Unknown(Obstacle::NotYetValid | Obstacle::SignerNotInForce, it) => {
                        it.produced_at
                    }
                    other => panic!("{other:?}"),
                };
                assert_eq!(answer.delegate().is_some(), signer == &responder);
                match answer.verdict(0, produced_at) {
                    Verdict::NotRevoked(_) => assert!(!is_revoked),
                    Verdict::Revoked { reason, at, .. } => {
                        assert!(is_revoked);
                        assert_eq!(reason, ReasonCode::KeyCompromise);
                        assert_eq!(at.to_string(), "2026-11-20T08:00:00Z");
                    }
                    other => panic!("{other:?}"),
                }
                let later = answer.verdict(0, produced_at.plus(5 * 60 + 1));
                assert!(matches!(later, Verdict::Unknown(Obstacle::Expired, _)), "{later:?}");
            }
        }
    }
}
