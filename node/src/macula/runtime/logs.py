"""Log lines of a node: for people (`time level event key=value`) or one JSON object each."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

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
info. All others are of what
somebody did wrong: level warning, one line in each interval."""
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


class TraceLog:
    """Writes what a node traces as log lines."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._limiter = Limiter()
        self._log = logging.getLogger(f"{ROOT}.trace")

    def write(self, trace: Trace) -> None:
        """Write a line, unless its limit is used up. Node ids are written in their short form."""
        limit = trace.limit
        if limit is None and trace.name.startswith(QUIET) and not self._log.isEnabledFor(logging.DEBUG):
            return
        coming = limit is not None and limit.startswith(COMINGS_AND_GOINGS)
        level = logging.DEBUG if trace.name.startswith(QUIET) else logging.INFO
        if limit and not coming:
            level = logging.WARNING
        if not self._log.isEnabledFor(level):
            return
        suppressed = self._limiter.admit(limit, self._clock(), COMINGS_LINES if coming else 1) if limit else 0
        if suppressed is None:
            return
        fields = {name: value.short if isinstance(value, NodeId) else value for name, value in trace.fields.items()}
        counted = {"suppressed": suppressed} if suppressed else {}
        log_event(self._log, level, trace.name, {**fields, **trace.measurements, **counted})


def log_event(log: logging.Logger, level: int, name: str, fields: Mapping[str, object]) -> None:
    """One line: an event and its fields."""
    log.log(level, name, extra={"fields": fields})


def configure(level: str, style: str, stream: TextIO) -> None:
    """Send this package's log lines to a stream. `level` and `style` are the settings log_level and log_format."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    log = logging.getLogger(ROOT)
    log.handlers[:] = [handler]
    log.setLevel(level.upper())
    log.propagate = False


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.123Z info connection.up peer=ab3k name=edge1`: values are quoted where they need it."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever a peer put into a field."""
        parts = [_time(record), f"{record.levelname.lower():7}", _plain(record.getMessage(), " ")]
        parts += [f"{key}={_plain(value)}" for key, value in _fields(record).items()]
        return " ".join(parts)


class JsonFormatter(logging.Formatter):
    """`{"time": ..., "level": ..., "event": ..., ...fields}`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        head = {"time": _time(record), "level": record.levelname.lower(), "event": record.getMessage()}
        return json.dumps(head | {key: value for key, value in _fields(record).items() if key not in head}, default=str)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = dict(getattr(record, "fields", {}))
    if record.exc_info:
        fields["traceback"] = logging.Formatter().formatException(record.exc_info)
    return fields


def _plain(value: object, allowed: str = "") -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    safe = text.isprintable() and not any(mark in text for mark in ' "=' if mark not in allowed)
    return text if text and safe else json.dumps(text)
