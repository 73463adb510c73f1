"""Counts telemetry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import Metric

from macula.core.effects import CallTrace
from macula.core.route import PathKind
from macula.runtime.metrics import families as of
from macula.runtime.metrics.tallies import Distribution, Tally, sample
from macula.runtime.telemetry import Handler, TelemetryEvent

_CALL_CODES = {code: code for code in of.CALL_CODES}
_CLOSE_CODES = {code: code for code in of.CLOSE_CODES}


class Recorder:
    """Attach `handlers`, and let `calls` be counted."""

    def __init__(self) -> None:
        self._calls, self._handled = Tally(of.CALLS), Tally(of.HANDLED)
        self._call_seconds, self._stream_seconds = Distribution(of.CALL_SECONDS), Distribution(of.STREAM_SECONDS)
        self._handled_seconds = Distribution(of.HANDLED_SECONDS)
        self._stream_handled_seconds = Distribution(of.STREAM_HANDLED_SECONDS)
        self._published, self._deliveries = Tally(of.PUBLISHED), Tally(of.DELIVERIES)
        self._subscribed = Tally(of.SUBSCRIBED)
        self._connected, self._disconnected, self._refused = (
            Tally(family) for family in (of.CONNECTED, of.DISCONNECTED, of.REFUSED)
        )
        self._punches, self._probes = Tally(of.PUNCHES), Tally(of.PROBES)
        self._direct_seconds, self._paths = Distribution(of.DIRECT_SECONDS), Tally(of.PATHS)
        self._failovers = Tally(of.FAILOVERS)
        self._granted, self._relay_refused = Tally(of.GRANTED), Tally(of.RELAY_REFUSED)
        self._over_quota = Tally(of.OVER_QUOTA)
        self._limits = Tally(of.LIMITS)
        self._nat: dict[tuple[str, ...], float] = {}

    def handlers(self) -> dict[str, Handler]:
        """What counts an event, by its name."""
        return {
            "publish.stop": self._publish,
            "subscribe.stop": lambda event: self._subscribed.add(),
            "connection.up": self._connect,
            "connection.down": lambda event: self._disconnected.add(_closing(event)),
            "peer.refused": lambda event: self._refused.add(_closing(event)),
            "punch.succeeded": lambda event: self._punch("succeeded", event),
            "punch.failed": lambda event: self._punch("failed", event),
            "path.chosen": self._path,
            "relay.moved": lambda event: self._failovers.add(),
            "relay.granted": lambda event: self._granted.add(),
            "relay.refused": lambda event: self._relay_refused.add(_closing(event)),
            "dht.record.over_quota": lambda event: self._over_quota.add(),
            "limit.met": lambda event: self._limits.add(str(event.metadata["limit"])),
            "nat.detected": self._detect,
        }

    def calls(self) -> dict[str, Callable[[CallTrace], None]]:
        """What counts calls, by the event's name."""
        return {"call.stop": self._call, "call.handled": self._handle}

    def metrics(self) -> Iterator[Metric]:
        """What was counted."""
        for value in vars(self).values():
            if isinstance(value, Tally | Distribution):
                yield value.metric()
        yield sample(of.NAT, self._nat)

    def reaching(self) -> dict[str, Any]:
        """How peers were reached, as `macula status --json` prints it."""
        mean = self._direct_seconds.mean
        return {
            "punches": {
                "succeeded": int(self._punches.total("succeeded")),
                "failed": int(self._punches.total("failed")),
            },
            "time_to_direct_ms": None if mean is None else round(mean * 1000, 1),
            "fell_back": int(self._paths.total(PathKind.DIRECT, PathKind.RELAYED)),
            "relay_failovers": int(self._failovers.total()),
        }

    # A call is counted twice and in plain steps: it is what there is most of.

    def _call(self, call: CallTrace) -> None:
        provider = "local" if call.local else "remote" if call.peer is not None else "none"
        self._calls.values[_CALL_CODES.get(call.code, of.OTHER), provider] += 1
        seconds = self._stream_seconds if call.streams else self._call_seconds
        seconds.observe(call.duration / 1000)

    def _handle(self, call: CallTrace) -> None:
        self._handled.values[(_CALL_CODES.get(call.code, of.OTHER),)] += 1
        seconds = self._stream_handled_seconds if call.streams else self._handled_seconds
        seconds.observe(call.duration / 1000)

    def _publish(self, event: TelemetryEvent) -> None:
        numbers, about = event.measurements, event.metadata
        self._published.add(str(about["qos"]), _CALL_CODES.get(str(about["code"]), of.OTHER))
        self._deliveries.add("delivered", by=numbers["subscribers"])
        self._deliveries.add("failed", by=numbers["failed"])

    def _connect(self, event: TelemetryEvent) -> None:
        about = event.metadata
        self._connected.add("inbound" if about["inbound"] else "outbound", str(about["path"]))

    def _punch(self, outcome: str, event: TelemetryEvent) -> None:
        about = event.metadata
        self._punches.add(outcome, str(about["mine"]), str(about["theirs"]))
        self._probes.add(by=event.measurements["probes"])

    def _path(self, event: TelemetryEvent) -> None:
        before, path = str(event.metadata["before"]), str(event.metadata["path"])
        self._paths.add(before, path)
        if (before, path) == (PathKind.RELAYED, PathKind.DIRECT):
            self._direct_seconds.observe(event.measurements["duration"] / 1000)

    def _detect(self, event: TelemetryEvent) -> None:
        self._nat = {tuple(str(event.metadata[label.name]) for label in of.NAT.labels): 1}


def _closing(event: TelemetryEvent) -> str:
    return _CLOSE_CODES.get(str(event.metadata["code"]), of.OTHER)
