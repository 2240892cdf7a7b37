#!/usr/bin/env python3
"""Writes seed corpora into fuzz/corpus/ from the sample events, their PKI, the test fixtures and the tokens here.

usage: seeds.py            the corpora
       seeds.py --tokens   makes fuzz/tokens/ and fuzz/signatures/ again too; needs OpenSSL 3. The keys are thrown away.

What is in fuzz/ocsp/ are answers of `openssl ocsp`: good, revoked and unknown, of an authority (s) and of its delegated
responder (d), whose keys were thrown away as well.
"""
import base64
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
EVENTS = ROOT / "events"
FIXTURES = ROOT / "tests" / "fixtures"


def seed(target, content):
    if isinstance(content, str):
        content = content.encode()
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)


def unarmour(text):
    for block in re.findall(r"-----BEGIN [^-]+-----([^-]*)-----END", text):
        try:
            yield base64.b64decode("".join(block.split()), validate=True)
        except ValueError:
            pass


def elements(der):
    """The elements of a DER SEQUENCE, whole; nothing where it is not one."""
    def header(at):
        length, size = der[at + 1], 2
        if length & 0x80:
            size += length & 0x7F
            length = int.from_bytes(der[at + 2:at + size], "big")
        return size, length

    try:
        size, length = header(0)
        at, end = size, size + length
        while at < end:
            size, length = header(at)
            yield der[at:at + size + length]
            at += size + length
    except IndexError:
        return


def names(certificate):
    body = next(elements(certificate), b"")
    return [part for part in elements(body) if part[:1] == b"\x30" and b"\x06\x03\x55\x04" in part[:14]]


def events():
    for path in sorted(EVENTS.glob("*.json")):
        if path.name == "expected.json":
            continue
        event = json.loads(path.read_text())
        # The shorter an input, the more of it is worth changing.
        seed("event", json.dumps(event, separators=(",", ":")))
        headers = event.get("headers") or {}
        by_name = {name.lower(): value for name, value in headers.items()}
        leaf = by_name.get("x-amzn-mtls-clientcert-leaf") or by_name.get("x-acme-5d1f0c7e-client-chain")
        if leaf:
            rest = ["Serial-Number", "Subject", "Issuer", "Validity"]
            rest = [by_name.get("x-amzn-mtls-clientcert-" + name.lower(), "") for name in rest]
            seed("alb", "\n".join([leaf, *rest]))


def certificates():
    files = list((EVENTS / "pki").glob("*.pem")) + list(FIXTURES.rglob("*.pem")) + list(FIXTURES.rglob("*.der"))
    for path in sorted(files):
        content = path.read_bytes()
        if path.suffix == ".pem":
            if len(content) < 4096:
                seed("pem", content)
                seed("alb", urllib.parse.quote(content.decode(errors="replace"), safe="+=/"))
            ders = list(unarmour(content.decode(errors="replace")))
        else:
            ders = [content]
        for der in ders:
            if len(der) < 8192:
                seed("certificate", der)
                for name in names(der):
                    seed("name", name)
    seed("pem", "".join((EVENTS / "pki" / name).read_text() for name in ["client.pem", "issuing.pem"]))


def lists_and_answers():
    files = [EVENTS / "pki" / "issuing.crl", *FIXTURES.rglob("crls.pem")]
    for path in files:
        content = path.read_bytes()
        if len(content) < 4096:
            seed("crl", content)
        for der in unarmour(content.decode(errors="replace")):
            seed("crl", der)
    for path in sorted((HERE / "ocsp").glob("*.der")):
        seed("ocsp", path.read_bytes())


def texts():
    for text in [
        "CN=orders,O=Acme,C=US", "CN=a\\2Cb\\,c\\ ,O=\\#x", "UID=7+CN=orders,O=Acme", "2.5.4.5=#130434373131",
        "CN=#0C03414243,DC=example", "CN=\\C3\\A9t\\C3\\A9", "CN=été,STREET=1 Main St.", "1.2.840.113549.1.9.1=#1601 ",
    ]:
        seed("name_text", text)
    for path in [ROOT / "authorizer.toml", *sorted(EVENTS.glob("*.toml"))]:
        text = path.read_text()
        seed("configuration", text)
        uncommented = re.sub(r"(?m)^# (?=\[|[a-z_]+ = )", "", text)
        seed("configuration", uncommented)
        seed("configuration", re.sub(r"(?m)\s*#.*$", "", uncommented))
    digest = "0123456789abcdef" * 4
    seed("deny_list", f"# leaked\nsha256:{digest}\nspki-sha256:{digest.upper()} # stolen\n\n")
    seed("deny_list", f"sha256:{digest}\r\n")


def tokens():
    for path in sorted((HERE / "tokens").glob("*.jwt")):
        seed("jwt", "Bearer " + path.read_text().strip())


