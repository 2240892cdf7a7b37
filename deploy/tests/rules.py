"""What must hold in every template that this project ships.

A rule takes a parsed template and yields findings, each with a line and a sentence. The tests apply every rule to every
template and expect none; and they spoil a template on purpose and expect the finding to name the spoiled line.
"""

import itertools
import re
from typing import NamedTuple

from template import alternatives, line_of, references, resolve, walk


class Finding(NamedTuple):
    line: int
    text: str

    def __str__(self):
        return f"line {self.line}: {self.text}"


# Section 4 of the interface: header, and the context key that it carries.
ALWAYS = {
    "X-Client-Cert-Sub": "clientCertSub",
    "X-Client-Cert-Sub-Base64": "clientCertSubBase64",
    "X-Client-Cert-Issuer": "clientCertIssuer",
    "X-Client-Cert-Serial": "clientCertSerial",
    "X-Client-Cert-Fingerprint": "clientCertFingerprint",
    "X-Client-Cert-Not-After": "clientCertNotAfter",
    "X-Client-Id": "clientId",
}
# These keys are on an Allow only where they are configured: mapped under a condition, and `none` otherwise.
CONFIGURED = {
    "Client-Cert": ("clientCert", "ForwardsClientCert"),
    "X-Forwarded-Client-Cert": ("clientCertXfcc", "ForwardsXfcc"),
    "X-Client-Identity": ("identityToken", "ForwardsIdentityToken"),
}
METHODS = {"get", "head", "post", "put", "patch", "delete", "options", "trace", "x-amazon-apigateway-any-method"}
API_TYPES = {
    "AWS::Serverless::Api": "rest",
    "AWS::Serverless::HttpApi": "http",
    "AWS::ApiGateway::RestApi": "rest",
    "AWS::ApiGatewayV2::Api": "http",
}


def resources(template, *types):
    for name, resource in template["Resources"].items():
        if not types or resource["Type"] in types:
            yield name, resource


def properties(resource):
    return resource.get("Properties", {})


def bodies(template):
    """The OpenAPI bodies, with the kind of API that they are of."""
    for _, resource in resources(template, *API_TYPES):
        body = properties(resource).get("DefinitionBody") or properties(resource).get("Body")
        if body is not None:
            yield API_TYPES[resource["Type"]], body


def operations(body):
    for path, item in body["paths"].items():
        for method, operation in item.items():
            if method.lower() in METHODS:
                yield f"{method} {path}", item.lines[method], operation


def authorizer_schemes(body):
    for name, scheme in body["components"]["securitySchemes"].items():
        if "x-amazon-apigateway-authorizer" in scheme:
            yield name, scheme["x-amazon-apigateway-authorizer"]


# ---- Rules


def every_method_asks_the_authorizer(template):
    for _, body in bodies(template):
        schemes = {name for name, _ in authorizer_schemes(body)}
        for path, item in body["paths"].items():
            for method in item:
                if method.lower() not in METHODS and method not in ("parameters", "summary", "description"):
                    yield Finding(item.lines[method], f"`{method}` of `{path}` is no method that these rules know")
        for name, line, operation in operations(body):
            if "security" not in operation:
                yield Finding(line, f"`{name}` asks no authorizer")
                continue
            for _, security in alternatives(operation["security"]):
                asked = {scheme for entry in security for scheme in entry}
                if not asked & schemes:
                    yield Finding(operation.lines["security"], f"`{name}` asks no authorizer")
    for name, method in resources(template, "AWS::ApiGateway::Method"):
        given = properties(method)
        if given.get("AuthorizationType") != "CUSTOM" or "AuthorizerId" not in given:
            line = given.lines.get("AuthorizationType", method.line)
            yield Finding(line, f"method `{name}` asks no authorizer")


