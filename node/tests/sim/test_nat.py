"""The simulated NAT boxes against the vocabulary."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.core.address import Address
from macula.nat.profile import Filtering, Input, Mapping, Ports, Profile, Udp, parse
from macula.sim.nat import SEQUENCE, NatBox

HOST = Address("10.0.0.2", 9443)
OUTSIDE = "203.0.113.1"
SAME_HOST, REMOTE, OTHER = Address("198.51.100.1", 1), Address("198.51.100.1", 2), Address("198.51.100.2", 1)


def box(text: str | Profile, seed: int = 0) -> NatBox:
    return NatBox(parse(text) if isinstance(text, str) else text, OUTSIDE, random.Random(seed))


def port(nat: NatBox, target: Address, now: float = 0.0, inside: Address = HOST) -> int:
    seen = nat.outbound(inside, target, now)
    assert seen is not None
    assert seen.host == OUTSIDE
    return seen.port


kinds = st.builds(
    Profile, st.sampled_from(Mapping), st.sampled_from(Filtering), st.sampled_from(Ports), input=st.sampled_from(Input)
)


@given(kinds, st.integers(0, 99))
def test_the_mapping_is_what_it_is_called(kind: Profile, seed: int) -> None:
    nat = box(kind, seed)
    one, same, other = port(nat, SAME_HOST), port(nat, REMOTE), port(nat, OTHER)
    assert (same == one) is (kind.mapping is not Mapping.ADDRESS_AND_PORT_DEPENDENT)
    assert (other == one) is (kind.mapping is Mapping.ENDPOINT_INDEPENDENT)
    assert [port(nat, target, 1.0) for target in (SAME_HOST, REMOTE, OTHER)] == [one, same, other]


@given(kinds, st.integers(0, 99))
def test_the_filter_is_what_it_is_called(kind: Profile, seed: int) -> None:
    nat = box(kind, seed)
    mapped = port(nat, SAME_HOST)
    assert nat.inbound(SAME_HOST, mapped, 0.0) == HOST
    let_in = {source: nat.inbound(source, mapped, 0.0) == HOST for source in (REMOTE, OTHER)}
    assert let_in[REMOTE] is (kind.filtering is not Filtering.ADDRESS_AND_PORT_DEPENDENT)
    assert let_in[OTHER] is (kind.filtering is Filtering.ENDPOINT_INDEPENDENT)
    assert nat.inbound(SAME_HOST, mapped ^ 1, 0.0) is None


@given(kinds, st.integers(0, 99))
def test_ports_are_chosen_as_they_are_called(kind: Profile, seed: int) -> None:
    nat = box(kind, seed)
    chosen = [port(nat, OTHER, inside=Address(f"10.0.0.{host}", 9443)) for host in range(2, 12)]
    assert len(set(chosen)) == 10
    match kind.ports:
        case Ports.PRESERVE:
            assert chosen.count(9443) == 1
            assert chosen[0] == 9443
        case Ports.SEQUENTIAL:
            start = SEQUENCE.index(chosen[0])
            assert chosen == [SEQUENCE[(start + step) % len(SEQUENCE)] for step in range(10)]
        case Ports.BLOCK:
            low, high = kind.block
            assert all(low <= one <= high for one in chosen)
        case Ports.RANDOM:
            assert len({one - chosen[0] for one in chosen}) == 10
            assert all(one >= 1024 for one in chosen)


@given(kinds, st.integers(0, 99))
def test_what_is_let_in_is_answered_from_the_port_at_which_it_came(kind: Profile, seed: int) -> None:
    nat = box(kind, seed)
    mapped = port(nat, SAME_HOST)
    if nat.inbound(OTHER, mapped, 0.0):
        assert port(nat, OTHER) == mapped


def test_only_packets_from_inside_keep_a_mapping_alive() -> None:
    nat = box("full_cone,lifetime=10")
    mapped = port(nat, REMOTE)
    assert nat.inbound(OTHER, mapped, 9.0)
    assert nat.inbound(OTHER, mapped, 10.0) is None
    assert port(nat, REMOTE, 10.0) == mapped
    assert port(nat, REMOTE, 19.0) == mapped
    assert nat.inbound(OTHER, mapped, 28.0)


def test_a_filter_forgets_each_remote_by_itself() -> None:
    nat = box("port_restricted,lifetime=10")
    mapped = port(nat, REMOTE)
    assert port(nat, OTHER, 5.0) == mapped
    assert nat.inbound(REMOTE, mapped, 12.0) is None
    assert nat.inbound(OTHER, mapped, 12.0) == HOST


@pytest.mark.parametrize("kind", ["none,udp=blocked", "home,udp=rejected"])
def test_blocked_udp_does_not_leave(kind: str) -> None:
    assert box(kind).outbound(HOST, REMOTE, 0.0) is None
    assert parse(kind).udp is not Udp.ALLOW


def test_a_plain_router_changes_nothing() -> None:
    assert box("none").outbound(HOST, REMOTE, 0.0) == HOST


def test_hosts_inside_reach_each_other_by_outside_addresses_if_it_turns_packets_round() -> None:
    neighbour = Address("10.0.0.3", 9443)
    for kind, works in (("home", True), ("port_restricted", False)):
        nat = box(kind)
        mine, theirs = port(nat, REMOTE), port(nat, REMOTE, inside=neighbour)
        assert nat.hairpin(HOST, theirs, 0.0) == ((Address(OUTSIDE, mine), neighbour) if works else None)
        assert nat.hairpin(HOST, theirs ^ 1, 0.0) is None


def test_a_block_and_a_session_limit_run_out() -> None:
    small = box("cgnat,block=40000-40003")
    seen = [small.outbound(Address("10.0.0.2", 1000 + n), REMOTE, 0.0) for n in range(5)]
    assert sorted(one.port for one in seen if one) == [40000, 40001, 40002, 40003]
    limited = box("cgnat,sessions=3")
    seen = [limited.outbound(HOST, Address("198.51.100.1", 1 + n), 0.0) for n in range(4)]
    assert [one is None for one in seen] == [False, False, False, True]
    assert limited.outbound(HOST, Address("198.51.100.1", 4), 61.0)


def test_a_stranger_whom_the_router_accepts_takes_the_port() -> None:
    for kind, spoiled in (("port_restricted,input=accept", True), ("port_restricted", False)):
        nat = box(kind)
        mapped = port(nat, REMOTE)
        assert nat.inbound(OTHER, mapped, 0.0) is None
        assert (port(nat, OTHER) != mapped) is spoiled
        assert port(nat, REMOTE) == mapped


def test_it_forgets_all_at_a_reboot() -> None:
    nat = box("symmetric")
    before = port(nat, REMOTE)
    nat.reboot("203.0.113.9")
    assert nat.inbound(REMOTE, before, 0.0) is None
    seen = nat.outbound(HOST, REMOTE, 0.0)
    assert seen is not None
    assert seen.host == "203.0.113.9"
    assert seen.port != before


def test_what_it_remembers_is_bounded_by_what_is_alive() -> None:
    nat = box("symmetric,input=accept,lifetime=2")
    for n in range(5000):
        port(nat, Address("198.51.100.1", 1 + n), n * 0.1)
        nat.inbound(Address("198.51.100.2", 1 + n), 7, n * 0.1)
    assert sum(len(table) for table in (nat._ports, nat._mapped, nat._flows, nat._occupied)) < 2500
