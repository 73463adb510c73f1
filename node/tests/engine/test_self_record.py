"""The node's own record."""

from __future__ import annotations

from macula.core.address import Address
from macula.core.mode import Mode, PathPolicy
from macula.core.peer_record import MAX_ADDRESSES, RelayPlace
from macula.core.record import MAX_RECORD
from macula.engine.self_record import SelfRecord
from macula.engine.settings import EngineSettings

from .playbook import REALM, WALL, address, edge, identity, node


def test_it_says_what_the_settings_say() -> None:
    own = SelfRecord(identity(0), EngineSettings(Mode.GATEWAY, "gate", REALM, record_ttl=120))
    info = own.set_addresses((address(0),), 0.0, WALL).info
    assert info is own.info
    assert (info.node, info.addresses, info.reachable) == (node(0), (address(0),), True)
    assert (info.name, info.mode, info.realms, info.record.ttl) == ("gate", "gateway", ("*",), 120)
    assert info.record.seq == int(WALL * 1000)


def test_an_edge_serves_its_realm_only() -> None:
    assert SelfRecord(identity(0), edge()).set_addresses((), 0.0, WALL).info.realms == (REALM,)


def test_without_an_address_or_when_told_so_it_is_not_reachable() -> None:
    assert not SelfRecord(identity(0), edge()).set_addresses((), 0.0, WALL).info.reachable
    hidden = SelfRecord(identity(0), EngineSettings(Mode.EDGE, "hidden", REALM, reachable=False))
    assert not hidden.set_addresses((address(0),), 0.0, WALL).info.reachable


def test_renewed_at_half_of_its_life() -> None:
    own = SelfRecord(identity(0), edge())
    assert own.next_deadline() is None
    first = own.set_addresses((address(0),), 10.0, WALL).info
    assert own.next_deadline() == 160.0
    assert own.tick(159.9, WALL + 149.9) is None
    renewed = own.tick(160.0, WALL + 150.0)
    assert renewed is not None
    assert renewed.info.record.seq == first.record.seq + 150_000
    assert own.next_deadline() == 310.0


def test_the_sequence_grows_even_within_a_millisecond_or_when_the_clock_is_set_back() -> None:
    own = SelfRecord(identity(0), edge())
    first = own.set_addresses((address(0),), 0.0, WALL).info.record.seq
    assert own.set_addresses((address(1),), 0.0, WALL).info.record.seq == first + 1
    assert own.set_addresses((address(2),), 1.0, WALL - 1000).info.record.seq == first + 2


def test_new_relays_make_a_newer_record() -> None:
    own = SelfRecord(identity(0), EngineSettings(Mode.EDGE, "hidden", REALM, reachable=False))
    first = own.set_addresses((address(0),), 0.0, WALL).info
    place = RelayPlace(node(9), address(9))
    second = own.set_relays((place,), 0.0, WALL).info
    assert second.relays == (place,) and second.record.seq > first.record.seq
    assert own.next_deadline() == 150.0


def test_a_record_that_would_be_too_large_leaves_addresses_out() -> None:
    name = ".".join(["x" * 50] * 5)
    own = SelfRecord(identity(0), EngineSettings(Mode.EDGE, name, name, reachable=False))
    far = "2001:db8:1234:5678:9abc:def0:1234:"
    own.set_addresses(tuple(Address(f"{far}{number + 4096:x}", 65535) for number in range(MAX_ADDRESSES)), 0.0, WALL)
    places = tuple(RelayPlace(node(number), Address(f"{far}{number + 4096:x}", 65535)) for number in (8, 9))
    info = own.set_relays(places, 0.0, WALL).info
    assert info.relays == places and 0 < len(info.addresses) < MAX_ADDRESSES
    assert len(info.record.encoded) <= MAX_RECORD


def test_who_is_reached_by_relay_only_tells_no_address() -> None:
    own = SelfRecord(identity(0), EngineSettings(Mode.EDGE, "shy", REALM, path_policy=PathPolicy.RELAY_ONLY))
    info = own.set_addresses((address(0),), 0.0, WALL).info
    assert not info.addresses and not info.reachable
