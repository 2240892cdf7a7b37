#!/usr/bin/env python3
"""Makes the throwaway PKI in `pki/`, the sample events beside it, `expected.json` and the README's table.

    python3 events/make.py          # needs OpenSSL 3 and nothing but Python's standard library

Every byte comes out the same on every run: keys are derived from their names, the CAs sign with RSA
PKCS #1 v1.5, and all dates are fixed. So the private keys are as good as public. They are written to
`target/events/` only, and the PKI proves nothing to anybody: never trust it outside these tests.

To add a certificate, extend `make_pki`; to add an event, extend `make_events`.
"""

import base64
import copy
import datetime
import hashlib
import hmac
import json
import pathlib
import shutil
import subprocess
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
PKI = HERE / "pki"
WORK = HERE.parent / "target" / "events"


# --- Keys, derived from their names ---------------------------------------------------------------


def octets(name, count):
    """`count` octets that look random and depend on nothing but `name`."""
    return hashlib.shake_256(f"mtls-authorizer sample PKI: {name}".encode()).digest(count)


def tlv(tag, *contents):
    """One element of DER."""
    content = b"".join(contents)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def integer(value):
    """A non-negative INTEGER of DER."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def is_prime(candidate, rounds=20):
    """Miller-Rabin with the first primes as bases, after trial division by them."""
    bases = [p for p in range(2, 200) if all(p % q for q in range(2, p))]
    if any(candidate % p == 0 for p in bases):
        return False
    odd, twos = candidate - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in bases[:rounds]:
        power = pow(base, odd, candidate)
        if power in (1, candidate - 1):
            continue
        for _ in range(twos - 1):
            power = pow(power, 2, candidate)
            if power == candidate - 1:
                break
        else:
            return False
    return True


def prime(name, bits):
    """The first prime p, with p - 1 prime to 65537, at or above a number that `name` gives."""
    top = 0b11 << (bits - 2)
    candidate = int.from_bytes(octets(name, bits // 8), "big") | top | 1
    while candidate % 65537 == 1 or not is_prime(candidate):
        candidate += 2
    return candidate


def rsa_key(name, bits):
    """An RSAPrivateKey of RFC 8017."""
    p, q = prime(f"{name} p", bits // 2), prime(f"{name} q", bits // 2)
    d = pow(65537, -1, (p - 1) * (q - 1))
    fields = [0, p * q, 65537, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)]
    return "RSA PRIVATE KEY", tlv(0x30, *map(integer, fields))


def ec_key(name, curve_oid, size):
    """An ECPrivateKey of RFC 5915; OpenSSL works out the public key."""
    scalar = (int.from_bytes(octets(name, size), "big") >> 8) + 1
    key = tlv(0x30, integer(1), tlv(0x04, scalar.to_bytes(size, "big")), tlv(0xA0, curve_oid))
    return "EC PRIVATE KEY", key


def edwards_key(name, oid, size):
    """A PrivateKeyInfo of RFC 8410."""
    seed = tlv(0x04, tlv(0x04, octets(name, size)))
    return "PRIVATE KEY", tlv(0x30, integer(0), tlv(0x30, oid), seed)


KEY_KINDS = {
    "rsa-1024": lambda name: rsa_key(name, 1024),
    "rsa-2048": lambda name: rsa_key(name, 2048),
    "p-256": lambda name: ec_key(name, bytes.fromhex("06082a8648ce3d030107"), 32),
    "p-384": lambda name: ec_key(name, bytes.fromhex("06052b81040022"), 48),
    "p-521": lambda name: ec_key(name, bytes.fromhex("06052b81040023"), 66),
    "secp256k1": lambda name: ec_key(name, bytes.fromhex("06052b8104000a"), 32),
    "ed25519": lambda name: edwards_key(name, bytes.fromhex("06032b6570"), 32),
    "ed448": lambda name: edwards_key(name, bytes.fromhex("06032b6571"), 57),
}


def make_key(name, kind):
    """Writes the private key to `target/events/` and gives its path."""
    label, der = KEY_KINDS[kind](name)
    path = WORK / f"{name}.key"
    path.write_text(pem(label, der))
    path.chmod(0o600)
    return path


def pem(label, der):
    text = base64.b64encode(der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


# --- Certificates, by the OpenSSL command line ----------------------------------------------------

CLIENT = "/C=US/O=Acme/CN=orders"
CA_CONFIG = """
[ca]
default_ca = this
[this]
database = {work}/index.txt
serial = {work}/serial
crlnumber = {work}/crlnumber
new_certs_dir = {work}/new
unique_subject = no
default_md = {digest}
policy = anything
preserve = yes
email_in_dn = yes
[anything]
countryName = optional
organizationName = optional
commonName = optional
[req]
distinguished_name = none
string_mask = utf8only
[none]
[extensions]
{extensions}
"""

ROOT = """
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""
ISSUING = """
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def leaf(
    usage="clientAuth",
    key_usage="critical, digitalSignature",
    san="DNS:orders.acme.example, URI:spiffe://acme/orders/1",
    more="",
):
    """The extensions of a client certificate."""
    return f"""
