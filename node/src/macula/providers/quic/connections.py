"""Every connection of an endpoint, from its first packet to its grave: ids, timers, what has something to send."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from macula.core.route import Relayed, Route
from macula.core.timers import Timers, earliest
from macula.identity import NodeId
from macula.providers.quic.authority import Authority
from macula.providers.quic.closing import Closing
from macula.providers.quic.connection import Connection
from macula.providers.quic.demux import ConnectionIds, Grave
from macula.providers.quic.outbound import OutboundLanes, make_uplink
from macula.providers.quic.path import Path
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.tuned import TunedConnection


def who(connection: Connection) -> NodeId | str:
    """The peer if it is proven, else where its packets come from."""
    route = connection.path.route
    return connection.peer or (f"somebody via {route.relay.short}" if isinstance(route, Relayed) else route.host)


class Connections:
    """Connections by number, in the order in which they began."""

    def __init__(self, settings: QuicSettings, rng: random.Random, authority: Authority | None = None) -> None:
        self._settings = settings
        self._rng = rng
        self._authority = authority
        self._uplink = make_uplink(settings)
        self._ids = ConnectionIds(settings.linger_time)
        self._connections: dict[int, Connection] = {}
        self._half_open: dict[int, Route] = {}
        self._timers: Timers[int] = Timers()
        self._dirty: dict[int, Connection] = {}
        self._flushed: dict[int, Connection] = {}
        """Those whose deadline may have changed since it was asked."""
        self._count = 0

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._connections.values())

    @property
    def ids(self) -> int:
        """Connection ids that are known, those of recently closed connections included."""
        return len(self._ids)

    @property
    def half_open(self) -> int:
        """Inbound handshakes under way."""
        return len(self._half_open)

    def half_open_of(self, relay: NodeId) -> int:
        """Inbound handshakes under way through one relay."""
        return sum(isinstance(route, Relayed) and route.relay == relay for route in self._half_open.values())

    def find(self, cid: bytes) -> Connection | Grave | None:
        """Whose connection id this is."""
        return self._ids.get(cid)

    def add(self, quic: TunedConnection, path: Path, handshake_at: float, cids: Iterable[bytes] = ()) -> Connection:
        """A new connection, found by these ids beside its own."""
        self._count += 1
        outbound = OutboundLanes(quic, self._settings, self._uplink)
        connection = Connection(
            self._count, quic, outbound, path, self._settings, handshake_at, self._rng, self._authority
        )
        connection.cids.update(dict.fromkeys(cids))
        self._connections[self._count] = connection
        self._ids.update(connection)
        return connection

    def inbound(self, connection: Connection, source: Route) -> None:
        """A client at `source` began this connection; its handshake is under way."""
        self._half_open[connection.number] = source

    def is_half_open(self, connection: Connection) -> bool:
        """Whether a client's handshake is still under way."""
        return connection.number in self._half_open

    def completed(self, connection: Connection) -> Route | None:
        """A client has completed its handshake; where it began it, once."""
        return self._half_open.pop(connection.number, None)

    def touch(self, connection: Connection) -> None:
        """It has something to send or to report, or another deadline."""
        if connection.number in self._connections:
            self._dirty[connection.number] = connection

    def pop_touched(self) -> Connection | None:
        """The next connection to flush; call `settle` or `bury` after that."""
        return self._dirty.pop(next(iter(self._dirty))) if self._dirty else None

    def settle(self, connection: Connection) -> None:
        """Take over its ids now, and its deadline when that is asked for: what is to be sent does not wait for it."""
        self._ids.update(connection)
        self._flushed[connection.number] = connection

    def give_up(self, connection: Connection, closing: Closing) -> None:
        """Close it now."""
        connection.close(closing)
        self.touch(connection)

    def bury(self, connection: Connection, now: float) -> None:
        """It is over; late packets get its last words for a while."""
        self._ids.bury(connection, now)
        self._remove(connection)
        if isinstance(connection.path.route, Relayed):
            for other in self:
                if other.needed and other.peer == connection.path.route.relay:
                    self.await_relayed(other)
                    self.touch(other)

    def await_relayed(self, leaving: Connection) -> None:
        """A connection that is being closed stays until the last words of those are said that go through its peer."""
        routes = [connection.path.route for connection in self]
        leaving.needed = any(isinstance(route, Relayed) and route.relay == leaving.peer for route in routes)

    def discard(self, connection: Connection) -> None:
        """Remove it without a trace."""
        self._ids.forget(connection)
        self._remove(connection)

    def pop_due(self, now: float) -> list[Connection]:
        """Those whose deadline has come."""
        self._set_timers()
        self._ids.expire(now)
        return [self._connections[number] for number in self._timers.pop_due(now)]

    def next_deadline(self) -> float | None:
        """When to call pop_due."""
        self._set_timers()
        return earliest(self._timers.next(), self._ids.next_expiry())

    def _set_timers(self) -> None:
        for number, connection in self._flushed.items():
            deadline = connection.deadline()
            if deadline is None:
                self._timers.cancel(number)
            else:
                self._timers.set(number, deadline)
        self._flushed.clear()

    def _remove(self, connection: Connection) -> None:
        del self._connections[connection.number]
        self._half_open.pop(connection.number, None)
        self._dirty.pop(connection.number, None)
        self._flushed.pop(connection.number, None)
        self._timers.cancel(connection.number)
