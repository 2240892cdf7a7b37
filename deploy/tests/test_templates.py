"""Every rule, over every template; and every rule's twin, a template made wrong on purpose."""

import json
import pathlib
import re
import urllib.parse

import pytest

import rules
from template import Text, line_at, load, walk

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATES = ["template.yaml"] + sorted(
    str(path.relative_to(ROOT)) for path in [*ROOT.glob("deploy/*.yaml"), *ROOT.glob("deploy/examples/*.yaml")]
)
REST, HTTP, PRIVATE = "template.yaml", "deploy/http-api.yaml", "deploy/private-api.yaml"
WAF, AUTHORIZER, EXAMPLE = "deploy/waf.yaml", "deploy/authorizer.yaml", "deploy/examples/plain-cloudformation.yaml"
VPC, TRUST_STORE = "deploy/vpc-backend.yaml", "deploy/trust-store.yaml"


def text_of(name):
    return (ROOT / name).read_text()


def test_all_templates_are_here():
    expected = {REST, HTTP, PRIVATE, WAF, AUTHORIZER, EXAMPLE, VPC, TRUST_STORE, "deploy/private-api-consumer.yaml"}
    assert set(TEMPLATES) == expected


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("rule", rules.ALL, ids=lambda rule: rule.__name__)
def test_rule_holds(rule, name):
    found = list(rule(load(text_of(name))))
    assert not found, "\n".join(f"{name}, {finding}" for finding in found)


# ---- Wrong on purpose: (template, the text that is replaced, which of its occurrences, what it becomes, what is said).
# The finding must name the line where the replacement stands, or, where lines were taken out, the method or resource
# that now lacks them.

