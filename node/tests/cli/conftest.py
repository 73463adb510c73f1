from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .running import RunningNode


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("MACULA_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("MACULA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    with RunningNode(tmp_path) as running:
        yield running