basicConstraints = critical, CA:FALSE
keyUsage = {key_usage}
extendedKeyUsage = {usage}
subjectAltName = {san}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
{more}
"""


def run(*command):
    """Runs a command and gives what it prints; its own words, should it fail."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def make_certificate(
    name,
    subject,
    extensions,
    issuer="issuing",
    kind="p-256",
    not_before="20200101000000Z",
    not_after="20991231235959Z",
    digest="sha256",
):
    """Makes `pki/NAME.pem`; without extensions, a v1 certificate. The issuer may be NAME itself."""
    key = make_key(name, kind)
    config = WORK / "openssl.cnf"
    config.write_text(CA_CONFIG.format(work=WORK, digest=digest, extensions=extensions or ""))
    (WORK / "index.txt").write_text("")
    # 127 bits: positive, and with a first octet that is not zero.
    serial = int.from_bytes(octets(f"{name} serial", 16), "big") >> 1 | 1 << 126
    (WORK / "serial").write_text(f"{serial:032X}\n")
    request, certificate = WORK / f"{name}.csr", PKI / f"{name}.pem"
    run("openssl", "req", "-new", "-config", config, "-key", key, "-subj", subject, "-out", request)
    signer = ["-selfsign"] if issuer == name else ["-cert", PKI / f"{issuer}.pem"]
    run(
        *["openssl", "ca", "-batch", "-notext", "-config", config, "-in", request],
        *[*signer, "-keyfile", WORK / f"{issuer}.key", "-out", certificate],
        *["-startdate", not_before, "-enddate", not_after],
        *(["-extensions", "extensions"] if extensions else []),
    )


def make_crl(name, revoked):
    """Makes `pki/NAME.crl`: the issuing CA's list, good until 2099, with one certificate on it."""
    config = WORK / "openssl.cnf"
    extensions = "authorityKeyIdentifier = keyid"
    config.write_text(CA_CONFIG.format(work=WORK, digest="sha256", extensions=extensions))
    (WORK / "crlnumber").write_text("01\n")
    serial = run("openssl", "x509", "-noout", "-serial", "-in", PKI / f"{revoked}.pem")
    serial = serial.strip().removeprefix("serial=")
    fields = ["R", "20991231235959Z", "250601000000Z,keyCompromise", serial, "unknown", CLIENT]
    (WORK / "index.txt").write_text("\t".join(fields) + "\n")
    run(
        *["openssl", "ca", "-gencrl", "-config", config, "-crlexts", "extensions"],
        *["-cert", PKI / "issuing.pem", "-keyfile", WORK / "issuing.key"],
        *["-crl_lastupdate", "20260101000000Z", "-crl_nextupdate", "20991231235959Z"],
        *["-out", PKI / f"{name}.crl"],
    )


def make_pki():
    """Every certificate. The file's name says what is special; the rest is as in `client`."""
    for directory in (PKI, WORK, WORK / "new"):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)

    make_certificate("root", "/C=US/O=Acme/CN=Acme Root CA", ROOT, "root", "rsa-2048")
    make_certificate("issuing", "/C=US/O=Acme/CN=Acme Issuing CA", ISSUING, "root", "rsa-2048")

    # What the policy admits, in every kind of key and made by the tools that people use.
    make_certificate("client", CLIENT, leaf())
    make_certificate("p384", CLIENT, leaf(), kind="p-384")
    make_certificate("p521", CLIENT, leaf(), kind="p-521")
    make_certificate("ed25519", CLIENT, leaf(), kind="ed25519")
    make_certificate("rsa", CLIENT, leaf(), kind="rsa-2048")
    # As by `openssl x509 -req` without an extension file, in the walk-throughs for API Gateway:
    # X.509 v1. (`openssl ca` without extensions makes the same, and lets the dates be fixed.)
    make_certificate("v1", CLIENT, None, kind="rsa-2048")
    # As by `step certificate create "Acme Orders"`: the subject, space included, becomes a dNSName.
    make_certificate("step", "/CN=Acme Orders", leaf("serverAuth, clientAuth", san="DNS:Acme Orders"))
    # 398 days, the most that `max_validity = "398d"` takes, and a second more.
    year = {"not_before": "20260101000000Z"}
    make_certificate("398-days", CLIENT, leaf(), not_after="20270203000000Z", **year)
    make_certificate("399-days", CLIENT, leaf(), not_after="20270203000001Z", **year)

    # What nobody should admit.
    make_certificate("other-client", "/C=US/O=Acme/CN=billing", leaf(san="DNS:billing.acme.example"))
    make_certificate("two-common-names", CLIENT + "/CN=admin", leaf())
    make_certificate("expired", CLIENT, leaf(), not_after="20201231235959Z")
    make_certificate("not-yet-valid", CLIENT, leaf(), not_before="20980101000000Z")
    make_certificate("server", CLIENT, leaf("serverAuth"))
    make_certificate("any-usage", CLIENT, leaf("anyExtendedKeyUsage"))
    make_certificate("key-usage", CLIENT, leaf(key_usage="critical, keyEncipherment"))
    critical = "1.3.6.1.4.1.55555.1 = critical, ASN1:NULL"
    make_certificate("unknown-critical", CLIENT, leaf(more=critical))
    make_certificate("rsa-1024", CLIENT, leaf(), kind="rsa-1024")
    make_certificate("ed448", CLIENT, leaf(), kind="ed448")
    make_certificate("secp256k1", CLIENT, leaf(), kind="secp256k1")
    make_certificate("sha1", CLIENT, leaf(), digest="sha1")
    # As by `openssl req -x509`: self-signed, with CA:TRUE.
    self_signed = "subjectKeyIdentifier = hash\nbasicConstraints = critical, CA:TRUE"
    make_certificate("self-signed", CLIENT, self_signed, "self-signed", "rsa-2048")
    # Another CA, which calls itself by our issuing CA's name. What names alone cannot tell apart.
    make_certificate("impostor-ca", "/C=US/O=Acme/CN=Acme Issuing CA", ROOT, "impostor-ca", "rsa-2048")
    make_certificate("impostor", CLIENT, leaf(), "impostor-ca")

    make_certificate("revoked", CLIENT, leaf())
    make_crl("issuing", "revoked")

    make_token_issuer()


