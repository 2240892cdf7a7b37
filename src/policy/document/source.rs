//! `[source]`: where the client's certificate is presented, and what a load balancer calls its headers.

use crate::policy::configuration::{AlbVerifyHeaders, Presentation};

use super::{
    Reader, SOURCE_KIND, VPC_ENDPOINTS, contradiction,
    walk::{Node, Section},
};

impl Reader<'_> {
    pub(super) fn presentation(
        &self,
        section: Section<'_>,
        has_anchors: bool,
    ) -> Option<Presentation> {
        let kinds = [
            ("api-gateway", Kind::ApiGateway),
            ("alb-verify", Kind::AlbVerify),
            ("alb-passthrough", Kind::AlbPassthrough),
        ];
        let kind = self
            .choice_or_variable(&section, "kind", SOURCE_KIND, &kinds)
            .unwrap_or(Kind::ApiGateway);
        let vpc_endpoints = self.vpc_endpoints(&section, kind);
        let default_headers = section.take("dangerously_default_headers");
        let default_headers_allowed =
            default_headers.as_ref().and_then(Node::boolean).unwrap_or(false);
        if let Some(node) = &default_headers
            && default_headers_allowed
        {
            match kind {
                Kind::AlbPassthrough => node.warn(
                    "a client can send the default header itself, with anybody's certificate in it",
                ),
                _ => node.fault("is for `alb-passthrough` alone"),
            }
        }
        let headers = section.take("headers");
        let presentation = match kind {
            Kind::ApiGateway => {
                if let Some(node) = &headers {
                    node.fault("is for load balancers: `alb-verify` and `alb-passthrough`");
                }
                Some(Presentation::ApiGateway)
            }
            Kind::AlbVerify => alb_verify_headers(headers.as_ref())
                .map(|headers| Presentation::AlbVerify { vpc_endpoints, headers }),
            Kind::AlbPassthrough => {
                if !has_anchors {
                    section.fault("`alb-passthrough` needs [trust] anchors: the load balancer verifies nothing");
                }
                alb_chain_header(&section, headers.as_ref(), default_headers_allowed)
                    .map(|chain| Presentation::AlbPassthrough { vpc_endpoints, chain })
            }
        };
        section.finish();
        presentation
    }

    fn vpc_endpoints(&self, section: &Section<'_>, kind: Kind) -> Vec<String> {
        let written = section.take("vpc_endpoints");
        let in_document: Option<Vec<String>> = written.as_ref().and_then(|node| {
            let texts = node.texts()?;
            for (text, node) in &texts {
                if let Some(rule) = vpc_endpoint_fault(text) {
                    node.fault(rule);
                }
            }
            Some(texts.into_iter().map(|(text, _)| text.to_owned()).collect())
        });
        let in_environment: Option<Vec<String>> = self.variable(VPC_ENDPOINTS).map(|value| {
            let endpoints: Vec<String> =
                value.split(',').map(|endpoint| endpoint.trim().to_owned()).collect();
            for endpoint in &endpoints {
                if let Some(rule) = vpc_endpoint_fault(endpoint) {
                    self.findings.fault_in_variable(VPC_ENDPOINTS, rule);
                }
            }
            endpoints
        });
        if kind == Kind::ApiGateway {
            let rule = "is for load balancers: nothing would be pinned for `api-gateway`";
            if let Some(node) = &written {
                node.fault(rule);
            }
            if in_environment.is_some() {
                self.findings.fault_in_variable(VPC_ENDPOINTS, rule);
            }
            return Vec::new();
        }
        if let (Some(node), Some(document), Some(environment)) =
            (&written, &in_document, &in_environment)
        {
            let same = document.iter().all(|endpoint| environment.contains(endpoint))
                && environment.iter().all(|endpoint| document.contains(endpoint));
            if !same {
                node.fault(contradiction(VPC_ENDPOINTS, &environment.join(",")));
            }
        }
        if written.is_none() && in_environment.is_none() {
            section.missing(
                "vpc_endpoints",
                "a request could come from anywhere, with headers of its own making",
            );
        }
        in_environment.or(in_document).unwrap_or_default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    ApiGateway,
    AlbVerify,
    AlbPassthrough,
}

fn vpc_endpoint_fault(text: &str) -> Option<String> {
    let sound = text
        .strip_prefix("vpce-")
        .is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    (!sound).then(|| {
        format!("`{}` is no id of a VPC endpoint, such as `vpce-0a1b2c3d`", text.escape_debug())
    })
}

/// A table of header names: the given keys with their default names, and what to say of other keys.
fn header_names<const N: usize>(
    node: Option<&Node<'_>>,
    wanted: [(&'static str, &str); N],
    unwanted: &[&'static str],
    why: &str,
) -> Option<[String; N]> {
    let mut names = wanted.map(|(_, default)| default.to_owned());
    let Some(node) = node else { return Some(names) };
    let table = node.table()?;
    let mut seen: Vec<String> = Vec::new();
    for ((key, _), name) in wanted.iter().zip(&mut names) {
        if let Some(node) = table.take(key)
            && let Some(text) = node.text()
        {
            if !is_header_name(text) {
                node.fault(format!("`{}` is no name of a header", text.escape_debug()));
            }
            text.clone_into(name);
        }
        let folded = name.to_ascii_lowercase();
        if seen.contains(&folded) {
            node.fault(format!("`{name}` stands here twice; each header has one meaning"));
        }
        seen.push(folded);
    }
    for key in unwanted {
        if let Some(node) = table.take(key) {
            node.fault(why);
        }
    }
    table.finish();
    Some(names)
}

/// RFC 9110, section 5.6.2.
fn is_header_name(text: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(token)
}

fn alb_verify_headers(node: Option<&Node<'_>>) -> Option<AlbVerifyHeaders> {
    let wanted = [
        ("leaf", "X-Amzn-Mtls-Clientcert-Leaf"),
        ("serial_number", "X-Amzn-Mtls-Clientcert-Serial-Number"),
        ("subject", "X-Amzn-Mtls-Clientcert-Subject"),
        ("issuer", "X-Amzn-Mtls-Clientcert-Issuer"),
        ("validity", "X-Amzn-Mtls-Clientcert-Validity"),
    ];
    let why = "is for `alb-passthrough`; `alb-verify` sends the leaf alone";
    let [leaf, serial_number, subject, issuer, validity] =
        header_names(node, wanted, &["chain"], why)?;
    Some(AlbVerifyHeaders { leaf, serial_number, subject, issuer, validity })
}

fn alb_chain_header(
    section: &Section<'_>,
    node: Option<&Node<'_>>,
    default_allowed: bool,
) -> Option<String> {
    let unwanted = ["leaf", "serial_number", "subject", "issuer", "validity"];
    let why = "is for `alb-verify`; `alb-passthrough` sends the chain alone";
    let wanted = [("chain", "X-Amzn-Mtls-Clientcert")];
    let [chain] = header_names(node, wanted, &unwanted, why)?;
    if !default_allowed && chain.to_ascii_lowercase().starts_with("x-amzn-mtls-") {
        let rule = "`alb-passthrough` needs a header that a client can't guess: rename it at the listener and here (or write dangerously_default_headers = true)";
        match node {
            Some(node) => node.fault(rule),
            None => section.missing("headers", rule),
        }
        return None;
    }
    Some(chain)
}
