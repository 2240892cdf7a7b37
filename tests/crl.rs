//! Revocation lists: what each fault of a list comes to, and that a revoked certificate never passes.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic
)]

mod support;

use std::collections::HashSet;

use mtls_authorizer::{
    der::Reader,
    revocation::crl::{
        CrlStore, DistributionPoint, DocumentError, Issuer, LoadError, Loaded, Obstacle,
        OutOfScope, ReasonCode, Rollback, SerialHasher, Signature, Signed, Subject, Verdict,
        distribution_points, parse,
    },
    signature::Strength,
    timestamp::Timestamp,
};
use proptest::prelude::*;
use support::{openssl::openssl_status, pki::*};

const AT: Timestamp = Timestamp::from_unix_seconds(NOW);
const SERIAL: &[u8] = &[0x0a, 0x11];
const OTHER: &[u8] = &[0x0a, 0x12];

/// A CA, a store, and what is asked of it.
struct World {
    ca: Authority,
    public_key: Vec<u8>,
    may_sign_crls: bool,
    is_ca: bool,
    points: Vec<DistributionPoint>,
    store: CrlStore,
}

impl World {
    fn new() -> Self {
        Self::of(Authority::root("Issuing CA"))
    }

    fn of(ca: Authority) -> Self {
        let public_key = ca.key.public_key();
        let store = CrlStore::new();
        Self { ca, public_key, may_sign_crls: true, is_ca: false, points: Vec::new(), store }
    }

    fn with(list: Crl) -> Self {
        let mut world = Self::new();
        world.load(list);
        world
    }

    fn load(&mut self, list: Crl) -> Loaded {
        let der = self.ca.revoke(list);
        self.load_bytes("list", der).unwrap().remove(0)
    }

    fn load_bytes(&mut self, source: &str, bytes: Vec<u8>) -> Result<Vec<Loaded>, LoadError> {
        let issuer = Issuer {
            name: &self.ca.name,
            public_key: &self.public_key,
            may_sign_crls: self.may_sign_crls,
        };
        self.store.load(source, bytes, &[issuer], &Strength::default(), AT)
    }

    fn verdict_at(&self, serial: &[u8], now: i64) -> Verdict {
        let subject = Subject {
            issuer: &self.ca.name,
            serial,
            is_ca: self.is_ca,
            distribution_points: &self.points,
        };
        let issuer = Issuer {
            name: &self.ca.name,
            public_key: &self.public_key,
            may_sign_crls: self.may_sign_crls,
        };
        self.store.verdict(&subject, &issuer, Timestamp::from_unix_seconds(now))
    }

    fn verdict(&self, serial: &[u8]) -> Verdict {
        self.verdict_at(serial, NOW)
    }
}

#[track_caller]
fn assert_good(verdict: &Verdict) {
    assert!(matches!(verdict, Verdict::NotRevoked(_)), "{verdict:?}");
}

#[track_caller]
fn assert_revoked(verdict: &Verdict, reason: ReasonCode) {
    assert!(matches!(verdict, Verdict::Revoked(why, _) if *why == reason), "{verdict:?}");
}

#[track_caller]
fn assert_unknown(verdict: &Verdict, expected: &Obstacle) {
    assert!(matches!(verdict, Verdict::Unknown(why, _) if why == expected), "{verdict:?}");
}

fn point(points: &[Der], issuer: &[u8]) -> Vec<DistributionPoint> {
    distribution_points(&sequence(points), issuer).unwrap()
}

fn at(uri: &str) -> Vec<DistributionPoint> {
    let name = full_name(&[support::pki::uri(uri.as_bytes())]);
    point(&[distribution_point(Some(&name), None, None)], &[])
}

#[test]
fn listed_certificate_is_revoked_and_its_neighbour_is_not() {
    let world = World::with(Crl::of(vec![revoked(SERIAL)]));
    assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
    assert_good(&world.verdict(OTHER));
    let Verdict::NotRevoked(evidence) = world.verdict(OTHER) else { panic!() };
    assert_eq!(evidence.source, "list");
    assert_eq!(evidence.this_update, Timestamp::from_unix_seconds(NOW - HOUR));
}

#[test]
fn every_reason_is_told_and_revokes() {
    for code in [0, 1, 2, 3, 4, 5, 6, 8, 9, 10] {
        let entry = revoked_with(SERIAL, NOW - DAY, &[reason(code)]);
        let world = World::with(Crl::of(vec![entry]));
        assert_revoked(&world.verdict(SERIAL), ReasonCode::from_code(code).unwrap());
    }
    for code in [7, 11] {
        let list = Crl::of(vec![revoked_with(SERIAL, NOW - DAY, &[reason(code)])]);
        assert_malformed(World::new().ca.revoke(list), "a reason code is none of those");
    }
}

#[test]
fn reasons_are_told_by_their_names_in_rfc_5280() {
    let names = [
        (0, "unspecified"),
        (1, "keyCompromise"),
        (2, "cACompromise"),
        (3, "affiliationChanged"),
        (4, "superseded"),
        (5, "cessationOfOperation"),
        (6, "certificateHold"),
        (8, "removeFromCRL"),
        (9, "privilegeWithdrawn"),
        (10, "aACompromise"),
    ];
    for (code, name) in names {
        let reason = ReasonCode::from_code(code).unwrap();
        assert_eq!((reason.code(), reason.to_string().as_str()), (code, name));
    }
    assert!([7, 11, 255].into_iter().all(|code| ReasonCode::from_code(code).is_none()));
}

#[test]
fn invalidity_date_of_an_entry_changes_nothing_but_has_to_be_one() {
    let entry = |value: &[u8]| {
        let date = extension("2.5.29.24", value);
        Crl::of(vec![revoked_with(SERIAL, NOW - DAY, &[reason(1), date])])
    };
    let date = generalized_time(NOW - DAY);
    let world = World::with(entry(&date));
    assert_revoked(&world.verdict(SERIAL), ReasonCode::KeyCompromise);
    assert_good(&world.verdict(OTHER));
    let refused =
        |value: &[u8], rule: &str| assert_malformed(World::new().ca.revoke(entry(value)), rule);
    refused(&utc_time("261121080000Z"), "an invalidity date is no time");
    refused(&concat(&[&date, &null()]), "something follows an invalidity date");
    let date = extension("2.5.29.24", &date);
    let twice = Crl::of(vec![revoked_with(SERIAL, NOW - DAY, &[date.clone(), date])]);
    assert_malformed(World::new().ca.revoke(twice), "an extension stands there twice");
}

