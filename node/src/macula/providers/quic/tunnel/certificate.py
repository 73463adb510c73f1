"""What a tunnel's TLS sessions begin with."""

from __future__ import annotations

import datetime
import ssl
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_NAME = "www.example.net"
"""Says nothing of the node: whoever looks on learns nothing of it before the QUIC handshake inside."""
_ALPN = ["http/1.1"]
_LIFETIME = datetime.timedelta(days=397)


def client_context() -> ssl.SSLContext:
    """For the side that opens a tunnel."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # TLS is here to look like the web's traffic and to pass where that passes. Who is at the other end is proven, both
    # ways, by the keys of the QUIC connection inside; whoever sits in the middle of this one can only drop its packets,
    # as any router can.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return _modern(context)


def server_context(now: datetime.datetime) -> ssl.SSLContext:
    """For the side that takes tunnels, with a certificate of its own that signs itself. Raises OSError if there is
    nowhere to put it for a moment."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The ssl module reads certificates from files only.
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(_make_pem(now))
        file.flush()
        context.load_cert_chain(file.name)
    # A ticket would spare a round trip that is hardly ever made, and costs one more write in each session.
    context.num_tickets = 0
    return _modern(context)


def _modern(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(_ALPN)
    return context


def _make_pem(now: datetime.datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(_NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
