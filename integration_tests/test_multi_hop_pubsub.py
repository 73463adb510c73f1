"""Macula 0.17's pub/sub suite, case by case, against five containers; each case can fail."""

import json

import pytest

from asking import REALM, Subscriber, by_distance, ids, lookup, publish, record_key, subscribers
from health import check_discovery, check_healthy
from macula_lab.mesh.mesh import Mesh


def test_bootstrap_node_healthy(mesh: Mesh) -> None:
    check_healthy(mesh, "bootstrap", "bootstrap")


def test_gateway_node_healthy(mesh: Mesh) -> None:
    check_healthy(mesh, "gateway", "gateway")


@pytest.mark.parametrize("edge", ["edge1", "edge2", "edge3"])
def test_edge_nodes_healthy(mesh: Mesh, edge: str) -> None:
    check_healthy(mesh, edge, "edge")


def test_dht_peer_discovery(mesh: Mesh) -> None:
    check_discovery(mesh)


def test_subscription_advertisement_in_dht(mesh: Mesh) -> None:
    topic = f"{REALM}.orders.order_placed"
    node_ids = ids(mesh)
    key = record_key(REALM, "topic", topic)
    with subscribers(mesh, {"edge3": topic}, 1):
        found = lookup(mesh, "gateway", topic, "topic")

        assert found["key"] == key.hex()
        assert [entry["node_id"] for entry in found["found"]] == [node_ids["edge3"]]
        closest = by_distance(list(node_ids.values()), key)
        assert set(found["holders"]) >= set(closest) - {node_ids["gateway"]}
        publish(mesh, "edge1", topic, "null", "--qos", "1")


def test_subscriber_discovery_via_dht(mesh: Mesh) -> None:
    topic = f"{REALM}.stock.stock_depleted"
    with subscribers(mesh, {"edge1": topic, "edge2": topic}, 1):
        found = lookup(mesh, "bootstrap", topic, "topic")["found"]

        assert {entry["name"]: entry["address"] for entry in found} == {
            "edge1": f"{mesh.address('edge1')}:9443",
            "edge2": f"{mesh.address('edge2')}:9443",
        }
        publish(mesh, "edge3", topic, "null", "--qos", "1")


def test_single_hop_pubsub(mesh: Mesh) -> None:
    topic = f"{REALM}.payments.payment_received"
    node_ids = ids(mesh)
    with subscribers(mesh, {"edge2": topic}, 1) as readers:
        report = publish(mesh, "edge1", topic, '{"amount": 99.5}', "--qos", "1")

        assert (report["subscribers"], report["delivered"], report["failed"]) == (1, [node_ids["edge2"]], {})
        (event,) = readers["edge2"].take(1)
        assert event["payload"] == {"amount": 99.5}
        assert (event["topic"], event["publisher"], event["missed"]) == (topic, node_ids["edge1"], 0)
        assert readers["edge2"].ended()


def test_multi_hop_pubsub(multi_hop: Mesh) -> None:
    topic = f"{REALM}.sensors.temperature_measured"
    node_ids = ids(multi_hop)
    with subscribers(multi_hop, {"edge_b": topic, "edge_c": topic}, 1) as readers:
        report = publish(multi_hop, "edge_a", topic, "21", "--qos", "1")

        assert set(report["delivered"]) == {node_ids["edge_b"], node_ids["edge_c"]}
        for reader in readers.values():
            (event,) = reader.take(1)
            assert (event["payload"], event["publisher"]) == (21, node_ids["edge_a"])
        routers = {peer.name: peer.hops for peer in multi_hop.status("edge_a").peers}
        assert (routers["edge_b"], routers["edge_c"]) == (1, 2)


def test_wildcard_subscriptions(mesh: Mesh) -> None:
    root = f"{REALM}.fleet"
    patterns = {"edge1": f"{root}.*.parked", "edge2": f"{root}.**", "edge3": f"{root}.van.parked"}
    counts = {"edge1": 2, "edge2": 4, "edge3": 1}
    readers: dict[str, Subscriber] = {}
    for edge, pattern in patterns.items():
        with subscribers(mesh, {edge: pattern}, counts[edge]) as started:
            readers |= started
    for topic in ("van.parked", "bus.parked", "van.engine.started", "bus.moved"):
        publish(mesh, "gateway", f"{root}.{topic}", json.dumps(topic), "--qos", "1")

    assert [event["payload"] for event in readers["edge1"].take(2)] == ["van.parked", "bus.parked"]
    everything = ["van.parked", "bus.parked", "van.engine.started", "bus.moved"]
    assert [event["payload"] for event in readers["edge2"].take(4)] == everything
    assert [event["payload"] for event in readers["edge3"].take(1)] == ["van.parked"]
    assert all(reader.ended() for reader in readers.values())


def test_multiple_subscribers(mesh: Mesh) -> None:
    topic = f"{REALM}.alarms.alarm_raised"
    node_ids = ids(mesh)
    edges = ["edge1", "edge2", "edge3"]
    with subscribers(mesh, dict.fromkeys(edges, topic), 5) as readers:
        for number in range(5):
            report = publish(mesh, "bootstrap", topic, str(number), "--qos", "1")
            assert sorted(report["delivered"]) == sorted(node_ids[edge] for edge in edges)

        for reader in readers.values():
            events = reader.take(5)
            assert [event["payload"] for event in events] == [0, 1, 2, 3, 4]
            assert [event["missed"] for event in events] == [0] * 5
            first = events[0]["sequence"]
            assert [event["sequence"] - first for event in events] == [0, 1, 2, 3, 4]
            assert reader.ended()
