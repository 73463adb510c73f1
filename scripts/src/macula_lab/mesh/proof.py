"""The smoke call and event: the mesh does for two of its edges what it is for."""

import uuid

from macula_lab.errors import LabError
from macula_lab.mesh.models import CallProof, EventProof, NodeStatus, Proof
from macula_lab.topology import Topology

EDGE = "edge"


def prove(topology: Topology) -> Proof | None:
    """A call from the first edge to the second, and an event that travels the same way; None with fewer than two edges.

    Raises LabError when the answer or the event is not what was sent.
    """
    edges = [member for member in topology.members() if member.role == EDGE]
    if len(edges) < 2:
        return None
    caller, provider = edges[:2]
    if caller.status is None or provider.status is None:
        raise LabError(f"{caller.service} and {provider.service} do not both answer", "macula-lab ps")
    return Proof(
        call=call(topology, caller.service, provider.service, provider.status),
        event=event(topology, caller.service, provider.service, caller.status),
    )


def call(topology: Topology, caller: str, provider: str, status: NodeStatus) -> CallProof:
    """`caller` asks `provider`, and nobody else, who it is."""
    procedure = f"{status.realms[0]}.demo.whoami"
    answer = topology.exec_json(caller, ["call", procedure, "{}", "--to", status.node_id])
    if answer["provider"] != status.node_id or answer["result"]["node_id"] != status.node_id:
        raise LabError(f"{caller} called {provider} ({status.short_id}) and was answered by somebody else: {answer}")
    return CallProof(
        caller=caller,
        provider=provider,
        procedure=procedure,
        path=answer["path"],
        latency_ms=answer["latency_ms"],
    )


def event(topology: Topology, publisher: str, subscriber: str, status: NodeStatus) -> EventProof:
    """`publisher` publishes with QoS 1 what `subscriber` is subscribed to; it is acknowledged and it is received."""
    topic = f"{status.realms[0]}.lab.hello"
    payload = {"hello": uuid.uuid4().hex}
    received = topology.stream(subscriber, ["subscribe", topic, "--count", "1", "--timeout", "15"])
    next(received)
    published = topology.exec_json(publisher, ["publish", topic, f'{{"hello": "{payload["hello"]}"}}', "--qos", "1"])
    got = next(received, None)
    if got is None or got["payload"] != payload or got["publisher"] != status.node_id:
        raise LabError(f"{publisher} published {payload} to {topic}; {subscriber} received {got}, {published}")
    return EventProof(
        publisher=publisher,
        subscriber=subscriber,
        topic=topic,
        latency_ms=published["latency_ms"],
    )
