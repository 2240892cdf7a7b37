//! Paths from a certificate to a trust anchor (RFC 5280, section 6), for client authentication.
//!
//! `rustls-webpki` builds and verifies the path. What it leaves out is checked here: that issuers have names, the
//! `keyCertSign` and purposes of every authority, certificate policies, the strength of keys and signatures below the
//! anchor, constraints on e-mail addresses for those in subjects and beyond ASCII, and of the anchor itself its
//! validity, its critical extensions, and that it may issue at all, for how many levels. Certificates that webpki
//! refuses to read as a client's (X.509 v1 and v2, and an authority's own) are verified here when a trust anchor issued
//! them directly; and one that is byte for byte an anchor is its own path.
//!
//! Every certificate of the anchors' bundles is an anchor, whoever signed it. Valid paths that are refused
//! nevertheless are listed in `docs/path-validation.md`.

mod policies;

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use rustls_pki_types::{CertificateDer, Der, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};

use crate::{
    certificate::{Certificate, Version},
    decision::{Denial, Reason},
    der::Oid,
    signature::{self, Strength, VerifyingKey},
    timestamp::Timestamp,
};

/// How many certificates beside the leaf a client may present. API Gateway takes chains of four.
pub const MAX_PRESENTED: usize = 8;

/// How many of those may bear the same name and still be tried: an authority's certificate and a cross-signed
/// one, and as many again. It keeps the number of possible paths small.
const MAX_PRESENTED_OF_ONE_NAME: usize = 4;

/// The configured trust anchors, and certificates that help to build paths.
#[derive(Clone, Debug, Default)]
pub struct TrustStore {
    anchors: HashMap<Box<[u8]>, Vec<Arc<Anchor>>>,
    anchors_by_fingerprint: HashMap<[u8; 32], Arc<Certificate>>,
    intermediates: HashMap<Box<[u8]>, Vec<Arc<Certificate>>>,
}

#[derive(Debug)]
struct Anchor {
    certificate: Arc<Certificate>,
    trust_anchor: TrustAnchor<'static>,
}

/// The part of a store that bears names which lead on from a leaf.
#[derive(Default)]
struct Candidates<'a> {
    anchors: Vec<&'a Arc<Anchor>>,
    helpers: Vec<&'a Certificate>,
    /// Why an anchor of a fitting name is not among them.
    refused: Option<String>,
}

/// The certificates of a path above the leaf.
type Issuers = Vec<Arc<Certificate>>;

/// What a path must be.
#[derive(Clone, Copy, Debug)]
pub struct PathRules<'a> {
    /// What keys and signatures below the anchor must at least be.
    pub strength: Strength,
    /// The purposes accepted of authorities that name any, as contents octets; `None`: whatever they name.
    pub extended_key_usage: Option<&'a [Vec<u8>]>,
}

/// A path that was verified: only [`TrustStore::verify`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedPath {
    leaf: [u8; 32],
    issuers: Vec<Arc<Certificate>>,
}

impl VerifiedPath {
    fn new(leaf: &Certificate, issuers: Vec<Arc<Certificate>>) -> Self {
        Self { leaf: *leaf.fingerprint(), issuers }
    }

    /// SHA-256 of the certificate that the path leads from.
    #[must_use]
    pub fn leaf(&self) -> &[u8; 32] {
        &self.leaf
    }

    /// The certificates above the leaf, its issuer first and the trust anchor last. Empty where the leaf is
    /// itself an anchor.
    #[must_use]
    pub fn issuers(&self) -> &[Arc<Certificate>] {
        &self.issuers
    }

    /// SHA-256 of the `SubjectPublicKeyInfo` of the authority that issued the leaf, verified by its signature.
    #[must_use]
    pub fn issuer_public_key(&self) -> Option<&[u8; 32]> {
        self.issuers.first().map(|issuer| issuer.public_key_fingerprint())
    }
}

impl TrustStore {
    /// A store of these anchors and intermediates. Anchors that can't be any ([`can_anchor`]) are left out.
    #[must_use]
    pub fn new(
        anchors: impl IntoIterator<Item = Certificate>,
        intermediates: impl IntoIterator<Item = Certificate>,
    ) -> Self {
        let mut store = Self::default();
        for certificate in intermediates {
            let subject = certificate.subject().der().into();
            store.intermediates.entry(subject).or_default().push(Arc::new(certificate));
        }
        for certificate in anchors {
            let Some(trust_anchor) = trust_anchor(&certificate) else { continue };
            let certificate = Arc::new(certificate);
            let known = store
                .anchors_by_fingerprint
                .insert(*certificate.fingerprint(), Arc::clone(&certificate));
            if known.is_none() {
                let subject = certificate.subject().der().into();
                let anchor = Arc::new(Anchor { certificate, trust_anchor });
                store.anchors.entry(subject).or_default().push(anchor);
            }
        }
        store
    }