# --- Tokens -------------------------------------------------------------------------------------

ISSUER = "https://login.acme.example/"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_token_issuer():
    """Makes the issuer's keys, and its JWK Set in `pki/issuer.jwks`. Both algorithms sign without chance."""
    make_key("token-rs256", "rsa-2048")
    make_key("token-eddsa", "ed25519")
    modulus = prime("token-rs256 p", 1024) * prime("token-rs256 q", 1024)
    run("openssl", "pkey", "-in", WORK / "token-eddsa.key", "-pubout", "-outform", "DER", "-out", WORK / "ed.der")
    x = (WORK / "ed.der").read_bytes()[-32:]
    common = {"use": "sig"}
    rsa = {"kty": "RSA", "n": base64url(modulus.to_bytes(256, "big")), "e": "AQAB", "kid": "rs256", "alg": "RS256"}
    edwards = {"kty": "OKP", "crv": "Ed25519", "x": base64url(x), "kid": "eddsa", "alg": "EdDSA"}
    jwks = {"keys": [rsa | common, edwards | common]}
    (PKI / "issuer.jwks").write_text(json.dumps(jwks, indent=2) + "\n")


def sign(message, algorithm):
    """The signature of RS256, EdDSA, HS256 with the RSA public key as the secret, or none."""
    if algorithm == "none":
        return b""
    if algorithm == "HS256":
        public = run("openssl", "pkey", "-in", WORK / "token-rs256.key", "-pubout")
        return hmac.digest(public.encode(), message, "sha256")
    signed, signature = WORK / "signed", WORK / "signature"
    signed.write_bytes(message)
    key = WORK / f"token-{algorithm.lower()}.key"
    digest = ["-digest", "sha256"] if algorithm == "RS256" else []
    run("openssl", "pkeyutl", "-sign", "-rawin", *digest, "-inkey", key, "-in", signed, "-out", signature)
    return signature.read_bytes()


def jwt(certificate, algorithm="RS256", header=None, claims=None, **more):
    """A token bound to a certificate, good until 2099. `claims`: the JSON itself; None takes a member out."""
    octets = base64.b64decode("".join(certificate["clientCertPem"].strip().splitlines()[1:-1]))
    usual = {
        "iss": ISSUER,
        "aud": "orders",
        "sub": "alice",
        "scope": "orders.read orders.write",
        "nbf": 1577836800,  # 2020-01-01T00:00:00Z
        "exp": 4102444799,  # 2099-12-31T23:59:59Z
        "cnf": {"x5t#S256": base64url(hashlib.sha256(octets).digest())},
    }
    usual = {name: value for name, value in (usual | more).items() if value is not None}
    header = {"alg": algorithm, "typ": "at+jwt", "kid": algorithm.lower()} | (header or {})
    message = base64url(json.dumps(header).encode()) + "." + base64url((claims or json.dumps(usual)).encode())
    return f"{message}.{base64url(sign(message.encode(), algorithm))}"


# --- What API Gateway and the load balancer say about a certificate -------------------------------


