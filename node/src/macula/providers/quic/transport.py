"""The driver: gives the QUIC endpoint a socket, a clock and a timer. No protocol here."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from functools import partial

from cryptography import x509
from msgspec.structs import replace

from macula.core.address import Address
from macula.core.effects import CloseSocket, Dial, OpenSocket, SendBeside, SendDatagram, SendMessage, TransportEffect
from macula.core.events import UNREACHABLE, DialFailed, Event, PeerSuspect, SocketOpened
from macula.identity import Identity, NodeId
from macula.providers.quic.authority import Authority, CertificateFiles
from macula.providers.quic.diagnosis import NO_DIAGNOSIS, Diagnosis
from macula.providers.quic.endpoint import Endpoint
from macula.providers.quic.extra_sockets import ExtraSockets
from macula.providers.quic.renewal import Renewal
from macula.providers.quic.resolver import Resolver
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.tunnel.settings import TunnelSettings
from macula.providers.quic.tunnel.tunnels import Tunnels
from macula.providers.quic.udp import UdpSocket
from macula.runtime.transport import HandshakeCounts, PathStatus, RelayCounts, TunnelCounts


class QuicTransport:
    """runtime.transport.Transport over one UDP socket, and tunnels where UDP gets no answer.

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
        tunnels: TunnelSettings | None = None,
        certificates: CertificateFiles | None = None,
    ) -> None:
        """`local` is where to listen: an IP literal, and a port or 0 for any free one. Without `tunnels` there are
        none: what is dialed by TCP only cannot be reached. With `certificates` the node is in CA
        mode; raises ConfigError for what is no use."""
        self._settings = settings or QuicSettings()
        self._local = local
        self._tunnel_settings = tunnels
        self._certificates = certificates
        self._renewal: Renewal | None = None
        authority = Authority(certificates.load(time.time()), time.time) if certificates is not None else None
        rng, instance = rng or random.SystemRandom(), x509.random_serial_number()
        self._endpoint = Endpoint(identity, rng, instance, self._settings, diagnosis, authority)
        self._socket: UdpSocket | None = None
        self._tunnels: Tunnels | None = None
        self._deliver: Callable[[Sequence[Event]], None] = lambda events: None
        self._events: list[Event] = []
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._idle = asyncio.Event()

    @property
    def local_address(self) -> Address:
        """Where the transport listens; the port is known once open."""
        return self._socket.local_address if self._socket is not None else self._local

    async def open(self, deliver: Callable[[Sequence[Event]], None]) -> None:
        """Start listening. From now on events go to `deliver`, from the event loop, those of one turn together. Raises
        OSError."""
        self._loop = asyncio.get_running_loop()
        self._socket = UdpSocket(self._local, self._settings.socket_buffer)
        self._resolver = Resolver(self._loop)
        if self._tunnel_settings is not None:
            self._tunnels = Tunnels(self._loop, self._tunnel_settings, self._tunnelled)
        self._extra = ExtraSockets(self._loop, self._socket.local_address, self._emit)
        self._deliver = deliver
        self._loop.add_reader(self._socket.fileno(), self._readable, self._socket)
        if self._certificates is not None:
            self._renewal = Renewal(self._certificates, self._endpoint.renew)
        self._emit(SocketOpened(0, self._socket.local_address))

    def listen(self, ports: Sequence[int]) -> dict[int, str]:
        """Take tunnels at these TCP ports, once open. Returns why some of them cannot be had."""
        return self._tunnels.listen(self.local_address.host, ports) if self._tunnels is not None else {}

    def execute(self, effect: TransportEffect) -> None:
        """Carry out an effect; what comes of it arrives as events, never from within this call. After close, nothing
        does. Raises ArgumentError for a message that breaks a limit of its fields."""
        if self._socket is None:
            return
        match effect:
            case Dial():
                expires = time.monotonic() + effect.timeout
                self._resolver.resolve(effect.addresses, effect.timeout, partial(self._resolved, effect, expires))
            case OpenSocket() | CloseSocket():
                self._extra.execute(effect)
            case SendBeside(peer, port, data, number):
                path = self._endpoint.path(peer)
                if path is not None and path.address is not None and path.relay is None:
                    self.execute(SendDatagram(Address(path.address.host, port), data, number))
            case SendDatagram(target, data, number) if number:
                if not target.tunnelled:
                    self._extra.send(number, data, target)
            case _:
                self._endpoint.execute(effect, time.monotonic())
        self.wake()

    def send(self, messages: Sequence[SendMessage]) -> None:
        """As execute, of several messages in turn, which costs less."""
        if self._socket is not None:
            self._endpoint.send(messages)
            self.wake()

    def wake(self) -> None:
        """Call `deliver` soon, before anything else is sent, even if nothing has happened. Harmless after close."""
        if self._turn is None and self._socket is not None:
            self._turn = self._loop.call_soon(self._flush, self._socket)

    def path(self, peer: NodeId) -> PathStatus | None:
        """The path of a connected peer."""
        return self._endpoint.path(peer)

    @property
    def relayed(self) -> RelayCounts:
        """What this node forwarded as a relay."""
        return self._endpoint.relayed

    @property
    def handshakes(self) -> HandshakeCounts:
        """Handshakes that others began."""
        return self._endpoint.handshakes

    @property
    def unread(self) -> int:
        """Bytes that came of all peers and cannot be read yet."""
        return self._endpoint.unread

    @property
    def tunnels(self) -> TunnelCounts:
        """What goes over TCP."""
        return self._tunnels.counts() if self._tunnels is not None else TunnelCounts()

    @property
    def certificate_expires(self) -> float | None:
        """Unix time at which this node's certificate ends, or one between it and the CA; None outside of CA mode."""
        return self._renewal.expires if self._renewal is not None else None

    async def close(self) -> None:
        """Close all connections, telling the peers, and stop listening. Harmless when repeated."""
        if self._socket is None:
            return
        self._idle.clear()
        self._resolver.close("the node is stopping")
        self._extra.close()
        if self._renewal is not None:
            self._renewal.close()
        self._endpoint.close(time.monotonic())
        self.wake()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * self._settings.close_timeout):
                await self._idle.wait()
        if self._tunnels is not None:
            await self._tunnels.close()
        self._shut(self._socket)

    def _shut(self, udp: UdpSocket) -> None:
        self._loop.remove_reader(udp.fileno())
        for handle in (self._turn, self._timer):
            if handle is not None:
                handle.cancel()
        udp.close()
        self._socket = None

    def _readable(self, udp: UdpSocket) -> None:
        self._endpoint.receive_all(udp.receive(), time.monotonic())
        self._deliver(self._happened())
        self.wake()

    def _tunnelled(self, datagrams: Sequence[bytes], source: Address) -> None:
        self._endpoint.receive_all(((data, source, None) for data in datagrams), time.monotonic())
        self._deliver(self._happened())
        self.wake()

    def _flush(self, udp: UdpSocket) -> None:
        try:
            self._deliver(self._happened())
        finally:
            self._turn = None
        for data, target in self._endpoint.datagrams_to_send(time.monotonic()):
            if target.tunnelled:
                if self._tunnels is not None:
                    self._tunnels.send(data, target)
            elif not udp.send(data, target):
                self._endpoint.refused(len(data), target, time.monotonic())
                self.wake()
        if self._tunnels is not None:
            self._tunnels.flush()
        if not self._endpoint.connections:
            self._idle.set()
        else:
            self._idle.clear()
        self._arm()
        self._deliver(self._happened())

    def _emit(self, event: Event) -> None:
        self._events.append(event)
        self.wake()

    def _happened(self) -> list[Event]:
        # Only what has happened so far: what comes of it waits for the next turn, so that nobody is starved.
        events, self._events = [*self._events, *self._endpoint.events()], []
        for event in events:
            if isinstance(event, PeerSuspect) and event.suspect:
                self._doubt(event.peer)
        return events

    def _doubt(self, peer: NodeId) -> None:
        path = self._endpoint.path(peer)
        if self._tunnels is not None and path is not None and path.address is not None and path.address.tunnelled:
            self._tunnels.doubt(path.address)

    def _arm(self) -> None:
        deadline = self._endpoint.next_deadline()
        if deadline is None or deadline >= self._timer_at:
            # A timer that fires too early finds nothing due and is armed anew: cheaper than moving it each time.
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_later(max(0.0, deadline - time.monotonic()), self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        self._endpoint.handle_timer(time.monotonic())
        self.wake()

    def _resolved(self, dial: Dial, expires: float, addresses: tuple[Address, ...], failures: tuple[str, ...]) -> None:
        udp = self._socket
        if udp is None:
            return
        reachable = tuple(address for address in addresses if not self._obstacle(address, udp))
        if self._tunnels is not None:
            self._tunnels.dialed(reachable)
        if reachable or dial.relays:
            now = time.monotonic()
            self._endpoint.execute(replace(dial, addresses=reachable, timeout=max(0.0, expires - now)), now)
        else:
            unusable = tuple(f"{address}: {self._obstacle(address, udp)}" for address in addresses)
            reason = "; ".join(failures + unusable) or "no address"
            self._events.append(DialFailed(dial.dial, UNREACHABLE, reason))
        self.wake()

    def _obstacle(self, address: Address, udp: UdpSocket) -> str:
        """Why nothing can be sent to an address; empty if it can."""
        if address.tunnelled:
            return "" if self._tunnels is not None else "this node does not use TCP"
        return "" if udp.reaches(address.host) else "this node has no IPv6"
