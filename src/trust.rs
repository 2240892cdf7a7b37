//! Paths from a certificate to a trust anchor (RFC 5280, section 6), for client authentication.
//!
//! `rustls-webpki` builds and verifies the path. What it leaves out is checked here: `keyCertSign` on every
//! authority, the strength of keys and signatures below the anchor, and of the anchor itself its validity, its
//! critical extensions, and that it may issue at all, for how many levels. Certificates that webpki refuses to
//! read as a client's (X.509 v1 and v2, and an authority's own) are verified here when a trust anchor issued
//! them directly; and one that is byte for byte an anchor is its own path.
//!
//! Every certificate of the anchors' bundles is an anchor, whoever signed it. Valid paths that are refused
//! nevertheless are listed in `docs/path-validation.md`.

use std::{collections::HashMap, sync::Arc};

use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, Der, InvalidSignature, SignatureVerificationAlgorithm,
    TrustAnchor, UnixTime, alg_id,
};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};

use crate::{
    certificate::{Certificate, Version},
    decision::{Denial, Reason},
    signature::{self, Strength, VerifyingKey},
    timestamp::Timestamp,
};

/// How many certificates beside the leaf a client may present. API Gateway takes chains of four.
pub const MAX_PRESENTED: usize = 8;

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

    /// Finds and verifies a path for `leaf`, of which only its own validity has been judged before.
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
        let untrusted = Denial::new(Reason::UntrustedChain);
        if presented.len() > MAX_PRESENTED {
            return Err(untrusted
                .with("why", format!("more than {MAX_PRESENTED} certificates beside the leaf")));
        }
        let found = if leaf.version() == Version::V3 && !leaf.is_ca() {
            self.verify_by_webpki(leaf, presented, rules, now)
        } else {
            self.verify_issued_by_anchor(leaf, rules.strength, now)
        };
        found.or_else(|why| {
            if self.anchors_by_fingerprint.contains_key(leaf.fingerprint()) {
                return Ok(VerifiedPath::new(leaf, Vec::new()));
            }
            Err(untrusted.with("why", why).with("issuer_of_leaf", leaf.issuer().ascii()))
        })
    }

    fn verify_by_webpki(
        &self,
        leaf: &Certificate,
        presented: &[Certificate],
        rules: PathRules<'_>,
        now: Timestamp,
    ) -> Result<VerifiedPath, String> {
        let Candidates { anchors, helpers, refused } = self.candidates(leaf, presented, now);
        if anchors.is_empty() {
            return Err(refused.unwrap_or_else(|| "no trust anchor bears the issuer's name".into()));
        }
        let leaf_der = CertificateDer::from(leaf.der());
        let end_entity = EndEntityCert::try_from(&leaf_der)
            .map_err(|error| format!("the certificate can't be part of a path: {error}"))?;
        let trust_anchors: Vec<TrustAnchor<'_>> =
            anchors.iter().map(|anchor| borrow(&anchor.trust_anchor)).collect();
        let intermediates: Vec<CertificateDer<'_>> =
            helpers.iter().map(|certificate| CertificateDer::from(certificate.der())).collect();
        // The leaf's validity, with its tolerance, has been judged already.
        let validity = leaf.validity();
        let time = now.max(validity.not_before).min(validity.not_after);
        let time = u64::try_from(time.unix_seconds()).unwrap_or_default();
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(time));
        let why = std::cell::RefCell::new(None);
        let check = |path: &webpki::VerifiedPath<'_>| {
            issuers_of(path, &anchors)
                .and_then(|issuers| check_issuers(&issuers, rules.strength))
                .map_err(|cause| {
                    why.replace(Some(cause));
                    webpki::Error::UnknownIssuer
                })
        };
        let path = end_entity
            .verify_for_usage(
                &algorithms(rules.strength),
                &trust_anchors,
                &intermediates,
                time,
                Purposes { leaf, rules },
                None,
                Some(&check),
            )
            .map_err(|error| {
                why.borrow_mut().take().or(refused).unwrap_or_else(|| format!("{error}"))
            })?;
        Ok(VerifiedPath::new(leaf, issuers_of(&path, &anchors)?))
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
            let presented = presented.iter().filter(|it| it.subject().der() == name);
            for helper in presented.chain(configured) {
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
        strength: Strength,
        now: Timestamp,
    ) -> Result<VerifiedPath, String> {
        let mut why = "no trust anchor bears the issuer's name".to_owned();
        for anchor in self.anchors.get(leaf.issuer().der()).into_iter().flatten() {
            match issued_by_anchor(leaf, &anchor.certificate, strength, now) {
                Ok(()) => {
                    return Ok(VerifiedPath::new(leaf, vec![Arc::clone(&anchor.certificate)]));
                }
                Err(cause) => why = cause,
            }
        }
        Err(why)
    }
}

