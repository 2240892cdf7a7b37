//! Certificate policies along a path (RFC 5280, section 6.1, with the graph of RFC 9618 in place of the tree).
//!
//! The inputs are those of a relying party that accepts any policy, and demands none of its own: `anyPolicy` as the
//! user's initial set, nothing inhibited. So policies matter where an authority of the path says that they do: where
//! its policy constraints demand that some policy holds from its certificate down to the leaf's, and none does.
//!
//! Of the graph only the policies that the next certificate may hold are kept, since no more is asked than whether
//! one is left. Qualifiers are not looked at. An extension counts whether it is critical or not; those that are
//! critical, `rustls-webpki` refuses before they come here.

use std::collections::HashSet;

use crate::{
    certificate::Certificate,
    der::{self, DerError, Oid, Reader, tag},
};

const ANY_POLICY: Oid<'static> = Oid::new(&[0x55, 0x1d, 0x20, 0x00]);

/// What is carried from one certificate of a path to the next (RFC 5280, section 6.1.2). The numbers count the
/// certificates that may follow before a rule holds.
struct State<'a> {
    /// The policies that hold down to a certificate, under the names that the next one knows them by. Empty once no
    /// policy is left.
    policies: HashSet<Oid<'a>>,
    explicit_policy: usize,
    policy_mapping: usize,
    inhibit_any_policy: usize,
}

/// Checks the policies of a path: its certificates from the one that the anchor issued down to the leaf.
///
/// # Errors
/// What is wrong, and in which certificate: no policy is left where one is demanded, a mapping to or from
/// `anyPolicy`, or an extension on policies that can't be read.
pub(super) fn check(path: &[&Certificate]) -> Result<(), String> {
    let mut state = State {
        policies: HashSet::from([ANY_POLICY]),
        explicit_policy: path.len() + 1,
        policy_mapping: path.len() + 1,
        inhibit_any_policy: path.len() + 1,
    };
    for (index, certificate) in path.iter().enumerate() {
        let name = || certificate.subject().ascii();
        let extensions = Extensions::read(certificate)
            .map_err(|error| format!("the policies of `{}` can't be read: {error}", name()))?;
        let is_leaf = index + 1 == path.len();
        state.narrow(certificate, &extensions, is_leaf);
        if state.is_broken() {
            return Err(format!("no certificate policy holds from the anchor to `{}`", name()));
        }
        if is_leaf {
            state.finish(&extensions);
        } else {
            state.map(&extensions).map_err(|why| format!("`{}` {why}", name()))?;
            state.prepare(certificate, &extensions);
        }
    }
    if state.is_broken() {
        return Err("no certificate policy holds for the whole path, and one has to".to_owned());
    }
    Ok(())
}

impl<'a> State<'a> {
    fn is_broken(&self) -> bool {
        self.explicit_policy == 0 && self.policies.is_empty()
    }

    /// Section 6.1.3, (d) and (e): which policies are left with this certificate.
    fn narrow(&mut self, certificate: &Certificate, extensions: &Extensions<'a>, is_leaf: bool) {
        let above = std::mem::take(&mut self.policies);
        let holds = |policy: &Oid<'_>| above.contains(policy) || above.contains(&ANY_POLICY);
        let named = extensions.policies.iter().filter(|policy| **policy != ANY_POLICY);
        self.policies.extend(named.filter(|policy| holds(policy)));
        let may_be_any = self.inhibit_any_policy > 0 || (!is_leaf && certificate.is_self_issued());
        if may_be_any && extensions.policies.contains(&ANY_POLICY) {
            self.policies.extend(above);
        }
    }

