"""How large the datagrams on a path may be (Datagram Packetization Layer PMTU Discovery, RFC 8899).

A ladder of sizes is climbed from the one that every path carries. Each step is a probe: a QUIC packet of exactly that
size which carries nothing (RFC 9000, section 14.4), so that its loss costs nothing, and so that nobody but the peer can
answer it, which answers nobody else.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import NamedTuple

from macula.core.route import Relayed, Route
from macula.providers.quic.relay.frame import OVERHEAD
from macula.providers.quic.settings import ETHERNET_DATAGRAM, JUMBO_DATAGRAM, LARGEST_DATAGRAM, SMALLEST_DATAGRAM

LADDER = (1280, 1344, ETHERNET_DATAGRAM, JUMBO_DATAGRAM)
"""UDP payloads in bytes. 1344 fits links of 1400, as tunnels have; 1280 fits two of them in each other."""
TRIES = 3
"""Lost probes after which a size is not used (MAX_PROBES, RFC 8899, section 5.1.2)."""
RETRY_TIME = 1.0
"""Seconds from a lost probe to the next one."""
RAISE_TIME = 600.0
"""Seconds after a search that stopped early until it goes on (PMTU_RAISE_TIMER, RFC 8899, section 5.1.1)."""
BLACK_HOLE_TIME = 60.0
"""Seconds from a black hole to the next search."""

_BLACK_HOLE = 3
"""Rounds in which large packets were lost and none arrived, after which datagrams shrink. With fewer, random loss of a
few packets in a hundred is often taken for a black hole."""
_JITTER = 0.1


class Probe(NamedTuple):
    """`number` tells the answer to this probe from those to all others of the connection; `size` is in bytes."""

    number: int
    size: int


class PathMtu:
    """The search on the path of one connection. `size` bytes are proven to arrive on it."""

    def __init__(self, limit: int, rng: random.Random) -> None:
        """`limit` is the largest size that is tried, 1200 or more; `rng` spreads the times of later searches."""
        self.size = SMALLEST_DATAGRAM
        self.next_at: float | None = None
        """When the next probe is due."""
        self._limit = limit
        self._ladder: tuple[int, ...] = (limit,)
        self._rng = rng
        self._under_way: Probe | None = None
        self._count = 0
        self._lost = 0

    def restart(self, at: float, room: int = LARGEST_DATAGRAM) -> None:
        """There is a path, or another one: nothing is known of it. The first probe is due `at`; nothing above `room`
        bytes can be sent on it."""
        self.size = SMALLEST_DATAGRAM
        limit = min(self._limit, room)
        self._ladder = (*(size for size in LADDER if size < limit), limit)
        self._search(at)

    def due(self, now: float) -> Probe | None:
        """The probe to send now, if it is time. Tell what became of it with `answered` or `lost`."""
        if self.next_at is None or now < self.next_at:
            return None
        self.next_at = None
        self._count += 1
        self._under_way = Probe(self._count, next(size for size in self._ladder if size > self.size))
        return self._under_way

    def learn(self, outcomes: Iterable[tuple[int, bool]], large_losses: int, now: float) -> None:
        """Probes by number that ended, and whether they arrived; and rounds in a row in which large packets were lost
        and none arrived."""
        for number, arrived in outcomes:
            (self.answered if arrived else self.lost)(number, now)
        if large_losses >= _BLACK_HOLE:
            self.black_hole(now)

    def answered(self, number: int, now: float) -> None:
        """A probe has arrived. If the path is another one since, that says nothing."""
        if self._under_way is not None and self._under_way.number == number:
            self.size = self._under_way.size
            self._search(now)

    def lost(self, number: int, now: float) -> None:
        """A probe was not acknowledged."""
        if self._under_way is None or self._under_way.number != number:
            return
        self._under_way = None
        self._lost += 1
        self._wait(now, RETRY_TIME if self._lost % TRIES else RAISE_TIME)

    def refused(self, size: int, now: float) -> None:
        """The system does not send datagrams of `size` bytes on this path."""
        if size <= self.size:
            self.black_hole(now)
        elif self._under_way is not None and size >= self._under_way.size:
            self._under_way = None
            self._wait(now, RAISE_TIME)

    def black_hole(self, now: float) -> None:
        """What is larger than the smallest size no longer arrives (RFC 8899, section 4.3)."""
        if self.size > SMALLEST_DATAGRAM:
            self.size = SMALLEST_DATAGRAM
            self._search(0.0)
            self._wait(now, BLACK_HOLE_TIME)

    def _search(self, at: float) -> None:
        self._under_way = None
        self._lost = 0
        self.next_at = at if self.size < self._ladder[-1] else None

    def _wait(self, now: float, seconds: float) -> None:
        self.next_at = now + seconds * self._rng.uniform(1 - _JITTER, 1 + _JITTER)


def room(route: Route) -> int:
    """The largest datagram that this route may be tried with: what fits into one of UDP. In a tunnel size says nothing
    of the path, which is TCP's."""
    if isinstance(route, Relayed):
        return LARGEST_DATAGRAM - OVERHEAD
    return SMALLEST_DATAGRAM if route.tunnelled else LARGEST_DATAGRAM
