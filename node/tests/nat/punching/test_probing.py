"""Sending probes and hearing them, between two of them, at literal times."""

from __future__ import annotations

from macula.core.address import Address
from macula.identity import NodeId
from macula.nat.facts import Facts
from macula.nat.punching.actions import SendProbe
from macula.nat.punching.candidates import Candidate, CandidateKind, Tier
from macula.nat.punching.offer import Side
from macula.nat.punching.prober import Asked, Prober, Proved
from macula.nat.punching.probing import Probing, Summary
from macula.nat.punching.quota import Quota

A, B = NodeId(b"\x01" * 32), NodeId(b"\x02" * 32)
HERE, THERE, ELSEWHERE = Address("203.0.113.1", 1), Address("203.0.113.2", 2), Address("203.0.113.3", 3)
MINE = Side(Facts(), (Candidate(CandidateKind.REFLEXIVE, HERE),))
THEIRS = Side(Facts(), (Candidate(CandidateKind.REFLEXIVE, THERE),))


def probing(me: NodeId, peer: NodeId) -> Probing:
    made = Probing(Quota())
    made.prober = Prober(me, peer, b"s" * 32, b"k" * 32, b"receiver", 0.0)
    return made


def answered(by: Probing, at: Address, probe: object, now: float) -> bytes:
    assert isinstance(probe, SendProbe)
    heard = by.receive(at, probe.data, now)
    assert isinstance(heard, Asked)
    return heard.answer


def prove(one: Probing, other: Probing, address: Address, probe: object, now: float) -> None:
    proved = one.receive(address, answered(other, HERE, probe, now), now)
    assert isinstance(proved, Proved)
    one.proved(proved, MINE)


def test_a_round_finds_a_path_and_tells_what_it_took() -> None:
    a, b = probing(A, B), probing(B, A)
    (probe,) = a.begin(MINE, THEIRS, 9, 0.0)
    assert a.summary(0.0) is None
    prove(a, b, THERE, probe, 0.03)
    assert a.summary(0.03) == Summary(Tier.IPV4, 1, 0)
    assert a.summary(0.03) is None
    assert a.next_deadline is None


def test_where_a_peer_was_found_it_is_not_tried_again_until_that_is_forgotten() -> None:
    a, b = probing(A, B), probing(B, A)
    (probe,) = a.begin(MINE, THEIRS, 9, 0.0)
    prove(a, b, THERE, probe, 0.0)
    a.summary(0.0)
    assert a.asked(THERE, MINE, 1.0) == []
    (probe,) = a.asked(ELSEWHERE, MINE, 1.0)
    assert isinstance(probe, SendProbe)
    assert probe.target == ELSEWHERE
    a.cancel()
    a.forget(THERE)
    (probe,) = a.asked(THERE, MINE, 2.0)
    assert isinstance(probe, SendProbe)
    assert probe.target == THERE


def test_what_a_round_found_by_chance_counts_in_the_one_that_follows() -> None:
    a, b = probing(A, B), probing(B, A)
    (probe,) = a.asked(ELSEWHERE, MINE, 0.0)
    prove(a, b, ELSEWHERE, probe, 0.0)
    a.begin(MINE, THEIRS, 1, 0.0)
    summary = a.summary(0.1)
    assert summary is not None
    assert summary.best is Tier.IPV4


def test_without_keys_nothing_is_sent_or_heard() -> None:
    a = Probing(Quota())
    assert a.receive(THERE, bytes(57), 0.0) is None
    assert a.begin(MINE, THEIRS, 9, 0.0) == []


def test_an_address_that_never_answers_is_spared() -> None:
    a = probing(A, B)
    sent = sum(len(a.begin(MINE, THEIRS, 9, 0.0)) for _ in range(200))
    assert sent == 64
