from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from macula.cli.main import app
from macula.cli.settings import render_markdown
from macula.config import Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_markdown(), (
        "run: macula settings --markdown > node/docs/settings.md"
    )


def test_json_tells_value_and_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node.toml").write_text("dht_k = 8\n")
    monkeypatch.setenv("P2P_LISTEN_PORT", "1234")
    args = ["settings", "--json", "--config", str(tmp_path / "node.toml"), "--demo", "--bootstrap", "a:1,b:2"]
    result = CliRunner().invoke(app, args)
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert list(rows) == list(Settings.model_fields)
    shown = {
        name: (rows[name]["value"], rows[name]["source"]) for name in ("port", "dht_k", "demo", "bootstrap", "realm")
    }
    assert shown == {
        "port": ("1234", "P2P_LISTEN_PORT"),
        "dht_k": ("8", str(tmp_path / "node.toml")),
        "demo": ("true", "argument demo"),
        "bootstrap": ("a:1,b:2", "argument bootstrap"),
        "realm": ("io.macula", "default"),
    }
    assert rows["idle_timeout"]["unit"] == "s"


def test_the_table_fits_the_terminal() -> None:
    result = CliRunner().invoke(app, ["settings"])
    assert result.exit_code == 0
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    lines = [line.split() for line in result.stdout.splitlines()]
    assert all(any(line[:1] == [name] for line in lines) for name in Settings.model_fields)
    assert ["idle_timeout", "300", "s", "default", "300"] in lines


def test_a_wrong_value_is_named() -> None:
    result = CliRunner().invoke(app, ["settings", "--port", "99999"])
    assert result.exit_code == 2
    assert "'port': must be a whole number, 0 to 65535; argument port is '99999'" in result.stderr
