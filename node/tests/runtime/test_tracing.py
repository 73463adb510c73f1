"""Spans of nodes over real sockets on loopback: which ones there are, and whose parts they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import macula
from macula.core.commands import CallProcedure, Strategy
from macula.errors import NotFound, RemoteError
from macula.runtime.reports import CallContext, MeshEvent
from macula.runtime.tracing import find_tracer
from macula.wire.values import encode_value

from .test_mesh import mesh_of

ADD, FORWARD, COUNT = "org.test.add", "org.test.forward", "org.test.count"
TOPIC = "org.test.orders.placed"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What nodes that are started now export: OpenTelemetry is set up, but for this test only."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield exporter
    provider.shutdown()


def spans(exporter: InMemorySpanExporter, name: str, kind: SpanKind) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if (span.name, span.kind) == (name, kind)]


def the(exporter: InMemorySpanExporter, name: str, kind: SpanKind) -> ReadableSpan:
    (span,) = spans(exporter, name, kind)
    return span


def is_part_of(span: ReadableSpan, other: ReadableSpan) -> bool:
    mine, theirs = span.get_span_context(), other.get_span_context()
    assert mine is not None and theirs is not None
    return span.parent is not None and (span.parent.span_id, mine.trace_id) == (theirs.span_id, theirs.trace_id)


def about(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def add(args: list[int]) -> int:
    """Runs in a thread, and knows of which span it is a part."""
    trace.get_tracer_provider().get_tracer("test").start_span("in the thread").end()
    return sum(args)


async def test_a_call_that_calls_on_is_one_trace_through_three_nodes(exporter: InMemorySpanExporter) -> None:
    async with mesh_of(3) as (last, middle, first):

        async def forward(args: Any) -> Any:
            return await middle.call(ADD, args)

        await last.advertise(ADD, add)
        await middle.advertise(FORWARD, forward)
        assert await first.call(FORWARD, [1, 2]) == 3

    outer, handled = the(exporter, FORWARD, SpanKind.CLIENT), the(exporter, FORWARD, SpanKind.SERVER)
    inner, added = the(exporter, ADD, SpanKind.CLIENT), the(exporter, ADD, SpanKind.SERVER)
    assert outer.parent is None
    chain = [outer, handled, inner, added, the(exporter, "in the thread", SpanKind.INTERNAL)]
    assert all(is_part_of(part, whole) for whole, part in pairwise(chain))
    system = {"rpc.system.name": "macula", "rpc.method": ADD}
    assert about(inner) == {**system, "macula.peer": str(last.node_id)}
    assert about(added) == {**system, "macula.peer": str(middle.node_id)}


async def test_a_call_is_a_part_of_what_the_application_does(exporter: InMemorySpanExporter) -> None:
    async with mesh_of(2) as (provider, caller):
        await provider.advertise(ADD, add)
        with trace.get_tracer_provider().get_tracer("test").start_as_current_span("order"):
            pending = caller.call_async(ADD, [2])
            assert (await caller.call(ADD, [1]), await pending) == (1, 2)
    order = the(exporter, "order", SpanKind.INTERNAL)
    calls = spans(exporter, ADD, SpanKind.CLIENT)
    assert [is_part_of(call, order) for call in calls] == [True, True]


async def test_a_streaming_call_is_one_span_at_either_end(exporter: InMemorySpanExporter) -> None:
    async with mesh_of(2) as (provider, caller):

        async def totals(start: int, context: CallContext) -> AsyncIterator[int]:
            async for amount in context.incoming:
                yield await provider.call(ADD, [start, amount])

        async def amounts() -> AsyncIterator[int]:
            for amount in (1, 2, 3):
                yield amount

        await provider.advertise(ADD, add)
        await provider.advertise(COUNT, totals)
        assert [item async for item in caller.call_stream(COUNT, 10, send=amounts())] == [11, 12, 13]
    handled = the(exporter, COUNT, SpanKind.SERVER)
    assert is_part_of(handled, the(exporter, COUNT, SpanKind.CLIENT))
    assert [is_part_of(one, handled) for one in spans(exporter, ADD, SpanKind.CLIENT)] == [True] * 3


async def test_failures_say_why(exporter: InMemorySpanExporter) -> None:
    async with mesh_of(2) as (provider, caller):

        async def broken(args: Any) -> None:
            raise ValueError("no such order")

        await provider.advertise(ADD, broken)
        with pytest.raises(RemoteError):
            await caller.call(ADD)
        with pytest.raises(NotFound):
            await caller.call(FORWARD)
    failed = [the(exporter, ADD, SpanKind.CLIENT), the(exporter, ADD, SpanKind.SERVER)]
    failed.append(the(exporter, FORWARD, SpanKind.CLIENT))
    assert [about(span)["error.type"] for span in failed] == ["remote", "ValueError", "not_found"]
    assert {span.status.status_code for span in failed} == {StatusCode.ERROR}
    assert failed[1].status.description == "no such order"


async def test_an_event_is_a_span_at_its_publisher_and_at_each_subscriber(exporter: InMemorySpanExporter) -> None:
    async with mesh_of(3) as (one, other, publisher):
        consumed = asyncio.Event()

        async def callback(event: MeshEvent) -> None:
            await one.call(ADD, [1, 2])
            consumed.set()

        await other.advertise(ADD, add)
        await one.subscribe(TOPIC, callback)
        async with await other.subscribe("org.test.orders.*") as events:
            await publisher.publish(TOPIC, {"id": 7}, qos=1)
            taken = await anext(aiter(events))
        await asyncio.wait_for(consumed.wait(), 10)
    published = the(exporter, f"publish {TOPIC}", SpanKind.PRODUCER)
    delivered = spans(exporter, f"deliver {TOPIC}", SpanKind.CONSUMER)
    assert [is_part_of(span, published) for span in delivered] == [True, True]
    call = the(exporter, ADD, SpanKind.CLIENT)
    assert [is_part_of(call, span) for span in delivered].count(True) == 1
    ids = [f"{span.get_span_context().span_id:016x}" for span in delivered]  # type: ignore[union-attr]
    assert taken.traceparent.split("-")[2] in ids
    assert about(published) == {
        "messaging.system": "macula",
        "messaging.destination.name": TOPIC,
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.message.body.size": 5,
        "macula.subscribers": 2,
        "macula.failed": 0,
    }
    assert {about(span)["macula.peer"] for span in delivered} == {str(publisher.node_id)}


@asynccontextmanager
async def plain_node(other: macula.Mesh, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[macula.Mesh]:
    """A node that knows nothing of OpenTelemetry, beside one that does."""
    monkeypatch.undo()
    assert find_tracer() is None
    place = (await other.status())["listen"]
    async with macula.connect("org.test", "plain", [place], host="127.0.0.1") as plain:
        yield plain


@pytest.mark.parametrize("said", ["", "rubbish", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "x" * 55])
async def test_who_is_told_rubbish_begins_a_trace(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    async with mesh_of(1) as (provider,):
        await provider.advertise(ADD, add)
        async with plain_node(provider, monkeypatch) as hostile:
            args = encode_value("args", [1])
            await hostile._driver.ask(CallProcedure(ADD, args, 5.0, Strategy.ROUND_ROBIN, traceparent=said))
    assert the(exporter, ADD, SpanKind.SERVER).parent is None


async def test_a_node_that_does_not_trace_hands_on_what_it_is_told(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mesh_of(1) as (publisher,), plain_node(publisher, monkeypatch) as plain:
        async with await plain.subscribe(TOPIC) as events:
            await publisher.publish(TOPIC, 1, qos=1)
            event = await anext(aiter(events))
        await plain.advertise(ADD, add)
        assert await publisher.call(ADD, [1]) == 1
    published = the(exporter, f"publish {TOPIC}", SpanKind.PRODUCER).get_span_context()
    assert published is not None
    assert event.traceparent.startswith(f"00-{published.trace_id:032x}-{published.span_id:016x}-")
    assert spans(exporter, ADD, SpanKind.SERVER) == []
