"""A realm's certificate authority, and the certificates that it issues for node ids (RFC 5280).

A node id is the node's public key, so a certificate needs neither a request nor the node's private key: whoever shows
it has to prove in TLS that the key in it is theirs.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from macula.errors import ArgumentError
from macula.identity.node_id import NodeId

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DNS_NAME = re.compile(rf"(\*\.)?({_LABEL}\.)*{_LABEL}\Z")
_MAX_DNS_NAME = 253

BACKDATED = 300.0
"""Seconds by which a certificate is valid before it was made: clocks differ."""


def make_authority(name: str, key: Ed25519PrivateKey, wall: float, lifetime: float) -> x509.Certificate:
    """The self-signed certificate of an authority that issues for nodes, not for other authorities. `wall` is Unix
    time, `lifetime` in seconds. Raises ArgumentError for a name that no certificate takes."""
    own = key.public_key()
    builder = (
        _builder(_name(name), _name(name), own, wall, lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
    )
    return builder.sign(key, None)


def issue(
    authority: x509.Certificate,
    key: Ed25519PrivateKey,
    node: NodeId,
    hosts: Sequence[str],
    wall: float,
    lifetime: float,
) -> x509.Certificate:
    """A certificate that this node belongs to the realm of `authority`, whose key is `key`, and answers at `hosts`: DNS
    names and IP addresses. Times as in make_authority. Raises ArgumentError for a host that is neither."""
    public = Ed25519PublicKey.from_public_bytes(node)
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    both_ways = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        _builder(_name(node.short), authority.subject, public, wall, lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both_ways), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(issuer_id, critical=False)
    )
    if hosts:
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, None)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Ed25519PublicKey, wall: float, lifetime: float
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime.fromtimestamp(wall - BACKDATED, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(wall + lifetime, datetime.UTC))
    )


def _name(text: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    except ValueError as error:
        raise ArgumentError("name", f"must have 1 to 64 characters, is {text!r:.100}") from error


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not _DNS_NAME.match(host) or len(host) > _MAX_DNS_NAME:
        raise ArgumentError("host", f"must be a DNS name or an IP address, is {host!r:.100}")
    return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
