from __future__ import annotations

import pytest

from macula.core.record import Kind, sign_record
from macula.dht.verifier import Verifier
from macula.errors import ProtocolError
from macula.wire import codes

from .people import REALM, WALL, forged, peer, person, record


def test_a_record_is_verified_once() -> None:
    verifier = Verifier(10)
    first = verifier.record(record(1).encoded)
    assert first == record(1)
    assert verifier.record(bytes(record(1).encoded)) is first


def test_one_flipped_bit_is_another_record() -> None:
    verifier = Verifier(10)
    verifier.record(record(1).encoded)
    with pytest.raises(ProtocolError) as caught:
        verifier.record(forged(record(1).encoded))
    assert caught.value.code == codes.BAD_SIGNATURE


def test_a_peer_record_of_somebody_else_is_refused() -> None:
    stolen = sign_record(person(1), "", Kind.PEER, str(person(2).node_id), {}, wall=WALL, ttl=300)
    with pytest.raises(ProtocolError) as caught:
        Verifier(10).record(stolen.encoded)
    assert caught.value.code == codes.BAD_KEY


def test_a_service_record_without_realm_is_refused() -> None:
    with pytest.raises(ProtocolError) as caught:
        Verifier(10).record(record(1, realm="").encoded)
    assert caught.value.code == codes.BAD_KEY


def test_a_peer_record_without_contents_is_a_tombstone_and_no_contact() -> None:
    verifier = Verifier(10)
    gone = sign_record(person(1), "", Kind.PEER, str(person(1).node_id), None, wall=WALL, ttl=300)
    assert verifier.record(gone.encoded).is_tombstone
    for encoded in (gone.encoded, record(1).encoded, b"", b"\xc1"):
        with pytest.raises(ProtocolError):
            verifier.peer(encoded)
    assert verifier.peer(peer(1).record.encoded) == peer(1)
    assert REALM in verifier.peer(peer(1).record.encoded).realms
