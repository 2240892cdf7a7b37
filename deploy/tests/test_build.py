"""What `sam build` made of template.yaml: a bootstrap that runs on Amazon Linux 2023 and decides, and the layer.

The bootstrap runs behind AWS's own Runtime Interface Emulator, the program in Lambda's base images, which the SAM CLI
carries. ci/templates.sh builds first and says where (BUILD_DIRECTORY). Without that these tests have nothing to look at.
"""

import contextlib
import importlib.resources
import json
import os
import pathlib
import platform
import re
import shutil
import socket
import subprocess
import urllib.request
import zipfile

import pytest

from template import load

BUILD = os.environ.get("BUILD_DIRECTORY")
# The C library of provided.al2023.
NEWEST_GLIBC = (2, 34)
REGION_ARN = "arn:aws:execute-api:eu-central-1:111122223333:a1b2c3d4e5/live"

pytestmark = pytest.mark.skipif(BUILD is None, reason="BUILD_DIRECTORY is not set: nothing was built")


@pytest.fixture(scope="module")
def built():
    return load((pathlib.Path(BUILD) / "template.yaml").read_text())["Resources"]


@pytest.fixture(scope="module")
def bootstrap(built):
    return (pathlib.Path(BUILD) / built["AuthorizerFunction"]["Properties"]["CodeUri"] / "bootstrap").resolve()


@pytest.fixture(scope="module")
def layer(built, tmp_path_factory):
    """The layer, packed as `sam deploy` would pack it, and unpacked as Lambda would below /opt."""
    # What `sam package` packs with.
    from samcli.lib.package.utils import make_zip_with_lambda_permissions, zip_folder

    folder = (pathlib.Path(BUILD) / built["ConfigurationLayer"]["Properties"]["ContentUri"]).resolve()
    opt = tmp_path_factory.mktemp("opt")
    with zip_folder(str(folder), zip_method=make_zip_with_lambda_permissions) as (archive, _):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(opt)
            opt.joinpath(".names").write_text("\n".join(packed.namelist()))
    return opt


@pytest.fixture(scope="module")
def function(bootstrap, layer, tmp_path_factory):
    """Invokes the bootstrap with a payload, and gives what came back."""
    folder = tmp_path_factory.mktemp("emulator")
    emulator = folder / "aws-lambda-rie"
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
    carried = importlib.resources.files("samcli.local.rapid") / f"aws-lambda-rie-{machine}"
    emulator.write_bytes(carried.read_bytes())
    emulator.chmod(0o755)
    (invocations, runtime_api), log = free_ports(), folder / "log"
    environment = {
        "AWS_LAMBDA_FUNCTION_NAME": "authorizer",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "10",
        "AWS_REGION": "eu-central-1",
        "LAMBDA_TASK_ROOT": str(bootstrap.parent),
        # Stands for /opt, which only Lambda may fill.
        "AUTHORIZER_CONFIG": str(layer / "authorizer.toml"),
        "AUTHORIZER_CONFIG_TOML": "",
        "AUTHORIZER_SOURCE_KIND": "api-gateway",
        "AUTHORIZER_VPC_ENDPOINTS": "",
        "AUTHORIZER_HTTP_API": "",
        "AUTHORIZER_GATEWAY_CACHE_TTL": "0",
    }
    command = [
        emulator, "--runtime-interface-emulator-address", f"127.0.0.1:{invocations}",
        "--runtime-api-address", f"127.0.0.1:{runtime_api}", bootstrap,
    ]

    def invoke(payload):
        url = f"http://127.0.0.1:{invocations}/2015-03-31/functions/function/invocations"
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as response:
            answer = response.read()
        assert answer, log.read_text()
        return json.loads(answer)

    with log.open("wb") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process:
        try:
            wait_for(invocations, process, log)
            yield invoke
        finally:
            process.terminate()


def free_ports():
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def wait_for(port, process, log):
    for _ in range(300):
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
                break
    pytest.fail(f"the Runtime Interface Emulator does not listen\n{log.read_text()}")


def test_the_layer_holds_the_configuration(layer):
    assert "authorizer.toml" in layer.joinpath(".names").read_text().splitlines()
    assert "[[client]]" in layer.joinpath("authorizer.toml").read_text()