def no_route_escapes(template):
    """A body that catches everything, or whose routes are listed; and nothing beside it that adds routes unseen."""
    for _, resource in resources(template, "AWS::Serverless::Function"):
        if "Events" in properties(resource):
            yield Finding(properties(resource).lines["Events"], "an event of a function adds a route that asks nobody")
    for name, resource in resources(template, *API_TYPES):
        given = properties(resource)
        for key in ("DefinitionUri", "BodyS3Location"):
            if key in given:
                yield Finding(given.lines[key], f"the routes of `{name}` are in a file that no test reads")
        if resource["Type"].startswith("AWS::Serverless") and "DefinitionBody" not in given:
            yield Finding(resource.line, f"`{name}` has no body, so SAM would add routes by itself")


def every_method_sets_every_identity_header(template):
    for kind, body in bodies(template):
        for name, line, operation in operations(body):
            integration = operation.get("x-amazon-apigateway-integration", {})
            yield from _identity_headers(kind, name, line, integration.get("requestParameters"))
    for name, method in resources(template, "AWS::ApiGateway::Method"):
        yield from _identity_headers("rest", name, method.line, properties(method)["Integration"].get("RequestParameters"))


def _identity_headers(kind, name, line, parameters):
    if parameters is None:
        yield Finding(line, f"`{name}` sets no identity header")
        return
    prefix = {"rest": "integration.request.header.", "http": "overwrite:header."}[kind]
    context = {"rest": "context.authorizer.", "http": "$context.authorizer."}[kind]
    nothing = {"rest": "'none'", "http": "none"}[kind]
    known = {header.lower() for header in ALWAYS | CONFIGURED}
    for key in parameters:
        place = parameters.lines[key]
        operation, _, header = key.rpartition("header.")
        if header.lower() in known and operation == "append:":
            yield Finding(place, f"`{name}`: `{key}` keeps what the client sent; `overwrite:` replaces it")
        elif header.lower() in known and operation == "remove:":
            yield Finding(place, f"`{name}`: `{key}` beside `overwrite:` leaves open which of them counts")
        elif header.lower() in known and header not in ALWAYS | CONFIGURED:
            yield Finding(place, f"`{name}`: `{header}` is not written as in the interface, and REST heeds letter case")
    for header, key in ALWAYS.items():
        if prefix + header not in parameters:
            yield Finding(parameters.line - 1, f"`{name}` does not set `{header}`: the client's own would reach the backend")
            continue
        value = parameters[prefix + header]
        if value != context + key:
            yield Finding(
                parameters.lines[prefix + header],
                f"`{name}` must set `{header}` from `{context}{key}`, which every Allow carries, without a condition",
            )
    for header, (key, condition) in CONFIGURED.items():
        if prefix + header not in parameters:
            yield Finding(parameters.line - 1, f"`{name}` does not set `{header}`: the client's own would reach the backend")
            continue
        for conditions, value in alternatives(parameters[prefix + header]):
            expected = context + key if (condition, True) in conditions else nothing
            if value != expected:
                yield Finding(
                    parameters.lines[prefix + header],
                    f"`{name}` must set `{header}` to `{expected}` where {dict(conditions) or 'nothing is configured'}",
                )
    for header in parameters:
        if "method.request.header" in str(parameters[header]) or "$request.header" in str(parameters[header]):
            yield Finding(parameters.lines[header], f"`{name}`: `{header}` is what the client says")


