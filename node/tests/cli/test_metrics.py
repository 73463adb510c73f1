from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from macula.cli.main import app
from macula.cli.metrics import render_markdown

from .running import RunningNode

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_markdown(), (
        "run: macula metrics --markdown > node/docs/metrics.md"
    )


def test_it_prints_what_prometheus_gets(node: RunningNode) -> None:
    result = CliRunner().invoke(app, ["metrics"])
    assert result.exit_code == 0, result.output
    assert "# TYPE macula_relay_bytes_total counter" in result.stdout.splitlines()
    assert "macula_relay_bytes_total 20000.0" in result.stdout.splitlines()


def test_json_has_each_value_with_its_labels(node: RunningNode) -> None:
    result = CliRunner().invoke(app, ["metrics", "--json"])
    told = json.loads(result.stdout)
    labels = {"path": "direct", "carrier": "udp"}
    assert {"name": "macula_peers", "labels": labels, "value": 1.0} in told
