"""What became of the packets between two hosts, concluded from what the routers recorded. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from macula.nat.prediction import Meeting, Prediction, predict_behind

from macula_lab.composefile.plan import Plan
from macula_lab.evidence.owners import Owned, Owner, owner
from macula_lab.evidence.packets import Endpoint
from macula_lab.evidence.reasons import Finding, explain
from macula_lab.evidence.routers import RouterState


@dataclass(frozen=True, slots=True)
class Translation:
    """A mapping through which one host has sent to the other."""

    router: str
    protocol: str
    inside: str
    outside: str
    remotes: Sequence[str]
    """those of its destinations that are the other host's"""


@dataclass(frozen=True, slots=True)
class Direction:
    """What the routers know of packets from one host to the other."""

    sender: str
    receiver: str
    routers: Sequence[str]
    """the NATs on the way, from the sender's to the receiver's"""
    translations: Sequence[Translation]
    findings: Sequence[Finding]

    @property
    def dropped(self) -> int:
        """How many packets were dropped on the way."""
        return sum(finding.packets for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that can be said about two hosts."""

    nats: Mapping[str, Sequence[str]]
    """by host: the routers with an uplink between it and the world, from the inside out"""
    prediction: Prediction
    directions: tuple[Direction, Direction]


def why(
    plan: Plan,
    states: Mapping[str, RouterState],
    addresses: Mapping[str, Mapping[str, IPv4Address]],
    a: str,
    b: str,
) -> Answer:
    """What became of the packets between the services `a` and `b`.

    `states` are the routers by name, `addresses` those of every service by network, both as they are now.
    """
    one, other = (owner(plan, states, name, addresses.get(name, {})) for name in (a, b))
    return Answer(
        nats={a: one.routers, b: other.routers},
        prediction=meeting(one, other),
        directions=(direction(one, other), direction(other, one)),
    )


def meeting(one: Owner, other: Owner) -> Prediction:
    """How two hosts can meet, with every NAT on the way and what they have in common."""
    common = [router for router in one.routers if router in other.routers]
    if common == list(one.routers) == list(other.routers):
        return Prediction(Meeting.DIRECT, "no NAT is between them")
    mine, theirs = ({router: host.states[router].nat for router in host.routers} for host in (one, other))
    return predict_behind(mine, theirs)


def direction(sender: Owner, receiver: Owner) -> Direction:
    """What the routers recorded of packets from one host to the other: most often dropped first."""
    findings: list[Finding] = []
    for router, state in sender.states.items():
        for drop in state.drops:
            source = sender.owns(drop.protocol, Endpoint.parse(drop.source))
            target = receiver.owns(drop.protocol, Endpoint.parse(drop.destination))
            if Owned.NO not in (source, target):
                certain = source is target is Owned.YES
                findings.append(explain(drop, router, state, sender, receiver, certain))
    return Direction(
        sender.service,
        receiver.service,
        [*sender.routers, *(router for router in reversed(receiver.routers) if router not in sender.routers)],
        _translations(sender, receiver),
        sorted(findings, key=lambda finding: -finding.packets),
    )


def _translations(sender: Owner, receiver: Owner) -> list[Translation]:
    return [
        Translation(router, one.protocol, one.inside, one.outside, towards)
        for router in sender.routers
        for one in sender.mappings[router]
        if (towards := [remote for remote in one.remotes if Endpoint.parse(remote).address in receiver.outside])
    ]