def what_is_judged_is_in_the_cache_key(template):
    kind = _source_kind(template)
    for api, body in bodies(template):
        for name, authorizer in authorizer_schemes(body):
            where = authorizer.line - 1
            ttl = authorizer.get("authorizerResultTtlInSeconds")
            if ttl is None:
                yield Finding(where, f"`{name}` sets no cache time, and API Gateway's default is 300")
                continue
            if ttl == 0:
                continue
            if ttl != {"Ref": "CacheTtlSeconds"}:
                yield Finding(
                    authorizer.lines["authorizerResultTtlInSeconds"],
                    f"the cache time of `{name}` must be 0 or the parameter that the authorizer is told too",
                )
            source = authorizer.get("identitySource")
            line = authorizer.lines.get("identitySource", where)
            if source is None:
                yield Finding(line, f"`{name}` may cache without a key")
                continue
            names = sorted({str(item["Fn::If"][0]) for _, item in walk(source) if isinstance(item, dict) and "Fn::If" in item})
            missing = {}
            for held in itertools.product((True, False), repeat=len(names)):
                conditions = dict(zip(names, held))
                if not conditions.get("Caches", True):
                    continue
                key = re.split(r",\s*", resolve(source, conditions) or "")
                for needed in _cache_key(api, kind, conditions):
                    if needed not in key:
                        missing.setdefault(needed, conditions)
            for needed, conditions in missing.items():
                place = _leaf_line(source, conditions, line)
                yield Finding(place, f"cached decisions of `{name}` are not keyed by `{needed}` where {conditions}")
    parameter = template.get("Parameters", {}).get("CacheTtlSeconds")
    if parameter is not None and parameter.get("Default") != 0:
        yield Finding(parameter.lines.get("Default", parameter.line), "decisions must not be cached unless somebody asks for it")
    for name, authorizer in resources(template, "AWS::ApiGateway::Authorizer"):
        if properties(authorizer).get("AuthorizerResultTtlInSeconds") != 0:
            line = properties(authorizer).lines.get("AuthorizerResultTtlInSeconds", authorizer.line)
            yield Finding(line, f"`{name}` caches decisions under a key without the certificate")


def _source_kind(template):
    for _, resource in resources(template, "AWS::Serverless::Application"):
        return "alb" if "alb" in str(properties(resource)["Parameters"].get("SourceKind")) else "api-gateway"
    return "api-gateway"


def _cache_key(api, kind, conditions):
    """Everything that the authorizer judges by, as an identity source of this kind of API."""
    if kind == "alb":
        headers = ["Leaf", "Serial", "Subject", "Issuer", "Validity"] if conditions.get("Verifies", True) else ["Chain"]
        needed = ["context.identity.vpceId"]
        needed += ["method.request.header.${HeaderPrefix}-" + header for header in headers]
    else:
        needed = [{"rest": "context.", "http": "$context."}[api] + "identity.clientCert.clientCertPem"]
    if conditions.get("JudgesToken", True):
        needed.append({"rest": "method.request.header.Authorization", "http": "$request.header.Authorization"}[api])
    return needed


def _leaf_line(value, conditions, otherwise):
    """The line of the text that these conditions lead to."""
    for held, leaf in alternatives(value):
        if all(conditions.get(name) == truth for name, truth in held):
            return line_of(leaf, otherwise)
    return otherwise


def the_authorizer_is_told_the_cache_time(template):
    for _, function in resources(template, "AWS::Serverless::Function"):
        variables = properties(function).get("Environment", {}).get("Variables", {})
        if variables.get("AUTHORIZER_GATEWAY_CACHE_TTL") != {"Ref": "CacheTtlSeconds"}:
            line = variables.lines.get("AUTHORIZER_GATEWAY_CACHE_TTL", function.line)
            yield Finding(line, "the authorizer must be told the API's cache time")
    for name, nested in resources(template, "AWS::Serverless::Application"):
        given = properties(nested)["Parameters"]
        if given.get("CacheTtlSeconds") != {"Ref": "CacheTtlSeconds"}:
            yield Finding(given.lines.get("CacheTtlSeconds", nested.line), f"`{name}` must be told the API's cache time")


def simple_responses_are_never_cached(template):
    for api, body in bodies(template):
        for _, authorizer in authorizer_schemes(body):
            if "enableSimpleResponses" not in authorizer:
                continue
            rule = template.get("Rules", {}).get("SimpleResponsesAreNotCached")
            asserted = [check["Assert"] for check in (rule or {}).get("Assertions", [])]
            if {"Fn::Equals": [{"Ref": "CacheTtlSeconds"}, 0]} not in asserted:
                yield Finding(authorizer.lines["enableSimpleResponses"], "nothing keeps simple responses from being cached")