SPOILED = [
    ("a method without one mapping", REST,
     "                  integration.request.header.X-Client-Id: context.authorizer.clientId\n", 1, "",
     "does not set `X-Client-Id`"),
    ("append for overwrite", HTTP,
     "overwrite:header.X-Client-Cert-Sub: ", 1, "append:header.X-Client-Cert-Sub: ", "keeps what the client sent"),
    ("remove for overwrite", HTTP,
     "overwrite:header.X-Client-Id: ", 0, "remove:header.X-Client-Id: ", "leaves open"),
    ("another letter case", REST,
     "integration.request.header.X-Client-Id: ", 0, "integration.request.header.x-client-id: ", "letter case"),
    ("another key", REST,
     "context.authorizer.clientCertSub\n", 0, "context.authorizer.clientCertCommonName\n", "which every Allow carries"),
    ("a key that is not always there, unconditionally", REST,
     "!If [ForwardsClientCert, context.authorizer.clientCert, \"'none'\"]", 1, "context.authorizer.clientCert",
     "must set `Client-Cert` to `'none'`"),
    ("the branches of a condition swapped", HTTP,
     "!If [ForwardsXfcc, $context.authorizer.clientCertXfcc, none]", 0,
     "!If [ForwardsXfcc, none, $context.authorizer.clientCertXfcc]", "must set `X-Forwarded-Client-Cert`"),
    ("what the client says about itself", REST,
     "X-Client-Cert-Issuer: context.authorizer.clientCertIssuer", 0,
     "X-Client-Cert-Issuer: method.request.header.X-Client-Cert-Issuer", "what the client says"),
    ("a method of plain CloudFormation without a mapping", EXAMPLE,
     "          integration.request.header.X-Client-Cert-Serial: context.authorizer.clientCertSerial\n", 0, "",
     "does not set `X-Client-Cert-Serial`"),
    ("the default endpoint on", REST, "DisableExecuteApiEndpoint: true", 0, "DisableExecuteApiEndpoint: false",
     "default endpoint"),
    ("the default endpoint on, HTTP API", HTTP, "DisableExecuteApiEndpoint: true", 0, "DisableExecuteApiEndpoint: false",
     "default endpoint"),
    ("the default endpoint on, private API", PRIVATE, "DisableExecuteApiEndpoint: true", 0,
     "DisableExecuteApiEndpoint: false", "default endpoint"),
    ("the default endpoint on, plain CloudFormation", EXAMPLE, "DisableExecuteApiEndpoint: true", 0,
     "DisableExecuteApiEndpoint: false", "default endpoint"),
    ("a method that asks nobody", HTTP, "security: [{ ClientCertificate: [] }]", 1, "security: []", "asks no authorizer"),
    ("a method that asks for a key only", REST,
     "security: !If [RequiresApiKey, [{ ClientCertificate: [] }, { ApiKey: [] }], [{ ClientCertificate: [] }]]", 0,
     "security: !If [RequiresApiKey, [{ ApiKey: [] }], [{ ClientCertificate: [] }]]", "asks no authorizer"),
    ("a method open to everyone, plain CloudFormation", EXAMPLE, "AuthorizationType: CUSTOM", 0,
     "AuthorizationType: NONE", "asks no authorizer"),
    ("a path with an unknown method", REST, "            x-amazon-apigateway-any-method:", 0, "            any:",
     "no method that these rules know"),
    ("a cache by default", REST, "    Type: Number\n    Default: 0\n", 0, "    Type: Number\n    Default: 300\n",
     "must not be cached unless"),
    ("a cache that the authorizer knows nothing of", REST, "authorizerResultTtlInSeconds: !Ref CacheTtlSeconds", 0,
     "authorizerResultTtlInSeconds: 300", "the parameter that the authorizer is told"),
    ("no cache time", HTTP, "                authorizerResultTtlInSeconds: !Ref CacheTtlSeconds\n", 0, "",
     "default is 300"),
    ("an authorizer that is told another cache time", REST, "AUTHORIZER_GATEWAY_CACHE_TTL: !Ref CacheTtlSeconds", 0,
     "AUTHORIZER_GATEWAY_CACHE_TTL: 0", "must be told"),
    ("a cached token outside the key", REST,
     "- context.identity.clientCert.clientCertPem, method.request.header.Authorization", 0,
     "- context.identity.clientCert.clientCertPem", "not keyed by `method.request.header.Authorization`"),
    ("a key without the certificate", HTTP, "                    - $context.identity.clientCert.clientCertPem\n", 0,
     "                    - $context.identity.sourceIp\n", "not keyed by `$context.identity.clientCert.clientCertPem`"),
    ("a load balancer's key without the endpoint", PRIVATE, "- - context.identity.vpceId", 0,
     "- - context.identity.sourceIp", "not keyed by `context.identity.vpceId`"),
    ("a load balancer's key without one header", PRIVATE, ", method.request.header.${HeaderPrefix}-Validity", 0, "",
     "-Validity`"),
    ("simple responses with a cache", HTTP,
     "      - Assert: !Equals [!Ref CacheTtlSeconds, 0]", 0, "      - Assert: !Equals [!Ref CacheTtlSeconds, 60]",
     "keeps simple responses from being cached"),
    ("the reason told to the client", REST, """'{"message":"Forbidden"}'""", 0,
     """'{"message":"$context.authorizer.denyReason"}'""", "tells the client more"),
    ("API Gateway's own text told to the client", EXAMPLE, """'{"message":"Forbidden"}'""", 0,
     "'{\"message\":$context.error.messageString}'", "tells the client more"),
    ("the reason sent to the backend", HTTP, "                  overwrite:path: !If", 0,
     "                  overwrite:header.X-Why: $context.authorizer.denyReason\n                  overwrite:path: !If",
     "leaves the logs"),
    ("every action of a service", REST, "Action: s3:GetObject", 0, "Action: s3:*", "allows more than is named"),
    ("a security group open to everyone", PRIVATE, "CidrIp: !Ref ClientCidr", 0, "CidrIp: 0.0.0.0/0", "open to everybody"),
    ("a way out to everywhere", VPC, "CidrIp: 127.0.0.1/32", 0, "CidrIp: 0.0.0.0/0", "open to everybody"),
    ("a web ACL that allows", WAF, "            Action: { Block: {} }", 0, "            Action: { Allow: {} }",
     "ends the evaluation"),
    ("a listener that asks for nothing", PRIVATE, "- { Mode: passthrough }", 0, "- { Mode: 'off' }",
     "asks for no client certificate"),
    ("old TLS", HTTP, "SecurityPolicy: TLS_1_2", 0, "SecurityPolicy: TLS_1_0", "allows old TLS"),
    ("data traces", REST, "DataTraceEnabled: false", 0, "DataTraceEnabled: true", "data traces"),
    ("an access log without the reason", REST, '"denyReason":"$context.authorizer.denyReason"', 0, '"x":"y"',
     "the access log has no `denyReason`"),
    ("a parameter for nothing", WAF, "Parameters:\n  StageArn:", 0,
     "Parameters:\n  Unused:\n    Type: String\n    Description: Nothing\n  StageArn:", "used by nothing"),
    ("an export that clashes", AUTHORIZER, "Export: { Name: !Sub '${AWS::StackName}-AuthorizerUri' }", 0,
     "Export: { Name: AuthorizerUri }", "would clash"),
]