def test_the_layer_holds_no_private_key(layer):
    for path in layer.rglob("*"):
        if path.is_file():
            assert b"PRIVATE KEY" not in path.read_bytes(), path.name


def test_bootstrap_needs_no_newer_c_library_than_lambda_has(bootstrap):
    needed = {tuple(map(int, version.split(b"."))) for version in re.findall(rb"GLIBC_(\d+(?:\.\d+)+)", bootstrap.read_bytes())}
    assert needed and max(tuple(version[:2]) for version in needed) <= NEWEST_GLIBC


def test_bootstrap_is_executable(bootstrap):
    assert os.access(bootstrap, os.X_OK)


def test_bootstrap_denies_an_event_without_a_certificate(function):
    answer = function(event("GET", "orders", None))
    assert [statement["Effect"] for statement in answer["policyDocument"]["Statement"]] == ["Deny"]
    assert answer["context"]["denyReason"] == "no-client-certificate"


def test_bootstrap_allows_the_client_of_the_configuration(function, tmp_path):
    answer = function(event("GET", "orders/7", certificate(tmp_path, "/O=Acme/CN=orders")))
    statement = answer["policyDocument"]["Statement"][0]
    assert statement["Effect"] == "Allow"
    assert f"{REGION_ARN}/GET/orders/*" in statement["Resource"]
    assert answer["context"]["clientId"] == "orders-service"


def test_bootstrap_denies_another_client_of_the_same_ca(function, tmp_path):
    answer = function(event("GET", "orders/7", certificate(tmp_path, "/O=Acme/CN=invoices")))
    assert [statement["Effect"] for statement in answer["policyDocument"]["Statement"]] == ["Deny"]
    assert answer["context"]["denyReason"] == "no-client-matched"


def test_bootstrap_reports_what_is_no_event_and_serves_the_next_call(function):
    for nothing in (b"{}", b'"text"', json.dumps({"type": "TOKEN"}).encode()):
        assert function(nothing)["errorType"] == "MalformedEvent"
        answer = function(event("GET", "orders", None))
        assert answer["context"]["denyReason"] == "no-client-certificate"


def test_bootstrap_answers_an_event_of_lambdas_largest_size(function):
    largest = event("GET", "orders", None)
    largest["body"] = "x" * (6 * 1024 * 1024 - len(json.dumps(largest)))
    assert function(largest)["context"]["denyReason"] == "no-client-certificate"


def event(method, path, pem):
    identity = {"sourceIp": "203.0.113.7"}
    if pem is not None:
        identity["clientCert"] = {
            "clientCertPem": pem,
            "subjectDN": "", "issuerDN": "", "serialNumber": "0",
            "validity": {"notBefore": "", "notAfter": ""},
        }
    return {
        "type": "REQUEST",
        "methodArn": f"{REGION_ARN}/{method}/{path}",
        "resource": "/{proxy+}",
        "path": f"/{path}",
        "httpMethod": method,
        "headers": {}, "multiValueHeaders": {},
        "queryStringParameters": {}, "multiValueQueryStringParameters": {},
        "pathParameters": {"proxy": path}, "stageVariables": {},
        "requestContext": {
            "accountId": "111122223333", "apiId": "a1b2c3d4e5", "stage": "live",
            "requestId": "3f1a", "httpMethod": method, "path": f"/{path}", "identity": identity,
        },
    }


def certificate(folder, subject):
    """A client certificate of that subject from the sample's CA, valid for a day from now."""
    if shutil.which("openssl") is None:
        message = "SKIPPED: the built bootstrap with a certificate needs openssl"
        if os.environ.get("CI"):
            pytest.fail(message)
        print(message)
        pytest.skip(message)

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "1", "-subj", "/O=Acme/CN=Acme Issuing CA")
    openssl("req", *key, "-keyout", "client.key", "-out", "client.csr", "-subj", subject)
    folder.joinpath("client.ext").write_text("extendedKeyUsage = clientAuth\nkeyUsage = digitalSignature\n")
    openssl("x509", "-req", "-in", "client.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "1", "-extfile", "client.ext", "-out", "client.pem")
    return folder.joinpath("client.pem").read_text()
