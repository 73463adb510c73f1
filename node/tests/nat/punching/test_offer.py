"""What two peers tell each other."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from macula.core.address import Address
from macula.identity import NodeId
from macula.nat.facts import Facts
from macula.nat.profile import Filtering, Input, Mapping, Ports, Udp
from macula.nat.punching.candidates import Candidate, CandidateKind
from macula.nat.punching.offer import Side, new_terms, read_offer, shared_key, write_offer
from macula.wire import Decoder, encode
from macula.wire.messages import Candidates
from wire.strategies import of_message

PEER = NodeId(b"\x02" * 32)
TERMS = new_terms(b"secret" * 4, PEER, random.Random(1))
OWN = (Candidate(CandidateKind.REFLEXIVE, Address("203.0.113.1", 5000)),)

facts = st.builds(
    Facts,
    st.none() | st.sampled_from(Mapping),
    st.none() | st.sampled_from(Filtering),
    st.none() | st.sampled_from(Ports),
    st.integers(-1024, 1024),
    st.integers(0, 65_535),
    st.booleans(),
    st.booleans(),
)


@given(facts, st.integers(0, 2**32 - 1), st.floats(0, 1e9))
def test_it_is_read_as_it_was_told(known: Facts, number: int, held: float) -> None:
    side = Side(known, OWN)
    ((message, _),) = Decoder().feed(encode(write_offer(side, TERMS, number, held)))
    assert isinstance(message, Candidates)
    assert read_offer(message, local=False) == (side, TERMS)
    assert message.round == number
    assert message.held_ms == min(int(held * 1000), 60_000)


@given(of_message(Candidates))
def test_whatever_a_peer_tells_can_be_used(message: Candidates) -> None:
    side, _ = read_offer(message, local=False)
    assert len(side.candidates) <= 16
    assert side.facts.profile is None or side.facts.profile.udp in (Udp.ALLOW, Udp.BLOCKED)


def test_words_of_later_versions_are_unknown() -> None:
    message = structs.replace(
        write_offer(Side(Facts(), OWN), TERMS, 1, 0.0), mapping="quantum", filtering="", ports="odd"
    )
    assert read_offer(message, local=False)[0].facts == Facts()


def test_each_connection_has_its_own_terms() -> None:
    rng = random.Random(1)
    terms = [new_terms(b"secret" * 4, PEER, rng) for _ in range(10)]
    assert len({one.receiver for one in terms}) == len({one.key for one in terms}) == 10
    assert new_terms(b"secret" * 4, PEER, random.Random(1)) == TERMS
    assert new_terms(b"others" * 4, PEER, random.Random(1)).key != TERMS.key
    assert not TERMS.key.startswith(TERMS.receiver)


def test_the_shared_key_needs_both_halves_in_their_order() -> None:
    a, b, c = (bytes([n]) * 32 for n in range(3))
    assert len({shared_key(a, b), shared_key(b, a), shared_key(a, c), shared_key(c, b)}) == 4


def test_facts_in_the_vocabulary() -> None:
    known = Facts(Mapping.ADDRESS_DEPENDENT, Filtering.ADDRESS_DEPENDENT, Ports.SEQUENTIAL, 1, 5000, fragile=True)
    profile = known.profile
    assert profile is not None
    assert (profile.mapping, profile.filtering, profile.ports) == (known.mapping, known.filtering, known.ports)
    assert profile.input is Input.ACCEPT
    assert known.dependent
    assert known.predictable
    unsampled = replace(known, last_port=0)
    assert not unsampled.predictable
    assert unsampled.profile is not None
    assert unsampled.profile.ports is Ports.RANDOM
    blocked = Facts(udp=False).profile
    assert blocked is not None
    assert blocked.udp is Udp.BLOCKED
    everybody = Facts(Mapping.ADDRESS_DEPENDENT, Filtering.ENDPOINT_INDEPENDENT)
    assert everybody.open
    assert everybody.profile is not None
    for unknown in (Facts(), Facts(Mapping.ADDRESS_DEPENDENT, Filtering.ADDRESS_DEPENDENT)):
        assert unknown.profile is None
