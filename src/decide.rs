//! The decision: pure, total, deterministic. No I/O, no clock, no environment, no log.
//!
//! A call passes its checks in a fixed order, and the first that fails is the reason of the denial:
//!
//! ```text
//! present ─ accept ──────────────── trust ───── identify ──────── prove_current ─ authorize
//! way in    deny list, [certificate] path,       token, client     revocation      route
//!                                    deny list
//! ```
//!
//! Each step takes what the one before made and nothing else can make: [`Accepted`], [`Trusted`],
//! [`Identified`], [`Current`], [`Grant`]. So there is no way to a grant that leaves out a check. Whatever has to
//! be fetched (a token's keys, revocation lists, OCSP answers) is fetched by the caller between two steps, and is
//! a parameter of the next.

use std::{borrow::Cow, sync::Arc};

use crate::{
    certificate::Certificate,
    decision::{Denial, Evidence, Reason},
    deny_list::DenyList,
    der::Oid,
    event::arn::InvokeArn,
    policy::{
        Client, Condition, Policy, Subject,
        configuration::{CertificateRules, ExtendedKeyUsage},
    },
    revocation::Status,
    timestamp::{Timestamp, seconds},
    token::{Claims, Verified},
    trust::VerifiedPath,
};

/// What the steps demand of a call, beside the policy.
#[derive(Debug)]
pub struct Rules {
    /// The rules of `[certificate]`.
    pub certificate: CertificateRules,
    /// Whether a path to a trust anchor must stand.
    pub path_required: bool,
    /// Whether bearer tokens are judged.
    pub token_configured: bool,
    /// What is done where revocation can't be known.
    pub unknown_revocation: UnknownRevocation,
}

/// What is done where nobody knows whether a certificate is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownRevocation {
    /// Revocation is not checked.
    NotChecked,
    /// The call is denied.
    Deny,
    /// The call goes on, and its log line says so.
    DangerouslyAllow,
}

/// The outcome for one call.
#[derive(Debug)]
pub struct Decision<'a> {
    outcome: Outcome<'a>,
}

#[derive(Debug)]
enum Outcome<'a> {
    Allow(Grant<'a>),
    /// Every check but the route has passed.
    RouteNotAllowed(Grant<'a>, Denial),
    Deny {
        certificate: Option<&'a Certificate>,
        client: Option<&'a Client>,
        denial: Denial,
        /// What no client's conditions were met by, beside the certificate.
        compared: Option<Box<Compared>>,
    },
}

#[derive(Debug)]
struct Compared {
    path: Option<Arc<VerifiedPath>>,
    claims: Option<Claims>,
}

impl<'a> Decision<'a> {
    /// A denial before a client was found; `certificate` where one could be read.
    #[must_use]
    pub fn denied(certificate: Option<&'a Certificate>, denial: Denial) -> Self {
        Self { outcome: Outcome::Deny { certificate, client: None, denial, compared: None } }
    }

    /// A denial of a client that was found.
    #[must_use]
    pub fn denied_client(identified: &Identified<'a>, denial: Denial) -> Self {
        Self {
            outcome: Outcome::Deny {
                certificate: Some(identified.certificate),
                client: Some(identified.client),
                denial,
                compared: None,
            },
        }
    }

    /// Whether this call is allowed.
    #[must_use]
    pub fn is_allow(&self) -> bool {
        matches!(self.outcome, Outcome::Allow(_))
    }

    /// What the client is granted, where every check but perhaps the route has passed.
    #[must_use]
    pub fn grant(&self) -> Option<&Grant<'a>> {
        match &self.outcome {
            Outcome::Allow(grant) | Outcome::RouteNotAllowed(grant, _) => Some(grant),
            Outcome::Deny { .. } => None,
        }
    }

    /// Why this call is denied.
    #[must_use]
    pub fn denial(&self) -> Option<&Denial> {
        match &self.outcome {
            Outcome::Allow(_) => None,
            Outcome::RouteNotAllowed(_, denial) | Outcome::Deny { denial, .. } => Some(denial),
        }
    }

    /// The client's certificate, where one could be read.
    #[must_use]
    pub fn certificate(&self) -> Option<&'a Certificate> {
        match &self.outcome {
            Outcome::Allow(grant) | Outcome::RouteNotAllowed(grant, _) => Some(grant.certificate()),
            Outcome::Deny { certificate, .. } => *certificate,
        }
    }

    /// The client that matched.
    #[must_use]
    pub fn client(&self) -> Option<&'a Client> {
        match &self.outcome {
            Outcome::Allow(grant) | Outcome::RouteNotAllowed(grant, _) => Some(grant.client()),
            Outcome::Deny { client, .. } => *client,
        }
    }

    /// What the decision rests on: the evidence of a denial, the notes of a grant.
    pub fn evidence(&self) -> impl Iterator<Item = &Evidence> {
        let denial = self.denial().map(|denial| &denial.evidence);
        denial.into_iter().chain(self.grant().map(Grant::notes))
    }

    /// `principalId` for this decision; `unidentified` where no certificate could be read.
    #[must_use]
    pub fn principal(&self) -> Cow<'_, str> {
        self.certificate().map_or("unidentified".into(), Certificate::principal)
    }

    /// Turns a grant into a denial, for what is found out while the answer is written.
    pub fn deny(&mut self, denial: Denial) {
        let (certificate, client) = (self.certificate(), self.client());
        self.outcome = Outcome::Deny { certificate, client, denial, compared: None };
    }

    /// What the conditions of clients were compared with, where none of them matched: for explanations.
    #[must_use]
    pub fn compared(&self) -> Option<Subject<'_>> {
        match &self.outcome {
            Outcome::Deny { certificate: Some(certificate), compared: Some(compared), .. } => {
                let Compared { path, claims } = &**compared;
                Some(subject(certificate, path.as_deref(), claims.as_ref()))
            }
            _ => None,
        }
    }
}

