"""Telemetry: application code listens to what a node does, in the way and with the names of Erlang's `telemetry`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from msgspec import Struct

from macula.core.effects import CallTrace, Trace
from macula.errors import ArgumentError
from macula.runtime.logs import ROOT, TraceLog, log_event, quiet_level

_LOG = logging.getLogger(f"{ROOT}.telemetry")

MAX_HANDLERS = 64
"""Handlers of one node, so that one attached in a loop is an error and not a leak."""


class TelemetryEvent(Struct, frozen=True, gc=False):
    """Something that happened. `metadata` has plain values and NodeIds; `measurements` numbers, `duration` in ms."""

    name: str
    measurements: Mapping[str, float]
    metadata: Mapping[str, object]


Handler = Callable[[TelemetryEvent], None]


@dataclass(frozen=True, slots=True)
class EventKind:
    """What an event says, by the names of its measurements and metadata."""

    meaning: str
    measurements: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()


_PUNCH = ("peer", "mine", "theirs")
_PUNCHED = EventKind(
    "an attempt to find a direct path is over; `mine` and `theirs` are the classes of both NATs",
    ("duration", "rounds", "probes", "heard"),
    (*_PUNCH, "reason"),
)
_CLOSED = ("peer", "code", "reason")

EVENTS: Mapping[str, EventKind] = MappingProxyType(
    {
        "call.start": EventKind("a call of this node begins", (), ("procedure", "call")),
        "call.stop": EventKind(
            "it is over; `code` is ok or the error's, `local` whether this node provided it itself",
            ("duration",),
            ("procedure", "call", "peer", "local", "streams", "code"),
        ),
        "call.handled": EventKind(
            "a call that came to this node is answered", ("duration",), ("procedure", "call", "peer", "streams", "code")
        ),
        "publish.stop": EventKind(
            "an event was sent (QoS 0) or settled by every subscriber (QoS 1); how many got it, how many did not",
            ("duration", "subscribers", "failed"),
            ("topic", "qos", "code"),
        ),
        "subscribe.stop": EventKind("publishers can find a subscription of this node", ("duration",), ("pattern",)),
        "connection.up": EventKind(
            "a peer is connected; `path` is direct, tunnelled (TCP) or relayed",
            (),
            ("peer", "name", "mode", "inbound", "path"),
        ),
        "connection.down": EventKind("a peer is gone", (), _CLOSED),
        "peer.refused": EventKind("a connection was refused, or ended for what the peer did", (), _CLOSED),
        "path.chosen": EventKind(
            "a connection takes another path; `duration` is how long it was of the kind `before`: from relayed to "
            "direct, the time to direct",
            ("duration",),
            ("peer", "before", "path", "route", "reason"),
        ),
        "punch.started": EventKind("the first probes of an attempt to find a direct path go out", (), _PUNCH),
        "punch.succeeded": _PUNCHED,
        "punch.failed": _PUNCHED,
        "relay.moved": EventKind(
            "a connection goes through another relay, since the one before failed", (), ("peer", "from", "to", "reason")
        ),
        "relay.used": EventKind("a relay granted this node a session", ("sessions",), ("relay",)),
        "relay.unavailable": EventKind("a relay did not", (), ("relay", "reason")),
        "relay.granted": EventKind("this node relays for a peer", ("sessions",), ("peer",)),
        "relay.refused": EventKind("this node does not relay for a peer that asked", (), _CLOSED),
        "relay.ended": EventKind("this node relays for a peer no longer", ("sessions",), ("peer",)),
        "dht.record.over_quota": EventKind("a peer brought a record for which there is no room", (), ("peer",)),
        "limit.met": EventKind(
            "what a peer sent was refused, dropped or made to wait by one of the limits", (), ("limit", "peer")
        ),
        "nat.detected": EventKind(
            "what this node is behind is known, or has changed",
            (),
            ("type", "public", "mapping", "filtering", "ports", "hairpin"),
        ),
    }
)
"""What can be listened to, by name; node/docs/metrics.md shows it. Metadata has the names here and no others."""


class Telemetry:
    """The handlers of one node. Where nobody listens an event costs one look-up."""

    def __init__(self, log: TraceLog) -> None:
        """`log` writes every trace as a line, whoever listens."""
        self._log = log
        self._attached: dict[str, tuple[str, ...]] = {}
        self._listeners: dict[str, tuple[tuple[str, Handler], ...]] = {}
        self._counts: dict[str, Callable[[CallTrace], None]] = {}

    def attach(self, handler_id: str, events: str | Sequence[str], handler: Handler) -> None:
        """Call `handler` with every event of these names from now on, at once and in order, from the event loop.

        It must be quick and must not call the node's methods; what takes time it hands on. When it raises, that is
        logged and it is detached. Raises ArgumentError for an id that is taken and a name that is none of EVENTS.
        """
        self.attach_each(handler_id, dict.fromkeys((events,) if isinstance(events, str) else events, handler))

    def attach_each(self, handler_id: str, handlers: Mapping[str, Handler]) -> None:
        """As attach, with a handler for each name."""
        unknown = [name for name in handlers if name not in EVENTS]
        if unknown or not handlers:
            raise ArgumentError("events", f"there are {', '.join(EVENTS)}; not {', '.join(unknown) or 'none'}")
        if handler_id in self._attached:
            raise ArgumentError("handler_id", f"{handler_id!r} is attached already")
        if len(self._attached) >= MAX_HANDLERS:
            raise ArgumentError("handler_id", f"{MAX_HANDLERS} handlers are attached, the most that are allowed")
        self._attached[handler_id] = tuple(handlers)
        for name, handler in handlers.items():
            self._listeners[name] = (*self._listeners.get(name, ()), (handler_id, handler))

    def detach(self, handler_id: str) -> None:
        """Call this handler no longer. Harmless for one that is not attached."""
        for name in self._attached.pop(handler_id, ()):
            self._listeners[name] = tuple(each for each in self._listeners[name] if each[0] != handler_id)

    def count_calls(self, counts: Mapping[str, Callable[[CallTrace], None]]) -> None:
        """Call these with every event of their names, before those who are attached."""
        self._counts.update(counts)

    def emit_call(self, call: CallTrace) -> None:
        """As emit, of a call."""
        name = call.name
        if count := self._counts.get(name):
            count(call)
        if self._listeners.get(name) or self._log.is_enabled(quiet_level(name)):
            self.emit(call.trace)

    def emit(self, trace: Trace) -> None:
        """Tell who listens, and the log."""
        if listeners := self._listeners.get(trace.name):
            event = TelemetryEvent(trace.name, trace.measurements, trace.fields)
            for handler_id, handler in listeners:
                try:
                    handler(event)
                except Exception as error:  # noqa: BLE001 - whatever a handler does wrong, the node goes on
                    self.detach(handler_id)
                    fields = {"handler": handler_id, "name": event.name, "error": repr(error)}
                    log_event(_LOG, logging.ERROR, "telemetry.handler_detached", fields)
        if trace.limit or self._log.is_enabled(quiet_level(trace.name)):
            self._log.write(trace)
