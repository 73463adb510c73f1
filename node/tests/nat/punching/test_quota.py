"""The bound on probes to silent addresses."""

from __future__ import annotations

from macula.nat.punching.quota import Quota


def test_each_host_has_its_own_bound() -> None:
    quota = Quota()
    assert [quota.take("9.9.9.9", 0.0) for _ in range(65)] == [True] * 64 + [False]
    assert quota.take("9.9.9.8", 0.0)
    assert quota.take("9.9.9.9", 1.0)
    assert not quota.take("9.9.9.9", 1.0)


def test_what_it_remembers_is_bounded() -> None:
    quota = Quota()
    for n in range(10_000):
        quota.take(str(n), 0.0)
    assert len(quota._hosts) == 1024
