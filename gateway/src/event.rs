//! A call, and the event that an authorizer gets for it.
//!
//! Three forms: that of a REST API's REQUEST authorizer, and those of an HTTP API, payload formats
//! 1.0 and 2.0. The certificate is the one that the connection was made with; nothing of it is
//! taken from the request.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::api::{Api, EventForm, Found, Kind};
use crate::balancer::{VPC, VPC_ENDPOINT};
use crate::certificate::Certificate;
use crate::http::{Headers, Request};
use crate::mapping::{Variable, Variables};

const ACCOUNT: &str = "123456789012";
const API_ID: &str = "localgw000";

/// A request on its way through the gateway.
#[derive(Debug)]
pub struct Call<'a> {
    /// The API.
    pub api: &'a Api,
    /// The route that was found.
    pub found: &'a Found<'a>,
    /// The request as the client sent it.
    pub request: &'a Request,
    /// The path below the base path, which the ARN is made of.
    pub path: &'a str,
    /// The headers with those that the gateway adds for authorizer and backend.
    pub headers: &'a Headers,
    /// The client's certificate, where the handshake was API Gateway's own.
    pub certificate: Option<&'a Certificate>,
    /// Whether the API is private, and called through its VPC endpoint.
    pub private: bool,
    /// The client's address, or that of the load balancer before a private API.
    pub source_ip: IpAddr,
    /// The ids of this request.
    pub ids: &'a Ids,
    /// When the request came in.
    pub now: OffsetDateTime,
}

/// What a request is called in logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// `requestId`.
    pub request: String,
    /// `extendedRequestId`.
    pub extended: String,
    /// The X-Ray header for a trace that begins here.
    pub trace: String,
}

impl Ids {
    /// Ids for a request of an API of this kind at this time.
    #[must_use]
    pub fn new(kind: Kind, now: OffsetDateTime) -> Self {
        let mut random = [0; 32];
        // An id that is all zeros serves as well.
        let _ = SystemRandom::new().fill(&mut random);
        let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let part = |from, to| hex.get(from..to).unwrap_or_default();
        let uuid = format!(
            "{}-{}-4{}-8{}-{}",
            part(0, 8),
            part(8, 12),
            part(12, 15),
            part(15, 18),
            part(18, 30)
        );
        let letters = random.iter().rev().take(15).map(|byte| char::from(b'A' + byte % 26));
        let extended = letters.collect::<String>() + "=";
        let seconds = now.unix_timestamp();
        let trace = format!("Root=1-{seconds:08x}-{}", part(30, 54));
        match kind {
            Kind::Rest => Self { request: uuid, extended, trace },
            Kind::Http => Self { request: extended.clone(), extended, trace },
        }
    }
}

/// The headers that authorizer and backend see: the client's, with what the gateway adds.
#[must_use]
pub fn incoming_headers(request: &Request, source_ip: IpAddr, ids: &Ids) -> Headers {
    let mut headers = request.headers.clone();
    let mut forwarded: Vec<String> = headers.all("X-Forwarded-For").map(str::to_owned).collect();
    forwarded.push(source_ip.to_string());
    let added = ["X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"];
    headers.remove(|name| added.iter().any(|added| name.eq_ignore_ascii_case(added)));
    if headers.first("X-Amzn-Trace-Id").is_none() {
        headers.push("X-Amzn-Trace-Id", &ids.trace);
    }
    headers.push("X-Forwarded-For", forwarded.join(", "));
    headers.push("X-Forwarded-Port", "443");
    headers.push("X-Forwarded-Proto", "https");
    headers
}

