"""One connection to one peer: a QuicConnection, its lanes, its path and its deadlines."""

from __future__ import annotations

import random

from aioquic.quic import events as quic_events

from macula.core.lanes import Lane
from macula.core.route import Route
from macula.core.timers import earliest
from macula.errors import IdentityError, ProtocolError
from macula.identity import NodeId
from macula.providers.quic.authority import Authority
from macula.providers.quic.certificate import read_certificate
from macula.providers.quic.closing import APPLICATION_CODE, LOST, TRANSPORT_ERROR, Closing, decode_end, encode_phrase
from macula.providers.quic.dialing import Attempt
from macula.providers.quic.lanes import InboundLanes, Reading, Unread
from macula.providers.quic.mtu import PathMtu, room
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
from macula.providers.quic.outbound import OutboundLanes
from macula.providers.quic.path import Path, Sent
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.silence import Silence
from macula.providers.quic.state import State
from macula.providers.quic.tuned import VIRTUAL_ADDRESS, TunedConnection
from macula.wire import codes

_ROUNDING = 1e-6
_SETTLING_TIME = 0.1
"""Seconds from the handshake to the first probe of the path's MTU."""


class Connection:
    """Call `flush` after every other call, then read `take_notes` and `deadline`. Never raises on what a peer did."""

    def __init__(
        self,
        number: int,
        quic: TunedConnection,
        outbound: OutboundLanes,
        path: Path,
        settings: QuicSettings,
        handshake_at: float,
        rng: random.Random,
        authority: Authority | None = None,
    ) -> None:
        """`handshake_at` is when the handshake must be over, in `now`; `authority` must certify the peer, if any."""
        self.number = number
        self.path = path
        self.state = State.HANDSHAKE
        self.is_client = quic.configuration.is_client
        self.attempt: Attempt | None = None
        self.peer: NodeId | None = None
        self.instance = 0
        self.farewell: tuple[tuple[bytes, Route], ...] = ()
        self.cids: dict[bytes, None] = {quic.host_cid: None}
        self.inbound = InboundLanes(settings)
        self.needed = False
        """Whether others still go through the peer: then leaving waits for them, up to its timeout."""
        self._mtu = PathMtu(settings.max_datagram_size, rng)
        self._quic = quic
        self._authority = authority
        self._settings = settings
        self._outbound = outbound
        self._notes: list[Note] = []
        self._closing: Closing | None = None
        self._state_at: float | None = handshake_at
        self._hold_at: float | None = None
        self._keep_alive_at: float | None = None
        self._silence = Silence(settings.suspect_timeouts)

    @property
    def suspect(self) -> bool:
        """Whether what is sent to the peer is not acknowledged."""
        return self._silence.suspect

    @property
    def rtt(self) -> float:
        """Smoothed round-trip time in seconds."""
        return self._quic.rtt

    @property
    def datagram_size(self) -> int:
        """The largest datagram that is sent, in bytes: what the path is known to carry. Probes are larger."""
        return self._quic.datagram_size

    @property
    def unread(self) -> list[Unread]:
        """What came and cannot be read, for what is missing of it or before it."""
        return self.inbound.unread(self._quic.incomplete)

    @property
    def over(self) -> bool:
        """Whether the connection is closed: nothing more can be done with it."""
        return self.state is State.OVER

    @property
    def started(self) -> bool:
        """Whether any packet of the peer could be decrypted."""
        return self._quic.started

    def connect(self, now: float) -> None:
        """Start the handshake as a client."""
        self._quic.connect(VIRTUAL_ADDRESS, now)

    def receive(self, data: bytes, source: Route, now: float, ttl: int | None) -> None:
        """A datagram with one of this connection's ids came; `read` says what was in it and those before."""
        quic = self._quic
        proofs, newest = quic.proofs, quic.newest_packet
        self.path.received(source, len(data), ttl)
        try:
            quic.receive_datagram(data, VIRTUAL_ADDRESS, now)
            if quic.proofs != proofs:
                self.path.answered(source)
                if quic.newest_packet > newest and self.path.leads_elsewhere(source):
                    self.switch_path(source)
                self._heard(now)
        except Exception as error:  # noqa: BLE001 - a fault of the library must cost one connection, not the node
            self._break(error)

    def read(self, now: float) -> None:
        """Take what has come."""
        try:
            for event in self._quic.take_events():
                match event:
                    case quic_events.StreamDataReceived(data, end_stream, stream_id):
                        self._stream(stream_id, data, end_stream, now)
                    case quic_events.HandshakeCompleted():
                        self._prove()
                    case quic_events.StreamReset() | quic_events.StopSendingReceived():
                        raise ProtocolError(codes.UNEXPECTED, "lanes are never reset")
                    case quic_events.ConnectionIdIssued(connection_id):
                        self.cids[connection_id] = None
                    case quic_events.ConnectionIdRetired(connection_id):
                        self.cids.pop(connection_id, None)
            self._grant()
        except ProtocolError as error:
            self.close(Closing(error.code, error.reason))
        except Exception as error:  # noqa: BLE001 - as in receive
            self._break(error)

    def handle_timer(self, now: float) -> Sent:
        """A deadline has come. Returns first flights to further addresses of a dial."""
        if self._state_at is not None and now >= self._state_at:
            self._state_at = None
            self._time_is_up()
        if self._hold_at is not None and now >= self._hold_at:
            self._hold_at = now + self._settings.lame_duck_time if self.inbound.continues else None
            if self.inbound.continues:
                self._notes.append(Overdue())
        if self._keep_alive_at is not None and now >= self._keep_alive_at:
            self._keep_alive_at = now + self._settings.keep_alive
            self._quic.send_ping(0)
        try:
            timer = self._quic.get_timer()
            if timer is not None and now >= timer:
                # aioquic compares sent + delay with now in one place and sent with now - delay in another: rounding
                # could make a timer that is due find nothing to do, for ever if time stands still meanwhile.
                self._quic.handle_timer(now + _ROUNDING)
        except Exception as error:  # noqa: BLE001 - as in receive
            self._break(error)
        return self.path.start_next(now)

    def deadline(self) -> float | None:
        """When to call handle_timer next."""
        if self.state is State.OVER:
            return None
        return earliest(
            self._quic.get_timer(),
            self._state_at,
            self._hold_at,
            self._keep_alive_at,
            self.path.next_start,
            self._mtu.next_at if self._mtu.next_at is not None and self._settled else None,
            self._resume_at(),
            self._outbound.bulk_at,
            self._silence.at if self.state is State.ACTIVE else None,
        )

    def flush(self, now: float) -> Sent:
        """The datagrams to send now. If they close the connection they are kept as its `farewell`."""
        if self.over:
            return []
        self._read_on(now)
        leaving = self.state is State.LEAVING and not self.needed
        if leaving and self._closing is not None and not self._outbound.unacknowledged:
            self.close(self._closing)
        out: Sent = []
        try:
            self._fit(now)
            self._outbound.flush(now)
            for data, _ in self._quic.datagrams_to_send(now):
                out += self.path.send(data)
            if self._mtu.next_at is not None and self._settled and (probe := self._mtu.due(now)) is not None:
                out += self.path.send(self._quic.probe(probe, now))
            self._collect_ids()
        except Exception as error:  # noqa: BLE001 - as in receive
            self._break(error)
        self._judge(now)
        if self._quic.end is not None and not self.over:
            self.farewell = tuple(out)
            # What came before the end is not lost, but for what is over the rate.
            self._read_on(now, last=True)
            self._over(self._closing or self._end_of(self._quic.end))
        return out

    def take_notes(self) -> list[Note]:
        """What has happened since the last call."""
        notes, self._notes = self._notes, []
        return notes

    def activate(self, *, continues: bool, now: float) -> None:
        """Become the peer's connection: open the lanes, as new ones or as those of another connection."""
        self.state = State.ACTIVE
        self._mtu.restart(now + _SETTLING_TIME, room(self.path.route))
        self._heard(now)
        self._outbound.open(continues=continues)

    def retire(self, now: float) -> None:
        """Become a lame duck: end the lanes that were opened, go on receiving for a while."""
        self.state = State.LAME
        self._keep_alive_at = None
        self._state_at = now + self._settings.lame_duck_time
        if self._closing is None:
            self._outbound.end()

    def send(self, lane: Lane, frame: bytes) -> None:
        """Write a frame to a lane. It goes out even if it blocks the lane; on a closing connection it is lost,
        and on a lane that the peer does not have."""
        if self._closing is None and self.state is not State.OVER and self._outbound.write(lane, frame):
            self._notes.append(Credit(lane, True))

    def release(self, lane: Lane) -> None:
        """The peer has ended this lane on the other connection: the next flush delivers what waited for that."""
        self.inbound.release(lane)

    def pause(self, lane: Lane, paused: bool) -> None:
        """Stop or go on opening the peer's window on a lane."""
        self.inbound.pause(lane, paused)
        self._grant()

    def leave(self, closing: Closing, now: float) -> None:
        """Close once everything sent is acknowledged, or after close_timeout."""
        self.state = State.LEAVING
        self._closing = closing
        self._state_at = now + self._settings.close_timeout
        self._keep_alive_at = None

    def close(self, closing: Closing) -> None:
        """Close now: the next flush tells the peer."""
        if self._closing is None:
            self._closing = closing
        self._quic.close(error_code=APPLICATION_CODE, reason_phrase=encode_phrase(self._closing))

    def switch_path(self, route: Route) -> None:
        """Send everything by another route from now on, in datagrams of the smallest size at first."""
        moved = route != self.path.route
        self.path.switch(route)
        self._mtu.restart(0.0, room(route))
        self._quic.resize(self._mtu.size)
        self._quic.reset_path()
        self._outbound.moved()
        self._silence.moved()
        if moved:
            self._notes.append(Moved(route))

    def refused(self, size: int, now: float) -> None:
        """The system does not send datagrams of `size` bytes to the path's address."""
        self._mtu.refused(size, now)

    def blocked_lanes(self) -> list[Lane]:
        """Lanes that are over their credit."""
        return self._outbound.blocked

    def _resume_at(self) -> float | None:
        at = self.inbound.resume_at
        return at if at is not None and self._reads else None

    @property
    def _reads(self) -> bool:
        return self.state not in (State.LEAVING, State.OVER) and self.peer is not None and self._closing is None

    @property
    def _settled(self) -> bool:
        return self.state is State.ACTIVE and self.path.proven and self._closing is None and self._quic.end is None

    def _fit(self, now: float) -> None:
        self._mtu.learn(self._quic.outcomes, self._quic.congestion.large_losses, now)
        self._quic.outcomes.clear()
        self._quic.resize(self._mtu.size)

    def _heard(self, now: float) -> None:
        self._silence.heard()
        if self.state is State.ACTIVE:
            self._keep_alive_at = now + self._settings.keep_alive
            # QUIC's own idle timer starts again with every first packet sent, so with the first ping, too.
            self._state_at = now + self._settings.idle_timeout
        elif self.state is State.LAME:
            self._state_at = now + self._settings.lame_duck_time

    def _collect_ids(self) -> None:
        # Only ids are issued while datagrams are built; they must be known before the first answer to them.
        for event in self._quic.take_events():
            if isinstance(event, quic_events.ConnectionIdIssued):
                self.cids[event.connection_id] = None

    def _prove(self) -> None:
        try:
            shown = self._quic.peer_certificates
            peer, self.instance = read_certificate(shown)
            if self._authority is not None:
                host = self.attempt.host if self.attempt is not None else ""
                self._authority.check(shown, dialed=self.is_client, host=host)
        except IdentityError as error:
            self.close(Closing(error.code, str(error)))
            return
        self.peer = peer
        self.path.settle()
        self.inbound.expected = min(len(Lane), self._quic.streams_allowed)
        self._notes.append(Proved())

    def _stream(self, stream_id: int, data: bytes, end: bool, now: float) -> None:
        if not self._reads:
            return
        fresh = not self.inbound.knows(stream_id)
        reading = self.inbound.feed(stream_id, data, end, now)
        if fresh:
            self._notes.append(Opened(reading[0]))
            if self.inbound.continues and self._hold_at is None:
                self._hold_at = now + self._settings.lame_duck_time
        self._tell(reading)

    def _read_on(self, now: float, *, last: bool = False) -> None:
        if self._resume_at() is None:
            return
        try:
            for reading in self.inbound.read_on(now, last=last):
                self._tell(reading)
        except ProtocolError as error:
            self.close(Closing(error.code, error.reason))
        self._grant()

    def _tell(self, reading: Reading) -> None:
        lane, decoded, ended, slowed = reading
        if decoded:
            self._notes.append(Got(lane, decoded))
        if ended:
            self._notes.append(LaneEnded(lane))
        if slowed:
            self._notes.append(Slowed(lane))

    def _grant(self) -> None:
        grants = self.inbound.grants()
        limit = self.inbound.connection_limit if grants else 0
        for stream_id, stream_limit in grants:
            self._quic.grant(stream_id, stream_limit, limit)

    def _time_is_up(self) -> None:
        match self.state:
            case State.HANDSHAKE:
                self.close(Closing(LOST, "no answer in time"))
            case State.ACTIVE:
                self.close(Closing(LOST, f"nothing came for {self._settings.idle_timeout:g} s"))
            case State.LAME:
                self.close(Closing(codes.DUPLICATE, "the other connection stays"))
            case State.LEAVING if self._closing is not None:
                self.close(self._closing)

    def _judge(self, now: float) -> None:
        for lane in self._outbound.unblock():
            self._notes.append(Credit(lane, False))
        if self.state is State.ACTIVE:
            quic = self._quic
            suspect = self._silence.judge(quic.newest_acknowledged, quic.waits, quic.probe_timeout, now)
            if suspect is not None:
                self._notes.append(Doubt(suspect))

    def _end_of(self, end: quic_events.ConnectionTerminated) -> Closing:
        return Closing(LOST, end.reason_phrase.lower()) if self._quic.expired else decode_end(end)

    def _break(self, error: Exception) -> None:
        if self.state is not State.OVER:
            self._over(Closing(TRANSPORT_ERROR, f"{type(error).__name__}: {error}"))

    def _over(self, closing: Closing) -> None:
        self.state = State.OVER
        self._notes.append(Ended(closing))
