"""Peer records."""

from __future__ import annotations

import random
from typing import Any

import pytest

from macula.core.address import Address
from macula.core.peer_record import (
    MAX_ADDRESSES,
    MAX_RELAYS,
    PeerInfo,
    RelayPlace,
    clock_difference,
    open_peer,
    read_peer,
    sign_peer,
)
from macula.core.record import Kind, sign_record
from macula.errors import ProtocolError
from macula.identity import Identity
from macula.wire import codes

ALICE = Identity.from_random(random.Random(1))
BOB = Identity.from_random(random.Random(2))
WALL = 1_800_000_000.0
VALUE: dict[str, Any] = {
    "addresses": ["10.0.0.1:9443", "[::1]:9443"],
    "reachable": True,
    "name": "alice",
    "mode": "edge",
    "realms": ["io.test"],
    "box": ALICE.box_public,
}


def test_a_record_that_comes_again_is_not_opened_again() -> None:
    good = peer().record.encoded
    assert open_peer(good) is open_peer(bytes(bytearray(good)))
    for _ in range(2):
        with pytest.raises(ProtocolError, match="signature"):
            open_peer(good[:-1] + bytes([good[-1] ^ 1]))


def peer(**changes: Any) -> PeerInfo:
    options: dict[str, Any] = {
        "addresses": (Address("10.0.0.1", 9443), Address("::1", 9443)),
        "reachable": True,
        "name": "alice",
        "mode": "edge",
        "realms": ("io.test",),
    }
    return sign_peer(ALICE, wall=WALL, ttl=300, **options | changes)


def code_of(value: Any, *, name: str = str(ALICE.node_id), realm: str = "", kind: Kind = Kind.PEER) -> str:
    record = sign_record(ALICE, realm, kind, name, value, wall=WALL, ttl=300)
    with pytest.raises(ProtocolError) as caught:
        open_peer(record.encoded)
    return caught.value.code


def test_what_is_signed_is_opened() -> None:
    info = peer()
    assert open_peer(info.record.encoded) == info
    assert (info.node, info.box_public) == (ALICE.node_id, ALICE.box_public)
    assert info.addresses == (Address("10.0.0.1", 9443), Address("::1", 9443))
    assert (info.reachable, info.name, info.mode, info.realms) == (True, "alice", "edge", ("io.test",))
    assert info.record.value == VALUE
    assert peer(seq=5).record.seq == 5


def test_only_the_first_addresses_are_kept() -> None:
    addresses = tuple(Address("10.0.0.1", port) for port in range(1, 20))
    assert peer(addresses=addresses).addresses == addresses[:MAX_ADDRESSES]


def test_a_record_of_another_kind_or_name_or_realm_is_no_peer_record() -> None:
    assert code_of(VALUE, kind=Kind.RPC) == codes.BAD_KEY
    assert code_of(VALUE, name=str(BOB.node_id)) == codes.BAD_KEY
    assert code_of(VALUE, name="alice") == codes.BAD_KEY
    assert code_of(VALUE, realm="io.test") == codes.BAD_KEY


def test_a_tombstone_has_no_contents() -> None:
    assert code_of(None) == codes.BAD_MESSAGE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("addresses", "10.0.0.1:9443"),
        ("addresses", ["10.0.0.1:1"] * (MAX_ADDRESSES + 1)),
        ("addresses", [1]),
        ("addresses", ["bootstrap.example:9443"]),
        ("addresses", ["[fe80::1%eth0]:9443"]),
        ("addresses", ["10.0.0.1:0"]),
        ("reachable", 1),
        ("reachable", None),
        ("name", None),
        ("name", "x" * 256),
        ("mode", b"edge"),
        ("realms", {}),
        ("realms", [None]),
        ("realms", ["x"] * 17),
        ("relays", None),
        ("relays", {}),
        ("relays", [[bytes(32), "10.0.0.1:1"]] * (MAX_RELAYS + 1)),
        ("relays", [[bytes(31), "10.0.0.1:1"]]),
        ("relays", [["x" * 32, "10.0.0.1:1"]]),
        ("relays", [[bytes(32), "relay.example:1"]]),
        ("relays", [[bytes(32), "10.0.0.1:0"]]),
        ("relays", [[bytes(32), "1" * 300]]),
        ("relays", [[bytes(32)]]),
        ("relays", [bytes(32)]),
        ("box", bytes(31)),
        ("box", "x" * 32),
    ],
)
def test_malformed_contents_are_refused(field: str, value: Any) -> None:
    assert code_of(VALUE | {field: value}) == codes.BAD_MESSAGE


@pytest.mark.parametrize("field", VALUE)
def test_every_field_must_be_there(field: str) -> None:
    assert code_of({name: value for name, value in VALUE.items() if name != field}) == codes.BAD_MESSAGE


def test_later_fields_are_left_out() -> None:
    record = sign_record(ALICE, "", Kind.PEER, str(ALICE.node_id), VALUE | {"later": [1]}, wall=WALL, ttl=300)
    assert read_peer(record).name == "alice"


def test_relays_are_named_with_their_addresses_and_only_so_many() -> None:
    places = tuple(RelayPlace(BOB.node_id, Address("192.0.2.1", port)) for port in range(1, 5))
    info = peer(relays=places)
    assert info.relays == places[:MAX_RELAYS]
    assert open_peer(info.record.encoded) == info
    assert peer().relays == ()


@pytest.mark.parametrize(
    ("later", "ahead"),
    [(0.0, 0.0), (149.0, 0.0), (150.5, 0.5), (3750.0, 3600.0), (-0.5, -0.5), (-3600.0, -3600.0)],
)
def test_a_clock_is_off_by_what_the_records_age_cannot_explain(later: float, ahead: float) -> None:
    assert clock_difference(peer().record, WALL + later) == ahead
