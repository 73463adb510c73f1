"""The connections of a node: hello, lanes and their credit, the pool, and what waits for a connection."""

from __future__ import annotations

from collections.abc import Iterator

from macula.core.address import Address
from macula.core.effects import ClosePeer, Dial, SendMessage
from macula.core.events import (
    UNREACHABLE,
    DialFailed,
    MessageReceived,
    PathMoved,
    PeerConnected,
    PeerLost,
    PeerSuspect,
    SendBlocked,
    SendReady,
)
from macula.core.lanes import Lane
from macula.core.peer_record import RelayPlace, clock_difference
from macula.core.requests import (
    Hold,
    LearnAddress,
    LearnPeer,
    PeerDown,
    PeerFound,
    PeerUp,
    Received,
    RelaysReady,
    Release,
    SendFailed,
    SendTo,
    SendToAll,
)
from macula.core.results import PeerStatus, PoolStatistics
from macula.core.route import Relayed
from macula.core.service import Action
from macula.core.timers import Timers, earliest
from macula.engine.crowd import Crowd
from macula.engine.dialer import DISCONNECTED, Dialer
from macula.engine.hello import check_hello, check_realm, make_hello
from macula.engine.multicast import split
from macula.engine.notices import AddressFailed, AddressUp, Notice, is_ordinary, refusal
from macula.engine.peer import Peer, State
from macula.engine.pool import ConnectionPool
from macula.engine.self_record import SelfRecord
from macula.engine.send_queue import SendQueue
from macula.engine.settings import EngineSettings
from macula.errors import ProtocolError
from macula.identity import NodeId
from macula.wire import codes
from macula.wire.messages import Disconnect, Hello, Ping, Pong
from macula.wire.tracing import untraced

Outcome = Action | PeerUp | PeerDown | PeerSuspect | PathMoved | Received | SendFailed | Notice

_OF_THE_CONNECTION = frozenset((Hello, Disconnect, Ping))
"""Messages that are no service's."""


