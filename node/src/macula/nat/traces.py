"""What is told of attempts to reach peers directly, and of the paths that come of them."""

from __future__ import annotations

from macula.core.effects import Trace
from macula.core.route import PathKind, Route, kind_of
from macula.identity import NodeId
from macula.nat.facts import NatClass
from macula.nat.punching.actions import Ended
from macula.nat.punching.offer import Side

Sides = tuple[Side | None, Side | None]
"""What this node and the peer told of themselves."""


def punch_started(peer: NodeId, sides: Sides) -> Trace:
    """The first probes of an attempt go out."""
    return Trace("punch.started", _pair(peer, sides), f"punch.started {peer}")


def punch_ended(peer: NodeId, sides: Sides, ended: Ended, seconds: float) -> Trace:
    """An attempt is over, `seconds` after its first probes."""
    name = "punch.succeeded" if ended.direct else "punch.failed"
    numbers = {"duration": seconds * 1000, "rounds": ended.rounds, "probes": ended.probes, "heard": ended.heard}
    return Trace(name, {**_pair(peer, sides), "reason": ended.reason}, f"{name} {peer}", numbers)


def path_chosen(peer: NodeId, before: PathKind, seconds: float, route: Route, reason: str) -> Trace:
    """Another path carries the connection. `seconds` is how long it was of the kind before: from relayed to direct, the
    time to direct."""
    fields = {
        "peer": peer,
        "before": before.value,
        "path": kind_of(route).value,
        "route": str(route),
        "reason": reason,
    }
    return Trace("path.chosen", fields, f"path.chosen {peer}", {"duration": seconds * 1000})


def _pair(peer: NodeId, sides: Sides) -> dict[str, object]:
    mine, theirs = (NatClass.UNKNOWN if side is None else side.facts.nat_class for side in sides)
    return {"peer": peer, "mine": mine.value, "theirs": theirs.value}
