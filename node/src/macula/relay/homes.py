"""Which relays a node that cannot be reached makes its homes: those with the shortest round trips."""

from __future__ import annotations

from dataclasses import dataclass

from macula.core.lanes import Lane
from macula.core.peer_record import RelayPlace
from macula.core.requests import SendTo
from macula.core.service import Action
from macula.identity import NodeId
from macula.relay.settings import UseSettings
from macula.wire.messages import Ping

_REQUESTS = 2**31


@dataclass(slots=True)
class _Candidate:
    place: RelayPlace
    rtt: float | None = None
    pinged: float = 0.0
    request: int = 0
    bad_until: float = 0.0
    going: bool = False


class Homes:
    """The connected relays, how far they are, and the ones chosen. A home stays until it goes, refuses, or another is
    nearer by more than `better` when all have been measured again."""

    def __init__(self, settings: UseSettings) -> None:
        self._settings = settings
        self._candidates: dict[NodeId, _Candidate] = {}
        self._chosen: list[NodeId] = []
        self._measure_at: float | None = None
        self._count = 0

    @property
    def chosen(self) -> tuple[NodeId, ...]:
        """The homes, in the order in which they were chosen."""
        return tuple(self._chosen)

    def places(self, usable: list[NodeId]) -> tuple[RelayPlace, ...]:
        """Where the homes are at which there is a session."""
        return tuple(self._candidates[relay].place for relay in self._chosen if relay in usable)

    def add(self, place: RelayPlace, now: float) -> list[Action]:
        """A relay is connected: measure how far it is."""
        candidate = self._candidates[place.node] = _Candidate(place)
        if self._measure_at is None:
            self._measure_at = now + self._settings.measure_interval
        return [self._ping(candidate, now)]

    def remove(self, relay: NodeId) -> None:
        """A relay is not connected any more."""
        self._candidates.pop(relay, None)
        self._drop(relay)
        if not self._candidates:
            self._measure_at = None

    def going(self, relay: NodeId) -> None:
        """A relay stops soon: it is no home any more, and is not chosen again."""
        if relay in self._candidates:
            self._candidates[relay].going = True
        self._drop(relay)

    def failed(self, relay: NodeId, now: float) -> None:
        """A relay refused, or did not answer: choose others for a while."""
        if relay in self._candidates:
            self._candidates[relay].bad_until = now + self._settings.refused_time
        self._drop(relay)

    def measured(self, relay: NodeId, request: int, now: float) -> bool:
        """A relay answered a ping; whether it was one of these."""
        candidate = self._candidates.get(relay)
        if candidate is None or candidate.request != request or not request:
            return False
        candidate.request = 0
        candidate.rtt = now - candidate.pinged
        return True

    def choose(self, now: float) -> list[NodeId]:
        """The relays that have become homes by what is known now."""
        open_ = [
            relay
            for relay, candidate in self._candidates.items()
            if relay not in self._chosen and candidate.rtt is not None and not self._is_bad(candidate, now)
        ]
        open_.sort(key=lambda relay: (self._rtt(relay), relay))
        fresh = open_[: max(0, self._settings.homes - len(self._chosen))]
        self._chosen += fresh
        return fresh

    def tick(self, now: float) -> tuple[list[Action], NodeId | None]:
        """Measure again when it is time; and a home that has to give way to a nearer relay."""
        if self._measure_at is None or now < self._measure_at:
            return [], None
        self._measure_at = now + self._settings.measure_interval
        farthest = max(self._chosen, key=self._rtt, default=None)
        nearer = [
            relay
            for relay, candidate in self._candidates.items()
            if farthest is not None
            and relay not in self._chosen
            and not self._is_bad(candidate, now)
            and self._rtt(relay) + self._settings.better < self._rtt(farthest)
        ]
        if nearer and farthest is not None:
            self._drop(farthest)
        pings: list[Action] = [self._ping(candidate, now) for candidate in self._candidates.values()]
        return pings, farthest if nearer else None

    def next_deadline(self) -> float | None:
        """When to call tick."""
        return self._measure_at

    def _ping(self, candidate: _Candidate, now: float) -> SendTo:
        self._count = self._count % (_REQUESTS - 1) + 1
        candidate.request, candidate.pinged = self._count, now
        return SendTo(candidate.place.node, Lane.CONTROL, Ping(self._count))

    def _rtt(self, relay: NodeId) -> float:
        rtt = self._candidates[relay].rtt
        return float("inf") if rtt is None else rtt

    def _drop(self, relay: NodeId) -> None:
        if relay in self._chosen:
            self._chosen.remove(relay)

    @staticmethod
    def _is_bad(candidate: _Candidate, now: float) -> bool:
        return candidate.going or now < candidate.bad_until
