"""The authorizer's job on Python: the client certificate of a REST event against a policy of exact
names, an IAM policy with the certificate's facts, one log line a decision. What does not change
between calls is done once, at start, as it is in the contender it is compared with."""

import base64
import fnmatch
import json
import os
import re
import time
from datetime import datetime, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

with open(os.environ["POLICY"], encoding="utf-8") as policy:
    CLIENTS = {}
    for client in json.load(policy)["clients"]:
        CLIENTS.setdefault(client["subject_dn"], client)


def judge(certificate, now):
    if now < certificate.not_valid_before_utc:
        return "certificate-not-yet-valid"
    if now > certificate.not_valid_after_utc:
        return "certificate-expired"
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            return "certificate-is-ca"
        if isinstance(value, x509.ExtendedKeyUsage):
            if ExtendedKeyUsageOID.CLIENT_AUTH not in value:
                return "extended-key-usage"
        if extension.critical and isinstance(value, x509.UnrecognizedExtension):
            return "unknown-critical-extension"
    key = certificate.public_key()
    strong = (
        (isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048)
        or (isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= 256)
        or isinstance(key, ed25519.Ed25519PublicKey)
    )
    return None if strong else "weak-key"


def statement(effect, resource):
    return {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}


def resources(api, routes):
    for route in routes:
        method, path = route.split(" ", 1)
        for name in METHODS if method == "*" else [method]:
            yield f"{api}/{name}{path}"


def admits(allowed, arn):
    return any(
        re.match(fnmatch.translate(pattern.replace("[", "[[]")), arn) for pattern in allowed
    )


def handler(event, context):
    started = time.perf_counter_ns()
    arn = event["methodArn"]
    base = "/".join(arn.split("/", 2)[:2])
    identity = event.get("requestContext", {}).get("identity", {})
    line = {"level": "INFO", "message": "decision", "decision": "Deny", "reason": None}
    answer = None

    pem = (identity.get("clientCert") or {}).get("clientCertPem")
    if not pem:
        line["reason"] = "no-client-certificate"
    else:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        subject = certificate.subject.rfc4514_string()
        issuer = certificate.issuer.rfc4514_string()
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        serial = f"{certificate.serial_number:X}"
        serial = serial.zfill(len(serial) + len(serial) % 2)
        client = CLIENTS.get(subject)
        line |= {
            "client": client and client["id"],
            "subject": subject,
            "issuer": issuer,
            "serial": serial,
            "fingerprint": fingerprint,
        }
        reason = judge(certificate, datetime.now(timezone.utc))
        line["reason"] = reason or (None if client else "no-client-matched")
        if line["reason"] is None:
            allowed = list(resources(base, client["allow"]))
            if admits(allowed, arn):
                line["decision"] = "Allow"
            else:
                line["reason"] = "route-not-allowed"
            not_after = certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
            answer = {
                "principalId": subject,
                "policyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [statement("Allow", allowed)],
                },
                "context": {
                    "clientId": client["id"],
                    "clientCertSub": subject,
                    "clientCertSubBase64": base64.b64encode(subject.encode()).decode(),
                    "clientCertIssuer": issuer,
                    "clientCertSerial": serial,
                    "clientCertFingerprint": fingerprint,
                    "clientCertNotAfter": not_after,
                },
            }
    if answer is None:
        answer = {
            "principalId": line.get("subject") or "unidentified",
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [statement("Deny", f"{base}/*")],
            },
            "context": {"denyReason": line["reason"]},
        }
    line |= {
        "route": arn[len(base) + 1 :].replace("/", " /", 1),
        "source_ip": identity.get("sourceIp"),
        "request_id": event.get("requestContext", {}).get("requestId"),
        "aws_request_id": context.aws_request_id,
        "duration_us": (time.perf_counter_ns() - started) // 1000,
    }
    print(json.dumps(line))
    return answer
