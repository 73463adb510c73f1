"""Where the spans of `macula node` go: OpenTelemetry's own SDK, set up by its own variables (OTEL_*)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any

from macula.errors import ConfigError

VARIABLE = "OTEL_TRACES_EXPORTER"
"""Names the exporters, with commas; empty or `none`: no spans. Unlike in OpenTelemetry's own tools `otlp` has to be
said: a node that nobody asked to does not look for a collector."""


@contextmanager
def exported_spans(name: str) -> Iterator[None]:
    """Export the spans of nodes that are opened in this context, of which the name is told. Raises ConfigError."""
    wanted = [one.strip() for one in os.environ.get(VARIABLE, "").split(",") if one.strip() not in ("", "none")]
    if not wanted:
        yield
        return
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigError(VARIABLE, f"needs the extra otel (pip install 'macula-mesh[otel]'): {error}") from error
    own = Resource.create({"service.name": "macula", "service.instance.id": name})
    provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    # All of them before the first thread that exports: one may be missing.
    for exporter in [_exporter(one) for one in wanted]:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


def _exporter(name: str) -> Any:
    found = entry_points(group="opentelemetry_traces_exporter")
    for point in found.select(name=name):
        try:
            return point.load()()
        except ImportError as error:
            raise ConfigError(VARIABLE, f"{name!r} cannot be loaded: {error}") from error
    there = ", ".join(sorted(found.names))
    raise ConfigError(VARIABLE, f"no exporter {name!r} is installed; there are {there}")
