from __future__ import annotations

import socket

import pytest

from macula.core.address import Address
from macula.providers.quic.udp import BATCH_SIZE, UdpSocket

LINUX_IP_MTU_DISCOVER = 10
LINUX_IPV6_MTU_DISCOVER = 23
DO_NOT_FRAGMENT_NOR_BELIEVE_ICMP = 3


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_no_link_carries_is_reported_and_does_no_harm(host: str) -> None:
    udp = UdpSocket(Address(host, 0), 1 << 16)
    try:
        assert not udp.send(bytes(66_000), udp.local_address)
        assert udp.send(bytes(1200), udp.local_address)
        assert [len(datagram.data) for datagram in udp.receive()] == [1200]
    finally:
        udp.close()


def test_large_datagrams_are_read_in_turns_no_longer_than_those_of_small_ones() -> None:
    udp = UdpSocket(Address("127.0.0.1", 0), 1 << 20)
    try:
        for _ in range(20):
            assert udp.send(bytes(8000), udp.local_address)
        first, second, third = (len([*udp.receive()]) for _ in range(3))
        assert (first, second, third) == (-(-BATCH_SIZE // 8000), 20 - first, 0)
    finally:
        udp.close()


def test_other_errors_are_not_about_the_size() -> None:
    udp = UdpSocket(Address("127.0.0.1", 0), 1 << 16)
    try:
        assert udp.send(b"x", Address("255.255.255.255", 9))
    finally:
        udp.close()


def test_nothing_is_fragmented() -> None:
    udp = UdpSocket(Address("::", 0), 1 << 16)
    try:
        for level, option in (
            (socket.IPPROTO_IP, LINUX_IP_MTU_DISCOVER),
            (socket.IPPROTO_IPV6, LINUX_IPV6_MTU_DISCOVER),
        ):
            assert udp._socket.getsockopt(level, option) == DO_NOT_FRAGMENT_NOR_BELIEVE_ICMP
    finally:
        udp.close()
