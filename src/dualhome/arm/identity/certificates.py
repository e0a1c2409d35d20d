"""A private authority, and the server's certificate from it: clients trust the authority by its PEM."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

YEARS: Final = datetime.timedelta(days=3650)
MONTHS: Final = datetime.timedelta(days=397)  # what clients accept of a server's certificate
BUNDLE: Final = "bundle.pem"
SYSTEM: Final = Path(ssl.get_default_verify_paths().openssl_cafile)  # of OpenSSL itself, whatever SSL_CERT_FILE says
RENEW: Final = datetime.timedelta(days=30)


def ensure(directory: Path, hosts: Sequence[str]) -> tuple[Path, Path, Path]:
    """Files of the authority's certificate, the server's certificate and its key; made where they are missing, run out, or lack a host's name."""
    authority, key = directory / "ca.pem", directory / "ca.key"
    if not (authority.exists() and key.exists()):
        _make_authority(authority, key)
    certificate, own = directory / "server.pem", directory / "server.key"
    wanted = list(dict.fromkeys(("localhost", "127.0.0.1", "::1", *hosts)))
    if not (certificate.exists() and own.exists() and _fits(certificate, wanted)):
        _make_server(authority, key, certificate, own, wanted)
    _write_bundle(directory / BUNDLE, authority)
    return authority, certificate, own


def _write_bundle(file: Path, authority: Path) -> None:
    """The authority after those that this machine trusts: for clients that take one file instead of theirs, and shall reach others as well."""
    known = SYSTEM.read_bytes() if SYSTEM.is_file() else b""
    wanted = known.rstrip() + b"\n" * bool(known) + authority.read_bytes()
    if not (file.exists() and file.read_bytes() == wanted):
        write_whole(file, wanted, 0o644)


def write_secret(file: Path, content: bytes) -> None:
    """A file that only its owner reads, never there in part."""
    write_whole(file, content, 0o600)


def write_whole(file: Path, content: bytes, mode: int) -> None:
    """A file that is never there in part."""
    part = file.with_name(file.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
    part.replace(file)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _builder(subject: str, issuer: str, public: ec.EllipticCurvePublicKey, last: datetime.timedelta) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + last)
    )


def _make_authority(certificate: Path, file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    made = (
        _builder("dualhome private authority", "dualhome private authority", key.public_key(), YEARS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_secret(file, _pem(key))
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))


def _make_server(authority: Path, authority_key: Path, certificate: Path, file: Path, hosts: Sequence[str]) -> None:
    signer = serialization.load_pem_private_key(authority_key.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey), "we made it"
    issuer = x509.load_pem_x509_certificate(authority.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    made = (
        _builder(
            "dualhome",
            "dualhome private authority",
            key.public_key(),
            min(MONTHS, issuer.not_valid_after_utc - datetime.datetime.now(datetime.UTC)),
        )
        .add_extension(x509.SubjectAlternativeName([_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(signer, hashes.SHA256())
    )
    write_secret(file, _pem(key))
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM) + authority.read_bytes())


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _fits(file: Path, hosts: Sequence[str]) -> bool:
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return left > RENEW and all(_name(host) in list(names) for host in hosts)


def signing_key(file: Path) -> rsa.RSAPrivateKey:
    """The key that signs tokens, made where it is missing."""
    if not file.exists():
        write_secret(file, _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey), "we made it"
    return key
