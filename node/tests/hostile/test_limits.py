"""docs/limits.md says what the code does: defaults, refusals and traces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import pytest

from macula.api import _engine_settings, _quic_settings
from macula.config import Settings
from macula.core.lanes import Lane
from macula.core.limits import Limit
from macula.core.record import MAX_RECORD
from macula.dht.settings import DhtSettings
from macula.engine.peer import MAX_EARLY
from macula.engine.settings import PoolSettings
from macula.nat.settings import NatSettings
from macula.providers.quic.authority import MAX_SHOWN
from macula.providers.quic.closing import LOST, TRANSPORT_ERROR
from macula.providers.quic.lanes import TURN
from macula.providers.quic.relay.limits import PEER_RATE
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.tuned import MAX_TLS_MESSAGE
from macula.providers.quic.tunnel.settings import TunnelSettings
from macula.pubsub.settings import PubSubSettings
from macula.relay.settings import RelaySettings, RouteSettings
from macula.rpc.settings import RpcSettings
from macula.runtime.metrics.families import FAMILIES
from macula.wire import codes
from macula.wire.header import MAX_FRAME

NODE = Path(__file__).parents[2]
CLASSES = {
    each.__name__: each
    for each in (
        DhtSettings,
        NatSettings,
        PoolSettings,
        PubSubSettings,
        QuicSettings,
        RelaySettings,
        RouteSettings,
        RpcSettings,
        TunnelSettings,
    )
}
CONSTANTS: dict[str, float] = {
    "Lane": len(Lane),
    "MAX_EARLY": MAX_EARLY,
    "MAX_FRAME": MAX_FRAME,
    "MAX_RECORD": MAX_RECORD,
    "MAX_SHOWN": MAX_SHOWN,
    "MAX_TLS_MESSAGE": MAX_TLS_MESSAGE,
    "PEER_RATE": PEER_RATE,
    "TURN": TURN,
}
WORDS = {"RelayRefuse"}
"""Refusals that are messages of their own."""


class Row(NamedTuple):
    """A line of the tables."""

    what: str
    default: str
    setting: str
    refusal: str
    seen: str
    metric: str


def rows() -> Iterator[Row]:
    for line in (NODE / "docs" / "limits.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 6 and cells[0] != "what" and not set(cells[0]) <= {"-"}:
            yield Row(*cells)


ROWS = list(rows())
NAMED = [row for row in ROWS if row.setting.startswith("`") and re.match(r"[0-9]", row.default)]


def default(name: str) -> float:
    """What the code has under the name in a table."""
    if name in CONSTANTS:
        return CONSTANTS[name]
    owner, _, field = name.rpartition(".")
    if not owner:
        return float(Settings.model_fields[field].default)
    return next(float(each.default) for each in fields(CLASSES[owner]) if each.name == field)  # type: ignore[arg-type]


@pytest.mark.parametrize("row", NAMED, ids=lambda row: row.what)
def test_defaults(row: Row) -> None:
    number = re.match(r"[0-9.]+", row.default)
    assert number is not None and float(number.group()) == default(row.setting.strip("`"))


def test_the_tables_are_read() -> None:
    assert len(ROWS) > 40 and len(NAMED) > len(ROWS) * 0.9


def test_refusals_are_codes() -> None:
    known = {value for name, value in vars(codes).items() if name.isupper() and isinstance(value, str)}
    named = {word for row in ROWS for word in re.findall(r"`(\w+)`", row.refusal)}
    assert named <= known | WORDS | {LOST, TRANSPORT_ERROR}


def test_traces_and_fields_exist() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (NODE / "src").rglob("*.py"))
    for seen in {word for row in ROWS for word in re.findall(r"`([\w.]+)`", row.seen)}:
        field, _, part = seen.partition(".")
        in_status = re.search(rf'"{field}": (structs\.)?(asdict|self\._transport)', source) and all(
            re.search(rf"\b{each}\b", source) for each in part.split(".")
        )
        assert f'"{seen}"' in source or in_status, seen


def label_values() -> Iterator[tuple[str, str, str]]:
    """Metric, label and value wherever the tables name a value."""
    for row in ROWS:
        for name, label, value in re.findall(r'`(?:(\w+)\{)?(\w+)="(\w+)"\}?`', row.metric):
            yield name or "macula_limits_met_total", label, value


def test_every_limit_has_a_metric_with_these_labels() -> None:
    families = {family.name: {label.name: label.values for label in family.labels} for family in FAMILIES}
    for row in ROWS:
        assert row.metric or row.refusal.endswith("to the application"), row.what
        assert set(re.findall(r"macula_\w+", row.metric)) <= set(families), row.what
    for name, label, value in label_values():
        assert not families[name][label] or value in families[name][label], (name, label, value)
    assert {value for name, _, value in label_values() if name == "macula_limits_met_total"} == set(Limit)


def test_every_limit_that_is_told_is_met_somewhere() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (NODE / "src").rglob("*.py"))
    for limit in Limit:
        assert re.search(rf"Limit\.{limit.name}\b", source), limit


def test_what_a_node_is_told_of_them_reaches_its_parts() -> None:
    given = Settings(max_handshakes=80, handshake_rate=100, pool_max_per_network=7, dht_max_records=99, name="n")
    quic, engine = _quic_settings(given), _engine_settings(given, {})
    assert (quic.max_half_open, quic.retry_threshold, quic.initial_rate, quic.initial_burst) == (80, 10, 100.0, 256)
    assert (engine.pool.max_per_network, engine.dht.total_quota) == (7, 99)
    rates = Settings(
        control_rate=20, message_rate=30, byte_rate=40, bulk_rate=50, call_rate=60, event_rate=70, name="n"
    )
    assert (engine.pool.max_per_network, engine.dht.total_quota) == (7, 99)
    quic, engine = _quic_settings(rates), _engine_settings(rates, {})
    assert (quic.control_rate, quic.message_rate, quic.byte_rate, quic.bulk_rate) == (20, 30, 40, 50)
    assert (engine.rpc.call_rate, engine.pubsub.event_rate) == (60, 70)
    rpc = _engine_settings(Settings(max_concurrent_calls=40, name="n"), {}).rpc
    assert (rpc.max_handlers, rpc.max_handlers_per_peer, rpc.max_handlers_per_network) == (40, 20, 30)
    usual, built_in = _quic_settings(Settings(name="n")), QuicSettings()
    assert usual == built_in
    dht = _engine_settings(Settings(name="n", dht_max_records_per_peer=400), {}).dht
    assert (dht.storer_quota, dht.publisher_quota) == (400, 100)
    assert _engine_settings(Settings(name="n"), {}).dht == DhtSettings()
