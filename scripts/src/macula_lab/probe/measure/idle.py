"""How long a mapping lives, and what keeps it alive (RFC 4787, section 4.3)."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from macula_lab.probe.asking import GRACE, Asker, tried
from macula_lab.probe.channel import Channel
from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.measure.together import together
from macula_lab.probe.measure.token import new_token
from macula_lab.probe.measure.vantage import Vantage
from macula_lab.probe.observations import Idle, Place, Story

EARLY = 0.7
"""of the lifetime, after which a mapping must still be there"""
RENEWAL = 0.6
"""of the lifetime, after which a packet renews it, or only seems to"""
BEYOND = 0.5
"""seconds after the lifetime, when a mapping must not be there any more"""
ROUNDS = 3

Way = Callable[[], Endpoint | None]
Send = Callable[..., None]


def idle(vantage: Vantage, lifetime: float) -> tuple[Idle, ...]:
    """Leave mappings alone in several ways at the same time, and see what still comes in. Takes about the lifetime.

    The outsider sends from the primary place, which each socket has sent to, so that no filter is in the way. Time
    since the last packet from inside is measured, not assumed: where the machine was too slow to tell a mapping that
    died early from one that was looked at late, it is done again.
    """
    told = together({story: partial(_conclusive, vantage, story, lifetime) for story in _STORIES})
    return tuple(one for one in told.values() if one)


def _conclusive(vantage: Vantage, story: Story, lifetime: float) -> Idle | None:
    for _ in range(ROUNDS):
        with vantage.channel() as channel, vantage.sockets(vantage.inside) as [asker]:
            seen = _STORIES[story](_Mapping(vantage, channel, asker), lifetime)
        if seen is None or conclusive(seen, lifetime):
            break
    return seen


def conclusive(seen: Idle, lifetime: float) -> bool:
    """Whether it can be believed. Pure.

    Not when a mapping that should live was looked at too late, nor when one that should be gone was in the way: a
    random port is the same again once in as many times as there are ports. So may be that
    of another flow that begins meanwhile; it lets in what still comes to the ended one, where the connection table has
    been kept busy from outside.
    """
    match seen.story:
        case Story.KEPT | Story.RENEWED | Story.ANSWERED:
            return seen.alive or seen.idle < lifetime
        case Story.GONE:
            return not seen.obstructed
        case Story.INBOUND:
            return not seen.alive


class _Mapping:
    """A mapping that is left alone, or renewed."""

    def __init__(self, vantage: Vantage, channel: Channel, asker: Asker) -> None:
        self._vantage, self._channel, self._asker = vantage, channel, asker
        self.outside: Endpoint | None = None
        self._before = self._after = 0.0
        self.renew()

    def renew(self) -> None:
        """Send a packet from inside."""
        self._before = time.monotonic()
        self.outside = self._vantage.outside(self._asker)
        self._after = time.monotonic()

    def rest(self, until: float) -> None:
        """Wait until so many seconds have gone since the last packet from inside."""
        time.sleep(max(0.0, self._after + until - time.monotonic()))

    def look(self, story: Story, *ways: Way) -> Idle:
        """Whether something comes in by each of these ways, or by the outsider's if none is named.

        `idle` is what is certain: at least so long, if it comes, and at most so long, if it does not.
        """
        at_least = time.monotonic() - self._after
        alive = all(way() for way in ways or [self.from_server])
        at_most = time.monotonic() - self._before
        return Idle(story, at_least if alive else at_most, alive)

    def obstructs(self) -> bool:
        """Whether a neighbour who asks from the same port finds the old flow in the way, or this socket finds it again.

        The neighbour takes the outside port where ports are preserved, so that the socket cannot have it again.
        """
        if self._vantage.neighbour is None:
            return False
        with Asker(self._vantage.neighbour, self._asker.local.port) as heir:
            return self._vantage.outside(heir) is None or self._vantage.outside(self._asker) == self.outside

    def moved(self) -> bool:
        """Whether other ports of the primary address see the socket come from elsewhere.

        Two of them are asked: a random port may be the same by chance.
        """
        if self._vantage.outside(self._asker, Place.OTHER_PORT) != self.outside:
            return True
        at, token = self._channel.open(self._vantage.server.address), new_token()
        source = tried(
            lambda: self._asker.socket.send(token, at),
            lambda _until: self._channel.source_of(token, at, GRACE),
            self._vantage.fence,
        )
        return source != self.outside

    def caller(self) -> tuple[Endpoint, Way] | None:
        """Somebody who begins a flow to the socket, and how others can: an outsider, else a neighbour."""
        for way in (self._from_outsider, self._from_neighbour):
            if source := way():
                return source, way
        return None

    def reply(self, to: Endpoint) -> None:
        """Send a packet from inside to somebody who began."""
        self._before = time.monotonic()
        self._asker.socket.send(new_token(), to)
        self._after = time.monotonic()

    def from_server(self) -> Endpoint | None:
        """Whom the socket sees when its mapping is sent to from the primary place; None when nothing comes."""
        return self._sent_to_mapping(partial(self._channel.send, origin=self._vantage.server))

    def _from_outsider(self) -> Endpoint | None:
        """The same from a new port of the same address."""
        origin = self._channel.open(self._vantage.server.address)
        return self._sent_to_mapping(partial(self._channel.send, origin=origin))

    def _from_neighbour(self) -> Endpoint | None:
        """The same from a new port of a neighbour, by hairpin."""
        if self._vantage.neighbour is None:
            return None
        with Asker(self._vantage.neighbour) as neighbour:
            self._vantage.outside(neighbour)
            return self._sent_to_mapping(neighbour.socket.send)

    def _sent_to_mapping(self, send: Send) -> Endpoint | None:
        outside, token = self.outside, new_token()
        if outside is None:
            return None
        act, found = partial(send, token, to=outside), partial(self._asker.hears, token)
        return tried(act, found, self._vantage.fence)


def _kept(mapping: _Mapping, lifetime: float) -> Idle:
    mapping.rest(EARLY * lifetime)
    return mapping.look(Story.KEPT)


def _gone(mapping: _Mapping, lifetime: float) -> Idle:
    mapping.rest(lifetime + BEYOND)
    seen = mapping.look(Story.GONE)
    return replace(seen, obstructed=mapping.obstructs())


def _renewed(mapping: _Mapping, lifetime: float) -> Idle:
    called = mapping.caller()
    mapping.rest(RENEWAL * lifetime)
    mapping.renew()
    mapping.rest(EARLY * lifetime)
    seen = mapping.look(Story.RENEWED, mapping.from_server, *([called[1]] if called else []))
    return replace(seen, moved=mapping.moved())


def _inbound(mapping: _Mapping, lifetime: float) -> Idle:
    mapping.rest(RENEWAL * lifetime)
    mapping.look(Story.INBOUND)
    mapping.rest(lifetime + BEYOND)
    return mapping.look(Story.INBOUND)


def _answered(mapping: _Mapping, lifetime: float) -> Idle | None:
    called = mapping.caller()
    if called is None:
        return None
    caller, comes_in = called
    mapping.rest(RENEWAL * lifetime)
    mapping.reply(caller)
    mapping.rest(EARLY * lifetime)
    seen = mapping.look(Story.ANSWERED, comes_in)
    return replace(seen, moved=mapping.moved())


_STORIES: dict[Story, Callable[[_Mapping, float], Idle | None]] = {
    Story.KEPT: _kept,
    Story.GONE: _gone,
    Story.RENEWED: _renewed,
    Story.INBOUND: _inbound,
    Story.ANSWERED: _answered,
}