    /// The certificates of the anchors.
    pub fn anchors(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.anchors_by_fingerprint.values()
    }

    /// The configured intermediates.
    pub fn intermediates(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.intermediates.values().flatten()
    }

    /// Finds and verifies a path for `leaf`, which has been judged by itself before: its validity, its
    /// purposes, its strength.
    ///
    /// # Errors
    /// `untrusted-chain`, with the nearest cause.
    pub fn verify(
        &self,
        leaf: &Certificate,
        presented: &[Certificate],
        rules: PathRules<'_>,
        now: Timestamp,
    ) -> Result<VerifiedPath, Denial> {
        let found = if presented.len() > MAX_PRESENTED {
            Err(format!("more than {MAX_PRESENTED} certificates beside the leaf"))
        } else if let Err(why) = must_name_its_issuer(leaf) {
            Err(why)
        } else if leaf.version() == Version::V3 && !leaf.is_ca() {
            self.verify_by_webpki(leaf, presented, rules, now)
        } else {
            self.verify_issued_by_anchor(leaf, rules, now)
        };
        found.map(|issuers| VerifiedPath::new(leaf, issuers)).or_else(|why| {
            if self.anchors_by_fingerprint.contains_key(leaf.fingerprint()) {
                return Ok(VerifiedPath::new(leaf, Vec::new()));
            }
            Err(Denial::new(Reason::UntrustedChain)
                .with("why", why)
                .with("issuer_of_leaf", leaf.issuer().ascii()))
        })
    }

    fn verify_by_webpki(
        &self,
        leaf: &Certificate,
        presented: &[Certificate],
        rules: PathRules<'_>,
        now: Timestamp,
    ) -> Result<Issuers, String> {
        let candidates = self.candidates(leaf, presented, now);
        if candidates.anchors.is_empty() {
            return Err(candidates.why_no_anchor());
        }
        let leaf_der = CertificateDer::from(leaf.der());
        let end_entity =
            EndEntityCert::try_from(&leaf_der).map_err(|error| describe(&error).to_owned())?;
        let trust_anchors: Vec<TrustAnchor<'_>> =
            candidates.anchors.iter().map(|anchor| borrow(&anchor.trust_anchor)).collect();
        let intermediates: Vec<CertificateDer<'_>> =
            candidates.helpers.iter().map(|helper| CertificateDer::from(helper.der())).collect();
        let found = RefCell::new(None);
        let accept = |path: &webpki::VerifiedPath<'_>| {
            let outcome = candidates.issuers_of(leaf, path, rules, now);
            let verdict = outcome.as_ref().map(|_| ()).map_err(|_| webpki::Error::UnknownIssuer);
            found.replace(Some(outcome));
            verdict
        };
        let verified = end_entity.verify_for_usage(
            signature::webpki::algorithms(rules.strength),
            &trust_anchors,
            &intermediates,
            time_of_path(leaf, now),
            AnyPurpose,
            None,
            Some(&accept),
        );
        match (verified, found.into_inner()) {
            (Ok(_), Some(Ok(issuers))) => Ok(issuers),
            (_, Some(Err(why))) => Err(why),
            (Err(error), _) => Err(candidates.nearest_cause(&error, now)),
            (Ok(_), None) => Err("the path was not looked at".to_owned()),
        }
    }

    /// What can be part of a path from the leaf, by name: so a call's cost does not grow with the store.
    fn candidates<'a>(
        &'a self,
        leaf: &'a Certificate,
        presented: &'a [Certificate],
        now: Timestamp,
    ) -> Candidates<'a> {
        let mut names: Vec<&[u8]> = vec![leaf.issuer().der()];
        let mut candidates = Candidates::default();
        let mut next = 0;
        while let Some(&name) = names.get(next) {
            next += 1;
            for anchor in self.anchors.get(name).into_iter().flatten() {
                match may_anchor(&anchor.certificate, now) {
                    Ok(()) => candidates.anchors.push(anchor),
                    Err(why) => candidates.refused = Some(why),
                }
            }
            let configured = self.intermediates.get(name).into_iter().flatten().map(AsRef::as_ref);
            let of_this_name = |it: &&Certificate| it.subject().der() == name;
            let presented = presented.iter().filter(of_this_name).take(MAX_PRESENTED_OF_ONE_NAME);
            for helper in presented.chain(configured) {
                if candidates.helpers.iter().any(|it| it.fingerprint() == helper.fingerprint()) {
                    continue;
                }
                candidates.helpers.push(helper);
                if !names.contains(&helper.issuer().der()) {
                    names.push(helper.issuer().der());
                }
            }
        }
        candidates
    }

    fn verify_issued_by_anchor(
        &self,
        leaf: &Certificate,
        rules: PathRules<'_>,
        now: Timestamp,
    ) -> Result<Issuers, String> {
        let mut why = format!("no trust anchor is named `{}`", leaf.issuer().ascii());
        let anchors = self.anchors.get(leaf.issuer().der()).into_iter().flatten();
        // A certificate that signed itself has no issuer, even where it is an anchor.
        for anchor in anchors.filter(|it| it.certificate.fingerprint() != leaf.fingerprint()) {
            match issued_by_anchor(leaf, &anchor.certificate, rules, now) {
                Ok(()) => return Ok(vec![Arc::clone(&anchor.certificate)]),
                Err(cause) => why = cause,
            }
        }
        Err(why)
    }
}