#[test]
fn authority_key_identifier_names_issuer_and_serial_number_together() {
    let ca = World::new().ca;
    let list = |fields: &[Der]| {
        Crl::of(vec![revoked(SERIAL)]).with(extension("2.5.29.35", &sequence(fields)))
    };
    let key = implicit(0, &ca.key.id());
    let issuer = explicit(1, &directory_name(&ca.name));
    let serial = implicit(2, &[0x01]);
    for fields in [vec![key.clone()], vec![key.clone(), issuer.clone(), serial.clone()]] {
        let world = World::with(list(&fields));
        assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
        assert_good(&world.verdict(OTHER));
    }
    for (fields, rule) in [
        (vec![key.clone(), issuer.clone()], "gives an issuer or a serial number alone"),
        (vec![key.clone(), serial.clone()], "gives an issuer or a serial number alone"),
        (vec![key.clone(), serial.clone(), issuer], "holds an unknown field"),
        (vec![key, explicit(3, &null())], "holds an unknown field"),
    ] {
        assert_malformed(ca.revoke(list(&fields)), rule);
    }
}

#[test]
fn a_list_of_extensions_holds_no_more_than_a_few_that_are_unknown() {
    let unknown = |count: usize| {
        (0..count)
            .map(|it| extension(&format!("1.3.6.1.4.1.99999.{it}"), &null()))
            .collect::<Vec<_>>()
    };
    let list = |count| Crl::of(vec![revoked_with(SERIAL, NOW - DAY, &unknown(count))]);
    let world = World::with(list(32));
    assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
    assert_good(&world.verdict(OTHER));
    assert_malformed(World::new().ca.revoke(list(33)), "there are more than 32 extensions");
    let mut twice = unknown(2);
    twice.push(twice[0].clone());
    let twice = Crl::of(vec![revoked_with(SERIAL, NOW - DAY, &twice)]);
    assert_malformed(World::new().ca.revoke(twice), "an extension stands there twice");
}

#[test]
fn without_a_list_nothing_is_known() {
    assert_unknown(&World::new().verdict(SERIAL), &Obstacle::NoList);
}

#[test]
fn serial_shared_by_two_issuers_is_revoked_for_one() {
    let world = World::with(Crl::of(vec![revoked(SERIAL)]));
    let mut other = World::of(Authority::root("Other CA"));
    other.store = world.store;
    assert_unknown(&other.verdict(SERIAL), &Obstacle::NoList);
    other.load_bytes("other", other.ca.revoke(Crl::of(vec![revoked(OTHER)]))).unwrap();
    assert_good(&other.verdict(SERIAL));
}

#[test]
fn signature_that_does_not_verify_gives_unknown() {
    let mut world = World::new();
    let mut der = world.ca.revoke(Crl::of(vec![]));
    let last = der.len() - 1;
    der[last] ^= 1;
    let loaded = world.load_bytes("list", der).unwrap();
    assert!(matches!(loaded[0].signature, Signature::Refused(_)));
    assert!(matches!(world.verdict(SERIAL), Verdict::Unknown(Obstacle::SignatureRefused(_), _)));
}

#[test]
fn list_by_another_key_in_the_issuers_name_gives_unknown() {
    let mut world = World::new();
    let forged = Crl::of(vec![]).signed_by(&world.ca.name, &Key::ed25519("mallory"));
    world.load_bytes("list", forged).unwrap();
    assert!(matches!(world.verdict(SERIAL), Verdict::Unknown(Obstacle::SignatureRefused(_), _)));
}

#[test]
fn weak_signature_gives_unknown() {
    let ca = Authority::root_with("Issuing CA", Key::rsa_2048());
    let sha1 = Key::rsa_2048().with_scheme(Scheme::RsaPkcs1(Hash::Sha1));
    let mut world = World::of(ca);
    let der = Crl::of(vec![]).signed_by(&world.ca.name, &sha1);
    let loaded = world.load_bytes("list", der).unwrap();
    let Signature::Refused(why) = &loaded[0].signature else { panic!("{loaded:?}") };
    assert!(why.contains("SHA-1"), "{why}");
    assert_good(&{
        world.load(Crl::of(vec![]));
        world.verdict(SERIAL)
    });
}

#[test]
fn issuer_without_crl_sign_gives_unknown() {
    let mut world = World::with(Crl::of(vec![revoked(SERIAL)]));
    world.may_sign_crls = false;
    assert_unknown(&world.verdict(SERIAL), &Obstacle::IssuerMayNotSign);
    assert_unknown(&world.verdict(OTHER), &Obstacle::IssuerMayNotSign);
}

#[test]
fn list_serves_from_this_update_to_next_update() {
    let world = World::with(Crl::of(vec![revoked(SERIAL)]));
    assert_unknown(&world.verdict_at(OTHER, NOW - HOUR - 1), &Obstacle::NotYetValid);
    assert_good(&world.verdict_at(OTHER, NOW - HOUR));
    assert_good(&world.verdict_at(OTHER, NOW + HOUR));
    assert_unknown(&world.verdict_at(OTHER, NOW + HOUR + 1), &Obstacle::Expired);
    assert_unknown(&world.verdict_at(SERIAL, NOW + HOUR + 1), &Obstacle::Expired);
}

#[test]
fn list_without_next_update_serves_seven_days() {
    let list = Crl { next_update: None, ..Crl::of(vec![revoked(SERIAL)]) };
    let world = World::with(list);
    let until = NOW - HOUR + 7 * DAY;
    assert_good(&world.verdict_at(OTHER, until));
    assert_unknown(&world.verdict_at(OTHER, until + 1), &Obstacle::Expired);
}

