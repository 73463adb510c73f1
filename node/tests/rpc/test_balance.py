from __future__ import annotations

import random
from collections import Counter

from macula.core.commands import Strategy
from macula.rpc.balance import Balancer
from macula.rpc.settings import RpcSettings

from .playbook import node

ALL = [node(1), node(2), node(3)]


def make(**settings: float) -> Balancer:
    return Balancer(RpcSettings(**settings), random.Random(1))  # type: ignore[arg-type]


def choices(balancer: Balancer, strategy: Strategy, times: int, now: float = 0.0) -> Counter[int]:
    return Counter(ALL.index(balancer.choose(strategy, "p", ALL, now)) for _ in range(times))


def test_round_robin_takes_turns_by_node_id_for_each_procedure() -> None:
    balancer = make()
    turns = [balancer.choose(Strategy.ROUND_ROBIN, "p", ALL, 0.0) for _ in range(6)]
    assert turns[:3] == turns[3:]
    assert sorted(turns[:3]) == ALL
    balancer.choose(Strategy.ROUND_ROBIN, "other", ALL, 0.0)
    assert balancer.choose(Strategy.ROUND_ROBIN, "p", ALL, 0.0) == turns[0]


def test_round_robin_goes_on_when_providers_come_and_go() -> None:
    balancer = make()
    while balancer.choose(Strategy.ROUND_ROBIN, "p", ALL, 0.0) != node(1):
        pass
    assert balancer.choose(Strategy.ROUND_ROBIN, "p", [node(1), node(3)], 0.0) == node(3)
    assert balancer.choose(Strategy.ROUND_ROBIN, "p", ALL, 0.0) == node(1)


def test_random_uses_every_provider_about_equally() -> None:
    assert all(150 < times < 250 for times in choices(make(), Strategy.RANDOM, 600).values())


def test_least_latency_never_chooses_the_slowest_of_three() -> None:
    balancer = make()
    for peer, latency in zip(ALL, (0.01, 0.02, 0.5), strict=True):
        balancer.observe(peer, latency, 0.0)
    used = choices(balancer, Strategy.LEAST_LATENCY, 300)
    assert used[2] == 0
    assert used[0] > used[1] > 50


def test_least_latency_counts_calls_in_flight() -> None:
    balancer = make()
    for peer, latency in zip(ALL, (0.01, 0.02, 0.02), strict=True):
        balancer.observe(peer, latency, 0.0)
    for _ in range(5):
        balancer.started(node(1))
    assert choices(balancer, Strategy.LEAST_LATENCY, 100)[0] == 0
    for _ in range(5):
        balancer.ended(node(1))
    assert choices(balancer, Strategy.LEAST_LATENCY, 100)[0] > 50


def test_a_slow_provider_is_tried_again_when_its_latency_has_decayed() -> None:
    balancer = make(latency_decay=1.0)
    balancer.observe(node(1), 1.0, 0.0)
    for peer in ALL[1:]:
        balancer.observe(peer, 0.1, 0.0)
        balancer.observe(peer, 0.1, 10.0)
    assert choices(balancer, Strategy.LEAST_LATENCY, 100, now=10.0)[0] > 50


def test_recent_samples_weigh_more_than_old_ones() -> None:
    balancer = make(latency_decay=1.0)
    balancer.observe(node(1), 1.0, 0.0)
    balancer.observe(node(1), 0.01, 5.0)
    balancer.observe(node(2), 0.1, 5.0)
    assert balancer.choose(Strategy.LEAST_LATENCY, "p", [node(1), node(2)], 5.0) == node(1)


def test_suspect_and_failed_providers_are_used_only_if_there_is_no_other() -> None:
    balancer = make(avoid_time=10.0)
    balancer.suspect(node(1), True)
    balancer.failed(node(2), 0.0)
    for strategy in Strategy:
        assert choices(balancer, strategy, 20) == {2: 20}
    balancer.failed(node(3), 0.0)
    assert sum(choices(balancer, Strategy.RANDOM, 20).values()) == 20
    assert choices(balancer, Strategy.RANDOM, 20, now=10.0)[0] == 0


def test_a_provider_is_used_again_once_it_answers_or_connects() -> None:
    balancer = make()
    balancer.suspect(node(1), True)
    balancer.suspect(node(1), False)
    balancer.failed(node(2), 0.0)
    balancer.connected(node(2))
    assert len(choices(balancer, Strategy.ROUND_ROBIN, 3)) == 3


def test_a_lone_provider_has_its_turn() -> None:
    balancer = make()
    balancer.failed(node(1), 0.0)
    for strategy in Strategy:
        assert balancer.choose(strategy, "p", [node(1)], 0.0) == node(1)
    assert balancer.choose(Strategy.ROUND_ROBIN, "p", ALL, 100.0) == node(2)
