"""Macula 0.17's pub/sub suite, case by case, against five containers and behind NATs; each case can fail."""

import json

import pytest

from asking import REALM, Subscriber, by_distance, ids, lookup, publish, record_key, subscribers
from health import check_discovery, check_healthy
from suites import SuiteMesh


def test_bootstrap_node_healthy(suite: SuiteMesh) -> None:
    check_healthy(suite, "bootstrap", "bootstrap")


def test_gateway_node_healthy(suite: SuiteMesh) -> None:
    check_healthy(suite, "gateway", "gateway")


@pytest.mark.parametrize("edge", [0, 1, 2])
def test_edge_nodes_healthy(suite: SuiteMesh, edge: int) -> None:
    check_healthy(suite, suite.edges[edge], "edge")


def test_dht_peer_discovery(suite: SuiteMesh) -> None:
    check_discovery(suite)


def test_subscription_advertisement_in_dht(suite: SuiteMesh) -> None:
    topic = f"{REALM}.orders.order_placed"
    node_ids = ids(suite)
    publisher, subscriber, _ = suite.edges
    key = record_key(REALM, "topic", topic)
    with subscribers(suite, {subscriber: topic}, 1):
        found = lookup(suite, "gateway", topic, "topic")

        assert found["key"] == key.hex()
        assert [entry["node_id"] for entry in found["found"]] == [node_ids[subscriber]]
        closest = by_distance([node_ids[name] for name in suite.servers], key)
        assert set(found["holders"]) >= set(closest) - {node_ids["gateway"]}
        publish(suite, publisher, topic, "null", "--qos", "1")


def test_subscriber_discovery_via_dht(suite: SuiteMesh) -> None:
    topic = f"{REALM}.stock.stock_depleted"
    one, two, publisher = suite.edges
    with subscribers(suite, {one: topic, two: topic}, 1):
        found = lookup(suite, "bootstrap", topic, "topic")["found"]

        assert {entry["name"]: entry["address"] for entry in found} == {
            one: f"{suite.address(one)}:9443",
            two: f"{suite.address(two)}:9443",
        }
        publish(suite, publisher, topic, "null", "--qos", "1")


def test_single_hop_pubsub(suite: SuiteMesh) -> None:
    topic = f"{REALM}.payments.payment_received"
    node_ids = ids(suite)
    publisher, subscriber, _ = suite.edges
    with subscribers(suite, {subscriber: topic}, 1) as readers:
        report = publish(suite, publisher, topic, '{"amount": 99.5}', "--qos", "1")

        assert (report["subscribers"], report["delivered"], report["failed"]) == (1, [node_ids[subscriber]], {})
        (event,) = readers[subscriber].take(1)
        assert event["payload"] == {"amount": 99.5}
        assert (event["topic"], event["publisher"], event["missed"]) == (topic, node_ids[publisher], 0)
        assert readers[subscriber].ended()


def test_multi_hop_pubsub(far_suite: SuiteMesh) -> None:
    topic = f"{REALM}.sensors.temperature_measured"
    node_ids = ids(far_suite)
    publisher, *others = far_suite.edges
    with subscribers(far_suite, dict.fromkeys(others, topic), 1) as readers:
        report = publish(far_suite, publisher, topic, "21", "--qos", "1")

        assert set(report["delivered"]) == {node_ids[name] for name in others}
        for reader in readers.values():
            (event,) = reader.take(1)
            assert (event["payload"], event["publisher"]) == (21, node_ids[publisher])
        assert {name: far_suite.way(name) for name in others} == far_suite.ways


def test_wildcard_subscriptions(suite: SuiteMesh) -> None:
    root = f"{REALM}.fleet"
    one, two, three = suite.edges
    patterns = {one: f"{root}.*.parked", two: f"{root}.**", three: f"{root}.van.parked"}
    counts = {one: 2, two: 4, three: 1}
    readers: dict[str, Subscriber] = {}
    for edge, pattern in patterns.items():
        with subscribers(suite, {edge: pattern}, counts[edge]) as started:
            readers |= started
    for topic in ("van.parked", "bus.parked", "van.engine.started", "bus.moved"):
        publish(suite, "gateway", f"{root}.{topic}", json.dumps(topic), "--qos", "1")

    assert [event["payload"] for event in readers[one].take(2)] == ["van.parked", "bus.parked"]
    everything = ["van.parked", "bus.parked", "van.engine.started", "bus.moved"]
    assert [event["payload"] for event in readers[two].take(4)] == everything
    assert [event["payload"] for event in readers[three].take(1)] == ["van.parked"]
    assert all(reader.ended() for reader in readers.values())


def test_multiple_subscribers(suite: SuiteMesh) -> None:
    topic = f"{REALM}.alarms.alarm_raised"
    node_ids = ids(suite)
    with subscribers(suite, dict.fromkeys(suite.edges, topic), 5) as readers:
        for number in range(5):
            report = publish(suite, "bootstrap", topic, str(number), "--qos", "1")
            assert sorted(report["delivered"]) == sorted(node_ids[edge] for edge in suite.edges)

        for reader in readers.values():
            events = reader.take(5)
            assert [event["payload"] for event in events] == [0, 1, 2, 3, 4]
            assert [event["missed"] for event in events] == [0] * 5
            first = events[0]["sequence"]
            assert [event["sequence"] - first for event in events] == [0, 1, 2, 3, 4]
            assert reader.ended()
