"""The engine: routes events to services and requests between them, and owns no protocol rule."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any, assert_never, get_args

from macula.core import commands as cmd
from macula.core import requests as req
from macula.core.address import Address
from macula.core.effects import Completed, Effect, Trace
from macula.core.events import (
    CommandGiven,
    Consumed,
    DatagramReceived,
    DialFailed,
    Event,
    HandlerDone,
    LaneSlowed,
    MessageReceived,
    PathMoved,
    PeerConnected,
    PeerLost,
    PeerRefused,
    PeerSuspect,
    SendBlocked,
    SendReady,
    SocketFailed,
    SocketOpened,
    Tick,
)
from macula.core.lanes import Lane
from macula.core.limits import LANES, met
from macula.core.mode import PathPolicy
from macula.core.results import Load, NodeStatus
from macula.core.service import Service, ServiceEvent
from macula.dht.service import Dht
from macula.dht.verifier import Verifier
from macula.engine import routing as to
from macula.engine.bootstrapper import Bootstrapper
from macula.engine.clock import FOLLOWED, WallClock, jump, shown
from macula.engine.connector import Connector
from macula.engine.deadlines import Deadlines
from macula.engine.dialer import Dialer
from macula.engine.hello import check_realm
from macula.engine.notices import AddressFailed, AddressUp, arrival, refusal
from macula.engine.peers import Outcome, PeerTable
from macula.engine.readiness import Readiness
from macula.engine.self_record import SelfRecord
from macula.engine.settings import EngineSettings
from macula.engine.shutdown import ShutdownState
from macula.errors import MeshError, NodeClosed, ProtocolError
from macula.identity import Identity, NodeId
from macula.nat.detection.service import Nat
from macula.nat.reaching import Reaching
from macula.nat.traversal import Traversal
from macula.pubsub.service import PubSub
from macula.relay.granting import RelayGranter
from macula.relay.service import EnvelopeRouter
from macula.relay.settings import RelaySettings
from macula.relay.using import RelayUser
from macula.rpc.service import Rpc

_Item = Outcome | req.SelfChanged | req.ClockMoved | req.Draining
_News = req.PeerUp | req.PeerDown | PeerSuspect | PathMoved | req.SelfChanged | req.Draining
"""What every service is told."""


class Engine:
    """A node without a clock, a socket or a task: `handle` each event, carry out the effects it returns in order, and
    call `handle(Tick())` at `next_deadline()` at the latest. Call `start` once, before the first event.

    Engines of one simulation may share a `verifier`, so that each signature is checked once for all."""

    def __init__(
        self, identity: Identity, settings: EngineSettings, rng: random.Random, verifier: Verifier | None = None
    ) -> None:
        tokens = [count(asker + to.ASKERS, to.ASKERS) for asker in range(to.ASKERS)]
        self.node_id = identity.node_id
        self.settings = settings
        self._own = SelfRecord(identity, settings)
        self._dialer = Dialer(settings.pool, tokens[to.OWN], settings.path_policy)
        self._peers = PeerTable(identity.node_id, settings, self._own, self._dialer, tokens[to.OWN])
        self._bootstrapper = Bootstrapper(settings.bootstraps, settings.reconnect, settings.pool.dial_timeout, rng)
        self._connector = Connector(tokens[to.OWN])
        self._dht = Dht(settings.dht, identity, rng, tokens[to.DHT], settings.realms, verifier)
        self._rpc = Rpc(settings.rpc, identity.node_id, settings.realm, rng, tokens[to.RPC])
        self._pubsub = PubSub(settings.pubsub, identity.node_id, settings.realm, rng, tokens[to.PUBSUB])
        self._relay = EnvelopeRouter(
            settings.route, identity, settings.realms, settings.forwards, rng, tokens[to.RELAY]
        )
        probes = identity.derive(b"macula/2 probes")
        traversal = Traversal(identity.node_id, probes, rng, reachable=settings.reachable) if settings.punches else None
        self._nat = Reaching(Nat(settings.nat, rng), traversal, reachable=settings.reachable)
        self._granter = RelayGranter(settings.relay or RelaySettings(), identity, settings.relays, rng)
        self._user = RelayUser(
            settings.use_relays,
            identity.node_id,
            wants_homes=settings.wants_relays,
            allowed=settings.path_policy is not PathPolicy.NEVER_RELAY,
            tokens=tokens[to.USE],
        )
        self._services: dict[int, Service] = {
            to.DHT: self._dht,
            to.RPC: self._rpc,
            to.PUBSUB: self._pubsub,
            to.RELAY: self._relay,
            to.NAT: self._nat,
            to.GRANT: self._granter,
            to.USE: self._user,
        }
        self._shutdown = ShutdownState()
        self._readiness = Readiness(settings.bootstraps)
        others = self._own, self._peers, self._bootstrapper, self._connector, self._shutdown, self._readiness
        self._deadlines = Deadlines(self._services, others)
        self._work: deque[_Item] = deque()
        self._routes = self._make_routes()
        self._effects: list[Effect] = []
        self._clock = WallClock()
        self._now = 0.0
        self._wall = 0.0

    def start(self, addresses: tuple[Address, ...], now: float, wall: float) -> list[Effect]:
        """Sign the node's record for these addresses and dial the bootstraps. Returns effects, as handle does."""
        self._now, self._wall = now, wall
        self._work.append(self._own.set_addresses(addresses, now, wall))
        self._bootstrapper.start(now)
        self._tick()
        return self._finish()

    def handle(self, event: Event, now: float, wall: float) -> list[Effect]:
        """Everything that follows from one event. `now` in monotonic, `wall` in Unix seconds. Never raises on what a
        remote did; what the application did wrong comes back as a Completed with an error."""
        return self.handle_all((event,), now, wall)

    def handle_all(self, events: Sequence[Event], now: float, wall: float) -> list[Effect]:
        """As handle, of several events in turn, which costs less."""
        odd = self._clock.is_held or abs(wall - self._wall - now + self._now) > FOLLOWED
        if not odd:
            self._now, self._wall = now, wall
        for event in events:
            if odd:
                self._judge_clock(event, now, wall)
            self._take(event, now)
            if self._work:
                self._drain()
        return self._finish()

    def next_deadline(self) -> float | None:
        """When to call handle(Tick()) next. Changes with every call of handle; extra ticks are harmless."""
        return self._deadlines.next()

    @property
    def ready(self) -> bool:
        """Whether the node does its job: it is in the mesh (or needs no way in) and not shutting down."""
        return not self._shutdown.requested and (self._dht.joined or not self.settings.bootstraps)

    def _take(self, event: Event, now: float) -> None:
        match event:
            case MessageReceived():
                outcomes = self._peers.received(event, now, self._wall)
                if not self._work and len(outcomes) == 1 and type(outcomes[0]) is req.Received:
                    self._received(outcomes[0])
                else:
                    self._work.extend(outcomes)
            case CommandGiven():
                self._command(event)
            case HandlerDone():
                self._tell(to.RPC, event)
            case Consumed():
                self._tell(to.PUBSUB, event)
            case DatagramReceived() | SocketOpened() | SocketFailed():
                self._tell(to.NAT, event)
            case SendBlocked() | SendReady():
                self._work.extend(self._peers.lane(event))
                if event.lane is Lane.BULK:
                    self._tell(to.RPC, event)
            case LaneSlowed(peer, lane):
                self._effects.append(met(LANES[lane], peer))
            case Tick():
                self._deadlines.stirred = True
                self._tick()
            case PeerConnected():
                self._deadlines.stirred = True
                self._work.extend(self._peers.connected(event, now))
            case PeerLost():
                self._deadlines.stirred = True
                self._work.extend(self._peers.lost(event, now))
            case PeerRefused():
                self._effects.append(refusal("peer.refused", event.who, event.code, event.reason))
            case DialFailed():
                self._deadlines.stirred = True
                self._work.extend(self._peers.dial_failed(event, now))
            case PeerSuspect():
                self._work.extend(self._peers.suspect(event))
            case PathMoved():
                self._work.extend(self._peers.moved(event))
            case _:
                assert_never(event)

    def _judge_clock(self, event: Event, now: float, wall: float) -> None:
        """Which time to use after the host's clock has jumped, and until it is followed again."""
        due = self._wall + now - self._now
        held = self._clock.is_held
        self._now, self._wall = now, self._clock.read(due, wall, shown(event))
        if held != self._clock.is_held:
            self._effects.append(jump(wall - due, held))
        if abs(self._wall - due) > FOLLOWED:
            # What was signed with the time before is worth nothing now.
            self._work += [self._own.renew(now, self._wall), req.ClockMoved()]

    def _finish(self) -> list[Effect]:
        if self._work:
            self._drain()
        if self._connector.sending:
            self._work.extend(self._connector.flush(self._peers))
        if self._readiness.waits and self.ready:
            self._effects.extend(self._readiness.ready())
        if self._shutdown.requested and (self._idle or self._shutdown.overdue(self._now)):
            self._work.extend(self._shutdown.finish(self._peers.connected_nodes()))
        if self._work:
            self._drain()
        effects, self._effects = self._effects, []
        return effects

    @property
    def _idle(self) -> bool:
        return self._rpc.idle and self._pubsub.idle and self._dht.drained and self._granter.drained

    def _drain(self) -> None:
        work = self._work
        while work:
            item = work.popleft()
            route = self._routes.get(type(item))
            if route is None:
                self._effects.append(item)  # type: ignore[arg-type]
            else:
                route(item)

    def _make_routes(self) -> dict[type[_Item], Callable[[Any], None]]:
        """Who carries out what a service or the connection table asks of the rest of the node; all else are effects."""
        peers = self._peers
        routes: dict[type[_Item], Callable[[Any], None]] = {
            req.SendTo: self._send,
            req.SendToAll: lambda item: self._work.extend(peers.send_all(item, self._now)),
            req.Received: self._received,
            req.Hold: self._hold,
            req.Release: lambda item: peers.hold(item, self._now),
            req.Redial: lambda item: self._work.extend(peers.redial(item.peer, self._now)),
            req.RefusePeer: lambda item: self._work.extend(peers.refuse(item.peer, item.code, item.reason)),
            req.LearnAddress: peers.hint,
            req.LearnPeer: peers.learn,
            req.NameRelays: lambda item: self._work.append(self._own.set_relays(item.relays, self._now, self._wall)),
            req.Unsealed: self._unsealed,
            req.ClockMoved: partial(self._tell, to.DHT),
        }
        routes |= {kind: partial(self._tell, service) for kind, service in to.REQUESTS.items()}
        routes |= dict.fromkeys(get_args(req.Answer), self._answer)
        routes |= dict.fromkeys(get_args(_News), self._broadcast)
        routes |= dict.fromkeys((AddressUp, AddressFailed), self._notice)
        return routes

    def _send(self, request: req.SendTo) -> None:
        self._work.extend(self._peers.send(request, self._now))

    def _hold(self, hold: req.Hold) -> None:
        self._peers.hold(hold, self._now)
        self._want(hold.peer)

    def _notice(self, notice: AddressUp | AddressFailed) -> None:
        self._deadlines.stirred = True
        self._readiness.attempted(notice)
        self._work.extend(self._connector.notice(notice, self._peers))
        self._work.extend(self._bootstrapper.notice(notice, self._now))

    def _want(self, peer: NodeId | Address) -> None:
        """This node has something for a peer that is worth a direct path."""
        if isinstance(peer, NodeId) and self._nat.spares(peer):
            self._tell(to.NAT, req.Punch(peer, True))

    def _tell(self, index: int, event: ServiceEvent) -> None:
        service = self._services.get(index)
        if service is None:
            return
        self._deadlines.told.add(index)
        work, effects, routes = self._work, self._effects, self._routes
        for item in service.handle(event, self._now, self._wall):
            # An effect that nothing stands before need not wait for its turn.
            if work or type(item) in routes:
                work.append(item)
            else:
                effects.append(item)  # type: ignore[arg-type]

    def _broadcast(self, event: _News) -> None:
        self._deadlines.stirred = True
        match event:
            case req.PeerUp():
                self._clock.agree()
                self._effects.append(arrival(event))
            case req.PeerDown(peer, code, reason):
                self._effects.append(refusal("connection.down", peer, code, reason))
                self._work.extend(self._bootstrapper.peer_down(event, self._now))
                self._work.extend(self._connector.peer_down(event))
            case PeerSuspect():
                self._bootstrapper.peer_suspect(event, self._now)
        for index in self._services:
            self._tell(index, event)

    def _received(self, received: req.Received) -> None:
        if self._connector.awaited and (completed := self._connector.answer(received)) is not None:
            self._work.extend(completed)
        elif (index := to.MESSAGES.get(type(received.message))) is not None:
            self._tell(index, received)

    def _unsealed(self, unsealed: req.Unsealed) -> None:
        info = unsealed.info
        try:
            if (realm := getattr(unsealed.message, "realm", None)) is not None:
                check_realm(realm, info.realms, self.settings.realms)
        except ProtocolError as error:
            fields = {"peer": info.node.short, "code": error.code, "reason": error.reason}
            self._effects.append(Trace("envelope.refused", fields, limit=f"envelope {info.node}"))
            return
        self._peers.learn(req.LearnPeer(info))
        self._received(req.Received(info.node, unsealed.message, unsealed.hops))

    def _answer(self, answer: req.Answer) -> None:
        index = answer.token % to.ASKERS
        if index != to.OWN:
            self._tell(index, answer)
        elif isinstance(answer, req.PeerFound):
            self._work.extend(self._peers.found(answer, self._now))
        elif isinstance(answer, req.SendFailed):
            self._work.extend(self._connector.send_failed(answer))
        elif isinstance(answer, req.RelaysReady):
            self._work.extend(self._peers.relays_ready(answer, self._now))

    def _tick(self) -> None:
        now, wall = self._now, self._wall
        renewed = self._own.tick(now, wall)
        if renewed is not None:
            self._work.append(renewed)
        self._work.extend(self._peers.tick(now))
        self._work.extend(self._bootstrapper.tick(now, self._peers))
        self._work.extend(self._connector.tick(now, self._peers))
        self._effects.extend(self._readiness.tick(now))
        for index, service in self._services.items():
            due = service.next_deadline()
            if due is not None and due <= now:
                self._tell(index, Tick())

    def _command(self, given: CommandGiven) -> None:
        id_, command = given.id, given.command
        try:
            if self._shutdown.requested and not isinstance(command, to.ALWAYS):
                raise NodeClosed("the node is shutting down")
            if (service := to.COMMANDS.get(type(command))) is not None:
                self._tell(service, given)
                return
            self._deadlines.stirred = True
            match command:
                case cmd.WaitReady(timeout):
                    self._readiness.wait(id_, self._now + timeout)
                case cmd.Status():
                    self._effects.append(Completed(id_, self._status()))
                case cmd.SendRaw() | cmd.RequestRaw():
                    if isinstance(command, cmd.RequestRaw) or command.reach.punch:
                        self._want(command.target)
                    self._work.extend(self._connector.start(id_, command, self._peers, self._now))
                case cmd.Shutdown(drain):
                    if self._shutdown.request(id_, self._now + drain):
                        self._dialer.closed = True
                        self._bootstrapper.stop()
                        self._work.append(req.Draining())
        except MeshError as error:
            self._effects.append(Completed(id_, error=error))

    def _status(self) -> NodeStatus:
        return NodeStatus(
            ready=self.ready,
            peers=self._peers.status(),
            dht=self._dht.stats(),
            pool=self._peers.pool_stats(),
            procedures=self._rpc.procedures,
            subscriptions=self._pubsub.patterns,
            relays=self._user.named,
            nat=self._nat.info.summary,
            bootstraps=self._bootstrapper.status(),
            clock_held=self._clock.held,
            load=Load(self._rpc.calls, self._rpc.handlers, self._pubsub.publications, self._peers.queued),
        )
