from __future__ import annotations

from macula.core.peer_limiter import MAX_PEERS, PeerLimiter
from macula.identity import NodeId


def node(number: int) -> NodeId:
    return NodeId(number.to_bytes(32, "big"))


def test_each_peer_has_its_burst_and_then_its_rate() -> None:
    limiter = PeerLimiter(rate=10, burst=5)
    assert [limiter.take(node(1), 1, 1.0) for _ in range(6)] == [True] * 5 + [False]
    assert limiter.take(node(2), 5, 1.0) and not limiter.take(node(2), 1, 1.0)
    assert limiter.take(node(1), 2, 1.25) and not limiter.take(node(1), 1, 1.25)


def test_without_a_rate_everything_passes() -> None:
    assert all(PeerLimiter(rate=0, burst=0).take(node(1), 1000, 1.0) for _ in range(10))


def test_a_flood_of_peers_makes_the_oldest_forgotten() -> None:
    limiter = PeerLimiter(rate=0.001, burst=1)
    for number in range(MAX_PEERS + 1):
        assert limiter.take(node(number), 1, 1.0)
    assert limiter.take(node(0), 1, 1.0)
    assert limiter._buckets is not None and len(limiter._buckets) == MAX_PEERS