    /// Section 6.1.4, (a) and (b): what the next certificate knows these policies by.
    fn map(&mut self, extensions: &Extensions<'a>) -> Result<(), &'static str> {
        if extensions.mappings.iter().flatten().any(|policy| *policy == ANY_POLICY) {
            return Err("maps anyPolicy to a policy, or one to it");
        }
        let mut mapped = self.policies.clone();
        for [issuers, _] in &extensions.mappings {
            mapped.remove(issuers);
        }
        for [issuers, subjects] in &extensions.mappings {
            let held = self.policies.contains(issuers) || self.policies.contains(&ANY_POLICY);
            if self.policy_mapping > 0 && held {
                mapped.insert(*subjects);
            }
        }
        self.policies = mapped;
        Ok(())
    }

    /// Section 6.1.4, (h), (i) and (j): from where on the rules hold.
    fn prepare(&mut self, certificate: &Certificate, extensions: &Extensions<'_>) {
        let State { explicit_policy, policy_mapping, inhibit_any_policy, .. } = self;
        for (count, limit) in [
            (explicit_policy, extensions.require_explicit_policy),
            (policy_mapping, extensions.inhibit_policy_mapping),
            (inhibit_any_policy, extensions.inhibit_any_policy),
        ] {
            if !certificate.is_self_issued() {
                *count = count.saturating_sub(1);
            }
            *count = limit.map_or(*count, |limit| limit.min(*count));
        }
    }

    /// Section 6.1.5, (a) and (b): what the leaf itself demands.
    fn finish(&mut self, extensions: &Extensions<'_>) {
        self.explicit_policy = self.explicit_policy.saturating_sub(1);
        if extensions.require_explicit_policy == Some(0) {
            self.explicit_policy = 0;
        }
    }
}

/// The extensions on policies of one certificate (RFC 5280, sections 4.2.1.4, 4.2.1.5, 4.2.1.11 and 4.2.1.14).
#[derive(Default)]
struct Extensions<'a> {
    policies: HashSet<Oid<'a>>,
    /// What the issuer calls a policy, and what its subject does.
    mappings: Vec<[Oid<'a>; 2]>,
    require_explicit_policy: Option<usize>,
    inhibit_policy_mapping: Option<usize>,
    inhibit_any_policy: Option<usize>,
}

impl<'a> Extensions<'a> {
    fn read(certificate: &'a Certificate) -> Result<Self, DerError> {
        let mut read = Self::default();
        if let Some(value) = certificate.certificate_policies() {
            for mut policy in members(value, "the certificate policies are not a SEQUENCE")? {
                read.policies.insert(policy.oid("a certificate policy has no identifier")?);
                policy.optional(tag::SEQUENCE)?;
                policy.end("a certificate policy has more than an identifier and qualifiers")?;
            }
        }
        if let Some(value) = certificate.policy_mappings() {
            for mut mapping in members(value, "the policy mappings are not a SEQUENCE")? {
                let issuers = mapping.oid("a policy mapping has no issuerDomainPolicy")?;
                let subjects = mapping.oid("a policy mapping has no subjectDomainPolicy")?;
                mapping.end("a policy mapping has more than two policies")?;
                read.mappings.push([issuers, subjects]);
            }
        }
        if let Some(value) = certificate.policy_constraints() {
            let mut fields =
                Reader::new(value).sequence("the policy constraints are not a SEQUENCE")?;
            let mut count =
                |number| fields.optional(tag::context(number))?.map(der::count).transpose();
            read.require_explicit_policy = count(0)?;
            read.inhibit_policy_mapping = count(1)?;
            fields.end("the policy constraints have trailing elements")?;
        }
        if let Some(value) = certificate.inhibit_any_policy() {
            let skip = Reader::new(value).expect(tag::INTEGER, "inhibitAnyPolicy is no INTEGER")?;
            read.inhibit_any_policy = Some(der::count(skip)?);
        }
        Ok(read)
    }
}

/// The members of a SEQUENCE of SEQUENCEs.
fn members<'a>(value: &'a [u8], rule: &'static str) -> Result<Vec<Reader<'a>>, DerError> {
    let list = Reader::new(value).expect(tag::SEQUENCE, rule)?;
    let mut elements = list.reader();
    if elements.is_empty() {
        return Err(list.error("an extension on policies is empty"));
    }
    let mut members = Vec::new();
    while !elements.is_empty() {
        members.push(elements.sequence(rule)?);
    }
    Ok(members)
}
