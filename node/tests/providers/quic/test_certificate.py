"""Both sides prove who they are, or there is no connection."""

from __future__ import annotations

import datetime
import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from macula.core.events import PeerRefused
from macula.errors import IdentityError
from macula.identity import Identity
from macula.providers.quic.certificate import make_certificate, read_certificate

from .network import Host, Network


def other_certificate(key: ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(datetime.datetime(2020, 1, 1))
    builder = builder.not_valid_after(datetime.datetime(2099, 1, 1))
    return builder.sign(key, SHA256() if isinstance(key, ec.EllipticCurvePrivateKey) else None)


def disguise(host: Host, certificate: object, key: object) -> None:
    for configuration in (host.endpoint._dials._configuration, host.endpoint._server):
        configuration.certificate, configuration.private_key = certificate, key


def refusals(host: Host) -> list[tuple[object, str]]:
    """Whom the host refused with which code, if that is all that happened."""
    assert len(host.of(PeerRefused)) == len(host.events)
    return [(event.who, event.code) for event in host.of(PeerRefused)]


def test_a_certificate_says_who_and_which_run() -> None:
    identity = Identity.from_random(random.Random(1))
    assert read_certificate([make_certificate(identity, 77)]) == (identity.node_id, 77)


def test_other_keys_and_no_certificate_are_refused() -> None:
    with pytest.raises(IdentityError, match="must be Ed25519"):
        read_certificate([other_certificate(ec.generate_private_key(ec.SECP256R1()))])
    with pytest.raises(IdentityError, match="no certificate"):
        read_certificate([])


def test_a_dial_that_finds_somebody_else_names_both_and_the_other_side_notices_nothing() -> None:
    net = Network()
    a, b, c = net.host(1), net.host(2), net.host(3)
    dial = a.dial(b.address, expected=c.id)
    net.run(1.0)
    (failed,) = a.failed
    assert (failed.dial, failed.code) == (dial, "bad_identity")
    for part in ("bad_identity", str(c.id), str(b.id), str(b.address)):
        assert part in failed.reason
    assert not b.events
    net.run(30.0)
    assert a.endpoint.connections == b.endpoint.connections == 0
    assert not b.events


def test_the_right_peer_behind_a_second_address_is_found_although_another_answers_first() -> None:
    net = Network()
    a, b, c = net.host(1), net.host(2), net.host(3)
    dial = a.dial(b.address, c.address, expected=c.id)
    net.run(2.0)
    assert [(event.peer, event.dial) for event in a.connected] == [(c.id, dial)]
    assert not a.failed and not b.events


def test_a_wrong_dial_does_not_touch_the_connection_that_both_have() -> None:
    net = Network()
    a, b = net.pair()
    a.dial(b.address, expected=Identity.from_random(random.Random(9)).node_id)
    net.run(2.0)
    assert len(a.failed) == 1 and not b.events and not a.lost


def test_a_client_without_a_certificate_is_closed() -> None:
    net = Network()
    a, b = net.host(1), net.host(2)
    disguise(a, None, None)
    a.dial(b)
    net.run(2.0)
    reason = "the peer showed no certificate"
    assert b.events == [PeerRefused(a.address.host, "bad_identity", reason)]
    assert [(event.code, event.reason) for event in a.lost] == [("bad_identity", reason)]


@pytest.mark.parametrize("kind", ["ec", "ed448"])
@pytest.mark.parametrize("client", [True, False])
def test_a_peer_with_another_kind_of_key_is_refused(kind: str, client: bool) -> None:
    net = Network()
    a, b = net.host(1), net.host(2)
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else ed448.Ed448PrivateKey.generate()
    disguise(a if client else b, other_certificate(key), key)
    a.dial(b)
    net.run(6.0)
    assert refusals(b) == ([(a.address.host, "bad_identity")] if client else [])
    assert len(a.lost if client else a.failed) == 1
    assert client or [event.code for event in a.failed] == ["unreachable"], "it is nobody, not another node"
    net.run(30.0)
    assert a.endpoint.connections == b.endpoint.connections == 0


def test_a_stolen_certificate_without_its_key_is_refused() -> None:
    net = Network()
    a, b, victim = net.host(1), net.host(2), net.host(3)
    disguise(a, make_certificate(victim.identity, 5), a.identity.private_key)
    a.dial(b)
    net.run(6.0)
    assert refusals(b) == [(a.address.host, "transport_error")]


def test_a_node_that_reaches_itself_says_so() -> None:
    net = Network()
    a = net.host(1)
    a.dial(a.address)
    a.dial(a)
    net.run(6.0)
    assert not a.connected
    assert ["this is the node itself" in event.reason for event in a.failed] == [True, True]
    assert [event.code for event in a.failed] == ["unreachable"] * 2