# Where the finding stands when it is not the line of the replacement: the text of the line that must be named instead.
ELSEWHERE = {
    "a method without one mapping": "requestParameters:",
    "a method of plain CloudFormation without a mapping": "RequestParameters:",
    "no cache time": "x-amazon-apigateway-authorizer:",
    "a cache by default": "Default: 300",
    "simple responses with a cache": "enableSimpleResponses:",
    "an access log without the reason": "Format: >-",
    "a listener that asks for nothing": "  Listener:",
    "a parameter for nothing": "  Unused:",
    "remove for overwrite": "remove:header.X-Client-Id:",
    "a load balancer's key without the endpoint": "- !Join",
    "a load balancer's key without one header": "- !Join",
}


def spoil(text, old, occurrence, new):
    """The text with one occurrence of `old` replaced, and the line where that happened."""
    start = -1
    for _ in range(occurrence + 1):
        start = text.find(old, start + 1)
        assert start >= 0, f"`{old}` is not there to be spoiled"
    return text[:start] + new + text[start + len(old):], text.count("\n", 0, start) + 1


@pytest.mark.parametrize("case", SPOILED, ids=lambda case: case[0].replace(" ", "-"))
def test_spoiled_template_is_found_by_line(case):
    title, name, old, occurrence, new, said = case
    text, line = spoil(text_of(name), old, occurrence, new)
    found = rules.findings(load(text))
    about = [finding for finding in found if said in finding.text]
    assert about, f"nobody noticed: {title}; found {[str(finding) for finding in found]}"
    lines = text.splitlines()
    if title in ELSEWHERE:
        assert ELSEWHERE[title] in lines[about[0].line - 1], f"{about[0]} names `{lines[about[0].line - 1].strip()}`"
    else:
        assert about[0].line in range(line, line + new.count("\n") + 1), f"{about[0]}, but it was spoiled in line {line}"


def test_every_rule_has_a_spoiled_template_that_it_finds():
    caught = set()
    for _, name, old, occurrence, new, _ in SPOILED:
        template = load(spoil(text_of(name), old, occurrence, new)[0])
        caught |= {rule.__name__ for rule in rules.ALL if list(rule(template))}
    # These three are caught by what is taken away or added as a whole; the tests below do that.
    whole = {"no_route_escapes", "denied_calls_get_a_fixed_answer", "every_parameter_is_in_one_group"}
    assert caught | whole == {rule.__name__ for rule in rules.ALL}


