"""One direction of a link: frames go in, and come out when and as often as its LinkSpec says. Pure, no I/O.

A frame is lost or not, waits until the link is free (`rate`), travels (`delay`, `jitter`) and arrives.
"""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge

from macula_lab.router.link.spec import LinkSpec

QUEUE_TIME = 0.2
"""Seconds of sending that the queue in front of a link with a rate holds, as a home router's does."""
QUEUE_FLOOR = 16_384
"""Bytes that it holds at least, so that a slow link takes a few full frames."""
HELD_PACKETS = 65_536
HELD_BYTES = 64 * 1024 * 1024
"""What waits or is under way at the same time, at most: 0.5 s at 1 Gbit/s."""


@dataclass(slots=True)
class Counters:
    """Packets so far. offered + duplicated = lost + overflowed + delivered + those that wait or are under way."""

    offered: int = 0
    lost: int = 0
    overflowed: int = 0
    """those that found a queue full, copies too"""
    duplicated: int = 0
    """copies made"""
    reordered: int = 0
    """those that overtook another one"""
    delivered: int = 0


class Shaper:
    """Frames on their way in one direction.

    Times are monotonic seconds that never go back. After `offer` and `reconfigure` ask `next_deadline`; at that time
    `due` gives what has arrived. Additional calls of `due` do no harm.

    Each offered frame takes the same four draws from a generator of its own seed and direction. So the same seed
    loses (and copies, and lets overtake) the packets with the same indexes, whatever else the link does.

    Packets arrive in the order in which they came, for jitter holds those back that would overtake. Only `reorder`
    breaks the order: such a packet does not wait for the delay.
    """

    def __init__(self, spec: LinkSpec, seed: int, direction: str) -> None:
        self.counters = Counters()
        self._direction = direction
        self._waiting: deque[tuple[float, bytes, float, bool]] = deque()
        """for the link to be free: when it came, frame, seconds it will travel, whether it overtakes"""
        self._waiting_bytes = 0
        self._travelling: deque[tuple[float, bytes]] = deque()
        """in order of their arrival times"""
        self._overtaking: deque[tuple[float, bytes]] = deque()
        """likewise"""
        self._held_bytes = 0
        self._free_at = 0.0
        """when the next frame can be sent at the earliest"""
        self._last_arrival = 0.0
        self.spec = spec
        self._draw = self._generator(seed)

    def _generator(self, seed: int) -> random.Random:
        return random.Random(f"{seed} {self._direction}")

    def reconfigure(self, spec: LinkSpec, now: float, seed: int | None = None) -> None:
        """Become another link. Frames that are under way arrive as they would have, those that wait meet the new rate.

        With a seed the draws begin anew, without one they go on.
        """
        self._send(now)
        self.spec = spec
        self._free_at = now  # a frame that was half sent begins again
        self._send(now)
        if seed is not None:
            self._draw = self._generator(seed)

    def offer(self, frame: bytes, now: float) -> None:
        """A frame comes to the link. It is to be sent later than every frame that came before."""
        draw = self._draw.random
        loss, jitter, reorder, duplicate = draw(), draw(), draw(), draw()
        spec = self.spec
        self.counters.offered += 1
        if 100 * loss < spec.loss:
            self.counters.lost += 1
            return
        overtakes = 100 * reorder < spec.reorder
        delay = 0.0 if overtakes else (spec.delay + spec.jitter * (2 * jitter - 1)) / 1000
        self._enter(frame, now, delay, overtakes)
        if 100 * duplicate < spec.duplicate:
            self.counters.duplicated += 1
            self._enter(frame, now, delay, overtakes)

    def due(self, now: float) -> list[bytes]:
        """The frames that have arrived by now, in the order of their arrival."""
        self._send(now)
        if not self._overtaking:
            arrived = [frame for _, frame in self._arrived(self._travelling, now)]
        else:
            both = merge(self._arrived(self._overtaking, now), self._arrived(self._travelling, now), key=arrival)
            arrived = [frame for _, frame in both]
        self.counters.delivered += len(arrived)
        return arrived

    def next_deadline(self) -> float | None:
        """When to call `due` next; None when nothing waits or is under way."""
        times = [queue[0][0] for queue in (self._travelling, self._overtaking) if queue]
        if self._waiting:
            times.append(self._sent_at())
        return min(times, default=None)

    def _enter(self, frame: bytes, now: float, delay: float, overtakes: bool) -> None:
        """Queue a frame in front of the link; without a rate, when none waits, it is on its way at once."""
        held = len(self._waiting) + len(self._travelling) + len(self._overtaking)
        rate = self.spec.rate
        crowded = rate and self._waiting_bytes + len(frame) > max(QUEUE_FLOOR, rate * QUEUE_TIME / 8)
        if crowded or held >= HELD_PACKETS or self._held_bytes + len(frame) > HELD_BYTES:
            self.counters.overflowed += 1
            return
        self._held_bytes += len(frame)
        if rate:
            self._waiting.append((now, frame, delay, overtakes))
            self._waiting_bytes += len(frame)
        else:
            self._travel(frame, now, delay, overtakes)

    def _sent_at(self) -> float:
        """When the first waiting frame is sent to its end."""
        came, frame, _, _ = self._waiting[0]
        rate = self.spec.rate
        return max(came, self._free_at) + (8 * len(frame) / rate if rate else 0)

    def _send(self, now: float) -> None:
        """Let those waiting frames travel that are sent by now."""
        while self._waiting and (sent := self._sent_at()) <= now:
            _, frame, delay, overtakes = self._waiting.popleft()
            self._waiting_bytes -= len(frame)
            self._free_at = sent
            self._travel(frame, sent, delay, overtakes)

    def _travel(self, frame: bytes, sent: float, delay: float, overtakes: bool) -> None:
        if overtakes:
            self.counters.reordered += bool(self._travelling) and self._last_arrival > sent
            self._overtaking.append((sent, frame))
        else:
            self._last_arrival = max(sent + delay, self._last_arrival)
            self._travelling.append((self._last_arrival, frame))

    def _arrived(self, queue: deque[tuple[float, bytes]], now: float) -> Iterator[tuple[float, bytes]]:
        while queue and queue[0][0] <= now:
            first = queue.popleft()
            self._held_bytes -= len(first[1])
            yield first


def arrival(entry: tuple[float, bytes]) -> float:
    """When an entry of a queue arrives."""
    return entry[0]
