from pathlib import Path

import pytest

from macula_lab import records
from macula_lab.records import Record


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("macula_lab.workspace.STATE", tmp_path)


def test_what_is_saved_is_found_until_it_is_forgotten() -> None:
    one = Record("a", Path("/x/a.yaml"), "netns", {"NAT_A": "symmetric"})
    other = Record("b", Path("/x/b.yaml"), "docker", {})
    records.save(other)
    records.save(one)

    assert records.load("a") == one
    assert list(records.every().items()) == [("a", one), ("b", other)]
    records.forget("a")
    records.forget("a")
    assert records.load("a") is None
    assert list(records.every()) == ["b"]


def test_a_record_is_replaced() -> None:
    records.save(Record("a", Path("/x/a.yaml"), "netns", {}))
    records.save(Record("a", Path("/x/a.yaml"), "docker", {}))

    assert records.every() == {"a": Record("a", Path("/x/a.yaml"), "docker", {})}


def test_one_that_is_being_written_is_not_taken_for_a_record(tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "a.new").write_text('{"project": "a"')

    assert records.every() == {}
