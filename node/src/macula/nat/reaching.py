"""The engine's NAT service: what this node is behind, and the direct paths to peers that are found with that."""

from __future__ import annotations

from macula.core import commands as cmd
from macula.core.address import Address
from macula.core.effects import Completed
from macula.core.events import CommandGiven
from macula.core.requests import SelfChanged
from macula.core.service import Action, ServiceEvent
from macula.identity import NodeId
from macula.nat.detection.service import Nat
from macula.nat.facts import Facts
from macula.nat.info import NatInfo, NatType
from macula.nat.profile import Filtering, Mapping, Ports
from macula.nat.punching.candidates import Candidate, CandidateKind
from macula.nat.punching.offer import Side
from macula.nat.traversal import Traversal

PUBLIC = Facts(Mapping.ENDPOINT_INDEPENDENT, Filtering.ENDPOINT_INDEPENDENT)
"""Of a node that others are told to dial."""


class Reaching:
    """Both services behind one. `traversal` is None where no other path than the first is wanted."""

    def __init__(self, nat: Nat, traversal: Traversal | None, *, reachable: bool) -> None:
        self._nat = nat
        self._traversal = traversal
        self._reachable = reachable
        self._addresses: tuple[Address, ...] = ()
        self._told: tuple[NatInfo, tuple[Address, ...]] | None = None

    @property
    def info(self) -> NatInfo:
        """What is known of the NAT."""
        return self._nat.info

    def spares(self, peer: NodeId) -> bool:
        """Whether no direct path to this peer is looked for because none is wanted."""
        return self._traversal is not None and self._traversal.spares(peer)

    def handle(self, event: ServiceEvent, now: float, wall: float) -> list[Action]:
        """See core.service."""
        if isinstance(event, CommandGiven) and isinstance(event.command, cmd.ExplainPeer):
            explained = self._traversal.explain(event.command.peer) if self._traversal else None
            return [Completed(event.id, explained)]
        if isinstance(event, SelfChanged):
            self._addresses = event.info.addresses
        actions = self._nat.handle(event, now, wall)
        if self._traversal is None:
            return actions
        actions += self._traversal.handle(event, now, wall)
        actions += self._share(self._traversal, now)
        if self._traversal.take_look():
            actions += self._nat.look(now)
        return actions

    def next_deadline(self) -> float | None:
        """See core.service."""
        parts = (self._nat, self._traversal) if self._traversal else (self._nat,)
        return min((at for part in parts if (at := part.next_deadline()) is not None), default=None)

    def _share(self, traversal: Traversal, now: float) -> list[Action]:
        # By identity: a look that saw the same port again is an answer, too.
        known = self._nat.info, self._addresses
        if self._told is not None and self._told[0] is known[0] and self._told[1] == known[1]:
            return []
        self._told = known
        side = describe(*known, reachable=self._reachable, measured=self._nat.measured)
        return [] if side is None else traversal.know(side, now, looked=self._nat.looked_at == now)


def describe(info: NatInfo, addresses: tuple[Address, ...], *, reachable: bool, measured: bool) -> Side | None:
    """What peers are told of this node, which listens at `addresses`; None while too little is known. `measured`: more
    will not be known soon."""
    if info.type is NatType.BLOCKED and not reachable:
        return Side(info.facts, tuple(Candidate(CandidateKind.INTERFACE, address) for address in addresses))
    if not reachable and info.public is None:
        return None
    if not (reachable or measured or _is_enough(info)):
        return None
    candidates = [Candidate(CandidateKind.INTERFACE, address) for address in addresses]
    # Others are told to dial a reachable node's addresses from anywhere, so they are outside ones, private or not.
    outside = (info.public,) if info.public is not None else addresses
    candidates += [Candidate(CandidateKind.REFLEXIVE, address) for address in outside]
    return Side(PUBLIC if reachable else info.facts, tuple(candidates))


def _is_enough(info: NatInfo) -> bool:
    """Whether probes do no harm although not all is known yet."""
    if info.mapping is Mapping.ENDPOINT_INDEPENDENT:
        # One that comes too early could spoil the mapping.
        return info.input is not None or info.filtering is Filtering.ENDPOINT_INDEPENDENT
    # One that leaves through a port which nobody could guess keeps that port for its target, and while the measurement
    # goes on it takes the next ports itself.
    return info.mapping is not None and info.ports not in (None, Ports.SEQUENTIAL)
