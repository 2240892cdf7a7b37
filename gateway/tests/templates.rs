//! Templates: what is read out of them, and the line of everything that can't be.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use mtls_gateway::api::{AnswerForm, Api, EventForm, Kind};
use mtls_gateway::function;
use mtls_gateway::mapping::{Operation, Part, Target, Variable};
use mtls_gateway::template::Template;
use support::{fixture, read_template};

fn read(text: &str) -> Result<Template, String> {
    read_with(text, &[])
}

fn read_with(text: &str, parameters: &[(&str, &str)]) -> Result<Template, String> {
    let given: BTreeMap<String, String> =
        parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Template::read("t.yaml", text, &given).map_err(|error| error.to_string())
}

fn api(text: &str) -> Result<Api, String> {
    Api::read(&read(text)?, None).map_err(|error| error.to_string())
}

/// The value that is written behind `Value:`, resolved, as text.
fn resolved(document: &str) -> Result<String, String> {
    let template = read(document)?;
    let node = template.root().find("Value").unwrap();
    let node = template.resolve(node).map_err(|error| error.to_string())?;
    Ok(match node.text() {
        Some(text) => text.to_owned(),
        None => {
            let texts = node.items().iter().map(|item| item.text().unwrap_or("-").to_owned());
            format!("[{}]", texts.collect::<Vec<_>>().join(" "))
        }
    })
}

const DOCUMENT: &str = "
Parameters:
  Name: { Type: String, Default: orders }
  Empty: { Type: String, Default: '' }
  List: { Type: CommaDelimitedList, Default: 'a, b' }
Mappings:
  Sizes: { small: { memory: 128 } }
Conditions:
  Yes: !Equals [!Ref Name, orders]
  No: !Not [!Condition Yes]
  Both: !And [!Condition Yes, !Equals [!Ref Empty, '']]
  Either: !Or [!Condition No, !Condition Both]
Resources:
  Function: { Type: AWS::Serverless::Function }
";

#[test]
fn functions_are_evaluated_in_short_and_long_form() {
    for (value, expected) in [
        ("!Ref Name", "orders"),
        ("{ Ref: Name }", "orders"),
        ("!Ref AWS::Region", "us-east-1"),
        ("!Ref Function", "Function"),
        ("!Sub 'a-${Name}-${!Name}-${AWS::Partition}'", "a-orders-${Name}-aws"),
        ("{ 'Fn::Sub': ['${x}${Name}', { x: !Ref Name }] }", "ordersorders"),
        ("!GetAtt Function.Arn", "arn:aws:lambda:us-east-1:123456789012:function:Function"),
        ("{ 'Fn::GetAtt': [Function, Other] }", "Function.Other"),
        ("!Join [':', [a, !Ref Name]]", "a:orders"),
        ("!Select [1, !Ref List]", "b"),
        ("!Select ['0', !Split ['-', x-y]]", "x"),
        ("!FindInMap [Sizes, small, memory]", "128"),
        ("!If [Yes, 1, 2]", "1"),
        ("!If [No, 1, 2]", "2"),
        ("!If [Either, !Ref Name, !Ref Unknown]", "orders"),
        ("[a, !If [No, b, !Ref AWS::NoValue], !If [Yes, c, d]]", "[a c]"),
        ("!Ref List", "[a b]"),
    ] {
        assert_eq!(
            resolved(&format!("{DOCUMENT}Value: {value}")).as_deref(),
            Ok(expected),
            "{value}"
        );
    }
}

