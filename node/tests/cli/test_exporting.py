from __future__ import annotations

import builtins
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from macula.cli import exporting
from macula.cli.exporting import exported_spans
from macula.errors import ConfigError


@pytest.fixture(autouse=True)
def providers(monkeypatch: pytest.MonkeyPatch) -> list[TracerProvider]:
    """Those that are set for the whole process, which happens once in its life."""
    providers: list[TracerProvider] = []
    monkeypatch.setattr(trace, "set_tracer_provider", providers.append)
    return providers


@pytest.mark.parametrize("wanted", ["", "none", " none , "])
def test_without_an_exporter_nothing_is_set_up(
    providers: list[TracerProvider], monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", wanted)
    with exported_spans("edge1"):
        assert providers == []


def test_spans_go_to_the_exporter_that_is_named_before_the_process_ends(
    providers: list[TracerProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(exporting, "_exporter", {"console": exporter}.__getitem__)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment=lab,service.name=shop")
    with exported_spans("edge1"):
        (provider,) = providers
        provider.get_tracer("test").start_span("a call").end()
    (span,) = exporter.get_finished_spans()
    assert span.name == "a call"
    assert {"service.name": "shop", "service.instance.id": "edge1", "deployment": "lab"}.items() <= dict(
        span.resource.attributes
    ).items()


def test_an_exporter_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console,jaeger")
    with pytest.raises(ConfigError, match=r"OTEL_TRACES_EXPORTER': no exporter 'jaeger'"), exported_spans("edge1"):
        raise AssertionError("it goes on")


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    imports = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return imports(name, *args)

    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"needs the extra otel .pip install 'macula-mesh"), exported_spans("edge1"):
        raise AssertionError("it goes on")
