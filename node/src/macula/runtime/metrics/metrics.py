"""One node's metrics, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from macula.runtime.metrics.recorder import Recorder
from macula.runtime.metrics.sampler import sampled
from macula.runtime.telemetry import Telemetry

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_HANDLER = "macula.metrics"


class Metrics(Collector):
    """Counts what `telemetry` tells from now on. Nodes of one process have theirs each."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._recorder = Recorder()
        telemetry.attach_each(_HANDLER, self._recorder.handlers())
        telemetry.count_calls(self._recorder.calls())
        self._status: Mapping[str, Any] | None = None
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def render(self, status: Mapping[str, Any]) -> bytes:
        """Everything, with what `status` says (the contents of `macula status --json`), of CONTENT_TYPE."""
        self._status = status
        return generate_latest(self._registry)

    def reaching(self) -> dict[str, Any]:
        """How peers were reached, for the status."""
        return self._recorder.reaching()

    def collect(self) -> Iterator[Metric]:
        """For the library."""
        yield from self._recorder.metrics()
        if self._status is not None:
            yield from sampled(self._status)
