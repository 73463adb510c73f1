"""What is known of how a peer is reached: paths, attempts, decisions. The answer to "why is it not direct?"."""

from __future__ import annotations

from dataclasses import dataclass

from macula.core.address import Address
from macula.core.route import Route
from macula.identity import NodeId
from macula.nat.decisions import Decision
from macula.nat.punching.actions import Ended
from macula.nat.punching.candidates import Tier
from macula.nat.punching.offer import Side


@dataclass(frozen=True, slots=True)
class PathView:
    """A direct path that answers; `heard_at` in `now` seconds."""

    address: Address
    tier: Tier
    rtt: float
    heard_at: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Of one peer. `stage` is what the puncher waits for, in a word; `mine` and `theirs` are what both sides told of
    themselves; `last` is how the newest attempt ended; `suspect` says that the peer does not answer."""

    peer: NodeId
    route: Route | None
    paths: tuple[PathView, ...]
    stage: str
    mine: Side | None
    theirs: Side | None
    last: Ended | None
    decisions: tuple[Decision, ...]
    suspect: bool = False
