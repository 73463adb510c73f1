"""Calls of this node: each goes to one provider at a time, until one of them answers or the deadline passes."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence

from lru import LRU
from msgspec import Struct, field

from macula.core.commands import CallProcedure
from macula.core.effects import CallTrace, Completed, Trace
from macula.core.events import PeerSuspect
from macula.core.lanes import Lane
from macula.core.requests import Hold, PeerDown, Received, RecordsFound, Release, SendFailed, SendTo
from macula.core.results import CallResult
from macula.core.service import Action
from macula.core.timers import Timers
from macula.errors import (
    ArgumentError,
    Busy,
    CallError,
    Cancelled,
    Disconnected,
    MaxHopsExceeded,
    NotFound,
    Timeout,
    call_error,
)
from macula.identity import NodeId
from macula.identity.names import check_name
from macula.rpc.balance import Balancer
from macula.rpc.discovery import Discovery
from macula.rpc.settings import RpcSettings
from macula.rpc.streams import STREAM_CAPABILITY, Stream, Streams
from macula.wire import codes
from macula.wire.messages import Call, Cancel, Reply
from macula.wire.streaming import StreamCall, StreamEnd
from macula.wire.values import MAX_VALUE

_NOT_RUN: tuple[type[CallError], ...] = (NotFound, Busy, MaxHopsExceeded, Disconnected)
"""Why a provider did not run a call; with no provider left, the last of these that was met is the call's error."""


class _Call(Struct, eq=False):
    """A call in flight. Without a provider it waits for a lookup; `token` and `sent` are of the attempt under way.
    `stale`: a known provider turned out to be none."""

    command: int
    call_id: bytes
    request: CallProcedure
    started: float
    deadline: float
    searched: bool = False
    stale: bool = False
    provider: NodeId | None = None
    idempotent: bool = False
    token: int = 0
    sent: float = 0.0
    stream: Stream | None = None
    tried: set[NodeId] = field(default_factory=set)
    failure: CallError | None = None

    @property
    def settled(self) -> bool:
        """Whether it stays with its provider, whatever happens: the application may have seen some of its items."""
        return self.stream is not None and self.stream.accepted


