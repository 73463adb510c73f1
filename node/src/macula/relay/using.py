"""The user of relays: keeps sessions where this node wants to be reached, gets one where a peer is, and moves the
connections of a relay that fails to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from macula.core.address import Address
from macula.core.effects import Trace
from macula.core.events import PathMoved, PeerSuspect, Tick
from macula.core.mode import RELAY_CAPABILITY
from macula.core.peer_record import RelayPlace
from macula.core.requests import (
    Draining,
    LearnAddress,
    NameRelays,
    PeerDown,
    PeerUp,
    ReachVia,
    Received,
    RelaysReady,
    SendFailed,
)
from macula.core.service import Action, ServiceEvent
from macula.identity import NodeId
from macula.relay.detours import Detours
from macula.relay.homes import Homes
from macula.relay.sessions import RelaySessions
from macula.relay.settings import UseSettings
from macula.wire.messages import Pong, RelayDrain, RelayGrant, RelayRefuse


@dataclass(slots=True)
class _Waiting:
    """A ReachVia that has no session yet, and the relays that may still give one."""

    token: int
    missing: set[NodeId]


class RelayUser:
    """`wants_homes`: others cannot reach this node's addresses, so it has to be reached through relays. `allowed`:
    whether this node uses relays at all."""

    def __init__(
        self, settings: UseSettings, node_id: NodeId, *, wants_homes: bool, allowed: bool, tokens: Iterator[int]
    ) -> None:
        self._settings = settings
        self._self = node_id
        self._wants_homes = wants_homes and allowed
        self._allowed = allowed
        self._sessions = RelaySessions(settings, tokens)
        self._homes = Homes(settings)
        self._detours = Detours()
        self._suspects: set[NodeId] = set()
        self._waiting: dict[int, _Waiting] = {}
        self._named: tuple[RelayPlace, ...] = ()
        self._draining = False

    @property
    def named(self) -> tuple[RelayPlace, ...]:
        """The relays through which this node says that it can be reached."""
        return self._named

    def handle(self, event: ServiceEvent, now: float, wall: float) -> list[Action]:
        """See core.service."""
        match event:
            case PeerUp():
                return self._up(event, now)
            case PeerDown(peer=peer):
                return self._down(peer, now)
            case PathMoved(peer=peer, route=route):
                self._detours.moved(peer, route)
            case PeerSuspect(peer=peer, suspect=suspect):
                return self._suspect(peer, suspect)
            case Received(peer=peer, message=message, hops=()):
                match message:
                    case Pong(request=request) if self._homes.measured(peer, request, now):
                        return self._fill(now)
                    case RelayGrant():
                        return self._granted(peer, message, now)
                    case RelayRefuse(request=request, code=code) if self._sessions.is_answer(peer, request):
                        self._sessions.answered(peer)
                        return self._failed(peer, f"refused: {code}", now)
                    case RelayDrain():
                        return self._drained(peer, now)
            case ReachVia():
                return self._reach(event, now)
            case Draining():
                self._draining = True
            case SendFailed(token=token, reason=reason):
                relay = self._sessions.not_sent(token)
                return [] if relay is None else self._failed(relay, reason, now)
            case Tick():
                return self._tick(now)
        return []

    def next_deadline(self) -> float | None:
        """When something is due."""
        times = [at for at in (self._sessions.next_deadline(), self._homes.next_deadline()) if at is not None]
        return min(times, default=None)

    def _up(self, up: PeerUp, now: float) -> list[Action]:
        self._detours.add(up.peer, up.route, tuple(relay.node for relay in up.info.relays))
        is_relay = RELAY_CAPABILITY in up.hello.capabilities and isinstance(up.route, Address)
        if not self._wants_homes or not is_relay or not isinstance(up.route, Address):
            return []
        # As it is seen from here, unless it says better: others may stand elsewhere.
        # They also may have UDP where this node has none: a relay names its tunnels after that.
        seen_there = up.route in up.info.addresses and not up.route.tunnelled
        at = up.info.addresses[0] if up.info.addresses and not seen_there else up.route
        return self._homes.add(RelayPlace(up.peer, at), now)

    def _down(self, peer: NodeId, now: float) -> list[Action]:
        if self._draining:
            # All connections are being closed: those through a relay have a last word to send by it.
            return []
        self._detours.remove(peer)
        self._suspects.discard(peer)
        self._homes.remove(peer)
        actions = self._sessions.end(peer)
        if actions:
            actions += self._move_away(peer, "the relay is gone")
        if self._sessions.asked(peer):
            # The question went with the connection; to wait for its answer would hold up the next one.
            self._sessions.answered(peer)
            actions += self._unavailable(peer)
        return [*actions, *self._fill(now), *self._name()]

    def _suspect(self, peer: NodeId, suspect: bool) -> list[Action]:
        if not suspect:
            self._suspects.discard(peer)
            self._detours.heard(peer)
            return []
        self._suspects.add(peer)
        actions = self._detours.move(peer, self._usable(), self._homes.chosen, "the peer does not answer")
        if peer in self._sessions:
            actions += self._move_away(peer, "the relay does not answer")
        return actions

    def _drained(self, relay: NodeId, now: float) -> list[Action]:
        # The session stays until the relay goes: what is on its way through it still arrives.
        self._homes.going(relay)
        self._suspects.add(relay)
        return [*self._move_away(relay, "the relay is stopping"), *self._fill(now), *self._name()]

    def _move_away(self, relay: NodeId, reason: str) -> list[Action]:
        usable = [other for other in self._usable() if other != relay]
        moves = [self._detours.move(peer, usable, self._homes.chosen, reason) for peer in self._detours.through(relay)]
        return [action for move in moves for action in move]

    def _usable(self) -> list[NodeId]:
        return [relay for relay in self._sessions if relay not in self._suspects]

    # Homes.

    def _fill(self, now: float) -> list[Action]:
        if not self._wants_homes:
            return []
        actions: list[Action] = []
        for relay in self._homes.choose(now):
            if relay not in self._sessions:
                actions += self._sessions.ask(relay, now)
        return [*actions, *self._name()]

    def _name(self) -> list[Action]:
        places = self._homes.places(list(self._sessions))
        if places == self._named:
            return []
        self._named = places
        return [NameRelays(places)]

    # Sessions.

    def _reach(self, request: ReachVia, now: float) -> list[Action]:
        if not self._allowed:
            return [RelaysReady(request.token, ())]
        relays = [place for place in request.relays if place.node not in (self._self, request.peer)]
        usable = self._usable()
        ready = tuple(place.node for place in relays if place.node in usable)
        # One that does not answer now is better than none: it may soon.
        ready = ready or tuple(place.node for place in relays if place.node in self._sessions)
        actions: list[Action] = []
        # Sessions at all of them, so that there is another way should one relay fail; the first one will do to begin.
        for place in relays:
            if place.node not in self._sessions:
                actions += [LearnAddress(place.node, place.address), *self._sessions.ask(place.node, now)]
        missing = {place.node for place in relays if self._sessions.asked(place.node)}
        if ready or not missing or len(self._waiting) >= self._settings.max_waiting:
            return [*actions, RelaysReady(request.token, ready)]
        self._waiting[request.token] = _Waiting(request.token, missing)
        return actions

    def _granted(self, relay: NodeId, grant: RelayGrant, now: float) -> list[Action]:
        actions = self._sessions.granted(relay, grant, now)
        if actions is None:
            return []
        for token in [token for token, waiting in self._waiting.items() if relay in waiting.missing]:
            del self._waiting[token]
            actions.append(RelaysReady(token, (relay,)))
        return [*actions, *self._name()]

    def _failed(self, relay: NodeId, reason: str, now: float) -> list[Action]:
        self._homes.failed(relay, now)
        fields = {"relay": relay, "reason": reason}
        trace = Trace("relay.unavailable", fields, f"connection.relay {relay}")
        return [trace, *self._unavailable(relay), *self._fill(now), *self._name()]

    def _unavailable(self, relay: NodeId) -> list[Action]:
        """No session of this relay is to come for those who wait for one."""
        actions: list[Action] = []
        for waiting in list(self._waiting.values()):
            waiting.missing.discard(relay)
            if not waiting.missing:
                del self._waiting[waiting.token]
                actions.append(RelaysReady(waiting.token, ()))
        return actions

    def _tick(self, now: float) -> list[Action]:
        actions: list[Action] = []
        for relay in self._sessions.pop_unanswered(now):
            actions += self._failed(relay, "no answer in time", now)
        for relay, over in self._sessions.pop_due(now):
            if over:
                actions += [*self._sessions.end(relay), *self._move_away(relay, "the session is over")]
            elif relay in self._homes.chosen or self._detours.needs(relay):
                actions += self._sessions.ask(relay, now)
        pings, replaced = self._homes.tick(now)
        actions += pings
        return [*actions, *(self._fill(now) if replaced else ()), *self._name()]
