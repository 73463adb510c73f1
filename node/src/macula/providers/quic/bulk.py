"""How much of the bulk lane is on its way: as much as the path carries, without a queue that others would wait in.

NewReno fills the buffers of a path until one overflows, and a small call then waits for all that lies in them, whatever
lane it takes. So the bulk lane has a window of its own that follows delay, as LEDBAT's (RFC 6817): it grows while
round trips take hardly longer than the shortest known, and shrinks when they take longer than TARGET says.
"""

from __future__ import annotations

import sys
from collections import deque

LEAST = 64 << 10
"""Bytes that may be on their way however long the queue is, and at first."""
TARGET = 0.5
"""The queue that is aimed at, in shortest round trips: what a small call may have to wait longer."""
LEAST_TARGET = 0.001
"""Seconds of queue below which nothing can be told from the noise of two hosts. Where these and not the path are the
bottleneck, the queue is in their sockets, and a small call waits for all of it at either end."""
FASTEST = 125e6
"""Bytes per second that one processor moves. Where no path is slower, more of them on their way than that in the
shortest round trip, and SLACK, would wait in sockets, which round trips of whole batches do not show."""
SLACK = 48 << 10
"""What both ends take in one turn of their loops."""
GAIN = 0.25
"""By how much of what was acknowledged the window changes at most. The queue is seen one round trip late; above a half
the window would swing."""
RECENT = 2
"""Round-trip times of which the shortest counts: longer ones are a host that was busy (CURRENT_FILTER of RFC 6817).
With more, a queue goes unseen: a host reads many packets at once, and the last of them did not wait."""
HISTORY = 300.0
"""Seconds after which the shortest round trip is forgotten at the earliest, since paths change (RFC 6817 has 600)."""


class BulkWindow:
    """What waits for the bulk lane, and its window, in bytes. Round-trip times in seconds."""

    def __init__(self, most: int) -> None:
        """The window never grows above `most`."""
        self.waiting = 0
        """What was put and not taken."""
        self._most = most
        self._window = float(LEAST)
        self._frames: deque[memoryview] = deque()
        self._unacknowledged = 0
        self._shortest = self._shortest_before = float("inf")
        self._since = 0.0
        self._recent: deque[float] = deque(maxlen=RECENT)

    @property
    def window(self) -> int:
        """What may be unacknowledged."""
        return int(self._window)

    def put(self, frame: bytes) -> None:
        """A frame to be sent after those before."""
        self._frames.append(memoryview(frame))
        self.waiting += len(frame)

    def take(self, unacknowledged: int, rtt: float, now: float, most: int = sys.maxsize) -> bytes:
        """What to send now, at `most` so much, with so much on its way, not acknowledged, and this newest round-trip
        time."""
        self._adapt(self._unacknowledged - unacknowledged, rtt, now)
        room = min(most, max(0, self.window - unacknowledged))
        taken = self._cut(room)
        self._unacknowledged = unacknowledged + len(taken)
        return taken

    def take_all(self) -> bytes:
        """Everything that waits, whatever the window."""
        return self._cut(self.waiting)

    def restart(self) -> None:
        """The path is another one: nothing is known of it."""
        self._window = float(LEAST)
        self._recent.clear()
        self._shortest = self._shortest_before = float("inf")

    def _cut(self, room: int) -> bytes:
        taken = bytearray()
        while self._frames and len(taken) < room:
            frame = self._frames.popleft()
            rest = room - len(taken)
            taken += frame[:rest]
            if len(frame) > rest:
                self._frames.appendleft(frame[rest:])
        self.waiting -= len(taken)
        return bytes(taken)

    def _adapt(self, acknowledged: int, rtt: float, now: float) -> None:
        if now - self._since > HISTORY:
            self._shortest, self._shortest_before, self._since = float("inf"), self._shortest, now
        self._shortest = min(self._shortest, rtt)
        if acknowledged <= 0:
            return
        self._recent.append(rtt)
        shortest = min(self._shortest, self._shortest_before)
        target = max(TARGET * shortest, LEAST_TARGET)
        off = max(-1.0, 1 - (min(self._recent) - shortest) / target)
        # A window that is not used says nothing about the path.
        if off < 0 or self.waiting:
            self._window += GAIN * off * acknowledged
        self._window = min(max(self._window, LEAST), self._most, SLACK + FASTEST * shortest)
