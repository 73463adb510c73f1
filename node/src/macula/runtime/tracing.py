"""Calls and events as OpenTelemetry spans that belong together across nodes (the extra `otel`).

A call is a span at its caller and one at its provider, an event one at its publisher and one at each subscriber. What
a handler or a callback does is a part of its span, as OpenTelemetry has it. Names and attributes are those of the
semantic conventions for RPC and messaging. Only a node that traces is made of what is here: others do not import it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from msgspec.structs import replace
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from macula.core.address import Address
from macula.core.commands import CallProcedure, Command, PublishEvent
from macula.core.deliveries import CallDelivery
from macula.core.results import CallResult, PublishResult
from macula.engine import Engine
from macula.errors import CallError, Cancelled
from macula.identity import NodeId
from macula.runtime.driver import Driver
from macula.runtime.handlers import Handlers
from macula.runtime.reports import MeshEvent
from macula.runtime.subscription import Callback, Subscription
from macula.runtime.telemetry import Telemetry
from macula.runtime.transport import Transport

PEER = "macula.peer"
"""The attribute of the node at the other end: provider, caller, publisher."""

_SYSTEM = "macula"
_W3C = TraceContextTextMapPropagator()


def find_tracer() -> Tracer | None:
    """Where this node's spans go; None if the application has set no tracer provider."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return None
    return provider.get_tracer("macula")


class TracedDriver(Driver):
    """Each call and each publication is a span, from when it is given to its end."""

    def __init__(
        self,
        tracer: Tracer,
        engine: Engine,
        transport: Transport,
        telemetry: Telemetry,
        pin: Callable[[Address, NodeId], None],
    ) -> None:
        super().__init__(engine, transport, telemetry, pin)
        self._tracer = tracer

    def give(self, command: Command) -> tuple[int, asyncio.Future[Any]]:
        """As Driver.give."""
        match command:
            case CallProcedure(procedure=procedure):
                span = self._tracer.start_span(procedure, kind=SpanKind.CLIENT, attributes=_rpc(procedure))
            case PublishEvent(topic=topic, payload=payload):
                about = {**_messaging(topic, "publish", "send"), "messaging.message.body.size": len(payload)}
                span = self._tracer.start_span(f"publish {topic}", kind=SpanKind.PRODUCER, attributes=about)
            case _:
                return super().give(command)
        try:
            id_, future = super().give(replace(command, traceparent=_traceparent(span)))
        except Exception as error:
            _fail(span, error)
            span.end()
            raise
        future.add_done_callback(partial(_ended, span))
        return id_, future


class TracedHandlers(Handlers):
    """Each call that is handled and each event that is consumed is a span, a part of its caller's or publisher's."""

    def __init__(self, tracer: Tracer, driver: Driver, tasks: asyncio.TaskGroup, threads: int) -> None:
        super().__init__(driver, tasks, threads)
        self._tracer = tracer

    def _subscription(
        self, pattern: str, consumed: Callable[[], None], unsubscribe: Callable[[], Awaitable[None]]
    ) -> Subscription:
        return TracedSubscription(self._tracer, pattern, consumed, unsubscribe)

    async def _run(self, delivery: int, call: CallDelivery) -> bytes:
        about = {**_rpc(call.procedure), PEER: str(call.caller)}
        span = self._tracer.start_span(
            call.procedure, _remote(call.traceparent), kind=SpanKind.SERVER, attributes=about
        )
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                return await super()._run(delivery, call)
            except (Exception, asyncio.CancelledError) as error:
                _fail(span, error)
                raise


class TracedSubscription(Subscription):
    """An event is a span from when it is taken until the next one is asked for; in a callback it is the current one."""

    def __init__(
        self,
        tracer: Tracer,
        pattern: str,
        consumed: Callable[[], None],
        unsubscribe: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(pattern, consumed, unsubscribe)
        self._tracer = tracer
        self._span: Span | None = None

    def _take(self) -> MeshEvent | None:
        event = super()._take()
        if event is None:
            return None
        about = {**_messaging(event.topic, "deliver", "process"), PEER: str(event.publisher)}
        self._span = self._tracer.start_span(
            f"deliver {event.topic}", _remote(event.traceparent), kind=SpanKind.CONSUMER, attributes=about
        )
        return replace(event, traceparent=_traceparent(self._span))

    def _giving(self, callback: Callback) -> Callback:
        async def give(event: MeshEvent) -> None:
            span = self._span or trace.INVALID_SPAN
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                try:
                    result = callback(event)
                    if inspect.isawaitable(result):
                        await result
                except Exception as error:
                    _fail(span, error)
                    raise

        return give

    def _done(self) -> None:
        super()._done()
        if self._span is not None:
            self._span.end()
            self._span = None


def _rpc(procedure: str) -> dict[str, str]:
    return {"rpc.system.name": _SYSTEM, "rpc.method": procedure}


def _messaging(topic: str, name: str, kind: str) -> dict[str, str | int]:
    return {
        "messaging.system": _SYSTEM,
        "messaging.destination.name": topic,
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
    }


def _traceparent(span: Span) -> str:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get("traceparent", "")


def _remote(traceparent: str) -> Context:
    """The parent that a peer names; none if what it says is no traceparent (W3C: then a new trace begins)."""
    return _W3C.extract({"traceparent": traceparent}, Context())


def _ended(span: Span, future: asyncio.Future[Any]) -> None:
    error = Cancelled("nobody waits for it any more") if future.cancelled() else future.exception()
    if error is not None:
        _fail(span, error)
    else:
        match future.result():
            case CallResult(provider=provider):
                span.set_attribute(PEER, str(provider))
            case PublishResult(delivered, failed):
                span.set_attributes({"macula.subscribers": len(delivered), "macula.failed": len(failed)})
    span.end()


def _fail(span: Span, error: BaseException) -> None:
    if isinstance(error, asyncio.CancelledError):
        code = Cancelled.code
    else:
        code = error.code if isinstance(error, CallError) else type(error).__qualname__
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR, str(error)))
