"""Whole meshes of a few nodes."""

from __future__ import annotations

import random

import pytest

from macula.core.commands import (
    Advertise,
    CallProcedure,
    DhtLookup,
    RequestRaw,
    Shutdown,
    Status,
    Strategy,
)
from macula.core.mode import Mode
from macula.core.record import Kind
from macula.core.results import LookupResult, NodeStatus, PublishResult
from macula.engine import Bootstrap, EngineSettings
from macula.errors import Disconnected, NodeClosed, NotFound, PeerUnreachable
from macula.identity import Identity
from macula.sim import NetworkSettings, SimNode, World
from macula.wire import encode_value
from macula.wire.messages import Call, Ping, Pong, Publish, PubsubRoute, Reply, RpcRoute
from macula.wire.values import MAX_VALUE

from .mesh import ADD, REALM, Mesh, payloads, tap, traces


def records(mesh: Mesh, asker: SimNode, name: str = ADD) -> LookupResult:
    result: LookupResult = mesh.world.ask(asker, DhtLookup(REALM, Kind.RPC, name))
    return result


def test_five_nodes_join_within_a_second_and_are_ready() -> None:
    mesh = Mesh(1)
    assert mesh.world.clock.now < 1.0
    mesh.world.run(5.0)
    for node in mesh.world.nodes:
        status: NodeStatus = mesh.world.ask(node, Status())
        assert status.ready
        assert status.dht.nodes == 4
        assert 0.0 <= status.pool.hit_rate <= 1.0
        assert node.node_id not in [peer.node_id for peer in status.peers]
    assert [fields["address"] for fields in traces(mesh.edges[0], "bootstrap.joined")] == ["10.0.0.1:9443"]


def test_a_procedure_is_called_from_another_edge_and_runs_once() -> None:
    mesh = Mesh(2)
    mesh.serve(mesh.edges[0])
    value, result = mesh.call(mesh.edges[2], 41)
    assert value == 42
    assert (result.provider, result.hops) == (mesh.edges[0].node_id, ())
    (call,) = mesh.edges[0].calls
    assert (call.procedure, call.caller, call.realm) == (ADD, mesh.edges[2].node_id, REALM)


def test_a_node_calls_its_own_procedure() -> None:
    mesh = Mesh(2)
    mesh.serve(mesh.edges[0])
    value, result = mesh.call(mesh.edges[0], 1)
    assert (value, result.provider) == (2, mesh.edges[0].node_id)


def test_nobody_provides_it() -> None:
    mesh = Mesh(3)
    with pytest.raises(NotFound):
        mesh.call(mesh.edges[0], 1, "io.test.nothing")


@pytest.mark.parametrize("qos", [0, 1])
def test_events_reach_both_subscribers_once_and_in_order(qos: int) -> None:
    mesh = Mesh(4)
    publisher, first, second = mesh.edges
    mesh.subscribe(first, "io.test.feed")
    mesh.subscribe(second, "io.test.*")
    for number in range(50):
        result: PublishResult = mesh.publish(publisher, "io.test.feed", number, qos)
        assert set(result.delivered) == {first.node_id, second.node_id}
        assert result.failed == {}
    mesh.world.run(2.0)
    assert payloads(first) == list(range(50))
    assert payloads(second) == list(range(50))
    assert payloads(publisher) == []
    assert {event.publisher for event in first.events} == {publisher.node_id}
    assert [event.missed for event in first.events + second.events] == [0] * 100


def test_a_new_subscription_reaches_every_publisher_within_two_seconds() -> None:
    mesh = Mesh(5)
    publisher, late, _ = mesh.edges
    mesh.publish(publisher, "io.test.feed", 0)
    mesh.subscribe(late, "io.test.feed")
    mesh.world.run(2.0)
    mesh.publish(publisher, "io.test.feed", 1)
    mesh.world.run(1.0)
    assert payloads(late) == [1]


def test_realms_behind_one_bootstrap_never_exchange_a_frame() -> None:
    mesh = Mesh(6, edges=1)
    ours = mesh.edges[0]
    theirs = mesh.add(Mode.EDGE, "stranger", "io.other")
    mesh.join()
    said = tap(mesh.world)
    mesh.serve(ours)
    mesh.serve(theirs)
    mesh.subscribe(ours, "io.test.feed")
    with pytest.raises(NotFound):
        mesh.call(theirs, 1, "io.test.unknown")
    value, result = mesh.call(theirs, 1)
    assert (value, result.provider) == (2, theirs.node_id)
    assert mesh.publish(theirs, "io.test.feed", 1).delivered == ()
    mesh.world.run(400.0)
    pair = {ours.node_id, theirs.node_id}
    assert [sent for _, source, sent in said if {source, sent.peer} == pair] == []
    assert not any(isinstance(sent.message, Call | Reply | Publish | RpcRoute | PubsubRoute) for _, _, sent in said)
    assert payloads(ours) == []