fn issued_by_anchor(
    leaf: &Certificate,
    anchor: &Certificate,
    strength: Strength,
    now: Timestamp,
) -> Result<(), String> {
    may_anchor(anchor, now)?;
    if anchor.has_name_constraints() {
        return Err(
            "an anchor with name constraints issued a certificate that is not of version 3, \
                    or of an authority"
                .into(),
        );
    }
    let path_length = anchor.basic_constraints().and_then(|constraints| constraints.path_length);
    if leaf.is_ca() && path_length == Some(0) {
        return Err("the anchor may not issue certificates of authorities".into());
    }
    verify_signature(leaf, anchor, strength)
}

/// Verifies that `issuer` signed `certificate`.
///
/// # Errors
/// Why it did not, or why its signature does not count.
pub fn verify_signature(
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
        // The anchor's own key is trusted as it is.
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
    if !anchor.in_force(now) {
        let validity = anchor.validity();
        return Err(format!(
            "the trust anchor `{}` is in force from {} to {} only",
            anchor.subject().ascii(),
            validity.not_before,
            validity.not_after
        ));
    }
    if let Some(oid) = anchor.unknown_critical_extension() {
        return Err(format!(
            "the trust anchor `{}` has the critical extension {oid}, which is not understood",
            anchor.subject().ascii()
        ));
    }
    if anchor.version() == Version::V3 && !anchor.is_ca() {
        return Err(format!(
            "the trust anchor `{}` is no certification authority",
            anchor.subject().ascii()
        ));
    }
    may_sign_certificates(anchor)
}

fn may_sign_certificates(issuer: &Certificate) -> Result<(), String> {
    if issuer.key_usage().is_some_and(|usage| !usage.key_cert_sign) {
        return Err(format!("`{}` may not sign certificates", issuer.subject().ascii()));
    }
    Ok(())
}

/// The certificates of webpki's path above the leaf, issuer first.
fn issuers_of(
    path: &webpki::VerifiedPath<'_>,
    anchors: &[&Arc<Anchor>],
) -> Result<Vec<Arc<Certificate>>, String> {
    let mut issuers = Vec::new();
    for intermediate in path.intermediate_certificates() {
        let certificate = Certificate::parse(&intermediate.der())
            .map_err(|error| format!("an intermediate certificate is malformed: {error}"))?;
        issuers.push(Arc::new(certificate));
    }
    let anchor = anchors.iter().find(|anchor| {
        anchor.trust_anchor.subject == path.anchor().subject
            && anchor.trust_anchor.subject_public_key_info == path.anchor().subject_public_key_info
            && anchor.trust_anchor.name_constraints == path.anchor().name_constraints
    });
    let anchor = anchor.ok_or("the path ends at no trust anchor")?;
    issuers.push(Arc::clone(&anchor.certificate));
    Ok(issuers)
}

/// What webpki does not look at in the certificates above the leaf.
fn check_issuers(issuers: &[Arc<Certificate>], strength: Strength) -> Result<(), String> {
    let Some((anchor, intermediates)) = issuers.split_last() else { return Ok(()) };
    for intermediate in intermediates {
        may_sign_certificates(intermediate)?;
        let weak = |why| format!("`{}` is weak: {why}", intermediate.subject().ascii());
        intermediate.public_key().check_strength(strength).map_err(weak)?;
        intermediate.signature_algorithm().check_strength(strength).map_err(weak)?;
    }
    let path_length = anchor.basic_constraints().and_then(|constraints| constraints.path_length);
    // RFC 5280, section 4.2.1.9: self-issued certificates do not count.
    let levels = intermediates
        .iter()
        .filter(|certificate| certificate.subject().der() != certificate.issuer().der())
        .count();
    if path_length.is_some_and(|limit| levels > limit) {
        return Err(format!("the path below `{}` is too long", anchor.subject().ascii()));
    }
    Ok(())
}

