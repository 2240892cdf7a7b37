//! From a template to an [`Api`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{
    AnswerForm, Api, Authorizer, EventForm, GatewayResponse, Integration, Kind, Note, Route,
};
use crate::mapping::{self, Mapping, Target, Variable};
use crate::template::{Entry, Fault, Node, Resource, Template, TemplateError, text_of};

/// API Gateway's own limit on the life of a cached answer.
const MAX_TTL: u64 = 3_600;
/// How long API Gateway caches where nothing is said: both kinds.
const DEFAULT_TTL: u64 = 300;
/// The longest that an integration may take, where nothing is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(29);

impl Api {
    /// Reads the API named `name`, or the only one where no name is given.
    ///
    /// # Errors
    /// Where there is no such API, or something in it can't be represented.
    pub fn read(template: &Template, name: Option<&str>) -> Result<Self, TemplateError> {
        read(template, name).map_err(|fault| fault.named(template.name()))
    }
}

fn read(template: &Template, name: Option<&str>) -> Result<Api, Fault> {
    let resources = template.try_resources()?;
    let apis: Vec<(Resource<'_>, Kind)> = resources
        .iter()
        .filter_map(|resource| Some((*resource, kind_of(resource.kind)?)))
        .filter(|(resource, _)| name.is_none_or(|name| name == resource.name))
        .collect();
    let (resource, kind) = match apis.as_slice() {
        [only] => *only,
        [] => {
            return Err(Fault::new(
                1,
                match name {
                    Some(name) => format!("no API `{name}` in the template"),
                    None => "no API in the template".to_owned(),
                },
            ));
        }
        [_, (second, _), ..] => {
            let names: Vec<&str> = apis.iter().map(|(resource, _)| resource.name).collect();
            let message = format!("more than one API: choose one of {}", names.join(", "));
            return Err(Fault::new(second.line, message));
        }
    };
    Reader { template, resources: &resources, resource, kind, notes: Vec::new() }.api()
}

fn kind_of(resource_type: &str) -> Option<Kind> {
    match resource_type {
        "AWS::Serverless::Api" | "AWS::ApiGateway::RestApi" => Some(Kind::Rest),
        "AWS::Serverless::HttpApi" | "AWS::ApiGatewayV2::Api" => Some(Kind::Http),
        _ => None,
    }
}

/// Properties of an API that have nothing to do with a request, or nothing that shows here: names,
/// logs, traces, and the ways of deploying.
const BESIDE_THE_POINT: &[&str] = &[
    "AccessLogSetting",
    "AccessLogSettings",
    "AlwaysDeploy",
    "BinaryMediaTypes",
    "Description",
    "DisableExecuteApiEndpoint",
    "FailOnWarnings",
    "MergeDefinitions",
    "Name",
    "OpenApiVersion",
    "PropagateTags",
    "ProtocolType",
    "Tags",
    "TracingEnabled",
];

/// Properties with limits that are not enforced here.
const LIMITS: &[&str] = &["DefaultRouteSettings", "MethodSettings", "RouteSettings"];

struct Reader<'t> {
    template: &'t Template,
    resources: &'t [Resource<'t>],
    resource: Resource<'t>,
    kind: Kind,
    notes: Vec<Note>,
}

