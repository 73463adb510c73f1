"""The driver: gives the QUIC endpoint a socket, a clock and a timer. No protocol here."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from cryptography import x509

from macula.core.address import Address
from macula.core.effects import Dial, TransportEffect
from macula.core.events import UNREACHABLE, DialFailed, Event
from macula.identity import Identity, NodeId
from macula.providers.quic.diagnosis import NO_DIAGNOSIS, Diagnosis
from macula.providers.quic.endpoint import Endpoint
from macula.providers.quic.resolver import Resolver
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.udp import UdpSocket
from macula.runtime.transport import PathStatus


class QuicTransport:
    """runtime.transport.Transport over one UDP socket.

    Everything that happens within one turn of the event loop goes out together at its end. Time is time.monotonic(),
    since a loop's own clock may be too coarse for pacing (uvloop's has 1 ms).
    """

    def __init__(
        self,
        identity: Identity,
        local: Address,
        settings: QuicSettings | None = None,
        rng: random.Random | None = None,
        diagnosis: Diagnosis = NO_DIAGNOSIS,
    ) -> None:
        """`local` is where to listen: an IP literal, and a port or 0 for any free one."""
        self._settings = settings or QuicSettings()
        self._local = local
        rng, instance = rng or random.SystemRandom(), x509.random_serial_number()
        self._endpoint = Endpoint(identity, rng, instance, self._settings, diagnosis)
        self._socket: UdpSocket | None = None
        self._deliver: Callable[[Event], None] = lambda event: None
        self._events: deque[Event] = deque()
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()

    @property
    def local_address(self) -> Address:
        """Where the transport listens; the port is known once open."""
        return self._socket.local_address if self._socket is not None else self._local

    async def open(self, deliver: Callable[[Event], None]) -> None:
        """Start listening. From now on events go to `deliver`, one at a time, from the event loop. Raises OSError."""
        self._loop = asyncio.get_running_loop()
        self._socket = UdpSocket(self._local, self._settings.socket_buffer)
        self._resolver = Resolver(self._loop)
        self._deliver = deliver
        self._loop.add_reader(self._socket.fileno(), self._readable, self._socket)

    def execute(self, effect: TransportEffect) -> None:
        """Carry out an effect; what comes of it arrives as events, never from within this call. After close, nothing
        does. Raises ArgumentError for a message that breaks a limit of its fields."""
        if self._socket is None:
            return
        if isinstance(effect, Dial):
            expires = time.monotonic() + effect.timeout
            self._resolver.resolve(effect.addresses, effect.timeout, partial(self._resolved, effect, expires))
        else:
            self._endpoint.execute(effect, time.monotonic())
        self._soon()

    def path(self, peer: NodeId) -> PathStatus | None:
        """The path of a connected peer."""
        return self._endpoint.path(peer)

    async def close(self) -> None:
        """Close all connections, telling the peers, and stop listening. Harmless when repeated."""
        if self._socket is None:
            return
        self._idle.clear()
        self._resolver.close("the node is stopping")
        self._endpoint.close(time.monotonic())
        self._soon()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * self._settings.close_timeout):
                await self._idle.wait()
        self._shut(self._socket)

    def _shut(self, udp: UdpSocket) -> None:
        self._loop.remove_reader(udp.fileno())
        for handle in (self._turn, self._timer):
            if handle is not None:
                handle.cancel()
        udp.close()
        self._socket = None

    def _readable(self, udp: UdpSocket) -> None:
        now = time.monotonic()
        for data, source, ttl in udp.receive():
            self._endpoint.receive(data, source, now, ttl)
        self._pass_on()
        self._soon()

    def _soon(self) -> None:
        if self._turn is None and self._socket is not None:
            self._turn = self._loop.call_soon(self._flush, self._socket)

    def _flush(self, udp: UdpSocket) -> None:
        self._turn = None
        for data, target in self._endpoint.datagrams_to_send(time.monotonic()):
            if not udp.send(data, target):
                self._endpoint.refused(len(data), target, time.monotonic())
                self._soon()
        if not self._endpoint.connections:
            self._idle.set()
        else:
            self._idle.clear()
        self._arm()
        self._pass_on()

    def _pass_on(self) -> None:
        # Only what has happened so far: what comes of it waits for the next turn, so that nobody is starved.
        self._events.extend(self._endpoint.events())
        for _ in range(len(self._events)):
            self._deliver(self._events.popleft())

    def _arm(self) -> None:
        deadline = self._endpoint.next_deadline()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_later(max(0.0, deadline - time.monotonic()), self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer = None
        self._endpoint.handle_timer(time.monotonic())
        self._soon()

    def _resolved(self, dial: Dial, expires: float, addresses: tuple[Address, ...], failures: tuple[str, ...]) -> None:
        if self._socket is None:
            return
        reachable = tuple(address for address in addresses if self._socket.reaches(address.host))
        if reachable:
            now = time.monotonic()
            self._endpoint.execute(replace(dial, addresses=reachable, timeout=max(0.0, expires - now)), now)
        else:
            unusable = tuple(f"{address}: this node has no IPv6" for address in addresses)
            reason = "; ".join(failures + unusable) or "no address"
            self._events.append(DialFailed(dial.dial, UNREACHABLE, reason))
        self._soon()