#[test]
fn what_cannot_be_resolved_names_its_line() {
    // The line behind `DOCUMENT`.
    for (value, message) in [
        ("!Ref Nobody", "`Nobody` is neither a parameter nor a resource"),
        ("!Sub '${Nobody}'", "`Nobody` is neither a parameter nor a resource"),
        ("!Sub '${Name'", "`${` without `}`"),
        ("!GetAtt Nobody.Arn", "`Nobody` is neither a parameter nor a resource"),
        ("!GetAtt Function", "`GetAtt` needs a resource and an attribute"),
        ("!If [Nobody, 1, 2]", "`Nobody` is no condition of this template"),
        ("!If [Yes, 1]", "`If` needs a condition and two values"),
        ("!ImportValue x", "`Fn::ImportValue` can't be represented here"),
        (
            "{ 'Fn::Transform': { Name: AWS::Include } }",
            "`Fn::Transform` can't be represented here",
        ),
        ("!Select [7, !Ref List]", "`Select` asks for a member that is not there"),
        ("!FindInMap [Sizes, large, memory]", "`FindInMap` finds nothing there"),
        ("'{{resolve:ssm:name}}'", "a dynamic reference can't be resolved here"),
    ] {
        let error = resolved(&format!("{DOCUMENT}Value: {value}")).unwrap_err();
        assert_eq!(error, format!("t.yaml:15: {message}"), "{value}");
    }
}

#[test]
fn unreadable_documents_are_one_line() {
    for (text, message) in [
        ("", "t.yaml:1: the document is empty"),
        ("a: 1\na: 2", "t.yaml:2: `a` a second time, after line 1"),
        ("a: 1\nb: !Reff x", "t.yaml:2: `!Reff` is no function of CloudFormation"),
        ("a: 1", "t.yaml:1: no CloudFormation template: it has no `Resources`"),
        ("Resources: {}\n---\nResources: {}", "t.yaml:2: a second document"),
    ] {
        assert_eq!(read(text).unwrap_err(), message);
    }
    let error = read("Resources:\n  A: [\n").unwrap_err();
    assert!(error.starts_with("t.yaml:") && !error.contains('\n'), "{error}");
}

#[test]
fn conditions_that_need_each_other_are_refused() {
    let text = "
Conditions:
  A: !Not [!Condition B]
  B: !Not [!Condition A]
Resources:
  X: { Type: T, Condition: A }
";
    let error = read(text).unwrap().resources().unwrap_err();
    assert!(error.message.contains("need each other"), "{error}");
}

#[test]
fn parameters_are_checked_and_stood_in_for() {
    let text = "
Parameters:
  Size: { Type: Number, Default: 5, MinValue: 1, MaxValue: 9 }
  Mode: { Type: String, AllowedValues: [a, b] }
  Url: { Type: String }
Resources: {}
";
    let stand_ins = |parameters: &[(&str, &str)]| -> Vec<String> {
        read_with(text, parameters).unwrap().stand_ins().map(|(name, _)| name.to_owned()).collect()
    };
    assert_eq!(stand_ins(&[]), ["Mode", "Url"]);
    assert_eq!(stand_ins(&[("Mode", "a"), ("Url", ""), ("Size", "9")]), Vec::<String>::new());
    for (name, value, message) in [
        ("Size", "10", "t.yaml:3: `Size` can't be `10`: its MaxValue is 9"),
        ("Size", "0", "t.yaml:3: `Size` can't be `0`: its MinValue is 1"),
        ("Size", "x", "t.yaml:3: `Size` can't be `x`: a number"),
        ("Mode", "c", "t.yaml:4: `Mode` can't be `c`: it is one of a, b"),
        ("Mood", "a", "t.yaml:3: `Mood` is no parameter of this template"),
    ] {
        assert_eq!(read_with(text, &[(name, value)]).unwrap_err(), message);
    }
}

#[test]
fn rest_api_is_read_with_its_settings() {
    let path = fixture("rest.yaml");
    let template = read_template(&path, &[("Ttl", "60"), ("BackendUrl", "https://b.example")]);
    let api = Api::read(&template, None).unwrap();
    assert_eq!((api.kind, api.stage.as_str()), (Kind::Rest, "live"));
    let keys: Vec<String> = api.routes.iter().map(|route| route.key()).collect();
    assert_eq!(keys, ["GET /orders/{id}", "POST /orders/{id}", "ANY /{proxy+}"]);
    let route = &api.routes[0];
    assert_eq!(route.integration.uri, "https://b.example/orders/{id}");
    let authorizer = route.authorizer.as_ref().unwrap();
    assert_eq!((authorizer.event, authorizer.answer), (EventForm::Rest, AnswerForm::Iam));
    assert_eq!(authorizer.time_to_live, Duration::from_secs(60));
    let certificate = Variable::Context("identity.clientCert.clientCertPem");
    assert_eq!(authorizer.identity_sources, [certificate]);
    let sub = route
        .integration
        .mappings
        .iter()
        .find(|mapping| mapping.target == Target::Header("X-Client-Cert-Sub".to_owned()));
    let value = Part::Variable(Variable::Authorizer("clientCertSub".to_owned()));
    assert_eq!(sub.unwrap().value, [value]);
    // The line of the mapping itself, which tests over templates rely on.
    let text = std::fs::read_to_string(&path).unwrap();
    let line = text.lines().nth(sub.unwrap().line - 1).unwrap();
    assert!(line.contains("integration.request.header.X-Client-Cert-Sub"), "{line}");

    let found =
        function::find(&template, path.parent().unwrap(), &authorizer.uri).unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.timeout), ("Authorizer", Duration::from_secs(2)));
    assert_eq!(found.environment["GREETING"], "hello from us-east-1");
}

