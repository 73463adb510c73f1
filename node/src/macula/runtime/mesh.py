"""The mesh as an application sees it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Sequence
from typing import Any

from msgspec.structs import replace

from macula.core import commands as cmd
from macula.core.record import Kind
from macula.core.results import CallResult, DhtStatistics, LookupResult, NodeStatus, PublishResult
from macula.engine import EngineSettings
from macula.errors import ArgumentError, MeshError
from macula.identity import Did, NodeId
from macula.identity.names import check_name
from macula.nat.explanation import Explanation
from macula.nat.info import NatInfo
from macula.runtime.checks import check_timeout
from macula.runtime.connector import PeerConnector
from macula.runtime.driver import Driver
from macula.runtime.handlers import Handlers, Procedure
from macula.runtime.nat_report import nat_fields
from macula.runtime.reports import DEFAULT_CAPACITY, CallReport, Handler, PublishReport
from macula.runtime.status import StatusReporter
from macula.runtime.streaming import Incoming, failure_of, send_arguments
from macula.runtime.subscription import Callback, Subscription
from macula.runtime.telemetry import Telemetry, TelemetryEvent
from macula.runtime.why_report import pick_peer, why_fields
from macula.wire.values import Value, decode_value, encode_value

Target = NodeId | str
"""A node: its NodeId, or the text form of it."""


class PendingCall:
    """A call under way: await it for its value, or cancel it."""

    def __init__(self, driver: Driver, command: cmd.CallProcedure, path_kind: Callable[[NodeId], str]) -> None:
        """`path_kind` tells how a peer is connected."""
        self._driver = driver
        self._path_kind = path_kind
        self._id, self._future = driver.give(command)
        # An application may drop the call; its error is then nobody's, not a warning of the loop.
        self._future.add_done_callback(lambda future: future.cancelled() or future.exception())

    def cancel(self) -> None:
        """Give up: the handler is cancelled, awaiting raises Cancelled. Harmless when the call is over."""
        self._driver.cancel_call(self._id)

    async def report(self) -> CallReport:
        """The value with its provider, path and latency. Raises a CallError."""
        result: CallResult = await asyncio.shield(self._future)
        return _call_report(result, self._path_kind(result.provider))

    def __await__(self) -> Generator[Any, None, Value]:
        return self._value().__await__()

    async def _value(self) -> Value:
        result: CallResult = await asyncio.shield(self._future)
        return decode_value(result.value)


class Mesh:
    """One node's API. All times are seconds; values are what wire.values can encode; errors are macula.errors."""

    def __init__(
        self,
        driver: Driver,
        handlers: Handlers,
        settings: EngineSettings,
        reporter: StatusReporter,
        telemetry: Telemetry,
        call_timeout: float,
        strategy: cmd.Strategy,
    ) -> None:
        self.node_id = driver.engine.node_id
        self.name = settings.name
        self.realm = settings.realm
        self.mode = settings.mode.value
        self.did = str(Did(settings.realm, self.node_id))
        self.connector = PeerConnector(driver)
        self._driver = driver
        self._handlers = handlers
        self._reporter = reporter
        self._telemetry = telemetry
        self._call_timeout = call_timeout
        self._strategy = strategy

    # RPC

    async def advertise(self, procedure: str, handler: Handler, *, idempotent: bool = False) -> None:
        """Offer a procedure to the realm; returns when its record is stored.

        `handler(args)` or `handler(args, context)`; plain functions run in a thread. An idempotent procedure may run
        again elsewhere when the connection to its provider is lost. Raises ArgumentError, NodeClosed.
        """
        self._handlers.procedures[check_name("procedure", procedure)] = Procedure(handler)
        await self._driver.ask(cmd.Advertise(procedure, idempotent))

    async def unadvertise(self, procedure: str) -> None:
        """Withdraw a procedure."""
        await self._driver.ask(cmd.Unadvertise(procedure))
        self._handlers.procedures.pop(procedure, None)

    async def call(
        self,
        procedure: str,
        args: Value = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the deadline travels with the call
        strategy: cmd.Strategy | str | None = None,
    ) -> Value:
        """Run a procedure at one of its providers; its result. Raises a CallError, ArgumentError or NodeClosed."""
        result: CallResult = await self._driver.ask(self._call_command(procedure, args, timeout, None, strategy))
        return decode_value(result.value)

    async def call_to(
        self,
        node: Target,
        procedure: str,
        args: Value = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Value:
        """As call, at this node and no other."""
        result: CallResult = await self._driver.ask(self._call_command(procedure, args, timeout, node, None))
        return decode_value(result.value)

    async def report_call(
        self,
        procedure: str,
        args: Value = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        to: Target | None = None,
        strategy: cmd.Strategy | str | None = None,
    ) -> CallReport:
        """As call, and who answered, by which path, after how long."""
        command = self._call_command(procedure, args, timeout, to, strategy)
        result: CallResult = await self._driver.ask(command)
        return _call_report(result, self._reporter.path_kind(result.provider))

    async def call_stream(
        self,
        procedure: str,
        args: Value = None,
        *,
        send: AsyncIterable[Value] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        to: Target | None = None,
        strategy: cmd.Strategy | str | None = None,
    ) -> AsyncGenerator[Value, None]:
        """Run a procedure and iterate over its results as they come; `send` are arguments that follow one by one, which
        its handler finds in `context.incoming`. A handler that does not stream gives one result.

        Either side is held back when the other takes nothing: at most a window of items (2 MiB) is on its way.
        `timeout` is how long the provider may take for each step; a consumer or a sender that is slow is never too
        late. Leaving the iteration cancels the call and its handler (at once in `contextlib.aclosing`).

        Starts at the first iteration. Raises what call does, after the items that came before: Disconnected if the
        provider is lost, RemoteError if its handler raised, NotFound if none understands streaming calls; and what
        `send` raises.
        """
        command = self._call_command(procedure, args, timeout, to, strategy)
        id_, future = self._driver.give(replace(command, streams=True, sends=send is not None))
        incoming = self._handlers.incoming[id_, False] = Incoming(self._driver, id_, answer=False)
        future.add_done_callback(lambda done: incoming.end(failure_of(done)))
        sender = None
        if send is not None:
            sending = send_arguments(self._driver, id_, send, incoming)
            sender = self._handlers.run(sending, f"arguments of {procedure}")
        try:
            async for item in incoming:
                yield item
        finally:
            del self._handlers.incoming[id_, False]
            self._driver.cancel_call(id_)
            if sender is not None:
                sender.cancel()

    def call_async(
        self,
        procedure: str,
        args: Value = None,
        *,
        timeout: float | None = None,
        to: Target | None = None,
        strategy: cmd.Strategy | str | None = None,
    ) -> PendingCall:
        """Start a call now and await it later. Raises ArgumentError, NodeClosed."""
        command = self._call_command(procedure, args, timeout, to, strategy)
        return PendingCall(self._driver, command, self._reporter.path_kind)

    # Pub/sub

    async def publish(
        self,
        topic: str,
        payload: Value = None,
        *,
        qos: int = 0,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> PublishReport:
        """Send an event to every subscriber of the realm.

        QoS 0 returns when it was handed to the transport; QoS 1 when every subscriber acknowledged it or `timeout`
        passed, and says who did not. Raises ArgumentError, NodeClosed.
        """
        started = time.monotonic()
        if qos not in (0, 1):
            raise ArgumentError("qos", f"must be 0 or 1, is {qos!r}")
        command = cmd.PublishEvent(topic, encode_value("payload", payload), qos, self._timeout(timeout))
        result: PublishResult = await self._driver.ask(command)
        return PublishReport(topic, result.delivered, result.failed, time.monotonic() - started)

    async def subscribe(
        self,
        pattern: str,
        callback: Callback | None = None,
        *,
        capacity: int = DEFAULT_CAPACITY,
        ack_consumed: bool = False,
    ) -> Subscription:
        """Receive events whose topic matches; returns when every publisher can find the subscription.

        Iterate over what is returned, or give a callback, plain or async. At most `capacity` events wait for the
        application. With `ack_consumed`, QoS 1 publishers hear only when an event was consumed. Raises ArgumentError.
        """
        id_, future = self._driver.give(cmd.Subscribe(pattern, capacity, ack_consumed))
        subscription = self._handlers.subscribe(id_, pattern, lambda: self._unsubscribe(id_))
        try:
            await future
        except asyncio.CancelledError:
            await subscription.close()
            raise
        except MeshError:
            self._handlers.subscriptions.pop(id_, None)
            raise
        if callback is not None:
            self._handlers.run(subscription.feed(callback), f"subscription {pattern}")
        return subscription

    # The DHT

    async def dht_stats(self) -> dict[str, int]:
        """`nodes` in the routing table, `buckets` in use, `stored_keys`."""
        stats: DhtStatistics = await self._driver.ask(cmd.DhtStats())
        return {"nodes": stats.nodes, "buckets": stats.buckets, "stored_keys": stats.stored_keys}

    async def dht_lookup(self, name: str, kind: str = "rpc") -> list[dict[str, Any]]:
        """The nodes that stand under a name: `node_id`, `name`, `addresses` of each; kind is rpc, topic or peer."""
        found: list[dict[str, Any]] = (await self.dht_details(name, kind))["found"]
        return found

    async def dht_details(self, name: str, kind: str = "rpc") -> dict[str, Any]:
        """As dht_lookup under `found`, with the `key`, the `holders` of the records and the `closest` nodes."""
        if kind not in list(Kind):
            raise ArgumentError("kind", f"must be one of {', '.join(Kind)}, is {kind!r}")
        check_name("name", name)
        realm = "" if kind == Kind.PEER else self.realm
        result: LookupResult = await self._driver.ask(cmd.DhtLookup(realm, Kind(kind), name))
        found = await self._reporter.records(result.records)
        return {
            "name": name,
            "key": result.key.hex(),
            "found": found,
            "holders": [str(node) for node in result.holders],
            "closest": [str(node) for node in result.closest],
        }

    # The node

    async def joined(self, timeout: float) -> None:  # noqa: ASYNC109
        """Return once the node is in the mesh. Raises PeerUnreachable after `timeout` seconds."""
        await self._driver.ask(cmd.WaitReady(check_timeout(timeout)))

    async def leave(self, drain: float) -> None:
        """Take no more calls, let those that run finish within `drain` seconds, and leave the mesh. Harmless later."""
        await self._driver.shutdown(drain)

    async def status(self) -> dict[str, Any]:
        """A snapshot of the node, as `macula status --json` prints it."""
        status: NodeStatus = await self._driver.ask(cmd.Status())
        return self._reporter.status(status)

    async def metrics(self) -> bytes:
        """What this node counted and measures, in the text format of Prometheus (runtime.metrics.CONTENT_TYPE), as
        /metrics and `macula metrics` tell it; docs/metrics.md lists it."""
        status: NodeStatus = await self._driver.ask(cmd.Status())
        return self._reporter.metrics(status)

    def attach(self, handler_id: str, events: str | Sequence[str], handler: Callable[[TelemetryEvent], None]) -> None:
        """Call `handler` with every telemetry event of these names (telemetry.EVENTS) from now on; see
        Telemetry.attach. Raises ArgumentError."""
        self._telemetry.attach(handler_id, events, handler)

    def detach(self, handler_id: str) -> None:
        """Call it no longer. Harmless for one that is not attached."""
        self._telemetry.detach(handler_id)

    async def peers(self) -> list[dict[str, Any]]:
        """The connected peers, as `macula peers --json` prints them."""
        peers: list[dict[str, Any]] = (await self.status())["peers"]
        return peers

    async def nat_info(self, *, refresh: bool = False) -> dict[str, Any]:
        """What this node is behind: `type` (none, full_cone, restricted, port_restricted, symmetric, blocked, unknown),
        `public_ip`, `public_port`, `hairpin`, and more, as `macula nat --json` prints it. Waits for the measurement
        that is under way; with `refresh` for a new one, of some seconds."""
        info: NatInfo = await self._driver.ask(cmd.NatDetails(refresh))
        return nat_fields(info, time.monotonic())

    async def why(self, peer: str) -> dict[str, Any]:
        """How a connected peer is reached, why so, and what would make it direct, as `macula why --json` prints it.
        `peer` is a node id, the beginning of one, or a name. Raises ArgumentError if it is none or several of them."""
        status: NodeStatus = await self._driver.ask(cmd.Status())
        found = pick_peer([(each.name, each.node_id) for each in status.peers], peer)
        explained: Explanation | None = await self._driver.ask(cmd.ExplainPeer(found))
        (entry,) = [one for one in self._reporter.status(status)["peers"] if one["node_id"] == str(found)]
        return why_fields(entry, explained, time.monotonic())

    async def _unsubscribe(self, id_: int) -> None:
        self._handlers.subscriptions.pop(id_, None)
        await self._driver.ask(cmd.Unsubscribe(id_))

    def _call_command(
        self,
        procedure: str,
        args: Value,
        timeout: float | None,
        to: Target | None,
        strategy: cmd.Strategy | str | None,
    ) -> cmd.CallProcedure:
        target = NodeId.parse(to) if isinstance(to, str) else to
        try:
            chosen = cmd.Strategy(strategy) if strategy else self._strategy
        except ValueError as error:
            raise ArgumentError("strategy", f"must be one of {', '.join(cmd.Strategy)}, is {strategy!r}") from error
        return cmd.CallProcedure(procedure, encode_value("args", args), self._timeout(timeout), chosen, target)

    def _timeout(self, timeout: float | None) -> float:
        return self._call_timeout if timeout is None else check_timeout(timeout)


def _call_report(result: CallResult, connection: str) -> CallReport:
    return CallReport(
        value=decode_value(result.value),
        provider=result.provider,
        path="routed" if result.hops else connection,
        hops=result.hops,
        latency=result.latency,
    )
