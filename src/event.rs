//! Authorizer events of API Gateway: from a payload's bytes to a [`Request`].
//!
//! Three forms exist: REQUEST authorizers of REST APIs, and of HTTP APIs in format 1.0 and 2.0. They are told
//! apart by structure (`version`, `methodArn`, `routeArn`), and a payload that is none of them, or is two at
//! once, is an [`EventFault`], not a denial.
//!
//! The types are the project's own. Those of `aws_lambda_events` 1.2 refuse real events: format 2.0 with
//! `headers: null`, format 1.0 with null headers, and every form with a `clientCert` that has no `validity`;
//! they also copy maps that are not needed for a decision. The tests still hold both readings side by side.
//!
//! Of the certificate only the PEM is read: the gateway's renderings of subject, issuer, serial number and
//! validity have undocumented escaping, and identity comes from the parsed certificate alone.

pub mod arn;
pub mod headers;
pub mod presented;

use serde::Deserialize;
use serde_json::value::RawValue;

use arn::InvokeArn;
use headers::Headers;

/// The form of an authorizer event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventForm {
    /// A REQUEST authorizer of a REST API.
    Rest,
    /// An HTTP API, payload format 1.0.
    HttpV1,
    /// An HTTP API, payload format 2.0.
    HttpV2,
}

/// What an event asks: who, as far as the gateway hands on, wants to do what.
#[derive(Debug)]
pub struct Request<'a> {
    /// The form of the event.
    pub form: EventForm,
    /// The call to be authorized.
    pub arn: InvokeArn,
    /// The client certificate that API Gateway found in the TLS handshake, as PEM. An empty string where
    /// there is a `clientCert` without one.
    pub client_certificate: Option<String>,
    /// The request's headers, read where something asks for them.
    pub headers: Headers<'a>,
    /// The interface endpoint that a call of a private API came through.
    pub vpc_endpoint: Option<String>,
    /// The caller's address, for the log; none where it has another form.
    pub source_ip: Option<String>,
    /// API Gateway's id of the request, for the log; none where it has another form.
    pub request_id: Option<String>,
}

/// Why a payload is no authorizer event. Holds nothing of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFault {
    /// What is wrong, as a clause.
    pub rule: String,
}

impl EventFault {
    pub(crate) fn new(rule: impl Into<String>) -> Self {
        Self { rule: rule.into() }
    }
}

impl std::fmt::Display for EventFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not an authorizer event: {}", self.rule)
    }
}

impl std::error::Error for EventFault {}

impl<'a> Request<'a> {
    /// Reads an event.
    ///
    /// # Errors
    /// A payload that is not JSON, or none of the three forms.
    pub fn parse(payload: &'a [u8]) -> Result<Self, EventFault> {
        // Once for all: serde_json would look at each string by itself.
        let text = std::str::from_utf8(payload).map_err(|error| {
            EventFault::new(format!("not UTF-8 (byte {})", error.valid_up_to() + 1))
        })?;
        // serde's messages may quote values, so only their kind and place are told.
        let event: Event<'a> = serde_json::from_str(text).map_err(|error| {
            let what = match error.classify() {
                serde_json::error::Category::Data => "a field is of another type or occurs twice",
                serde_json::error::Category::Eof => "the JSON ends early",
                _ => "not JSON",
            };
            EventFault::new(format!("{what} (line {}, column {})", error.line(), error.column()))
        })?;
        let (form, arn) = event.form()?;
        let arn = InvokeArn::parse(arn)?;
        let context =
            event.request_context.ok_or_else(|| EventFault::new("there is no `requestContext`"))?;
        let identity = context.identity.unwrap_or_default();
        let (client_certificate, source_ip) = match form {
            EventForm::Rest | EventForm::HttpV1 => (identity.client_cert, identity.source_ip),
            EventForm::HttpV2 => (
                context.authentication.and_then(|authentication| authentication.client_cert),
                context.http.and_then(|http| http.source_ip),
            ),
        };
        Ok(Self {
            form,
            arn,
            client_certificate: client_certificate
                .map(|certificate| certificate.client_cert_pem.unwrap_or_default()),
            headers: Headers::new(event.headers, event.multi_value_headers),
            vpc_endpoint: identity.vpce_id,
            source_ip: source_ip.filter(|address| has_form_of_id(address)),
            request_id: context.request_id.filter(|id| has_form_of_id(id)),
        })
    }
}

/// Whether text has the form of an id or an address. What goes into the log as it came has to: no other part of an event
/// gets there in its place.
fn has_form_of_id(text: &str) -> bool {
    const LONGEST: usize = 128;
    let may_stand = |octet: u8| octet.is_ascii_alphanumeric() || b"-_=+/.:%".contains(&octet);
    text.len() <= LONGEST && text.bytes().all(may_stand)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    method_arn: Option<String>,
    route_arn: Option<String>,
    #[serde(borrow)]
    headers: Option<&'a RawValue>,
    #[serde(borrow)]
    multi_value_headers: Option<&'a RawValue>,
    request_context: Option<RequestContext>,
}

impl Event<'_> {
    fn form(&self) -> Result<(EventForm, &str), EventFault> {
        match self.kind.as_deref() {
            Some("REQUEST") => {}
            Some("TOKEN") => {
                return Err(EventFault::new(
                    "a TOKEN authorizer carries no certificate; configure a REQUEST authorizer",
                ));
            }
            _ => return Err(EventFault::new("`type` is not `REQUEST`")),
        }
        match (self.version.as_deref(), &self.method_arn, &self.route_arn) {
            (None, Some(arn), None) => Ok((EventForm::Rest, arn)),
            (Some("1.0"), Some(arn), None) => Ok((EventForm::HttpV1, arn)),
            (Some("2.0"), None, Some(arn)) => Ok((EventForm::HttpV2, arn)),
            (None | Some("1.0"), None, _) => Err(EventFault::new("there is no `methodArn`")),
            (Some("2.0"), _, None) => Err(EventFault::new("there is no `routeArn`")),
            (_, Some(_), Some(_)) => {
                Err(EventFault::new("there are both a `methodArn` and a `routeArn`"))
            }
            _ => Err(EventFault::new("`version` is neither absent nor `1.0` nor `2.0`")),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    identity: Option<Identity>,
    authentication: Option<Authentication>,
    http: Option<Http>,
    request_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    client_cert: Option<ClientCert>,
    source_ip: Option<String>,
    vpce_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authentication {
    client_cert: Option<ClientCert>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    source_ip: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientCert {
    client_cert_pem: Option<String>,
}
