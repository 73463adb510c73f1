"""Calls of others: each is checked against the bounds, handled at most once, and answered."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from macula.core.deliveries import CallDelivery
from macula.core.effects import CallTrace, CancelDelivery, Deliver, PauseReading
from macula.core.events import HandlerDone
from macula.core.lanes import Lane
from macula.core.limits import Limit, met
from macula.core.peer_limiter import PeerLimiter
from macula.core.requests import Hold, Received, RefusePeer, Release, SendFailed, SendTo
from macula.core.service import Action
from macula.core.timers import Timers
from macula.errors import Busy, Cancelled, NotFound, RemoteError, Timeout, Unauthorized
from macula.identity import NodeId
from macula.rpc.history import History
from macula.rpc.origins import Origins
from macula.rpc.settings import RpcSettings
from macula.rpc.streams import Stream, Streams
from macula.wire import codes
from macula.wire.messages import Call, Cancel, Reply
from macula.wire.streaming import StreamCall, StreamEnd

_MAX_REASON = 1024
"""Characters of a reason that travel (wire.messages.Text)."""


class _Handler(Struct, eq=False):
    """A call that was delivered. It holds its share of the bounds until its handler ended, even if cancelled. `time` is
    what it has in seconds, or has for each step if it streams."""

    delivery: int
    caller: NodeId
    call: Call | StreamCall
    started: float
    time: float
    routed: bool
    network: bytes | None
    stream: Stream | None = None
    open: bool = True
    """Whether its call has not been answered."""


class _Load(Struct, eq=False):
    """What the handlers for one caller hold. `open` are those whose call has not been answered, by call id."""

    handlers: int = 0
    args_bytes: int = 0
    paused: bool = False
    open: dict[bytes, _Handler] = field(default_factory=dict)


class CallProvider:
    """Incoming calls. `advertised` says, by procedure, whether it is idempotent."""

    def __init__(self, settings: RpcSettings, realm: str, tokens: Iterator[int], streams: Streams) -> None:
        self.advertised: dict[str, bool] = {}
        self.draining = False
        self.origins = Origins(settings.max_handlers_per_network)
        self._called_at = -math.inf
        self.quiet_at = math.inf
        """When a draining node may take it that nobody counts on it any more."""
        self._settings = settings
        self._realm = realm
        self._tokens = tokens
        self._streams = streams
        self._reply_token = next(tokens)
        self._history = History(settings)
        self._rates = PeerLimiter(settings.call_rate, 2 * settings.call_rate)
        self.timers: Timers[int] = Timers()
        self._handlers: dict[int, _Handler] = {}
        self._loads: dict[NodeId, _Load] = {}
        self.callers: Mapping[NodeId, object] = self._loads
        """For whom handlers run."""
        self._args_bytes = 0

    def __len__(self) -> int:
        """Handlers that run."""
        return len(self._handlers)

    @property
    def idle(self) -> bool:
        """Whether no handler runs and, of a draining node, no caller seems to count on it any more."""
        return not self._handlers and self.quiet_at == math.inf

    def drain(self, now: float) -> None:
        """Refuse all new calls, and so tell callers not to ask here again."""
        self.draining = True
        quiet = self._called_at + self._settings.drain_quiet
        self.quiet_at = quiet if quiet > now else math.inf

    def called(self, event: Received, call: Call | StreamCall, now: float) -> list[Action]:
        """A call, or the repeat of one: that is answered like the first, or by the answer to the first."""
        caller, routed = event.peer, bool(event.hops)
        self._called_at = now
        if self.draining:
            self.quiet_at = now + self._settings.drain_quiet
        load = self._loads.get(caller) or _Load()
        if running := load.open.get(call.call_id):
            running.routed = routed
            return []
        if reply := self._history.find(caller, call, now):
            return [self._send(caller, reply, routed)]
        if call.realm != self._realm or call.procedure not in self.advertised:
            return [self._send(caller, _error(call, NotFound.code, f"{call.procedure} is not provided here"), routed)]
        if self.draining:
            # Not busy, after which the caller would ask here again.
            return [self._send(caller, _error(call, NotFound.code, "the node is shutting down"), routed)]
        network = self.origins.network(caller)
        if refusal := self._refusal(caller, network, load, call, now):
            limit, reason = refusal
            return [self._send(caller, _error(call, Busy.code, reason), routed), met(limit, caller)]
        if not call.timeout_ms:
            return [self._send(caller, _error(call, Timeout.code, "the call came with no time left"), routed)]
        time = min(call.timeout_ms / 1000, self._settings.max_timeout)
        return self._deliver(_Handler(next(self._tokens), caller, call, now, time, routed, network), load, now)

    def cancelled(self, event: Received, cancel: Cancel, now: float) -> list[Action]:
        """The caller gave up. The id is remembered even if its call did not come yet: by an envelope it may be late."""
        load = self._loads.get(event.peer)
        reply = Reply(cancel.realm, cancel.call_id, b"", Cancelled.code, "the caller cancelled the call")
        if load is not None and (handler := load.open.get(cancel.call_id)):
            return [CancelDelivery(handler.delivery), *self._close(handler, reply, now)]
        self._history.add(event.peer, reply, now)
        return []

    def done(self, event: HandlerDone, now: float) -> list[Action]:
        """A handler ended; too late is the same as never.

        Its error is answered as unauthorized or else as remote: the other codes say that nothing was run, or speak
        for the call itself, so a handler whose own call was busy must not pass for one that never ran.
        """
        handler = self._handlers.get(event.delivery)
        if handler is None:
            return []
        actions: list[Action] = []
        if handler.open:
            reply = Reply(handler.call.realm, handler.call.call_id, event.result, "", "")
            if event.error in (RemoteError.code, Unauthorized.code):
                reply = _error(handler.call, event.error, event.reason)
            elif event.error:
                reply = _error(handler.call, RemoteError.code, f"{event.error}: {event.reason}")
            actions = [self._answer(handler, reply), *self._close(handler, reply, now)]
        actions += self._free(handler)
        return actions

    def send_failed(self, event: SendFailed) -> list[Action]:
        """A reply could not be queued: its caller calls but does not read, and would wait in vain for this one."""
        if event.token != self._reply_token or event.code != codes.BUSY:
            return []
        return [RefusePeer(event.peer, codes.BUSY, "does not take its replies")]

    def expire(self, now: float) -> list[Action]:
        """Answer the calls whose deadline has come, and stop their handlers."""
        if self.quiet_at <= now:
            self.quiet_at = math.inf
        actions: list[Action] = []
        for delivery in self.timers.pop_due(now):
            handler = self._handlers[delivery]
            if (again := self._again_at(handler, now)) is not None:
                self.timers.set(delivery, again)
                continue
            reply = _error(handler.call, Timeout.code, "the handler was stopped at the deadline")
            actions += [self._answer(handler, reply), CancelDelivery(delivery)]
            actions += self._close(handler, reply, now)
        return actions

    def peer_down(self, peer: NodeId, now: float) -> list[Action]:
        """Nobody waits any more for the calls that came over this connection."""
        load = self._loads.get(peer)
        if load is None:
            return []
        # The next connection is read from the start.
        load.paused = False
        actions: list[Action] = []
        for handler in [handler for handler in load.open.values() if not handler.routed]:
            reply = _error(handler.call, Cancelled.code, "the connection to the caller was lost")
            actions += [CancelDelivery(handler.delivery), *self._close(handler, reply, now)]
        return actions

    def _refusal(
        self, caller: NodeId, network: bytes | None, load: _Load, call: Call | StreamCall, now: float
    ) -> tuple[Limit, str] | None:
        limits, size = self._settings, len(call.args)
        if len(self._handlers) >= limits.max_handlers:
            return Limit.CALLS, f"{limits.max_handlers} calls are running"
        if load.handlers >= limits.max_handlers_per_peer:
            return Limit.CALLS, f"{limits.max_handlers_per_peer} calls of this caller are running"
        if network is not None and self.origins.is_full(network):
            return Limit.CALLS, f"{limits.max_handlers_per_network} calls of this caller's network are running"
        if load.args_bytes + size > limits.max_args_bytes_per_peer or self._args_bytes + size > limits.max_args_bytes:
            return Limit.ARGUMENTS, "the arguments of running calls take too many bytes"
        if type(call) is StreamCall and call.sends:
            if self._streams.uploads() >= limits.max_uploads:
                return Limit.CALLS, f"{limits.max_uploads} calls are sending arguments"
            if self._streams.uploads(caller) >= limits.max_uploads_per_peer:
                return Limit.CALLS, f"{limits.max_uploads_per_peer} calls of this caller are sending arguments"
        if limits.call_rate and not self._rates.take(caller, 1, now):
            return Limit.CALL_RATE, f"more than {limits.call_rate:g} calls of this caller per second"
        return None

    def _deliver(self, handler: _Handler, load: _Load, now: float) -> list[Action]:
        call = handler.call
        deadline = now + handler.time
        self._loads[handler.caller] = load
        load.handlers += 1
        load.args_bytes += len(call.args)
        load.open[call.call_id] = handler
        self._args_bytes += len(call.args)
        self._handlers[handler.delivery] = handler
        if handler.network is not None:
            self.origins.started(handler.network)
        self.timers.set(handler.delivery, deadline)
        streams = type(call) is StreamCall
        sends = type(call) is StreamCall and call.sends
        about = call.procedure, call.args, handler.caller, call.realm
        content = CallDelivery(*about, deadline, streams, sends, call.traceparent)
        actions: list[Action] = [Hold(handler.caller)] if len(load.open) == 1 else []
        if type(call) is StreamCall:
            actions += self._open(handler, call, now)
        actions.append(Deliver(handler.delivery, content))
        if load.args_bytes > self._settings.args_high_water and not load.paused and not handler.routed:
            load.paused = True
            actions += [PauseReading(handler.caller, Lane.RPC, True), met(Limit.ARGUMENTS, handler.caller)]
        return actions

    def _open(self, handler: _Handler, call: StreamCall, now: float) -> list[Action]:
        stream = self._streams.open(
            handler.delivery, True, (call.realm, call.call_id), now, sends=True, receives=call.sends
        )
        self._streams.bind(stream, handler.caller, self._reply_token)
        stream.limit, handler.stream = call.credit, stream
        return self._streams.grant(stream) if call.sends else []

    def _again_at(self, handler: _Handler, now: float) -> float | None:
        """When to look at a call again whose time is not over yet."""
        if handler.stream is None:
            return None
        return self._streams.again_at(handler.stream, now, handler.time, self._settings.max_timeout)

    def _answer(self, handler: _Handler, reply: Reply) -> SendTo:
        if handler.stream is None:
            return self._send(handler.caller, reply, handler.routed)
        end = StreamEnd(reply.realm, reply.call_id, True, reply.error, reply.reason)
        return SendTo(handler.caller, Lane.BULK, end, self._reply_token)

    def _send(self, peer: NodeId, reply: Reply, routed: bool) -> SendTo:
        # All replies share a token: only the peer of one that failed matters. Where an envelope goes wrong, it is not
        # the caller that is at fault.
        return SendTo(peer, Lane.RPC, reply, None if routed else self._reply_token, routed)

    def _close(self, handler: _Handler, reply: Reply, now: float) -> list[Action]:
        """The call has its answer; its handler may still run."""
        calls = self._loads[handler.caller].open
        del calls[handler.call.call_id]
        handler.open = False
        self.timers.cancel(handler.delivery)
        self._history.add(handler.caller, reply, now)
        handled = CallTrace(
            "call.handled",
            handler.call.procedure,
            handler.call.call_id,
            handler.caller,
            handler.stream is not None,
            code=reply.error or "ok",
            duration=(now - handler.started) * 1000,
        )
        ended = self._streams.close(handler.stream) if handler.stream is not None else []
        released = [] if calls else [Release(handler.caller)]
        return [*ended, *released, handled]

    def _free(self, handler: _Handler) -> list[Action]:
        """The handler has ended."""
        del self._handlers[handler.delivery]
        if handler.network is not None:
            self.origins.ended(handler.network)
        load = self._loads[handler.caller]
        load.handlers -= 1
        load.args_bytes -= len(handler.call.args)
        self._args_bytes -= len(handler.call.args)
        if not load.handlers:
            del self._loads[handler.caller]
        if load.paused and load.args_bytes <= self._settings.args_low_water:
            load.paused = False
            return [PauseReading(handler.caller, Lane.RPC, False)]
        return []


def _error(call: Call | StreamCall, code: str, reason: str) -> Reply:
    # What an exception says may hold surrogates, which UTF-8 cannot carry.
    text = reason[:_MAX_REASON].encode(errors="replace").decode()
    return Reply(call.realm, call.call_id, b"", code, text)
