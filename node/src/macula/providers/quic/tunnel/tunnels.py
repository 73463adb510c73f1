"""Every tunnel of a node, by the address at its other end. A driver: no protocol here."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

from lru import LRU

from macula.core.address import Address
from macula.providers.quic.tunnel import tcp
from macula.providers.quic.tunnel.certificate import client_context, server_context
from macula.providers.quic.tunnel.link import Link
from macula.providers.quic.tunnel.listener import Listener
from macula.providers.quic.tunnel.places import Places
from macula.providers.quic.tunnel.settings import TunnelSettings
from macula.providers.quic.tunnel.tunnel import Tunnel
from macula.runtime.transport import TunnelCounts

_REMEMBERED = 4096
"""Addresses that may be opened."""
_REST = 0.5
"""Seconds after which an address is tried again at the earliest."""


class Tunnels:
    """Opens a tunnel when a datagram is to go to an address that was dialed, takes those that others open."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: TunnelSettings,
        receive: Callable[[list[bytes], Address], None],
    ) -> None:
        """`receive` gets the datagrams that come from an address."""
        self._loop = loop
        self._settings = settings
        self._receive = receive
        self._places = Places(settings)
        self._client = client_context()
        self._listeners: list[Listener] = []
        self._links: dict[Address, Link] = {}
        self._outbound = 0
        self._dialed: LRU[Address, float] = LRU(_REMEMBERED)
        self._touched: dict[Address, Link] = {}
        self._refused: Counter[str] = Counter()
        self._dropped = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._closing = False

    def listen(self, host: str, ports: Iterable[int]) -> dict[int, str]:
        """Take tunnels at these TCP ports. Returns why some of them cannot be had."""
        wanted = tuple(ports)
        if not wanted:
            return {}
        failures: dict[int, str] = {}
        try:
            context = server_context(datetime.datetime.now(datetime.UTC))
        except OSError as error:
            return dict.fromkeys(wanted, error.strerror or str(error))
        for port in wanted:
            try:
                self._listeners.append(Listener(self._loop, host, port, partial(self._accept, context)))
            except OSError as error:
                failures[port] = error.strerror or str(error)
        return failures

    @property
    def ports(self) -> tuple[int, ...]:
        """The TCP ports at which tunnels are taken."""
        return tuple(listener.port for listener in self._listeners)

    def dialed(self, addresses: Iterable[Address]) -> None:
        """These addresses may be opened: nobody but who dials makes this node connect to somewhere."""
        for address in addresses:
            if address.tunnelled:
                self._dialed.setdefault(address, 0.0)

    def send(self, datagram: bytes, address: Address) -> None:
        """Send it by the tunnel to this address, which is opened for it, or lose it. Call `flush` after that."""
        link = self._links.get(address) or self._open(address)
        if link is None:
            self._dropped += 1
            return
        link.send(datagram)
        self._touched[address] = link

    def doubt(self, address: Address) -> None:
        """What went there was not answered: make sure that the tunnel leads anywhere, or be rid of it."""
        link = self._links.get(address)
        if link is not None:
            link.doubt()

    def flush(self) -> None:
        """Write what was sent since the last call."""
        touched, self._touched = self._touched, {}
        for link in touched.values():
            link.flush()

    def counts(self) -> TunnelCounts:
        """What there is, and what was dropped and refused since the start."""
        dropped = self._dropped + sum(link.tunnel.dropped for link in self._links.values())
        inbound = len(self._links) - self._outbound
        return TunnelCounts(self.ports, inbound, self._outbound, dropped, dict(self._refused))

    async def close(self) -> None:
        """Take no more, and close all."""
        self._closing = True
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for link in list(self._links.values()):
            link.close("the node is stopping")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.farewell / 2):
                await self._empty.wait()
        for link in list(self._links.values()):
            link.abort()

    def _open(self, address: Address) -> Link | None:
        now = time.monotonic()
        if self._closing or self._dialed.get(address, now + 1) > now or self._outbound >= self._settings.max_outbound:
            return None
        self._dialed[address] = now + _REST
        try:
            stream = tcp.connect(address)
        except OSError:
            return None
        tunnel = Tunnel(self._client, is_client=True, now=now, settings=self._settings, host=address.host)
        self._outbound += 1
        return self._add(stream, tunnel, address, inbound=False)

    def _accept(self, context: ssl.SSLContext, stream: socket.socket, source: Address) -> None:
        now = time.monotonic()
        # One client may use a port of its own towards two of ours, and then would have two tunnels of one name.
        refusal = "second of one client" if source in self._links else self._places.refusal(source.host, now)
        if refusal is not None:
            self._refused[refusal] += 1
            stream.close()
            return
        try:
            tcp.prepare(stream)
        except OSError:
            stream.close()
            self._places.leave(source.host)
            return
        self._add(stream, Tunnel(context, is_client=False, now=now, settings=self._settings), source, inbound=True)

    def _add(self, stream: socket.socket, tunnel: Tunnel, address: Address, *, inbound: bool) -> Link:
        link = Link(self._loop, stream, tunnel, address, self._receive, self._closed, inbound=inbound)
        self._links[address] = link
        self._empty.clear()
        return link

    def _closed(self, link: Link) -> None:
        del self._links[link.address]
        self._touched.pop(link.address, None)
        self._dropped += link.tunnel.dropped
        if not self._links:
            self._empty.set()
        if link.inbound:
            self._places.leave(link.address.host)
            if not link.tunnel.opened:
                self._refused["no tunnel"] += 1
        else:
            self._outbound -= 1
