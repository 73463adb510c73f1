"""When nodes are a mesh: decided from what each of them says."""

from collections.abc import Mapping

from macula_lab.mesh.expectation import Expectation
from macula_lab.mesh.models import NodeStatus


def not_ready(expected: Expectation, answers: Mapping[str, NodeStatus | None]) -> dict[str, str]:
    """Whatever the nodes of `answers` lack for being what is expected, by node; an answer is None where none came."""
    reasons = {}
    for name, status in answers.items():
        if name in expected.members:
            reasons[name] = lacks(status, expected.members[name], name in expected.hidden)
        elif status is None:
            reasons[name] = "does not answer"
        elif status.ready or status.peers:
            reasons[name] = f"is connected, but cannot be: {expected.cut_off[name]}"
    return {name: reason for name, reason in reasons.items() if reason}


def lacks(status: NodeStatus | None, contacts: int, hidden: bool = False) -> str:
    """What a node lacks for being a member that knows at least so many others, and, if it is `hidden`, can be reached
    through a relay; empty when nothing."""
    if status is None:
        return "does not answer"
    if not status.ready:
        return "is not ready"
    if contacts and not status.peers:
        return "has no peer"
    if status.dht.nodes < contacts:
        return f"knows {status.dht.nodes} of {contacts} nodes"
    if hidden and not status.relays:
        return "has no relay"
    return ""