#[test]
fn http_api_is_read_with_its_settings() {
    let path = fixture("http.yaml");
    let template = read_template(&path, &[("Simple", "true")]);
    let api = Api::read(&template, None).unwrap();
    assert_eq!((api.kind, api.stage.as_str()), (Kind::Http, "$default"));
    let authorizer = api.routes[0].authorizer.as_ref().unwrap();
    assert_eq!((authorizer.event, authorizer.answer), (EventForm::HttpV2, AnswerForm::Simple));
    assert_eq!(api.routes[0].integration.mappings[0].operation, Operation::Overwrite);
    assert_eq!(api.routes.last().unwrap().key(), "$default");
    let template = read_template(&path, &[("Format", "1.0")]);
    let api = Api::read(&template, None).unwrap();
    assert_eq!(api.routes[0].authorizer.as_ref().unwrap().event, EventForm::HttpV1);
}

/// The least that is an API; each line is numbered in the faults below.
const API: &str = "Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: live
      DefinitionBody:
        components:
          securitySchemes:
            Own:
              type: apiKey
              x-amazon-apigateway-authorizer:
                type: request
                authorizerUri: x
                authorizerResultTtlInSeconds: 0
        paths:
          /{proxy+}:
            get:
              security: [{ Own: [] }]
              x-amazon-apigateway-integration:
                type: http_proxy
                httpMethod: GET
                uri: https://b.example/{proxy}
                requestParameters:
                  integration.request.path.proxy: method.request.path.proxy
";

