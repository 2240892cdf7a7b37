//! Parameter mappings: what an integration's `requestParameters` put into the request to the
//! backend, and the variables that they, and identity sources, may name.
//!
//! REST APIs write `integration.request.header.X: context.authorizer.y`, HTTP APIs
//! `overwrite:header.X: $context.authorizer.y`. Both are read into one [`Mapping`]; how a header of
//! the client's own is treated differs, and is decided in [`apply`].
//!
//! A mapping from a value that is not there does nothing, so that a header which the client sent
//! itself stays: nobody has confirmed that API Gateway removes it, and a template must not depend
//! on it.

use std::collections::BTreeMap;

use crate::http::Headers;
use crate::template::{Fault, Node, text_of};

/// One mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Its line in the template.
    pub line: usize,
    /// What is set.
    pub target: Target,
    /// What is done to it.
    pub operation: Operation,
    /// What it is set to; empty where something is removed.
    pub value: Vec<Part>,
}

/// What a mapping sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A header, by its name in the template's letter case.
    Header(String),
    /// A parameter of the query string.
    Query(String),
    /// A variable in the path of a REST integration's URI.
    PathVariable(String),
    /// The whole path, in HTTP APIs.
    Path,
}

/// What a mapping does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Takes the place of what there is: REST APIs, and `overwrite:`.
    Overwrite,
    /// Comes beside what there is: `append:`.
    Append,
    /// Takes away what there is: `remove:`.
    Remove,
}

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text that is in the template.
    Text(String),
    /// A variable that the request or the authorizer gives.
    Variable(Variable),
}

/// Something that is known when a request has been read or authorized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// A header of the client's request, its name in any letter case.
    Header(String),
    /// A parameter of the query string.
    Query(String),
    /// A variable of the route's path.
    PathVariable(String),
    /// The path of the request.
    Path,
    /// A variable of the stage.
    Stage(String),
    /// A value that the authorizer sent along, `principalId` among them.
    Authorizer(String),
    /// One of [`CONTEXT`].
    Context(&'static str),
}

/// The variables of `$context` that are known here, beside `authorizer.*`.
pub const CONTEXT: &[&str] = &[
    "accountId",
    "apiId",
    "domainName",
    "domainPrefix",
    "extendedRequestId",
    "httpMethod",
    "identity.clientCert.clientCertPem",
    "identity.clientCert.issuerDN",
    "identity.clientCert.serialNumber",
    "identity.clientCert.subjectDN",
    "identity.clientCert.validity.notAfter",
    "identity.clientCert.validity.notBefore",
    "identity.sourceIp",
    "identity.userAgent",
    "identity.vpcId",
    "identity.vpceId",
    "path",
    "protocol",
    "requestId",
    "requestTime",
    "requestTimeEpoch",
    "resourcePath",
    "routeKey",
    "stage",
];

/// Where the values of variables come from.
pub trait Variables {
    /// The value, or none where there is none.
    fn value(&self, variable: &Variable) -> Option<String>;
}

/// Headers that an HTTP API does not let a mapping touch.
fn is_reserved(header: &str) -> bool {
    const NAMES: &[&str] = &[
        "age",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-location",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "max-forwards",
        "origin",
        "proxy-authenticate",
        "proxy-authorization",
        "server",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "via",
        "www-authenticate",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    ];
    let name = header.to_ascii_lowercase();
    NAMES.contains(&name.as_str())
        || ["access-control-", "apigw-", "x-amz-", "x-amzn-"].iter().any(|p| name.starts_with(p))
}

/// Reads the mappings of a REST integration.
pub(crate) fn read_rest(parameters: &Node) -> Result<Vec<Mapping>, Fault> {
    let mut mappings = Vec::new();
    for entry in parameters.entries() {
        let unknown = || {
            Fault::new(entry.line, format!("`{}` is no place that a mapping can set", entry.key))
        };
        let place = entry.key.strip_prefix("integration.request.").ok_or_else(unknown)?;
        let target = match place.split_once('.') {
            Some(("header", name)) if is_token(name) => Target::Header(name.to_owned()),
            Some(("querystring", name)) if !name.is_empty() => Target::Query(name.to_owned()),
            Some(("path", name)) if !name.is_empty() => Target::PathVariable(name.to_owned()),
            _ => return Err(unknown()),
        };
        let value = vec![rest_value(text_of(&entry.value)?, entry.value.line)?];
        let operation = Operation::Overwrite;
        mappings.push(Mapping { line: entry.line, target, operation, value });
    }
    Ok(mappings)
}

fn rest_value(text: &str, line: usize) -> Result<Part, Fault> {
    if let Some(literal) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return Ok(Part::Text(literal.to_owned()));
    }
    let variable = match text.strip_prefix("method.request.").and_then(|t| t.split_once('.')) {
        Some(("header", name)) => Some(Variable::Header(name.to_owned())),
        Some(("querystring", name)) => Some(Variable::Query(name.to_owned())),
        Some(("path", name)) => Some(Variable::PathVariable(name.to_owned())),
        Some(_) => None,
        None => context_or_stage(text),
    };
    variable
        .map(Part::Variable)
        .ok_or_else(|| Fault::new(line, format!("`{text}` is no value that can be mapped here")))
}

