"""The bound on probes to silent addresses."""

from __future__ import annotations

import pytest

from macula.nat.punching.quota import Quota


def test_each_host_has_its_own_bound() -> None:
    quota = Quota()
    assert [quota.take("9.9.9.9", 0.0) for _ in range(65)] == [True] * 64 + [False]
    assert quota.take("9.9.9.8", 0.0)
    assert quota.take("9.9.9.9", 1.0)
    assert not quota.take("9.9.9.9", 1.0)


@pytest.mark.parametrize("network", ["9.9.9.{}", "2001:db8::{}"])
def test_the_hosts_of_a_network_share_a_bound(network: str) -> None:
    quota = Quota()
    taken = sum(quota.take(network.format(number), 0.0) for number in range(1, 101) for _ in range(64))
    assert taken == 256
    assert quota.take("9.8.8.8", 0.0)
    assert sum(quota.take(network.format(number), 10.0) for number in range(1, 101)) == 40


def test_all_networks_share_a_bound() -> None:
    quota = Quota()
    hosts = [f"9.{number >> 8}.{number & 255}.1" for number in range(10_000)]
    assert sum(quota.take(host, 0.0) for host in hosts) == 4096
    assert sum(quota.take(host, 1.0) for host in hosts) == 256


def test_what_it_remembers_is_bounded() -> None:
    quota = Quota()
    for number in range(10_000):
        quota.take(f"9.{number >> 8}.{number & 255}.1", 0.0)
    assert len(quota._hosts) == 1024
