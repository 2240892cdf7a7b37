//! An Application Load Balancer with mutual TLS in front of a private REST API.
//!
//! It stands where a template has a listener with `MutualAuthentication`: it does the handshake,
//! and tells the API about the certificate in request headers, whose names its listener attributes
//! may change ("Mutual authentication with TLS in Application Load Balancer", ELB guide).
//!
//! - *verify*: a certificate without a path to the trust store ends the connection. The leaf goes
//!   along, with serial number, subject, issuer and validity in headers of their own.
//! - *passthrough*: any certificate of whoever holds its key gets through, and none at all. The
//!   chain goes along as the client sent it, leaf first.
//!
//! Nobody could confirm that the load balancer strips headers of these names that a client sent.
//! Here they go along beside the load balancer's own, the worst that may happen: the authorizer has
//! to refuse what comes twice, and in passthrough the name has to be one that nobody guesses.
//!
//! The endpoint policy and the API's resource policy are not evaluated: what comes in here came
//! through the load balancer and the endpoint. A revocation list that the load balancer itself
//! applies is not applied here.

use std::fmt::Write as _;

use crate::certificate::Certificate;
use crate::http::Headers;
use crate::template::{Fault, Node, Template, TemplateError, text_of};

/// The address by which the API knows the load balancer.
pub const ADDRESS: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 1, 23));
/// The interface endpoint that calls come through.
pub const VPC_ENDPOINT: &str = "vpce-0a1b2c3d4e5f60718";
/// The VPC around it.
pub const VPC: &str = "vpc-0a1b2c3d4e5f60718";

/// A load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balancer {
    /// What it does with certificates.
    pub mode: Mode,
    /// Where it puts them.
    pub headers: HeaderNames,
}

/// What a listener does with client certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It verifies them.
    Verify,
    /// It hands them on.
    Passthrough,
}

impl Mode {
    /// The mode that `[source] kind` calls so.
    #[must_use]
    pub fn named(kind: &str) -> Option<Self> {
        [Self::Verify, Self::Passthrough].into_iter().find(|mode| mode.kind() == kind)
    }

    /// What the authorizer calls it.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Verify => "alb-verify",
            Self::Passthrough => "alb-passthrough",
        }
    }
}

/// The names of the headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderNames {
    /// The leaf, in verify mode.
    pub leaf: String,
    /// The chain, in passthrough mode.
    pub chain: String,
    /// The serial number, in verify mode.
    pub serial_number: String,
    /// The subject, in verify mode.
    pub subject: String,
    /// The issuer, in verify mode.
    pub issuer: String,
    /// The validity, in verify mode.
    pub validity: String,
}

impl Default for HeaderNames {
    fn default() -> Self {
        let name = |end: &str| format!("X-Amzn-Mtls-Clientcert{end}");
        Self {
            leaf: name("-Leaf"),
            chain: name(""),
            serial_number: name("-Serial-Number"),
            subject: name("-Subject"),
            issuer: name("-Issuer"),
            validity: name("-Validity"),
        }
    }
}

impl HeaderNames {
    /// The header that a listener attribute renames.
    fn renamed(&mut self, attribute: &str) -> Option<&mut String> {
        let header = attribute
            .strip_prefix("routing.http.request.x_amzn_mtls_clientcert")?
            .strip_suffix(".header_name")?;
        Some(match header {
            "" => &mut self.chain,
            "_leaf" => &mut self.leaf,
            "_serial_number" => &mut self.serial_number,
            "_subject" => &mut self.subject,
            "_issuer" => &mut self.issuer,
            "_validity" => &mut self.validity,
            _ => return None,
        })
    }
}

impl Balancer {
    /// The load balancer of a template, where it has a listener that asks for certificates.
    ///
    /// # Errors
    /// Where its settings can't be read, or there are two.
    pub fn read(template: &Template) -> Result<Option<Self>, TemplateError> {
        read(template).map_err(|fault| fault.named(template.name()))
    }

    /// Adds what the load balancer says about a certificate; the client's own headers stay.
    pub fn add_headers(&self, certificates: &[Certificate], headers: &mut Headers) {
        let Some(leaf) = certificates.first() else { return };
        let names = &self.headers;
        match self.mode {
            Mode::Verify => {
                headers.push(&names.serial_number, leaf.serial_number_hex());
                headers.push(&names.issuer, leaf.issuer_rfc2253());
                headers.push(&names.subject, leaf.subject_rfc2253());
                headers.push(&names.validity, leaf.validity());
                headers.push(&names.leaf, url_encoded(&leaf.pem()));
            }
            Mode::Passthrough => {
                let chain: String = certificates.iter().map(Certificate::pem).collect();
                headers.push(&names.chain, url_encoded(&chain));
            }
        }
    }

    /// The table of a configuration that names the headers.
    #[must_use]
    pub fn source_table(&self) -> String {
        let HeaderNames { leaf, chain, serial_number, subject, issuer, validity } = &self.headers;
        let headers = match self.mode {
            Mode::Verify => vec![
                ("leaf", leaf),
                ("serial_number", serial_number),
                ("subject", subject),
                ("issuer", issuer),
                ("validity", validity),
            ],
            Mode::Passthrough => vec![("chain", chain)],
        };
        let mut text = String::from("[source]\n");
        for (key, name) in headers {
            // Writing to a string does not fail; the names are plain, which `read` has seen to.
            let _ = writeln!(text, "headers.{key} = \"{name}\"");
        }
        text
    }
}

fn read(template: &Template) -> Result<Option<Balancer>, Fault> {
    let mut found: Option<Balancer> = None;
    for resource in template.try_resources()? {
        let Some(authentication) = resource.property("MutualAuthentication") else { continue };
        if resource.kind != "AWS::ElasticLoadBalancingV2::Listener" {
            continue;
        }
        let authentication = template.try_resolve(authentication)?;
        let Some(mode) = authentication.find("Mode") else { continue };
        let mode = match text_of(mode)? {
            "verify" => Mode::Verify,
            "passthrough" => Mode::Passthrough,
            "off" => continue,
            other => return Err(Fault::new(mode.line, format!("`{other}` is no mode"))),
        };
        let mut headers = HeaderNames::default();
        if let Some(attributes) = resource.property("ListenerAttributes") {
            for attribute in template.try_resolve(attributes)?.items() {
                rename(&mut headers, attribute)?;
            }
        }
        if found.replace(Balancer { mode, headers }).is_some() {
            let message = "a second listener with mutual TLS can't be represented here";
            return Err(Fault::new(resource.line, message));
        }
    }
    Ok(found)
}

fn rename(headers: &mut HeaderNames, attribute: &Node) -> Result<(), Fault> {
    let text = |key| attribute.find(key).and_then(Node::text).unwrap_or_default();
    let (Some(header), name) = (headers.renamed(text("Key")), text("Value")) else {
        return Ok(());
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(Fault::new(
            attribute.line,
            format!("`{name}` is no header name; it comes from the template's parameters"),
        ));
    }
    name.clone_into(header);
    Ok(())
}

/// Percent-encoded, with `+`, `=` and `/` left as they are, as the ELB guide says.
fn url_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + text.len() / 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~+=/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_is_encoded_as_a_load_balancer_does() {
        assert_eq!(
            url_encoded("-----BEGIN CERTIFICATE-----\nMI+/=\n"),
            "-----BEGIN%20CERTIFICATE-----%0AMI+/=%0A"
        );
    }
}