/// A certificate that meets the rules of `[certificate]` and is not on the deny list.
#[derive(Debug)]
pub struct Accepted<'a> {
    certificate: &'a Certificate,
}

/// Judges the certificate by itself: deny list, then the rules of `[certificate]`.
///
/// `policy` is asked for one thing only: whether some client pins this very certificate or key, without which a
/// certification authority's certificate is refused at once.
///
/// # Errors
/// The denial by the first rule that is broken.
pub fn accept<'a>(
    certificate: &'a Certificate,
    rules: &CertificateRules,
    policy: &Policy,
    deny_list: &DenyList,
    now: Timestamp,
) -> Result<Accepted<'a>, Denial> {
    deny_list.admits(certificate)?;
    in_force(certificate, rules, now)?;
    if certificate.is_ca() && !is_pinned(certificate, policy) {
        return Err(Denial::new(Reason::CertificateIsCa));
    }
    usable_for_clients(certificate, rules)?;
    if let Some(oid) = certificate.unknown_critical_extension() {
        return Err(Denial::new(Reason::UnknownCriticalExtension).with("extension", oid));
    }
    strong(certificate, rules)?;
    Ok(Accepted { certificate })
}

/// Whether some client names this very certificate or key.
fn is_pinned(certificate: &Certificate, policy: &Policy) -> bool {
    let subject = Subject { certificate, issuer_public_key: None, claims: None };
    policy.clients().iter().flat_map(|client| &client.conditions).any(|condition| {
        matches!(condition, Condition::Fingerprint(_) | Condition::PublicKey(_))
            && condition.holds(&subject)
    })
}

fn in_force(
    certificate: &Certificate,
    rules: &CertificateRules,
    now: Timestamp,
) -> Result<(), Denial> {
    let validity = certificate.validity();
    let skew = seconds(rules.clock_skew);
    if now.plus(skew) < validity.not_before {
        return Err(Denial::new(Reason::CertificateNotYetValid)
            .with("not_before", validity.not_before)
            .with("now", now));
    }
    if now.plus(-skew) > validity.not_after {
        return Err(Denial::new(Reason::CertificateExpired)
            .with("not_after", validity.not_after)
            .with("now", now));
    }
    // The plain difference, as `openssl -days` counts; RFC 5280 would have one second more.
    let length = validity.not_after.since(validity.not_before);
    match rules.max_validity.map(seconds) {
        Some(max) if length > max => Err(Denial::new(Reason::ValidityTooLong)
            .with("not_before", validity.not_before)
            .with("not_after", validity.not_after)
            .with("max_validity_seconds", max)),
        _ => Ok(()),
    }
}