impl Candidates<'_> {
    /// The certificates of webpki's path above the leaf, if they pass the checks that webpki leaves out.
    fn issuers_of(
        &self,
        leaf: &Certificate,
        path: &webpki::VerifiedPath<'_>,
        rules: PathRules<'_>,
        now: Timestamp,
    ) -> Result<Issuers, String> {
        let mut issuers = Issuers::new();
        for intermediate in path.intermediate_certificates() {
            let der = intermediate.der();
            let helper = self.helpers.iter().find(|helper| helper.der() == der.as_ref());
            let helper = helper.ok_or("the path holds a certificate that nobody presented")?;
            issuers.push(Arc::new(Certificate::clone(helper)));
        }
        for intermediate in &issuers {
            check_intermediate(intermediate, rules, now)?;
        }
        // Several certificates may be for the same anchor, and only one of them without a constraint.
        let mut why = "the path ends at no trust anchor".to_owned();
        for anchor in self.anchors.iter().filter(|anchor| anchor.trust_anchor == *path.anchor()) {
            match check_anchor(&anchor.certificate, &issuers, rules) {
                Ok(()) => {
                    check_policies(leaf, &issuers)?;
                    issuers.push(Arc::clone(&anchor.certificate));
                    return check_subjects(leaf, &issuers).map(|()| issuers);
                }
                Err(cause) => why = cause,
            }
        }
        Err(why)
    }

    fn why_no_anchor(&self) -> String {
        if let Some(why) = &self.refused {
            return why.clone();
        }
        match self.helpers.last() {
            Some(last) => format!(
                "no trust anchor is named `{}`, as the issuer of `{}` is",
                last.issuer().ascii(),
                last.subject().ascii()
            ),
            None => "no trust anchor and no intermediate bears the issuer's name".to_owned(),
        }
    }

    /// What webpki's error means, with the certificate that it is about where that can be told.
    fn nearest_cause(&self, error: &webpki::Error, now: Timestamp) -> String {
        if let webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. } = error {
            let helpers = self.helpers.iter();
            let why = helpers.filter_map(|helper| must_be_in_force(helper, now).err()).next_back();
            if let Some(why) = why {
                return why;
            }
        }
        // A trust anchor that had to be passed over is nearer than what was tried in its place.
        self.refused.clone().unwrap_or_else(|| describe(error).to_owned())
    }
}

