"""A node's QUIC endpoint without a socket: datagrams and effects in, datagrams and events out.

One endpoint listens and dials. aioquic takes ids, keys and nonces from the operating system's randomness; everything
else here follows from the arguments.
"""

from __future__ import annotations

import random
from collections import deque
from typing import assert_never

from macula.core.address import Address
from macula.core.effects import ClosePeer, Dial, PauseReading, SendDatagram, SendMessage, SetPath, TransportEffect
from macula.core.events import UNREACHABLE, DatagramReceived, DialFailed, Event, PeerConnected, PeerRefused
from macula.core.timers import Timers
from macula.identity import Identity, NodeId
from macula.providers.quic.admission import Accept, Admission, Reply
from macula.providers.quic.certificate import make_certificate
from macula.providers.quic.closing import LOST, Closing
from macula.providers.quic.connection import Connection, State
from macula.providers.quic.demux import ConnectionIds, Grave, destination_id, is_ours, is_quic, parse_header
from macula.providers.quic.diagnosis import NO_DIAGNOSIS, Diagnosis
from macula.providers.quic.dialing import Attempt
from macula.providers.quic.notes import Credit, Doubt, Ended, Got, LaneEnded, Note, Opened, Overdue, Proved
from macula.providers.quic.path import Path
from macula.providers.quic.sessions import Sessions, Verdict
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.tuned import TunedConnection, make_configuration
from macula.runtime.transport import PathStatus
from macula.wire import Message, codes, encode

_NO_FAULT = (LOST, codes.DUPLICATE, codes.GOING_AWAY)
"""How a client that does nothing wrong may end a connection before it opens a lane."""


