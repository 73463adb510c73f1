"""The smoke calls and event: the mesh does for its edges what it is for, by the paths that its NATs allow."""

import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from macula_lab.errors import LabError
from macula_lab.mesh.expectation import EDGE, Call, Expectation, Path
from macula_lab.mesh.mesh import CommandRefused, Mesh
from macula_lab.mesh.models import CallProof, EventProof, NodeStatus, Proof

MEETING_DEADLINE = 15.0
"""Seconds until two peers whose NATs allow it have met; the first call goes through a relay."""
REFUSAL_DEADLINE = "3"
"""Seconds that a call which must not arrive is given."""


def prove(mesh: Mesh, expected: Expectation) -> Proof:
    """Every call that is expected, and an event from one edge to another.

    Raises LabError when an answer, its path or the event is not what it must be; a call that arrives where none can is
    as wrong as one that does not.
    """
    named = sorted({name for asked in expected.calls for name in (asked.caller, asked.provider)})
    with ThreadPoolExecutor(max_workers=4) as pool:
        statuses = dict(zip(named, pool.map(mesh.status, named), strict=True))
        calls = list(pool.map(lambda asked: call(mesh, asked, statuses), expected.calls))
    return Proof(calls=calls, event=event(mesh, expected, statuses), cut_off=dict(expected.cut_off))


def call(mesh: Mesh, asked: Call, statuses: Mapping[str, NodeStatus]) -> CallProof:
    """A node asks another, and nobody else, who it is."""
    provider = statuses[asked.provider]
    # Callers are edges, which have one realm; a bootstrap serves them all and has none of its own to name.
    procedure = f"{statuses[asked.caller].realms[0]}.demo.whoami"
    argv = ["call", procedure, "{}", "--to", provider.node_id]
    made = CallProof(caller=asked.caller, provider=asked.provider, procedure=procedure, path=asked.path)
    if asked.path is Path.NONE:
        try:
            answer = mesh.exec_json(asked.caller, [*argv, "--timeout", REFUSAL_DEADLINE])
        except CommandRefused:
            return made
        raise LabError(f"{asked.caller} must not reach {asked.provider}, but was answered: {answer}")
    answer = mesh.exec_json(asked.caller, argv)
    end = time.monotonic() + MEETING_DEADLINE
    while asked.path is Path.DIRECT and answer["path"] != asked.path and time.monotonic() < end:
        time.sleep(0.1)
        answer = mesh.exec_json(asked.caller, argv)
    if answer["provider"] != provider.node_id or answer["result"]["node_id"] != provider.node_id:
        raise LabError(
            f"{asked.caller} called {asked.provider} ({provider.short_id}), somebody else answered: {answer}"
        )
    if answer["path"] != asked.path:
        cause = f"{asked.caller} reached {asked.provider} {answer['path']}, with these NATs it must be {asked.path}"
        raise LabError(cause, f"macula-lab why {asked.caller} {asked.provider}")
    return made.model_copy(update={"latency_ms": answer["latency_ms"]})


def event(mesh: Mesh, expected: Expectation, statuses: Mapping[str, NodeStatus]) -> EventProof | None:
    """The first edge publishes with QoS 1 what the second is subscribed to; None where they are not both members."""
    services = mesh.engine.plan.services
    edges = [name for name in statuses if services[name].role == EDGE and name in expected.members]
    if len(edges) < 2:
        return None
    publisher, subscriber = edges[:2]
    status = statuses[publisher]
    topic = f"{status.realms[0]}.lab.hello"
    word = uuid.uuid4().hex
    received = mesh.stream(subscriber, ["subscribe", topic, "--count", "1", "--timeout", "15"])
    next(received)
    published = mesh.exec_json(publisher, ["publish", topic, f'{{"hello": "{word}"}}', "--qos", "1"])
    got = next(received, None)
    if got is None or got["payload"] != {"hello": word} or got["publisher"] != status.node_id:
        raise LabError(f"{publisher} published {word} to {topic}; {subscriber} received {got}, {published}")
    return EventProof(publisher=publisher, subscriber=subscriber, topic=topic, latency_ms=published["latency_ms"])
