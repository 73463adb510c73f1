from __future__ import annotations

from macula.rpc.recent import Recent


def test_the_key_not_used_for_longest_is_forgotten() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert (recent.get("a"), recent.get("b"), recent.get("c"), len(recent)) == (1, None, 3, 2)


def test_touch_counts_as_use_and_tells_whether_the_key_is_there() -> None:
    recent: Recent[str, None] = Recent(2)
    recent.put("a", None)
    recent.put("b", None)
    assert recent.touch("a")
    recent.put("c", None)
    assert recent.touch("a") and not recent.touch("b")
    recent.pop("a")
    recent.pop("a")
    assert not recent.touch("a")
