"""The self-signed certificate of a node, and the identity read from what a peer shows.

TLS proves that the peer holds the key in its first certificate (RFC 8446, section 4.4.3); nothing else in it is trusted
unless a CA is (see authority). The serial number of the self-signed one tells one run of a node's process from the
next: it is how a restarted peer is recognised. In CA mode it stands last, behind the chain for the same key.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import NameOID

from macula.errors import IdentityError
from macula.identity import Identity, NodeId

_NOT_BEFORE = datetime.datetime(2020, 1, 1)
_NOT_AFTER = datetime.datetime(9999, 12, 31)


class PeerCertificate(NamedTuple):
    """Who the peer is, and which run of its process."""

    node: NodeId
    instance: int


def make_certificate(identity: Identity, instance: int) -> x509.Certificate:
    """A self-signed Ed25519 certificate without an end. `instance` is 1 to 2**159 - 1 (RFC 5280, section 4.1.2.2)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity.node_id.short)])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(identity.private_key.public_key())
        .serial_number(instance)
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .sign(identity.private_key, None)
    )


def read_certificate(shown: Sequence[x509.Certificate]) -> PeerCertificate:
    """The identity in what a peer shows; TLS has verified that it holds the key in the first. The run is what the last
    over that key says. Raises IdentityError if it is none of ours."""
    if not shown:
        raise IdentityError("the peer showed no certificate")
    node = _node_of(shown[0])
    return PeerCertificate(node, (shown[-1] if _is_over(node, shown[-1]) else shown[0]).serial_number)


def _is_over(node: NodeId, certificate: x509.Certificate) -> bool:
    try:
        return _node_of(certificate) == node
    except IdentityError:
        return False


def _node_of(certificate: x509.Certificate) -> NodeId:
    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError) as error:
        raise IdentityError("the key in the peer's certificate cannot be read") from error
    if not isinstance(key, Ed25519PublicKey):
        raise IdentityError(f"the peer's key must be Ed25519, is {type(key).__name__}")
    return NodeId(key.public_bytes_raw())
