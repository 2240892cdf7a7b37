//! A request's way through the gateway, step by step as API Gateway takes them.
//!
//! Trust in the certificate, base path, route, identity sources, cache, authorizer, answer, API
//! key, mappings, backend: each step lets the request on or ends it with a response and a reason.
//! The reason is for the log alone; the client gets API Gateway's own text, or the template's.
//!
//! *Invariant.* Who the client is comes from the TLS handshake alone, and what it may do from the
//! authorizer alone: this module compares neither names nor headers.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::answer::Answer;
use crate::api::{Api, GatewayResponse, Integration, Kind, Route};
use crate::authorizer::{Authorizer, CallError};
use crate::backend::{self, Backend, Url};
use crate::balancer::{self, Balancer, Mode};
use crate::cache::{Cache, Key};
use crate::certificate::Certificate;
use crate::clock::Clock;
use crate::event::{Call, Ids, incoming_headers};
use crate::http::{BODY_LIMIT, HEAD_LIMIT, Headers, Request, Response};
use crate::iam::Verdict;
use crate::identity::{HEADER, Publisher};
use crate::mapping::{self, HeaderCase, Mapped, Operation, Variable, Variables};
use crate::tls::Demand;
use crate::trust::TrustStore;

/// A gateway: an API with what stands before and behind it.
pub struct Gateway {
    /// The API.
    pub api: Api,
    /// What client certificates are verified with.
    pub trust_store: TrustStore,
    /// The load balancer in front of the API, where there is one.
    pub balancer: Option<Balancer>,
    /// The authorizer.
    pub authorizer: Arc<Authorizer>,
    /// Where calls go.
    pub backend: Backend,
    /// Where the echo finds out how to verify identity tokens; without it, it doesn't.
    pub publisher: Option<Publisher>,
    /// How a REST mapping treats a client's header in another letter case.
    pub header_case: HeaderCase,
    /// The time.
    pub clock: Clock,
    /// Takes one line for each request and each refused handshake.
    pub log: Log,
    cache: Cache,
}

/// Takes lines of the log.
pub type Log = Arc<dyn Fn(&str) + Send + Sync>;

/// The client of a connection, as the handshake showed it.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its certificate, and what it sent beside it. It holds the key of the first, nothing more is
    /// known. Empty where the handshake demands none.
    pub certificates: Vec<Certificate>,
    /// Its address.
    pub address: IpAddr,
}

impl Client {
    /// The subject of its certificate.
    #[must_use]
    pub fn subject_dn(&self) -> &str {
        self.certificates.first().map_or("", Certificate::subject_dn)
    }
}

/// A response of the gateway's own, with the reason for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal {
    kind: Refused,
    reason: String,
}

/// Why the gateway answers itself; the names are those of API Gateway's response types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Untrusted,
    NoRoute,
    Unauthorized,
    AccessDenied { explicit: bool },
    AuthorizerFailure,
    AuthorizerConfiguration,
    InvalidApiKey,
    Integration,
    IntegrationTimeout,
}

/// An allowed call.
struct Allowed {
    answer: Option<Arc<Answer>>,
    /// How it was decided, for the log.
    how: &'static str,
}

impl Gateway {
    /// A gateway with an empty cache and an echo for a backend.
    #[must_use]
    pub fn new(api: Api, trust_store: TrustStore, authorizer: Authorizer, log: Log) -> Self {
        let header_case = match api.kind {
            Kind::Rest => HeaderCase::Sensitive,
            Kind::Http => HeaderCase::Insensitive,
        };
        Self {
            api,
            trust_store,
            balancer: None,
            authorizer: Arc::new(authorizer),
            backend: Backend::Echo,
            publisher: None,
            header_case,
            clock: Clock::system(),
            log,
            cache: Cache::default(),
        }
    }

    /// What the handshake demands of a client.
    #[must_use]
    pub fn demand(&self) -> Demand {
        match self.balancer.as_ref().map(|balancer| balancer.mode) {
            None => Demand::AnyCertificate,
            Some(Mode::Verify) => Demand::Trusted(self.trust_store.clone(), self.clock.clone()),
            Some(Mode::Passthrough) => Demand::Nothing,
        }
    }

