from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from macula.core.peer_record import PeerInfo
from macula.dht.lookup import Lookup, State
from macula.identity import NodeId

from .toy import toy_id, toy_info, toy_position

places = st.sets(st.integers(0, 255), min_size=1, max_size=60)


def lookup(target: int, seeds: list[int], k: int = 4, alpha: int = 3, most_queries: int = 1000) -> Lookup:
    infos = [toy_info(at) for at in seeds]
    return Lookup(target, infos, k=k, alpha=alpha, most_queries=most_queries, position=toy_position)


def drain(searching: Lookup) -> list[PeerInfo]:
    asked = []
    while (info := searching.next_query()) is not None:
        asked.append(info)
    return asked


def ids(*places: int) -> list[NodeId]:
    return [toy_id(at) for at in places]


def test_single_steps() -> None:
    searching = lookup(0, [200, 100, 50, 25], k=2, alpha=2)
    assert [info.node for info in drain(searching)] == ids(25, 50)
    searching.add([toy_info(1)])
    searching.answered(toy_id(50))
    assert not searching.finished
    assert [info.node for info in drain(searching)] == ids(1)
    searching.answered(toy_id(1))
    assert drain(searching) == [], "25 is among the two closest and has not answered yet"
    assert not searching.finished
    searching.failed(toy_id(25))
    assert searching.finished
    assert [info.node for info in searching.closest()] == ids(1, 50)


def test_nodes_put_aside_are_asked_if_they_are_named_again_or_all_are_reconsidered() -> None:
    searching = lookup(0, [1, 2, 3], k=3, most_queries=3)
    for info in drain(searching):
        searching.put_aside(info.node) if info.node != toy_id(3) else searching.answered(info.node)
    assert searching.finished and searching.has_put_aside
    assert (searching.queries, searching.in_flight, searching.failures) == (1, 0, 0)
    searching.add([toy_info(2)])
    assert not searching.finished
    assert [info.node for info in drain(searching)] == ids(2)
    searching.answered(toy_id(2))
    searching.reconsider()
    assert [info.node for info in drain(searching)] == ids(1) and not searching.has_put_aside


def test_an_answer_after_the_failure_still_counts() -> None:
    searching = lookup(0, [1, 2, 3], k=2, alpha=1)
    drain(searching)
    searching.failed(toy_id(1))
    assert searching.state(toy_id(1)) is State.FAILED
    drain(searching)
    searching.answered(toy_id(1))
    searching.answered(toy_id(2))
    assert searching.finished
    assert [info.node for info in searching.closest()] == ids(1, 2)
    assert searching.in_flight == 0


def test_who_has_stalled_takes_no_place_but_is_waited_for() -> None:
    searching = lookup(0, [1, 2, 3, 4], k=3, alpha=2)
    assert [info.node for info in drain(searching)] == ids(1, 2)
    searching.stalled(toy_id(1))
    searching.stalled(toy_id(1))
    assert [info.node for info in drain(searching)] == ids(3), "one place is free"
    searching.answered(toy_id(2))
    searching.answered(toy_id(3))
    assert drain(searching) == [] and not searching.finished and searching.in_flight == 1
    searching.failed(toy_id(1))
    assert [info.node for info in drain(searching)] == ids(4)
    searching.stalled(toy_id(4))
    searching.answered(toy_id(4))
    assert searching.finished and (searching.in_flight, searching.failures) == (0, 1)


def test_answers_of_nodes_never_asked_change_nothing() -> None:
    searching = lookup(0, [1, 2])
    searching.answered(toy_id(1))
    searching.answered(toy_id(9))
    searching.failed(toy_id(9))
    assert searching.closest() == ()
    assert searching.in_flight == 0


def test_nobody_to_ask() -> None:
    assert lookup(0, []).finished


def test_ever_closer_inventions_end_at_the_limit_of_queries() -> None:
    searching = lookup(0, [255], k=20, alpha=3, most_queries=30)
    place = 255
    while not searching.finished:
        for info in drain(searching):
            invented = [toy_info(max(place - step, 0)) for step in range(1, 20)]
            place = max(place - 6, 0)
            searching.add(invented)
            searching.answered(info.node)
    assert searching.queries == 30


def test_what_is_remembered_is_bounded() -> None:
    searching = lookup(0, [], k=4)
    for at in range(255, -1, -1):
        searching.add([toy_info(at)])
    assert sum(searching.state(toy_id(at)) is not None for at in range(256)) == 32
    assert [info.node for info in drain(searching)] == ids(0, 1, 2)


@given(
    places=places,
    target=st.integers(0, 255),
    k=st.integers(1, 6),
    alpha=st.integers(1, 5),
    dead=st.integers(0, 2),
    seed=st.integers(0, 10_000),
)
def test_a_lookup_in_any_network(places: set[int], target: int, k: int, alpha: int, dead: int, seed: int) -> None:
    """Answers in any order, some late, some never: the lookup terminates, asks nobody twice, has at most alpha in
    flight, and with all nodes alive finds the true k closest. Each node knows the k closest to any target, and has
    those in its table, as buckets of k guarantee."""
    rng = random.Random(seed)
    nodes = sorted(places)
    gone = set(rng.sample(nodes, len(nodes) // 4)) if dead else set()
    searching = lookup(target, rng.sample(nodes, min(len(nodes), 3)), k=k, alpha=alpha)
    asked: list[int] = []
    in_flight: list[int] = []
    while not searching.finished:
        fresh = [info.node[0] for info in drain(searching)]
        asked += fresh
        in_flight += fresh
        assert searching.in_flight == len(in_flight) <= alpha
        assert in_flight, "it would wait for ever"
        at = in_flight.pop(rng.randrange(len(in_flight)))
        if at in gone:
            searching.failed(toy_id(at))
            continue
        if dead == 2 and rng.random() < 0.3:
            searching.failed(toy_id(at))  # and its answer comes late
        known = sorted(nodes, key=lambda other, at=at: (other ^ at) >> 5)  # type: ignore[misc]
        near = sorted(nodes, key=lambda other: other ^ target)[:k]
        searching.add(toy_info(other) for other in rng.sample(known, len(known))[:3] + near)
        searching.answered(toy_id(at))
    assert len(asked) == len(set(asked))
    alive = sorted((at for at in nodes if at not in gone), key=lambda at: at ^ target)
    found = [info.node[0] for info in searching.closest()]
    assert found == sorted(found, key=lambda at: at ^ target)
    if not dead:
        assert found == alive[:k]
    else:
        assert set(found) <= set(alive)


@given(places=places, target=st.integers(0, 255), k=st.integers(2, 6), start=st.integers(0, 1000))
def test_the_true_closest_in_a_static_honest_network_of_k_buckets(
    places: set[int], target: int, k: int, start: int
) -> None:
    """Nodes know only k of each of their buckets (Kademlia's own guarantee), and still the k closest are found."""
    nodes = sorted(places)

    def contacts(at: int) -> list[int]:
        buckets: dict[int, list[int]] = {}
        for other in nodes:
            if other != at:
                buckets.setdefault((at ^ other).bit_length(), []).append(other)
        return [other for members in buckets.values() for other in members[:k]]

    first = nodes[start % len(nodes)]
    searching = lookup(target, [first], k=k)
    while not searching.finished:
        for info in drain(searching):
            known = sorted(contacts(info.node[0]), key=lambda at: at ^ target)[:k]
            searching.add(toy_info(at) for at in known)
            searching.answered(info.node)
    assert [info.node[0] for info in searching.closest()] == sorted(nodes, key=lambda at: at ^ target)[:k]