#[test]
fn unknown_critical_extension_keeps_a_list_from_serving() {
    let id = "1.3.6.1.4.1.99999.1";
    let expected = Obstacle::UnknownCriticalExtension(id.to_owned());
    let of_list = Crl::of(vec![revoked(SERIAL)]).with(critical(id, &null()));
    let of_entry = Crl::of(vec![revoked_with(SERIAL, NOW - DAY, &[critical(id, &null())])]);
    for list in [of_list, of_entry] {
        let world = World::with(list);
        assert_unknown(&world.verdict(SERIAL), &expected);
        assert_unknown(&world.verdict(OTHER), &expected);
    }
    let of_list = Crl::of(vec![revoked(SERIAL)]).with(extension(id, &null()));
    let of_entry = Crl::of(vec![revoked_with(SERIAL, NOW - DAY, &[extension(id, &null())])]);
    for list in [of_list, of_entry] {
        let world = World::with(list);
        assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
        assert_good(&world.verdict(OTHER));
    }
}

#[test]
fn extension_that_must_not_be_critical_keeps_a_list_from_serving_where_it_is() {
    let point = distribution_point(Some(&full_name(&[uri(b"http://crl.example/new")])), None, None);
    for (id, known) in [
        ("2.5.29.20", crl_number(7)),
        ("2.5.29.35", authority_key_id(&[7; 20])),
        ("2.5.29.46", extension("2.5.29.46", &sequence(&[point]))),
    ] {
        let list = |it: Der| Crl { extensions: Some(vec![it]), ..Crl::of(Vec::new()) };
        assert_good(&World::with(list(known.clone())).verdict(OTHER));
        let world = World::with(list(made_critical(&known)));
        assert_unknown(&world.verdict(OTHER), &Obstacle::UnknownCriticalExtension(id.to_owned()));
    }
}

#[test]
fn list_of_another_distribution_point_shows_only_revocations() {
    let scope = IssuingDistributionPoint::at("http://crl.example/1").extension();
    let mut world = World::with(Crl::of(vec![revoked(SERIAL)]).with(scope));
    let expected = Obstacle::OutOfScope(OutOfScope::DistributionPoint);
    assert_unknown(&world.verdict(OTHER), &expected);
    assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
    world.points = at("http://crl.example/2");
    assert_unknown(&world.verdict(OTHER), &expected);
    world.points = at("http://crl.example/1");
    assert_good(&world.verdict(OTHER));
    // The second of two points counts like the first.
    world.points = [at("http://crl.example/2"), at("http://crl.example/1")].concat();
    assert_good(&world.verdict(OTHER));
}

#[test]
fn distribution_point_with_reasons_or_another_issuer_brings_nothing_into_scope() {
    let scope = IssuingDistributionPoint::at("http://crl.example/1").extension();
    let mut world = World::with(Crl::of(vec![]).with(scope));
    let name = full_name(&[uri(b"http://crl.example/1")]);
    let issuer = world.ca.name.clone();
    let expected = Obstacle::OutOfScope(OutOfScope::DistributionPoint);
    world.points = point(&[distribution_point(Some(&name), Some(&[1]), None)], &issuer);
    assert_unknown(&world.verdict(OTHER), &expected);
    world.points = point(&[distribution_point(Some(&name), None, Some(&issuer))], &issuer);
    assert_unknown(&world.verdict(OTHER), &expected);
    world.points = point(&[distribution_point(Some(&name), None, None)], &issuer);
    assert_good(&world.verdict(OTHER));
}

/// RFC 5280, section 6.3.3, and CERT_PATH_CRL_13 of BSI's suite.
#[test]
fn list_of_the_issuers_own_entry_is_about_certificates_that_point_there_or_nowhere() {
    let mut world = World::new();
    let issuer = world.ca.name.clone();
    let own = full_name(&[directory_name(&issuer)]);
    let scope = IssuingDistributionPoint {
        distribution_point: Some(own.clone()),
        ..IssuingDistributionPoint::default()
    };
    world.load(Crl::of(vec![revoked(SERIAL)]).with(scope.extension()));
    assert_good(&world.verdict(OTHER));
    assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
    world.points = point(&[distribution_point(Some(&own), None, None)], &issuer);
    assert_good(&world.verdict(OTHER));
    let elsewhere = full_name(&[directory_name(&acme("Acme Other Entry"))]);
    world.points = point(&[distribution_point(Some(&elsewhere), None, None)], &issuer);
    let expected = Obstacle::OutOfScope(OutOfScope::DistributionPoint);
    assert_unknown(&world.verdict(OTHER), &expected);
}

#[test]
fn relative_name_equals_the_same_name_in_full() {
    let attribute = attribute("CN", "partition 1");
    let relative = tlv(0xa1, &attribute);
    let mut world = World::new();
    let issuer = world.ca.name.clone();
    let scope = IssuingDistributionPoint {
        distribution_point: Some(relative.clone()),
        ..IssuingDistributionPoint::default()
    };
    world.load(Crl::of(vec![]).with(scope.extension()));
    let rdns = &Reader::new(&issuer).any().unwrap().content.to_vec();
    let full = tlv(0x30, &[rdns.clone(), tlv(0x31, &attribute)].concat());
    let full = full_name(&[directory_name(&full)]);
    for name in [relative, full] {
        world.points = point(&[distribution_point(Some(&name), None, None)], &issuer);
        assert_good(&world.verdict(OTHER));
    }
    let expected = Obstacle::OutOfScope(OutOfScope::DistributionPoint);
    world.points = at("http://crl.example/1");
    assert_unknown(&world.verdict(OTHER), &expected);
}

#[test]
fn list_of_one_kind_of_certificates_is_about_that_kind() {
    let user = IssuingDistributionPoint {
        only_contains_user_certs: true,
        ..IssuingDistributionPoint::default()
    };
    let ca = IssuingDistributionPoint {
        only_contains_ca_certs: true,
        ..IssuingDistributionPoint::default()
    };
    let mut world = World::with(Crl::of(vec![]).with(user.extension()));
    assert_good(&world.verdict(OTHER));
    world.is_ca = true;
    let expected = Obstacle::OutOfScope(OutOfScope::UserCertificatesOnly);
    assert_unknown(&world.verdict(OTHER), &expected);

    let mut world = World::with(Crl::of(vec![]).with(ca.extension()));
    let expected = Obstacle::OutOfScope(OutOfScope::CaCertificatesOnly);
    assert_unknown(&world.verdict(OTHER), &expected);
    world.is_ca = true;
    assert_good(&world.verdict(OTHER));
}