    /// Answers a request, and logs one line about it.
    pub async fn respond(&self, client: &Client, request: &Request) -> Response {
        let now = self.clock.now();
        let ids = Ids::new(self.api.kind, now);
        let (response, reason) = match self.pass(client, request, &ids, now).await {
            Ok((response, how)) => (response, how.to_owned()),
            Err(refusal) => (self.refusal_response(&refusal, &ids), refusal.reason),
        };
        (self.log)(&format!(
            "{} {} {} from \"{}\": {reason}",
            response.status,
            request.method.escape_debug(),
            request.path.escape_debug(),
            client.subject_dn().escape_debug(),
        ));
        response
    }

    async fn pass(
        &self,
        client: &Client,
        request: &Request,
        ids: &Ids,
        now: OffsetDateTime,
    ) -> Result<(Response, &'static str), Refusal> {
        // A load balancer has judged it in the handshake, or leaves that to the authorizer.
        let certificate = match &self.balancer {
            Some(_) => None,
            None => Some(self.trusted(client, now)?),
        };
        let path = self
            .api
            .path_below_base(&request.path)
            .ok_or_else(|| refusal(Refused::NoRoute, "the path is outside of the base path"))?;
        let found = self
            .api
            .find(&request.method, path)
            .ok_or_else(|| refusal(Refused::NoRoute, "no route of the API"))?;
        let mut headers = incoming_headers(request, client.address, ids);
        if let Some(balancer) = &self.balancer {
            balancer.add_headers(&client.certificates, &mut headers);
        }
        let call = Call {
            api: &self.api,
            found: &found,
            request,
            path,
            headers: &headers,
            certificate,
            private: self.balancer.is_some(),
            source_ip: if self.balancer.is_some() { balancer::ADDRESS } else { client.address },
            ids,
            now,
        };
        let allowed = self.authorize(&call).await?;
        let response = self.integrate(&call, allowed.answer.as_deref()).await?;
        Ok((response, allowed.how))
    }