impl Call<'_> {
    /// The ARN of the call: what policies are matched against.
    #[must_use]
    pub fn arn(&self) -> String {
        let Self { api, request, path, .. } = self;
        format!(
            "arn:aws:execute-api:us-east-1:{ACCOUNT}:{API_ID}/{}/{}{path}",
            api.stage, request.method
        )
    }

    /// The event for an authorizer, given the values of its identity sources.
    #[must_use]
    pub fn event(&self, form: EventForm, identity: &[String]) -> Value {
        match form {
            EventForm::Rest => self.rest_event(),
            EventForm::HttpV1 => self.http_v1_event(identity),
            EventForm::HttpV2 => self.http_v2_event(identity),
        }
    }

    fn rest_event(&self) -> Value {
        json!({
            "type": "REQUEST",
            "methodArn": self.arn(),
            "resource": self.found.route.path,
            "path": self.request.path,
            "httpMethod": self.request.method,
            "headers": self.last_headers(),
            "multiValueHeaders": multi(self.headers.iter()),
            "queryStringParameters": last(&self.query()),
            "multiValueQueryStringParameters": multi(pairs(&self.query())),
            "pathParameters": self.found.path_variables,
            "stageVariables": self.api.stage_variables,
            "requestContext": self.request_context(),
        })
    }

    fn http_v1_event(&self, identity: &[String]) -> Value {
        let identity = identity.join(",");
        let mut context = self.request_context();
        if let Value::Object(context) = &mut context {
            context.insert("authorizer".to_owned(), Value::Null);
        }
        json!({
            "version": "1.0",
            "type": "REQUEST",
            "methodArn": self.arn(),
            "identitySource": identity,
            "authorizationToken": identity,
            "resource": self.found.route.path,
            "path": self.path_with_stage(),
            "httpMethod": self.request.method,
            "headers": self.last_headers(),
            "queryStringParameters": last(&self.query()),
            "pathParameters": self.found.path_variables,
            "stageVariables": self.api.stage_variables,
            "requestContext": context,
        })
    }

    fn http_v2_event(&self, identity: &[String]) -> Value {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        let mut cookies = Vec::new();
        for (name, value) in self.headers.iter() {
            let name = name.to_ascii_lowercase();
            if name == "cookie" {
                cookies.extend(value.split(';').map(|cookie| cookie.trim().to_owned()));
                continue;
            }
            joined(&mut headers, name, value);
        }
        let mut query = BTreeMap::new();
        for (name, value) in self.query() {
            joined(&mut query, name, &value);
        }
        let mut event = json!({
            "version": "2.0",
            "type": "REQUEST",
            "routeArn": self.arn(),
            "identitySource": identity,
            "routeKey": self.found.route.key(),
            "rawPath": self.path_with_stage(),
            "rawQueryString": self.request.query.as_deref().unwrap_or_default(),
            "headers": headers,
            "requestContext": {
                "accountId": ACCOUNT,
                "apiId": API_ID,
                "authentication": { "clientCert": self.certificate.map(client_cert) },
                "domainName": self.domain_name(),
                "domainPrefix": self.domain_prefix(),
                "http": {
                    "method": self.request.method,
                    "path": self.path_with_stage(),
                    "protocol": self.request.protocol,
                    "sourceIp": self.source_ip.to_string(),
                    "userAgent": self.request.headers.first("User-Agent").unwrap_or_default(),
                },
                "requestId": self.ids.request,
                "routeKey": self.found.route.key(),
                "stage": self.api.stage,
                "time": request_time(self.now),
                "timeEpoch": milliseconds(self.now),
            },
        });
        if let Value::Object(event) = &mut event {
            // A map or list without entries is left out of this form.
            let mut unless_empty = |key: &str, empty: bool, value: Value| {
                if !empty {
                    event.insert(key.to_owned(), value);
                }
            };
            unless_empty("cookies", cookies.is_empty(), json!(cookies));
            unless_empty("queryStringParameters", query.is_empty(), json!(query));
            let variables = &self.found.path_variables;
            unless_empty("pathParameters", variables.is_empty(), json!(variables));
            let variables = &self.api.stage_variables;
            unless_empty("stageVariables", variables.is_empty(), json!(variables));
        }
        event
    }

    fn request_context(&self) -> Value {
        let mut context = json!({
            "resourceId": "local0",
            "resourcePath": self.found.route.path,
            "httpMethod": self.request.method,
            "extendedRequestId": self.ids.extended,
            "requestTime": request_time(self.now),
            "path": match self.api.kind {
                Kind::Rest => self.request.path.clone(),
                Kind::Http => self.path_with_stage(),
            },
            "accountId": ACCOUNT,
            "protocol": self.request.protocol,
            "stage": self.api.stage,
            "domainPrefix": self.domain_prefix(),
            "requestTimeEpoch": milliseconds(self.now),
            "requestId": self.ids.request,
            "identity": {
                "sourceIp": self.source_ip.to_string(),
                "userAgent": self.request.headers.first("User-Agent"),
                "apiKey": null,
                "apiKeyId": null,
                "accountId": null,
                "user": null,
                "userArn": null,
            },
            "domainName": self.domain_name(),
            "apiId": API_ID,
        });
        if let Some(Value::Object(identity)) = context.get_mut("identity") {
            if let Some(certificate) = self.certificate {
                identity.insert("clientCert".to_owned(), client_cert(certificate));
            }
            if self.private {
                identity.insert("vpcId".to_owned(), json!(VPC));
                identity.insert("vpceId".to_owned(), json!(VPC_ENDPOINT));
            }
        }
        context
    }

    /// Of a header sent twice, the last value.
    fn last_headers(&self) -> Map<String, Value> {
        self.headers.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
    }

    fn query(&self) -> Vec<(String, String)> {
        query_parameters(self.request.query.as_deref().unwrap_or_default())
    }

    /// The path as HTTP APIs tell it: below the stage, but for `$default`.
    fn path_with_stage(&self) -> String {
        match self.api.stage.as_str() {
            "$default" => self.request.path.clone(),
            stage => format!("/{stage}{}", self.request.path),
        }
    }

    fn domain_name(&self) -> &str {
        let host = self.request.headers.first("Host").unwrap_or_default();
        match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        }
    }

    fn domain_prefix(&self) -> &str {
        self.domain_name().split('.').next().unwrap_or_default()
    }
}

