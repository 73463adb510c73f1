"""Sending probes to one peer and hearing its own: the part of a puncher that deals in datagrams."""

from __future__ import annotations

from dataclasses import dataclass

from lru import LRU

from macula.core.address import Address
from macula.nat.punching.actions import Action, Found, SendProbe
from macula.nat.punching.candidates import Tier, may_be_sent_to
from macula.nat.punching.offer import Side
from macula.nat.punching.plan import plan, tier_of_seen
from macula.nat.punching.prober import Asked, Prober, Proved
from macula.nat.punching.quota import Quota
from macula.nat.punching.round import Round

_KNOWN = 32
"""Addresses at which a peer was found that are remembered."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a round: the best tier of a path, the probes sent, and how many of the peer's came in."""

    best: Tier | None
    probes: int
    heard: int


class Probing:
    """At most one round at a time; the peer's probes are answered at any time."""

    def __init__(self, quota: Quota) -> None:
        self.prober: Prober | None = None
        self.local = False
        """as for read_candidates"""
        self._quota = quota
        self._round: Round | None = None
        self._known: LRU[Address, bool] = LRU(_KNOWN)

    @property
    def next_deadline(self) -> float | None:
        """When to call `due` or `summary`."""
        return self._round.next_deadline if self._round else None

    def begin(self, mine: Side, theirs: Side, tries: int, now: float, *, leads: bool = False) -> list[Action]:
        """Begin a round; one that is under way gives way to it, but what it found counts."""
        before, self._round = self._round, Round(plan(mine, theirs, leads=leads), now, tries)
        if before is not None:
            self._round.inherit(before)
        return self.due(now)

    def cancel(self) -> None:
        """End the round without a result."""
        self._round = None

    def forget(self, address: Address) -> None:
        """The path to this address is dead: a probe of the peer's from there makes it worth a try again."""
        self._known.pop(address, None)

    def receive(self, source: Address, data: bytes, now: float) -> Asked | Proved | None:
        """What a datagram means; see Prober.receive."""
        if self.prober is None or not may_be_sent_to(source, local=self.local):
            return None
        return self.prober.receive(source, data, now)

    def due(self, now: float) -> list[Action]:
        """The probes that are due."""
        out: list[Action] = []
        if self._round is not None:
            for address in self._round.due(now):
                out += self._send(self._round, address, now)
        return out

    def asked(self, source: Address, mine: Side, now: float) -> list[Action]:
        """The peer's probe came from `source`: it may be at an address that was not known."""
        if self._round is None:
            if source in self._known:
                return []
            # The peer moved, or found a path that this node did not.
            self._round = Round((), now)
        if self._round.asked(source, tier_of_seen(source, mine), now):
            return self._send(self._round, source, now)
        return []

    def proved(self, proved: Proved, mine: Side) -> Found:
        """A probe came back."""
        tier = self._round.proved(proved.address, proved.rtt) if self._round else None
        self._known[proved.address] = True
        if tier is None:
            tier = tier_of_seen(proved.address, mine)
        return Found(proved.address, tier, proved.rtt, proved.observed)

    def summary(self, now: float) -> Summary | None:
        """Ends the round if it is over, and tells what came of it."""
        round_ = self._round
        if round_ is None or not round_.over(now):
            return None
        self._round = None
        return Summary(round_.best, round_.probes, round_.heard)

    def _send(self, round_: Round, address: Address, now: float) -> list[Action]:
        silent = address not in self._known and not round_.heard_from(address)
        if self.prober is None or (silent and not self._quota.take(address.host, now)):
            return []
        round_.sent(address, now)
        return [SendProbe(address, self.prober.request(address, now))]
