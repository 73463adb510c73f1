"""The bounded map."""

from __future__ import annotations

from macula.core.lru import LruCache


def filled(most: int, keys: str) -> LruCache[str, int]:
    cache: LruCache[str, int] = LruCache(most)
    for value, key in enumerate(keys):
        cache[key] = value
    return cache


def test_what_was_not_used_for_longest_makes_room() -> None:
    cache = filled(3, "abc")
    assert cache["a"] == 0
    assert cache.get("b") == 1
    cache["d"] = 3
    assert list(cache) == ["a", "b", "d"]


def test_a_new_value_for_a_key_is_a_use_and_takes_no_room() -> None:
    cache = filled(3, "abca")
    assert list(cache.items()) == [("b", 1), ("c", 2), ("a", 3)]


def test_asking_whether_a_key_is_there_is_no_use() -> None:
    cache = filled(2, "ab")
    assert "a" in cache
    cache["c"] = 2
    assert list(cache) == ["b", "c"]


def test_looking_through_all_of_it_changes_nothing() -> None:
    cache = filled(4, "abcd")
    assert list(cache.items()) == [("a", 0), ("b", 1), ("c", 2), ("d", 3)]
    assert list(cache.values()) == [0, 1, 2, 3]
    assert list(cache) == list("abcd")


def test_what_is_not_there() -> None:
    cache = filled(2, "a")
    assert cache.get("b") is None
    assert cache.get("b", 7) == 7
    assert cache.pop("b", None) is None
    assert cache.pop("a") == 0
    assert not cache