class Endpoint:
    """After any call that changes it, take `events` and `datagrams_to_send`, then `next_deadline` says when to call
    `handle_timer`. Extra calls are harmless. `now` is monotonic seconds and never goes back."""

    def __init__(
        self,
        identity: Identity,
        rng: random.Random,
        instance: int,
        settings: QuicSettings | None = None,
        diagnosis: Diagnosis = NO_DIAGNOSIS,
    ) -> None:
        """`instance` is a number (1 to 2**159 - 1) that no other run of this node has; it tells peers of a restart."""
        self._settings = settings or QuicSettings()
        self._own = identity.node_id
        certificate = make_certificate(identity, instance)
        self._client, self._server = (
            make_configuration(identity, certificate, self._settings, is_client=is_client, diagnosis=diagnosis)
            for is_client in (True, False)
        )
        self._admission = Admission(self._settings, rng)
        self._rng = rng
        self._ids = ConnectionIds(self._settings.linger_time)
        self._connections: dict[int, Connection] = {}
        self._half_open: dict[int, Address] = {}
        self._timers: Timers[int] = Timers()
        self._dirty: dict[int, Connection] = {}
        self._datagrams: list[tuple[bytes, Address]] = []
        self._events: deque[Event] = deque()
        self._sessions = Sessions(self._own, self._events.append, self._touch)
        self._count = 0
        self._encoded: tuple[Message, bytes] | None = None

    @property
    def connections(self) -> int:
        """Connections of any state that are not closed."""
        return len(self._connections)

    @property
    def connection_ids(self) -> int:
        """Connection ids that are known, those of recently closed connections included."""
        return len(self._ids)

    @property
    def peers(self) -> tuple[NodeId, ...]:
        """Every connected peer, in the order in which they connected."""
        return self._sessions.peers

    def path(self, peer: NodeId) -> PathStatus | None:
        """What carries a connected peer's packets."""
        session = self._sessions.get(peer)
        if session is None:
            return None
        path = session.active.path
        return PathStatus("direct", path.address, session.active.rtt, path.hops, path.bytes_sent, path.bytes_received)

    def datagram_size(self, peer: NodeId) -> int | None:
        """The largest datagram that is sent to a connected peer, probes apart, in bytes."""
        session = self._sessions.get(peer)
        return session.active.datagram_size if session is not None else None

    # Input.

    def receive(self, data: bytes, source: Address, now: float, ttl: int | None = None) -> None:
        """A datagram came from `source`, with this IP TTL if it is known. What is malformed is dropped."""
        if is_ours(data):
            self._events.append(DatagramReceived(source, data))
            return
        if not is_quic(data) or (cid := destination_id(data)) is None:
            return
        owner = self._ids.get(cid)
        if isinstance(owner, Grave):
            self._datagrams += owner.visit()
            return
        connection = owner or self._admit(data, source, now)
        if connection is None:
            return
        connection.receive(data, source, now, ttl)
        if owner is None and not connection.started:
            self._discard(connection)
            return
        self._touch(connection)
        self._digest(connection, now)

    def refused(self, size: int, target: Address, now: float) -> None:
        """The system does not send datagrams of `size` bytes to `target`: they are larger than a local link carries."""
        for connection in self._connections.values():
            if connection.path.address == target:
                connection.refused(size, now)
                self._touch(connection)

    def execute(self, effect: TransportEffect, now: float) -> None:
        """Carry out an effect. Raises ArgumentError for a message that breaks a limit of its fields."""
        match effect:
            case Dial():
                self._dial(effect, now)
            case SendMessage(peer, lane, message):
                session = self._sessions.get(peer)
                if session is not None:
                    session.active.send(lane, self._frame(message))
                    self._touch(session.active)
            case ClosePeer(peer, code, reason):
                self._sessions.close(peer, Closing(code, reason), now)
            case PauseReading(peer, lane, paused):
                self._sessions.pause(peer, lane, paused)
            case SendDatagram(target, data):
                self._datagrams.append((data, target))
            case SetPath(peer, address):
                session = self._sessions.get(peer)
                if session is not None:
                    session.active.switch_path(address)
                    self._touch(session.active)
            case _:
                assert_never(effect)

    def handle_timer(self, now: float) -> None:
        """The time of next_deadline() has come."""
        self._ids.expire(now)
        for number in self._timers.pop_due(now):
            connection = self._connections[number]
            self._datagrams += connection.handle_timer(now)
            self._touch(connection)
            self._digest(connection, now)

    def close(self, now: float) -> None:
        """Say goodbye to every peer and give up every dial. The endpoint is done when `connections` is 0."""
        goodbye = Closing(codes.GOING_AWAY, "the node is stopping")
        for peer in self.peers:
            self._sessions.close(peer, goodbye, now)
        for connection in self._connections.values():
            attempt, connection.attempt = connection.attempt, None
            if attempt is not None:
                self._events.append(DialFailed(attempt.dial, UNREACHABLE, goodbye.reason))
            if connection.state is not State.LEAVING:
                self._give_up(connection, goodbye)

    # Output.

    def events(self) -> list[Event]:
        """What has happened since the last call, oldest first."""
        events = list(self._events)
        self._events.clear()
        return events

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        """What to send now. May make new events."""
        while self._dirty:
            connection = self._dirty.pop(next(iter(self._dirty)))
            self._datagrams += connection.flush(now)
            self._digest(connection, now)
            if connection.state is State.OVER:
                self._bury(connection, now)
            else:
                self._ids.update(connection)
                self._arm(connection)
        datagrams, self._datagrams = self._datagrams, []
        return datagrams

    def next_deadline(self) -> float | None:
        """When to call handle_timer; asked after datagrams_to_send."""
        deadlines = (self._timers.next(), self._ids.next_expiry())
        return min((at for at in deadlines if at is not None), default=None)

    # Connections.

    def _admit(self, data: bytes, source: Address, now: float) -> Connection | None:
        header = parse_header(data)
        if header is None:
            return None
        match self._admission.judge(header, len(data), source, len(self._half_open), now):
            case Reply(reply):
                self._datagrams.append((reply, source))
            case Accept(original_id, retry_source_id, proven):
                quic = TunedConnection(self._server, original_id, retry_source_id)
                path = Path([source], proven=proven, now=now)
                connection = self._add(quic, path, now + self._settings.handshake_timeout)
                connection.cids[header.destination_cid] = None
                self._ids.update(connection)
                self._half_open[connection.number] = source
                return connection
        return None

    def _dial(self, effect: Dial, now: float) -> None:
        session = self._sessions.get(effect.expected) if effect.expected else None
        if session is not None and not session.active.suspect and effect.expected:
            self._events.append(PeerConnected(effect.expected, session.active.path.address, effect.dial, fresh=False))
            return
        addresses = tuple(dict.fromkeys(effect.addresses))[: self._settings.max_dial_addresses]
        attempt = Attempt(effect.dial, addresses, effect.expected, now + effect.timeout)
        if effect.expected == self._own:
            attempt.failures.append("this is the node itself")
            attempt.addresses = ()
        self._try(attempt, now)

    def _try(self, attempt: Attempt, now: float) -> None:
        if not attempt.addresses or now >= attempt.deadline:
            self._events.append(attempt.outcome)
            return
        path = Path(attempt.addresses, proven=True, now=now, stagger=self._settings.dial_stagger)
        connection = self._add(TunedConnection(self._client), path, attempt.deadline)
        connection.attempt = attempt
        connection.connect(now)
        self._ids.update(connection)
        self._touch(connection)

    def _add(self, quic: TunedConnection, path: Path, handshake_at: float) -> Connection:
        self._count += 1
        connection = Connection(self._count, quic, path, self._settings, handshake_at, self._rng)
        self._connections[self._count] = connection
        return connection

    def _touch(self, connection: Connection) -> None:
        if connection.number in self._connections:
            self._dirty[connection.number] = connection

    def _arm(self, connection: Connection) -> None:
        deadline = connection.deadline()
        if deadline is None:
            self._timers.cancel(connection.number)
        else:
            self._timers.set(connection.number, deadline)

    def _discard(self, connection: Connection) -> None:
        self._ids.forget(connection)
        self._remove(connection)

    def _bury(self, connection: Connection, now: float) -> None:
        self._ids.bury(connection, now)
        self._remove(connection)

    def _remove(self, connection: Connection) -> None:
        del self._connections[connection.number]
        self._half_open.pop(connection.number, None)
        self._dirty.pop(connection.number, None)
        self._timers.cancel(connection.number)

    def _give_up(self, connection: Connection, closing: Closing) -> None:
        connection.close(closing)
        self._touch(connection)

    # What connections report.

    def _digest(self, connection: Connection, now: float) -> None:
        while notes := connection.take_notes():
            for note in notes:
                self._note(connection, note, now)

    def _note(self, connection: Connection, note: Note, now: float) -> None:
        peer = connection.peer
        if isinstance(note, Ended):
            self._dial_ended(connection, note.closing, now)
            self._tell_refused(connection, note.closing)
        if peer is None:
            return
        match note:
            case Proved():
                if connection.attempt is not None:
                    self._dialed(connection, connection.attempt, peer, now)
            case Opened(lane):
                if not connection.is_client and connection.state is State.HANDSHAKE:
                    self._accepted(connection, peer, now)
                else:
                    self._sessions.lane_opened(connection, peer, lane)
            case LaneEnded(lane):
                self._sessions.lane_ended(connection, peer, lane)
            case Overdue():
                self._sessions.overdue(connection, peer)
            case Got() | Credit() | Doubt():
                self._sessions.note(connection, peer, note)
            case Ended(closing):
                self._sessions.ended(connection, peer, closing)

    def _dialed(self, connection: Connection, attempt: Attempt, peer: NodeId, now: float) -> None:
        if peer == self._own:
            wrong = "this is the node itself"
        elif attempt.expected is not None and peer != attempt.expected:
            wrong = f"expected {attempt.expected}, found {peer}"
            attempt.code = codes.BAD_IDENTITY
        else:
            connection.attempt = None
            if self._sessions.proven(connection, peer, now) is Verdict.SURPLUS:
                self._events.append(PeerConnected(peer, connection.path.address, attempt.dial, fresh=False))
            else:
                self._announce(connection, peer, attempt.dial)
            return
        self._give_up(connection, Closing(codes.BAD_IDENTITY, wrong))

    def _accepted(self, connection: Connection, peer: NodeId, now: float) -> None:
        source = self._half_open.pop(connection.number, None)
        if source is not None:
            self._admission.completed(source)
        if self._sessions.proven(connection, peer, now) in (Verdict.FIRST, Verdict.REPLACES):
            self._announce(connection, peer, None)

    def _announce(self, connection: Connection, peer: NodeId, dial: int | None) -> None:
        """Tell the engine of a new session. It answers every dial to this peer: their connections are given up."""
        dials = [] if dial is None else [dial]
        for other in self._connections.values():
            if other.attempt is not None and other.attempt.expected == peer:
                dials.append(other.attempt.dial)
                other.attempt = None
                self._give_up(other, Closing(codes.DUPLICATE, "there is a connection already"))
        address = connection.path.address
        self._events.append(PeerConnected(peer, address, dials[0] if dials else None))
        self._events.extend(PeerConnected(peer, address, answered, fresh=False) for answered in dials[1:])

    def _tell_refused(self, connection: Connection, closing: Closing) -> None:
        # An address that is not proven may be anybody's: it is not for a forger to fill our log with.
        if connection.number in self._half_open and connection.path.proven and closing.code not in _NO_FAULT:
            who = connection.peer or connection.path.address.host
            self._events.append(PeerRefused(who, closing.code, closing.reason))

    def _dial_ended(self, connection: Connection, closing: Closing, now: float) -> None:
        attempt, connection.attempt = connection.attempt, None
        if attempt is None:
            return
        if closing.code == LOST:
            attempt.unanswered(connection.path.tried, closing.reason)
        else:
            attempt.failed(connection.path.address, f"{closing.code}: {closing.reason}")
        self._try(attempt, now)

    def _frame(self, message: Message) -> bytes:
        # One message to many peers, as publishing does, is encoded once.
        if self._encoded is None or self._encoded[0] is not message:
            self._encoded = (message, encode(message))
        return self._encoded[1]
