"""One connection per peer: which of two stays.

A node that dialed opens its lanes as soon as the handshake is complete, and drops the new connection instead if it has
one to that peer already. So two connections meet only if both sides dialed each other and neither had heard of the
other's connection when it opened its lanes. Both then keep the one whose client has the smaller NodeId; the other side
ends its lanes on the loser and goes on with them on the winner, marked as continuing, which keeps their order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from macula.core.events import Event, LaneSlowed, MessageReceived, PeerLost, PeerSuspect, SendBlocked, SendReady
from macula.core.lanes import Lane
from macula.identity import NodeId
from macula.providers.quic.closing import Closing
from macula.providers.quic.connection import Connection
from macula.providers.quic.notes import Credit, Doubt, Got, Slowed
from macula.providers.quic.state import State
from macula.wire import codes, encode
from macula.wire.messages import Disconnect

MAX_REASON = 1024
"""Characters of a reason that Disconnect carries; a longer one, which may quote the peer, is cut."""


class Verdict(Enum):
    """What becomes of a connection that has just been proven."""

    FIRST = auto()
    """There was none."""
    REPLACES = auto()
    """The old one is gone: its peer has restarted, or has given it up and dialed again."""
    SURPLUS = auto()
    """Not needed: nothing was sent on it, drop it."""
    WINS = auto()
    """Both dialed; this one stays and the old one becomes a lame duck."""
    LOSES = auto()
    """Both dialed; this one becomes a lame duck."""


@dataclass(slots=True)
class Session:
    """A connected peer. `lame` still receives; `handed_over` are lanes that the peer ended on it."""

    active: Connection
    lame: Connection | None = None
    handed_over: set[Lane] = field(default_factory=set)

    def hand_over(self, lane: Lane) -> None:
        """The peer goes on with this lane on the active connection."""
        self.handed_over.add(lane)
        self.active.release(lane)

    def opened(self, lane: Lane) -> None:
        """The peer opened a lane on the active connection."""
        if lane in self.handed_over:
            self.active.release(lane)

    def lame_is_over(self) -> None:
        """Nothing more comes on the loser."""
        self.lame = None
        for lane in Lane:
            self.hand_over(lane)


def arbitrate(active: Connection | None, new: Connection, own: NodeId) -> Verdict:
    """Compare a new connection with the peer's active one. `own` is this node."""
    if active is None:
        return Verdict.FIRST
    if active.instance != new.instance:
        return Verdict.REPLACES
    # Doubt is this side's alone: the other one, which may only be slow, takes crossing dials for what they are.
    if new.is_client:
        return Verdict.REPLACES if active.suspect else Verdict.SURPLUS
    # The peer opens lanes only on a connection that it uses. If it has done so on ours, it has given that up since,
    # unless it said there that it continues from another one: then this is that other one, arriving late.
    unused = not active.inbound.opened or active.inbound.continues
    if not active.is_client or not unused:
        return Verdict.REPLACES
    return Verdict.LOSES if own < (new.peer or own) else Verdict.WINS


