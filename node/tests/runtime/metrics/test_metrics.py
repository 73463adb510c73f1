from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from macula.core.effects import CallTrace, Trace
from macula.identity import NodeId
from macula.runtime.logs import TraceLog
from macula.runtime.metrics import Metrics
from macula.runtime.metrics.families import FAMILIES, Kind
from macula.runtime.telemetry import Telemetry
from runtime.fake_mesh import FakeMesh

PEER = NodeId(bytes(32))
PAIR = {"peer": PEER, "mine": "open", "theirs": "symmetric", "reason": "whatever"}
NUMBERS = {"duration": 50.0, "rounds": 1, "probes": 7, "heard": 0}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scene:
    """Telemetry, and what comes of it."""

    def __init__(self) -> None:
        self.telemetry = Telemetry(TraceLog())
        self.metrics = Metrics(self.telemetry)

    def tell(self, name: str, fields: dict[str, Any], **measurements: float) -> None:
        self.telemetry.emit(Trace(name, fields, measurements=measurements))

    def call(self, name: str, peer: NodeId | None, duration: float, **about: Any) -> None:
        self.telemetry.emit_call(CallTrace(name, "a.b", bytes(16), peer, duration=duration, **about))

    def path(self, before: str, after: str, duration: float) -> None:
        fields = {"peer": PEER, "before": before, "path": after, "route": "", "reason": ""}
        self.tell("path.chosen", fields, duration=duration)

    async def samples(self) -> Samples:
        text = self.metrics.render(await FakeMesh().status()).decode()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def value(self, name: str, **labels: str) -> float:
        return (await self.samples())[name, frozenset(labels.items())]


async def test_every_metric_of_the_list_is_told_and_no_other() -> None:
    text = Scene().metrics.render(await FakeMesh().status()).decode()
    types = dict(line.split()[2:] for line in text.splitlines() if line.startswith("# TYPE macula_"))
    assert types == {family.name: family.kind.value for family in FAMILIES}


def test_names_follow_the_conventions() -> None:
    for family in FAMILIES:
        assert family.name.endswith("_total") is (family.kind is Kind.COUNTER)
        assert family.name.endswith("_seconds") or family.kind is not Kind.HISTOGRAM
        assert family.help.endswith(".")


async def test_calls_are_counted_by_outcome_and_provider() -> None:
    scene = Scene()
    for code, peer, local in (("ok", PEER, False), ("ok", PEER, False), ("ok", PEER, True), ("not_found", None, False)):
        scene.call("call.stop", peer, 3.0, local=local, code=code)
    scene.call("call.handled", PEER, 700.0, code="remote")
    assert await scene.value("macula_calls_total", code="ok", provider="remote") == 2
    assert await scene.value("macula_calls_total", code="ok", provider="local") == 1
    assert await scene.value("macula_calls_total", code="not_found", provider="none") == 1
    assert await scene.value("macula_calls_handled_total", code="remote") == 1
    assert await scene.value("macula_call_duration_seconds_bucket", le="0.0025") == 0
    assert await scene.value("macula_call_duration_seconds_bucket", le="0.005") == 4
    assert await scene.value("macula_call_duration_seconds_bucket", le="+Inf") == 4
    assert await scene.value("macula_call_duration_seconds_sum") == pytest.approx(0.012)
    assert await scene.value("macula_call_handling_seconds_bucket", le="0.5") == 0
    assert await scene.value("macula_call_handling_seconds_count") == 1


async def test_publications_and_their_subscribers_are_counted() -> None:
    scene = Scene()
    scene.tell("publish.stop", {"topic": "a", "qos": 1, "code": "ok"}, duration=1.0, subscribers=3, failed=2)
    scene.tell("subscribe.stop", {"pattern": "a.b.*"}, duration=1.0)
    assert await scene.value("macula_publications_total", qos="1", code="ok") == 1
    assert await scene.value("macula_deliveries_total", outcome="delivered") == 3
    assert await scene.value("macula_deliveries_total", outcome="failed") == 2
    assert await scene.value("macula_subscriptions_total") == 1