#[test]
fn list_that_spells_out_what_it_is_not_is_about_everything() {
    let scope = [1, 2, 4, 5].map(|flag| implicit(flag, &[0x00]));
    let mut world =
        World::with(Crl::of(vec![revoked(SERIAL)]).with(critical("2.5.29.28", &sequence(&scope))));
    assert_good(&world.verdict(OTHER));
    assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
    world.is_ca = true;
    assert_good(&world.verdict(OTHER));
}

#[test]
fn list_of_attribute_certificates_says_nothing() {
    let scope = IssuingDistributionPoint {
        only_contains_attribute_certs: true,
        ..IssuingDistributionPoint::default()
    };
    let world = World::with(Crl::of(vec![revoked(SERIAL)]).with(scope.extension()));
    let expected = Obstacle::OutOfScope(OutOfScope::AttributeCertificatesOnly);
    assert_unknown(&world.verdict(SERIAL), &expected);
    assert_unknown(&world.verdict(OTHER), &expected);
}

#[test]
fn list_of_some_reasons_shows_only_revocations() {
    let scope = IssuingDistributionPoint {
        only_some_reasons: Some(vec![1, 2]),
        ..IssuingDistributionPoint::default()
    };
    let world = World::with(Crl::of(vec![revoked(SERIAL)]).with(scope.extension()));
    assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
    assert_unknown(&world.verdict(OTHER), &Obstacle::SomeReasonsOnly);
}

#[test]
fn delta_list_shows_only_revocations() {
    let removed = revoked_with(&[0x55], NOW - DAY, &[reason(8)]);
    let world = World::with(Crl::of(vec![revoked(SERIAL), removed]).with(delta_crl_indicator(1)));
    assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
    assert_unknown(&world.verdict(OTHER), &Obstacle::Delta);
    assert_unknown(&world.verdict(&[0x55]), &Obstacle::Delta);
}

#[test]
fn hold_stays_although_a_delta_list_lifts_it() {
    let mut world = World::new();
    let hold = revoked_with(SERIAL, NOW - DAY, &[reason(6)]);
    let lifted = revoked_with(SERIAL, NOW - DAY, &[reason(8)]);
    let base = world.ca.revoke(Crl::of(vec![hold]));
    let delta = world.ca.revoke(Crl::of(vec![lifted]).numbered(2).with(delta_crl_indicator(1)));
    world.load_bytes("base", base).unwrap();
    world.load_bytes("delta", delta).unwrap();
    assert_revoked(&world.verdict(SERIAL), ReasonCode::CertificateHold);
    assert_good(&world.verdict(OTHER));
}

#[test]
fn indirect_list_shows_only_revocations_of_its_own_issuer() {
    let scope =
        IssuingDistributionPoint { indirect_crl: true, ..IssuingDistributionPoint::default() };
    let mut world = World::new();
    let stranger = acme("Other CA");
    let own = world.ca.name.clone();
    let entries = vec![
        revoked(&[0x01]),
        revoked_with(&[0x02], NOW - DAY, &[certificate_issuer(&stranger)]),
        revoked(&[0x03]),
        revoked_with(&[0x04], NOW - DAY, &[certificate_issuer(&own)]),
    ];
    world.load(Crl::of(entries.clone()).with(scope.extension()));
    assert_revoked(&world.verdict(&[0x01]), ReasonCode::Unspecified);
    assert_unknown(&world.verdict(&[0x02]), &Obstacle::Indirect);
    assert_unknown(&world.verdict(&[0x03]), &Obstacle::Indirect);
    assert_revoked(&world.verdict(&[0x04]), ReasonCode::Unspecified);
    assert_malformed(world.ca.revoke(Crl::of(entries)), "a list that is not indirect");
}

#[test]
fn v1_lists_and_negative_serials_are_read() {
    let world = World::with(Crl::v1(vec![revoked(SERIAL), revoked(&[0xf0])]));
    assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
    assert_revoked(&world.verdict(&[0xf0]), ReasonCode::Unspecified);
    assert_good(&world.verdict(&[0x00, 0xf0]));
}

#[test]
fn nearest_obstacle_is_told() {
    let mut world = World::new();
    let scope = IssuingDistributionPoint::at("http://crl.example/1").extension();
    let elsewhere = world.ca.revoke(Crl::of(vec![]).with(scope));
    let expired = world.ca.revoke(Crl { next_update: Some(time(NOW - 1)), ..Crl::of(vec![]) });
    world.load_bytes("expired", expired).unwrap();
    world.load_bytes("elsewhere", elsewhere).unwrap();
    let Verdict::Unknown(Obstacle::Expired, Some(evidence)) = world.verdict(SERIAL) else {
        panic!("{:?}", world.verdict(SERIAL))
    };
    assert_eq!(evidence.source, "expired");
}

#[test]
fn older_list_does_not_take_the_place_of_a_newer_one() {
    let newer = || Crl::of(vec![revoked(SERIAL)]).numbered(5);
    let lower_number = Crl::of(vec![]).numbered(4);
    let no_number = Crl { extensions: None, ..Crl::of(vec![]) };
    let earlier = Crl { this_update: time(NOW - HOUR - 1), ..Crl::of(vec![]).numbered(6) };
    for (list, rollback) in [
        (lower_number, Rollback::Number),
        (no_number, Rollback::Number),
        (earlier, Rollback::ThisUpdate),
    ] {
        let mut world = World::with(newer());
        assert_eq!(world.load(list).signature, Signature::Rollback(rollback));
        assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
        assert_eq!(world.store.len(), 1);
    }
    let mut world = World::with(newer());
    assert_eq!(world.load(Crl::of(vec![]).numbered(256)).signature, Signature::Verified);
    assert_good(&world.verdict(SERIAL));
    assert_eq!(world.store.len(), 1);
}