impl Reader<'_> {
    fn api(mut self) -> Result<Api, Fault> {
        let mut body = None;
        let mut stage = None;
        let mut stage_variables = BTreeMap::new();
        let mut private = false;
        let properties = self.resource.body.find("Properties").map_or(&[][..], Node::entries);
        for Entry { key, line, value } in properties {
            match key.as_str() {
                "DefinitionBody" | "Body" => body = Some(self.template.try_resolve(value)?),
                "StageName" => stage = Some(self.text(value)?),
                "Variables" | "StageVariables" => stage_variables = self.texts(value)?,
                "EndpointConfiguration" => {
                    let endpoint = self.template.try_resolve(value)?;
                    private = endpoint.find("Type").and_then(Node::text) == Some("PRIVATE");
                }
                key if BESIDE_THE_POINT.contains(&key) => {}
                key if LIMITS.contains(&key) => self.note(*line, "throttling is not applied here"),
                _ => return Err(unrepresentable(*line, key)),
            }
        }
        self.refuse_pieces_beside_the_body()?;
        let Some(body) = body else {
            let message = "an API without a body: write its OpenAPI document into the template";
            return Err(Fault::new(self.resource.line, message));
        };
        let (separate_stage, separate_variables) = self.separate_stage()?;
        stage_variables.extend(separate_variables);
        let stage = stage.or(separate_stage).unwrap_or_else(|| match self.kind {
            Kind::Rest => "stage".to_owned(),
            Kind::Http => "$default".to_owned(),
        });
        let base_path = self.base_path()?;
        let document = Document::read(&body, self.kind, private, &mut self.notes)?;
        Ok(Api {
            name: self.resource.name.to_owned(),
            kind: self.kind,
            line: self.resource.line,
            stage,
            stage_variables,
            base_path,
            routes: document.routes,
            responses: document.responses,
            notes: self.notes,
        })
    }

    /// Whether a property of another resource refers to this API.
    fn is_of_this_api(&self, resource: &Resource<'_>, property: &str) -> Result<bool, Fault> {
        let Some(api) = resource.property(property) else { return Ok(false) };
        Ok(self.template.try_resolve(api)?.text() == Some(self.resource.name))
    }

    /// Routes and methods as resources of their own would be routes that nobody sees here.
    fn refuse_pieces_beside_the_body(&self) -> Result<(), Fault> {
        for resource in self.resources {
            let property = match resource.kind {
                "AWS::ApiGateway::Method"
                | "AWS::ApiGateway::Resource"
                | "AWS::ApiGateway::Authorizer"
                | "AWS::ApiGateway::GatewayResponse" => "RestApiId",
                "AWS::ApiGatewayV2::Route"
                | "AWS::ApiGatewayV2::Integration"
                | "AWS::ApiGatewayV2::Authorizer"
                | "AWS::ApiGatewayV2::ApiGatewayManagedOverrides" => "ApiId",
                "AWS::Serverless::Function" => {
                    self.refuse_events(resource)?;
                    continue;
                }
                _ => continue,
            };
            if self.is_of_this_api(resource, property)? {
                let message = format!(
                    "`{}` is a resource of its own: only what is in the API's body is read",
                    resource.name
                );
                return Err(Fault::new(resource.line, message));
            }
        }
        Ok(())
    }

    /// SAM turns a function's events into routes.
    fn refuse_events(&self, function: &Resource<'_>) -> Result<(), Fault> {
        for event in function.property("Events").map_or(&[][..], Node::entries) {
            if matches!(event.value.find("Type").and_then(Node::text), Some("Api" | "HttpApi")) {
                let message = format!(
                    "the event `{}` is a route that can't be represented: write it into the API's body",
                    event.key
                );
                return Err(Fault::new(event.line, message));
            }
        }
        Ok(())
    }

    fn separate_stage(&self) -> Result<(Option<String>, BTreeMap<String, String>), Fault> {
        for resource in self.resources {
            let property = match resource.kind {
                "AWS::ApiGateway::Stage" => "RestApiId",
                "AWS::ApiGatewayV2::Stage" => "ApiId",
                _ => continue,
            };
            if !self.is_of_this_api(resource, property)? {
                continue;
            }
            let name = resource.property("StageName").map(|name| self.text(name)).transpose()?;
            let variables = resource.property("Variables").or(resource.property("StageVariables"));
            let variables = variables.map(|v| self.texts(v)).transpose()?.unwrap_or_default();
            return Ok((name, variables));
        }
        Ok((None, BTreeMap::new()))
    }

    fn base_path(&self) -> Result<String, Fault> {
        for resource in self.resources {
            let (api, path) = match resource.kind {
                "AWS::ApiGateway::BasePathMapping" => ("RestApiId", "BasePath"),
                "AWS::ApiGatewayV2::ApiMapping" => ("ApiId", "ApiMappingKey"),
                _ => continue,
            };
            if self.is_of_this_api(resource, api)? {
                let path = resource.property(path).map(|path| self.text(path)).transpose()?;
                return Ok(path.unwrap_or_default().trim_matches('/').to_owned());
            }
        }
        Ok(String::new())
    }

    fn text(&self, node: &Node) -> Result<String, Fault> {
        let resolved = self.template.try_resolve(node)?;
        if resolved.is_null() { Ok(String::new()) } else { Ok(text_of(&resolved)?.to_owned()) }
    }

    fn texts(&self, node: &Node) -> Result<BTreeMap<String, String>, Fault> {
        let resolved = self.template.try_resolve(node)?;
        let texts = resolved.entries().iter();
        texts.map(|entry| Ok((entry.key.clone(), text_of(&entry.value)?.to_owned()))).collect()
    }

    fn note(&mut self, line: usize, text: &str) {
        self.notes.push(Note { line, text: text.to_owned() });
    }
}

