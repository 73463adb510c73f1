"""Sockets beside the mesh's own, on real loopback sockets."""

from __future__ import annotations

import socket

import pytest

from macula.core.address import Address
from macula.core.effects import CloseSocket, OpenSocket, SendBeside, SendDatagram
from macula.core.events import DatagramReceived, SocketFailed, SocketOpened
from macula.providers.quic import extra_sockets
from macula.providers.quic.udp import source_towards

from .test_transport import Node, nodes

STUN = b"\x00\x01" + bytes(18)


async def opened(node: Node, number: int, **options: object) -> Address:
    """Open a socket; where it is."""
    node.transport.execute(OpenSocket(number, **options))  # type: ignore[arg-type]
    event = await node.until(lambda event: isinstance(event, SocketOpened) and event.number == number)
    assert isinstance(event, SocketOpened)
    return event.local


async def refused(node: Node, number: int, **options: object) -> str:
    node.transport.execute(OpenSocket(number, **options))  # type: ignore[arg-type]
    event = await node.until(lambda event: isinstance(event, SocketFailed) and event.number == number)
    assert isinstance(event, SocketFailed)
    return event.reason


async def test_the_mesh_s_own_socket_is_told_first() -> None:
    node = Node(1)
    async with nodes(node):
        await node.until(lambda event: isinstance(event, SocketOpened))
        assert node.events == [SocketOpened(0, node.transport.local_address)]


async def test_datagrams_go_out_of_and_come_in_to_the_socket_that_is_named() -> None:
    a, b = Node(1), Node(2)
    async with nodes(a, b):
        local = await opened(a, 7)
        other = await opened(a, 8)
        assert local.host == other.host == "127.0.0.1" and local.port != other.port
        a.transport.execute(SendDatagram(b.transport.local_address, STUN, 7))
        got = await b.until(lambda event: isinstance(event, DatagramReceived))
        assert got == DatagramReceived(local, STUN)
        b.transport.execute(SendDatagram(local, STUN + b"back"))
        got = await a.until(lambda event: isinstance(event, DatagramReceived))
        assert got == DatagramReceived(b.transport.local_address, STUN + b"back", 7)


async def test_what_is_neither_stun_nor_a_probe_is_dropped() -> None:
    node = Node(1)
    async with nodes(node):
        local = await opened(node, 7)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for data in (b"", b"\x40quic", b"\x80quic", b"GET /", STUN):
                stranger.sendto(data, (local.host, local.port))
        await node.until(lambda event: isinstance(event, DatagramReceived))
        assert [event.data for event in node.events if isinstance(event, DatagramReceived)] == [STUN]


async def test_one_at_a_wildcard_is_bound_to_the_address_that_leads_to_the_target() -> None:
    node = Node(1, Address("0.0.0.0", 0))
    async with nodes(node):
        assert (await opened(node, 7, toward=Address("127.0.0.9", 9))).host == "127.0.0.1"
        assert (await opened(node, 8)).host == "0.0.0.0"
        assert (await opened(node, 9, host="127.0.0.2")).host == "127.0.0.2"
    assert source_towards(Address("127.0.0.9", 9)) == "127.0.0.1"


async def test_a_port_that_is_taken_or_a_number_in_use_fails_with_its_reason() -> None:
    node = Node(1)
    async with nodes(node):
        taken = await opened(node, 7)
        assert "in use" in await refused(node, 8, port=taken.port)
        assert "one too many" in await refused(node, 7)
        assert await refused(node, 9, host="192.0.2.1")


async def test_a_closed_socket_gives_its_port_back_and_sends_nothing() -> None:
    node = Node(1)
    async with nodes(node):
        local = await opened(node, 7)
        node.transport.execute(CloseSocket(7))
        node.transport.execute(CloseSocket(7))
        node.transport.execute(SendDatagram(node.transport.local_address, STUN, 7))
        assert await opened(node, 8, port=local.port) == local
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind((local.host, local.port))


async def test_there_are_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra_sockets, "MAX_SOCKETS", 3)
    node = Node(1)
    async with nodes(node):
        for number in (7, 8, 9):
            await opened(node, number)
        assert "one too many" in await refused(node, 10)
        node.transport.execute(CloseSocket(7))
        await opened(node, 11)


async def test_beside_a_connected_peer_only_its_own_host_is_reached() -> None:
    a, b = Node(1), Node(2)
    async with nodes(a, b):
        local = await opened(b, 7)
        a.transport.execute(SendBeside(b.id, local.port, STUN))
        await a.dial(b.transport.local_address, expected=b.id)
        a.transport.execute(SendBeside(b.id, local.port, STUN + b"now"))
        got = await b.until(lambda event: isinstance(event, DatagramReceived))
        assert got == DatagramReceived(a.transport.local_address, STUN + b"now", 7)