class Sessions:
    """Every connected peer, and what its connections mean to the node."""

    def __init__(self, own: NodeId, report: Callable[[Event], None], touch: Callable[[Connection], None]) -> None:
        """`report` takes events for the engine, `touch` a connection that has something to send or to report."""
        self._own = own
        self._report = report
        self._touch = touch
        self._sessions: dict[NodeId, Session] = {}

    @property
    def peers(self) -> tuple[NodeId, ...]:
        """Every connected peer, in the order in which they connected."""
        return tuple(self._sessions)

    def get(self, peer: NodeId) -> Session | None:
        """The session of a connected peer."""
        return self._sessions.get(peer)

    def is_active(self, connection: Connection, peer: NodeId) -> bool:
        """Whether this is the connection that a connected peer is sent to on."""
        session = self._sessions.get(peer)
        return session is not None and session.active is connection

    def proven(self, connection: Connection, peer: NodeId, now: float) -> Verdict:
        """A connection to the peer is proven: it becomes its session's, or goes."""
        session = self._sessions.get(peer)
        verdict = arbitrate(session.active if session else None, connection, self._own)
        match verdict:
            case Verdict.SURPLUS:
                self._close(connection, Closing(codes.DUPLICATE, "there is a connection already"))
            case Verdict.LOSES if session is not None:
                session.lame = connection
                connection.retire(now)
            case Verdict.WINS if session is not None:
                self._hand_over(peer, session, connection, now)
            case _:
                if session is not None:
                    self._drop(peer, session, Closing(codes.DUPLICATE, "replaced by a new connection"))
                self._sessions[peer] = Session(connection)
                connection.activate(continues=False, now=now)
        return verdict

    def lane_opened(self, connection: Connection, peer: NodeId, lane: Lane) -> None:
        """The peer opened a lane on a proven connection."""
        session = self._sessions.get(peer)
        if session is not None and session.active is connection:
            session.opened(lane)

    def lane_ended(self, connection: Connection, peer: NodeId, lane: Lane) -> None:
        """The peer ended a lane, which only a lame duck's peer may."""
        session = self._sessions.get(peer)
        if session is None:
            return
        if session.active is connection:
            self._close(connection, Closing(codes.UNEXPECTED, "a lane was ended"))
        elif session.lame is connection:
            session.hand_over(lane)
            self._touch(session.active)
            if connection.inbound.all_ended:
                self._close(connection, Closing(codes.DUPLICATE, "the other connection stays"))

    def overdue(self, connection: Connection, peer: NodeId) -> None:
        """Lanes wait for another connection: if there is none, they have waited long enough."""
        session = self._sessions.get(peer)
        if session is not None and session.active is connection and session.lame is None:
            session.lame_is_over()

    def note(self, connection: Connection, peer: NodeId, note: Got | Credit | Doubt | Slowed) -> None:
        """Something that the engine learns, if it comes from a connection that counts."""
        session = self._sessions.get(peer)
        if session is None or (connection is not session.active and connection is not session.lame):
            return
        match note:
            case Got(lane, decoded):
                for message, size in decoded:
                    self._report(MessageReceived(peer, lane, message, size))
            case Credit(lane, blocked) if connection is session.active:
                self._report(SendBlocked(peer, lane) if blocked else SendReady(peer, lane))
            case Slowed(lane):
                self._report(LaneSlowed(peer, lane))
            case Doubt(suspect) if connection is session.active:
                self._report(PeerSuspect(peer, suspect))

    def ended(self, connection: Connection, peer: NodeId, closing: Closing) -> None:
        """A proven connection is over."""
        session = self._sessions.get(peer)
        if session is None:
            return
        if session.lame is connection:
            session.lame_is_over()
            self._touch(session.active)
        elif session.active is connection:
            self._drop(peer, session, closing)
            self._report(PeerLost(peer, closing.code, closing.reason))

    def close(self, peer: NodeId, closing: Closing, now: float) -> None:
        """Tell the peer and close, after what was sent before."""
        session = self._sessions.get(peer)
        if session is None:
            return
        session.active.send(Lane.CONTROL, encode(Disconnect(closing.code, closing.reason[:MAX_REASON])))
        session.active.leave(closing, now)
        self._drop(peer, session, closing)
        self._report(PeerLost(peer, closing.code, closing.reason))

    def pause(self, peer: NodeId, lane: Lane, paused: bool) -> None:
        """Stop or go on opening the peer's window on a lane."""
        session = self._sessions.get(peer)
        for connection in (session.active, session.lame) if session else ():
            if connection is not None:
                connection.pause(lane, paused)
                self._touch(connection)

    def _hand_over(self, peer: NodeId, session: Session, winner: Connection, now: float) -> None:
        loser = session.active
        blocked = loser.blocked_lanes()
        for lane in Lane:
            winner.pause(lane, loser.inbound.is_paused(lane))
        loser.retire(now)
        winner.activate(continues=True, now=now)
        session.active, session.lame = winner, loser
        self._touch(loser)
        for lane in blocked:
            self._report(SendReady(peer, lane))

    def _drop(self, peer: NodeId, session: Session, closing: Closing) -> None:
        del self._sessions[peer]
        for connection in (session.active, session.lame):
            if connection is not None and connection.state is not State.LEAVING:
                self._close(connection, closing)
            elif connection is not None:
                self._touch(connection)

    def _close(self, connection: Connection, closing: Closing) -> None:
        if not connection.over:
            connection.close(closing)
            self._touch(connection)