    fn trusted<'c>(
        &self,
        client: &'c Client,
        now: OffsetDateTime,
    ) -> Result<&'c Certificate, Refusal> {
        let certificate = client
            .certificates
            .first()
            .ok_or_else(|| refusal(Refused::Untrusted, "no client certificate"))?;
        self.trust_store
            .verify(certificate, now)
            .map_err(|untrusted| refusal(Refused::Untrusted, untrusted))?;
        Ok(certificate)
    }

    async fn authorize(&self, call: &Call<'_>) -> Result<Allowed, Refusal> {
        let route: &Route = call.found.route;
        let Some(settings) = &route.authorizer else {
            return Ok(Allowed { answer: None, how: "the route has no authorizer" });
        };
        let mut identity = Vec::new();
        for source in &settings.identity_sources {
            match call.value(source) {
                Some(value) if !value.is_empty() => identity.push(value),
                _ => return Err(refusal(Refused::Unauthorized, "an identity source is missing")),
            }
        }
        let key = Key { authorizer: settings.name.clone(), values: identity.clone() };
        let (answer, how) = match self.cache.find(&key, call.now) {
            Some(answer) => (answer, "allowed, from the cache"),
            None => {
                let event = call.event(settings.event, &identity).to_string().into_bytes();
                let body = self.authorizer.call(event).await.map_err(|error| match error {
                    CallError::Unauthorized => {
                        refusal(Refused::Unauthorized, "the authorizer says `Unauthorized`")
                    }
                    CallError::Failed(how) => {
                        refusal(Refused::AuthorizerFailure, format!("the authorizer failed: {how}"))
                    }
                })?;
                let answer =
                    Answer::read(&body, settings.event, settings.answer).map_err(|fault| {
                        refusal(
                            Refused::AuthorizerConfiguration,
                            format!("the authorizer's answer can't be used: {fault}"),
                        )
                    })?;
                let answer = Arc::new(answer);
                if !settings.time_to_live.is_zero() {
                    self.cache.keep(key, Arc::clone(&answer), call.now, settings.time_to_live);
                }
                (answer, "allowed")
            }
        };
        let cached = if how == "allowed" { "" } else { ", from the cache" };
        // Codes of the authorizer's own, not values: a fixed alphabet.
        let said = answer.context.get("denyReason").filter(|said| {
            !said.is_empty() && said.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        });
        let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
        match answer.verdict(&call.arn()) {
            Verdict::Allow => {}
            Verdict::ExplicitDeny => {
                return Err(refusal(
                    Refused::AccessDenied { explicit: true },
                    format!("denied by the authorizer{said}{cached}"),
                ));
            }
            Verdict::ImplicitDeny => {
                return Err(refusal(
                    Refused::AccessDenied { explicit: false },
                    format!("not allowed by the authorizer's policy{said}{cached}"),
                ));
            }
        }
        if route.api_key_required && answer.usage_identifier_key.is_none() {
            return Err(refusal(Refused::InvalidApiKey, "the authorizer named no API key"));
        }
        Ok(Allowed { answer: Some(answer), how })
    }

    async fn integrate(
        &self,
        call: &Call<'_>,
        answer: Option<&Answer>,
    ) -> Result<Response, Refusal> {
        let integration = &call.found.route.integration;
        let mut headers = call.headers.clone();
        headers.remove(|name| {
            backend::is_hop_by_hop(name) || name.eq_ignore_ascii_case("Content-Length")
        });
        let values = Values { call, answer };
        let mapped = mapping::apply(&integration.mappings, self.header_case, &values, &mut headers)
            .map_err(|unfit| {
                let reason = format!(
                    "the mapping of line {} gives a value that is not printable ASCII",
                    unfit.line
                );
                refusal(Refused::Integration, reason)
            })?;
        if headers.size() > HEAD_LIMIT {
            let reason = "more than 10,240 bytes of headers to the backend";
            return Err(refusal(Refused::Integration, reason));
        }
        let target = self.target(call, integration, &mapped)?;
        let request = Request {
            method: integration.method.clone().unwrap_or_else(|| call.request.method.clone()),
            path: target.path.clone(),
            query: query(call.request.query.as_deref(), &mapped),
            protocol: "HTTP/1.1",
            headers,
            body: call.request.body.clone(),
            close: false,
        };
        let Some(url) = target.url else {
            let identity = self.identity(&request.headers).await;
            return Ok(backend::echo(&request, identity));
        };
        match tokio::time::timeout(integration.timeout, backend::send(&url, request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(reason)) => Err(refusal(Refused::Integration, reason)),
            Err(_) => Err(refusal(Refused::IntegrationTimeout, "the backend took too long")),
        }
    }

    /// What the echo learns of its identity token; a template that sends none says `none`.
    async fn identity(&self, headers: &Headers) -> Option<Result<Map<String, Value>, String>> {
        let publisher = self.publisher.as_ref()?;
        let mut tokens = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(HEADER));
        let (_, token) = tokens.next()?;
        if tokens.next().is_some() {
            return Some(Err(format!("there are two {HEADER}")));
        }
        if matches!(token, "" | "none") {
            return None;
        }
        Some(publisher.verify(token, self.clock.now().unix_timestamp()).await)
    }

    fn target(
        &self,
        call: &Call<'_>,
        integration: &Integration,
        mapped: &Mapped,
    ) -> Result<TargetUrl, Refusal> {
        let failed = |reason: String| refusal(Refused::Integration, reason);
        let variables = match self.api.kind {
            Kind::Rest => &mapped.path_variables,
            Kind::Http => &call.found.path_variables,
        };
        let mut uri = integration.uri.clone();
        for (name, value) in variables {
            uri = uri.replace(&format!("{{{name}}}"), value);
        }
        let own = if uri.starts_with("arn:") || uri.starts_with('/') {
            None
        } else {
            Some(Url::read(&uri).map_err(failed)?)
        };
        let path = mapped.path.clone().unwrap_or_else(|| match &own {
            Some(url) => url.path().to_owned(),
            // A parameter for scheme and host that is empty.
            None if uri.starts_with('/') => uri.clone(),
            // A private integration of an HTTP API is given the path of the request.
            None => call.request.path.clone(),
        });
        let url = match (&self.backend, own) {
            (Backend::Echo, _) => None,
            (Backend::Server(server), _) => Some(server.with_path_below(&path)),
            (Backend::Integration, _) if integration.private => {
                return Err(failed("a VPC link can't be reached from here".to_owned()));
            }
            (Backend::Integration, Some(url)) => Some(url),
            (Backend::Integration, None) => {
                return Err(failed("the integration's URI names no server".to_owned()));
            }
        };
        Ok(TargetUrl { path, url })
    }

    fn refusal_response(&self, refusal: &Refusal, ids: &Ids) -> Response {
        let own = Own::of(refusal.kind, self.api.kind);
        let template = self.api.responses.get(own.response_type).or_else(|| {
            let default = if own.status < 500 { "DEFAULT_4XX" } else { "DEFAULT_5XX" };
            // A certificate is refused before the API is known.
            (refusal.kind != Refused::Untrusted).then(|| self.api.responses.get(default)).flatten()
        });
        let mut response = Response::json(own.status, own.body);
        if let Some(template) = template {
            apply_template(template, &own, ids, &mut response);
        }
        match self.api.kind {
            Kind::Rest => {
                response.headers.push("x-amzn-RequestId", &ids.request);
                response.headers.push("x-amzn-ErrorType", own.error_type);
                response.headers.push("x-amz-apigw-id", &ids.extended);
            }
            Kind::Http => response.headers.push("apigw-requestid", &ids.request),
        }
        response
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gateway").field("api", &self.api.name).finish_non_exhaustive()
    }
}

