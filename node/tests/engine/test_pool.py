"""The pool: least recently used first, idle closed, held kept, counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from macula.core.results import PoolStatistics
from macula.engine.pool import ConnectionPool
from macula.identity import NodeId

A, B, C = (NodeId(bytes([letter]) * 32) for letter in b"abc")


def test_the_1001st_connection_makes_the_least_recently_used_one_go() -> None:
    pool = ConnectionPool(1000, 300.0)
    nodes = [NodeId(number.to_bytes(32, "big")) for number in range(1001)]
    for second, node in enumerate(nodes[:1000]):
        assert pool.put(node, float(second)) == []
    pool.touch(nodes[0], 1000.0)
    assert pool.put(nodes[1000], 1001.0) == [nodes[1]]
    pool.remove(nodes[1])
    assert pool.stats().size == 1000


def test_a_held_connection_makes_no_room() -> None:
    pool = ConnectionPool(1, 300.0)
    pool.put(A, 0.0)
    pool.hold(A)
    assert pool.put(B, 1.0) == []
    pool.release(A, 2.0)
    assert pool.put(C, 3.0) == [B, A]


def test_a_hold_from_before_the_connection_counts() -> None:
    pool = ConnectionPool(1, 300.0)
    pool.hold(A)
    pool.put(A, 0.0)
    assert pool.put(B, 1.0) == []
    assert pool.pop_idle(400.0) == [B]


def test_holds_survive_a_reconnection_and_are_counted() -> None:
    pool = ConnectionPool(10, 300.0)
    pool.hold(A)
    pool.hold(A)
    pool.put(A, 0.0)
    pool.remove(A)
    pool.put(A, 10.0)
    pool.release(A, 20.0)
    assert pool.pop_idle(400.0) == []
    pool.release(A, 400.0)
    assert pool.pop_idle(699.9) == []
    assert pool.pop_idle(700.0) == [A]


def test_idle_after_300_seconds_and_named_once() -> None:
    pool = ConnectionPool(10, 300.0)
    pool.put(A, 0.0)
    pool.put(B, 5.0)
    assert pool.next_deadline() == 300.0
    pool.touch(A, 100.0)
    assert pool.next_deadline() == 305.0
    assert pool.pop_idle(304.9) == []
    assert pool.pop_idle(305.0) == [B]
    assert pool.pop_idle(305.1) == []
    assert pool.next_deadline() == 400.0


def test_an_empty_pool_has_no_deadline() -> None:
    assert ConnectionPool(10, 300.0).next_deadline() is None


def test_hits_misses_and_rate() -> None:
    pool = ConnectionPool(10, 300.0)
    assert pool.stats() == PoolStatistics(size=0, hits=0, misses=0, hit_rate=0.0)
    assert pool.get(A, 0.0) is False
    pool.put(A, 1.0)
    assert [pool.get(A, 2.0) for _ in range(3)] == [True, True, True]
    assert pool.stats() == PoolStatistics(size=1, hits=3, misses=1, hit_rate=0.75)


def test_a_use_moves_the_connection_to_the_end() -> None:
    pool = ConnectionPool(2, 300.0)
    pool.put(A, 0.0)
    pool.put(B, 1.0)
    pool.get(A, 2.0)
    assert pool.put(C, 3.0) == [B]


def test_releasing_what_nobody_holds_is_harmless() -> None:
    pool = ConnectionPool(1, 300.0)
    pool.put(A, 0.0)
    pool.release(A, 0.0)
    pool.hold(A)
    assert pool.put(B, 1.0) == []


@given(st.lists(st.tuples(st.sampled_from(["put", "remove", "hold", "release", "get", "tick"]), st.integers(0, 7))))
def test_never_over_its_size_unless_all_are_held(steps: list[tuple[str, int]]) -> None:
    pool = ConnectionPool(3, 10.0)
    connected: set[int] = set()
    holds = [0] * 8
    for now, (step, number) in enumerate(steps):
        node = NodeId(bytes([number]) * 32)
        gone: list[NodeId] = []
        match step:
            case "put":
                gone = pool.put(node, float(now))
                connected.add(number)
                assert node not in gone
            case "remove":
                pool.remove(node)
                connected.discard(number)
            case "hold":
                pool.hold(node)
                holds[number] += 1
            case "release" if holds[number]:
                pool.release(node, float(now))
                holds[number] -= 1
            case "get":
                assert pool.get(node, float(now)) is (number in connected)
            case "tick":
                gone = pool.pop_idle(float(now))
        for closed in gone:
            assert closed[0] in connected
            assert holds[closed[0]] == 0
            pool.remove(closed)
            connected.discard(closed[0])
        assert pool.stats().size == len(connected)
        unheld = sum(1 for n in connected if not holds[n])
        assert len(connected) <= 3 or unheld <= 1
