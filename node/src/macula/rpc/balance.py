"""Which of several providers is called."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from lru import LRU

from macula.core.commands import Strategy
from macula.identity import NodeId
from macula.rpc.settings import RpcSettings


@dataclass(slots=True)
class _Latency:
    """An average in seconds, and when it was last brought up to date."""

    average: float
    at: float


class Balancer:
    """Chooses providers by strategy, and knows which of them are better left alone.

    Least latency is the power of two choices (Mitzenmacher, IEEE TPDS 2001): of two providers drawn at random the one
    with the lower cost, average latency times calls in flight plus one. The average is exponentially weighted by time:
    a sample that comes d seconds after the last weighs 1 - exp(-d / latency_decay). Without samples it decays towards
    zero, which is also where an unknown provider starts, so that every provider is tried again in time.
    """

    def __init__(self, settings: RpcSettings, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng
        self._last: LRU[str, NodeId] = LRU(settings.max_cached_procedures)
        self._latencies: LRU[NodeId, _Latency] = LRU(settings.max_measured_peers)
        self._failed: LRU[NodeId, float] = LRU(settings.max_measured_peers)
        self._suspects: set[NodeId] = set()
        self.in_flight: Counter[NodeId] = Counter()
        """Calls, by the peer that they are with."""

    def choose(self, strategy: Strategy, procedure: str, candidates: Sequence[NodeId], now: float) -> NodeId:
        """One of `candidates`, which must not be empty; one that is avoided only if all are."""
        if len(candidates) == 1:
            if strategy is Strategy.ROUND_ROBIN:
                self._last[procedure] = candidates[0]
            return candidates[0]
        pool = candidates
        if self._suspects or self._failed:
            pool = [peer for peer in candidates if not self._is_avoided(peer, now)] or candidates
        match strategy:
            case Strategy.ROUND_ROBIN:
                return self._next_in_turn(procedure, pool)
            case Strategy.RANDOM:
                return self._rng.choice(pool)
            case Strategy.LEAST_LATENCY:
                drawn = self._rng.sample(pool, min(2, len(pool)))
                return min(drawn, key=lambda peer: self._cost(peer, now))
            case _:
                assert_never(strategy)

    def started(self, peer: NodeId) -> bool:
        """A call to the peer is in flight; returns whether it is the only one."""
        count = self.in_flight[peer] = self.in_flight.get(peer, 0) + 1
        return count == 1

    def ended(self, peer: NodeId) -> bool:
        """A call to the peer is no longer in flight; returns whether it was the last one."""
        self.in_flight[peer] -= 1
        if self.in_flight[peer]:
            return False
        del self.in_flight[peer]
        return True

    def observe(self, peer: NodeId, latency: float, now: float) -> None:
        """A call to the peer took this many seconds, or was given up after them."""
        known = self._latencies.get(peer)
        if known is None:
            self._latencies[peer] = _Latency(latency, now)
            return
        weight = 1 - math.exp(-(now - known.at) / self._settings.latency_decay)
        known.average += weight * (latency - known.average)
        known.at = now

    def suspect(self, peer: NodeId, suspect: bool) -> None:
        """The peer's connection does not answer probes, or does again."""
        if suspect:
            self._suspects.add(peer)
        else:
            self._suspects.discard(peer)

    def failed(self, peer: NodeId, now: float) -> None:
        """The peer could not be reached, or was lost with calls in flight."""
        self._failed[peer] = now + self._settings.avoid_time

    def connected(self, peer: NodeId) -> None:
        """The peer has a new connection: what is known of the last one does not count."""
        self._failed.pop(peer, None)
        self._suspects.discard(peer)

    def _is_avoided(self, peer: NodeId, now: float) -> bool:
        return peer in self._suspects or (self._failed.get(peer) or 0.0) > now

    def _next_in_turn(self, procedure: str, pool: Sequence[NodeId]) -> NodeId:
        last = self._last.get(procedure)
        if last is None:
            # Starting at the lowest id would send the first call of every caller to the same provider.
            chosen = self._rng.choice(pool)
        else:
            chosen = min((peer for peer in pool if peer > last), default=min(pool))
        self._last[procedure] = chosen
        return chosen

    def _cost(self, peer: NodeId, now: float) -> tuple[float, int]:
        in_flight = self.in_flight[peer]
        known = self._latencies.get(peer)
        if known is None:
            return 0.0, in_flight
        decayed = known.average * math.exp(-(now - known.at) / self._settings.latency_decay)
        return decayed * (in_flight + 1), in_flight
