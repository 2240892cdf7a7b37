//! `[revocation]`: which lists and responders are asked, and the deny list.

use std::{net::Ipv6Addr, time::Duration};

use crate::{
    policy::{
        configuration::{Freshness, OnUnknown, Revocation, RevocationDepth, RevocationMethod},
        fault::Content,
    },
    source::{NETWORK, Source, SourceFault, url::Host},
};

use super::{
    Reader,
    walk::{Node, Section},
};

impl Reader<'_> {
    /// What is checked, the deny list, and how fresh copies are.
    pub(super) fn revocation(
        &self,
        section: Section<'_>,
        has_anchors: bool,
    ) -> (Option<Revocation>, Option<Source>, Freshness) {
        let check = revocation_methods(&section);
        if check.is_some() && !has_anchors {
            section.fault("`check` needs [trust] anchors: a list counts by its issuer's signature");
        }
        let asks = |method| check.as_ref().is_some_and(|check| check.contains(&method));
        let hosts = section.take("allowed_hosts");
        let (crls, distribution_points) =
            self.lists(&section, asks(RevocationMethod::Crl), hosts.is_some());
        let (ocsp_responder, responders_of_certificates) =
            self.responder(&section, asks(RevocationMethod::Ocsp), hosts.is_some());
        if let Some(node) = &hosts
            && !distribution_points
            && !responders_of_certificates
        {
            node.warn("has no effect: nothing that a certificate names is ever contacted here");
        }
        let allowed_hosts = hosts.as_ref().map(allowed_hosts).unwrap_or_default();
        let depth = section
            .choice("depth", &[("leaf", RevocationDepth::Leaf), ("chain", RevocationDepth::Chain)]);
        let on_unknown = on_unknown(&section);
        let freshness = freshness(&section);
        let deny_list = self.deny_list(&section, has_anchors);
        section.finish();
        let revocation = check.map(|check| Revocation {
            check,
            crls,
            distribution_points,
            ocsp_responder,
            allowed_hosts,
            depth: depth.unwrap_or(RevocationDepth::Leaf),
            on_unknown,
        });
        (revocation, deny_list, freshness)
    }

    /// The configured lists, and whether those that certificates name are asked for too.
    fn lists(&self, section: &Section<'_>, asked: bool, has_hosts: bool) -> (Vec<Source>, bool) {
        const NEVER: &str = "`check` does not list \"crl\", so these would never be asked";
        let crls = section.take("crls");
        let sources = crls
            .as_ref()
            .map(|node| self.sources(node, Content::RevocationLists))
            .unwrap_or_default();
        if let Some(node) = &crls
            && !asked
        {
            node.fault(NEVER);
        }
        let points = section.take("distribution_points");
        let distribution_points = points.as_ref().and_then(Node::boolean).unwrap_or(false);
        if let Some(node) = &points
            && distribution_points
        {
            needs_network(node, "they are on servers");
            if !asked {
                node.fault(NEVER);
            }
            if !has_hosts {
                node.fault("needs `allowed_hosts`: no host that a certificate names is contacted unless it is listed");
            }
        }
        if asked && crls.is_none() && !distribution_points {
            section.missing("crls", "`check` lists \"crl\", and there is nowhere to get one: write `crls`, or `distribution_points = true`");
        }
        (sources, distribution_points)
    }

    /// The configured responder, and whether those that certificates name are asked in its place.
    fn responder(
        &self,
        section: &Section<'_>,
        asked: bool,
        has_hosts: bool,
    ) -> (Option<Source>, bool) {
        let Some(node) = section.take("ocsp_responder") else {
            if asked && !has_hosts {
                section.missing("ocsp_responder", "`check` lists \"ocsp\", and there is nobody to ask: write `ocsp_responder`, or `allowed_hosts` for those that certificates name");
            }
            return (None, asked);
        };
        if !asked {
            node.fault("`check` does not list \"ocsp\", so it would never be asked");
        }
        let responder = node.text().and_then(|text| self.source(&node, text, Content::Responder));
        (responder, false)
    }

    fn deny_list(&self, section: &Section<'_>, has_anchors: bool) -> Option<Source> {
        let deny_list = self.one_source(section, "deny_list", Content::DenyList)?;
        if !has_anchors {
            section.findings.warn(
                section.offset,
                "[revocation]: deny_list",
                "without [trust] anchors only the client's certificate is looked for in it, not its issuers",
            );
        }
        Some(deny_list)
    }
}

fn on_unknown(section: &Section<'_>) -> OnUnknown {
    let node = section.take("on_unknown");
    let on_unknown = node.as_ref().and_then(|node| {
        node.choice(&[
            ("deny", OnUnknown::Deny),
            ("dangerously-allow", OnUnknown::DangerouslyAllow),
        ])
    });
    if let (Some(node), Some(OnUnknown::DangerouslyAllow)) = (&node, on_unknown) {
        node.warn("whoever keeps the sources from answering gets revoked certificates in");
    }
    on_unknown.unwrap_or(OnUnknown::Deny)
}

fn revocation_methods(section: &Section<'_>) -> Option<Vec<RevocationMethod>> {
    let methods = [("crl", RevocationMethod::Crl), ("ocsp", RevocationMethod::Ocsp)];
    let texts = section.take("check")?.texts()?;
    let mut chosen = Vec::new();
    for (_, node) in texts {
        let method = node.choice(&methods);
        if method == Some(RevocationMethod::Ocsp) {
            needs_network(&node, "\"ocsp\" asks a server");
        }
        chosen.extend(method);
    }
    Some(chosen)
}

/// What only a build with a network can do is a fault in another, never passed over.
fn needs_network(node: &Node<'_>, why: &str) {
    if !NETWORK {
        node.fault(format!("{why}, and {}", SourceFault::Offline));
    }
}

fn allowed_hosts(node: &Node<'_>) -> Vec<String> {
    let mut hosts = Vec::new();
    for (text, node) in node.texts().unwrap_or_default() {
        match Host::parse(text) {
            Ok(host) => hosts.push(host.to_string()),
            Err(_) if text.parse::<Ipv6Addr>().is_ok() => {
                node.fault(format!("an IPv6 address stands in brackets: `[{text}]`"));
            }
            Err(_) => node.fault(format!(
                "`{}` is no host; write a DNS name or an IP address, without scheme, port or path",
                text.escape_debug()
            )),
        }
    }
    hosts
}

fn freshness(section: &Section<'_>) -> Freshness {
    const LONGEST_WAIT: Duration = Duration::from_secs(5);
    let usual = Freshness::default();
    let of = |key, usual| section.duration(key).map_or(usual, |(duration, _)| duration);
    let timeout = section.duration("timeout").map(|(timeout, node)| {
        if timeout.is_zero() || timeout > LONGEST_WAIT {
            node.fault("must be from 1s to 5s, which is what all waits of a call may come to");
        }
        timeout
    });
    Freshness {
        refresh: of("refresh", usual.refresh),
        timeout: timeout.unwrap_or(usual.timeout),
        max_stale: of("max_stale", usual.max_stale),
    }
}