impl Variables for Call<'_> {
    fn value(&self, variable: &Variable) -> Option<String> {
        match variable {
            Variable::Header(name) => {
                let values: Vec<&str> = self.headers.all(name).collect();
                match self.api.kind {
                    Kind::Rest => values.last().map(|value| (*value).to_owned()),
                    Kind::Http => (!values.is_empty()).then(|| values.join(",")),
                }
            }
            Variable::Query(name) => {
                let query = self.query();
                let mut values = query.into_iter().filter(|(own, _)| own == name);
                match self.api.kind {
                    Kind::Rest => values.next_back().map(|(_, value)| value),
                    Kind::Http => {
                        let values: Vec<String> = values.map(|(_, value)| value).collect();
                        (!values.is_empty()).then(|| values.join(","))
                    }
                }
            }
            Variable::PathVariable(name) => self.found.path_variables.get(name).cloned(),
            Variable::Path => Some(self.path.to_owned()),
            Variable::Stage(name) => self.api.stage_variables.get(name).cloned(),
            Variable::Authorizer(_) => None,
            Variable::Context(name) => self.context(name),
        }
    }
}

impl Call<'_> {
    fn context(&self, name: &str) -> Option<String> {
        let of_certificate = |part: fn(&Certificate) -> String| self.certificate.map(part);
        Some(match name {
            "accountId" => ACCOUNT.to_owned(),
            "apiId" => API_ID.to_owned(),
            "domainName" => self.domain_name().to_owned(),
            "domainPrefix" => self.domain_prefix().to_owned(),
            "extendedRequestId" => self.ids.extended.clone(),
            "httpMethod" => self.request.method.clone(),
            "identity.clientCert.clientCertPem" => return of_certificate(Certificate::pem),
            "identity.clientCert.issuerDN" => {
                return of_certificate(|own| own.issuer_dn().to_owned());
            }
            "identity.clientCert.serialNumber" => {
                return of_certificate(|own| own.serial_number().to_owned());
            }
            "identity.clientCert.subjectDN" => {
                return of_certificate(|own| own.subject_dn().to_owned());
            }
            "identity.clientCert.validity.notAfter" => {
                return of_certificate(|own| validity_date(own.not_after));
            }
            "identity.clientCert.validity.notBefore" => {
                return of_certificate(|own| validity_date(own.not_before));
            }
            "identity.sourceIp" => self.source_ip.to_string(),
            "identity.vpcId" => return self.private.then(|| VPC.to_owned()),
            "identity.vpceId" => return self.private.then(|| VPC_ENDPOINT.to_owned()),
            "identity.userAgent" => {
                return self.request.headers.first("User-Agent").map(str::to_owned);
            }
            "path" => self.request.path.clone(),
            "protocol" => self.request.protocol.to_owned(),
            "requestId" => self.ids.request.clone(),
            "requestTime" => request_time(self.now),
            "requestTimeEpoch" => milliseconds(self.now).to_string(),
            "resourcePath" => self.found.route.path.clone(),
            "routeKey" => self.found.route.key(),
            "stage" => self.api.stage.clone(),
            _ => return None,
        })
    }
}