def the_reason_stays_inside(template):
    for _, body in bodies(template):
        for name, response in body.get("x-amazon-apigateway-gateway-responses", {}).items():
            for _, value in walk(response):
                if isinstance(value, str) and "context" in value:
                    yield Finding(line_of(value), f"`{name}` tells the client more than its status")
        for path, value in walk(body):
            if isinstance(value, str) and "denyReason" in value:
                yield Finding(line_of(value), "`denyReason` leaves the logs")
    for name, response in resources(template, "AWS::ApiGateway::GatewayResponse"):
        for _, value in walk(properties(response)):
            if isinstance(value, str) and "context" in value:
                yield Finding(line_of(value), f"`{name}` tells the client more than its status")


def denied_calls_get_a_fixed_answer(template):
    for kind, body in bodies(template):
        if kind == "rest" and "ACCESS_DENIED" not in body.get("x-amazon-apigateway-gateway-responses", {}):
            yield Finding(body.line - 1, "without ACCESS_DENIED, API Gateway tells an explicit deny from a missing allow")


def the_default_endpoint_is_off(template):
    for name, resource in resources(template, *API_TYPES):
        given = properties(resource)
        if given.get("DisableExecuteApiEndpoint") is not True:
            line = given.lines.get("DisableExecuteApiEndpoint", resource.line - 1)
            yield Finding(line, f"`{name}` can be reached on its default endpoint, which asks for no certificate")


def domains_ask_for_certificates(template):
    for name, domain in resources(template, "AWS::ApiGateway::DomainName", "AWS::ApiGatewayV2::DomainName"):
        given = properties(domain)
        if "TruststoreUri" not in given.get("MutualTlsAuthentication", {}):
            yield Finding(domain.line - 1, f"`{name}` asks for no client certificate")
    for name, listener in resources(template, "AWS::ElasticLoadBalancingV2::Listener"):
        given = properties(listener)
        if given["Protocol"] != "HTTPS":
            continue
        modes = [value.get("Mode") for _, value in alternatives(given.get("MutualAuthentication", {}))]
        if set(modes) != {"verify", "passthrough"}:
            yield Finding(listener.line - 1, f"`{name}` asks for no client certificate")


def tls_is_1_2_or_later(template):
    for path, value in walk(template["Resources"]):
        if path and path[-1] == "SecurityPolicy" and value != "TLS_1_2":
            yield Finding(line_of(value), f"`{value}` allows old TLS")
        if path and path[-1] == "SslPolicy" and not value.startswith("ELBSecurityPolicy-TLS13-1-2-Res"):
            yield Finding(line_of(value), f"`{value}` allows old TLS or ciphers without forward secrecy")


def logs_hold_no_bodies(template):
    for path, value in walk(template["Resources"]):
        if path and path[-1] == "MethodSettings":
            for setting in value:
                if setting.get("DataTraceEnabled") is not False:
                    yield Finding(setting.lines.get("DataTraceEnabled", setting.line), "data traces log headers and bodies")
                for needed in ("ThrottlingRateLimit", "ThrottlingBurstLimit"):
                    if needed not in setting:
                        yield Finding(setting.line, f"a stage without {needed} is limited by the account alone")


def access_logs_name_the_client(template):
    for path, value in walk(template["Resources"]):
        if path and path[-1] in ("AccessLogSetting", "AccessLogSettings"):
            for key in ("clientCertSubject", "clientCertIssuer", "clientCertSerial", "denyReason"):
                if f'"{key}":"$context.' not in value["Format"]:
                    yield Finding(value.lines["Format"], f"the access log has no `{key}`")
            if "clientCertPem" in value["Format"]:
                yield Finding(value.lines["Format"], "the access log holds the whole certificate")