fn usable_for_clients(certificate: &Certificate, rules: &CertificateRules) -> Result<(), Denial> {
    if let Some(usage) = certificate.key_usage() {
        if !usage.digital_signature && !usage.key_agreement {
            return Err(Denial::new(Reason::KeyUsage)
                .with("rule", "neither digitalSignature nor keyAgreement"));
        }
        // RFC 5280, section 4.2.1.9.
        if usage.key_cert_sign && !certificate.is_ca() {
            return Err(
                Denial::new(Reason::KeyUsage).with("rule", "keyCertSign, but no authority's")
            );
        }
    }
    let is_accepted = |purpose: &Oid<'_>| match &rules.extended_key_usage {
        ExtendedKeyUsage::Any => true,
        ExtendedKeyUsage::OneOf(accepted) => accepted.iter().any(|oid| *oid == *purpose.octets()),
    };
    let denial = Denial::new(Reason::ExtendedKeyUsage);
    match certificate.extended_key_usage().map(Iterator::collect::<Vec<_>>) {
        None if rules.require_extended_key_usage => {
            Err(denial.with("extended_key_usage", "absent"))
        }
        None => Ok(()),
        Some(purposes) if purposes.iter().any(is_accepted) => Ok(()),
        Some(purposes) => {
            let purposes: Vec<String> = purposes.iter().map(ToString::to_string).collect();
            Err(denial.with("extended_key_usage", purposes.join(",")))
        }
    }
}

fn strong(certificate: &Certificate, rules: &CertificateRules) -> Result<(), Denial> {
    let strength = rules.strength;
    certificate.public_key().check_strength(strength).map_err(|why| {
        Denial::new(Reason::WeakKey).with("key", certificate.public_key()).with("rule", why)
    })?;
    certificate.signature_algorithm().check_strength(strength).map_err(|why| {
        Denial::new(Reason::WeakSignature)
            .with("signature_algorithm", certificate.signature_algorithm())
            .with("rule", why)
    })
}

/// An accepted certificate whose path to a trust anchor stands, where one is needed.
#[derive(Debug)]
pub struct Trusted<'a> {
    certificate: &'a Certificate,
    path: Option<Arc<VerifiedPath>>,
}

/// Takes the path that was found for the certificate, and judges what may have changed since: whether its
/// certificates are in force, and whether one is on the deny list.
///
/// # Errors
/// `untrusted-chain` where a path is needed and there is none, or not of this certificate; `deny-listed`.
pub fn trust<'a>(
    accepted: Accepted<'a>,
    path: Option<Arc<VerifiedPath>>,
    rules: &Rules,
    deny_list: &DenyList,
    now: Timestamp,
) -> Result<Trusted<'a>, Denial> {
    let certificate = accepted.certificate;
    let Some(path) = path else {
        if rules.path_required {
            return Err(Denial::new(Reason::UntrustedChain).with("why", "no path was looked for"));
        }
        return Ok(Trusted { certificate, path: None });
    };
    if path.leaf() != certificate.fingerprint() {
        return Err(Denial::new(Reason::UntrustedChain).with("why", "the path is another's"));
    }
    if let Some(issuer) = path.issuers().iter().find(|issuer| !issuer.in_force(now)) {
        return Err(Denial::new(Reason::UntrustedChain)
            .with("why", "a certificate of the path is not in force")
            .with("issuer_of_path", issuer.subject().ascii())
            .with("issuer_not_before", issuer.validity().not_before)
            .with("issuer_not_after", issuer.validity().not_after));
    }
    path.issuers().iter().try_for_each(|issuer| deny_list.admits(issuer))?;
    Ok(Trusted { certificate, path: Some(path) })
}

/// A certificate with the client that it stands for.
#[derive(Debug)]
pub struct Identified<'a> {
    certificate: &'a Certificate,
    path: Option<Arc<VerifiedPath>>,
    client: &'a Client,
    token_context: Vec<(String, String)>,
}

impl Identified<'_> {
    /// The path from the certificate to a trust anchor.
    #[must_use]
    pub fn path(&self) -> Option<&VerifiedPath> {
        self.path.as_deref()
    }
}