#[test]
fn list_issued_ahead_of_its_time_leaves_the_one_in_force() {
    let ahead = |number| Crl {
        this_update: time(NOW + 60),
        next_update: Some(time(NOW + DAY)),
        ..Crl::of(vec![revoked(SERIAL), revoked(OTHER)]).numbered(number)
    };
    let mut world = World::with(Crl::of(vec![revoked(SERIAL)]).numbered(5));
    for number in [6, 7] {
        assert_eq!(world.load(ahead(number)).signature, Signature::Verified);
        assert_eq!(world.store.len(), 2);
        assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
        assert_good(&world.verdict(OTHER));
        // From then on it is in force as well.
        assert_revoked(&world.verdict_at(OTHER, NOW + 60), ReasonCode::Unspecified);
        assert_revoked(&world.verdict_at(SERIAL, NOW + DAY), ReasonCode::Unspecified);
    }
    // Until then others may come, though not of what has been in force.
    let older = Crl::of(vec![revoked(SERIAL)]).numbered(4);
    assert_eq!(world.load(older).signature, Signature::Rollback(Rollback::Number));
    assert_eq!(world.load(Crl::of(vec![]).numbered(6)).signature, Signature::Verified);
    assert_eq!(world.store.len(), 2);
    assert_good(&world.verdict(SERIAL));
    assert_revoked(&world.verdict_at(SERIAL, NOW + 60), ReasonCode::Unspecified);
    let next = Crl { this_update: time(NOW + 60), ..Crl::of(vec![]).numbered(8) };
    let issuer =
        Issuer { name: &world.ca.name, public_key: &world.public_key, may_sign_crls: true };
    let (der, at) = (world.ca.revoke(next), Timestamp::from_unix_seconds(NOW + 60));
    world.store.load("list", der, &[issuer], &Strength::default(), at).unwrap();
    assert_eq!(world.store.len(), 1);
    assert_good(&world.verdict_at(SERIAL, NOW + 60));
}

#[test]
fn list_that_has_expired_already_leaves_the_one_in_force() {
    let expired = |entries| Crl {
        this_update: time(NOW - 60),
        next_update: Some(time(NOW - 1)),
        ..Crl::of(entries).numbered(6)
    };
    let mut world = World::with(Crl::of(vec![revoked(SERIAL)]).numbered(5));
    for _ in 0..3 {
        assert_eq!(world.load(expired(vec![])).signature, Signature::Verified);
        assert_eq!(world.store.len(), 2);
        assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
        assert_good(&world.verdict(OTHER));
    }
    assert_eq!(
        world.load(Crl::of(vec![]).numbered(7)).signature,
        Signature::Rollback(Rollback::ThisUpdate)
    );
    let next = Crl { this_update: time(NOW), ..Crl::of(vec![]).numbered(7) };
    assert_eq!(world.load(next).signature, Signature::Verified);
    assert_eq!(world.store.len(), 1);
    assert_good(&world.verdict(SERIAL));
}

#[test]
fn forged_list_does_not_take_the_place_of_a_good_one() {
    let mut world = World::with(Crl::of(vec![revoked(SERIAL)]));
    let forged = Crl::of(vec![]).numbered(99).signed_by(&world.ca.name, &Key::ed25519("mallory"));
    world.load_bytes("list", forged).unwrap();
    assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
    assert_good(&world.verdict(OTHER));
    assert!(world.load_bytes("list", b"<html>".to_vec()).is_err());
    assert_good(&world.verdict(OTHER));
    // Nor does it stand in the way of the next good one.
    assert_eq!(
        world.load(Crl::of(vec![revoked(OTHER)]).numbered(2)).signature,
        Signature::Verified
    );
    assert_revoked(&world.verdict(OTHER), ReasonCode::Unspecified);
    assert_eq!(world.store.len(), 1);
}

#[test]
fn list_that_its_source_no_longer_carries_serves_until_it_expires() {
    let mut world = World::with(Crl::of(vec![revoked(SERIAL)]));
    let other = Authority::root("Other CA").revoke(Crl::of(vec![]));
    world.load_bytes("list", other.clone()).unwrap();
    assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
    assert_eq!(world.store.len(), 2);
    let later = Timestamp::from_unix_seconds(NOW + HOUR + 1);
    world.store.load("list", other, &[], &Strength::default(), later).unwrap();
    assert_eq!(world.store.len(), 1);
    assert_unknown(&world.verdict(SERIAL), &Obstacle::NoList);
}

#[test]
fn expired_list_still_keeps_an_older_one_out() {
    let world = &mut World::new();
    let ends = |seconds| Crl { next_update: Some(time(NOW + seconds)), ..Crl::of(vec![]) };
    world.load(ends(-1).numbered(5));
    assert_unknown(&world.verdict(SERIAL), &Obstacle::Expired);
    let older = world.load(ends(HOUR).numbered(4));
    assert_eq!(older.signature, Signature::Rollback(Rollback::Number));
    assert_unknown(&world.verdict(SERIAL), &Obstacle::Expired);
}

#[test]
fn lists_by_two_keys_of_one_name_are_kept_apart() {
    let keys = [Key::ed25519("old key"), Key::ed25519("new key")];
    let name = acme("Issuing CA");
    let lists: Vec<String> = keys
        .iter()
        .zip([SERIAL, OTHER])
        .map(|(key, serial)| Crl::of(vec![revoked(serial)]).signed_by(&name, key))
        .map(|der| pem("X509 CRL", &der))
        .collect();
    let spkis = keys.each_ref().map(Key::public_key);
    let issuer = |at: usize| Issuer { name: &name, public_key: &spkis[at], may_sign_crls: true };
    let strength = Strength::default();
    let known = [issuer(0), issuer(1)];
    for issuers in [&known[..], &known[..1], &[]] {
        let mut store = CrlStore::new();
        store.load("bundle", lists.concat().into_bytes(), issuers, &strength, AT).unwrap();
        assert_eq!(store.len(), 2);
        for (at, [own, foreign]) in [[SERIAL, OTHER], [OTHER, SERIAL]].into_iter().enumerate() {
            store.verify_for(&issuer(at), &strength, AT);
            let verdict = |serial| {
                let subject =
                    Subject { issuer: &name, serial, is_ca: false, distribution_points: &[] };
                store.verdict(&subject, &issuer(at), AT)
            };
            assert_revoked(&verdict(own), ReasonCode::Unspecified);
            assert_good(&verdict(foreign));
        }
    }
}

