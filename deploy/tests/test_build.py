"""What `sam build` made of template.yaml: a bootstrap that runs on Amazon Linux 2023 and decides, and the layer.

ci/templates.sh builds first and says where (BUILD_DIRECTORY). Without that these tests have nothing to look at.
"""

import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import threading
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


def test_bootstrap_denies_an_event_without_a_certificate(bootstrap, layer):
    answer = invoke(bootstrap, layer, event("GET", "orders", None))
    assert [statement["Effect"] for statement in answer["policyDocument"]["Statement"]] == ["Deny"]
    assert answer["context"]["denyReason"] == "no-client-certificate"


def test_bootstrap_allows_the_client_of_the_configuration(bootstrap, layer, tmp_path):
    answer = invoke(bootstrap, layer, event("GET", "orders/7", certificate(tmp_path, "/O=Acme/CN=orders")))
    statement = answer["policyDocument"]["Statement"][0]
    assert statement["Effect"] == "Allow"
    assert f"{REGION_ARN}/GET/orders/*" in statement["Resource"]
    assert answer["context"]["clientId"] == "orders-service"


def test_bootstrap_denies_another_client_of_the_same_ca(bootstrap, layer, tmp_path):
    answer = invoke(bootstrap, layer, event("GET", "orders/7", certificate(tmp_path, "/O=Acme/CN=invoices")))
    assert [statement["Effect"] for statement in answer["policyDocument"]["Statement"]] == ["Deny"]
    assert answer["context"]["denyReason"] == "no-client-matched"


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


def invoke(bootstrap, layer, payload):
    """One invocation, as Lambda does it: the runtime interface hands out the event and waits for the answer."""
    answered = threading.Event()
    given, outcome = threading.Event(), {}

    class Runtime(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            if given.is_set():
                # Lambda would freeze the process here.
                answered.wait(30)
                self.close_connection = True
                return
            given.set()
            body = json.dumps(payload).encode()
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
            self.send_header("Lambda-Runtime-Deadline-Ms", "4102444800000")
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:111122223333:function:authorizer")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            outcome["path"] = self.path
            if self.headers.get("Transfer-Encoding") == "chunked":
                outcome["body"] = b"".join(self._chunks())
            else:
                outcome["body"] = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()
            answered.set()

        def _chunks(self):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Runtime)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_address[1]}",
        "AWS_LAMBDA_FUNCTION_NAME": "authorizer",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "authorizer",
        "AWS_LAMBDA_LOG_STREAM_NAME": "one",
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
    process = subprocess.Popen([bootstrap], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watcher = threading.Thread(target=lambda: (process.wait(), answered.set()), daemon=True)
    watcher.start()
    try:
        assert answered.wait(30), "the bootstrap did not answer"
    finally:
        process.kill()
        log, _ = process.communicate()
        server.shutdown()
    assert outcome.get("path", "").endswith("/response"), f"no answer but {outcome}; log:\n{log}"
    return json.loads(outcome["body"])
