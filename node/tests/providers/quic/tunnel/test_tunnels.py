"""Tunnels on real loopback sockets: who may open them, what a broken or hostile one costs."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from macula.core.address import Address
from macula.providers.quic.tunnel import tcp
from macula.providers.quic.tunnel.certificate import client_context
from macula.providers.quic.tunnel.settings import PATH, TunnelSettings
from macula.providers.quic.tunnel.tunnels import Tunnels

HOST = "127.0.0.1"
FAST = replace(TunnelSettings(), handshake_timeout=0.3, accept_burst=1000, accept_rate=1000.0)


class End:
    """One node's tunnels, and what came through them. It answers each datagram with the same."""

    def __init__(self, settings: TunnelSettings = FAST) -> None:
        self.settings = settings
        self.got: list[tuple[bytes, Address]] = []

    def open(self) -> None:
        self.tunnels = Tunnels(asyncio.get_running_loop(), self.settings, self._receive)

    def listen(self) -> Address:
        """Where it takes tunnels from now on."""
        assert self.tunnels.listen(HOST, (0,)) == {}
        return Address(HOST, 1).tunnel(self.tunnels.ports[-1])

    def send(self, datagram: bytes, target: Address) -> None:
        self.tunnels.dialed([target])
        self.tunnels.send(datagram, target)
        self.tunnels.flush()

    def _receive(self, datagrams: list[bytes], source: Address) -> None:
        self.got += [(datagram, source) for datagram in datagrams]
        if source.port in self.tunnels.ports or self.tunnels.ports:
            for datagram in datagrams:
                self.tunnels.send(datagram, source)
            self.tunnels.flush()


@asynccontextmanager
async def ends(*made: End) -> AsyncIterator[None]:
    for end in made:
        end.open()
    try:
        yield
    finally:
        for end in made:
            await end.tunnels.close()


async def true(condition: Callable[[], bool]) -> None:
    """Return once it is, looking again every 10 ms."""
    async with asyncio.timeout(10):
        while not condition():
            turn = asyncio.Event()
            asyncio.get_running_loop().call_later(0.01, turn.set)
            await turn.wait()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def crowd_of(count: int, target: Address) -> list[socket.socket]:
    """So many TCP connections; in a thread, since connecting blocks while the listener's queue is full."""
    return await asyncio.to_thread(lambda: [raw(target) for _ in range(count)])


