"""Links: what `macula-router link` does to the packets on a real interface, and `macula-lab link` in a lab."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from asking import eventually
from cable import Cable, gone, run
from inside import ask_udp, inside, reflector
from labs import Labs
from macula_lab.engines.contract import Engine
from macula_lab.records import Record, forget, save

PORT = 7020
"""Where the reflector of a lab answers."""


@pytest.fixture(scope="module")
def cable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cable]:
    """One cable for all tests."""
    made = Cable(f"links-{os.getpid()}", tmp_path_factory.mktemp("state"))
    yield made
    made.close()


@pytest.fixture
def line(cable: Cable) -> Iterator[Cable]:
    """The cable, with nothing asked of the link; every test leaves it so."""
    assert not cable.in_the_path()
    yield cable
    cable.link("clear")
    assert not cable.in_the_path()


def test_a_round_trip_takes_what_both_directions_were_asked(line: Cable) -> None:
    line.link("set", "--out", "delay=25", "--in", "delay=40")
    line.assert_round_trip(65)


def test_only_the_direction_that_was_asked_is_in_the_path(line: Cable) -> None:
    line.link("set", "--out", "delay=30")
    assert line.devices() == {"lo", "wan", "shape-out"}
    line.assert_round_trip(30)
    line.link("set", "--in", "delay=20", "--out", "none")
    assert line.devices() == {"lo", "wan", "shape-in"}
    line.assert_round_trip(20)
    line.link("set", "--in", "none")
    assert not line.in_the_path()


@pytest.mark.parametrize("inwards", [False, True], ids=["out", "in"])
def test_the_same_seed_loses_the_same_packets(line: Cable, inwards: bool) -> None:
    way = "in" if inwards else "out"

    def arrived(seed: int) -> set[int]:
        line.link("set", f"--{way}", "loss=10", "--seed", str(seed))
        before = line.show()["counters"][way]
        line.send(range(1000), inwards=inwards)
        numbers = line.numbers(inwards)
        after = line.show()["counters"][way]
        assert after["offered"] - before["offered"] == 1000, "there is other traffic"
        assert after["lost"] - before["lost"] == 1000 - len(numbers)
        return set(numbers)

    first = arrived(7)
    assert len(first) == pytest.approx(900, abs=40)
    assert arrived(7) == first
    assert arrived(8) != first
    line.link("clear")
    assert arrived(7) == first


def test_a_rate_is_kept_and_a_queue_that_is_full_drops_the_last(line: Cable) -> None:
    line.link("set", "--out", "rate=4mbit")
    frame = 1292
    needed = 60 * frame * 8 / 4e6
    start = time.monotonic()
    line.send(range(60), size=frame - 42)
    arrived = line.received()
    assert [number for _, number in arrived] == list(range(60))
    assert needed < arrived[-1][0] - start < 1.5 * needed
    line.link("set", "--out", "rate=1mbit")
    line.send(range(200), size=frame - 42)
    numbers = line.numbers()
    assert numbers[:19] == list(range(19))
    assert len(numbers) < 100
    assert line.show()["counters"]["out"]["overflowed"] == 200 - len(numbers)


def test_duplicates(line: Cable) -> None:
    line.link("set", "--out", "duplicate=100", "--in", "duplicate=100")
    line.send(range(50))
    line.send(range(50), inwards=True)
    twice = [number for number in range(50) for _ in range(2)]
    assert line.numbers() == twice
    assert line.numbers(inwards=True) == twice


def test_only_reorder_changes_the_order(line: Cable) -> None:
    line.link("set", "--out", "delay=20,jitter=20")
    line.send(range(300))
    assert line.numbers() == list(range(300))
    line.link("set", "--out", "delay=20,jitter=20,reorder=20")
    line.send(range(300))
    numbers = line.numbers()
    assert sorted(numbers) == list(range(300)) != numbers
    assert line.show()["counters"]["out"]["reordered"] == pytest.approx(60, abs=25)


def test_a_change_keeps_the_program_and_what_is_under_way(line: Cable) -> None:
    line.link("set", "--out", "delay=1000")
    process = line.show()["process"]
    line.send(range(20))
    line.link("set", "--out", "delay=10,loss=0.5")
    line.send(range(20, 40))
    assert line.numbers() == list(range(40))
    assert line.show()["process"] == process
    assert line.show()["out"] == "delay=10,loss=0.5"


def test_clear_takes_it_out_of_the_path_and_lets_what_is_under_way_arrive(line: Cable) -> None:
    line.link("set", "--out", "delay=9000", "--in", "delay=9000")
    process = line.show()["process"]
    line.send(range(20))
    line.send(range(20), inwards=True)
    line.link("clear")
    assert not line.in_the_path()
    eventually("the program has ended", partial(gone, process))
    assert line.numbers() == line.numbers(inwards=True) == list(range(20))
    line.assert_round_trip(0)
    assert line.show()["running"] is False
    line.link("clear")


@pytest.mark.parametrize("repair", [("set", "--out", "delay=20"), ("clear",)], ids=["set", "clear"])
def test_a_program_that_was_killed_is_noticed_and_replaced(line: Cable, repair: tuple[str, ...]) -> None:
    line.link("set", "--out", "delay=10", "--in", "delay=10")
    process = line.show()["process"]
    os.kill(process, signal.SIGKILL)
    eventually("the program has ended", partial(gone, process))
    told = line.show()
    assert told["running"] is False
    assert "nothing passes" in told["problem"]
    line.link(*repair)
    told = line.show()
    assert told["running"] is (repair != ("clear",))
    assert told["problem"] == ""
    line.assert_round_trip(20 if told["running"] else 0)


def test_an_ended_program_leaves_the_path(line: Cable) -> None:
    line.link("set", "--out", "delay=9000")
    process = line.show()["process"]
    line.send(range(5))
    os.kill(process, signal.SIGTERM)
    eventually("the program has ended", partial(gone, process))
    assert not line.in_the_path()
    assert line.numbers() == list(range(5))


def test_an_interface_that_was_replaced_is_noticed_and_shaped_again(line: Cable) -> None:
    line.link("set", "--out", "delay=10,loss=0.1", "--in", "delay=10", "--seed", "5")
    run("ip", "-n", line.router, "link", "delete", "wan")
    line.plug()
    line.assert_round_trip(0)
    assert "nothing is shaped" in line.show()["problem"]
    line.link("set", "--in", "delay=30")
    told = line.show()
    assert (told["out"], told["in"], told["seed"], told["problem"]) == ("delay=10,loss=0.1", "delay=30", 5, "")
    line.assert_round_trip(40)


def test_commands_at_the_same_time_all_count(line: Cable) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda way: line.link("set", f"--{way}", "delay=10"), ("out", "in")))
    told = line.show()
    assert (told["out"], told["in"]) == ("delay=10", "delay=10")


WITHOUT_TUN = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh")
WITHOUT_NET_ADMIN = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")


@pytest.mark.parametrize(
    ("before", "names"),
    [(WITHOUT_TUN, "devices: [/dev/net/tun]"), (WITHOUT_NET_ADMIN, "cap_add: [NET_ADMIN]")],
    ids=["tun", "NET_ADMIN"],
)
def test_what_the_router_lacks_is_named(line: Cable, before: tuple[str, ...], names: str) -> None:
    said = line.link("set", "--out", "delay=5", before=before, code=1)
    assert names in said
    assert len(said.splitlines()) == 1


def test_a_wrong_link_is_refused_and_changes_nothing(line: Cable) -> None:
    line.link("set", "--out", "delay=5")
    assert "--in: loss: 101 is not within 0 to 100 %" in line.link("set", "--in", "loss=101", code=1)
    assert line.show()["out"] == "delay=5"
    assert line.show()["in"] == "none"


@pytest.mark.parametrize("engine", ["netns", "docker"])
def test_a_person_slows_a_router_of_a_lab_down_and_its_nat_does_not_notice(labs: Labs, engine: str) -> None:
    lab = labs.up(engine, "nat-pair")
    (address,) = lab.plan.free_addresses("public", 1)
    outside = lab.helper("outside", {"public": address})
    save(Record(lab.project, lab.plan.file, lab.name, lab.plan.variables))
    try:
        with reflector(outside, PORT):
            seen = round_trip(lab, str(address), 0)
            typed(lab, "nat_a", "--delay", "25", "--direction", "out")
            typed(lab, "nat_a", "--delay", "40", "--direction", "in", "--seed", "7")
            assert round_trip(lab, str(address), 65) == seen
            shown = typed(lab)
            assert (shown["nat_a"]["out"], shown["nat_a"]["in"], shown["nat_a"]["seed"]) == ("delay=25", "delay=40", 7)
            assert shown["nat_b"]["running"] is False
            typed(lab, "nat_a", "--clear")
            assert round_trip(lab, str(address), 0) == seen
    finally:
        lab.execute("nat_a", ["macula-router", "link", "clear"])
        forget(lab.project)
        outside.remove()


def round_trip(lab: Engine, outside: str, expected: float) -> str:
    """Ask from edge_a until a round trip takes this many milliseconds, within 3: as whom the outside saw it."""

    def fitting() -> str:
        answer = ask_udp(inside(lab, "edge_a"), outside, PORT, bound=5020)
        return answer.seen if answer and abs(answer.round_trip - expected) <= 3 else ""

    return eventually(f"a round trip of {expected:g} ms", fitting)


def typed(lab: Engine, *argv: str) -> dict[str, Any]:
    """`macula-lab link ARGV` for this lab, as its own process: what it tells as JSON."""
    command = [str(Path(sys.executable).with_name("macula-lab")), "link", *argv, "--project", lab.project, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told
