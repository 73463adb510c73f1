"""Candidates as they are told, checked and ordered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.core.address import Address
from macula.nat.punching.candidates import (
    MAX_CANDIDATES,
    MAX_PER_HOST,
    Candidate,
    CandidateKind,
    Tier,
    choose_candidates,
    is_private,
    may_be_sent_to,
    outside_hosts,
    read_candidates,
    tier_of,
    write_candidate,
)

REFLEXIVE, INTERFACE, MAPPED, OBSERVED = (
    CandidateKind.REFLEXIVE,
    CandidateKind.INTERFACE,
    CandidateKind.MAPPED,
    CandidateKind.OBSERVED,
)


def candidate(host: str, port: int = 9443, kind: CandidateKind = REFLEXIVE) -> Candidate:
    return Candidate(kind, Address(host, port))


hosts = st.ip_addresses().map(str)
told = st.builds(candidate, hosts, st.integers(1, 65_535), st.sampled_from([REFLEXIVE, INTERFACE, MAPPED, OBSERVED]))


@given(told)
def test_it_is_read_as_it_was_written(one: Candidate) -> None:
    encoded = write_candidate(one)
    assert len(encoded) in (7, 19)
    assert read_candidates([encoded], local=True) == ((one,) if may_be_sent_to(one.address, local=True) else ())


@given(st.lists(st.binary(max_size=20) | told.map(write_candidate), max_size=200))
def test_what_a_peer_tells_is_bounded_and_usable(encoded: list[bytes]) -> None:
    found = read_candidates(encoded)
    assert len(found) <= MAX_CANDIDATES
    assert len({one.address for one in found}) == len(found)
    assert all(may_be_sent_to(one.address) for one in found)
    assert [tier_of(one) for one in found] == sorted(tier_of(one) for one in found)
    for one in found:
        assert sum(other.address.host == one.address.host for other in found) <= MAX_PER_HOST


def test_a_hundred_thousand_candidates_are_sixteen() -> None:
    flood = (write_candidate(candidate(f"9.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}")) for n in range(100_000))
    assert len(read_candidates(flood)) == MAX_CANDIDATES


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "ff02::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
    ],
)
def test_nothing_is_ever_sent_there(host: str) -> None:
    assert not may_be_sent_to(Address(host, 1))
    assert read_candidates([write_candidate(candidate(host))]) == ()


def test_loopback_is_for_those_who_are_there() -> None:
    for host in ("127.0.0.1", "::1"):
        assert read_candidates([write_candidate(candidate(host))], local=True) == (candidate(host),)


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\x02\x00\x00\x09\x09\x09\x09",
        b"\x05\x00\x01\x09\x09\x09\x09",
        b"\x06\x00\x01\x09\x09\x09\x09",
        b"\x63\x00\x01\x09\x09\x09\x09",
        b"\x02\x00\x01" + bytes(15),
    ],
    ids=["empty", "no port", "predicted", "seen", "unknown kind", "no address"],
)
def test_malformed_ones_are_left_out(encoded: bytes) -> None:
    assert read_candidates([encoded, write_candidate(candidate("9.9.9.9"))]) == (candidate("9.9.9.9"),)


def test_the_best_come_first() -> None:
    lan, six, four = candidate("10.0.0.1", kind=INTERFACE), candidate("2001:db8::1"), candidate("203.0.113.1")
    observed = candidate("203.0.113.1", 7, OBSERVED)
    encoded = [write_candidate(one) for one in (observed, four, six, lan, four)]
    assert read_candidates(encoded) == (lan, six, four, observed)
    assert [tier_of(one) for one in (lan, six, four)] == [Tier.LAN, Tier.IPV6, Tier.IPV4]
    assert tier_of(candidate("10.0.0.1", kind=REFLEXIVE)) is Tier.IPV4
    assert tier_of(candidate("203.0.113.9", kind=INTERFACE)) is Tier.IPV4


def test_own_ones_are_told_once_the_outside_ones_first() -> None:
    own = [candidate(f"10.0.0.{n}", kind=INTERFACE) for n in range(1, 20)]
    outside, mapped = candidate("203.0.113.1"), candidate("203.0.113.1", 80, MAPPED)
    chosen = choose_candidates([candidate("203.0.113.1", kind=INTERFACE), *own, mapped, outside])
    assert chosen[:2] == (outside, mapped)
    assert chosen[2:] == tuple(own[:14])
    predicted = candidate("203.0.113.1", 7, CandidateKind.PREDICTED)
    assert choose_candidates([predicted]) == ()


def test_private_addresses_and_outside_hosts() -> None:
    private = ("10.1.2.3", "172.31.0.1", "192.168.0.1", "100.64.0.1", "169.254.1.1", "fd00::1")
    assert all(is_private(Address(host, 1)) for host in private)
    assert not any(is_private(Address(host, 1)) for host in ("172.32.0.1", "100.128.0.1", "203.0.113.1", "2001:db8::1"))
    seen = [candidate("203.0.113.1"), candidate("10.0.0.1", kind=INTERFACE), candidate("203.0.113.2", 1, OBSERVED)]
    assert outside_hosts(seen) == {"203.0.113.1", "203.0.113.2"}
