"""A lab in memory, whose record is kept in a folder of the test's own."""

from pathlib import Path

import pytest

from fake_lab import FakeEngine


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """nat-pair, up."""
    monkeypatch.setattr("macula_lab.workspace.STATE", tmp_path)
    return FakeEngine()