fn unrepresentable(line: usize, key: &str) -> Fault {
    Fault::new(line, format!("`{key}` can't be represented here"))
}

/// What a security scheme is.
enum Scheme {
    Authorizer(Arc<Authorizer>),
    ApiKey,
}

/// An OpenAPI document with API Gateway's extensions.
struct Document {
    routes: Vec<Route>,
    responses: BTreeMap<String, GatewayResponse>,
}

impl Document {
    fn read(body: &Node, kind: Kind, private: bool, notes: &mut Vec<Note>) -> Result<Self, Fault> {
        let mut schemes = BTreeMap::new();
        let mut responses = BTreeMap::new();
        let mut key_from_authorizer = false;
        for Entry { key, line, value } in body.entries() {
            match key.as_str() {
                "components" => {
                    for part in value.entries() {
                        match part.key.as_str() {
                            "securitySchemes" => read_schemes(&part.value, kind, &mut schemes)?,
                            "schemas" | "responses" | "parameters" | "headers" | "examples" => {}
                            key => return Err(unrepresentable(part.line, key)),
                        }
                    }
                }
                "securityDefinitions" => read_schemes(value, kind, &mut schemes)?,
                "x-amazon-apigateway-gateway-responses" if kind == Kind::Rest => {
                    for response in value.entries() {
                        responses.insert(response.key.clone(), gateway_response(response)?);
                    }
                }
                "x-amazon-apigateway-policy" if private => {
                    let text = "the resource policy is not evaluated here: \
                                calls count as having come through the VPC endpoint";
                    notes.push(Note { line: *line, text: text.to_owned() });
                }
                "x-amazon-apigateway-api-key-source" => {
                    key_from_authorizer = text_of(value)?.eq_ignore_ascii_case("AUTHORIZER");
                }
                "openapi"
                | "swagger"
                | "info"
                | "tags"
                | "servers"
                | "externalDocs"
                | "schemes"
                | "produces"
                | "consumes"
                | "definitions"
                | "paths"
                | "security"
                | "x-amazon-apigateway-binary-media-types"
                | "x-amazon-apigateway-importexport-version" => {}
                // SAM writes it too; it decides nothing that could be seen on localhost.
                "x-amazon-apigateway-endpoint-configuration" => {}
                key => return Err(unrepresentable(*line, key)),
            }
        }
        let context = Context {
            kind,
            schemes: &schemes,
            default_security: body.find("security"),
            key_from_authorizer,
        };
        let mut routes = Vec::new();
        for path in body.find("paths").map_or(&[][..], Node::entries) {
            for entry in path.value.entries() {
                let method = match entry.key.as_str() {
                    "parameters" | "summary" | "description" => continue,
                    "x-amazon-apigateway-any-method" => None,
                    "get" | "put" | "post" | "delete" | "options" | "head" | "patch" => {
                        Some(entry.key.to_ascii_uppercase())
                    }
                    key => return Err(unrepresentable(entry.line, key)),
                };
                let route = context.route(&path.key, method, entry)?;
                if route.authorizer.is_none() {
                    let text = format!(
                        "`{}` has no authorizer: every trusted client gets in",
                        route.key()
                    );
                    notes.push(Note { line: entry.line, text });
                }
                if route.api_key_required {
                    let text =
                        format!("`{}`: any API key that the authorizer names will do", route.key());
                    notes.push(Note { line: entry.line, text });
                }
                routes.push(route);
            }
        }
        if routes.is_empty() {
            return Err(Fault::new(body.line, "no paths in the API's body"));
        }
        Ok(Self { routes, responses })
    }
}

