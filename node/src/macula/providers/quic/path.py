"""The real path of a connection: which route carries its datagrams, and how much may go to an unproven one."""

from __future__ import annotations

from collections.abc import Sequence

from macula.core.address import Address
from macula.core.route import Relayed, Route

AMPLIFICATION = 3
"""At most this many times what an unproven address sent goes back to it (RFC 9000, section 8.1)."""

_INITIAL_TTLS = (64, 128, 255)

Sent = list[tuple[bytes, Route]]


class Path:
    """Where datagrams go. A packet from elsewhere is accepted but never moves the path: only `switch` does.

    A dial duplicates its first flight to every relay at once and to each address, `stagger` seconds apart, until the
    first of them answers. Tunnels, which only a network without UDP needs, follow `tunnel_stagger` seconds apart.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        proven: bool,
        now: float,
        stagger: float = 0.0,
        tunnel_stagger: float = 0.0,
    ) -> None:
        """One route is the path at once, several compete; if not `proven`, the 3x limit holds until it answered.

        A relay is proven: it answers for whose datagrams it passes on, and asked for what goes to it.
        """
        relays = [route for route in routes if isinstance(route, Relayed)]
        starts = _starts(routes, now, stagger, tunnel_stagger)
        self.route: Route = starts[0][1]
        self.proven = proven or bool(relays)
        self.bytes_sent = 0
        self.bytes_received = 0
        self.hops: int | None = None
        self._ttl: int | None = None
        self._budget = 0
        self._open = len(starts) > 1
        self._tried = [route for at, route in starts if at <= now]
        self._waiting = starts[len(self._tried) :]
        self._first_flight: list[bytes] = []

    @property
    def tried(self) -> tuple[Route, ...]:
        """The routes by which something was sent."""
        return tuple(self._tried)

    @property
    def next_start(self) -> float | None:
        """When the next address gets its first flight."""
        return self._waiting[0][0] if self._waiting else None

    def start_next(self, now: float) -> Sent:
        """The first flight, for each address whose time has come."""
        out: Sent = []
        while self._waiting and self._waiting[0][0] <= now:
            route = self._waiting.pop(0)[1]
            self._tried.append(route)
            out += [(data, route) for data in self._first_flight]
        self.bytes_sent += sum(len(data) for data, _ in out)
        return out

    def send(self, data: bytes) -> Sent:
        """Where a datagram goes: one route, several while a dial is undecided, or none if the limit is reached."""
        size = len(data)
        if self._open:
            if self._waiting:
                self._first_flight.append(data)
            self.bytes_sent += size * len(self._tried)
            return [(data, route) for route in self._tried]
        if not self.proven:
            if size > self._budget:
                return []
            self._budget -= size
        self.bytes_sent += size
        return [(data, self.route)]

    def received(self, source: Route, size: int, ttl: int | None) -> None:
        """A datagram came; nothing is known of its contents yet."""
        self.bytes_received += size
        if source != self.route:
            return
        if not self.proven:
            self._budget += AMPLIFICATION * size
        if ttl is not None and ttl != self._ttl:
            self._ttl = ttl
            self.hops = next((initial - ttl for initial in _INITIAL_TTLS if ttl <= initial), None)

    def answered(self, source: Route) -> None:
        """A packet that only the peer can have made came from `source`."""
        if source == self.route:
            self.proven = True
        if self._open and source in self._tried:
            self._settle(source)

    def leads_elsewhere(self, source: Route) -> bool:
        """Whether the peer's newest packet, if it came from `source`, says that it uses another relay than this node,
        or another tunnel.

        Then the former one may be dead, and what goes there would be lost. Relays have verified who sent it, so nobody
        but a relay that both chose can lead us here; TCP has proven a tunnel's address, and only who sits in the middle
        of one can send a packet of the peer through another. An address by UDP proves nothing and is not followed.
        """
        if source == self.route or self._open:
            return False
        both_relayed = isinstance(self.route, Relayed) and isinstance(source, Relayed)
        return both_relayed or _are_tunnels(self.route, source)

    def settle(self) -> None:
        """The handshake is over: if no route of the dial has answered, the first one carries the connection."""
        if self._open:
            self._settle(self.route)

    def switch(self, route: Route) -> None:
        """Send everything by `route` from now on; the caller has made sure that the peer is there."""
        self.hops = self._ttl = None
        self._settle(route)

    def _settle(self, route: Route) -> None:
        self.route = route
        self.proven = True
        self._open = False
        self._waiting.clear()
        self._first_flight.clear()


def _starts(routes: Sequence[Route], now: float, stagger: float, tunnel_stagger: float) -> list[tuple[float, Route]]:
    """When each route gets its first flight, the earliest first."""
    relays = [route for route in routes if isinstance(route, Relayed)]
    addresses = [route for route in routes if isinstance(route, Address) and not route.tunnelled]
    tunnels = [route for route in routes if isinstance(route, Address) and route.tunnelled]
    head_start = 1 if relays or addresses else 0
    starts: list[tuple[float, Route]] = [(now, relay) for relay in relays]
    starts += [(now + stagger * rank, address) for rank, address in enumerate(addresses)]
    starts += [(now + tunnel_stagger * (rank + head_start), tunnel) for rank, tunnel in enumerate(tunnels)]
    return sorted(starts, key=lambda start: start[0])


def _are_tunnels(*routes: Route) -> bool:
    return all(isinstance(route, Address) and route.tunnelled for route in routes)
