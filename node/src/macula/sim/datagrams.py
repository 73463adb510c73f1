"""Datagrams between hosts behind NAT boxes, on virtual time: delay, jitter, loss, boxes that reboot or move.

A host stands in a segment: the public one, or one behind a box, whose far side stands in another segment. A packet is
translated outward when it is sent and let in when it arrives, so that packets of two hosts can cross on their way.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from macula.core.address import Address
from macula.sim.clock import Clock
from macula.sim.nat import NatBox

MTU = 1472
"""Most bytes of a datagram; bigger ones are lost."""

Receive = Callable[[bytes, Address], None]
"""Takes a datagram and the address from which it seems to come."""
Tap = Callable[[bytes, Address, Address], bool]
"""Sees each datagram that will go to a host, behind its last box, with its source and target; False drops it."""


@dataclass(slots=True)
class Link:
    """What happens to datagrams on one way: delay and random extra delay in seconds, loss as a probability."""

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0


@dataclass(slots=True)
class Segment:
    """A network: its hosts, and the box and link by which it is joined to the next; the public one has neither."""

    box: NatBox | None = None
    parent: Segment | None = None
    link: Link = field(default_factory=Link)
    hosts: dict[str, SimHost] = field(default_factory=dict)
    inner: list[Segment] = field(default_factory=list)


class SimHost:
    """A socket in a segment."""

    def __init__(self, network: Datagrams, segment: Segment, address: Address, receive: Receive, link: Link) -> None:
        self.segment = segment
        self.address = address
        self.receive = receive
        self.link = link
        self._network = network

    def send(self, target: Address, data: bytes) -> None:
        """Send a datagram; it is lost without a word, as UDP is."""
        self._network.send(self, target, data)


class Datagrams:
    """The network. `sent` counts datagrams by the address they are for; nothing is told to the sender."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self.public = Segment()
        self.sent: Counter[Address] = Counter()
        self.tap: Tap = lambda data, source, target: True
        self._clock = clock
        self._rng = rng

    def behind(self, box: NatBox, parent: Segment | None = None, link: Link | None = None) -> Segment:
        """A new segment behind `box`, whose far side stands in `parent` (the public segment by default)."""
        parent = parent or self.public
        segment = Segment(box, parent, link or Link())
        parent.inner.append(segment)
        return segment

    def attach(self, segment: Segment, address: Address, receive: Receive, link: Link | None = None) -> SimHost:
        """A new host; one that has its address in this segment is replaced."""
        host = SimHost(self, segment, address, receive, link or Link())
        segment.hosts[address.host] = host
        return host

    def move(self, host: SimHost, segment: Segment, address: Address) -> None:
        """The host leaves its segment and appears in another, as by roaming."""
        if host.segment.hosts.get(host.address.host) is host:
            del host.segment.hosts[host.address.host]
        host.segment, host.address = segment, address
        segment.hosts[address.host] = host

    def send(self, host: SimHost, target: Address, data: bytes) -> None:
        """Carry a datagram of `host`."""
        self.sent[target] += 1
        if len(data) <= MTU:
            segment, source = host.segment, host.address
            self._over(host.link, lambda: self._up(segment, data, source, target))

    def inject(self, source: Address, target: Address, data: bytes) -> None:
        """Put a datagram on the public segment, from any address."""
        self._down(self.public, data, source, target)

    def _up(self, segment: Segment, data: bytes, source: Address, target: Address) -> None:
        if _next(segment, target.host) is not None:
            if self.tap(data, source, target):
                self._down(segment, data, source, target)
            return
        box, parent = segment.box, segment.parent
        if box is None or parent is None:
            return
        if box.outside == target.host:
            turned = box.hairpin(source, target.port, self._clock.now)
            if turned is not None:
                self._down(segment, data, *turned)
            return
        outside = box.outbound(source, target, self._clock.now)
        if outside is not None:
            self._over(segment.link, lambda: self._up(parent, data, outside, target))

    def _down(self, segment: Segment, data: bytes, source: Address, target: Address) -> None:
        step = _next(segment, target.host)
        if isinstance(step, SimHost):
            self._over(step.link, lambda: self._deliver(step, data, source, target))
        elif step is not None:
            self._over(step.link, lambda: self._enter(step, data, source, target))

    def _enter(self, segment: Segment, data: bytes, source: Address, target: Address) -> None:
        box = segment.box
        if box is not None and box.profile.translates:
            inside = box.inbound(source, target.port, self._clock.now) if box.outside == target.host else None
            if inside is None:
                return
            target = inside
        self._down(segment, data, source, target)

    def _deliver(self, host: SimHost, data: bytes, source: Address, target: Address) -> None:
        if host.address == target:
            host.receive(data, source)

    def _over(self, link: Link, then: Callable[[], None]) -> None:
        # Both are drawn for every datagram, so that the loss of one changes nothing for the others.
        lost, late = self._rng.random() < link.loss, self._rng.random()
        if not lost:
            self._clock.at(self._clock.now + link.delay + late * link.jitter, then)


def _next(segment: Segment, host: str) -> SimHost | Segment | None:
    """Where a packet for `host` goes from `segment`: the host itself, a segment within, or None if it is elsewhere."""
    if host in segment.hosts:
        return segment.hosts[host]
    for inner in segment.inner:
        if inner.box is None:
            continue
        if inner.box.outside == host if inner.box.profile.translates else _next(inner, host) is not None:
            return inner
    return None
