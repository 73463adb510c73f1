"""What a running node can be asked, and what it answers: the mesh object as command line, health and demo see it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import Struct

from macula.identity import NodeId
from macula.wire.values import Value

DEFAULT_CAPACITY = 256
"""Most events of a subscription that wait for the application."""

DEFAULT_TIMEOUT = 5.0
"""Seconds for a publication."""

Handler = Callable[..., Any]
"""`handler(args)` or `handler(args, context)`, async or not; it returns the result or raises. An async generator yields
results one by one, for streaming calls."""


@dataclass(frozen=True, slots=True)
class CallReport:
    """A call's result, who gave it, how it travelled (direct, relayed, or routed in an envelope), its
    forwarders, and its seconds."""

    value: Value
    provider: NodeId
    path: str
    hops: tuple[NodeId, ...]
    latency: float


@dataclass(frozen=True, slots=True)
class PublishReport:
    """Who got an event (QoS 1: acknowledged it, QoS 0: it was sent to), who did not with the code, and its seconds."""

    topic: str
    delivered: tuple[NodeId, ...]
    failed: dict[NodeId, str] = field(default_factory=dict)
    latency: float = 0.0


class MeshEvent(Struct, frozen=True):
    """An event as a subscriber gets it. `sequence` counts the publisher's events of this topic within `epoch`; `missed`
    is how many before this one are known to be lost. `traceparent` (W3C Trace Context) names the span of this delivery;
    where the node does not trace, what the publisher says of its own, unchecked; or it is empty."""

    topic: str
    payload: Value
    publisher: NodeId
    epoch: int
    sequence: int
    missed: int
    traceparent: str = ""


async def no_items() -> AsyncIterator[Value]:
    """What a call that sends nothing sends."""
    nothing: tuple[Value, ...] = ()
    for item in nothing:
        yield item


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a handler is told of its caller. `did` is the caller's in this realm; `remaining` the seconds that were left
    to the caller's deadline when the handler started, in a streaming call those for each step. `incoming` are the
    arguments that a streaming call sends one by one; none in any other call."""

    caller: NodeId
    did: str
    realm: str
    remaining: float
    incoming: AsyncIterator[Value] = field(default_factory=no_items, compare=False)


class Subscription(Protocol):
    """Events in the order of each publisher; iteration ends when it is closed or the node stops."""

    def __aiter__(self) -> AsyncIterator[MeshEvent]: ...

    async def close(self) -> None:
        """Withdraw it. Harmless when repeated."""
        ...


class MeshLike(Protocol):
    """One node in one realm. Times are seconds; every method may raise a MeshError."""

    @property
    def node_id(self) -> NodeId: ...

    @property
    def name(self) -> str: ...

    @property
    def realm(self) -> str: ...

    @property
    def mode(self) -> str: ...

    async def leave(self, drain: float) -> None: ...

    async def status(self) -> dict[str, Any]:
        """What `macula status --json` prints."""
        ...

    async def metrics(self) -> bytes:
        """What `GET /metrics` answers."""
        ...

    async def peers(self) -> list[dict[str, Any]]:
        """What `macula peers --json` prints."""
        ...

    async def nat_info(self, *, refresh: bool = False) -> dict[str, Any]:
        """What `macula nat --json` prints."""
        ...

    async def why(self, peer: str) -> dict[str, Any]:
        """What `macula why --json` prints."""
        ...

    async def report_call(
        self,
        procedure: str,
        args: Value,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the deadline travels with the call
        to: NodeId | None = None,
    ) -> CallReport:
        """Run a procedure, at `to` only if given. `timeout` None is the setting call_timeout."""
        ...

    def call_stream(
        self,
        procedure: str,
        args: Value = None,
        *,
        timeout: float | None = None,
        to: NodeId | None = None,
    ) -> AsyncGenerator[Value, None]:
        """Run a procedure and get its results one by one. `timeout` is that of each step."""
        ...

    async def publish(
        self,
        topic: str,
        payload: Value,
        *,
        qos: int = 0,
        timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - the deadline travels with the event
    ) -> PublishReport:
        """Send an event to every subscriber."""
        ...

    async def subscribe(self, pattern: str, *, capacity: int = DEFAULT_CAPACITY) -> Subscription:
        """Receive events whose topic matches; returns once the subscription is in the DHT."""
        ...

    async def advertise(self, procedure: str, handler: Handler, *, idempotent: bool = False) -> None:
        """Offer a procedure; returns once its record is in the DHT."""
        ...

    async def unadvertise(self, procedure: str) -> None:
        """Withdraw a procedure."""
        ...

    async def dht_stats(self) -> dict[str, Any]:
        """What `macula dht stats --json` prints."""
        ...

    async def dht_details(self, name: str, kind: str) -> dict[str, Any]:
        """What `macula dht lookup --json` prints. `kind` is rpc, topic or peer."""
        ...
