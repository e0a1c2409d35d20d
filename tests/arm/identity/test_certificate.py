"""Logging in by a certificate: the real SDK signs an assertion, and what others sign is refused."""

from __future__ import annotations

import datetime
import json
import subprocess
from pathlib import Path

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from dualhome.arm.errors import ArmError
from dualhome.arm.identity.principals import Directory, Principal
from dualhome.arm.identity.tokens import _wrong
from dualhome.arm.store import MemoryStore
from tests.arm.served import AZ, DUALHOME, needs_az, needs_sdk, served

PROGRAM = """
import os, sys
from azure.identity import CertificateCredential
url = os.environ["AZURE_RESOURCE_MANAGER_URL"]
credential = CertificateCredential(os.environ["AZURE_TENANT_ID"], sys.argv[1], sys.argv[2], authority=url, disable_instance_discovery=True)
print(len(credential.get_token(url + "/.default").token) > 100)
"""


def make(file: Path, days: int = 9) -> rsa.RSAPrivateKey:
    """A key and its certificate, in one file; it runs out in so many days."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pipeline")])
    now = datetime.datetime.now(datetime.UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    made = built.not_valid_before(now - datetime.timedelta(20)).not_valid_after(now + datetime.timedelta(days)).sign(key, hashes.SHA256())
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return key


@needs_sdk
@needs_az
def test_the_sdk_and_az_log_in_by_certificate(tmp_path: Path) -> None:
    make(tmp_path / "pipeline.pem")
    with served(tmp_path) as server:
        words = [DUALHOME, "principal", "create", "pipeline", "--role", "Reader", "--certificate", tmp_path / "pipeline.pem", "--json"]
        made = json.loads(subprocess.run(words, env=server.environment, capture_output=True, text=True, check=True).stdout)
        (tmp_path / "login.py").write_text(PROGRAM)
        assert server.python(tmp_path / "login.py", made["client_id"], tmp_path / "pipeline.pem") == "True\n"
        server.az("account", "show")
        login = ["login", "--service-principal", "-u", made["client_id"], "--certificate", str(tmp_path / "pipeline.pem")]
        environment = server.variables() | {"AZURE_CONFIG_DIR": str(tmp_path / "az")}
        done = subprocess.run([AZ, *login, "--tenant", made["tenant_id"]], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        refused = subprocess.run(
            [AZ, "group", "create", "-n", "x", "-l", "westeurope"], env=environment, capture_output=True, text=True, check=False
        )
        assert "AuthorizationFailed" in refused.stderr, "a reader writes nothing"


def test_what_another_signed_is_refused(tmp_path: Path) -> None:
    key, other = make(tmp_path / "one.pem"), make(tmp_path / "other.pem")
    principal, _ = Directory(MemoryStore(), "sub").create("pipeline", "Reader", "", certificate=(tmp_path / "one.pem").read_text())
    assert "PRIVATE" not in principal.certificate
    path, now = "https://localhost:1/t/oauth2/v2.0/token", int(datetime.datetime.now().timestamp())
    claims = {"iss": principal.app, "sub": principal.app, "aud": path, "exp": now + 600}
    for algorithm in ("RS256", "PS256"):
        assert _wrong(jwt.encode(claims, key, algorithm), principal, path) == ""
    assert "Signature" in _wrong(jwt.encode(claims, other, "RS256"), principal, path)
    assert "expired" in _wrong(jwt.encode({**claims, "exp": now - 900}, key, "RS256"), principal, path)
    assert "more than a day" in _wrong(jwt.encode({**claims, "exp": now + 90000}, key, "RS256"), principal, path)
    assert "aud" in _wrong(jwt.encode({**claims, "aud": "https://login.example.com/t/oauth2/v2.0/token"}, key, "RS256"), principal, path)
    assert "iss" in _wrong(jwt.encode({**claims, "iss": "somebody"}, key, "RS256"), principal, path)
    listed = jwt.api_jws.encode(json.dumps({**claims, "iss": [principal.app]}).encode(), key, "RS256", headers={"typ": "JWT"})
    assert "iss" in _wrong(listed, principal, path)
    assert "exp" in _wrong(jwt.encode({name: value for name, value in claims.items() if name != "exp"}, key, "RS256"), principal, path)
    assert _wrong("a.b.c", principal, path)
    assert "no certificate" in _wrong(jwt.encode(claims, key, "RS256"), Principal("a", "o", "n", "00", ""), path)


def test_a_certificate_that_has_run_out_opens_nothing(tmp_path: Path) -> None:
    key = make(tmp_path / "old.pem", days=-9)
    principal, _ = Directory(MemoryStore(), "sub").create("pipeline", "Reader", "", certificate=(tmp_path / "old.pem").read_text())
    claims = {"iss": principal.app, "sub": principal.app, "aud": "https://x/t", "exp": int(datetime.datetime.now().timestamp()) + 600}
    assert "not valid now" in _wrong(jwt.encode(claims, key, "RS256"), principal, "https://x/t")


def test_what_is_no_certificate_is_none() -> None:
    with pytest.raises(ArmError, match="no PEM"):
        Directory(MemoryStore(), "sub").create("x", "Reader", "", certificate="hello")
