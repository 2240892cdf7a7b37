"""What CloudFormation gets to see: the templates after SAM's transform, which adds and moves things."""

import pytest
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from template import load
from test_templates import HTTP, PRIVATE, REST, text_of


class NoManagedPolicies:
    """Ours are roles with policies of their own; SAM has nothing to look up."""

    def load(self):
        return {}


@pytest.fixture(params=[REST, HTTP, PRIVATE])
def name(request):
    return request.param


@pytest.fixture
def transformed(name, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    template = yaml_parse(text_of(name))
    for resource in template["Resources"].values():
        # SAM sees folders only after they were uploaded.
        for key in ("CodeUri", "ContentUri", "Location"):
            if key in resource.get("Properties", {}):
                resource["Properties"][key] = "s3://bucket/key" if key != "Location" else "https://bucket.example/key"
    return transform(template, {}, NoManagedPolicies())


def of_type(template, kind):
    return {name: item["Properties"] for name, item in template["Resources"].items() if item["Type"] == kind}


def test_the_body_turns_the_default_endpoint_off(transformed):
    [api] = [*of_type(transformed, "AWS::ApiGateway::RestApi").values(), *of_type(transformed, "AWS::ApiGatewayV2::Api").values()]
    assert api["Body"]["servers"] == [{"x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": True}}]


def test_there_is_one_stage(transformed):
    stages = of_type(transformed, "AWS::ApiGateway::Stage") | of_type(transformed, "AWS::ApiGatewayV2::Stage")
    assert len(stages) == 1


def test_the_domain_is_mapped_to_that_stage(transformed):
    kinds = ("AWS::ApiGateway::BasePathMapping", "AWS::ApiGateway::BasePathMappingV2", "AWS::ApiGatewayV2::ApiMapping")
    [mapping] = [item for kind in kinds for item in of_type(transformed, kind).values()]
    stages = of_type(transformed, "AWS::ApiGateway::Stage") | of_type(transformed, "AWS::ApiGatewayV2::Stage")
    assert mapping["Stage"] == {"Ref": next(iter(stages))}


def test_sam_adds_no_role_and_no_permission(name, transformed):
    written = load(text_of(name))["Resources"]
    for kind in ("AWS::IAM::Role", "AWS::Lambda::Permission"):
        assert set(of_type(transformed, kind)) == {key for key, item in written.items() if item["Type"] == kind}


def test_the_methods_are_those_of_the_template(transformed):
    [api] = [*of_type(transformed, "AWS::ApiGateway::RestApi").values(), *of_type(transformed, "AWS::ApiGatewayV2::Api").values()]
    methods = {(path, method) for path, item in api["Body"]["paths"].items() for method in item}
    assert methods == {("/", "x-amazon-apigateway-any-method"), ("/{proxy+}", "x-amazon-apigateway-any-method")}
