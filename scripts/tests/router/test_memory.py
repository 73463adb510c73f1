"""What a router remembers between its commands."""

import multiprocessing
from ipaddress import IPv4Interface, IPv4Network
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from macula_lab.errors import LabError
from macula_lab.router import memory
from macula_lab.router.interfaces import Uplink
from macula_lab.router.memory import Memory


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MACULA_ROUTER_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.mark.parametrize(
    "told",
    [
        Memory("none", None, None),
        Memory(
            "mapping=eim,filtering=apdf,ports=preserve",
            Uplink("eth1", IPv4Interface("203.0.113.21/24")),
            IPv4Network("203.0.113.0/24"),
            (IPv4Network("10.9.1.0/24"),),
        ),
    ],
)
def test_what_was_written_is_read(told: Memory) -> None:
    memory.write(told)
    assert memory.read() == told


def test_where_no_router_runs_that_is_said() -> None:
    with pytest.raises(LabError, match="no router runs here"):
        memory.read()


def test_a_folder_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACULA_ROUTER_STATE", "/proc/none")
    with pytest.raises(LabError, match="MACULA_ROUTER_STATE"):
        memory.folder()


def hold(entered: Event, leave: Event) -> None:
    with memory.alone():
        entered.set()
        assert leave.wait(20)


def write_alone(started: Event) -> None:
    started.set()
    with memory.alone():
        memory.write(Memory("none", None, None))


def test_commands_wait_for_each_other(folder: Path) -> None:
    spawning = multiprocessing.get_context("fork")
    entered, leave, started = spawning.Event(), spawning.Event(), spawning.Event()
    first = spawning.Process(target=hold, args=(entered, leave))
    first.start()
    assert entered.wait(20)
    second = spawning.Process(target=write_alone, args=(started,))
    second.start()
    assert started.wait(20)
    second.join(0.2)
    assert second.is_alive()
    assert not (folder / "router.json").exists()
    leave.set()
    second.join(20)
    first.join(20)
    assert (first.exitcode, second.exitcode) == (0, 0)
    assert memory.read().nat == "none"
