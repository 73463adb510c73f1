"""Why a peer is reached as it is, for people and programs: what `macula why` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from macula.core.results import PeerStatus
from macula.core.route import Relayed, Route
from macula.errors import ArgumentError
from macula.identity import NodeId
from macula.nat.decisions import Decision
from macula.nat.explanation import Explanation
from macula.nat.facts import Facts
from macula.nat.prediction import predict
from macula.nat.profile import PRESETS, Profile
from macula.nat.punching.offer import Side
from macula.nat.remedy import remedies


def find_peer(peers: Sequence[PeerStatus], called: str) -> PeerStatus:
    """The connected peer with this name, or whose node id begins so. Raises ArgumentError for none, or several."""
    found = [peer for peer in peers if called and (peer.name == called or str(peer.node_id).startswith(called))]
    if len(found) != 1:
        who = ", ".join(f"{peer.name} ({peer.node_id.short})" for peer in found or peers) or "nobody"
        raise ArgumentError("peer", f"{called!r} is {'several' if found else 'none'} of the connected peers: {who}")
    return found[0]


def why_fields(peer: NodeId, told: Explanation | None, now: float) -> dict[str, Any]:
    """The contents of `macula why --json`; `now` in the monotonic seconds of the decisions."""
    told = told or Explanation(peer, None, (), "no direct path is looked for", None, None, None, ())
    mine, theirs = _profile(told.mine), _profile(told.theirs)
    both = (mine, theirs) if mine is not None and theirs is not None else None
    prediction = predict(*both) if both else None
    last = told.last
    return {
        "peer": str(told.peer),
        **_route_fields(told.route),
        "stage": told.stage,
        "nats": {"mine": _side_fields(told.mine), "theirs": _side_fields(told.theirs)},
        "allowed": None if prediction is None else {"meeting": prediction.meeting, "reason": prediction.reason},
        "remedies": list(remedies(*both)) if both else [],
        "paths": [
            {
                "address": str(path.address),
                "tier": path.tier.name.lower(),
                "rtt_ms": round(path.rtt * 1000, 1),
                "silent_s": round(now - path.heard_at, 1),
            }
            for path in told.paths
        ],
        "last_attempt": None
        if last is None
        else {
            "direct": last.direct,
            "rounds": last.rounds,
            "probes": last.probes,
            "heard": last.heard,
            "reason": last.reason,
        },
        "decisions": [_decision_fields(decision, now) for decision in told.decisions],
    }


def _profile(side: Side | None) -> Profile | None:
    return None if side is None else side.facts.profile


def _route_fields(route: Route | None) -> dict[str, Any]:
    if isinstance(route, Relayed):
        return {"path": "relayed", "relay": str(route.relay), "address": None}
    return {"path": "direct" if route else "none", "relay": None, "address": None if route is None else str(route)}


def _side_fields(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    facts = side.facts
    return {
        "name": _familiar(facts),
        "mapping": facts.mapping,
        "filtering": facts.filtering,
        "ports": facts.ports,
        "udp": facts.udp,
        "candidates": [{"kind": one.kind.name.lower(), "address": str(one.address)} for one in side.candidates],
    }


def _familiar(facts: Facts) -> str:
    """The familiar name of a NAT, else its parts."""
    profile = facts.profile
    if profile is None:
        return "unknown"
    if not facts.udp:
        return "no UDP"
    parts = (profile.mapping, profile.filtering)
    named = (
        name
        for name, preset in PRESETS.items()
        if preset.profile.translates
        and (preset.profile.mapping, preset.profile.filtering) == parts
        and (not profile.dependent or preset.profile.ports is profile.ports)
    )
    return next(named, f"{profile.mapping}, {profile.filtering}")


def _decision_fields(decision: Decision, now: float) -> dict[str, Any]:
    return {
        "ago_s": round(now - decision.at, 2),
        "verdict": decision.verdict,
        "route": None if decision.route is None else str(decision.route),
        "reason": decision.reason,
        "count": decision.count,
    }
