"""Counts telemetry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import Metric

from macula.core.route import PathKind
from macula.runtime.metrics import families as of
from macula.runtime.metrics.tallies import Distribution, Tally, sample
from macula.runtime.telemetry import TelemetryEvent

_CALL_CODES, _CLOSE_CODES = frozenset(of.CALL_CODES), frozenset(of.CLOSE_CODES)


class Recorder:
    """Attach `record` to `events`."""

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
        self._rules: dict[str, Callable[[Mapping[str, float], Mapping[str, Any]], None]] = {
            "call.stop": self._call,
            "call.handled": self._handle,
            "publish.stop": self._publish,
            "subscribe.stop": lambda numbers, about: self._subscribed.add(),
            "connection.up": self._connect,
            "connection.down": lambda numbers, about: self._disconnected.add(_closing(about)),
            "peer.refused": lambda numbers, about: self._refused.add(_closing(about)),
            "punch.succeeded": lambda numbers, about: self._punch("succeeded", numbers, about),
            "punch.failed": lambda numbers, about: self._punch("failed", numbers, about),
            "path.chosen": self._path,
            "relay.moved": lambda numbers, about: self._failovers.add(),
            "relay.granted": lambda numbers, about: self._granted.add(),
            "relay.refused": lambda numbers, about: self._relay_refused.add(_closing(about)),
            "dht.record.over_quota": lambda numbers, about: self._over_quota.add(),
            "limit.met": lambda numbers, about: self._limits.add(about["limit"]),
            "nat.detected": self._detect,
        }

    @property
    def events(self) -> tuple[str, ...]:
        """What is counted."""
        return tuple(self._rules)

    def record(self, event: TelemetryEvent) -> None:
        """Count an event."""
        self._rules[event.name](event.measurements, event.metadata)

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

    def _call(self, numbers: Mapping[str, float], about: Mapping[str, Any]) -> None:
        provider = "local" if about["local"] else "remote" if about["peer"] else "none"
        self._calls.add(_code(about), provider)
        seconds = self._stream_seconds if about["streams"] else self._call_seconds
        seconds.observe(numbers["duration"] / 1000)

    def _handle(self, numbers: Mapping[str, float], about: Mapping[str, Any]) -> None:
        self._handled.add(_code(about))
        seconds = self._stream_handled_seconds if about["streams"] else self._handled_seconds
        seconds.observe(numbers["duration"] / 1000)

    def _publish(self, numbers: Mapping[str, float], about: Mapping[str, Any]) -> None:
        self._published.add(str(about["qos"]), _code(about))
        self._deliveries.add("delivered", by=numbers["subscribers"])
        self._deliveries.add("failed", by=numbers["failed"])

    def _connect(self, numbers: Mapping[str, float], about: Mapping[str, Any]) -> None:
        self._connected.add("inbound" if about["inbound"] else "outbound", about["path"])

    def _punch(self, outcome: str, numbers: Mapping[str, float], about: Mapping[str, Any]) -> None:
        self._punches.add(outcome, about["mine"], about["theirs"])
        self._probes.add(by=numbers["probes"])

    def _path(self, numbers: Mapping[str, float], about: Mapping[str, Any]) -> None:
        self._paths.add(about["before"], about["path"])
        if (about["before"], about["path"]) == (PathKind.RELAYED, PathKind.DIRECT):
            self._direct_seconds.observe(numbers["duration"] / 1000)

    def _detect(self, numbers: Mapping[str, float], about: Mapping[str, Any]) -> None:
        self._nat = {tuple(str(about[label.name]) for label in of.NAT.labels): 1}


def _code(about: Mapping[str, Any]) -> str:
    code: str = about["code"]
    return code if code in _CALL_CODES else of.OTHER


def _closing(about: Mapping[str, Any]) -> str:
    code: str = about["code"]
    return code if code in _CLOSE_CODES else of.OTHER
