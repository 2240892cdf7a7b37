//! NIST's Public Key Interoperability Test Suite (PKITS, 2011 certificates): paths and revocation lists together.
//!
//! Most of the suite's end entities are named for what must become of them, `Valid…` or `Invalid…`; what becomes of
//! the others depends on the policies that the user demands, and stands below for a user who demands none. Where this
//! program comes to another result, `divergences.txt` says so and why; a divergence that is gone fails this test like
//! one that is new, and an invalid one that passes is never among them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{collections::BTreeMap, fs, path::PathBuf};

use mtls_authorizer::{
    certificate::Certificate,
    revocation::crl::{CrlStore, Issuer, Subject, Verdict, distribution_points},
    signature::Strength,
    timestamp::Timestamp,
    trust::{PathRules, TrustStore},
};

/// An instant at which the suite's certificates and lists are in force.
const NOW: &str = "2026-11-21T08:00:00Z";

/// The end entities of sections 4.8 and 4.12 that are not named for their outcome, and whether they are valid under
/// the suite's default settings: any policy, and none demanded.
const BY_POLICY: &[(&str, bool)] = &[
    ("AllCertificatesNoPoliciesTest2EE", true),
    ("AllCertificatesSamePoliciesTest10EE", true),
    ("AllCertificatesSamePoliciesTest13EE", true),
    ("AllCertificatesanyPolicyTest11EE", true),
    ("AnyPolicyTest14EE", true),
    ("CPSPointerQualifierTest20EE", true),
    ("DifferentPoliciesTest12EE", false),
    ("DifferentPoliciesTest3EE", true),
    ("DifferentPoliciesTest4EE", false),
    ("DifferentPoliciesTest5EE", false),
    ("DifferentPoliciesTest7EE", false),
    ("DifferentPoliciesTest8EE", false),
    ("DifferentPoliciesTest9EE", false),
    ("OverlappingPoliciesTest6EE", true),
    ("UserNoticeQualifierTest15EE", true),
    ("UserNoticeQualifierTest16EE", true),
    ("UserNoticeQualifierTest17EE", true),
    ("UserNoticeQualifierTest18EE", true),
    ("UserNoticeQualifierTest19EE", true),
    ("inhibitAnyPolicyTest3EE", true),
];

/// Whether the suite has an end entity be valid.
fn is_valid(name: &str) -> bool {
    match (name.starts_with("Valid"), name.starts_with("Invalid")) {
        (true, false) => true,
        (false, true) => false,
        _ => BY_POLICY.iter().find(|(it, _)| *it == name).expect("an outcome").1,
    }
}

fn fixture(name: &str) -> String {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pkits");
    fs::read_to_string(directory.join(name)).unwrap()
}

/// The DER of each block of a file, by the name on the line before it.
fn blocks(file: &str) -> BTreeMap<String, Vec<u8>> {
    let text = fixture(file);
    let names = text
        .lines()
        .zip(text.lines().skip(1))
        .filter(|(_, next)| next.starts_with("-----BEGIN"))
        .map(|(name, _)| name.to_owned());
    names.zip(pem::parse_many(&text).unwrap().into_iter().map(pem::Pem::into_contents)).collect()
}

/// `name: reason`, one a line; `#` begins a comment.
fn divergences() -> BTreeMap<String, String> {
    fixture("divergences.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(": ").expect("a name and a reason"))
        .map(|(name, reason)| (name.to_owned(), reason.to_owned()))
        .collect()
}

struct Suite {
    certificates: BTreeMap<String, Vec<u8>>,
    store: TrustStore,
    lists: CrlStore,
    now: Timestamp,
}

impl Suite {
    fn new() -> Self {
        let certificates = blocks("certificates.pem");
        let now = Timestamp::parse_rfc3339(NOW).unwrap();
        let readable = |name: &str| Certificate::parse(&certificates[name]).ok();
        let authorities = certificates.keys().filter(|name| !name.ends_with("EE"));
        let store = TrustStore::new(
            readable("TrustAnchorRootCertificate"),
            authorities.filter_map(|name| readable(name)),
        );
        let mut lists = CrlStore::new();
        for (name, list) in blocks("crls.pem") {
            // A list that can't be read is none.
            let _ = lists.load(&name, list, &[], &Strength::default(), now);
        }
        Self { certificates, store, lists, now }
    }

    /// Whether an end entity's path stands and none of its certificates is revoked.
    fn judge(&mut self, name: &str) -> Result<(), String> {
        let leaf = Certificate::parse(&self.certificates[name]).map_err(|it| it.to_string())?;
        if !leaf.in_force(self.now) {
            return Err("the certificate is not in force".to_owned());
        }
        let rules = PathRules { strength: Strength::default(), extended_key_usage: None };
        let path = self.store.verify(&leaf, &[], rules, self.now).map_err(|denial| {
            denial.evidence.iter().map(|(_, value)| value.to_owned()).collect::<Vec<_>>().join(", ")
        })?;
        let mut subject = &leaf;
        for issuer in path.issuers() {
            self.must_not_be_revoked(subject, issuer)?;
            subject = issuer;
        }
        Ok(())
    }

    fn must_not_be_revoked(
        &mut self,
        subject: &Certificate,
        issuer: &Certificate,
    ) -> Result<(), String> {
        let authority = Issuer {
            name: issuer.subject().der(),
            public_key: issuer.subject_public_key_info(),
            may_sign_crls: issuer.key_usage().is_none_or(|usage| usage.crl_sign),
        };
        let points = match subject.crl_distribution_points() {
            Some(value) => distribution_points(value, issuer.subject().der())
                .map_err(|error| error.to_string())?,
            None => Vec::new(),
        };
        let facts = Subject {
            issuer: subject.issuer().der(),
            serial: subject.serial_number().der_contents(),
            is_ca: subject.is_ca(),
            distribution_points: &points,
        };
        self.lists.verify_for(&authority, &Strength::default(), self.now);
        match self.lists.verdict(&facts, &authority, self.now) {
            Verdict::NotRevoked(_) => Ok(()),
            Verdict::Revoked(reason, _) => Err(format!("revoked: {reason}")),
            Verdict::Unknown(obstacle, _) => Err(format!("revocation is unknown: {obstacle}")),
        }
    }
}

#[test]
fn outcomes_are_the_suites_but_for_the_divergences_on_file() {
    let mut suite = Suite::new();
    let divergences = divergences();
    let names: Vec<String> =
        suite.certificates.keys().filter(|name| name.ends_with("EE")).cloned().collect();
    let mut faults = Vec::new();
    let mut counts = [0, 0];
    for name in &names {
        let is_valid = is_valid(name);
        counts[usize::from(is_valid)] += 1;
        let outcome = suite.judge(name);
        match (is_valid, &outcome, divergences.contains_key(name)) {
            (true, Ok(()), false) | (false, Err(_), false) | (true, Err(_), true) => {}
            (true, Err(why), false) => faults.push(format!("{name}: refused: {why}")),
            (true, Ok(()), true) => faults.push(format!("{name}: passes, and diverges no more")),
            (false, Ok(()), _) => faults.push(format!("{name}: passes")),
            (false, Err(_), true) => faults.push(format!("{name}: refused, as it must be")),
        }
    }
    for name in divergences.keys().filter(|name| !names.contains(name)) {
        faults.push(format!("{name}: there is no such test"));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(counts, [121, 102], "invalid and valid");
}