class Presented:
    """A certificate, and the strings that stand beside it in an event."""

    def __init__(self, name):
        self.pem = (PKI / f"{name}.pem").read_text()
        show = ["openssl", "x509", "-noout", "-in", PKI / f"{name}.pem"]

        def field(*options):
            return run(*show, *options).strip().partition("=")[2]

        certificate_order = ["-nameopt", "sname,sep_comma_plus,esc_2253,esc_ctrl,utf8"]
        self.subject_dn = field("-subject", *certificate_order)
        self.issuer_dn = field("-issuer", *certificate_order)
        self.subject_rfc2253 = field("-subject", "-nameopt", "RFC2253")
        self.issuer_rfc2253 = field("-issuer", "-nameopt", "RFC2253")
        self.serial_hex = field("-serial")
        self.not_before, self.not_after = field("-startdate"), field("-enddate")

    def client_cert(self):
        """`clientCert` of REST and HTTP APIs: the serial in decimal, names in certificate order."""
        return {
            "clientCertPem": self.pem,
            "subjectDN": self.subject_dn,
            "issuerDN": self.issuer_dn,
            "serialNumber": str(int(self.serial_hex, 16)),
            "validity": {"notBefore": self.not_before, "notAfter": self.not_after},
        }

    def verify_headers(self):
        """What a load balancer adds in verify mode."""

        def instant(text):
            time = datetime.datetime.strptime(text, "%b %d %H:%M:%S %Y GMT")
            return time.strftime("%Y-%m-%dT%H:%M:%SZ")

        validity = f"NotBefore={instant(self.not_before)};NotAfter={instant(self.not_after)}"
        return {
            "X-Amzn-Mtls-Clientcert-Serial-Number": self.serial_hex,
            "X-Amzn-Mtls-Clientcert-Issuer": self.issuer_rfc2253,
            "X-Amzn-Mtls-Clientcert-Subject": self.subject_rfc2253,
            "X-Amzn-Mtls-Clientcert-Validity": validity,
            "X-Amzn-Mtls-Clientcert-Leaf": url_encoded(self.pem),
        }


def url_encoded(text):
    """As the load balancer does it: `+`, `=` and `/` stay."""
    return urllib.parse.quote(text, safe="+=/")


# --- Events ---------------------------------------------------------------------------------------

ACCOUNT = "123456789012"
HOST = "api.acme.example"
EPOCH_MS = 1795248000000  # 2026-11-21T08:00:00Z
TIME = "21/Nov/2026:08:00:00 +0000"
REQUEST_ID = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
ENDPOINT, OTHER_ENDPOINT = "vpce-0a1b2c3d4e5f60718", "vpce-0f0e0d0c0b0a09080"
# The name that `alb-passthrough.toml` gives the header: one that nobody guesses.
CHAIN_HEADER = "X-Acme-5d1f0c7e-Client-Chain"

HEADERS = {
    "Accept": "application/json",
    "Host": HOST,
    "User-Agent": "curl/8.5.0",
    "X-Amzn-Trace-Id": "Root=1-6a200000-3f1e0c5b2d4a69788796a5b4",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Proto": "https",
}


def arn(route, stage, partition="aws", region="us-east-1", api="a1b2c3d4e5"):
    method, path = route.split(" ")
    return f"arn:{partition}:execute-api:{region}:{ACCOUNT}:{api}/{stage}/{method}{path}"


def rest(route, certificate, stage="prod", base_path="", headers=HEADERS, **where):
    """A REQUEST event of a REST API. `certificate`: what `clientCert` holds; "absent" leaves it out."""
    method, path = route.split(" ")
    identifier = path.removeprefix("/orders/") if path.startswith("/orders/") else None
    resource = "/orders/{id}" if identifier else path
    identity = {"sourceIp": "203.0.113.7", "userAgent": "curl/8.5.0"}
    identity |= {key: None for key in ("apiKey", "apiKeyId", "accountId", "user", "userArn")}
    if certificate != "absent":
        identity["clientCert"] = certificate
    return {
        "type": "REQUEST",
        "methodArn": arn(route, stage, **where),
        "resource": resource,
        "path": base_path + path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": headers and {name: [value] for name, value in headers.items()},
        "queryStringParameters": {},
        "multiValueQueryStringParameters": {},
        "pathParameters": {"id": identifier} if identifier else {},
        "stageVariables": {},
        "requestContext": {
            "resourceId": "0a1b2c",
            "resourcePath": resource,
            "httpMethod": method,
            "extendedRequestId": "cvY5sGqDoAMFq5w=",
            "requestTime": TIME,
            "path": f"{base_path or '/' + stage}{path}",
            "accountId": ACCOUNT,
            "protocol": "HTTP/1.1",
            "stage": stage,
            "domainPrefix": "api",
            "requestTimeEpoch": EPOCH_MS,
            "requestId": REQUEST_ID,
            "identity": identity,
            "domainName": HOST,
            "apiId": where.get("api", "a1b2c3d4e5"),
        },
    }


def http_v1(route, certificate, stage="$default", **where):
    """An event of an HTTP API whose authorizer has payload format 1.0."""
    event = rest(route, certificate, stage, **where)
    source = certificate["clientCertPem"] if isinstance(certificate, dict) else ""
    context = event.pop("requestContext")
    del event["multiValueHeaders"], event["multiValueQueryStringParameters"]
    event |= {"version": "1.0", "identitySource": source, "authorizationToken": source}
    context["path"] = event["path"]
    context["authorizer"] = None
    return event | {"requestContext": context}