/// What operations of a document are read with.
struct Context<'d> {
    kind: Kind,
    schemes: &'d BTreeMap<String, Scheme>,
    default_security: Option<&'d Node>,
    key_from_authorizer: bool,
}

impl Context<'_> {
    fn route(&self, path: &str, method: Option<String>, operation: &Entry) -> Result<Route, Fault> {
        let path = path.strip_prefix("/$default").map_or(path, |_| "$default");
        if path != "$default" {
            check_path(path, operation.line)?;
        }
        let mut integration = None;
        let mut security = self.default_security;
        for Entry { key, line, value } in operation.value.entries() {
            match key.as_str() {
                "x-amazon-apigateway-integration" => {
                    integration = Some(self.integration(value, *line)?);
                }
                "security" => security = Some(value),
                "parameters" | "responses" | "requestBody" | "operationId" | "summary"
                | "description" | "tags" | "deprecated" | "isDefaultRoute" | "produces"
                | "consumes" => {}
                key => return Err(unrepresentable(*line, key)),
            }
        }
        let line = operation.line;
        let integration = integration.ok_or_else(|| {
            Fault::new(line, format!("`{path}` has a method without integration"))
        })?;
        let (authorizer, api_key_required) = self.security(security)?;
        Ok(Route { line, method, path: path.to_owned(), authorizer, api_key_required, integration })
    }

    /// API Gateway asks for everything that is listed.
    fn security(&self, security: Option<&Node>) -> Result<(Option<Arc<Authorizer>>, bool), Fault> {
        let mut authorizer = None;
        let mut api_key = false;
        for requirement in security.map_or(&[][..], Node::items) {
            for Entry { key, line, .. } in requirement.entries() {
                match self.schemes.get(key) {
                    Some(Scheme::Authorizer(own)) if authorizer.is_none() => {
                        authorizer = Some(Arc::clone(own));
                    }
                    Some(Scheme::Authorizer(_)) => {
                        return Err(Fault::new(*line, "a second authorizer of one method"));
                    }
                    Some(Scheme::ApiKey) if self.key_from_authorizer => api_key = true,
                    Some(Scheme::ApiKey) => {
                        let message =
                            "API keys of a header can't be represented here, only an authorizer's";
                        return Err(Fault::new(*line, message));
                    }
                    None => {
                        let message = format!("`{key}` is no security scheme of this document");
                        return Err(Fault::new(*line, message));
                    }
                }
            }
        }
        Ok((authorizer, api_key))
    }

    fn integration(&self, node: &Node, line: usize) -> Result<Integration, Fault> {
        let mut method = None;
        let mut uri = None;
        let mut private = false;
        let mut timeout = DEFAULT_TIMEOUT;
        let mut mappings = Vec::new();
        for Entry { key, line, value } in node.entries() {
            match key.as_str() {
                "type" => {
                    let text = text_of(value)?;
                    if !text.eq_ignore_ascii_case("http_proxy") {
                        let message = format!(
                            "an integration of type `{text}` can't be represented here, only http_proxy"
                        );
                        return Err(Fault::new(*line, message));
                    }
                }
                "httpMethod" => {
                    let text = text_of(value)?.to_ascii_uppercase();
                    method = (text != "ANY").then_some(text);
                }
                "uri" => uri = Some((text_of(value)?.to_owned(), *line)),
                "connectionType" => private = text_of(value)?.eq_ignore_ascii_case("VPC_LINK"),
                "timeoutInMillis" => {
                    timeout = Duration::from_millis(number(value, "a number of milliseconds")?);
                }
                "requestParameters" => {
                    mappings = match self.kind {
                        Kind::Rest => mapping::read_rest(value)?,
                        Kind::Http => mapping::read_http(value)?,
                    };
                }
                "tlsConfig" => {
                    for entry in value.entries() {
                        if entry.key != "serverNameToVerify" && entry.value.text() != Some("false")
                        {
                            return Err(unrepresentable(entry.line, &entry.key));
                        }
                    }
                }
                "connectionId" | "passthroughBehavior" => {}
                "payloadFormatVersion" if value.text() == Some("1.0") => {}
                // An HTTP proxy hands the backend's response on whatever stands here.
                "responses" if self.kind == Kind::Rest => {}
                key => return Err(unrepresentable(*line, key)),
            }
        }
        let Some((uri, uri_line)) = uri else {
            return Err(Fault::new(line, "an integration without `uri`"));
        };
        if !(private && uri.starts_with("arn:")) && self.kind == Kind::Rest {
            check_variables(&uri, uri_line, &mappings)?;
        }
        Ok(Integration { line, method, uri, private, timeout, mappings })
    }
}