def signatures():
    for path in sorted((HERE / "signatures").iterdir()):
        seed("signature", path.read_bytes())


def sources():
    texts = [
        "authorizer.toml", "lists/issuing.crl", "./anchors.pem", "/opt/anchors.pem", "../elsewhere.pem",
        "s3://pki/lists/issuing.crl", "https://pki.example.com/issuing.crl?signature=0123456789",
        "http://ocsp.example.com:8080/", "http://crl.example.com/issuing.crl", "http://127.0.0.1:8000/keys.json",
        "https://[2001:db8::1]/keys.json", "https://user@example.com/", "https://crl.example.com:443/%2e%2e/a",
        "secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:signing-AbCdEf", "ldap://pki/cn=a",
    ]
    for text in texts:
        for circumstances in (0, 1, 2, 3, 6, 10, 0x82):
            seed("source", bytes([circumstances]) + text.encode())


def make_signatures():
    """One file a kind of key and hash: the fields of fuzz/targets/signature.rs, over one message."""
    folder = HERE / "signatures"
    folder.mkdir(exist_ok=True)
    hashes = ["sha1", "sha256", "sha384", "sha512"]
    kinds = [(curve, ["-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}"], []) for curve in
             ("P-256", "P-384", "P-521")]
    rsa = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
    pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
    cases = [(at, f"{name}-{digest}", key, ["-" + digest], options) for name, key, options in kinds
             for at, digest in enumerate(hashes)]
    cases += [(4 + at, f"rsa-{digest}", rsa, ["-" + digest], []) for at, digest in enumerate(hashes)]
    cases += [(7 + at, f"rsa-pss-{digest}", rsa, ["-" + digest], pss) for at, digest in enumerate(hashes) if at]
    message = b"orders"
    with tempfile.TemporaryDirectory() as scratch:
        key, file = pathlib.Path(scratch, "key.pem"), pathlib.Path(scratch, "message")
        file.write_bytes(message)

        def write(algorithm, name, made, sign):
            subprocess.run(["openssl", "genpkey", *made, "-out", key], check=True, capture_output=True)
            info = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"],
                                  check=True, capture_output=True).stdout
            signature = subprocess.run(["openssl", *sign, file], check=True, capture_output=True).stdout
            parts = [part for field in (info, signature) for part in (len(field).to_bytes(2, "big"), field)]
            (folder / f"{name.lower()}.bin").write_bytes(bytes([algorithm]) + b"".join(parts) + message)

        for algorithm, name, made, digest, options in cases:
            write(algorithm, name, made, ["dgst", *digest, *options, "-sign", key])
        write(11, "ed25519", ["-algorithm", "ed25519"], ["pkeyutl", "-sign", "-rawin", "-inkey", key, "-in"])


def make_tokens():
    def encode(content):
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    folder = HERE / "tokens"
    folder.mkdir(exist_ok=True)
    leaf = next(unarmour((EVENTS / "pki" / "client.pem").read_text()))
    claims = {
        "iss": "https://login.example.com/", "aud": ["orders"], "exp": 4102444799, "nbf": 1577836800,
        "sub": "orders", "scope": "orders.read orders.write", "roles": ["reader", "é, %"],
        "cnf": {"x5t#S256": encode(hashlib.sha256(leaf).digest())},
    }
    with tempfile.TemporaryDirectory() as scratch:
        key, message = pathlib.Path(scratch, "key.pem"), pathlib.Path(scratch, "message")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
        public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"],
                                check=True, capture_output=True).stdout[-32:]
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode(public), "kid": "a", "alg": "EdDSA", "use": "sig"}
        (folder / "jwks.json").write_text(json.dumps({"keys": [jwk]}, indent=2) + "\n")
        for name, header, changed in [
            ("good", {"alg": "EdDSA", "kid": "a", "typ": "at+jwt"}, {}),
            ("without-kid", {"alg": "EdDSA"}, {}),
            ("unbound", {"alg": "EdDSA", "kid": "a"}, {"cnf": None}),
            ("expired", {"alg": "EdDSA", "kid": "a"}, {"exp": 1577836800}),
        ]:
            body = {key: value for key, value in {**claims, **changed}.items() if value is not None}
            parts = [encode(json.dumps(part, separators=(",", ":")).encode()) for part in (header, body)]
            message.write_text(".".join(parts))
            signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", message],
                                       check=True, capture_output=True).stdout
            (folder / f"{name}.jwt").write_text(".".join([*parts, encode(signature)]) + "\n")


if __name__ == "__main__":
    if "--tokens" in sys.argv:
        make_tokens()
        make_signatures()
    for make in (events, certificates, lists_and_answers, texts, tokens, signatures, sources):
        make()