def raw(target: Address) -> socket.socket:
    """A TCP connection that says nothing by itself."""
    made = socket.create_connection((target.host, target.port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


async def test_a_datagram_opens_the_tunnel_that_carries_it_and_its_answer() -> None:
    client, server = End(), End()
    async with ends(client, server):
        target = server.listen()
        client.send(b"hello", target)
        await true(lambda: client.got == [(b"hello", target)])
        ((_, source),) = server.got
        assert source.tunnelled and source.host == HOST
        assert (client.tunnels.counts().outbound, server.tunnels.counts().inbound) == (1, 1)
    assert (client.tunnels.counts().outbound, server.tunnels.counts().inbound) == (0, 0)


async def test_closing_leaves_nothing_behind_and_what_was_sent_arrives() -> None:
    client, server = End(), End()
    before, tasks = open_descriptors(), len(asyncio.all_tasks())
    async with ends(client, server):
        target = server.listen()
        client.send(b"first", target)
        await true(lambda: len(client.got) == 1)
        client.send(b"last words", target)
        await client.tunnels.close()
        await true(lambda: server.got[-1][0] == b"last words" and not server.tunnels.counts().inbound)
        client.send(b"too late", target)
        assert client.tunnels.counts().outbound == 0
    assert open_descriptors() == before and len(asyncio.all_tasks()) == tasks


async def test_nobody_but_who_dials_makes_a_node_connect_to_somewhere() -> None:
    client, server = End(), End()
    async with ends(client, server):
        target = server.listen()
        client.tunnels.send(b"x", target)
        client.tunnels.flush()
        assert client.tunnels.counts().outbound == 0 and client.tunnels.counts().dropped == 1


async def test_a_refused_connection_is_tried_again_after_a_rest_only() -> None:
    client, server = End(), End()
    async with ends(client, server):
        with socket.create_server((HOST, 0)) as closed:
            target = Address(HOST, 1).tunnel(closed.getsockname()[1])
        client.send(b"x", target)
        await true(lambda: client.tunnels.counts().outbound == 0)
        client.send(b"x", target)
        assert client.tunnels.counts().outbound == 0
        assert client.tunnels.counts().dropped == 2


async def test_a_port_that_cannot_be_had_is_told_and_the_others_are_taken() -> None:
    server = End()
    async with ends(server):
        with socket.create_server((HOST, 0)) as taken:
            port = taken.getsockname()[1]
            failures = server.tunnels.listen(HOST, (port, 0))
        assert list(failures) == [port] and "in use" in failures[port]
        assert len(server.tunnels.ports) == 1


async def test_a_port_without_the_right_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(host: str, port: int) -> socket.socket:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tcp, "listen", refuse)
    server = End()
    async with ends(server):
        assert server.tunnels.listen(HOST, (443, 9443)) == dict.fromkeys((443, 9443), "Permission denied")


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00", random.Random(1).randbytes(500)])
async def test_a_crowd_that_opens_no_tunnel_is_gone_soon_and_disturbs_nobody(said: bytes) -> None:
    client, server = End(), End()
    before = open_descriptors()
    async with ends(client, server):
        target = server.listen()
        client.send(b"before", target)
        await true(lambda: len(client.got) == 1)

        crowd = await crowd_of(150, target)
        for one in crowd:
            one.sendall(said)
        client.send(b"meanwhile", target)
        await true(lambda: client.got[-1][0] == b"meanwhile")
        await true(lambda: server.tunnels.counts().inbound == 1)

        assert server.tunnels.counts().refused == {"no tunnel": 150}
        client.send(b"after", target)
        await true(lambda: client.got[-1][0] == b"after")
        for one in crowd:
            one.close()
    assert open_descriptors() == before


async def test_above_the_bounds_connections_are_closed_at_once() -> None:
    server = End(replace(FAST, max_inbound=20, handshake_timeout=5.0))
    slow = End(replace(FAST, accept_burst=10, accept_rate=0.001, handshake_timeout=5.0))
    async with ends(server, slow):
        for end, bound, reason in ((server, 20, "full"), (slow, 10, "too fast")):
            target = end.listen()
            crowd = await crowd_of(60, target)
            left = 60 - bound
            await true(partial(refused, end, reason, left))
            assert end.tunnels.counts().inbound == bound
            assert crowd[-1].recv(1) == b""
            for one in crowd:
                one.close()
            await true(partial(empty, end))


def refused(end: End, reason: str, count: int) -> bool:
    return end.tunnels.counts().refused.get(reason) == count


def empty(end: End) -> bool:
    return not end.tunnels.counts().inbound


async def test_a_client_cannot_have_two_tunnels_under_one_name() -> None:
    server = End(replace(FAST, handshake_timeout=5.0))
    async with ends(server):
        first, second = server.listen(), server.listen()
        with socket.socket() as one, socket.socket() as two:
            for each in (one, two):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind((HOST, 0))
            two.bind(one.getsockname())
            one.connect((first.host, first.port))
            two.connect((second.host, second.port))
            await true(lambda: server.tunnels.counts().refused.get("second of one client") == 1)
            assert server.tunnels.counts().inbound == 1


async def test_who_reads_nothing_costs_a_bounded_queue_and_others_nothing() -> None:
    client, server = End(), End()
    async with ends(client, server):
        target = server.listen()
        client.send(b"before", target)
        await true(lambda: len(client.got) == 1)
        lazy = await asyncio.to_thread(begin, target)
        await true(lambda: server.got[-1][0] == b"begun")
        source = server.got[-1][1]
        for number in range(20_000):
            server.tunnels.send(bytes(1200), source)
            if not number % 100:
                server.tunnels.flush()
        server.tunnels.flush()
        link = server.tunnels._links[source]
        assert len(link.tunnel._queue) <= FAST.queue
        # What the kernel holds, the queue, and the rest is lost: as with UDP.
        assert 20_000 > server.tunnels.counts().dropped > 10_000
        client.send(b"meanwhile", target)
        await true(lambda: client.got[-1][0] == b"meanwhile")
        lazy.close()
        await true(lambda: server.tunnels.counts().inbound == 1)


def begin(target: Address) -> ssl.SSLSocket:
    """A tunnel by blocking sockets, whose end sends `begun` and never reads."""
    stream = client_context().wrap_socket(raw(target))
    web = ClientProtocol(parse_uri(f"wss://{target.host}:{target.port}{PATH}"))
    web.send_request(web.connect())
    stream.sendall(b"".join(web.data_to_send()))
    web.receive_data(stream.recv(4096))
    web.send_binary(b"begun")
    stream.sendall(b"".join(web.data_to_send()))
    return stream


async def test_without_files_to_open_the_listener_rests_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    client, server = End(replace(FAST, handshake_timeout=5.0)), End()
    async with ends(client, server):
        target = server.listen()
        listener = server.tunnels._listeners[0]
        calls = 0
        exhausted = True

        class Exhausted:
            def __init__(self, inner: socket.socket) -> None:
                self._inner = inner

            def accept(self) -> tuple[socket.socket, tuple[str, int]]:
                nonlocal calls
                calls += 1
                if exhausted:
                    raise OSError(errno.EMFILE, "Too many open files")
                return self._inner.accept()

            def __getattr__(self, name: str) -> object:
                return getattr(self._inner, name)

        monkeypatch.setattr("macula.providers.quic.tunnel.listener._PAUSE", 0.05)
        listener._socket = Exhausted(listener._socket)  # type: ignore[assignment]
        client.send(b"x", target)
        await true(lambda: calls >= 3)
        exhausted = False
        await true(lambda: len(client.got) == 1)
        assert calls < 20, "the loop does not spin on a queue that it cannot take from"