class PeerTable:
    """Every peer the transport is connected to. Services see a peer between PeerUp and PeerDown only."""

    def __init__(
        self, node_id: NodeId, settings: EngineSettings, own: SelfRecord, dialer: Dialer, tokens: Iterator[int]
    ) -> None:
        self._node_id = node_id
        self._settings = settings
        self._realms = settings.realms
        self._own = own
        self._dialer = dialer
        self._tokens = tokens
        self._peers: dict[NodeId, Peer] = {}
        self._address_dials: set[int] = set()
        self._hello_timers: Timers[NodeId] = Timers()
        self._pool = ConnectionPool(settings.pool.max_size, settings.pool.idle_timeout)
        self._crowd = Crowd(settings.pool.max_per_network)

    # What services and the application ask for.

    def send(self, request: SendTo, now: float) -> list[Outcome]:
        """Send now, queue for a blocked lane or a connection under way, or have it dialed."""
        peer = self._peers.get(request.peer)
        if peer is None and request.peer == self._node_id:
            return _failed(request, DISCONNECTED, "the peer is this node itself")
        self._pool.get(request.peer, now)
        if peer is None:
            return list(self._dialer.send(request, now))
        if peer.state is not State.UP:
            return self._queue(peer.waiting, request)
        return self._transmit(peer, request)

    def send_all(self, request: SendToAll, now: float) -> list[Outcome]:
        """As send, to several peers."""
        together, others = split(request, self._peers)
        for multicast in together:
            self._pool.get_all(multicast.peers, now)
        return [*together, *(outcome for other in others for outcome in self.send(other, now))]

    def hold(self, request: Hold | Release, now: float) -> None:
        """Count a use of a connection."""
        if isinstance(request, Hold):
            self._pool.hold(request.peer)
        else:
            self._pool.release(request.peer, now)

    def learn(self, request: LearnPeer) -> None:
        """Keep an address for later."""
        if request.info.node != self._node_id:
            self._dialer.learn(request.info)

    def redial(self, peer: NodeId, now: float) -> list[Outcome]:
        """A connection is of no use any more, whatever route it takes: make another."""
        return list(self._dialer.redial(peer, now)) if self.is_up(peer) else []

    def hint(self, request: LearnAddress) -> None:
        """Keep what somebody says of another's address."""
        self._dialer.hint(request)

    def prefer_relay(self, peer: NodeId, relay: RelayPlace) -> None:
        """The application names a relay at which a peer can be reached."""
        self._dialer.prefer(peer, relay)

    def dial_address(
        self, address: Address, expected: NodeId | None, timeout: float, tunnels: tuple[Address, ...] = ()
    ) -> tuple[int, Dial]:
        """Connect to whoever answers there, or else at one of its `tunnels`; the notice AddressUp or AddressFailed with
        the returned number follows."""
        dial = next(self._tokens)
        self._address_dials.add(dial)
        return dial, Dial(dial, (address, *tunnels), expected, timeout, host=address.host)

    def refuse(self, peer: NodeId, code: str, reason: str) -> list[Outcome]:
        """Close the connection of a peer that broke the protocol; others notice nothing."""
        closing = self._close(peer, code, reason)
        if not closing:
            return []
        return [refusal("peer.refused", peer, code, reason), *closing]

    # What the transport tells.

    def connected(self, event: PeerConnected, now: float) -> list[Outcome]:
        """A connection is there: greet; nothing else goes out before the peer's hello."""
        if event.dial is not None:
            self._dialer.answered(event.dial)
        if event.peer == self._node_id:
            return [ClosePeer(event.peer, codes.DUPLICATE, "this is the node itself"), *self._failed_dial(event.dial)]
        peer = self._peers.get(event.peer)
        if peer is not None and not event.fresh:
            return self._joined_dial(event, peer)
        if peer is None and event.dial is None and not self._crowd.enter(event.peer, event.route):
            reason = "too many nodes of your network are connected here"
            refused = refusal("peer.refused", event.peer, codes.BUSY, reason)
            return [refused, ClosePeer(event.peer, codes.BUSY, reason)]
        outcomes: list[Outcome] = []
        if peer is not None and peer.state is State.UP:
            outcomes += self._down(event.peer, peer, codes.DUPLICATE, "replaced by a new connection")
        waiting = SendQueue(self._settings.pool) if peer is None else peer.waiting
        new = self._peers[event.peer] = Peer(event.dial is None, now, waiting, event.route)
        if peer is not None:
            new.dials = peer.dials
        if event.dial in self._address_dials and event.dial is not None:
            new.dials.append(event.dial)
        self._hello_timers.set(event.peer, now + self._settings.pool.hello_timeout)
        if self._own.info is None:
            raise RuntimeError("Engine.start() comes before the transport's first event")
        outcomes.append(SendMessage(event.peer, Lane.CONTROL, make_hello(self._own.info, self._settings.capabilities)))
        for evicted in self._pool.put(event.peer, now):
            outcomes += self._close(evicted, codes.EVICTED, "made room for another connection")
        return outcomes

    def lost(self, event: PeerLost, now: float) -> list[Outcome]:
        """The connection is gone."""
        peer = self._peers.pop(event.peer, None)
        if peer is None:
            return []
        self._pool.remove(event.peer)
        self._crowd.leave(event.peer)
        self._hello_timers.cancel(event.peer)
        if peer.state is State.UP:
            return self._down(event.peer, peer, event.code, event.reason)
        reason = f"{event.code}: {event.reason}"
        outcomes: list[Outcome] = []
        if peer.state is State.GREETING and not is_ordinary(event.code):
            outcomes.append(refusal("connection.failed", event.peer, event.code, event.reason))
        outcomes += [self._address_failed(dial, UNREACHABLE, reason) for dial in peer.dials]
        outcomes += self._dialer.refused(event.peer, reason, now)
        for request in peer.waiting.take():
            outcomes += self._dialer.send(request, now)
        return outcomes

    def dial_failed(self, event: DialFailed, now: float) -> list[Outcome]:
        """Nobody answered, or the wrong one."""
        if event.dial in self._address_dials:
            return [self._address_failed(event.dial, event.code, event.reason)]
        return list(self._dialer.dial_failed(event, now))

    def found(self, event: PeerFound, now: float) -> list[Outcome]:
        """The DHT answered a search for a peer."""
        if event.info is not None:
            self._dialer.learn(event.info)
        return list(self._dialer.found(event.token, event.info, now))

    def relays_ready(self, answer: RelaysReady, now: float) -> list[Outcome]:
        """A peer that is waited for can be dialed through relays now, or not."""
        return list(self._dialer.relays_ready(answer, now))

    def received(self, event: MessageReceived, now: float, wall: float) -> list[Outcome]:
        """A message: hello first, then anything of a realm that both sides serve."""
        peer = self._peers.get(event.peer)
        if peer is None or peer.state is State.CLOSING:
            return []
        message = event.message
        if peer.touched != now:
            peer.touched = now
            self._pool.touch(event.peer, now)
        try:
            if peer.state is State.GREETING:
                if event.lane is not Lane.CONTROL and peer.keep_early(event):
                    return []
                return self._greeted(event, peer, now, wall)
            realm = getattr(message, "realm", None)
            if realm is not None and realm != peer.agreed:
                check_realm(realm, peer.realms, self._realms)
                peer.agreed = realm
        except ProtocolError as error:
            return self.refuse(event.peer, error.code, error.reason)
        if type(message) not in _OF_THE_CONNECTION:
            return [Received(event.peer, message)]
        match message:
            case Hello():
                return self.refuse(event.peer, codes.UNEXPECTED, "a second hello")
            case Ping(request):
                # By the queue like everything else, or pings of a peer that never reads would fill the memory.
                return self._transmit(peer, SendTo(event.peer, Lane.CONTROL, Pong(request)))
            case _:
                return []

    def lane(self, event: SendBlocked | SendReady) -> list[Outcome]:
        """The credit of a lane is used up, or there is some again."""
        peer = self._peers.get(event.peer)
        if peer is None or peer.state is State.CLOSING:
            return []
        if isinstance(event, SendBlocked):
            peer.blocked.add(event.lane)
            return []
        peer.blocked.discard(event.lane)
        queue = peer.queues.pop(event.lane, None)
        # All at once: the queue is bounded, and the transport blocks the lane again if it must.
        queued = queue.take() if queue else ()
        return [outcome for request in queued for outcome in self._transmit(peer, request)]

    def suspect(self, event: PeerSuspect) -> list[Outcome]:
        """The transport doubts a connection, or no longer."""
        peer = self._peers.get(event.peer)
        if peer is None or peer.state is not State.UP:
            return []
        peer.suspect = event.suspect
        return [event]

    def moved(self, event: PathMoved) -> list[Outcome]:
        """A peer is reached by another route."""
        peer = self._peers.get(event.peer)
        if peer is None:
            return []
        peer.route = event.route
        return [event] if peer.state is State.UP else []

    def tick(self, now: float) -> list[Outcome]:
        """Close what said no hello in time and what nobody used."""
        outcomes: list[Outcome] = []
        for peer in self._hello_timers.pop_due(now):
            outcomes += self.refuse(peer, codes.UNEXPECTED, "no hello in time")
        for peer in self._pool.pop_idle(now):
            outcomes += self._close(peer, codes.IDLE, "not used")
        return outcomes

    def next_deadline(self) -> float | None:
        """When to call tick next."""
        return earliest(self._hello_timers.next(), self._pool.next_deadline())

    # What others may look at.

    def is_up(self, peer: NodeId) -> bool:
        """Whether messages can be exchanged with the peer."""
        known = self._peers.get(peer)
        return known is not None and known.state is State.UP

    def is_wanted(self, peer: NodeId) -> bool:
        """Whether something counts on a connection to the peer, be there one or not."""
        return self._pool.is_held(peer)

    def is_clear(self, peer: NodeId, lane: Lane) -> bool:
        """Whether nothing waits to be sent to the peer on this lane."""
        known = self._peers.get(peer)
        return known is not None and known.state is State.UP and not known.queues.get(lane)

    def connected_nodes(self) -> list[NodeId]:
        """Every node the transport is connected to, those behind relays first: closing these takes the relays."""
        return sorted(self._peers, key=lambda node: not isinstance(self._peers[node].route, Relayed))

    def status(self) -> tuple[PeerStatus, ...]:
        """The peers that are up, in the order in which they connected."""
        told = (peer.status(node) for node, peer in self._peers.items())
        return tuple(status for status in told if status is not None)

    def pool_stats(self) -> PoolStatistics:
        """Counts of the pool."""
        return self._pool.stats()

    @property
    def queued(self) -> int:
        """Messages that wait."""
        queues = (queue for peer in self._peers.values() for queue in (peer.waiting, *peer.queues.values()))
        return self._dialer.queued + sum(len(queue) for queue in queues)

    def _greeted(self, event: MessageReceived, peer: Peer, now: float, wall: float) -> list[Outcome]:
        hello = event.message
        if isinstance(hello, Disconnect):
            return []
        if not isinstance(hello, Hello):
            raise ProtocolError(codes.UNEXPECTED, f"{type(hello).__name__} before hello")
        info = check_hello(event.peer, hello, self._settings.realms, wall)
        self._hello_timers.cancel(event.peer)
        self._dialer.learn(info)
        peer.greet(hello, info)
        peer.clock = clock_difference(info.record, wall)
        waiting = [*self._dialer.connected(event.peer), *peer.waiting.take()]
        outcomes: list[Outcome] = [PeerUp(event.peer, hello, info, peer.inbound, peer.route)]
        outcomes += [self._address_up(dial, event.peer) for dial in peer.dials]
        peer.dials.clear()
        outcomes += [outcome for request in waiting for outcome in self._transmit(peer, request)]
        early, peer.early = peer.early, []
        return outcomes + [outcome for message in early for outcome in self.received(message, now, wall)]

    def _transmit(self, peer: Peer, request: SendTo) -> list[Outcome]:
        if request.needs and request.needs not in peer.capabilities:
            return _failed(request, codes.UNSUPPORTED, f"{request.peer.short} does not offer {request.needs!r}")
        lane, message = request.lane, request.message
        if lane in peer.blocked or peer.queues.get(lane):
            return self._queue(peer.queues.setdefault(lane, SendQueue(self._settings.pool)), request)
        return [SendMessage(request.peer, lane, message if peer.traces else untraced(message), peer.compresses)]

    def _close(self, node: NodeId, code: str, reason: str) -> list[Outcome]:
        peer = self._peers.get(node)
        if peer is None or peer.state is State.CLOSING:
            return []
        was_up = peer.state is State.UP
        peer.state = State.CLOSING
        self._hello_timers.cancel(node)
        self._pool.remove(node)
        return [ClosePeer(node, code, reason), *(self._down(node, peer, code, reason) if was_up else ())]

    def _down(self, node: NodeId, peer: Peer, code: str, reason: str) -> list[Outcome]:
        queued = [request for queue in peer.queues.values() for request in queue.take()]
        peer.queues.clear()
        peer.blocked.clear()
        # Failures first: what never left may be sent elsewhere, what was handed over may have run.
        failed = [outcome for request in queued for outcome in _failed(request, DISCONNECTED, reason)]
        return [*failed, PeerDown(node, code, reason)]

    def _queue(self, queue: SendQueue, request: SendTo) -> list[Outcome]:
        if queue.put(request):
            return []
        return _failed(request, codes.BUSY, "too many messages wait for this peer")

    def _joined_dial(self, event: PeerConnected, peer: Peer) -> list[Outcome]:
        # One that seemed dead and was dialed anew answers again: that attempt is over.
        waiting = self._dialer.connected(event.peer) if peer.state is State.UP else []
        outcomes = [outcome for request in waiting for outcome in self._transmit(peer, request)]
        if event.dial is None or event.dial not in self._address_dials:
            return outcomes
        if peer.state is State.UP:
            return [*outcomes, self._address_up(event.dial, event.peer)]
        peer.dials.append(event.dial)
        return outcomes

    def _failed_dial(self, dial: int | None) -> list[Outcome]:
        if dial is None or dial not in self._address_dials:
            return []
        return [self._address_failed(dial, UNREACHABLE, "the address is this node's own")]

    def _address_up(self, dial: int, peer: NodeId) -> AddressUp:
        self._address_dials.discard(dial)
        return AddressUp(dial, peer)

    def _address_failed(self, dial: int, code: str, reason: str) -> AddressFailed:
        self._address_dials.discard(dial)
        return AddressFailed(dial, code, reason)


def _failed(request: SendTo, code: str, reason: str) -> list[Outcome]:
    return [] if request.token is None else [SendFailed(request.token, request.peer, code, reason)]