def http_v2(route, certificate, stage="$default", route_key=None, **where):
    """An event of an HTTP API whose authorizer has payload format 2.0."""
    method, path = route.split(" ")
    raw_path = path if stage == "$default" else f"/{stage}{path}"
    route_key = route_key or f"{method} " + ("/orders/{id}" if path.startswith("/orders/") else path)
    context = {
        "accountId": ACCOUNT,
        "apiId": where.get("api", "a1b2c3d4e5"),
        "authentication": {"clientCert": certificate},
        "domainName": HOST,
        "domainPrefix": "api",
        "http": {
            "method": method,
            "path": raw_path,
            "protocol": "HTTP/1.1",
            "sourceIp": "203.0.113.7",
            "userAgent": "curl/8.5.0",
        },
        "requestId": "JKJaXmPLvHcESHA=",
        "routeKey": route_key,
        "stage": stage,
        "time": TIME,
        "timeEpoch": EPOCH_MS,
    }
    if certificate == "absent":
        del context["authentication"]
    source = [certificate["clientCertPem"]] if isinstance(certificate, dict) else None
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": arn(route, stage, **where),
        "identitySource": source,
        "routeKey": route_key,
        "rawPath": raw_path,
        "rawQueryString": "",
        "headers": {name.lower(): value for name, value in HEADERS.items()},
        "requestContext": context,
    }


def alb(route, added, endpoint=ENDPOINT):
    """A REQUEST event of a private REST API behind a load balancer that added headers."""
    event = rest(route, "absent", headers=HEADERS | added)
    event["requestContext"]["identity"] |= {
        "sourceIp": "10.0.1.23",
        "vpcId": "vpc-0a1b2c3d4e5f60718",
        "vpceId": endpoint,
    }
    return event


def changed(event, **fields):
    """A copy with fields replaced; `a__b` is `b` inside `a`, and `"absent"` takes a field out."""
    event = copy.deepcopy(event)
    for path, value in fields.items():
        *parents, last = path.split("__")
        place = event
        for parent in parents:
            place = place[parent]
        if value == "absent":
            del place[last]
        else:
            place[last] = value
    return event


EXPECTED = []


def save(name, event):
    text = json.dumps(event, indent=2, ensure_ascii=False)
    (HERE / f"{name}.json").write_text(text + "\n")


def expect(name, decision, reason=None, config="../authorizer.toml", at=None):
    """Notes what an event comes to. `reason` names the client of an Allow."""
    EXPECTED.append(
        {
            "event": f"{name}.json",
            "config": config,
            "at": at,
            "decision": decision,
            "reason": reason if decision == "Deny" else None,
            "client": reason if decision == "Allow" else None,
            "exit": {"Allow": 0, "Deny": 1, None: 2}[decision],
        }
    )


def allow(name, event, client="orders-service", **where):
    save(name, event)
    expect(name, "Allow", client, **where)


def deny(name, event, reason, **where):
    save(name, event)
    expect(name, "Deny", reason, **where)


def fault(name, event):
    save(name, event)
    expect(name, None)


def write_table():
    """Replaces the table at the end of `README.md`."""
    readme = HERE / "README.md"
    marker = "<!-- made by make.py from here -->\n"
    prose, _, _ = readme.read_text().partition(marker)
    lines = ["| event | configuration | outcome |", "|---|---|---|"]
    for row in EXPECTED:
        event = f"`{row['event']}`" + (f" at {row['at']}" if row["at"] else "")
        config = f"`{row['config'].removeprefix('../')}`"
        outcome = row["decision"] or "fault"
        outcome += f" `{row['reason']}`" if row["reason"] else ""
        outcome += f" as `{row['client']}`" if row["client"] else ""
        lines.append(f"| {event} | {config} | {outcome} |")
    readme.write_text(prose + marker + "\n" + "\n".join(lines) + "\n")