def test_a_route_added_by_a_function_is_found():
    text, line = spoil(text_of(REST), "      CodeUri: .\n", 0,
                       "      CodeUri: .\n      Events: { Open: { Type: Api, Properties: { Path: /open, Method: get } } }\n")
    assert [finding.line for finding in rules.no_route_escapes(load(text))] == [line + 1]


def test_a_missing_gateway_response_is_found():
    text, line = spoil(text_of(REST), "          ACCESS_DENIED:", 0, "          THROTTLED:")
    assert list(rules.denied_calls_get_a_fixed_answer(load(text)))


def test_a_parameter_outside_the_groups_is_found():
    text, _ = spoil(text_of(WAF), "          - RateLimit\n", 0, "")
    [finding] = rules.every_parameter_is_in_one_group(load(text))
    assert text.splitlines()[finding.line - 1] == "  RateLimit:"


# ---- template.yaml and deploy/http-api.yaml repeat deploy/authorizer.yaml

# What these APIs settle, and so is no parameter there.
SETTLED = {
    REST: {"SourceKind": "api-gateway", "VpcEndpoints": "", "HttpApiResponse": ""},
    HTTP: {
        "SourceKind": "api-gateway",
        "VpcEndpoints": "",
        "HttpApiResponse": {"Fn::If": ["AnswersSimply", "simple", "iam"]},
    },
}
# API Gateway is let in by a permission there, not by a role.
LEFT_OUT = {REST: set(), HTTP: {"AuthorizerInvokeRole"}}
FOLDERS = ("CodeUri", "ContentUri")


def settle(value, settled):
    if isinstance(value, dict):
        if list(value) == ["Ref"] and value["Ref"] in settled:
            return settled[value["Ref"]]
        return {key: settle(item, settled) for key, item in value.items()}
    if isinstance(value, list):
        return [settle(item, settled) for item in value]
    return value


def folder(template, uri):
    return (ROOT / template).parent.joinpath(uri).resolve()


def differences(name, text):
    """Where the authorizer of this template is not that of deploy/authorizer.yaml."""
    repeated, alone = load(text)["Resources"], load(text_of(AUTHORIZER))["Resources"]
    for resource in alone.keys() - LEFT_OUT[name]:
        if resource not in repeated:
            yield rules.Finding(0, f"`{resource}` is missing")
            continue
        ours = dict(walk(repeated[resource]))
        theirs = dict(walk(settle(alone[resource], SETTLED[name])))
        for path, value in ours.items():
            if isinstance(value, (dict, list)):
                continue
            same = value == theirs.get(path)
            if path[-1] in FOLDERS:
                same = folder(name, value) == folder(AUTHORIZER, theirs.get(path))
            if not same:
                line = line_at(repeated[resource], path)
                yield rules.Finding(line, f"{resource} {path}: {value!r} is {theirs.get(path)!r} in {AUTHORIZER}")
        for path in theirs.keys() - ours.keys():
            yield rules.Finding(repeated[resource].line, f"{resource} lacks {path}")


@pytest.mark.parametrize("name", SETTLED)
def test_the_authorizer_is_repeated_faithfully(name):
    assert not list(differences(name, text_of(name)))


@pytest.mark.parametrize("name", SETTLED)
def test_shared_parameters_conditions_and_rules_are_the_same(name):
    repeated, alone = load(text_of(name)), load(text_of(AUTHORIZER))
    for parameter in alone["Parameters"].keys() - SETTLED[name].keys() - {"CacheTtlSeconds"}:
        assert repeated["Parameters"][parameter] == alone["Parameters"][parameter], parameter
    for condition in alone["Conditions"]:
        assert repeated["Conditions"][condition] == alone["Conditions"][condition], condition
    assert repeated["Rules"]["OneConfiguration"] == alone["Rules"]["OneConfiguration"]