/// Reads the mappings of an HTTP API's integration.
pub(crate) fn read_http(parameters: &Node) -> Result<Vec<Mapping>, Fault> {
    let mut mappings = Vec::new();
    for entry in parameters.entries() {
        let unknown = || {
            Fault::new(entry.line, format!("`{}` is no place that a mapping can set", entry.key))
        };
        let (operation, place) = entry.key.split_once(':').ok_or_else(unknown)?;
        let operation = match operation {
            "overwrite" => Operation::Overwrite,
            "append" => Operation::Append,
            "remove" => Operation::Remove,
            _ => return Err(unknown()),
        };
        let target = match place.split_once('.') {
            Some(("header", name)) if is_token(name) => {
                if is_reserved(name) {
                    let message = format!("`{name}` is reserved: HTTP APIs do not map it");
                    return Err(Fault::new(entry.line, message));
                }
                Target::Header(name.to_owned())
            }
            Some(("querystring", name)) if !name.is_empty() => Target::Query(name.to_owned()),
            None if place == "path" && operation == Operation::Overwrite => Target::Path,
            _ => return Err(unknown()),
        };
        let value = match operation {
            // What it is set to has no meaning.
            Operation::Remove => Vec::new(),
            _ => http_value(text_of(&entry.value)?, entry.value.line)?,
        };
        mappings.push(Mapping { line: entry.line, target, operation, value });
    }
    Ok(mappings)
}

/// Text with `$request.header.x` as a whole or `${request.header.x}` within it.
fn http_value(text: &str, line: usize) -> Result<Vec<Part>, Fault> {
    let unknown =
        |name: &str| Fault::new(line, format!("`${name}` is no value that can be mapped here"));
    if let Some(name) = text.strip_prefix('$').filter(|name| !name.starts_with('{')) {
        return Ok(vec![Part::Variable(http_variable(name).ok_or_else(|| unknown(name))?)]);
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) =
            after.split_once('}').ok_or_else(|| Fault::new(line, "`${` without `}`"))?;
        parts.push(Part::Text(before.to_owned()));
        parts.push(Part::Variable(http_variable(name).ok_or_else(|| unknown(name))?));
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(parts)
}

pub(crate) fn http_variable(name: &str) -> Option<Variable> {
    if name == "request.path" {
        return Some(Variable::Path);
    }
    match name.strip_prefix("request.").and_then(|name| name.split_once('.')) {
        Some(("header", name)) => Some(Variable::Header(name.to_owned())),
        Some(("querystring", name)) => Some(Variable::Query(name.to_owned())),
        Some(("path", name)) => Some(Variable::PathVariable(name.to_owned())),
        Some(_) => None,
        None => context_or_stage(name),
    }
}

/// `context.…` and `stageVariables.…`, which both kinds of API have.
pub(crate) fn context_or_stage(name: &str) -> Option<Variable> {
    if let Some(name) = name.strip_prefix("stageVariables.") {
        return Some(Variable::Stage(name.to_owned()));
    }
    let name = name.strip_prefix("context.")?;
    if let Some(key) = name.strip_prefix("authorizer.") {
        return Some(Variable::Authorizer(key.to_owned()));
    }
    CONTEXT.iter().find(|known| **known == name).map(|known| Variable::Context(known))
}

fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether a mapping for `X-A` replaces a header `x-a` that the client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderCase {
    /// It does not: the worst that API Gateway's documentation of REST APIs allows.
    #[default]
    Sensitive,
    /// It does: the other reading, and how HTTP APIs are known to work.
    Insensitive,
}

/// What mappings have made of a request, beside its headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapped {
    /// Variables for the path of the integration's URI.
    pub path_variables: BTreeMap<String, String>,
    /// The path, where one was set.
    pub path: Option<String>,
    /// What is done to the query string, in order.
    pub query: Vec<(Operation, String, String)>,
}

/// A mapped value cannot be in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfitValue {
    /// The mapping's line in the template.
    pub line: usize,
}

/// Applies mappings to the headers of a request, and gathers what they do to the rest of it.
///
/// # Errors
/// Where a value holds anything but printable ASCII.
pub fn apply(
    mappings: &[Mapping],
    case: HeaderCase,
    variables: &impl Variables,
    headers: &mut Headers,
) -> Result<Mapped, UnfitValue> {
    let mut mapped = Mapped::default();
    for Mapping { line, target, operation, value } in mappings {
        let value: Option<String> = value.iter().map(|part| part_value(part, variables)).collect();
        let Some(value) = value else { continue };
        if !value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
            return Err(UnfitValue { line: *line });
        }
        match target {
            Target::Header(name) => {
                if *operation != Operation::Append {
                    headers.remove(|own| match case {
                        HeaderCase::Sensitive => own == name,
                        HeaderCase::Insensitive => own.eq_ignore_ascii_case(name),
                    });
                }
                if *operation != Operation::Remove {
                    headers.push(name, value);
                }
            }
            Target::Query(name) => mapped.query.push((*operation, name.clone(), value)),
            Target::PathVariable(name) => {
                mapped.path_variables.insert(name.clone(), value);
            }
            Target::Path => mapped.path = Some(value),
        }
    }
    Ok(mapped)
}

