"""Log lines of a node: which there are, how severe they are, and how often. runtime.log_format writes them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import cache

from macula.core.effects import Trace
from macula.identity import NodeId

ROOT = "macula"
LIMIT_INTERVAL = 60.0
"""Seconds in which a limit admits one line, or a few."""
MAX_LIMITS = 4096
"""Limits that are remembered; a flood of new ones makes the oldest forgotten, never the memory grow."""

QUIET = ("call.", "publish.stop", "subscribe.stop", "dht.", "punch.started")
"""Traces of everyday work, logged at level debug."""
COMINGS_AND_GOINGS = ("connection.", "path.", "punch.", "limit ")
"""Limits that begin so are of peers that come and go, how they are reached, and what honest ones ask too much of: level
info. All others are of what somebody did wrong: level warning, one line in each interval."""
COMINGS_LINES = 3
"""Lines of one such limit in each interval: a peer that restarts is logged in full, one that does so in a loop not."""


class Limiter:
    """At most so many lines per key in each interval; the first line begins it."""

    def __init__(self, interval: float = LIMIT_INTERVAL, capacity: int = MAX_LIMITS) -> None:
        self._interval = interval
        self._capacity = capacity
        self._keys: dict[str, tuple[float, int]] = {}

    def admit(self, key: str, now: float, lines: int = 1) -> int | None:
        """None: suppress the line. Else write it; so many were suppressed since the last one."""
        since, asked = self._keys.get(key, (float("-inf"), 0))
        if now - since < self._interval:
            self._keys[key] = (since, asked + 1)
            return 0 if asked < lines else None
        self._keys.pop(key, None)
        if len(self._keys) >= self._capacity:
            del self._keys[next(iter(self._keys))]
        self._keys[key] = (now, 1)
        return max(0, asked - lines)


@cache
def quiet_level(name: str) -> int:
    """The level of an event without a limit; there are as many names as in the source."""
    return logging.DEBUG if name.startswith(QUIET) else logging.INFO


class TraceLog:
    """Writes what a node traces as log lines."""

    def __init__(self, node: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        """`node` is the name of the node, which its lines have if it is given."""
        self._about = {"node": node} if node else {}
        self._clock = clock
        self._limiter = Limiter()
        self._log = logging.getLogger(f"{ROOT}.trace")
        self.is_enabled = self._log.isEnabledFor
        """Whether lines of a level are written at all."""

    def write(self, trace: Trace) -> None:
        """Write a line, unless its limit is used up. Node ids are written in their short form."""
        limit, level, coming = trace.limit, quiet_level(trace.name), False
        if limit:
            coming = limit.startswith(COMINGS_AND_GOINGS)
            level = level if coming else logging.WARNING
        if not self._log.isEnabledFor(level):
            return
        suppressed = self._limiter.admit(limit, self._clock(), COMINGS_LINES if coming else 1) if limit else 0
        if suppressed is None:
            return
        fields = {name: value.short if isinstance(value, NodeId) else value for name, value in trace.fields.items()}
        counted = {"suppressed": suppressed} if suppressed else {}
        log_event(self._log, level, trace.name, {**self._about, **fields, **trace.measurements, **counted})


def log_event(log: logging.Logger, level: int, name: str, fields: Mapping[str, object]) -> None:
    """One line: an event and its fields, which are the record's `fields`. By the standard library, so that an
    application's own handlers get it, too."""
    log.log(level, name, extra={"fields": fields})