async def test_punches_are_counted_by_class_pair_and_shown_in_the_status() -> None:
    scene = Scene()
    scene.tell("punch.succeeded", PAIR, **NUMBERS)
    scene.tell("punch.failed", PAIR, **NUMBERS)
    scene.tell("punch.failed", {**PAIR, "theirs": "unknown"}, **NUMBERS)
    scene.path("relayed", "direct", 50.0)
    scene.path("relayed", "direct", 150.0)
    scene.path("direct", "direct", 1000.0)
    scene.path("direct", "relayed", 9000.0)
    scene.tell("relay.moved", {"peer": PEER, "from": PEER, "to": PEER, "reason": ""})
    pair = {"mine": "open", "theirs": "symmetric"}
    assert await scene.value("macula_punches_total", outcome="succeeded", **pair) == 1
    assert await scene.value("macula_punches_total", outcome="failed", **pair) == 1
    assert await scene.value("macula_punch_probes_total") == 21
    assert await scene.value("macula_path_changes_total", before="relayed", path="direct") == 2
    assert await scene.value("macula_time_to_direct_seconds_bucket", le="0.05") == 1
    assert await scene.value("macula_time_to_direct_seconds_count") == 2
    assert await scene.value("macula_relay_failovers_total") == 1
    assert scene.metrics.reaching() == {
        "punches": {"succeeded": 1, "failed": 2},
        "time_to_direct_ms": 100.0,
        "fell_back": 1,
        "relay_failovers": 1,
    }


async def test_the_nat_is_told_as_it_was_last_found() -> None:
    scene = Scene()
    about = {"public": "198.51.100.7:9443", "mapping": "eim", "filtering": "apdf", "hairpin": True}
    for found in ({"type": "unknown", "ports": ""}, {"type": "port_restricted", "ports": "preserve"}):
        scene.tell("nat.detected", {**about, **found})
    told = [labels for name, labels in await scene.samples() if name == "macula_nat_info"]
    expected = {"type": "port_restricted", "mapping": "eim", "filtering": "apdf", "ports": "preserve"}
    assert [dict(labels) for labels in told] == [expected]


async def test_the_rest_is_read_from_the_status() -> None:
    scene = Scene()
    assert await scene.value("macula_peers", path="direct", carrier="udp") == 1
    assert await scene.value("macula_peers", path="relayed", carrier="udp") == 0
    assert await scene.value("macula_relay_bytes_total") == 20_000
    assert await scene.value("macula_relay_dropped_total", reason="over rate") == 3
    assert await scene.value("macula_tunnel_refused_total", reason="full") == 2
    assert await scene.value("macula_handshakes") == 5
    assert await scene.value("macula_handshake_refused_total", reason="rate") == 6
    assert await scene.value("macula_messages_queued") == 3
    assert await scene.value("macula_pool_uses_total", outcome="miss") == 1
    assert await scene.value("macula_node_info", mode="edge", version="0.1.0") == 1


async def test_records_without_room_are_counted() -> None:
    scene = Scene()
    scene.tell("dht.record.over_quota", {"peer": PEER})
    assert await scene.value("macula_dht_over_quota_total") == 1


async def test_streaming_calls_have_durations_of_their_own() -> None:
    """An hour of streaming says nothing of how fast calls are."""
    scene = Scene()
    for name in ("call.stop", "call.handled"):
        scene.call(name, PEER, 3_600_000.0, streams=True)
    assert await scene.value("macula_calls_total", code="ok", provider="remote") == 1
    for name in ("stream_duration", "stream_handling"):
        assert await scene.value(f"macula_{name}_seconds_bucket", le="1800.0") == 0
        assert await scene.value(f"macula_{name}_seconds_bucket", le="7200.0") == 1
    for name in ("call_duration", "call_handling"):
        assert await scene.value(f"macula_{name}_seconds_count") == 0


async def test_what_peers_say_makes_no_new_labels() -> None:
    """Whatever code a peer gives for closing a connection, there are as many series as before."""
    scene = Scene()
    fields = {"peer": PEER, "reason": "x"}
    for name in ("connection.down", "peer.refused", "relay.refused"):
        scene.tell(name, {**fields, "code": "other"})
    before = (await scene.samples()).keys()
    for name, number in product(("connection.down", "peer.refused", "relay.refused"), range(1000)):
        scene.tell(name, {**fields, "code": f"code {number}"})
    scene.call("call.stop", PEER, 1.0, code="new")
    after = (await scene.samples()).keys()
    assert {name for name, _ in after - before} == {"macula_calls_total"}
    assert await scene.value("macula_disconnections_total", code="other") == 1001
    assert await scene.value("macula_calls_total", code="other", provider="remote") == 1


async def test_two_nodes_of_one_process_count_for_themselves() -> None:
    one, other = Scene(), Scene()
    one.tell("relay.granted", {"peer": PEER}, sessions=1)
    assert await one.value("macula_relay_grants_total") == 1
    assert await other.value("macula_relay_grants_total") == 0