/// Finds the first client whose conditions the certificate and the token meet. `token` is what came of the bearer
/// token, where tokens are configured.
///
/// # Errors
/// `no-client-matched`; `certificate-is-ca` where the client that matches does not pin the authority's
/// certificate; `token-missing` where tokens are configured and none was judged. Where no client matched, the denial
/// comes with what was compared.
pub fn identify<'a>(
    trusted: Trusted<'a>,
    policy: &'a Policy,
    token: Option<Verified>,
    rules: &Rules,
) -> Result<Identified<'a>, Decision<'a>> {
    let Trusted { certificate, path } = trusted;
    let denied = |denial| Err(Decision::denied(Some(certificate), denial));
    if rules.token_configured && token.is_none() {
        return denied(Denial::new(Reason::TokenMissing));
    }
    let (claims, token_context) = token.map(Verified::into_parts).unwrap_or_default();
    let subject = subject(certificate, path.as_deref(), claims.as_ref());
    let Some(client) = policy.client_for(&subject) else {
        return Err(Decision {
            outcome: Outcome::Deny {
                certificate: Some(certificate),
                client: None,
                denial: Denial::new(Reason::NoClientMatched),
                compared: Some(Box::new(Compared { path, claims })),
            },
        });
    };
    if certificate.is_ca() && !client.pins_certificate() {
        return denied(Denial::new(Reason::CertificateIsCa).with("matched_client", &client.id));
    }
    Ok(Identified { certificate, path, client, token_context })
}

/// What the conditions of clients are compared with.
fn subject<'a>(
    certificate: &'a Certificate,
    path: Option<&'a VerifiedPath>,
    claims: Option<&'a Claims>,
) -> Subject<'a> {
    Subject {
        certificate,
        issuer_public_key: path.and_then(VerifiedPath::issuer_public_key),
        claims: claims.map(Claims::as_map),
    }
}

/// An identified client whose certificate is not revoked, as far as that has to be known.
#[derive(Debug)]
pub struct Current<'a> {
    identified: Identified<'a>,
    notes: Evidence,
}

impl<'a> Current<'a> {
    /// The client.
    #[must_use]
    pub fn client(&self) -> &'a Client {
        self.identified.client
    }
}

/// Judges what was found out about revocation. `notes` are what was noticed on the way here.
///
/// # Errors
/// `revoked`; `revocation-unknown`, unless the configuration dangerously allows it. The denial comes with the
/// client that it hits.
pub fn prove_current<'a>(
    identified: Identified<'a>,
    status: Option<Status>,
    mut notes: Evidence,
    rules: &Rules,
) -> Result<Current<'a>, Decision<'a>> {
    let deny = |reason, evidence| {
        let denial = Denial { reason, evidence };
        Err(Decision::denied_client(&identified, denial))
    };
    match (status, rules.unknown_revocation) {
        (None, UnknownRevocation::NotChecked) | (Some(Status::NotRevoked(_)), _) => {}
        (Some(Status::Revoked(evidence)), _) => return deny(Reason::Revoked, evidence),
        (Some(Status::Unknown(mut evidence)), UnknownRevocation::DangerouslyAllow) => {
            evidence.add("revocation", "unknown, dangerously allowed");
            notes.extend(evidence);
        }
        (Some(Status::Unknown(evidence)), _) => return deny(Reason::RevocationUnknown, evidence),
        (None, _) => return deny(Reason::RevocationUnknown, Evidence::default()),
    }
    Ok(Current { identified, notes })
}

/// What a client may do: it can only be made by [`authorize`], once every check but the route has passed.
#[derive(Debug)]
pub struct Grant<'a> {
    certificate: &'a Certificate,
    client: &'a Client,
    token_context: Vec<(String, String)>,
    notes: Evidence,
}

impl<'a> Grant<'a> {
    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &'a Certificate {
        self.certificate
    }

    /// The client that the certificate stands for.
    #[must_use]
    pub fn client(&self) -> &'a Client {
        self.client
    }

    /// The context entries that come from the token.
    #[must_use]
    pub fn token_context(&self) -> &[(String, String)] {
        &self.token_context
    }

    /// What an auditor should know of this grant, such as a check that was passed over.
    #[must_use]
    pub fn notes(&self) -> &Evidence {
        &self.notes
    }
}

/// Judges the route: the last check.
#[must_use]
pub fn authorize<'a>(current: Current<'a>, arn: &InvokeArn) -> Decision<'a> {
    let Current { identified: Identified { certificate, client, token_context, .. }, notes } =
        current;
    let grant = Grant { certificate, client, token_context, notes };
    let outcome = if client.routes.admits(arn.method(), arn.path()) {
        Outcome::Allow(grant)
    } else {
        Outcome::RouteNotAllowed(grant, Denial::new(Reason::RouteNotAllowed))
    };
    Decision { outcome }
}