/// Variables in a path are whole segments, the greedy one the last.
fn check_path(path: &str, line: usize) -> Result<(), Fault> {
    let odd = || Fault::new(line, format!("`{path}` is no path of an API"));
    let mut segments = path.strip_prefix('/').ok_or_else(odd)?.split('/').peekable();
    while let Some(segment) = segments.next() {
        let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        let greedy = name.is_some_and(|name| name.ends_with('+'));
        let braces = name.unwrap_or(segment).contains(['{', '}']) || name == Some("");
        if braces || (greedy && segments.peek().is_some()) {
            return Err(odd());
        }
    }
    Ok(())
}

/// In a REST API a variable of the URI has a value only where a mapping gives it one.
fn check_variables(uri: &str, line: usize, mappings: &[Mapping]) -> Result<(), Fault> {
    let mut rest = uri;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err(Fault::new(line, "`{` without `}` in the URI"));
        };
        let mapped =
            mappings.iter().any(|mapping| mapping.target == Target::PathVariable(name.to_owned()));
        if !mapped {
            let message = format!(
                "nothing gives `{{{name}}}` a value: map `integration.request.path.{name}`"
            );
            return Err(Fault::new(line, message));
        }
        rest = after;
    }
    Ok(())
}

fn read_schemes(
    schemes: &Node,
    kind: Kind,
    into: &mut BTreeMap<String, Scheme>,
) -> Result<(), Fault> {
    for Entry { key, line, value } in schemes.entries() {
        let scheme = match value.find("x-amazon-apigateway-authorizer") {
            Some(settings) => {
                Scheme::Authorizer(Arc::new(authorizer(key, *line, value, settings, kind)?))
            }
            None if value.find("type").and_then(Node::text) == Some("apiKey")
                && value.find("x-amazon-apigateway-authtype").is_none() =>
            {
                Scheme::ApiKey
            }
            None => {
                let message = format!("the security scheme `{key}` can't be represented here");
                return Err(Fault::new(*line, message));
            }
        };
        into.insert(key.clone(), scheme);
    }
    Ok(())
}

fn authorizer(
    name: &str,
    line: usize,
    scheme: &Node,
    settings: &Node,
    kind: Kind,
) -> Result<Authorizer, Fault> {
    for Entry { key, line, .. } in scheme.entries() {
        match key.as_str() {
            "type"
            | "name"
            | "in"
            | "description"
            | "x-amazon-apigateway-authtype"
            | "x-amazon-apigateway-authorizer" => {}
            key => return Err(unrepresentable(*line, key)),
        }
    }
    let mut uri = None;
    let mut event = match kind {
        Kind::Rest => EventForm::Rest,
        Kind::Http => EventForm::HttpV2,
    };
    let mut answer = AnswerForm::Iam;
    let mut sources = Vec::new();
    let mut ttl = DEFAULT_TTL;
    for Entry { key, line, value } in settings.entries() {
        match (key.as_str(), kind) {
            ("type", _)
                if value.text().is_some_and(|text| text.eq_ignore_ascii_case("request")) => {}
            ("type", _) => {
                let message = "only an authorizer of type `request` can be represented here";
                return Err(Fault::new(*line, message));
            }
            ("authorizerUri", _) => uri = Some(text_of(value)?.to_owned()),
            ("authorizerCredentials", _) => {}
            ("authorizerResultTtlInSeconds", _) => {
                ttl = number(value, "a number of seconds")?;
                if ttl > MAX_TTL {
                    return Err(Fault::new(*line, "an answer is cached for 3600 seconds at most"));
                }
            }
            ("identitySource", _) => sources = identity_sources(value, kind)?,
            ("authorizerPayloadFormatVersion", Kind::Http) => {
                event = match text_of(value)? {
                    "1.0" => EventForm::HttpV1,
                    "2.0" => EventForm::HttpV2,
                    _ => return Err(Fault::new(*line, "a payload format is 1.0 or 2.0")),
                };
            }
            ("enableSimpleResponses", Kind::Http) => {
                if text_of(value)? == "true" {
                    answer = AnswerForm::Simple;
                }
            }
            (key, _) => return Err(unrepresentable(*line, key)),
        }
    }
    if answer == AnswerForm::Simple && event == EventForm::HttpV1 {
        return Err(Fault::new(settings.line, "simple responses need payload format 2.0"));
    }
    if ttl > 0 && sources.is_empty() {
        let message =
            "answers are cached, but no `identitySource` says by what: API Gateway refuses that";
        return Err(Fault::new(settings.line, message));
    }
    let uri =
        uri.ok_or_else(|| Fault::new(settings.line, "an authorizer without `authorizerUri`"))?;
    Ok(Authorizer {
        name: name.to_owned(),
        line,
        uri,
        event,
        answer,
        identity_sources: sources,
        time_to_live: Duration::from_secs(ttl),
    })
}

