"""One iterative lookup as an object that can be single-stepped (Kademlia, section 2.3)."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from operator import attrgetter

from macula.core.peer_record import PeerInfo
from macula.dht.keyspace import Position, position
from macula.identity import NodeId


class State(Enum):
    """How far the lookup has come with a node."""

    NEW = auto()
    WAITING = auto()
    STALLED = auto()
    ANSWERED = auto()
    FAILED = auto()
    ASIDE = auto()


_AWAITED = (State.WAITING, State.STALLED)
_LEFT_OUT = (State.FAILED, State.ASIDE)


@dataclass(slots=True)
class _Candidate:
    info: PeerInfo
    distance: int
    state: State = State.NEW


_distance = attrgetter("distance")


class Lookup:
    """Finds the k nodes closest to a position, asking at most `alpha` at a time, those that have stalled not counted.

    Call `next_query` until it returns None and send each node it names a query; then tell `add` and `answered`, or
    `failed`, and maybe `stalled` before, what came of it, and ask again; or put the node aside at once. It is
    `finished` when the k closest nodes known, failed ones and those put aside left out, have all answered; nobody
    farther is ever asked, and nobody twice. An answer that comes after `failed` still counts. At most `most_queries`
    nodes are asked and about 8 k remembered, whatever the answers say.
    """

    def __init__(
        self,
        target: int,
        seeds: Iterable[PeerInfo],
        *,
        k: int,
        alpha: int,
        most_queries: int,
        position: Position = position,
    ) -> None:
        self._target = target
        self._k = k
        self._alpha = alpha
        self._most_queries = most_queries
        self._most_candidates = 8 * k
        self._position = position
        self._order: list[_Candidate] = []
        self._candidates: dict[NodeId, _Candidate] = {}
        self._in_flight = 0
        self._stalled = 0
        self.queries = 0
        """How many nodes were asked."""
        self.failures = 0
        """How many of them failed, late answers not subtracted."""
        self.add(seeds)

    def add(self, contacts: Iterable[PeerInfo]) -> None:
        """Nodes that are said to exist; known ones and those too far away to matter are left out."""
        for info in contacts:
            known = self._candidates.get(info.node)
            if known:
                if known.state is State.ASIDE:
                    known.state = State.NEW
                continue
            candidate = _Candidate(info, self._position(info.node) ^ self._target)
            if len(self._order) >= self._most_candidates:
                last = self._order[-1]
                if candidate.distance >= last.distance:
                    continue
                if last.state in (State.NEW, State.ASIDE):
                    del self._candidates[last.info.node]
                    self._order.pop()
            bisect.insort(self._order, candidate, key=_distance)
            self._candidates[info.node] = candidate

    def next_query(self) -> PeerInfo | None:
        """The next node to ask, which counts as asked; None if nobody is to be asked now."""
        if self._in_flight - self._stalled >= self._alpha or self.queries >= self._most_queries:
            return None
        for candidate in self._nearest():
            if candidate.state is State.NEW:
                candidate.state = State.WAITING
                self._in_flight += 1
                self.queries += 1
                return candidate.info
        return None

    def answered(self, node: NodeId) -> None:
        """The node has answered in full, be it late."""
        candidate = self._candidates.get(node)
        if candidate and candidate.state in (*_AWAITED, State.FAILED):
            self._awaited_no_more(candidate)
            candidate.state = State.ANSWERED

    def failed(self, node: NodeId) -> None:
        """The node did not answer in time, or cannot be reached."""
        candidate = self._candidates.get(node)
        if candidate and candidate.state in _AWAITED:
            self._awaited_no_more(candidate)
            self.failures += 1
            candidate.state = State.FAILED

    def stalled(self, node: NodeId) -> None:
        """The node has not answered yet: meanwhile another one may be asked."""
        candidate = self._candidates.get(node)
        if candidate and candidate.state is State.WAITING:
            self._stalled += 1
            candidate.state = State.STALLED

    def put_aside(self, node: NodeId) -> None:
        """Do not ask the node that was to be asked, unless it is named again or all are reconsidered."""
        candidate = self._candidates.get(node)
        if candidate and candidate.state is State.WAITING:
            self._in_flight -= 1
            self.queries -= 1
            candidate.state = State.ASIDE

    def reconsider(self) -> None:
        """Those that were put aside may be asked."""
        for candidate in self._candidates.values():
            if candidate.state is State.ASIDE:
                candidate.state = State.NEW

    def state(self, node: NodeId) -> State | None:
        """How far the lookup has come with a node; None if it does not consider it."""
        candidate = self._candidates.get(node)
        return candidate.state if candidate else None

    @property
    def has_put_aside(self) -> bool:
        """Whether there are nodes that were put aside."""
        return any(candidate.state is State.ASIDE for candidate in self._candidates.values())

    @property
    def in_flight(self) -> int:
        """Nodes asked whose answer is awaited."""
        return self._in_flight

    @property
    def finished(self) -> bool:
        """Whether asking more nodes cannot change the result, or is not allowed."""
        if self.queries >= self._most_queries and not self._in_flight:
            return True
        return all(candidate.state is State.ANSWERED for candidate in self._nearest())

    def candidates(self, most: int) -> tuple[PeerInfo, ...]:
        """The closest that it considers, nearest first."""
        return tuple([candidate.info for candidate in self._order[:most]])

    def closest(self) -> tuple[PeerInfo, ...]:
        """The k closest nodes that have answered, nearest first."""
        answered = (candidate.info for candidate in self._order if candidate.state is State.ANSWERED)
        return tuple(itertools.islice(answered, self._k))

    def _awaited_no_more(self, candidate: _Candidate) -> None:
        self._in_flight -= candidate.state in _AWAITED
        self._stalled -= candidate.state is State.STALLED

    def _nearest(self) -> Iterator[_Candidate]:
        """The k closest that have not failed and are not put aside."""
        left = self._k
        for candidate in self._order:
            if candidate.state not in _LEFT_OUT:
                yield candidate
                left -= 1
                if not left:
                    return
