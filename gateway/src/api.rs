//! An API as a gateway serves it: routes, their authorizer, their integration.
//!
//! It is read from a template ([`Api::read`]) and nothing in it is made up: what is tried here is
//! what would be deployed. Whatever bears on a request and cannot be represented is an error with
//! its line. What is merely not enforced here (throttling, usage plans) is a [`Note`].

mod read;
mod route;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::mapping::{Mapping, Variable};

pub use route::Found;

/// An API.
#[derive(Debug, Clone)]
pub struct Api {
    /// Its logical name in the template.
    pub name: String,
    /// REST or HTTP.
    pub kind: Kind,
    /// The line of its resource.
    pub line: usize,
    /// The name of the stage.
    pub stage: String,
    /// Variables of the stage.
    pub stage_variables: BTreeMap<String, String>,
    /// Where the domain has the API: a path without slashes at its ends, empty for the root.
    pub base_path: String,
    /// Every route, in the template's order.
    pub routes: Vec<Route>,
    /// Answers of the gateway's own that the template has changed, by their type (`ACCESS_DENIED`).
    pub responses: BTreeMap<String, GatewayResponse>,
    /// What the template has and this gateway does not enforce.
    pub notes: Vec<Note>,
}

/// The two kinds of API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// API Gateway's REST APIs (`AWS::ApiGateway`).
    Rest,
    /// API Gateway's HTTP APIs (`AWS::ApiGatewayV2`).
    Http,
}

/// A method of a path.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its line.
    pub line: usize,
    /// The method; none for any.
    pub method: Option<String>,
    /// The path as the template has it: `/orders/{id}`, `/{proxy+}`, `$default`.
    pub path: String,
    /// Who decides; none where everybody gets in.
    pub authorizer: Option<Arc<Authorizer>>,
    /// Whether it needs the API key that the authorizer names.
    pub api_key_required: bool,
    /// Where it leads.
    pub integration: Integration,
}

impl Route {
    /// `GET /orders/{id}`, `ANY /orders`, `$default`.
    #[must_use]
    pub fn key(&self) -> String {
        match self.path.as_str() {
            "$default" => self.path.clone(),
            path => format!("{} {path}", self.method.as_deref().unwrap_or("ANY")),
        }
    }
}

/// An authorizer's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorizer {
    /// Its name in the template.
    pub name: String,
    /// Its line.
    pub line: usize,
    /// What names the function, as it was resolved.
    pub uri: String,
    /// The event that it is sent.
    pub event: EventForm,
    /// The answer that is expected.
    pub answer: AnswerForm,
    /// What must be there, and is the key of cached answers.
    pub identity_sources: Vec<Variable>,
    /// How long an answer may be used again; zero for not at all.
    pub time_to_live: Duration,
}

/// The form of an authorizer's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventForm {
    /// That of a REST API's REQUEST authorizer.
    Rest,
    /// That of an HTTP API, payload format 1.0.
    HttpV1,
    /// That of an HTTP API, payload format 2.0.
    HttpV2,
}

/// The form of an authorizer's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerForm {
    /// A policy.
    Iam,
    /// `isAuthorized`.
    Simple,
}

/// Where a route leads: an HTTP proxy integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    /// Its line.
    pub line: usize,
    /// The method to the backend; none for the client's own.
    pub method: Option<String>,
    /// The URI, with path variables in braces; for private integrations of HTTP APIs an ARN.
    pub uri: String,
    /// Whether it goes over a VPC link, which can't be reached from here.
    pub private: bool,
    /// How long the backend may take.
    pub timeout: Duration,
    /// The parameter mappings.
    pub mappings: Vec<Mapping>,
}

/// An answer of the gateway's own, as a template has changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayResponse {
    /// Its line.
    pub line: usize,
    /// The status; none for the one it has anyway.
    pub status: Option<u16>,
    /// The body, with `$context` variables in it.
    pub template: Option<String>,
    /// Headers with fixed values.
    pub headers: Vec<(String, String)>,
}

/// Something that a template has and this gateway does not enforce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its line.
    pub line: usize,
    /// What it is.
    pub text: String,
}