@pytest.mark.parametrize("name", SETTLED)
def test_an_unfaithful_repetition_is_found_by_line(name):
    for old, new in (
        ("Handler: bootstrap", "Handler: other"),
        ("Timeout: 8", "Timeout: 30"),
        ("Action: kms:Decrypt", "Action: kms:Encrypt"),
        ("AUTHORIZER_SOURCE_KIND: api-gateway", "AUTHORIZER_SOURCE_KIND: alb-verify"),
    ):
        text, line = spoil(text_of(name), old, 0, new)
        assert [finding.line for finding in differences(name, text)] == [line]


def test_the_nested_authorizer_gets_every_parameter_by_name():
    alone = load(text_of(AUTHORIZER))["Parameters"].keys()
    given = load(text_of(PRIVATE))["Resources"]["Authorizer"]["Properties"]["Parameters"].keys()
    # No HTTP API here.
    assert alone - given == {"HttpApiResponse"} and not given - alone


# ---- The private API's path

def test_both_policies_of_the_private_api_refuse_what_came_by_another_endpoint():
    resources = load(text_of(PRIVATE))["Resources"]
    for policy in (resources["RestApi"]["Properties"]["DefinitionBody"]["x-amazon-apigateway-policy"],
                   resources["Domain"]["Properties"]["Policy"]):
        deny = [statement for statement in policy["Statement"] if statement["Effect"] == "Deny"]
        assert [statement["Condition"] for statement in deny] == [{"StringNotEquals": {"aws:SourceVpce": {"Ref": "Endpoint"}}}]
        assert deny[0]["Principal"] == "*" and deny[0]["Resource"] == "execute-api:/*"


def test_the_private_authorizer_is_pinned_to_the_endpoint():
    given = load(text_of(PRIVATE))["Resources"]["Authorizer"]["Properties"]["Parameters"]
    assert given["VpcEndpoints"] == {"Ref": "Endpoint"}
    assert given["SourceKind"] == {"Fn::If": ["Verifies", "alb-verify", "alb-passthrough"]}