#[test]
fn signature_is_verified_once_for_a_list_and_a_key() {
    use std::cell::Cell;

    struct Counting(Cell<usize>);
    impl mtls_authorizer::revocation::crl::VerifySignature for Counting {
        fn verify(&self, public_key: &[u8], signed: &Signed<'_>) -> Result<(), String> {
            self.0.set(self.0.get() + 1);
            Strength::default().verify(public_key, signed)
        }
    }

    let mut world = World::new();
    let counting = Counting(Cell::new(0));
    let der = world.ca.revoke(Crl::of(vec![revoked(SERIAL)]));
    let loaded = world.store.load("list", der, &[], &counting, AT).unwrap();
    assert_eq!(loaded[0].signature, Signature::Unverified);
    assert_unknown(&world.verdict(OTHER), &Obstacle::SignatureUnverified);
    let wrong_key = Key::ed25519("mallory").public_key();
    let key = world.public_key.clone();
    let issuer = |public_key| Issuer { name: &world.ca.name, public_key, may_sign_crls: true };
    for _ in 0..3 {
        world.store.verify_for(&issuer(&wrong_key), &counting, AT);
    }
    assert_eq!(counting.0.get(), 1);
    for _ in 0..3 {
        world.store.verify_for(&issuer(&key), &counting, AT);
    }
    assert_eq!(counting.0.get(), 2);
    assert_good(&world.verdict(OTHER));
    assert_revoked(&world.verdict(SERIAL), ReasonCode::Unspecified);
    // Of the same name, but with another key: this is not its list.
    world.public_key = wrong_key;
    assert!(matches!(world.verdict(OTHER), Verdict::Unknown(Obstacle::SignatureRefused(_), _)));
}

#[test]
fn pem_holds_any_number_of_lists() {
    let mut world = World::new();
    let other = Authority::root("Other CA");
    let first = world.ca.revoke(Crl::of(
        (0..400_u16).map(|n| revoked(&[&[0x01][..], &n.to_be_bytes()].concat())).collect(),
    ));
    let second = other.revoke(Crl::of(vec![revoked(SERIAL)]));
    let text =
        format!("0 lists of Acme\n{}\n{}", pem("X509 CRL", &first), pem("X509 CRL", &second));
    for text in [text.clone(), text.replace('\n', "\r\n")] {
        let loaded = world.load_bytes("bundle", text.into_bytes()).unwrap();
        assert_eq!(loaded.len(), 2);
        assert_eq!(loaded[0].signature, Signature::Verified);
        assert_eq!(loaded[1].signature, Signature::Unverified);
        assert_revoked(&world.verdict(&[0x01, 0x00, 0x05]), ReasonCode::Unspecified);
        assert_good(&world.verdict(SERIAL));
    }
    // What waited for its issuer can still be verified.
    let mut world = World { store: world.store, ..World::of(other) };
    assert_unknown(&world.verdict(OTHER), &Obstacle::SignatureUnverified);
    let key = world.public_key.clone();
    let issuer = Issuer { name: &world.ca.name, public_key: &key, may_sign_crls: true };
    world.store.verify_for(&issuer, &Strength::default(), AT);
    assert_good(&world.verdict(OTHER));
}

#[test]
fn what_is_no_list_is_refused() {
    let refused = |bytes: &[u8]| World::new().load_bytes("list", bytes.to_vec()).unwrap_err();
    let list = World::new().ca.revoke(Crl::of(vec![]));
    let text = pem("X509 CRL", &list);
    let neither = LoadError::Document(DocumentError::NeitherDerNorPem);
    for bytes in [&b""[..], b"<html>", &list[..list.len() - 1], &[&list[..], &[0]].concat()] {
        assert_eq!(refused(bytes), neither);
    }
    let other = LoadError::Document(DocumentError::OtherLabel { line: 1 });
    assert_eq!(refused(pem("CERTIFICATE", &list).as_bytes()), other);
    let cut = text.replace("-----END X509 CRL-----", "");
    assert_eq!(refused(cut.as_bytes()), LoadError::Document(DocumentError::Unended { line: 1 }));
    let spoilt = text.replacen('M', "*", 1);
    assert!(matches!(
        refused(spoilt.as_bytes()),
        LoadError::Document(DocumentError::Base64 { .. })
    ));
    let certificate = World::new().ca.certificate;
    assert!(matches!(refused(&certificate), LoadError::Malformed { list: 1, .. }));
}

#[track_caller]
fn assert_malformed(der: Vec<u8>, rule: &str) {
    let error = World::new().load_bytes("list", der).unwrap_err().to_string();
    assert!(error.contains(rule), "`{error}` does not say `{rule}`");
}

