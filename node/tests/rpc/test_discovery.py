from __future__ import annotations

from itertools import count

from macula.rpc.discovery import Discovery
from macula.rpc.settings import RpcSettings

from .playbook import REALM, WALL, idempotent, node, record


def make() -> Discovery:
    settings = RpcSettings(provider_ttl=60, refresh_after=10, negative_ttl=1, max_cached_procedures=2)
    return Discovery(settings, REALM, count(1))


def fill(discovery: Discovery, procedure: str, *peers: int, now: float = 0.0) -> None:
    (search,) = discovery.search(procedure)
    records = tuple(record(node(peer), procedure) for peer in peers)
    assert discovery.found(search.token, records, now, WALL + now) == procedure


def test_one_lookup_at_a_time_for_a_procedure() -> None:
    discovery = make()
    (search,) = discovery.search("add")
    assert (search.realm, search.name, search.max_age) == (REALM, "add", 0.0)
    assert discovery.search("add") == []
    assert len(discovery.search("other")) == 1
    assert discovery.known("add", 0.0) is None
    discovery.found(search.token, (record(node(1)), idempotent(node(2))), 0.0, WALL)
    assert discovery.known("add", 0.0) == {node(1): False, node(2): True}
    assert len(discovery.search("add")) == 1


def test_an_answer_nobody_asked_for_is_ignored() -> None:
    discovery = make()
    assert discovery.found(7, (record(node(1)),), 0.0, WALL) is None
    assert discovery.known("add", 0.0) is None


def test_providers_end_with_their_time_or_their_record() -> None:
    discovery = make()
    (search,) = discovery.search("add")
    discovery.found(search.token, (record(node(1)), record(node(2), ttl=30)), 0.0, WALL)
    assert discovery.known("add", 29.9) == {node(1): False, node(2): False}
    assert discovery.known("add", 30.0) == {node(1): False}
    assert discovery.known("add", 60.0) is None


def test_a_use_refreshes_in_time_without_forgetting() -> None:
    discovery = make()
    fill(discovery, "add", 1)
    assert discovery.refresh("add", 9.9) == []
    (search,) = discovery.refresh("add", 10.0)
    assert discovery.refresh("add", 11.0) == []
    assert discovery.known("add", 11.0) == {node(1): False}
    discovery.found(search.token, (record(node(2)),), 12.0, WALL + 12)
    assert discovery.known("add", 71.9) == {node(2): False}


def test_a_refresh_that_finds_nothing_keeps_what_is_known_until_it_ends() -> None:
    discovery = make()
    fill(discovery, "add", 1)
    (search,) = discovery.refresh("add", 10.0)
    discovery.found(search.token, (), 11.0, WALL + 11)
    assert discovery.known("add", 59.9) == {node(1): False}
    assert discovery.refresh("add", 20.9) == []
    assert discovery.known("add", 60.0) is None


def test_nobody_is_believed_for_one_second() -> None:
    discovery = make()
    fill(discovery, "add", now=5.0)
    assert discovery.known("add", 5.9) == {}
    assert discovery.known("add", 6.0) is None


def test_forgetting_the_last_provider_asks_for_a_lookup() -> None:
    discovery = make()
    fill(discovery, "add", 1, 2)
    discovery.forget("add", node(1))
    discovery.forget("add", node(9))
    discovery.forget("other", node(1))
    assert discovery.known("add", 0.0) == {node(2): False}
    discovery.forget("add", node(2))
    assert discovery.known("add", 0.0) is None


def test_the_number_of_procedures_is_bounded() -> None:
    discovery = make()
    for procedure in ("a", "b", "c"):
        fill(discovery, procedure, 1)
    assert discovery.known("a", 0.0) is None
    assert discovery.known("c", 0.0) is not None


def test_a_strange_record_value_is_not_idempotent() -> None:
    discovery = make()
    (search,) = discovery.search("add")
    values: tuple[object, ...] = ([1], {}, {"idempotent": 1}, "x")
    records = tuple(record(node(i), value=value) for i, value in enumerate(values))
    discovery.found(search.token, records, 0.0, WALL)
    assert set((discovery.known("add", 0.0) or {}).values()) == {False}