#[test]
fn what_cannot_be_represented_is_an_error_that_names_the_line() {
    assert!(api(API).is_ok(), "{:?}", api(API));
    for (line, from, to, message) in [
        (3, "Serverless::Api", "Lambda::Function", "no API in the template"),
        (5, "StageName: live", "Cors: '*'", "`Cors` can't be represented here"),
        (5, "StageName: live", "DefinitionUri: x", "`DefinitionUri` can't be represented here"),
        (7, "components:", "x-amazon-apigateway-policy:", "`x-amazon-apigateway-policy` can't be"),
        (
            9,
            "Own:\n              type: apiKey",
            "Own:\n              type: oauth2\n              flows: {}",
            "`flows` can't be",
        ),
        (12, "type: request", "type: token", "only an authorizer of type `request`"),
        (
            13,
            "authorizerUri: x",
            "identityValidationExpression: x",
            "`identityValidationExpression` can't be",
        ),
        (
            14,
            "authorizerResultTtlInSeconds: 0",
            "authorizerResultTtlInSeconds: 5",
            "no `identitySource`",
        ),
        (
            14,
            "authorizerResultTtlInSeconds: 0",
            "authorizerResultTtlInSeconds: 3601",
            "3600 seconds",
        ),
        (
            14,
            "authorizerResultTtlInSeconds: 0",
            "authorizerResultTtlInSeconds: x",
            "`x` is not a number of seconds",
        ),
        (
            14,
            "authorizerResultTtlInSeconds: 0",
            "identitySource: method.request.body.x",
            "is no identity source",
        ),
        (16, "/{proxy+}:", "/{proxy+}/x:", "is no path of an API"),
        (16, "/{proxy+}:", "/a{proxy}:", "is no path of an API"),
        (17, "get:", "trace:", "`trace` can't be represented here"),
        (
            18,
            "security: [{ Own: [] }]",
            "security: [{ Other: [] }]",
            "`Other` is no security scheme",
        ),
        (
            18,
            "security: [{ Own: [] }]",
            "x-amazon-apigateway-request-validator: x",
            "request-validator` can't be",
        ),
        (
            19,
            "x-amazon-apigateway-integration:",
            "x-amazon-apigateway-auth:",
            "`x-amazon-apigateway-auth` can't be",
        ),
        (20, "type: http_proxy", "type: aws_proxy", "of type `aws_proxy` can't be represented"),
        (21, "httpMethod: GET", "cacheKeyParameters: []", "`cacheKeyParameters` can't be"),
        (
            22,
            "https://b.example/{proxy}",
            "https://b.example/{other}",
            "nothing gives `{other}` a value",
        ),
        (
            24,
            "integration.request.path.proxy:",
            "integration.request.body.proxy:",
            "no place that a mapping can set",
        ),
        (24, "method.request.path.proxy", "method.request.body", "no value that can be mapped"),
    ] {
        let text = API.replacen(from, to, 1);
        assert_ne!(text, API, "{from} is not there");
        let error = api(&text).unwrap_err();
        assert!(error.contains(message), "{to}: {error}");
        let named: usize = error.split(':').nth(1).unwrap().parse().unwrap();
        // Where a setting is missing, the line is that of the block that it is missing from.
        let near = match message {
            "no API in the template" => 1..=1,
            "no `identitySource`" => 11..=14,
            "`x-amazon-apigateway-auth` can't be" => 19..=20,
            _ => line - 1..=line + 2,
        };
        assert!(near.contains(&named), "{to}: {error}");
    }
}

#[test]
fn routes_beside_the_body_are_refused_not_missed() {
    for (kind, property) in [
        ("AWS::ApiGateway::Method", "RestApiId"),
        ("AWS::ApiGateway::GatewayResponse", "RestApiId"),
    ] {
        let text = format!(
            "{API}  Other:\n    Type: {kind}\n    Properties: {{ {property}: !Ref Api }}\n"
        );
        let error = api(&text).unwrap_err();
        assert!(error.starts_with("t.yaml:25: `Other` is a resource of its own"), "{error}");
    }
    let text = format!(
        "{API}  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Events:\n        E: {{ Type: Api }}\n"
    );
    assert!(api(&text).unwrap_err().starts_with("t.yaml:29: the event `E` is a route"));
}

#[test]
fn route_without_authorizer_and_limits_are_told() {
    let open = API.replace("security: [{ Own: [] }]", "security: []");
    let notes = api(&open).unwrap().notes;
    assert!(notes[0].text.contains("has no authorizer"), "{notes:?}");
    let limited = API.replace("StageName: live", "StageName: live\n      MethodSettings: []");
    let notes = api(&limited).unwrap().notes;
    assert_eq!((notes[0].line, notes[0].text.as_str()), (6, "throttling is not applied here"));
    assert!(api(API).unwrap().notes.is_empty());
}

#[test]
fn base_path_of_the_domain_is_taken_off() {
    let mapping = "  Mapping:
    Type: AWS::ApiGateway::BasePathMapping
    Properties: { DomainName: a.example, BasePath: v1, RestApiId: !Ref Api }
";
    let api = api(&format!("{API}{mapping}")).unwrap();
    assert_eq!(api.path_below_base("/v1/orders"), Some("/orders"));
    assert_eq!(api.path_below_base("/v1"), Some("/"));
    assert_eq!(api.path_below_base("/v10/orders"), None);
    assert_eq!(api.path_below_base("/orders"), None);
}

#[test]
fn one_of_several_apis_is_chosen_by_name() {
    let text =
        format!("{API}{}", API.trim_start_matches("Resources:\n").replacen("Api:", "Other:", 1));
    assert_eq!(api(&text).unwrap_err(), "t.yaml:25: more than one API: choose one of Api, Other");
    let template = read(&text).unwrap();
    assert_eq!(Api::read(&template, Some("Other")).unwrap().line, 25);
}
