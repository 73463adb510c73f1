from __future__ import annotations

from macula.core.record import Kind, record_key
from macula.dht.cache import RecordCache
from macula.dht.findings import Findings
from macula.dht.settings import DhtSettings

from .people import REALM, WALL, peer, record

KEY = record_key(REALM, Kind.RPC, "add")


def found(*who: int, name: str = "add", ttl: int = 300) -> Findings:
    findings = Findings(record_key(REALM, Kind.RPC, name), 100)
    for each in who:
        findings.add(record(each, name, ttl=ttl))
    return findings


def test_an_answer_is_fresh_for_max_age() -> None:
    cache = RecordCache(DhtSettings())
    cache.put(found(1), (peer(1),), True, 100.0, WALL)
    assert cache.fresh(KEY, 5.0, 105.0, WALL + 5) == [record(1)]
    assert cache.fresh(KEY, 5.0, 105.1, WALL + 5.1) is None
    assert cache.fresh(KEY, 0.0, 100.0, WALL) == [record(1)]


def test_an_answer_is_not_fresh_once_a_record_of_it_expires() -> None:
    cache = RecordCache(DhtSettings())
    cache.put(found(1, ttl=10), (), True, 100.0, WALL)
    assert cache.fresh(KEY, 1000.0, 109.0, WALL + 9) == [record(1, ttl=10)]
    assert cache.fresh(KEY, 1000.0, 110.0, WALL + 10) is None


def test_that_there_is_nothing_is_remembered_too() -> None:
    cache = RecordCache(DhtSettings())
    cache.put(found(), (), True, 100.0, WALL)
    assert cache.fresh(KEY, 5.0, 103.0, WALL + 3) == []


def test_the_closest_nodes_are_those_of_the_last_full_lookup() -> None:
    cache = RecordCache(DhtSettings(closest_fresh=60.0))
    cache.put(found(1), (peer(1), peer(2)), True, 0.0, WALL)
    cache.put(found(1), (peer(3),), False, 50.0, WALL)
    assert cache.closest(KEY, 60.0) == (peer(1), peer(2))
    assert cache.closest(KEY, 60.1) == ()
    assert cache.fresh(KEY, 5.0, 55.0, WALL) is not None


def test_keys_and_records_are_bounded_and_the_one_read_longest_ago_goes() -> None:
    cache = RecordCache(DhtSettings(cache_keys=2, cache_records=4))
    for name in ("a", "b"):
        cache.put(found(1, name=name), (), True, 0.0, WALL)
    cache.get(record_key(REALM, Kind.RPC, "a"))
    cache.put(found(1, name="c"), (), True, 0.0, WALL)
    assert cache.get(record_key(REALM, Kind.RPC, "b")) is None
    assert cache.get(record_key(REALM, Kind.RPC, "a")) is not None
    cache.put(found(1, 2, 3, 4, name="d"), (), True, 0.0, WALL)
    assert len(cache) == 1
