"""Why a peer is reached as it is, for people and programs: what `macula why` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from macula.core.address import Address
from macula.core.route import kind_of
from macula.errors import ArgumentError
from macula.identity import NodeId
from macula.nat.decisions import Decision, Verdict
from macula.nat.explanation import Explanation
from macula.nat.prediction import predict
from macula.nat.profile import Profile, familiar
from macula.nat.punching.candidates import CandidateKind, outside_hosts
from macula.nat.punching.offer import Side
from macula.nat.punching.plan import plan
from macula.nat.remedy import remedies


def pick_peer(peers: Sequence[tuple[str, NodeId]], called: str) -> NodeId:
    """The connected peer with this name, or whose node id begins so. Raises ArgumentError for none, or several."""
    found = [(name, node) for name, node in peers if called and (name == called or str(node).startswith(called))]
    if len(found) != 1:
        who = ", ".join(f"{name} ({node.short})" for name, node in found or peers) or "nobody"
        if found:
            raise ArgumentError("peer", f"{called!r} is several of the connected peers, give more of an id: {who}")
        hint = "a call or an event for a node connects to it, and `macula dht lookup ID --kind peer` says where it is"
        raise ArgumentError("peer", f"{called!r} is none of the connected peers: {who}; {hint}")
    return found[0][1]


def why_fields(peer: Mapping[str, Any], told: Explanation | None, now: float) -> dict[str, Any]:
    """The contents of `macula why --json`. `peer` is its entry in `macula peers --json`, `now` in the monotonic seconds
    of the decisions."""
    told = told or Explanation(NodeId.parse(peer["node_id"]), None, (), _unsought(peer), None, None, None, ())
    mine, theirs = _profile(told.mine), _profile(told.theirs)
    both = (mine, theirs) if mine is not None and theirs is not None else None
    prediction = predict(*both) if both else None
    last = told.last
    relay = peer["relay"]
    return {
        "name": peer["name"],
        "peer": peer["node_id"],
        "path": peer["path"] or "none",
        "relay": relay["node_id"] if relay else None,
        "relay_name": relay["name"] if relay else None,
        **{field: peer[field] or None for field in ("address", "carrier")},
        **{field: peer[field] for field in ("rtt_ms", "since_s")},
        "suspect": told.suspect,
        "stage": told.stage,
        "nats": {
            "mine": _side_fields(told.mine, {}),
            "theirs": _side_fields(told.theirs, _answers(told)),
        },
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


def _unsought(peer: Mapping[str, Any]) -> str:
    if peer["path"] == "direct":
        return "no other path is looked for: this one is direct, and was there from the beginning"
    return "no direct path is looked for: one of the two does not punch, as where its path_policy is relay-only"


def _answers(told: Explanation) -> dict[Address, str]:
    """What came of probing the addresses that the peer told: nothing is said of those that were not probed."""
    found = {one.route: "answered" for one in told.decisions if one.verdict is Verdict.FOUND}
    answers = {address: answer for address, answer in found.items() if isinstance(address, Address)}
    answers |= {path.address: f"answers in {path.rtt * 1000:.1f} ms" for path in told.paths}
    if told.last is not None and not told.last.direct and told.theirs is not None:
        silent = [one.address for one in told.theirs.candidates if one.address not in answers]
        tried = {target.address for target in plan(told.mine, told.theirs)} if told.mine else set()
        answers |= {address: "no answer" if address in tried else "not tried" for address in silent}
    return answers


def _side_fields(side: Side | None, answers: Mapping[Address, str]) -> dict[str, Any] | None:
    if side is None:
        return None
    facts = side.facts
    return {
        "name": _name(side),
        "mapping": facts.mapping,
        "filtering": facts.filtering,
        "ports": facts.ports,
        "udp": facts.udp,
        "candidates": [
            {"kind": one.kind.name.lower(), "address": str(one.address), "answer": answers.get(one.address)}
            for one in side.candidates
        ],
    }


def _name(side: Side) -> str:
    """The familiar name of a NAT, else its parts."""
    profile = side.facts.profile
    if profile is None:
        return "unknown"
    if not side.facts.udp:
        return "no UDP"
    inside = {one.address.host for one in side.candidates if one.kind is CandidateKind.INTERFACE}
    # An address of its own that is an outside one, too, is told once, as that.
    if side.facts.open and outside_hosts(side.candidates) and not inside - outside_hosts(side.candidates):
        return "none"
    return familiar(profile) or f"{profile.mapping}, {profile.filtering}"


def _decision_fields(decision: Decision, now: float) -> dict[str, Any]:
    return {
        "ago_s": round(now - decision.at, 2),
        "verdict": decision.verdict,
        "route": None if decision.route is None else str(decision.route),
        "path": "none" if decision.route is None else kind_of(decision.route).value,
        "reason": decision.reason,
        "count": decision.count,
    }