/// The purposes of a path. The leaf's have been judged by `[certificate]`; an authority that names purposes
/// must name an accepted one, or any.
struct Purposes<'a> {
    leaf: &'a Certificate,
    rules: PathRules<'a>,
}

impl ExtendedKeyUsageValidator for Purposes<'_> {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        const ANY: &[u8] = &[0x55, 0x1d, 0x25, 0x00];
        let Some(accepted) = self.rules.extended_key_usage else { return Ok(()) };
        let mut named = Vec::new();
        for purpose in purposes {
            named.push(purpose?.to_decoded_oid());
        }
        let is_accepted = |purpose: &Vec<usize>| {
            accepted.iter().any(|octets| decoded(octets) == *purpose) || decoded(ANY) == *purpose
        };
        let of_leaf = || {
            let leaf: Vec<_> = self
                .leaf
                .extended_key_usage()
                .into_iter()
                .flatten()
                .map(|oid| decoded(oid.octets()))
                .collect();
            leaf == named
        };
        if named.is_empty() || named.iter().any(is_accepted) || of_leaf() {
            return Ok(());
        }
        Err(webpki::Error::UnknownIssuer)
    }
}

/// An identifier's arcs as webpki counts them: the first octet is two arcs.
fn decoded(octets: &[u8]) -> Vec<usize> {
    crate::der::Oid::new(octets)
        .to_string()
        .split('.')
        .map(|arc| arc.parse().unwrap_or(usize::MAX))
        .collect()
}

/// The algorithms that webpki may use, those first that most certificates are signed with.
fn algorithms(strength: Strength) -> Vec<&'static dyn SignatureVerificationAlgorithm> {
    let mut algorithms = vec![
        webpki::ring::ECDSA_P256_SHA256,
        webpki::ring::RSA_PKCS1_2048_8192_SHA256,
        webpki::ring::ECDSA_P384_SHA384,
        webpki::ring::RSA_PKCS1_2048_8192_SHA384,
        webpki::ring::RSA_PKCS1_2048_8192_SHA512,
        webpki::ring::ED25519,
        webpki::ring::ECDSA_P256_SHA384,
        webpki::ring::ECDSA_P384_SHA256,
        webpki::ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        webpki::ring::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        webpki::ring::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        webpki::ring::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        webpki::ring::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        webpki::ring::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ];
    if strength.min_rsa_bits < 2048 {
        algorithms.extend([SHORT_RSA_SHA256, SHORT_RSA_SHA512]);
    }
    if strength.allow_sha1 {
        algorithms.push(RSA_SHA1);
    }
    algorithms
}

/// What webpki leaves out on purpose, for configurations that ask for it.
#[derive(Debug)]
struct Legacy {
    signature_alg_id: AlgorithmIdentifier,
    verification: &'static ring::signature::RsaParameters,
}

impl SignatureVerificationAlgorithm for Legacy {
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

static SHORT_RSA_SHA256: &dyn SignatureVerificationAlgorithm = &Legacy {
    signature_alg_id: alg_id::RSA_PKCS1_SHA256,
    verification: &ring::signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
};
static SHORT_RSA_SHA512: &dyn SignatureVerificationAlgorithm = &Legacy {
    signature_alg_id: alg_id::RSA_PKCS1_SHA512,
    verification: &ring::signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
};
static RSA_SHA1: &dyn SignatureVerificationAlgorithm = &Legacy {
    // sha1WithRSAEncryption, NULL.
    signature_alg_id: AlgorithmIdentifier::from_slice(&[
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00,
    ]),
    verification: &ring::signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
};
