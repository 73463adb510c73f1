from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from macula.cli.main import app
from macula.cli.node import serve_node
from macula.config import Settings
from macula.errors import ConfigError, NotFound
from runtime.fake_mesh import FakeMesh
from runtime.logging_state import logging_as_before


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    with logging_as_before():
        yield


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Replaces the real node by one that is told to stop as soon as it runs, and records its life."""
    life: list[Any] = []

    @asynccontextmanager
    async def open_node(settings: Settings) -> AsyncIterator[FakeMesh]:
        life.append(settings)
        os.kill(os.getpid(), signal.SIGTERM)
        yield FakeMesh()
        life.append("left")

    api = ModuleType("macula.api")
    api.open_node = open_node  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "macula.api", api)
    return life


def test_a_node_runs_until_sigterm_and_leaves_gracefully(opened: list[Any], tmp_path: Path) -> None:
    args = ["node", "--mode", "gateway", "--name", "n1", "--health-port", "0", "--log-format", "json"]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    settings, last = opened
    assert (settings.mode, settings.name, last) == ("gateway", "n1", "left")
    assert '"event": "node.started"' in result.stderr
    assert not (tmp_path / "control.sock").exists()


def test_unknown_variables_are_warned_about(opened: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACULA_QUICK_PORT", "1")
    result = CliRunner().invoke(app, ["node", "--health-port", "0"])
    assert "MACULA_QUICK_PORT sets nothing" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [(OSError(98, "Address already in use"), 1), (ConfigError("data_dir", "cannot write"), 2)],
)
def test_a_node_that_cannot_start_says_why(
    opened: list[Any], monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    @asynccontextmanager
    async def open_node(settings: Settings) -> AsyncIterator[FakeMesh]:
        raise error
        yield FakeMesh()

    monkeypatch.setattr(sys.modules["macula.api"], "open_node", open_node)
    result = CliRunner().invoke(app, ["node"])
    assert result.exit_code == code
    assert str(error) in result.stderr


async def test_the_demo_is_served_from_the_start_and_left_to_the_shutdown_of_the_node(tmp_path: Path) -> None:
    mesh, stop = FakeMesh(), asyncio.Event()
    advertised = asyncio.Event()
    original = mesh.advertise

    async def advertise(procedure: str, handler: Any, *, idempotent: bool = False) -> None:
        await original(procedure, handler, idempotent=idempotent)
        if len(mesh.procedures) == 5:
            advertised.set()

    mesh.advertise = advertise  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        group.create_task(serve_node(mesh, Settings(data_dir=tmp_path, health_port=0, demo=True), stop))
        await advertised.wait()
        stop.set()
    assert len(mesh.procedures) == 5, "the node withdraws all of its records at once"


async def test_a_demo_that_fails_does_not_stop_the_node(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mesh, stop = FakeMesh(), asyncio.Event()

    class StopWhenTold(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "demo.failed":
                stop.set()

    async def advertise(procedure: str, handler: Any, *, idempotent: bool = False) -> None:
        raise NotFound("no DHT")

    mesh.advertise = advertise  # type: ignore[method-assign]
    listener = StopWhenTold()
    logging.getLogger("macula").addHandler(listener)
    try:
        with caplog.at_level(logging.ERROR):
            await serve_node(mesh, Settings(data_dir=tmp_path, health_port=0, demo=True), stop)
    finally:
        logging.getLogger("macula").removeHandler(listener)
    assert "demo.failed" in caplog.text
