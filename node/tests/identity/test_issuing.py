from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from macula.errors import ArgumentError
from macula.identity import Identity
from macula.identity.issuing import BACKDATED, issue, make_authority

WALL = 1_800_000_000.0


def test_a_certificate_is_over_the_key_that_is_the_node_id() -> None:
    key, node = Ed25519PrivateKey.generate(), Identity.generate().node_id
    authority = make_authority("org.test", key, WALL, 7200.0)
    certificate = issue(authority, key, node, ("gw.test", "10.0.2.1", "::1"), WALL, 3600.0)
    assert certificate.public_key().public_bytes_raw() == node  # type: ignore[union-attr]
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["gw.test", "10.0.2.1", "::1"]
    assert certificate.not_valid_before_utc.timestamp() == WALL - BACKDATED
    assert certificate.not_valid_after_utc.timestamp() == WALL + 3600


@pytest.mark.parametrize(
    "host", ["", "gw test", "a" * 64 + ".test", "gw.test:9443", "wss://gw.test", "10.0.0.0/8", "ü"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    key = Ed25519PrivateKey.generate()
    authority = make_authority("org.test", key, WALL, 7200.0)
    with pytest.raises(ArgumentError, match="host: must be a DNS name or an IP address"):
        issue(authority, key, Identity.generate().node_id, (host,), WALL, 3600.0)


@pytest.mark.parametrize("name", ["", "a" * 65])
def test_a_name_that_no_certificate_takes_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match="must have 1 to 64 characters"):
        make_authority(name, Ed25519PrivateKey.generate(), WALL, 1.0)
