"""Every Dial gets one answer: a connection of its own, the one that there is, or a failure."""

from __future__ import annotations

from collections.abc import Callable

from aioquic.quic.configuration import QuicConfiguration

from macula.core.effects import Dial
from macula.core.events import UNREACHABLE, DialFailed, Event, PeerConnected, PeerRefused
from macula.core.route import Relayed, Route
from macula.identity import NodeId
from macula.providers.quic.closing import LOST, Closing
from macula.providers.quic.connection import Connection
from macula.providers.quic.connections import Connections, who
from macula.providers.quic.dialing import Attempt
from macula.providers.quic.path import Path
from macula.providers.quic.relay.port import RelayPort
from macula.providers.quic.sessions import Sessions, Verdict
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.tuned import TunedConnection
from macula.wire import codes


class Dials:
    """The attempts of a node to connect, each on the connection that it waits for."""

    def __init__(
        self,
        own: NodeId,
        configuration: QuicConfiguration,
        settings: QuicSettings,
        connections: Connections,
        sessions: Sessions,
        relays: RelayPort,
        report: Callable[[Event], None],
    ) -> None:
        """`report` takes events for the engine."""
        self._own = own
        self._configuration = configuration
        self._settings = settings
        self._connections = connections
        self._sessions = sessions
        self._relays = relays
        self._report = report

    def start(self, effect: Dial, now: float) -> None:
        """Connect, unless there is a connection already that does its work."""
        session = self._sessions.get(effect.expected) if effect.expected else None
        if session is not None and not session.active.suspect and effect.expected:
            self._report(PeerConnected(effect.expected, session.active.path.route, effect.dial, fresh=False))
            return
        attempt = Attempt(effect.dial, self._routes(effect), effect.expected, now + effect.timeout, effect.host)
        if effect.expected == self._own:
            attempt.failures.append("this is the node itself")
            attempt.routes = ()
        self._try(attempt, now)

    def proven(self, connection: Connection, attempt: Attempt, peer: NodeId, now: float) -> None:
        """Somebody answered and proved to be `peer`."""
        if peer == self._own:
            wrong = "this is the node itself"
        elif attempt.expected is not None and peer != attempt.expected:
            wrong = f"expected {attempt.expected}, found {peer}"
            attempt.code = codes.BAD_IDENTITY
        else:
            connection.attempt = None
            if self._sessions.proven(connection, peer, now) is Verdict.SURPLUS:
                self._report(PeerConnected(peer, connection.path.route, attempt.dial, fresh=False))
            else:
                self.announce(connection, peer, attempt.dial)
            return
        self._connections.give_up(connection, Closing(codes.BAD_IDENTITY, wrong))

    def announce(self, connection: Connection, peer: NodeId, dial: int | None) -> None:
        """Tell the engine of a new session. It answers every dial to this peer: their connections are given up."""
        dials = [] if dial is None else [dial]
        for other in self._connections:
            if other.attempt is not None and other.attempt.expected == peer:
                dials.append(other.attempt.dial)
                other.attempt = None
                self._connections.give_up(other, Closing(codes.DUPLICATE, "there is a connection already"))
        route = connection.path.route
        self._relays.moved(peer, route)
        self._report(PeerConnected(peer, route, dials[0] if dials else None))
        for answered in dials[1:]:
            self._report(PeerConnected(peer, route, answered, fresh=False))

    def ended(self, connection: Connection, closing: Closing, now: float) -> None:
        """A connection is over: if a dial waits for it, try what is left."""
        attempt, connection.attempt = connection.attempt, None
        if attempt is None:
            return
        if closing.code == LOST:
            attempt.unanswered(connection.path.tried, closing.reason)
        else:
            attempt.failed(connection.path.route, f"{closing.code}: {closing.reason}")
            if closing.code in codes.CERTIFICATE:
                self._report(PeerRefused(who(connection), closing.code, closing.reason))
        self._try(attempt, now)

    def abandon(self, connection: Connection, reason: str) -> None:
        """The node stops: who waits for this connection is told."""
        attempt, connection.attempt = connection.attempt, None
        if attempt is not None:
            self._report(DialFailed(attempt.dial, UNREACHABLE, reason))

    def _routes(self, dial: Dial) -> tuple[Route, ...]:
        relays: list[Route] = []
        if dial.expected is not None:
            relays = [Relayed(relay, dial.expected) for relay in dial.relays if self._relays.uses(relay)]
        return tuple(dict.fromkeys([*relays, *dial.addresses]))[: self._settings.max_dial_addresses]

    def _try(self, attempt: Attempt, now: float) -> None:
        if not attempt.routes or now >= attempt.deadline:
            self._report(attempt.outcome)
            return
        settings = self._settings
        stagger, tunnel_stagger = settings.dial_stagger, settings.tunnel_stagger
        path = Path(attempt.routes, proven=True, now=now, stagger=stagger, tunnel_stagger=tunnel_stagger)
        connection = self._connections.add(TunedConnection(self._configuration), path, attempt.deadline)
        connection.attempt = attempt
        connection.connect(now)
        self._connections.settle(connection)
        self._connections.touch(connection)