/// The instant for webpki. The leaf's validity has been judged, with its tolerance.
fn time_of_path(leaf: &Certificate, now: Timestamp) -> UnixTime {
    let validity = leaf.validity();
    let time = now.max(validity.not_before).min(validity.not_after);
    let seconds = u64::try_from(time.unix_seconds()).unwrap_or_default();
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

fn describe(error: &webpki::Error) -> &'static str {
    use webpki::Error;
    match error {
        Error::UnknownIssuer => "no path leads to a trust anchor",
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => {
            "a certificate of the path is not in force"
        }
        Error::InvalidSignatureForPublicKey => {
            "a signature does not verify: an issuer bears the right name, but has another key"
        }
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "a signature's algorithm is not accepted, or does not go with the issuer's key"
        }
        Error::NameConstraintViolation => "a name is outside an issuer's name constraints",
        Error::PathLenConstraintViolated => "the path is longer than an issuer's path length",
        Error::EndEntityUsedAsCa => "an issuer is no certification authority",
        Error::UnsupportedCriticalExtension => {
            "a certificate of the path has a critical extension that is not understood"
        }
        Error::UnsupportedCertVersion => "a certificate of the path is not of version 3",
        Error::MaximumPathDepthExceeded => "the path is too long",
        Error::MaximumPathBuildCallsExceeded
        | Error::MaximumSignatureChecksExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => {
            "too many certificates could be part of the path"
        }
        _ => "a certificate of the path is malformed or not supported",
    }
}

fn issued_by_anchor(
    leaf: &Certificate,
    anchor: &Certificate,
    rules: PathRules<'_>,
    now: Timestamp,
) -> Result<(), String> {
    may_anchor(anchor, now)?;
    if anchor.has_name_constraints() {
        return Err(format!(
            "the trust anchor `{}` has name constraints, which are not applied to certificates of \
             authorities and of versions before 3",
            anchor.subject().ascii()
        ));
    }
    check_anchor(anchor, &[], rules)?;
    check_policies(leaf, &[])?;
    verify_signature(leaf, anchor, rules.strength)
}

/// Verifies that `issuer` signed `certificate`.
fn verify_signature(
    certificate: &Certificate,
    issuer: &Certificate,
    strength: Strength,
) -> Result<(), String> {
    let key = VerifyingKey {
        public_key: issuer.public_key(),
        subject_public_key_info: issuer.subject_public_key_info(),
    };
    signature::verify(
        certificate.signature_algorithm(),
        key,
        certificate.tbs_der(),
        certificate.signature(),
        // Keys are judged where they are certified, and the anchor's is trusted as it is.
        Strength { min_rsa_bits: 0, ..strength },
    )
    .map_err(|error| error.to_string())
}

/// Whether a certificate has the form of a trust anchor. One in force that may issue: [`may_anchor`].
#[must_use]
pub fn can_anchor(certificate: &Certificate) -> bool {
    trust_anchor(certificate).is_some()
}

fn trust_anchor(certificate: &Certificate) -> Option<TrustAnchor<'static>> {
    // Version 2 differs from version 1 by unique identifiers, which nobody uses and webpki does not read.
    if certificate.version() < Version::V3 {
        return Some(TrustAnchor {
            subject: contents(certificate.subject().der()).to_vec().into(),
            subject_public_key_info: contents(certificate.subject_public_key_info())
                .to_vec()
                .into(),
            name_constraints: None,
        });
    }
    let der = CertificateDer::from(certificate.der());
    webpki::anchor_from_trusted_cert(&der).ok().map(|anchor| anchor.to_owned())
}

/// webpki's anchors hold what is inside the outermost SEQUENCE.
fn contents(der: &[u8]) -> &[u8] {
    crate::der::Reader::new(der).any().map_or(&[], |element| element.content)
}

fn borrow<'a>(anchor: &'a TrustAnchor<'static>) -> TrustAnchor<'a> {
    TrustAnchor {
        subject: Der::from_slice(&anchor.subject),
        subject_public_key_info: Der::from_slice(&anchor.subject_public_key_info),
        name_constraints: anchor.name_constraints.as_ref().map(|it| Der::from_slice(it)),
    }
}

/// Whether a trust anchor may issue certificates now.
///
/// # Errors
/// Why not.
pub fn may_anchor(anchor: &Certificate, now: Timestamp) -> Result<(), String> {
    must_be_in_force(anchor, now).map_err(|why| format!("the trust anchor {why}"))?;
    let name = anchor.subject().ascii();
    if let Some(oid) = anchor.unknown_critical_extension() {
        return Err(format!(
            "the trust anchor `{name}` has the critical extension `{oid}`, which is not understood"
        ));
    }
    if anchor.version() == Version::V3 && !anchor.is_ca() {
        return Err(format!("the trust anchor `{name}` is no certification authority"));
    }
    must_sign_certificates(anchor).map_err(|why| format!("the trust anchor {why}"))
}