def test_a_direct_connection_to_another_realm_is_refused_with_the_reason() -> None:
    mesh = Mesh(7, edges=1)
    theirs = mesh.add(Mode.EDGE, "stranger", "io.other")
    mesh.join()
    with pytest.raises(PeerUnreachable, match=r"no_common_realm: serves io.test, this node io.other"):
        mesh.world.ask(mesh.edges[0], RequestRaw(theirs.address, Ping(1), 5.0))
    assert [fields["code"] for fields in traces(theirs, "peer.refused")] == ["no_common_realm"]
    assert mesh.world.ask(mesh.bootstrap, RequestRaw(theirs.address, Ping(1), 5.0)) == Pong(1)


def test_a_provider_that_dies_is_not_found_any_more_when_its_record_ends() -> None:
    mesh = Mesh(8)
    mesh.serve(mesh.edges[0])
    mesh.edges[0].kill()
    mesh.world.run(301.0)
    assert records(mesh, mesh.edges[1]).records == ()
    with pytest.raises(NotFound):
        mesh.call(mesh.edges[1], 1)


def test_a_provider_stays_found_as_long_as_it_lives() -> None:
    mesh = Mesh(9)
    mesh.serve(mesh.edges[0])
    mesh.world.run(3600.0)
    assert mesh.call(mesh.edges[1], 1)[0] == 2
    assert [record.node for record in records(mesh, mesh.edges[2]).records] == [mesh.edges[0].node_id]


def test_a_bootstrap_dies_and_returns() -> None:
    mesh = Mesh(10)
    mesh.bootstrap.kill()
    mesh.world.run(120.0)
    for edge in mesh.edges:
        assert len(traces(edge, "bootstrap.lost")) == 1
        assert len(traces(edge, "bootstrap.failed")) >= 3
    mesh.restart(mesh.bootstrap)
    mesh.world.run(93.0)
    for edge in mesh.edges:
        assert len(traces(edge, "bootstrap.joined")) == 2
    newcomer = mesh.add(Mode.EDGE, "newcomer")
    mesh.join(within=1.0)
    mesh.serve(newcomer)
    assert mesh.call(mesh.edges[0], 1)[0] == 2


def test_a_bootstrap_that_is_back_before_anybody_missed_it() -> None:
    mesh = Mesh(10)
    mesh.bootstrap.kill()
    mesh.world.run(1.0)
    mesh.restart(mesh.bootstrap)
    mesh.world.run(60.0)
    assert mesh.world.ask(mesh.edges[0], RequestRaw(mesh.bootstrap.node_id, Ping(1), 5.0)) == Pong(1)


def test_another_node_at_the_address_of_a_pinned_bootstrap_is_not_accepted() -> None:
    mesh = Mesh(11)
    mesh.bootstrap.kill()
    mesh.restart(mesh.bootstrap, Identity.from_random(random.Random(99)))
    mesh.world.run(60.0)
    failed = traces(mesh.edges[0], "bootstrap.failed")
    assert failed[0]["remedy"] == "macula pins forget 10.0.0.1:9443"
    assert "expected" in str(failed[0]["reason"])
    assert len(traces(mesh.edges[0], "bootstrap.joined")) == 1


def test_the_mesh_works_on_while_its_bootstrap_is_gone() -> None:
    mesh = Mesh(12)
    mesh.bootstrap.kill()
    mesh.world.run(20.0)
    mesh.serve(mesh.edges[0])
    assert mesh.call(mesh.edges[2], 1)[0] == 2


def test_a_node_that_is_its_own_bootstrap_says_so_and_goes_on() -> None:
    world = World(13)
    address = world.next_address()
    node = world.add(EngineSettings(Mode.BOOTSTRAP, "alone", REALM, bootstraps=(Bootstrap(address),)))
    world.run(30.0)
    failed = traces(node, "bootstrap.failed")
    assert {fields["reason"] for fields in failed} == {"the address is this node's own"}
    status: NodeStatus = world.ask(node, Status())
    assert status.peers == ()


def test_a_graceful_stop_withdraws_the_records_within_two_seconds() -> None:
    mesh = Mesh(14)
    provider, caller, other = mesh.edges
    mesh.serve(provider)
    assert mesh.call(caller, 1)[0] == 2
    started = mesh.world.clock.now
    mesh.world.ask(provider, Shutdown(10.0))
    provider.kill()
    assert records(mesh, caller).records == ()
    assert mesh.world.clock.now - started < 1.0, "who said goodbye is not asked any more"
    mesh.world.run(2.0 - (mesh.world.clock.now - started))
    with pytest.raises(NotFound):
        mesh.call(other, 1)
    with pytest.raises(Disconnected):
        mesh.call(caller, 1)  # still knew the provider, and learns that it is gone
    with pytest.raises(NotFound):
        mesh.call(caller, 1)
    assert [fields["code"] for fields in traces(caller, "connection.down")] == ["going_away"]