/// Where a call goes: nowhere but the echo if there is no URL.
struct TargetUrl {
    path: String,
    url: Option<Url>,
}

/// What mappings are given: the call, and what the authorizer said.
struct Values<'a> {
    call: &'a Call<'a>,
    answer: Option<&'a Answer>,
}

impl Variables for Values<'_> {
    fn value(&self, variable: &Variable) -> Option<String> {
        match variable {
            Variable::Authorizer(key) if key == "principalId" => self.answer?.principal_id.clone(),
            Variable::Authorizer(key) => self.answer?.context.get(key).cloned(),
            variable => self.call.value(variable),
        }
    }
}

/// The query string to the backend.
fn query(own: Option<&str>, mapped: &Mapped) -> Option<String> {
    if mapped.query.is_empty() {
        return own.map(str::to_owned);
    }
    let mut parts: Vec<String> = own
        .unwrap_or_default()
        .split('&')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    for (operation, name, value) in &mapped.query {
        if *operation != Operation::Append {
            parts.retain(|part| part.split('=').next() != Some(name));
        }
        if *operation != Operation::Remove {
            parts.push(format!("{}={}", encoded(name), encoded(value)));
        }
    }
    Some(parts.join("&"))
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn refusal(kind: Refused, reason: impl fmt::Display) -> Refusal {
    Refusal { kind, reason: reason.to_string() }
}

/// API Gateway's own answer for a refusal.
struct Own {
    status: u16,
    response_type: &'static str,
    error_type: &'static str,
    message: Option<&'static str>,
    body: &'static str,
}

impl Own {
    fn of(kind: Refused, api: Kind) -> Self {
        let own = |status, response_type, error_type, message, body| Self {
            status,
            response_type,
            error_type,
            message,
            body,
        };
        let forbidden = Some("Forbidden");
        match (kind, api) {
            (Refused::Untrusted, _) => {
                own(403, "", "ForbiddenException", forbidden, r#"{"message":"Forbidden"}"#)
            }
            (Refused::NoRoute, Kind::Rest) => own(
                403,
                "MISSING_AUTHENTICATION_TOKEN",
                "MissingAuthenticationTokenException",
                Some("Missing Authentication Token"),
                r#"{"message":"Missing Authentication Token"}"#,
            ),
            (Refused::NoRoute, Kind::Http) => {
                own(404, "", "NotFoundException", Some("Not Found"), r#"{"message":"Not Found"}"#)
            }
            (Refused::Unauthorized, _) => own(
                401,
                "UNAUTHORIZED",
                "UnauthorizedException",
                Some("Unauthorized"),
                r#"{"message":"Unauthorized"}"#,
            ),
            (Refused::AccessDenied { explicit: true }, Kind::Rest) => own(
                403,
                "ACCESS_DENIED",
                "AccessDeniedException",
                Some("User is not authorized to access this resource with an explicit deny"),
                r#"{"Message":"User is not authorized to access this resource with an explicit deny"}"#,
            ),
            (Refused::AccessDenied { explicit: false }, Kind::Rest) => own(
                403,
                "ACCESS_DENIED",
                "AccessDeniedException",
                Some("User is not authorized to access this resource"),
                r#"{"Message":"User is not authorized to access this resource"}"#,
            ),
            (Refused::AccessDenied { .. }, Kind::Http) => {
                own(403, "", "ForbiddenException", forbidden, r#"{"message":"Forbidden"}"#)
            }
            (Refused::AuthorizerFailure, Kind::Rest) => own(
                500,
                "AUTHORIZER_FAILURE",
                "AuthorizerFailureException",
                None,
                r#"{"message":null}"#,
            ),
            (Refused::AuthorizerConfiguration, Kind::Rest) => own(
                500,
                "AUTHORIZER_CONFIGURATION_ERROR",
                "AuthorizerConfigurationException",
                None,
                r#"{"message":null}"#,
            ),
            (Refused::InvalidApiKey, _) => own(
                403,
                "INVALID_API_KEY",
                "ForbiddenException",
                forbidden,
                r#"{"message":"Forbidden"}"#,
            ),
            (Refused::IntegrationTimeout, Kind::Rest) => own(
                504,
                "INTEGRATION_TIMEOUT",
                "InternalServerErrorException",
                Some("Endpoint request timed out"),
                r#"{"message":"Endpoint request timed out"}"#,
            ),
            (Refused::Integration, Kind::Rest) => own(
                500,
                "INTEGRATION_FAILURE",
                "InternalServerErrorException",
                Some("Internal server error"),
                r#"{"message":"Internal server error"}"#,
            ),
            (Refused::Integration | Refused::IntegrationTimeout, Kind::Http) => own(
                503,
                "",
                "ServiceUnavailableException",
                Some("Service Unavailable"),
                r#"{"message":"Service Unavailable"}"#,
            ),
            (Refused::AuthorizerFailure | Refused::AuthorizerConfiguration, Kind::Http) => own(
                500,
                "",
                "InternalServerErrorException",
                Some("Internal Server Error"),
                r#"{"message":"Internal Server Error"}"#,
            ),
        }
    }
}

fn apply_template(template: &GatewayResponse, own: &Own, ids: &Ids, response: &mut Response) {
    if let Some(status) = template.status {
        response.status = status;
    }
    if let Some(text) = &template.template {
        let message = own.message.unwrap_or("null");
        let quoted = own.message.map_or("null".to_owned(), |message| format!("\"{message}\""));
        let body = text
            .replace("$context.error.messageString", &quoted)
            .replace("$context.error.message", message)
            .replace("$context.error.responseType", own.response_type)
            .replace("$context.extendedRequestId", &ids.extended)
            .replace("$context.requestId", &ids.request);
        response.body = body.into_bytes();
    }
    for (name, value) in &template.headers {
        response.headers.remove(|own| own.eq_ignore_ascii_case(name));
        response.headers.push(name, value);
    }
}

/// The answer to a request that could not be read, where there is one.
#[must_use]
pub fn unreadable(error: &crate::http::ReadError) -> Option<Response> {
    use crate::http::ReadError;
    match error {
        ReadError::HeadTooLarge => {
            Some(Response::json(431, r#"{"message":"Request Header Or Cookie Too Large"}"#))
        }
        ReadError::BodyTooLarge => Some(Response::json(
            413,
            format!(r#"{{"message":"HTTP content length exceeded {BODY_LIMIT} bytes."}}"#),
        )),
        ReadError::Malformed(_) => Some(Response::json(400, r#"{"message":"Bad Request"}"#)),
        ReadError::Io(_) => None,
    }
}