fn identity_sources(node: &Node, kind: Kind) -> Result<Vec<Variable>, Fault> {
    let items = if node.items().is_empty() { std::slice::from_ref(node) } else { node.items() };
    let mut sources = Vec::new();
    for item in items {
        for text in text_of(item)?.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let variable = match kind {
                Kind::Rest => {
                    match text.strip_prefix("method.request.").and_then(|t| t.split_once('.')) {
                        Some(("header", name)) => Some(Variable::Header(name.to_owned())),
                        Some(("querystring", name)) => Some(Variable::Query(name.to_owned())),
                        Some(_) => None,
                        None => mapping::context_or_stage(text),
                    }
                }
                Kind::Http => text.strip_prefix('$').and_then(mapping::http_variable),
            };
            match variable {
                Some(Variable::Authorizer(_) | Variable::PathVariable(_)) | None => {
                    return Err(Fault::new(item.line, format!("`{text}` is no identity source")));
                }
                Some(variable) => sources.push(variable),
            }
        }
    }
    Ok(sources)
}

fn gateway_response(entry: &Entry) -> Result<GatewayResponse, Fault> {
    let mut response =
        GatewayResponse { line: entry.line, status: None, template: None, headers: Vec::new() };
    for Entry { key, line, value } in entry.value.entries() {
        match key.as_str() {
            "statusCode" => {
                let status = number(value, "a status code")?;
                response.status = u16::try_from(status).ok().filter(|s| (200..600).contains(s));
                if response.status.is_none() {
                    return Err(Fault::new(*line, format!("`{status}` is no status code")));
                }
            }
            "responseTemplates" => {
                for template in value.entries() {
                    if template.key != "application/json" {
                        return Err(unrepresentable(template.line, &template.key));
                    }
                    let text = text_of(&template.value)?;
                    check_response_template(text, template.line)?;
                    response.template = Some(text.to_owned());
                }
            }
            "responseParameters" => {
                for parameter in value.entries() {
                    let name = parameter.key.strip_prefix("gatewayresponse.header.");
                    let text = text_of(&parameter.value)?;
                    let text = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
                    let (Some(name), Some(text)) = (name, text) else {
                        return Err(unrepresentable(parameter.line, &parameter.key));
                    };
                    response.headers.push((name.to_owned(), text.to_owned()));
                }
            }
            key => return Err(unrepresentable(*line, key)),
        }
    }
    Ok(response)
}

/// The variables that a gateway response may use here.
pub(crate) const RESPONSE_VARIABLES: &[&str] = &[
    "$context.error.messageString",
    "$context.error.message",
    "$context.error.responseType",
    "$context.extendedRequestId",
    "$context.requestId",
];

fn check_response_template(text: &str, line: usize) -> Result<(), Fault> {
    let mut rest = text.to_owned();
    for known in RESPONSE_VARIABLES {
        rest = rest.replace(known, "");
    }
    if rest.contains(['$', '#']) {
        let message = "the body uses more of the template language than can be represented here";
        return Err(Fault::new(line, message));
    }
    Ok(())
}

fn number(node: &Node, what: &str) -> Result<u64, Fault> {
    let text = text_of(node)?;
    text.parse().map_err(|_| Fault::new(node.line, format!("`{text}` is not {what}")))
}