def test_only_the_load_balancer_reaches_the_endpoint():
    resources = load(text_of(PRIVATE))["Resources"]
    [rule] = resources["EndpointSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert rule["SourceSecurityGroupId"] == {"Ref": "BalancerSecurityGroup"} and "CidrIp" not in rule
    added = [name for name, resource in resources.items()
             if resource["Type"] == "AWS::EC2::SecurityGroupIngress"
             and resource["Properties"]["GroupId"] == {"Ref": "EndpointSecurityGroup"}]
    assert added == []


def test_the_headers_of_the_load_balancer_are_all_renamed_and_secret():
    template = load(text_of(PRIVATE))
    attributes = template["Resources"]["Listener"]["Properties"]["ListenerAttributes"]
    renamed = {re.fullmatch(r"routing\.http\.request\.x_amzn_mtls_(\w+)\.header_name", item["Key"])[1] for item in attributes}
    assert renamed == {"clientcert", "clientcert_leaf", "clientcert_serial_number", "clientcert_subject", "clientcert_issuer",
                       "clientcert_validity"}
    assert all(item["Value"]["Fn::Sub"].startswith("${HeaderPrefix}-") for item in attributes)
    prefix = template["Parameters"]["HeaderPrefix"]
    assert prefix["NoEcho"] is True and "Default" not in prefix and prefix["MinLength"] >= 16
    longest = max(len(item["Value"]["Fn::Sub"]) for item in attributes) - len("${HeaderPrefix}") + prefix["MaxLength"]
    assert longest <= 40
    for output in template["Outputs"].values():
        assert "HeaderPrefix" not in str(output)


# ---- The web ACL, by example

def test_forged_identity_headers_match_and_honest_requests_do_not():
    patterns = load(text_of(WAF))["Resources"]["IdentityHeaderNames"]["Properties"]["RegularExpressionList"]

    def forged(*names):
        return any(re.search(pattern, ":".join(names).lower()) for pattern in patterns)

    for name in [*rules.ALWAYS, *rules.CONFIGURED]:
        for spelled in (name, name.lower(), name.upper(), name.replace("-", "_"), name.replace("-", "_", 1)):
            assert forged("Host", spelled, "Accept"), spelled
            assert forged(spelled), spelled
    for name in ("X-Client-Certificate-San", "X_Client_Cert_San_Dns"):
        assert forged("host", name), name
    assert not forged("Host", "Accept", "Authorization", "X-Request-Id", "X-Forwarded-For", "X-Api-Key", "Content-Type", "X-Client-Version")


def test_ambiguous_paths_match_and_honest_ones_do_not():
    patterns = load(text_of(WAF))["Resources"]["AmbiguousPaths"]["Properties"]["RegularExpressionList"]

    def ambiguous(path):
        # What the rule's transformations make of it.
        decoded = urllib.parse.unquote(path).lower()
        return any(re.search(pattern, decoded) for pattern in patterns)

    for path in ("/orders/../admin", "/orders/%2e%2e/admin", "/orders/.%2E/admin", "/orders/..", "/orders/./7", "//orders",
                 "/orders//7", "/orders/..;/admin", "/orders\\..\\admin", "/orders/%5c..", "/orders/%252e%252e/admin",
                 "/orders%252fadmin", "/orders/..%2fadmin"):
        assert ambiguous(path), path
    for path in ("/", "/orders", "/orders/7", "/orders/7.json", "/orders/v1..2", "/.well-known/jwks.json", "/orders/...",
                 "/orders/a%20b", "/orders/100%25", "/orders/%C3%A9"):
        assert not ambiguous(path), path


def test_the_web_acl_blocks_addresses_before_it_counts():
    entries = load(text_of(WAF))["Resources"]["WebAcl"]["Properties"]["Rules"]
    entries = [entry["Fn::If"][1] if "Fn::If" in entry else entry for entry in entries]
    names = [entry["Name"] for entry in entries]
    assert names[:3] == ["addresses", "forged-identity-headers", "ambiguous-paths"]
    assert names.index("rate") == 3 and set(names[4:]) == {"ip-reputation", "common", "known-bad-inputs"}
    assert [entry["Priority"] for entry in entries] == list(range(len(entries)))
    assert "NotStatement" in entries[0]["Statement"]


# ---- Across files

def test_the_example_imports_what_the_authorizer_exports():
    outputs = load(text_of(AUTHORIZER))["Outputs"].values()
    exported = {output["Export"]["Name"]["Fn::Sub"].removeprefix("${AWS::StackName}") for output in outputs}
    imported = {
        value["Fn::ImportValue"]["Fn::Sub"].removeprefix("${AuthorizerStackName}")
        for _, value in walk(load(text_of(EXAMPLE)))
        if isinstance(value, dict) and "Fn::ImportValue" in value
    }
    assert imported == {"-AuthorizerUri", "-AuthorizerCredentials"} and imported <= exported


@pytest.mark.parametrize("name", TEMPLATES)
def test_access_logs_are_json(name):
    for path, value in walk(load(text_of(name))["Resources"]):
        if path and path[-1] in ("AccessLogSetting", "AccessLogSettings"):
            assert "\n" not in value["Format"]
            assert all(field.startswith("$context.") for field in json.loads(value["Format"]).values())


# ---- Documentation

@pytest.mark.parametrize("name", [name for name in TEMPLATES if "examples" not in name])
def test_every_parameter_is_documented(name):
    docs = (ROOT / "docs" / "deploy.md").read_text()
    missing = [parameter for parameter in load(text_of(name))["Parameters"] if f"`{parameter}`" not in docs]
    assert not missing, f"docs/deploy.md says nothing of {missing}"


def test_every_skip_of_the_scanner_says_why():
    for name in TEMPLATES:
        for path, value in walk(load(text_of(name))):
            if path and path[-1] == "skip":
                for skip in value:
                    assert isinstance(skip["comment"], Text) and len(skip["comment"]) > 7, f"{name}, line {skip.line}"
