"""The traces that applications can listen to say what runtime.telemetry promises, where relays come and go."""

from __future__ import annotations

from macula.core.commands import Shutdown
from macula.core.effects import Trace
from macula.core.route import Relayed
from macula.runtime.telemetry import EVENTS

from .test_relayed import hidden_mesh


def follows(trace: Trace) -> bool:
    kind = EVENTS[trace.name]
    return (set(trace.measurements), set(trace.fields)) == (set(kind.measurements), set(kind.metadata))


def test_the_life_and_death_of_a_relay() -> None:
    mesh, (a, b) = hidden_mesh(37)
    mesh.serve(b)
    mesh.call(a, 1)
    route = mesh.world.network._routes[a.node_id, b.node_id]
    assert isinstance(route, Relayed)
    dying = next(node for node in (mesh.bootstrap, mesh.gateway) if node.node_id == route.relay)
    dying.kill()
    for number in range(20):
        assert mesh.call(a, number)[0] == number + 1
    mesh.world.ask(b, Shutdown(5.0))
    mesh.world.run(1.0)

    traces = [trace for node in mesh.world.nodes for trace in node.traces if trace.name in EVENTS]
    assert [trace for trace in traces if not follows(trace)] == []
    names = {trace.name for trace in traces}
    assert {"relay.granted", "relay.used", "relay.moved", "relay.ended"} <= names
    moved = next(trace for trace in a.traces + b.traces if trace.name == "relay.moved")
    assert moved.fields["from"] == dying.node_id