#[test]
fn structure_is_read_strictly() {
    let ca = World::new().ca;
    let list = || Crl::of(vec![revoked(SERIAL)]);
    let dated = |date: &[u8]| Crl::of(vec![sequence(&[integer(SERIAL), tlv(0x17, date)])]);
    assert_good(&World::with(dated(b"240229235959Z")).verdict(OTHER));
    let idp = |fields: &[Der]| critical("2.5.29.28", &sequence(fields));
    for (list, rule) in [
        (Crl { version: Some(number(0)), ..list() }, "the version is not v2"),
        (Crl { version: Some(number(2)), ..list() }, "the version is not v2"),
        (Crl { version: None, ..list() }, "a list of version 1 has extensions"),
        (
            Crl::v1(vec![revoked_with(SERIAL, NOW, &[reason(1)])]),
            "a list of version 1 has entry extensions",
        ),
        (
            Crl { signature: Some(Key::p256().algorithm()), ..list() },
            "signature and signatureAlgorithm differ",
        ),
        (
            Crl { signature_algorithm: Some(Key::p256().algorithm()), ..list() },
            "signature and signatureAlgorithm differ",
        ),
        (Crl { issuer: Some(empty_name()), ..list() }, "issuer is empty"),
        (Crl { this_update: number(1), ..list() }, "thisUpdate is missing"),
        (Crl { this_update: tlv(0x17, b"2611210800Z"), ..list() }, "a time is not of the form"),
        (Crl { extensions: Some(vec![]), ..list() }, "a list of extensions is empty"),
        (list().with(crl_number(2)), "an extension stands there twice"),
        (
            list().with(extension("1.2.3", &null())).with(extension("1.2.3", &null())),
            "an extension stands there twice",
        ),
        (list().with(idp(&[])), "the issuing distribution point is empty"),
        (list().with(idp(&[implicit(1, &[0xff]), implicit(2, &[0xff])])), "two kinds"),
        (list().with(idp(&[implicit(2, &[0xff]), implicit(1, &[0xff])])), "misplaced field"),
        (list().with(idp(&[implicit(1, &[0x01])])), "neither true nor false"),
        (
            list().with(extension("2.5.29.46", &sequence::<Der>(&[]))),
            "there is no distribution point",
        ),
        (Crl::of(vec![integer(SERIAL)]), "an entry is no SEQUENCE"),
        (Crl::of(vec![sequence(&[integer(SERIAL)])]), "an entry has no revocation date"),
        (dated(b"260230000000Z"), "a date that does not exist"),
        (dated(b"261301000000Z"), "a date that does not exist"),
        (dated(b"260101240000Z"), "a date that does not exist"),
        (dated(b"2601010000:0Z"), "a time is not of the form"),
        (dated(b"26010100000/Z"), "a time is not of the form"),
        (dated(b"260101000000+"), "a time is not of the form"),
        (Crl::of(vec![sequence(&[integer(&[]), time(NOW)])]), "an INTEGER is empty"),
        (Crl::of(vec![sequence(&[integer(&[0, 1]), time(NOW)])]), "an INTEGER is not minimal"),
        (Crl::of(vec![revoked_with(SERIAL, NOW, &[])]), "a list of extensions is empty"),
        (
            Crl::of(vec![revoked_with(SERIAL, NOW, &[reason(1), reason(1)])]),
            "an extension stands there twice",
        ),
        (
            Crl::of(vec![sequence(&[integer(SERIAL), time(NOW), null()])]),
            "an entry holds an unknown field",
        ),
        (
            Crl { extensions: Some(vec![extension("2.5.29.20", &integer(&[0x80]))]), ..list() },
            "a CRL number is negative",
        ),
        (
            Crl { extensions: Some(vec![extension("2.5.29.20", &integer(&[1; 21]))]), ..list() },
            "longer than 20 octets",
        ),
    ] {
        assert_malformed(ca.revoke(list), rule);
    }
}

#[test]
fn date_of_an_entry_is_one_exactly_where_it_is_one_elsewhere() {
    let ca = World::new().ca;
    let hasher = SerialHasher::new();
    for date in [*b"260228000000Z", *b"261129235959Z"] {
        for (at, octet) in (0..date.len()).flat_map(|at| (0..=255).map(move |octet| (at, octet))) {
            let mut date = date;
            date[at] = octet;
            let time = tlv(0x17, &date);
            let read = Reader::new(&time).time("").is_ok();
            let list = ca.revoke(Crl::of(vec![sequence(&[integer(SERIAL), time])]));
            assert_eq!(parse(&list, &hasher).is_ok(), read, "{}", date.escape_ascii());
        }
    }
}

#[test]
fn long_list_tells_every_serial_and_its_reason() {
    let codes = [0, 1, 2, 3, 4, 5, 6, 9, 10];
    // In sequence: short ones, of the length that RFC 5280 allows, and longer ones.
    let serials = |number: usize| {
        let octets = &number.to_be_bytes()[5..];
        [
            [&[1], octets].concat(),
            [&[1; 17], octets].concat(),
            [&[1], octets, &[1; 28]].concat(),
            [&[1; 29], octets].concat(),
        ]
    };
    let mut entries: Vec<Der> = (0..40_000)
        .step_by(2)
        .flat_map(|number| {
            let reason = reason(codes[number % codes.len()]);
            serials(number)
                .map(|serial| revoked_with(&serial, NOW - DAY, std::slice::from_ref(&reason)))
        })
        .collect();
    let repeated = (0..10_000).map(|n| reason(codes[8 - n % 7]));
    entries.extend(repeated.map(|reason| revoked_with(OTHER, NOW - DAY, &[reason])));
    let world = World::with(Crl::of(entries));
    for number in 0..40_000 {
        for serial in serials(number) {
            let verdict = world.verdict(&serial);
            if number % 2 == 0 {
                let code = codes[number % codes.len()];
                assert_revoked(&verdict, ReasonCode::from_code(code).unwrap());
            } else {
                assert_good(&verdict);
            }
        }
    }
    assert_revoked(&world.verdict(OTHER), ReasonCode::CaCompromise);
    assert_good(&world.verdict(SERIAL));
}

#[test]
fn uris_of_distribution_points_are_told() {
    let names = full_name(&[dns(b"crl.example"), uri(b"http://crl.example/1"), uri(b"ldap:///x")]);
    let points = point(&[distribution_point(Some(&names), None, None)], &[]);
    assert_eq!(points[0].uris().collect::<Vec<_>>(), ["http://crl.example/1", "ldap:///x"]);
    assert!(distribution_points(&sequence::<Der>(&[]), &[]).is_err());
    assert!(distribution_points(&sequence(&[sequence::<Der>(&[])]), &[]).is_err());
    let trailing = [sequence(&[distribution_point(Some(&names), None, None)]), null()].concat();
    assert!(distribution_points(&trailing, &[]).is_err());
}