def test_a_stopping_node_takes_no_new_work() -> None:
    mesh = Mesh(15)
    mesh.edges[0].command(Shutdown(10.0))
    with pytest.raises(NodeClosed):
        mesh.world.ask(mesh.edges[0], Advertise(ADD, False))
    status: NodeStatus = mesh.world.ask(mesh.edges[0], Status())
    assert not status.ready


def test_a_stop_ends_at_its_deadline_although_nobody_answers() -> None:
    mesh = Mesh(16)
    mesh.serve(mesh.edges[0])
    for node in (mesh.bootstrap, mesh.gateway, *mesh.edges[1:]):
        node.kill()
    started = mesh.world.clock.now
    mesh.world.ask(mesh.edges[0], Shutdown(1.0))
    assert mesh.world.clock.now - started <= 1.0


def test_nodes_that_nobody_can_reach_call_each_other_through_a_forwarder() -> None:
    mesh = Mesh(17, edges=0, relay=None)
    hidden = mesh.add(Mode.EDGE, "hidden", reachable=False)
    caller = mesh.add(Mode.EDGE, "caller", reachable=False)
    mesh.join()
    mesh.serve(hidden)
    said = tap(mesh.world)
    value, result = mesh.call(caller, 1)
    assert (value, result.provider) == (2, hidden.node_id)
    assert len(result.hops) == 1
    assert result.hops[0] in (mesh.bootstrap.node_id, mesh.gateway.node_id)
    assert not any(isinstance(sent.message, Call | Reply) for _, _, sent in said)
    assert len([sent for _, _, sent in said if isinstance(sent.message, RpcRoute)]) == 4
    assert [call.caller for call in hidden.calls] == [caller.node_id]


def test_the_largest_value_goes_there_and_back_through_a_forwarder() -> None:
    mesh = Mesh(20, edges=0, relay=None)
    hidden = mesh.add(Mode.EDGE, "hidden", reachable=False)
    caller = mesh.add(Mode.EDGE, "caller", reachable=False)
    mesh.join()
    hidden.handlers[ADD] = lambda call: call.args
    mesh.world.ask(hidden, Advertise(ADD, False))
    largest = encode_value("args", bytes(MAX_VALUE - 5))
    assert len(largest) == MAX_VALUE
    result = mesh.world.ask(caller, CallProcedure(ADD, largest, 5.0, Strategy.ROUND_ROBIN))
    assert result.hops
    assert result.value == largest


def test_events_reach_a_node_that_nobody_can_reach() -> None:
    mesh = Mesh(18, edges=0, relay=None)
    hidden = mesh.add(Mode.EDGE, "hidden", reachable=False)
    publisher = mesh.add(Mode.EDGE, "publisher", reachable=False)
    mesh.join()
    mesh.subscribe(hidden, "io.test.feed")
    for number in range(10):
        assert mesh.publish(publisher, "io.test.feed", number).delivered == (hidden.node_id,)
    mesh.world.run(1.0)
    assert payloads(hidden) == list(range(10))


def test_a_reachable_node_calls_one_that_is_not() -> None:
    mesh = Mesh(19, edges=1)
    hidden = mesh.add(Mode.EDGE, "hidden", reachable=False)
    mesh.join()
    mesh.serve(hidden)
    assert mesh.call(mesh.edges[0], 1)[0] == 2


def test_a_partition_heals_and_both_halves_find_each_other_again() -> None:
    mesh = Mesh(20)
    mesh.serve(mesh.edges[0])
    mesh.world.network.partition([mesh.edges[0].node_id, mesh.edges[1].node_id])
    mesh.world.run(60.0)
    assert mesh.call(mesh.edges[1], 1)[0] == 2
    mesh.world.network.heal()
    mesh.world.run(200.0)
    assert mesh.call(mesh.edges[2], 1)[0] == 2


def test_a_slow_network_is_slow_and_nothing_else() -> None:
    world = World(22, NetworkSettings(latency=0.3))
    bootstrap = world.add(EngineSettings(Mode.BOOTSTRAP, "bootstrap", REALM))
    edges = [
        world.add(EngineSettings(Mode.EDGE, f"edge-{i}", REALM, bootstraps=(Bootstrap(bootstrap.address),)))
        for i in range(2)
    ]
    world.run_until(lambda: all(node.engine.ready for node in world.nodes), 10.0)
    edges[0].handlers[ADD] = lambda call: call.args
    world.ask(edges[0], Advertise(ADD, False))
    args = encode_value("args", 7)
    result = world.ask(edges[1], CallProcedure(ADD, args, 5.0, Strategy.ROUND_ROBIN))
    assert result.value == args
    assert result.latency >= 0.45


def test_what_is_never_true_is_a_timeout() -> None:
    world = World(23)
    with pytest.raises(TimeoutError, match="not true within 5 s of virtual time"):
        world.run_until(lambda: False, 5.0)
    assert world.clock.now == 5.0