/// What webpki does not look at in a certificate between leaf and anchor.
fn check_intermediate(
    intermediate: &Certificate,
    rules: PathRules<'_>,
    now: Timestamp,
) -> Result<(), String> {
    must_name_its_issuer(intermediate)?;
    must_be_in_force(intermediate, now)?;
    must_sign_certificates(intermediate)?;
    must_serve_a_purpose(intermediate, rules)?;
    let weak = |why| format!("`{}` is weak: {why}", intermediate.subject().ascii());
    intermediate.public_key().check_strength(rules.strength).map_err(weak)?;
    intermediate.signature_algorithm().check_strength(rules.strength).map_err(weak)
}

/// What the certificate of an anchor says about the path below it. That it may issue at all has been judged.
fn check_anchor(
    anchor: &Certificate,
    intermediates: &[Arc<Certificate>],
    rules: PathRules<'_>,
) -> Result<(), String> {
    must_serve_a_purpose(anchor, rules)?;
    let limit = anchor.basic_constraints().and_then(|constraints| constraints.path_length);
    // RFC 5280, section 4.2.1.9.
    let levels = intermediates.iter().filter(|it| !it.is_self_issued()).count();
    if limit.is_some_and(|limit| levels > limit) {
        return Err(format!(
            "the path is longer than the path length of the trust anchor `{}`",
            anchor.subject().ascii()
        ));
    }
    Ok(())
}

/// webpki passes over policies. `intermediates` begin with the leaf's issuer.
fn check_policies(leaf: &Certificate, intermediates: &[Arc<Certificate>]) -> Result<(), String> {
    let above = intermediates.iter().rev().map(AsRef::as_ref);
    policies::check(&above.chain([leaf]).collect::<Vec<_>>())
}

/// webpki applies constraints on e-mail addresses to `rfc822Name`s alone. RFC 5280, section 4.2.1.10, would have them
/// applied to addresses in subjects too, where none is an alternative name, and RFC 9598, section 6, to mailboxes
/// beyond ASCII; a certificate with one of these is refused here in any case.
fn check_subjects(leaf: &Certificate, issuers: &[Arc<Certificate>]) -> Result<(), String> {
    const EMAIL_ADDRESS: Oid<'_> =
        Oid::new(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01]);
    let Some(highest) = issuers.iter().rposition(|issuer| issuer.constrains_email()) else {
        return Ok(());
    };
    let below = issuers.iter().take(highest).map(AsRef::as_ref).chain([leaf]);
    for certificate in below {
        if certificate.subject().attributes_of(EMAIL_ADDRESS).next().is_some()
            || certificate.subject_alternative_names().has_utf8_mailbox()
        {
            return Err(format!(
                "`{}` holds an e-mail address, and an issuer constrains those",
                certificate.subject().ascii()
            ));
        }
    }
    Ok(())
}

/// RFC 5280, section 4.1.2.4. An issuer without a name is any issuer without a name.
fn must_name_its_issuer(certificate: &Certificate) -> Result<(), String> {
    if certificate.issuer().is_empty() {
        return Err(format!("`{}` names no issuer", certificate.subject().ascii()));
    }
    Ok(())
}

fn must_be_in_force(certificate: &Certificate, now: Timestamp) -> Result<(), String> {
    if certificate.in_force(now) {
        return Ok(());
    }
    let validity = certificate.validity();
    Err(format!(
        "`{}` is in force from {} to {} only",
        certificate.subject().ascii(),
        validity.not_before,
        validity.not_after
    ))
}

fn must_sign_certificates(issuer: &Certificate) -> Result<(), String> {
    if issuer.key_usage().is_some_and(|usage| !usage.key_cert_sign) {
        return Err(format!("`{}` has a key usage without keyCertSign", issuer.subject().ascii()));
    }
    Ok(())
}

/// An authority that names purposes must name an accepted one, or any. The leaf's are judged elsewhere.
fn must_serve_a_purpose(issuer: &Certificate, rules: PathRules<'_>) -> Result<(), String> {
    const ANY: &[u8] = &[0x55, 0x1d, 0x25, 0x00];
    let (Some(accepted), Some(mut purposes)) =
        (rules.extended_key_usage, issuer.extended_key_usage())
    else {
        return Ok(());
    };
    let is_accepted = |octets: &[u8]| octets == ANY || accepted.iter().any(|it| it == octets);
    if purposes.any(|purpose| is_accepted(purpose.octets())) {
        return Ok(());
    }
    Err(format!(
        "`{}` issues for other purposes only (extended key usage)",
        issuer.subject().ascii()
    ))
}

/// Leaves purposes to [`must_serve_a_purpose`], which knows the configuration's.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}