#[test]
fn lists_made_by_openssl_are_read() {
    const TEST: &str = "lists_made_by_openssl_are_read";
    let scratch = support::scratch(TEST);
    let database = scratch.write("index.txt", "");
    let directory = database.trim_end_matches("/index.txt");
    let number = scratch.write("crlnumber", "1000\n");
    let config = scratch.write(
        "ca.cnf",
        format!(
            "[ca]\ndefault_ca=it\n[it]\ndatabase={database}\ncrlnumber={number}\n\
             serial={database}.serial\nnew_certs_dir={directory}\ndefault_md=sha256\ndefault_crl_days=7\n\
             policy=any\ncrl_extensions=crl\nunique_subject=no\n[any]\ncommonName=supplied\n\
             [crl]\nauthorityKeyIdentifier=keyid:always\n[req]\ndistinguished_name=dn\n\
             x509_extensions=root\n[dn]\n[root]\nbasicConstraints=critical,CA:TRUE\n\
             subjectKeyIdentifier=hash\n"
        ),
    );
    scratch.write("index.txt.serial", "7FAB00000000000000000000000000000000\n");
    let path = |name: &str| scratch.write(name, "");
    let (ca_key, ca, key, csr, leaf) =
        (path("ca.key"), path("ca.pem"), path("leaf.key"), path("leaf.csr"), path("leaf.pem"));
    let (crl, crl_der, public) = (path("crl.pem"), path("crl.der"), path("ca.spki"));
    let run = |command: &str| {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        let (success, text) = openssl_status(TEST, &arguments)?;
        assert!(success, "{command}: {text}");
        Some(())
    };
    for new in ["-newkey ec -pkeyopt ec_paramgen_curve:P-256", "-newkey rsa:2048"] {
        std::fs::write(&database, "").unwrap();
        let commands = [
            format!(
                "req -x509 {new} -nodes -config {config} -keyout {ca_key} -out {ca} -subj /CN=CA -days 30"
            ),
            format!("req {new} -nodes -config {config} -keyout {key} -out {csr} -subj /CN=leaf"),
            format!(
                "ca -batch -config {config} -cert {ca} -keyfile {ca_key} -in {csr} -out {leaf} -days 9 -notext -outdir {}",
                env!("CARGO_TARGET_TMPDIR")
            ),
            format!(
                "ca -config {config} -cert {ca} -keyfile {ca_key} -revoke {leaf} -crl_reason keyCompromise"
            ),
            format!("ca -config {config} -cert {ca} -keyfile {ca_key} -gencrl -out {crl}"),
            format!("crl -in {crl} -outform DER -out {crl_der}"),
            format!("x509 -in {ca} -pubkey -noout -out {public}"),
            format!("pkey -pubin -in {public} -outform DER -out {public}.der"),
        ];
        for command in &commands {
            if run(command).is_none() {
                return;
            }
        }
        let public_key = std::fs::read(format!("{public}.der")).unwrap();
        let serial = std::fs::read_to_string(&database).unwrap();
        let serial = serial.split('\t').nth(3).unwrap();
        let serial: Vec<u8> = (0..serial.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&serial[at..at + 2], 16).unwrap())
            .collect();
        let neighbour = [&serial[..serial.len() - 1], &[0x77]].concat();
        for file in [&crl, &crl_der] {
            let bytes = std::fs::read(file).unwrap();
            let hasher = SerialHasher::new();
            let der = std::fs::read(&crl_der).unwrap();
            let (list, _) = parse(&der, &hasher).unwrap();
            assert_eq!(list.entries(), 1);
            assert!(list.number().is_some());
            let issuer =
                Issuer { name: list.issuer(), public_key: &public_key, may_sign_crls: true };
            let mut store = CrlStore::new();
            let now = list.this_update();
            let loaded = store.load("openssl", bytes, &[issuer], &Strength::default(), now);
            assert_eq!(loaded.unwrap()[0].signature, Signature::Verified);
            let verdict = |serial| {
                let subject = Subject {
                    issuer: list.issuer(),
                    serial,
                    is_ca: false,
                    distribution_points: &[],
                };
                store.verdict(&subject, &issuer, now)
            };
            assert_revoked(&verdict(&serial), ReasonCode::KeyCompromise);
            assert_good(&verdict(&neighbour));
        }
    }
}

/// The contents of a positive, minimal INTEGER.
fn serial() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..21).prop_map(|mut octets| {
        octets[0] = octets[0] & 0x7f | 0x01;
        octets
    })
}

proptest! {
    #[test]
    fn index_agrees_with_a_set(
        listed in prop::collection::hash_set(serial(), 0..60),
        asked in prop::collection::vec(serial(), 0..60),
    ) {
        let entries = listed.iter().map(|serial| revoked(serial)).collect();
        let world = World::with(Crl::of(entries));
        let listed: HashSet<Vec<u8>> = listed;
        for serial in listed.iter().chain(&asked) {
            let revoked = matches!(world.verdict(serial), Verdict::Revoked(..));
            prop_assert_eq!(revoked, listed.contains(serial));
        }
    }

    #[test]
    fn adding_a_serial_never_gives_not_revoked(
        others in prop::collection::vec(serial(), 0..20),
        added in serial(),
        code in prop::sample::select(vec![0, 1, 2, 3, 4, 5, 6, 8, 9, 10]),
    ) {
        let mut entries: Vec<Der> = others.iter().map(|serial| revoked(serial)).collect();
        entries.push(revoked_with(&added, NOW - DAY, &[reason(code)]));
        let world = World::with(Crl::of(entries));
        prop_assert!(matches!(world.verdict(&added), Verdict::Revoked(..)));
    }

    #[test]
    fn changed_lists_never_panic_nor_pass(
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut world = World::new();
        let scope = IssuingDistributionPoint::at("http://crl.example/1").extension();
        let entry = revoked_with(SERIAL, NOW - DAY, &[reason(1)]);
        let der = world.ca.revoke(Crl::of(vec![entry, revoked(OTHER)]).with(scope));
        let mut changed = der.clone();
        let at = at.index(changed.len());
        changed[at] = to;
        let _ = distribution_points(&changed, &der);
        let _ = world.load_bytes("cut", changed[..cut.index(changed.len())].to_vec());
        if changed != der {
            let _ = world.load_bytes("list", changed);
            prop_assert!(matches!(world.verdict(OTHER), Verdict::Unknown(..)));
        }
    }

    #[test]
    fn text_never_panics(text in "(-----(BEGIN|END) X509 CRL-----|[A-Za-z0-9+/=]{0,80}|\n|\r| ){0,40}") {
        let _ = World::new().load_bytes("list", text.into_bytes());
    }
}
