"""What a datagram proves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from macula.core.address import Address
from macula.identity import NodeId
from macula.nat.punching.prober import Asked, Prober, Proved

A, B, C = (NodeId(bytes([n]) * 32) for n in (1, 2, 3))
A_AT, B_AT, ELSEWHERE = Address("203.0.113.1", 1), Address("203.0.113.2", 2), Address("203.0.113.3", 3)
SHARED = b"\x11" * 32


def prober(me: NodeId = A, peer: NodeId = B, shared: bytes = SHARED, secret: bytes = b"\x22" * 32) -> Prober:
    return Prober(me, peer, secret, shared, b"receiver", 0.0)


def asked(at: Prober, source: Address, data: bytes, now: float = 0.0) -> Asked:
    heard = at.receive(source, data, now)
    assert isinstance(heard, Asked)
    return heard


def test_a_probe_that_comes_back_proves_an_address() -> None:
    a, b = prober(A, B), prober(B, A)
    heard = asked(b, A_AT, a.request(B_AT, 1.0))
    assert heard.source == A_AT
    assert a.receive(B_AT, heard.answer, 1.25) == Proved(B_AT, 0.25, A_AT)


def test_the_answer_is_no_bigger_than_the_request() -> None:
    a, b = prober(A, B), prober(B, A)
    request = a.request(B_AT, 0.0)
    assert len(asked(b, A_AT, request).answer) == len(request)


def test_an_answer_counts_once_and_only_from_where_the_request_went() -> None:
    a, b = prober(A, B), prober(B, A)
    answer = asked(b, A_AT, a.request(B_AT, 0.0)).answer
    assert a.receive(ELSEWHERE, answer, 0.1) is None
    assert isinstance(a.receive(B_AT, answer, 0.1), Proved)
    assert a.receive(B_AT, answer, 0.1) is None


def test_a_replayed_or_reflected_request_is_nothing() -> None:
    a, b = prober(A, B), prober(B, A)
    request = a.request(B_AT, 0.0)
    assert a.receive(B_AT, request, 0.0) is None
    asked(b, A_AT, request)
    assert b.receive(A_AT, request, 0.0) is None
    assert b.receive(ELSEWHERE, request, 0.0) is None


def test_other_keys_and_other_peers_are_nothing() -> None:
    request = prober(A, B).request(B_AT, 0.0)
    assert prober(B, A, b"\x33" * 32).receive(A_AT, request, 0.0) is None
    assert prober(B, C).receive(A_AT, request, 0.0) is None
    assert prober(C, A).receive(A_AT, request, 0.0) is None


def test_a_peer_cannot_say_it_is_where_it_was_not_asked() -> None:
    """It has the keys, knows every number, and has seen other transactions; but not the secret they come from."""
    a, b = prober(A, B), prober(B, A)
    answers = {asked(b, A_AT, a.request(B_AT, 0.0)).answer for _ in range(20)}
    a.request(ELSEWHERE, 0.0)
    forger = prober(A, B, secret=b"\x44" * 32)
    for _ in range(20):
        forger.request(ELSEWHERE, 0.0)
    guess = asked(prober(B, A), A_AT, forger.request(ELSEWHERE, 0.0)).answer
    assert all(a.receive(ELSEWHERE, answer, 0.1) is None for answer in [*answers, guess])


def test_answers_are_bounded() -> None:
    a, b = prober(A, B), prober(B, A)
    answered = sum(b.receive(ELSEWHERE, a.request(B_AT, 0.0), 0.0) is not None for _ in range(5000))
    assert answered == 150
    assert b.receive(ELSEWHERE, a.request(B_AT, 1.0), 1.0) is not None


def test_what_is_remembered_is_bounded() -> None:
    a, b = prober(A, B), prober(B, A)
    first = a.request(B_AT, 0.0)
    for _ in range(10_000):
        a.request(ELSEWHERE, 0.0)
    assert a.receive(B_AT, asked(b, A_AT, first).answer, 1.0) is None
    assert len(a._pending) == 256
    assert b._seen.bit_length() <= 1024


@given(st.permutations(range(40)), st.integers(0, 39))
def test_requests_may_overtake_each_other(order: list[int], again: int) -> None:
    a, b = prober(A, B), prober(B, A)
    requests = [a.request(B_AT, 0.0) for _ in range(40)]
    for number in order:
        asked(b, A_AT, requests[number])
    assert b.receive(A_AT, requests[again], 0.0) is None


def test_requests_too_far_behind_are_nothing() -> None:
    a, b = prober(A, B), prober(B, A)
    requests = [a.request(B_AT, 0.0) for _ in range(1025)]
    asked(b, A_AT, requests[-1])
    assert b.receive(A_AT, requests[0], 0.0) is None
    asked(b, A_AT, requests[1])
