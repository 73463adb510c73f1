"""CA mode: a peer must show a certificate over its identity key that chains to a CA of the configured bundle.

OpenSSL builds and checks the path (RFC 5280, section 6), through pyOpenSSL: `cryptography.x509.verification` knows the
web's profile only, which forbids Ed25519 keys. service-identity compares names (RFC 9525). aioquic needs both anyway.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import service_identity
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address

from macula.errors import ConfigError, IdentityError
from macula.identity import NodeId
from macula.providers.quic.certificate import read_certificate
from macula.wire import codes

MAX_SHOWN = 8
"""Certificates that a peer may show."""
MAX_FILE = 1 << 20

_EXPIRED = (9, 10)
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED: of the certificate, or of one above it."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """`chain` is the node's own certificate and those between it and the CA; `roots` are whom it trusts."""

    chain: tuple[x509.Certificate, ...]
    roots: tuple[x509.Certificate, ...]

    @property
    def expires(self) -> datetime.datetime:
        """When the first certificate of the chain ends."""
        return min(certificate.not_valid_after_utc for certificate in self.chain)


class Authority:
    """What the QUIC endpoint needs of CA mode. `renew` changes it for the connections that begin later."""

    def __init__(self, credentials: Credentials, clock: Callable[[], float]) -> None:
        """`clock` tells Unix time."""
        self.credentials = credentials
        self._clock = clock

    def renew(self, credentials: Credentials) -> None:
        """Show these from now on, and trust their roots."""
        self.credentials = credentials

    def check(self, shown: Sequence[x509.Certificate], *, dialed: bool, host: str) -> None:
        """As check_chain, now."""
        check_chain(shown, self.credentials.roots, self._clock(), dialed=dialed, host=host)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The settings tls_ca and tls_certificate, PEM files, of the node `own`."""

    bundle: Path
    certificate: Path
    own: NodeId

    def load(self, wall: float) -> Credentials:
        """What they hold. Raises ConfigError, naming the setting, unless others with the same bundle would accept this
        node with them now (`wall`, Unix time)."""
        credentials = Credentials(_read("tls_certificate", self.certificate), _read("tls_ca", self.bundle))
        try:
            node = read_certificate(credentials.chain).node
            if node != self.own:
                raise IdentityError(f"it is over the key of {node}, this node's is {self.own}")
            for dialed in (True, False):
                check_chain(credentials.chain, credentials.roots, wall, dialed=dialed, host="")
        except IdentityError as error:
            raise ConfigError("tls_certificate", f"{self.certificate} is of no use: {error}") from error
        return credentials


def check_chain(
    shown: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], wall: float, *, dialed: bool, host: str
) -> None:
    """Whether a peer belongs to the realm: `shown` begins with the certificate of the key that it has proven.

    `wall` is Unix time; `dialed` says that the peer was dialed, and `host` at which name or address that a person
    configured, if it was at one. Raises IdentityError with one of wire.codes.CERTIFICATE.
    """
    if len(shown) > MAX_SHOWN:
        raise IdentityError(f"the peer shows more than {MAX_SHOWN} certificates", codes.BAD_CERTIFICATE)
    try:
        _check_path(shown, roots, wall)
        _check_use(shown[0], dialed)
        if host:
            _check_name(shown[0], host)
    except (ValueError, x509.DuplicateExtension, crypto.Error) as error:
        reason = f"the certificate of {shown[0].serial_number:x} cannot be read: {error}"
        raise IdentityError(reason, codes.BAD_CERTIFICATE) from error


def _check_path(shown: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], wall: float) -> None:
    leaf, *others = (crypto.X509.from_cryptography(certificate) for certificate in shown)
    store = crypto.X509Store()
    for root in roots:
        store.add_cert(crypto.X509.from_cryptography(root))
    store.set_time(datetime.datetime.fromtimestamp(wall, datetime.UTC))
    try:
        crypto.X509StoreContext(store, leaf, others).verify_certificate()
    except crypto.X509StoreContextError as error:
        number, _, text = error.errors
        if number in _EXPIRED:
            begin, end = shown[0].not_valid_before_utc, shown[0].not_valid_after_utc
            reason = f"{_described(shown[0])} is valid from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC: {text}"
            raise IdentityError(reason, codes.CERTIFICATE_EXPIRED) from error
        if shown[0].issuer == shown[0].subject:
            reason = "no certificate of a CA was shown, only a key, and CA mode (the setting tls_ca) asks for one"
            raise IdentityError(reason, codes.NO_CHAIN) from error
        reason = f"{_described(shown[0])} does not lead to a CA of the bundle (tls_ca): {text}"
        raise IdentityError(reason, codes.UNKNOWN_CA) from error


def _check_use(certificate: x509.Certificate, dialed: bool) -> None:
    try:
        allowed = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    needed = ExtendedKeyUsageOID.SERVER_AUTH if dialed else ExtendedKeyUsageOID.CLIENT_AUTH
    if needed not in allowed and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in allowed:
        reason = f"{_described(certificate)} is not for a TLS {'server' if dialed else 'client'}"
        raise IdentityError(f"{reason}: a node's must be for both", codes.BAD_CERTIFICATE)


def _check_name(certificate: x509.Certificate, host: str) -> None:
    try:
        if _is_ip(host):
            verify_certificate_ip_address(certificate, host)
        else:
            verify_certificate_hostname(certificate, host)
    except (ValueError, service_identity.CertificateError, service_identity.VerificationError) as error:
        reason = f"{_described(certificate)} does not name {host} but {_names(certificate)}"
        raise IdentityError(reason, codes.WRONG_NAME) from error


def _described(certificate: x509.Certificate) -> str:
    subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    return f"the certificate {subject:.100} by {issuer:.100}"


def _names(certificate: x509.Certificate) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "no host"
    return f"{', '.join(str(name.value) for name in names):.200}"


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _read(setting: str, path: Path) -> tuple[x509.Certificate, ...]:
    try:
        with path.open("rb") as file:
            return tuple(x509.load_pem_x509_certificates(file.read(MAX_FILE)))
    except OSError as error:
        raise ConfigError(setting, f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(setting, f"{path} must hold PEM certificates: {error}") from error