fn part_value(part: &Part, variables: &impl Variables) -> Option<String> {
    match part {
        Part::Text(text) => Some(text.clone()),
        Part::Variable(variable) => variables.value(variable),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::template::{Entry, Value};

    struct Known;

    impl Variables for Known {
        fn value(&self, variable: &Variable) -> Option<String> {
            match variable {
                Variable::Authorizer(key) if key == "clientCertSub" => Some("CN=orders".to_owned()),
                Variable::Authorizer(key) if key == "odd" => Some("a\r\nb".to_owned()),
                _ => None,
            }
        }
    }

    fn parameters(entries: &[(&str, &str)]) -> Node {
        let entry = |(index, (key, value)): (usize, &(&str, &str))| Entry {
            key: (*key).to_owned(),
            line: index + 1,
            value: Node::string(index + 1, *value),
        };
        Node { line: 1, value: Value::Mapping(entries.iter().enumerate().map(entry).collect()) }
    }

    fn client_headers() -> Headers {
        let mut headers = Headers::new();
        headers.push("X-Client-Cert-Sub", "forged");
        headers.push("x-client-cert-sub", "forged too");
        headers
    }

    fn after(mappings: &[Mapping], case: HeaderCase) -> Vec<(String, String)> {
        let mut headers = client_headers();
        apply(mappings, case, &Known, &mut headers).unwrap();
        headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    const SUB: &str = "integration.request.header.X-Client-Cert-Sub";

    #[test]
    fn rest_mapping_replaces_the_exact_name_only() {
        let mappings =
            read_rest(&parameters(&[(SUB, "context.authorizer.clientCertSub")])).unwrap();
        assert_eq!(
            after(&mappings, HeaderCase::Sensitive),
            [pair("x-client-cert-sub", "forged too"), pair("X-Client-Cert-Sub", "CN=orders")]
        );
        assert_eq!(
            after(&mappings, HeaderCase::Insensitive),
            [pair("X-Client-Cert-Sub", "CN=orders")]
        );
    }

    #[test]
    fn mapping_from_nothing_leaves_the_clients_header() {
        let mappings = read_rest(&parameters(&[(SUB, "context.authorizer.absent")])).unwrap();
        assert_eq!(after(&mappings, HeaderCase::Insensitive).len(), 2);
    }

    #[test]
    fn append_keeps_the_clients_header_and_overwrite_does_not() {
        let mapping =
            |key| read_http(&parameters(&[(key, "$context.authorizer.clientCertSub")])).unwrap();
        let appended = after(&mapping("append:header.X-Client-Cert-Sub"), HeaderCase::Insensitive);
        assert_eq!(appended.len(), 3);
        let own = after(&mapping("overwrite:header.X-Client-Cert-Sub"), HeaderCase::Insensitive);
        assert_eq!(own, [pair("X-Client-Cert-Sub", "CN=orders")]);
    }

    #[test]
    fn value_outside_printable_ascii_is_refused() {
        let mappings = read_rest(&parameters(&[(SUB, "context.authorizer.odd")])).unwrap();
        let refused = apply(&mappings, HeaderCase::Sensitive, &Known, &mut client_headers());
        assert_eq!(refused, Err(UnfitValue { line: 1 }));
    }

    #[test]
    fn unknown_places_and_values_name_their_line() {
        for (key, value) in [
            ("integration.request.body.x", "context.requestId"),
            ("integration.request.header.", "context.requestId"),
            ("integration.request.header.X", "context.unknown"),
            ("integration.request.header.X", "orders"),
        ] {
            assert_eq!(
                read_rest(&parameters(&[(key, value)])).unwrap_err().line,
                1,
                "{key} {value}"
            );
        }
        for (key, value) in [
            ("overwrite:header.Authorization", "a"),
            ("set:header.X", "a"),
            ("append:path", "a"),
            ("overwrite:header.X", "$context.unknown"),
            ("overwrite:header.X", "${request.header.a"),
        ] {
            assert_eq!(
                read_http(&parameters(&[(key, value)])).unwrap_err().line,
                1,
                "{key} {value}"
            );
        }
    }

    #[test]
    fn http_values_mix_text_and_variables() {
        let value = http_value("a-${request.header.x}-${context.requestId}", 1).unwrap();
        assert_eq!(
            value,
            [
                Part::Text("a-".to_owned()),
                Part::Variable(Variable::Header("x".to_owned())),
                Part::Text("-".to_owned()),
                Part::Variable(Variable::Context("requestId")),
                Part::Text(String::new()),
            ]
        );
    }
}
