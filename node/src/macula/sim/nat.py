"""A NAT box of any kind of `macula.nat.profile`, on virtual time. It behaves as the routers of the lab do.

As in Linux's conntrack, a packet that is let in makes a flow: what the host inside answers leaves from the port at
which the packet came. Only packets from inside keep a mapping alive (RFC 4787, REQ-6).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from macula.core.address import Address
from macula.nat.profile import Filtering, Input, Mapping, Ports, Profile, Udp

SEQUENCE = range(32_768, 36_864)
"""The ports through which ports=sequential counts."""
_DRAWS = 32
_SWEEP = 512
"""What is remembered beyond this is searched for what has ended."""

Flow = tuple[Address, Address]
"""An inside address and a remote one."""


@dataclass(slots=True)
class _Port:
    """An outside port in use, until it ends, and who may come in through it, each until then."""

    inside: Address
    until: float
    permitted: dict[Address | str, float] = field(default_factory=dict)


class NatBox:
    """Translates, filters and forgets. A box whose profile does not translate only blocks."""

    def __init__(self, profile: Profile, outside: str, rng: random.Random) -> None:
        """`outside` is the address of the box on its far side."""
        self.profile = profile
        self.outside = outside
        self._rng = rng
        self._next = rng.randrange(len(SEQUENCE))
        self._ports: dict[int, _Port] = {}
        self._mapped: dict[Address | Flow | tuple[Address, str], int] = {}
        self._flows: dict[Flow, tuple[int, float]] = {}
        self._occupied: dict[tuple[int, Address], float] = {}

    def outbound(self, inside: Address, target: Address, now: float) -> Address | None:
        """From where a packet of `inside` leaves for `target`; None if it may not, or no port is left."""
        nat = self.profile
        if nat.udp is not Udp.ALLOW:
            return None
        if not nat.translates:
            return inside
        self._sweep(now)
        port = self._flow_port(inside, target, now)
        if port is None:
            if nat.sessions is not None and self._sessions(inside.host, now) >= nat.sessions:
                return None
            port = self._mapped_port(inside, target, now) or self._choose(inside.port, now)
            if port is not None and self._occupied.get((port, target), 0.0) > now:
                port = self._random_port(now)
            if port is None:
                return None
        self._learn(inside, target, port, now)
        return Address(self.outside, port)

    def inbound(self, source: Address, port: int, now: float) -> Address | None:
        """Who inside gets a packet that came from `source` to an outside port."""
        nat = self.profile
        if nat.udp is not Udp.ALLOW:
            return None
        used = self._used(port, now)
        if used is None or not self._permits(used, source, now):
            if nat.input is Input.ACCEPT:
                self._occupied[port, source] = now + nat.lifetime
            return None
        if self._flow_port(used.inside, source, now) is None:
            self._flows[used.inside, source] = (port, now + nat.lifetime)
        return used.inside

    def hairpin(self, inside: Address, port: int, now: float) -> tuple[Address, Address] | None:
        """A packet of `inside` to an outside port of this very box: from where it seems to come, and who gets it."""
        used = self._used(port, now) if self.profile.hairpin else None
        source = self.outbound(inside, Address(self.outside, port), now) if used else None
        return (source, used.inside) if used and source else None

    def reboot(self, outside: str | None = None) -> None:
        """Forget every mapping; the box may come back with another address."""
        self.outside = outside or self.outside
        for table in (self._ports, self._mapped, self._flows, self._occupied):
            table.clear()

    def _flow_port(self, inside: Address, remote: Address, now: float) -> int | None:
        port, until = self._flows.get((inside, remote), (0, 0.0))
        if until <= now:
            return None
        used = self._used(port, now)
        return port if used is None or used.inside == inside else None

    def _mapped_port(self, inside: Address, target: Address, now: float) -> int | None:
        port = self._mapped.get(self._key(inside, target))
        return port if port is not None and self._used(port, now) is not None else None

    def _key(self, inside: Address, target: Address) -> Address | Flow | tuple[Address, str]:
        match self.profile.mapping:
            case Mapping.ENDPOINT_INDEPENDENT:
                return inside
            case Mapping.ADDRESS_DEPENDENT:
                return inside, target.host
            case Mapping.ADDRESS_AND_PORT_DEPENDENT:
                return inside, target

    def _learn(self, inside: Address, target: Address, port: int, now: float) -> None:
        until = now + self.profile.lifetime
        used = self._used(port, now)
        if used is None:
            used = self._ports[port] = _Port(inside, until)
        used.until = until
        used.permitted[target] = used.permitted[target.host] = until
        self._flows[inside, target] = (port, until)
        if self._mapped_port(inside, target, now) is None:
            self._mapped[self._key(inside, target)] = port

    def _permits(self, used: _Port, source: Address, now: float) -> bool:
        match self.profile.filtering:
            case Filtering.ENDPOINT_INDEPENDENT:
                return True
            case Filtering.ADDRESS_DEPENDENT:
                return used.permitted.get(source.host, 0.0) > now
            case Filtering.ADDRESS_AND_PORT_DEPENDENT:
                return used.permitted.get(source, 0.0) > now

    def _choose(self, wanted: int, now: float) -> int | None:
        match self.profile.ports:
            case Ports.PRESERVE:
                return wanted if self._used(wanted, now) is None else self._random_port(now)
            case Ports.RANDOM:
                return self._random_port(now)
            case Ports.SEQUENTIAL:
                for _ in range(_DRAWS):
                    self._next = (self._next + 1) % len(SEQUENCE)
                    if self._used(SEQUENCE[self._next], now) is None:
                        return SEQUENCE[self._next]
                return None
            case Ports.BLOCK:
                low, high = self.profile.block
                free = [port for port in range(low, high + 1) if self._used(port, now) is None]
                return self._rng.choice(free) if free else None

    def _random_port(self, now: float) -> int | None:
        drawn = (self._rng.randint(1024, 65_535) for _ in range(_DRAWS))
        return next((port for port in drawn if self._used(port, now) is None), None)

    def _used(self, port: int, now: float) -> _Port | None:
        used = self._ports.get(port)
        return used if used is not None and used.until > now else None

    def _sessions(self, host: str, now: float) -> int:
        return sum(1 for (inside, _), (_, until) in self._flows.items() if inside.host == host and until > now)

    def _sweep(self, now: float) -> None:
        if len(self._flows) + len(self._occupied) < _SWEEP:
            return
        self._ports = {port: used for port, used in self._ports.items() if used.until > now}
        self._mapped = {key: port for key, port in self._mapped.items() if port in self._ports}
        self._flows = {key: flow for key, flow in self._flows.items() if flow[1] > now}
        self._occupied = {key: until for key, until in self._occupied.items() if until > now}