def make_events():
    """Every event, with what it comes to."""
    certificate = {path.stem: Presented(path.stem) for path in PKI.glob("*.pem")}
    presented = {name: shown.client_cert() for name, shown in certificate.items()}
    client = presented["client"]
    get = "GET /orders/7"

    # REST APIs.
    allow("rest-allow", rest(get, client))
    expect("rest-allow", "Allow", "orders-service", config="trust.toml")
    expect("rest-allow", "Allow", "orders-service", config="revocation.toml")
    expect("rest-allow", "Deny", "validity-too-long", config="strict.toml")
    allow("rest-allow-post", rest("POST /orders", client))
    allow("rest-base-path", rest(get, client, base_path="/delivery"))
    allow("rest-aws-cn", rest(get, client, partition="aws-cn", region="cn-north-1"))
    allow("rest-aws-us-gov", rest(get, client, partition="aws-us-gov", region="us-gov-west-1"))
    nothing = dict.fromkeys(("queryStringParameters", "multiValueQueryStringParameters"))
    nothing |= dict.fromkeys(("headers", "multiValueHeaders", "pathParameters", "stageVariables"))
    allow("rest-null-maps", rest(get, client) | nothing)
    allow("rest-no-strings", rest(get, {"clientCertPem": client["clientCertPem"]}))
    for name in ("p384", "p521", "ed25519", "rsa"):
        allow(f"rest-{name}", rest(get, presented[name]))
    allow("rest-v1-certificate", rest(get, presented["v1"]))
    expect("rest-v1-certificate", "Allow", "orders-service", config="trust-issuing.toml")
    deny("rest-step", rest(get, presented["step"]), "no-client-matched")
    expect("rest-step", "Allow", "step-service", config="clients.toml")

    deny("rest-no-certificate", rest(get, "absent"), "no-client-certificate")
    deny("rest-null-certificate", rest(get, None), "no-client-certificate")
    test = rest(get, "absent", stage="test-invoke-stage") | nothing
    test["requestContext"]["identity"]["sourceIp"] = "test-invoke-source-ip"
    deny("rest-test-invoke-stage", test, "no-client-certificate")
    half = client["clientCertPem"][:400] + "\n-----END CERTIFICATE-----\n"
    deny("rest-malformed-certificate", rest(get, client | {"clientCertPem": half}), "malformed-certificate")
    for name, reason in {
        "expired": "certificate-expired",
        "not-yet-valid": "certificate-not-yet-valid",
        "self-signed": "certificate-is-ca",
        "issuing": "certificate-is-ca",
        "key-usage": "key-usage",
        "server": "extended-key-usage",
        "any-usage": "extended-key-usage",
        "unknown-critical": "unknown-critical-extension",
        "rsa-1024": "weak-key",
        "ed448": "weak-key",
        "secp256k1": "weak-key",
        "sha1": "weak-signature",
        "other-client": "no-client-matched",
        "two-common-names": "no-client-matched",
    }.items():
        deny(f"rest-{name}", rest(get, presented[name]), reason)
    expect("rest-expired", "Allow", "orders-service", at="2020-12-31T23:59:59Z")
    expect("rest-expired", "Deny", "certificate-expired", at="2021-01-01T00:00:00Z")
    # The same name from another CA: the names match, and only an anchor tells them apart.
    allow("rest-impostor", rest(get, presented["impostor"]))
    expect("rest-impostor", "Deny", "untrusted-chain", config="trust.toml")
    expect("rest-impostor", "Deny", "untrusted-chain", config="trust-issuing.toml")
    allow("rest-revoked", rest(get, presented["revoked"]))
    expect("rest-revoked", "Deny", "revoked", config="revocation.toml")
    in_2026 = {"config": "strict.toml", "at": "2026-11-21T08:00:00Z"}
    allow("rest-398-days", rest(get, presented["398-days"]), **in_2026)
    deny("rest-399-days", rest(get, presented["399-days"]), "validity-too-long", **in_2026)

    for name in ("rest-allow", "rest-ed25519", "rest-rsa"):
        expect(name, "Allow", "workload", config="clients.toml")
    expect("rest-v1-certificate", "Deny", "no-client-matched", config="clients.toml")
    expect("rest-other-client", "Deny", "route-not-allowed", config="clients.toml")
    invoice = rest("GET /invoices/7", presented["other-client"])
    deny("rest-billing", invoice, "no-client-matched")
    expect("rest-billing", "Allow", "billing", config="clients.toml")
    allow("rest-admin", rest("GET /orders/admin/keys", client))
    expect("rest-admin", "Deny", "route-not-allowed", config="clients.toml")

    deny("rest-route-not-allowed", rest("DELETE /orders/7", client), "route-not-allowed")
    deny("rest-path-not-allowed", rest("GET /ordersx", client), "route-not-allowed")
    deny("rest-root-path", rest("GET /", client), "route-not-allowed")
    # `path` says /orders/7; the ARN, which is what a policy is matched against, does not.
    other_path = changed(rest("GET /admin", client), path="/orders/7", requestContext__path="/orders/7")
    deny("rest-path-is-not-the-route", other_path, "route-not-allowed")

    # HTTP APIs, format 1.0.
    allow("http-v1-allow", http_v1(get, client))
    allow("http-v1-stage", http_v1(get, client, stage="prod"))
    allow("http-v1-null-maps", http_v1(get, client) | {key: None for key in nothing if "multi" not in key})
    deny("http-v1-no-certificate", http_v1(get, "absent"), "no-client-certificate")
    deny("http-v1-null-certificate", http_v1(get, None), "no-client-certificate")
    deny("http-v1-expired", http_v1(get, presented["expired"]), "certificate-expired")
    deny("http-v1-other-client", http_v1(get, presented["other-client"]), "no-client-matched")
    deny("http-v1-route-not-allowed", http_v1("DELETE /orders/7", client), "route-not-allowed")

    # HTTP APIs, format 2.0.
    allow("http-v2-allow", http_v2(get, client))
    expect("http-v2-allow", "Allow", "orders-service", config="simple.toml")
    allow("http-v2-stage", http_v2(get, client, stage="prod"))
    allow("http-v2-default-route", http_v2(get, client, route_key="$default"))
    allow("http-v2-no-identity-source", changed(http_v2(get, client), identitySource="absent"))
    allow("http-v2-null-identity-source", changed(http_v2(get, client), identitySource=None))
    null_maps = ("headers", "cookies", "queryStringParameters", "pathParameters", "stageVariables")
    allow("http-v2-null-maps", http_v2(get, client) | dict.fromkeys(null_maps))
    full = {
        "cookies": ["session=1"],
        "rawQueryString": "page=2&sort=date&sort=id",
        "queryStringParameters": {"page": "2", "sort": "date,id"},
        "pathParameters": {"id": "7"},
        "stageVariables": {"backend": "blue"},
    }
    allow("http-v2-full-maps", http_v2(get, client) | full)
    deny("http-v2-no-certificate", http_v2(get, "absent"), "no-client-certificate")
    deny("http-v2-null-certificate", http_v2(get, None), "no-client-certificate")
    no_authentication = changed(http_v2(get, None), requestContext__authentication=None)
    deny("http-v2-null-authentication", no_authentication, "no-client-certificate")
    deny("http-v2-expired", http_v2(get, presented["expired"]), "certificate-expired")
    deny("http-v2-other-client", http_v2(get, presented["other-client"]), "no-client-matched")
    expect("http-v2-other-client", "Deny", "no-client-matched", config="simple.toml")
    deny("http-v2-route-not-allowed", http_v2("DELETE /orders/7", client), "route-not-allowed")
    expect("http-v2-route-not-allowed", "Deny", "route-not-allowed", config="simple.toml")

    # Private REST APIs behind a load balancer that verifies.
    verify = {"config": "alb-verify.toml"}
    shown = certificate["client"].verify_headers()
    allow("alb-verify-allow", alb(get, shown), **verify)
    lower_case = {name.lower(): value for name, value in shown.items()}
    allow("alb-verify-lower-case", alb(get, lower_case), **verify)
    deny("alb-verify-untrusted-path", alb(get, shown, OTHER_ENDPOINT), "untrusted-path", **verify)
    no_endpoint = changed(alb(get, shown), requestContext__identity__vpceId="absent")
    deny("alb-verify-no-endpoint", no_endpoint, "untrusted-path", **verify)
    other_serial = shown | {"X-Amzn-Mtls-Clientcert-Serial-Number": "03A5B1"}
    deny("alb-verify-header-mismatch", alb(get, other_serial), "header-mismatch", **verify)
    other_leaf = {"X-Amzn-Mtls-Clientcert-Leaf": url_encoded(certificate["revoked"].pem)}
    deny("alb-verify-other-leaf", alb(get, shown | other_leaf), "header-mismatch", **verify)
    # The client sent one itself: `headers` shows the last, `multiValueHeaders` both.
    repeated = alb(get, shown)
    leaf_header = "X-Amzn-Mtls-Clientcert-Leaf"
    repeated["multiValueHeaders"][leaf_header] = [*other_leaf.values(), shown[leaf_header]]
    deny("alb-verify-repeated-header", repeated, "header-mismatch", **verify)
    deny("alb-verify-no-certificate", alb(get, {}), "no-client-certificate", **verify)
    deny("alb-verify-route-not-allowed", alb("DELETE /orders/7", shown), "route-not-allowed", **verify)
    # A certificate where mutual TLS of API Gateway would put it says nothing here.
    elsewhere = alb(get, {})
    elsewhere["requestContext"]["identity"]["clientCert"] = client
    deny("alb-verify-certificate-elsewhere", elsewhere, "no-client-certificate", **verify)

    # The same behind one that passes certificates through unverified.
    passthrough = {"config": "alb-passthrough.toml"}

    def chain(*names):
        return {CHAIN_HEADER: url_encoded("".join(certificate[name].pem for name in names))}

    allow("alb-passthrough-allow", alb(get, chain("client", "issuing")), **passthrough)
    allow("alb-passthrough-with-root", alb(get, chain("client", "issuing", "root")), **passthrough)
    encoded = chain("client", "issuing")[CHAIN_HEADER]
    for plain, escaped in {"+": "%2B", "=": "%3D", "/": "%2F"}.items():
        encoded = encoded.replace(plain, escaped)
    allow("alb-passthrough-fully-encoded", alb(get, {CHAIN_HEADER: encoded}), **passthrough)
    untrusted = {"reason": "untrusted-chain", **passthrough}
    deny("alb-passthrough-leaf-only", alb(get, chain("client")), **untrusted)
    deny("alb-passthrough-impostor", alb(get, chain("impostor", "impostor-ca")), **untrusted)
    other_way = alb(get, chain("client", "issuing"), OTHER_ENDPOINT)
    deny("alb-passthrough-untrusted-path", other_way, "untrusted-path", **passthrough)
    deny("alb-passthrough-no-certificate", alb(get, {}), "no-client-certificate", **passthrough)
    # The default name, which a client could send itself, is not listened to once it is renamed.
    by_default_name = {"X-Amzn-Mtls-Clientcert": chain("client", "issuing")[CHAIN_HEADER]}
    deny("alb-passthrough-default-name", alb(get, by_default_name), "no-client-certificate", **passthrough)

    make_token_events(client, presented["p384"])

    # No events of an authorizer that sees certificates.
    token = {"type": "TOKEN", "authorizationToken": "Bearer x", "methodArn": arn(get, "prod")}
    fault("fault-token-event", token)
    fault("fault-no-request-context", changed(rest(get, client), requestContext="absent"))
    fault("fault-no-arn", changed(rest(get, client), methodArn="absent"))
    fault("fault-short-arn", changed(rest(get, client), methodArn="arn:aws:execute-api:us-east-1"))
    fault("fault-unknown-version", http_v2(get, client) | {"version": "3.0"})
    fault("fault-proxy-event", changed(rest(get, client), type="absent", methodArn="absent"))

    write_table()
    rows = ",\n".join("  " + json.dumps(row) for row in EXPECTED)
    (HERE / "expected.json").write_text(f"[\n{rows}\n]\n")