def no_wildcard_actions(template):
    for path, value in walk(template["Resources"]):
        if isinstance(value, dict) and value.get("Effect") == "Allow" and "Action" in value:
            actions = value["Action"] if isinstance(value["Action"], list) else [value["Action"]]
            for action in actions:
                if "*" in action:
                    yield Finding(line_of(action, value.line), f"`{action}` allows more than is named")
        if isinstance(value, dict) and "NotAction" in value:
            yield Finding(value.lines["NotAction"], "NotAction allows what nobody listed")


def no_open_security_groups(template):
    for path, value in walk(template["Resources"]):
        if path and path[-1] in ("CidrIp", "CidrIpv6") and value in ("0.0.0.0/0", "::/0"):
            yield Finding(line_of(value), "this security group is open to everybody")
        if path and path[-1] == "CidrIp" and isinstance(value, dict):
            parameter = template["Parameters"][value["Ref"]]
            pattern = parameter.get("AllowedPattern", "")
            if not pattern or re.match(pattern, "0.0.0.0/0"):
                yield Finding(parameter.line - 1, f"`{value['Ref']}` may be everybody")
    for name, group in resources(template, "AWS::EC2::SecurityGroup"):
        if "SecurityGroupEgress" not in properties(group):
            yield Finding(group.line - 1, f"`{name}` names no way out, and so has every way out")


def nothing_is_allowed_by_the_web_acl(template):
    for _, acl in resources(template, "AWS::WAFv2::WebACL"):
        for _, rule in walk(properties(acl)["Rules"]):
            if isinstance(rule, dict) and "Allow" in rule.get("Action", {}):
                yield Finding(rule.lines["Action"], "a rule that allows ends the evaluation: what follows is skipped")


def every_parameter_is_used(template):
    used = references(template["Resources"]) | references(template.get("Conditions", {})) | references(template.get("Outputs", {}))
    parameters = template.get("Parameters", {})
    for name, parameter in parameters.items():
        if name not in used:
            yield Finding(parameters.lines[name], f"parameter `{name}` is used by nothing")
        if not parameter.get("Description"):
            yield Finding(parameters.lines[name], f"parameter `{name}` says nothing about itself")
    conditions = template.get("Conditions", {})
    used = references(template["Resources"]) | references(conditions) | references(template.get("Outputs", {}))
    for name in conditions:
        if name not in used:
            yield Finding(conditions.lines[name], f"condition `{name}` is used by nothing")


def every_parameter_is_in_one_group(template):
    interface = template.get("Metadata", {}).get("AWS::CloudFormation::Interface")
    if interface is None:
        return
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    parameters = template["Parameters"]
    for name in parameters:
        if grouped.count(name) != 1:
            yield Finding(parameters.lines[name], f"parameter `{name}` stands in {grouped.count(name)} groups")
    for name in grouped:
        if name not in parameters:
            yield Finding(line_of(name), f"the group names `{name}`, which is no parameter")


def exports_carry_the_stack_name(template):
    for name, output in template.get("Outputs", {}).items():
        if "Export" in output and not str(output["Export"]["Name"]).startswith("{'Fn::Sub': '${AWS::StackName}-"):
            yield Finding(output.lines["Export"], f"the export of `{name}` would clash with that of a second stack")


ALL = [
    every_method_asks_the_authorizer,
    no_route_escapes,
    every_method_sets_every_identity_header,
    what_is_judged_is_in_the_cache_key,
    the_authorizer_is_told_the_cache_time,
    simple_responses_are_never_cached,
    the_reason_stays_inside,
    denied_calls_get_a_fixed_answer,
    the_default_endpoint_is_off,
    domains_ask_for_certificates,
    tls_is_1_2_or_later,
    logs_hold_no_bodies,
    access_logs_name_the_client,
    no_wildcard_actions,
    no_open_security_groups,
    nothing_is_allowed_by_the_web_acl,
    every_parameter_is_used,
    every_parameter_is_in_one_group,
    exports_carry_the_stack_name,
]


def findings(template):
    return [finding for rule in ALL for finding in rule(template)]
