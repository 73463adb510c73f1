"""Self-signed certificates for loopback: what is compared to a node shows one, too."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

HOST = "127.0.0.1"


def ed25519() -> tuple[x509.Certificate, Ed25519PrivateKey]:
    """Of the kind that nodes use."""
    key = Ed25519PrivateKey.generate()
    return _builder(key.public_key()).sign(key, None), key


@contextmanager
def p256_files() -> Iterator[tuple[Path, Path]]:
    """Certificate and key in PEM, for what does not take Ed25519; they are there as long as the block lasts."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _builder(key.public_key()).sign(key, SHA256())
    with tempfile.TemporaryDirectory() as folder:
        chain, private = Path(folder) / "certificate.pem", Path(folder) / "key.pem"
        chain.write_bytes(certificate.public_bytes(Encoding.PEM))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        yield chain, private


def _builder(key: CertificatePublicKeyTypes) -> x509.CertificateBuilder:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address(HOST))])
    return (
        x509.CertificateBuilder(name, name, key, x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
    )