class Caller:
    """Outgoing calls.

    A call keeps its id over all attempts and tries no provider twice, so that a provider can run it at most once. It
    goes on to the next provider if it was not run for certain, or if its procedure is idempotent there.
    """

    def __init__(
        self,
        settings: RpcSettings,
        realm: str,
        local: tuple[NodeId, Mapping[str, bool]],
        rng: random.Random,
        tokens: Iterator[int],
        streams: Streams,
    ) -> None:
        """`local` is this node and, by procedure, whether what it advertises now is idempotent."""
        self._settings = settings
        self._realm = realm
        self._node_id, self._advertised = local
        self._rng = rng
        self._tokens = tokens
        self._streams = streams
        self._balancer = Balancer(settings, rng)
        self.in_flight: Mapping[NodeId, int] = self._balancer.in_flight
        """Calls, by the peer that they are with."""
        self._discovery = Discovery(settings, realm, tokens)
        self.timers: Timers[int] = Timers()
        self._calls: dict[int, _Call] = {}
        self._by_id: dict[bytes, _Call] = {}
        self._ended: LRU[bytes, None] = LRU(settings.max_ended)
        self._by_token: dict[int, _Call] = {}
        self._waiting: dict[int, _Call] = {}

    def __len__(self) -> int:
        """Calls in flight."""
        return len(self._calls)

    def check(self, request: CallProcedure) -> None:
        """Raises ArgumentError for a request that is wrong, Busy if there are too many calls."""
        check_name("procedure", request.procedure)
        if not 0 < request.timeout <= self._settings.max_timeout:
            most = self._settings.max_timeout
            raise ArgumentError("timeout", f"must be above 0 and at most {most:g} s, is {request.timeout}")
        if len(request.args) > MAX_VALUE:
            raise ArgumentError("args", f"must have at most {MAX_VALUE} bytes when encoded, has {len(request.args)}")
        if len(self._calls) >= self._settings.max_calls:
            raise Busy(f"{self._settings.max_calls} calls of this node are in flight, the most that is allowed")

    def start(self, command: int, request: CallProcedure, now: float) -> list[Action]:
        """A call that passed check."""
        call_id = self._rng.getrandbits(128).to_bytes(16, "little")
        call = _Call(command, call_id, request, now, now + request.timeout)
        if request.streams:
            about = self._realm, call.call_id
            call.stream = self._streams.open(command, False, about, now, sends=request.sends, receives=True)
        self._calls[command] = self._by_id[call.call_id] = call
        self.timers.set(command, call.deadline)
        return [CallTrace("call.start", request.procedure, call_id), *self._advance(call, now)]

    def cancel(self, command: int, now: float) -> list[Action]:
        """Give up a call; one that ended before is left alone."""
        call = self._calls.get(command)
        if call is None:
            return []
        return [*self._withdraw(call), *self._finish(call, now, Cancelled("the caller cancelled the call"))]

    def expire(self, now: float) -> list[Action]:
        """End the calls whose deadline has come."""
        actions: list[Action] = []
        for command in self.timers.pop_due(now):
            call = self._calls[command]
            limits = call.request.timeout, self._settings.max_timeout
            if call.stream is not None and (again := self._streams.again_at(call.stream, now, *limits)) is not None:
                self.timers.set(command, again)
                continue
            actions += self._withdraw(call)
            if call.provider is not None:
                self._balancer.observe(call.provider, now - call.sent, now)
            reason = f"{call.request.procedure} gave no answer within {call.request.timeout:g} s"
            actions += self._finish(call, now, Timeout(reason))
        return actions

    def found(self, event: RecordsFound, now: float, wall: float) -> list[Action]:
        """A lookup was answered: the calls that wait for it go on."""
        procedure = self._discovery.found(event.token, event.records, now, wall)
        actions: list[Action] = []
        for call in [call for call in self._waiting.values() if call.request.procedure == procedure]:
            del self._waiting[call.command]
            actions += self._advance(call, now)
        return actions

    def replied(self, event: Received, reply: Reply, now: float) -> list[Action]:
        """A provider answered, or somebody who was not asked."""
        call = self._by_id.get(reply.call_id)
        if call is None or call.provider != event.peer:
            if reply.call_id in self._ended or (call and event.peer in call.tried):
                # It was on its way while the call timed out, was cancelled or went on to another provider.
                return []
            fields = {"peer": event.peer.short, "call": reply.call_id.hex()}
            return [Trace("call.unexpected_reply", fields, limit=f"call.unexpected_reply {event.peer}")]
        if reply.error == Busy.code:
            return self._retry(call, Busy(reply.reason), now)
        if reply.error == NotFound.code:
            self._forget(call, event.peer)
            return self._retry(call, NotFound(reply.reason), now)
        latency = now - call.sent
        self._balancer.observe(event.peer, latency, now)
        if reply.error:
            return self._finish(call, now, call_error(reply.error, reply.reason))
        return self._finish(call, now, CallResult(reply.result, event.peer, event.hops, latency))

    def ended(self, event: Received, end: StreamEnd, now: float) -> list[Action]:
        """A provider has sent its last item."""
        call = self._by_id.get(end.call_id)
        if call is None or call.stream is None or call.provider != event.peer:
            return []
        if end.error:
            return self._finish(call, now, call_error(end.error, end.reason))
        return self._finish(call, now, CallResult(b"", event.peer, event.hops, now - call.sent))

    def send_failed(self, event: SendFailed, now: float) -> list[Action]:
        """An attempt did not reach its provider, so it was not run; or a part of a streaming call did not."""
        call = self._by_token.get(event.token)
        if call is None:
            return []
        if event.code == Busy.code:
            withdrawn = self._withdraw(call) if call.settled else ()
            return [*withdrawn, *self._retry(call, Busy(event.reason), now)]
        if event.code == codes.UNSUPPORTED:
            # As good as no provider: it may well provide the procedure, but not in this way.
            return self._retry(call, NotFound(event.reason), now)
        self._forget(call, event.peer)
        self._balancer.failed(event.peer, now)
        if event.code == MaxHopsExceeded.code:
            return self._retry(call, MaxHopsExceeded(event.reason), now)
        return self._retry(call, Disconnected(f"{event.code}: {event.reason}"), now)

    def peer_up(self, peer: NodeId) -> None:
        """A provider may be well again."""
        self._balancer.connected(peer)

    def peer_suspect(self, event: PeerSuspect, now: float) -> list[Action]:
        """New calls avoid the peer, or no longer do. An idempotent call in flight does not wait for it where another
        provider is left; the only one may yet answer."""
        self._balancer.suspect(event.peer, event.suspect)
        actions: list[Action] = []
        for call in [call for call in self._calls.values() if call.provider == event.peer] if event.suspect else []:
            if call.idempotent and not call.settled and not call.tried.issuperset(self._providers(call, now)):
                error = Disconnected(f"{event.peer.short} does not answer probes")
                actions += [*self._withdraw(call), *self._retry(call, error, now)]
        return actions

    def peer_down(self, event: PeerDown, now: float) -> list[Action]:
        """What was sent to the peer may have been run."""
        self._balancer.suspect(event.peer, False)
        actions: list[Action] = []
        for call in [call for call in self._calls.values() if call.provider == event.peer]:
            self._balancer.failed(event.peer, now)
            error = Disconnected(f"the connection was lost while the call was running: {event.code}: {event.reason}")
            actions += self._retry(call, error, now) if call.idempotent else self._finish(call, now, error)
        return actions

    def _advance(self, call: _Call, now: float) -> list[Action]:
        """Try the next provider, or wait for a lookup (one for each call), or give up."""
        procedure = call.request.procedure
        if call.request.target is not None:
            return self._attempt(call, self._providers(call, now), now)
        known = self._discovery.known(procedure, now)
        if known is None and not call.searched:
            return self._search(call)
        providers = self._with_own(procedure, known)
        if known and not call.searched and (call.stale or not providers) and call.tried.issuperset(providers):
            # What was known is out of date; a lookup may find who took over. Busy providers are no reason for one.
            return self._search(call)
        return [*self._discovery.refresh(procedure, now), *self._attempt(call, providers, now)]

    def _providers(self, call: _Call, now: float) -> Mapping[NodeId, bool]:
        """Whom a call may go to, as far as is known, and whether its procedure is idempotent there."""
        procedure, target = call.request.procedure, call.request.target
        if target is not None:
            return {target: False}
        return self._with_own(procedure, self._discovery.known(procedure, now))

    def _with_own(self, procedure: str, known: Mapping[NodeId, bool] | None) -> Mapping[NodeId, bool]:
        if known and self._node_id not in known and procedure not in self._advertised:
            return known
        # What this node's own record says may be out of date.
        providers = dict(known or {})
        providers.pop(self._node_id, None)
        if procedure in self._advertised:
            providers[self._node_id] = self._advertised[procedure]
        return providers

    def _search(self, call: _Call) -> list[Action]:
        call.searched = True
        self._waiting[call.command] = call
        return [*self._discovery.search(call.request.procedure)]

    def _attempt(self, call: _Call, providers: Mapping[NodeId, bool], now: float) -> list[Action]:
        request = call.request
        untried = [peer for peer in providers if peer not in call.tried] if call.tried else [*providers]
        if not untried:
            return self._finish(call, now, call.failure or NotFound(f"nobody provides {request.procedure}"))
        provider = self._balancer.choose(request.strategy, request.procedure, untried, now)
        call.tried.add(provider)
        call.provider, call.idempotent = provider, providers[provider]
        call.token, call.sent = next(self._tokens), now
        self._by_token[call.token] = call
        held = [Hold(provider)] if self._balancer.started(provider) else []
        if call.stream is not None:
            return [*held, self._open(call, call.stream, provider)]
        # Rounded up, so that a provider never gives up before its caller does.
        timeout_ms = math.ceil((call.deadline - now) * 1000)
        message = Call(self._realm, call.call_id, request.procedure, request.args, timeout_ms, request.traceparent)
        return [*held, SendTo(provider, Lane.RPC, message, call.token)]

    def _open(self, call: _Call, stream: Stream, provider: NodeId) -> SendTo:
        request = call.request
        self._streams.bind(stream, provider, call.token)
        head = self._realm, call.call_id, request.procedure, request.args
        message = StreamCall(
            *head, math.ceil(request.timeout * 1000), stream.granted, request.sends, request.traceparent
        )
        return SendTo(provider, Lane.RPC, message, call.token, needs=STREAM_CAPABILITY)

    def _forget(self, call: _Call, provider: NodeId) -> None:
        call.stale = True
        self._discovery.forget(call.request.procedure, provider)

    def _end_attempt(self, call: _Call) -> list[Action]:
        if call.provider is None:
            return []
        provider, call.provider = call.provider, None
        del self._by_token[call.token]
        released: list[Action] = [Release(provider)] if self._balancer.ended(provider) else []
        if call.stream is not None:
            self._streams.unbind(call.stream)
        return released

    def _retry(self, call: _Call, error: CallError, now: float) -> list[Action]:
        if call.settled:
            return self._finish(call, now, error)
        if call.failure is None or _NOT_RUN.index(type(error)) >= _NOT_RUN.index(type(call.failure)):
            call.failure = error
        return [*self._end_attempt(call), *self._advance(call, now)]

    def _withdraw(self, call: _Call) -> Sequence[Action]:
        """Tell the provider that the call is given up."""
        if call.provider is None:
            return ()
        return (SendTo(call.provider, Lane.RPC, Cancel(self._realm, call.call_id)),)

    def _finish(self, call: _Call, now: float, outcome: CallResult | CallError) -> list[Action]:
        if isinstance(outcome, CallError):
            code, completed = outcome.code, Completed(call.command, error=outcome)
        else:
            code, completed = "ok", Completed(call.command, outcome)
        stop = CallTrace(
            "call.stop",
            call.request.procedure,
            call.call_id,
            call.provider,
            call.stream is not None,
            call.provider == self._node_id,
            code,
            (now - call.started) * 1000,
        )
        self.timers.cancel(call.command)
        self._waiting.pop(call.command, None)
        del self._calls[call.command], self._by_id[call.call_id]
        self._ended[call.call_id] = None
        ended = self._end_attempt(call)
        ended.append(stop)
        if call.stream is not None:
            ended += self._streams.close(call.stream)
        ended.append(completed)
        return ended
