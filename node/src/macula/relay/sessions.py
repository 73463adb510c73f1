"""The sessions that this node has at relays, or has asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from macula.core.effects import LeaveRelay, Trace, UseRelay
from macula.core.lanes import Lane
from macula.core.requests import Hold, Release, SendTo
from macula.core.service import Action
from macula.core.timers import Timers
from macula.identity import NodeId
from macula.relay.settings import UseSettings
from macula.wire.messages import RelayGrant, RelayReserve

_REQUESTS = 2**31


@dataclass(slots=True)
class _Held:
    session: bytes
    until: float


class RelaySessions:
    """At most one session and one open request for each relay. Which ones are wanted is for others to say."""

    def __init__(self, settings: UseSettings, tokens: Iterator[int]) -> None:
        self._settings = settings
        self._tokens = tokens
        self._held: dict[NodeId, _Held] = {}
        self._asked: dict[NodeId, int] = {}
        self._sending: dict[int, NodeId] = {}
        self._renewals: Timers[NodeId] = Timers()
        self._deadlines: Timers[NodeId] = Timers()
        self._count = 0

    def __contains__(self, relay: NodeId) -> bool:
        return relay in self._held

    def __iter__(self) -> Iterator[NodeId]:
        return iter(self._held)

    def asked(self, relay: NodeId) -> bool:
        """Whether an answer of this relay is to come."""
        return relay in self._asked

    def ask(self, relay: NodeId, now: float) -> list[Action]:
        """Ask for a session, or to renew the one that there is; nothing if that is under way, or there are too many."""
        if relay in self._asked:
            return []
        held = self._held.get(relay)
        if held is None and len(self._held) + len(self._asked) >= self._settings.max_sessions:
            return []
        self._count = (self._count + 1) % _REQUESTS
        self._asked[relay] = self._count
        self._deadlines.set(relay, now + self._settings.ask_timeout)
        token = next(self._tokens)
        self._sending[token] = relay
        request = RelayReserve(self._count, held.session if held is not None else b"")
        return [SendTo(relay, Lane.CONTROL, request, token)]

    def granted(self, relay: NodeId, grant: RelayGrant, now: float) -> list[Action] | None:
        """Take a session over, or its longer life; None if it was not asked for."""
        if self._asked.get(relay) != grant.request:
            return None
        self.answered(relay)
        held = self._held.get(relay)
        self._renewals.set(relay, now + grant.lifetime / 2)
        if held is not None and held.session == grant.session:
            held.until = now + grant.lifetime
            return []
        self._held[relay] = _Held(grant.session, now + grant.lifetime)
        actions: list[Action] = [UseRelay(relay, grant.session, grant.key)]
        if held is None:
            actions.append(Hold(relay))
        return [
            *actions,
            Trace("relay.used", {"relay": relay}, f"connection.relay {relay}", {"sessions": len(self._held)}),
        ]

    def is_answer(self, relay: NodeId, request: int) -> bool:
        """Whether this relay was asked with this number and has not answered yet."""
        return self._asked.get(relay) == request

    def answered(self, relay: NodeId) -> None:
        """Nothing more is to come for what was asked."""
        self._asked.pop(relay, None)
        self._deadlines.cancel(relay)
        for token in [token for token, asked in self._sending.items() if asked == relay]:
            del self._sending[token]

    def not_sent(self, token: int) -> NodeId | None:
        """The relay that could not be asked."""
        relay = self._sending.pop(token, None)
        if relay is not None:
            self.answered(relay)
        return relay

    def end(self, relay: NodeId) -> list[Action]:
        """The session at this relay is over, or not wanted any more."""
        if self._held.pop(relay, None) is None:
            return []
        self._renewals.cancel(relay)
        return [LeaveRelay(relay), Release(relay)]

    def pop_unanswered(self, now: float) -> list[NodeId]:
        """Relays that did not answer in time."""
        late = self._deadlines.pop_due(now)
        for relay in late:
            self.answered(relay)
        return late

    def pop_due(self, now: float) -> list[tuple[NodeId, bool]]:
        """Relays whose session is to be renewed if it is wanted still, each with whether it is over already."""
        due = []
        for relay in self._renewals.pop_due(now):
            until = self._held[relay].until
            due.append((relay, now >= until))
            if now < until:
                # Should the renewal fail it is tried once more, and then the session ends.
                self._renewals.set(relay, min(until, now + max(1.0, (until - now) / 2)))
        return due

    def next_deadline(self) -> float | None:
        """When something is due."""
        times = [at for at in (self._renewals.next(), self._deadlines.next()) if at is not None]
        return min(times, default=None)