fn client_cert(certificate: &Certificate) -> Value {
    json!({
        "clientCertPem": certificate.pem(),
        "subjectDN": certificate.subject_dn(),
        "issuerDN": certificate.issuer_dn(),
        "serialNumber": certificate.serial_number(),
        "validity": {
            "notBefore": validity_date(certificate.not_before),
            "notAfter": validity_date(certificate.not_after),
        },
    })
}

/// `Aug  5 00:28:21 2120 GMT`, the day padded with a space.
fn validity_date(at: OffsetDateTime) -> String {
    let form = format_description!(
        "[month repr:short] [day padding:space] [hour]:[minute]:[second] [year] GMT"
    );
    at.format(form).unwrap_or_default()
}

/// `21/Nov/2026:08:00:00 +0000`.
fn request_time(at: OffsetDateTime) -> String {
    let form =
        format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");
    at.format(form).unwrap_or_default()
}

fn milliseconds(at: OffsetDateTime) -> i128 {
    at.unix_timestamp_nanos() / 1_000_000
}

fn joined(map: &mut BTreeMap<String, String>, name: String, value: &str) {
    map.entry(name)
        .and_modify(|joined| {
            joined.push(',');
            joined.push_str(value);
        })
        .or_insert_with(|| value.to_owned());
}

fn pairs(query: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

fn last(query: &[(String, String)]) -> Map<String, Value> {
    pairs(query).map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

fn multi<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> BTreeMap<&'p str, Vec<&'p str>> {
    let mut map: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in pairs {
        map.entry(name).or_default().push(value);
    }
    map
}

/// The parameters of a query string, decoded.
#[must_use]
pub fn query_parameters(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

/// `%41` and `+` decoded; what is no UTF-8 afterwards is replaced.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = match hex {
            Some(byte) => {
                bytes.push(byte);
                after.get(2..).unwrap_or_default()
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                after
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn dates_are_padded_as_in_certificates() {
        let at = OffsetDateTime::from_unix_timestamp(4_752_260_901).unwrap();
        assert_eq!(validity_date(at), "Aug  5 00:28:21 2120 GMT");
        let at = OffsetDateTime::from_unix_timestamp(1_780_617_600).unwrap();
        assert_eq!(validity_date(at), "Jun  5 00:00:00 2026 GMT");
        assert_eq!(request_time(at), "05/Jun/2026:00:00:00 +0000");
    }

    #[test]
    fn query_is_decoded_and_keeps_repetition() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            query_parameters("a=1&a=%32&b=x+y&c&&d=%zz"),
            [pair("a", "1"), pair("a", "2"), pair("b", "x y"), pair("c", ""), pair("d", "%zz")]
        );
    }
}