def make_token_events(client, other):
    """A bearer token beside the certificate."""
    get, config = "GET /orders/7", {"config": "token.toml"}

    def bearer(token, certificate=client):
        return rest(get, certificate, headers=HEADERS | {"Authorization": f"Bearer {token}"})

    def invalid(name, reason="token-invalid", **how):
        deny(f"rest-token-{name}", bearer(jwt(client, **how)), reason, **config)

    good, edwards = jwt(client), jwt(client, "EdDSA")
    allow("rest-token", bearer(good), **config)
    expect("rest-token", "Allow", "orders-service")
    allow("rest-token-eddsa", bearer(edwards), **config)
    v1 = http_v1(get, client)
    v1["headers"] = v1["headers"] | {"authorization": f"bearer {good}"}
    allow("http-v1-token", v1, **config)
    v2 = http_v2(get, client)
    v2["headers"] = v2["headers"] | {"authorization": f"Bearer {good}"}
    allow("http-v2-token", v2, **config)
    expect("rest-allow", "Deny", "token-missing", **config)
    expect("rest-allow", "Deny", "token-missing", config="token-unauthorized.toml")

    # Sent twice: format 2.0 joins the values; `headers` of REST shows the last alone.
    twice = changed(v2, headers__authorization=f"Bearer {good},Bearer {edwards}")
    deny("http-v2-token-repeated", twice, "token-invalid", **config)
    repeated = bearer(good)
    repeated["multiValueHeaders"]["Authorization"] = [f"Bearer {edwards}", f"Bearer {good}"]
    deny("rest-token-repeated", repeated, "token-invalid", **config)

    # Stolen: a token of `client` with the certificate of another.
    deny("rest-token-stolen", bearer(good, other), "token-not-bound", **config)
    invalid("unbound", "token-not-bound", cnf=None)
    invalid("scope", "token-scope", scope="orders.write")
    invalid("expired", "token-expired", exp=1609459200)
    expect("rest-token-expired", "Allow", "orders-service", at="2020-12-31T23:59:59Z", **config)
    expect("rest-token-expired", "Deny", "token-expired", at="2021-01-01T00:00:00Z", **config)
    invalid("not-yet-valid", nbf=4070908800)
    expect("rest-token-not-yet-valid", "Allow", "orders-service", at="2099-01-01T00:00:00Z", **config)
    invalid("other-audience", aud="stock")
    invalid("other-issuer", iss="https://login.acme.example")
    invalid("no-expiry", exp=None)
    twice_sub = json.dumps({"iss": ISSUER, "aud": "orders", "exp": 4102444799, "sub": "alice"})
    invalid("duplicate-claim", claims=twice_sub.replace('"sub"', '"sub": "admin", "sub"'))
    invalid("unsigned", algorithm="none")
    invalid("symmetric", algorithm="HS256", header={"kid": "rs256"})
    jwks = json.loads((PKI / "issuer.jwks").read_text())
    invalid("own-key", header={"jwk": jwks["keys"][0]})
    invalid("own-key-url", header={"jku": "https://evil.example/jwks.json"})
    invalid("critical", header={"crit": ["exp"]})
    invalid("unknown-key", header={"kid": "2020"})
    header, payload, _ = good.split(".")
    forged = base64url(json.dumps({"iss": ISSUER, "aud": "orders", "sub": "admin"}).encode())
    deny("rest-token-forged", bearer(good.replace(payload, forged)), "token-invalid", **config)


if __name__ == "__main__":
    for stale in HERE.glob("*.json"):
        stale.unlink()
    make_pki()
    make_events()
    print(f"{len(list(PKI.iterdir()))} files in {PKI.name}/, {len(EXPECTED)} expectations")
