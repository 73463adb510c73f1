"""A node's QUIC endpoint without a socket: datagrams and effects in, datagrams and events out.

One endpoint listens and dials. aioquic takes ids, keys and nonces from the operating system's randomness; everything
else here follows from the arguments.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import assert_never

from macula.core.address import Address
from macula.core.effects import (
    ClosePeer,
    Dial,
    EndClient,
    EndpointEffect,
    LeaveRelay,
    Multicast,
    PauseReading,
    SendDatagram,
    SendMessage,
    ServeClient,
    SetPath,
    UseRelay,
)
from macula.core.events import DatagramReceived, Event, PathMoved, PeerRefused
from macula.core.route import Relayed, Route
from macula.core.timers import earliest
from macula.identity import Identity, NodeId
from macula.providers.quic.admission import Accept, Admission, Reply
from macula.providers.quic.audit import Audit
from macula.providers.quic.authority import Authority, Credentials
from macula.providers.quic.certificate import make_certificate
from macula.providers.quic.closing import LOST, Closing
from macula.providers.quic.connection import Connection
from macula.providers.quic.connections import Connections, who
from macula.providers.quic.demux import Grave, destination_id, is_ours, is_quic, is_relayed, parse_header
from macula.providers.quic.diagnosis import NO_DIAGNOSIS, Diagnosis
from macula.providers.quic.dials import Dials
from macula.providers.quic.notes import (
    Credit,
    Doubt,
    Ended,
    Got,
    LaneEnded,
    Moved,
    Note,
    Opened,
    Overdue,
    Proved,
    Slowed,
)
from macula.providers.quic.path import Path
from macula.providers.quic.relay.port import RelayPort
from macula.providers.quic.sessions import Sessions, Verdict
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.state import State
from macula.providers.quic.tuned import TunedConnection, make_configuration
from macula.runtime.transport import HandshakeCounts, PathStatus, RelayCounts
from macula.wire import codes, encode

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
        authority: Authority | None = None,
    ) -> None:
        """`instance` is a number (1 to 2**159 - 1) that no other run of this node has; it tells peers of a restart.
        With an `authority` the endpoint is in CA mode."""
        self._settings = settings or QuicSettings()
        self._authority = authority
        self._run = make_certificate(identity, instance)
        self._client, self._server = (
            make_configuration(identity, self._run, self._settings, is_client=is_client, diagnosis=diagnosis)
            for is_client in (True, False)
        )
        if authority is not None:
            self.renew(authority.credentials)
        self._admission = Admission(self._settings, rng)
        self._connections = Connections(self._settings, rng, authority)
        self._audit = Audit(self._settings)
        self._relays = RelayPort(rng)
        self._datagrams: list[tuple[bytes, Route]] = []
        self._events: list[Event] = []
        report = self._events.append
        self._sessions = Sessions(identity.node_id, report, self._connections.touch)
        self._dials = Dials(
            identity.node_id, self._client, self._settings, self._connections, self._sessions, self._relays, report
        )

    @property
    def connections(self) -> int:
        """Connections of any state that are not closed."""
        return len(self._connections)

    @property
    def connection_ids(self) -> int:
        """Connection ids that are known, those of recently closed connections included."""
        return self._connections.ids

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
        relay = path.route.relay if isinstance(path.route, Relayed) else None
        address = self._relays.address(path.route)
        return PathStatus(address, session.active.rtt, path.hops, path.bytes_sent, path.bytes_received, relay)

    @property
    def relayed(self) -> RelayCounts:
        """What this node forwarded as a relay."""
        return self._relays.counts()

    @property
    def handshakes(self) -> HandshakeCounts:
        """Handshakes that others began."""
        return HandshakeCounts(self._connections.half_open, dict(self._admission.refused))

    @property
    def unread(self) -> int:
        """Bytes that came and cannot be read, for what is missing of them or before them."""
        return sum(part.size for connection in self._connections for part in connection.unread)

    def datagram_size(self, peer: NodeId) -> int | None:
        """The largest datagram that is sent to a connected peer, probes apart, in bytes."""
        session = self._sessions.get(peer)
        return session.active.datagram_size if session is not None else None

    def renew(self, credentials: Credentials) -> None:
        """In CA mode: show these certificates, and trust those roots, from the next handshake on."""
        if self._authority is not None:
            self._authority.renew(credentials)
            for configuration in (self._client, self._server):
                configuration.certificate, *chain = (*credentials.chain, self._run)
                configuration.certificate_chain = chain

    # Input.

    def receive(self, data: bytes, source: Address, now: float, ttl: int | None = None) -> None:
        """A datagram came from `source`, with this IP TTL if it is known. What is malformed is dropped."""
        self.receive_all(((data, source, ttl),), now)

    def receive_all(self, datagrams: Iterable[tuple[bytes, Address, int | None]], now: float) -> None:
        """As receive, several: each connection reads what is in them at once, which costs less."""
        heard: dict[int, Connection] = {}
        for data, source, ttl in datagrams:
            if is_quic(data):
                self._receive_quic(data, source, now, ttl, heard)
            elif is_relayed(data):
                self._receive_relayed(data, source, now, heard)
            elif is_ours(data):
                self._events.append(DatagramReceived(source, data))
        for connection in heard.values():
            connection.read(now)
            self._digest(connection, now)

    def _receive_relayed(self, frame: bytes, source: Address, now: float, heard: dict[int, Connection]) -> None:
        passed = self._relays.receive(frame, source, now)
        if passed is None:
            return
        data, route = passed
        if not isinstance(route, Relayed):
            self._datagrams.append((data, route))
        elif is_quic(data):
            self._receive_quic(data, route, now, None, heard)

    def _receive_quic(
        self, data: bytes, source: Route, now: float, ttl: int | None, heard: dict[int, Connection]
    ) -> None:
        cid = destination_id(data)
        if cid is None:
            return
        owner = self._connections.find(cid)
        if isinstance(owner, Grave):
            self._datagrams += owner.visit()
            return
        connection = owner or self._admit(data, source, now)
        if connection is None:
            return
        self._audit.heard(now)
        connection.receive(data, source, now, ttl)
        if owner is None and not connection.started:
            self._connections.discard(connection)
            return
        if connection.number not in heard:
            heard[connection.number] = connection
            self._connections.touch(connection)

    def refused(self, size: int, target: Address, now: float) -> None:
        """The system does not send datagrams of `size` bytes to `target`: they are larger than a local link carries."""
        for connection in self._connections:
            route = connection.path.route
            if self._relays.address(route) == target:
                connection.refused(size - self._relays.overhead(route), now)
                self._connections.touch(connection)

    def execute(self, effect: EndpointEffect, now: float) -> None:
        """Carry out an effect. Raises ArgumentError for a message that breaks a limit of its fields."""
        match effect:
            case Dial():
                self._dials.start(effect, now)
            case SendMessage():
                self.send((effect,))
            case Multicast():
                self._send_all(effect)
            case ClosePeer(peer, code, reason):
                session = self._sessions.get(peer)
                self._sessions.close(peer, Closing(code, reason), now)
                if session is not None:
                    self._connections.await_relayed(session.active)
            case PauseReading(peer, lane, paused):
                self._sessions.pause(peer, lane, paused)
            case SendDatagram(target, data):
                self._datagrams.append((data, target))
            case SetPath(peer, route):
                session = self._sessions.get(peer)
                if session is not None:
                    session.active.switch_path(route)
                    self._digest(session.active, now)
                    self._connections.touch(session.active)
            case ServeClient(client=peer) | EndClient(client=peer) | UseRelay(relay=peer) | LeaveRelay(relay=peer):
                session = self._sessions.get(peer)
                self._relays.execute(effect, session.active.path.route if session else None, now)
            case _:
                assert_never(effect)

    def send(self, messages: Sequence[SendMessage]) -> None:
        """As execute, of several messages in turn, which costs less."""
        for (peer, lane), run in groupby(messages, key=attrgetter("peer", "lane")):
            session = self._sessions.get(peer)
            if session is not None:
                frames = [encode(each.message, compressed=each.compressed) for each in run]
                session.active.send(lane, b"".join(frames))
                self._connections.touch(session.active)

    def handle_timer(self, now: float) -> None:
        """The time of next_deadline() has come."""
        if self._audit.next_at is not None and now >= self._audit.next_at:
            for connection, closing in self._audit.look(self._connections, now):
                self._connections.give_up(connection, closing)
        for connection in self._connections.pop_due(now):
            self._datagrams += connection.handle_timer(now)
            self._connections.touch(connection)
            self._digest(connection, now)

    def close(self, now: float) -> None:
        """Say goodbye to every peer and give up every dial. The endpoint is done when `connections` is 0."""
        goodbye = Closing(codes.GOING_AWAY, "the node is stopping")
        for peer in self.peers:
            self._sessions.close(peer, goodbye, now)
        for connection in self._connections:
            self._dials.abandon(connection, goodbye.reason)
            if connection.state is not State.LEAVING:
                self._connections.give_up(connection, goodbye)

    # Output.

    def events(self) -> list[Event]:
        """What has happened since the last call, oldest first."""
        events = self._events.copy()
        self._events.clear()
        return events

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        """What to send now. May make new events."""
        while (connection := self._connections.pop_touched()) is not None:
            self._datagrams += connection.flush(now)
            self._digest(connection, now)
            if connection.state is State.OVER:
                self._connections.bury(connection, now)
            else:
                self._connections.settle(connection)
        datagrams, self._datagrams = self._datagrams, []
        return self._relays.wrap(datagrams)

    def next_deadline(self) -> float | None:
        """When to call handle_timer; asked after datagrams_to_send."""
        return earliest(self._connections.next_deadline(), self._audit.next_at)

    # Connections.

    def _admit(self, data: bytes, source: Route, now: float) -> Connection | None:
        header = parse_header(data)
        if header is None:
            return None
        relay = source.relay if isinstance(source, Relayed) else None
        half_open = self._connections.half_open if relay is None else self._connections.half_open_of(relay)
        match self._admission.judge(header, len(data), source, half_open, now):
            case Reply(reply):
                self._datagrams.append((reply, source))
            case Accept(original_id, retry_source_id, proven):
                quic = TunedConnection(self._server, original_id, retry_source_id)
                path = Path([source], proven=proven, now=now)
                give_up_at = now + self._settings.handshake_timeout
                connection = self._connections.add(quic, path, give_up_at, [header.destination_cid])
                self._connections.inbound(connection, source)
                return connection
        return None

    # What connections report.

    def _digest(self, connection: Connection, now: float) -> None:
        while notes := connection.take_notes():
            for note in notes:
                self._note(connection, note, now)

    def _note(self, connection: Connection, note: Note, now: float) -> None:
        peer = connection.peer
        if isinstance(note, Ended):
            self._dials.ended(connection, note.closing, now)
            self._tell_refused(connection, note.closing)
        if peer is None:
            return
        match note:
            case Proved():
                if connection.attempt is not None:
                    self._dials.proven(connection, connection.attempt, peer, now)
            case Opened(lane):
                if not connection.is_client and connection.state is State.HANDSHAKE:
                    self._accepted(connection, peer, now)
                else:
                    self._sessions.lane_opened(connection, peer, lane)
            case LaneEnded(lane):
                self._sessions.lane_ended(connection, peer, lane)
            case Overdue():
                self._sessions.overdue(connection, peer)
            case Moved(route):
                if self._sessions.is_active(connection, peer):
                    self._relays.moved(peer, route)
                    self._events.append(PathMoved(peer, route))
            case Got() | Credit() | Doubt() | Slowed():
                self._sessions.note(connection, peer, note)
            case Ended(closing):
                self._sessions.ended(connection, peer, closing)

    def _accepted(self, connection: Connection, peer: NodeId, now: float) -> None:
        source = self._connections.completed(connection)
        if source is not None:
            self._admission.completed(source)
        if self._sessions.proven(connection, peer, now) in (Verdict.FIRST, Verdict.REPLACES):
            self._dials.announce(connection, peer, None)

    def _tell_refused(self, connection: Connection, closing: Closing) -> None:
        # An address that is not proven may be anybody's: it is not for a forger to fill our log with.
        if self._connections.is_half_open(connection) and connection.path.proven and closing.code not in _NO_FAULT:
            self._events.append(PeerRefused(who(connection), closing.code, closing.reason))

    def _send_all(self, effect: Multicast) -> None:
        frame = encode(effect.message, compressed=effect.compressed)
        for peer in effect.peers:
            session = self._sessions.get(peer)
            if session is not None:
                session.active.send(effect.lane, frame)
                self._connections.touch(session.active)
