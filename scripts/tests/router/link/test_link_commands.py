"""When the program that shapes is started, told, ended or replaced, and what wrong settings are told."""

from collections.abc import Mapping
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from macula_lab.errors import LabError
from macula_lab.router import interfaces
from macula_lab.router.link import commands, control, path

Message = dict[str, Any]
WAN = {"WAN": "203.0.113.0/24", "NAT": "home"}


class Router:
    """A router without a kernel: whether the program runs and with what, and whether the interface leads to it."""

    def __init__(self, running: Message | None = None, led: bool | None = None) -> None:
        self.running = running
        self.led = running is not None if led is None else led
        self.done: list[Any] = []

    def ask(self, request: Message) -> Message | None:
        if self.running is None or not request:
            return self.running
        self.done.append(("told", request))
        self.running = {**self.running, **request}
        if not commands.asks(self.running):
            self.running, self.led = None, False
        return self.running

    def start(self, interface: str, request: Message) -> None:
        self.done.append(("started", interface, request))

    def restore(self, interface: str) -> None:
        self.done.append(("restored", interface))


@pytest.fixture
def router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Router:
    """One on which nothing is asked; tests change what it is."""
    made = Router()
    monkeypatch.setenv("MACULA_ROUTER_STATE", str(tmp_path))
    monkeypatch.setattr(control, "ask", made.ask)
    monkeypatch.setattr(path, "led", lambda _interface: made.led)
    monkeypatch.setattr(path, "restore", made.restore)
    monkeypatch.setattr(path, "missed", lambda _way: 3)
    monkeypatch.setattr(commands, "start", made.start)
    monkeypatch.setattr(commands, "uplink", lambda _environment: "eth1")
    return made


def running(**changes: Any) -> Message:
    """What the program tells that delays packets to the WAN."""
    counters = {"offered": 4, "lost": 1}
    told = {"out": "delay=5", "in": "none", "seed": 7, "running": True, "counters": {"out": counters}}
    return {**told, "interface": "eth1", "process": 99, **changes}


def test_it_starts_with_the_first_that_is_asked(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LINK_SEED", raising=False)
    commands.change("eth1", {"out": "delay=5"})
    assert router.done == [("started", "eth1", {"out": "delay=5", "seed": 1})]


def test_the_seed_is_the_one_given_else_that_of_the_environment(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINK_SEED", "42")
    commands.change("eth1", {"out": "delay=5"})
    commands.change("eth1", {"out": "delay=5", "seed": 3})
    assert [done[2]["seed"] for done in router.done] == [42, 3]


@pytest.mark.parametrize("request_", [{}, {"seed": 3}, {"out": "none"}, commands.CLEAR])
def test_nothing_asked_starts_nothing(router: Router, request_: Message) -> None:
    commands.change("eth1", request_)
    assert router.done == [("restored", "eth1")]


def test_a_program_that_runs_is_told_only_what_changes(router: Router) -> None:
    router.running, router.led = running(), True
    commands.change("eth1", {"in": "loss=1"})
    assert router.done == [("told", {"in": "loss=1"})]


def test_a_program_of_which_nothing_is_asked_any_more_ends(router: Router) -> None:
    router.running, router.led = running(), True
    commands.change("eth1", {"out": "none"})
    assert router.running is None
    assert router.done == [("told", {"out": "none"}), ("restored", "eth1")]


@pytest.mark.parametrize("lost", [{"interface": "eth0", "led": True}, {"interface": "eth1", "led": False}])
def test_a_program_that_lost_its_interface_is_replaced_with_what_it_was(router: Router, lost: Message) -> None:
    router.running, router.led = running(interface=lost["interface"]), lost["led"]
    commands.change("eth1", {"in": "loss=1"})
    assert router.done == [
        ("told", commands.CLEAR),
        ("started", "eth1", {"out": "delay=5", "in": "loss=1", "seed": 7}),
    ]


@pytest.mark.parametrize(
    ("now", "led", "problem"),
    [
        (None, False, ""),
        (running(), True, ""),
        (None, True, "was killed, so nothing passes"),
        (running(), False, "was replaced, so nothing is shaped"),
    ],
)
def test_the_status_tells_what_is_broken(router: Router, now: Message | None, led: bool, problem: str) -> None:
    router.running, router.led = now, led
    status = commands.status("eth1")
    assert problem in status["problem"]
    assert bool(problem) is bool(status["problem"])
    assert status["running"] is (now is not None)
    assert status["interface"] == "eth1"


def test_the_status_counts_what_was_never_read(router: Router) -> None:
    router.running, router.led = running(), True
    assert commands.status("eth1")["counters"] == {"out": {"offered": 4, "lost": 1, "missed": 3}}


def test_the_status_for_people(router: Router) -> None:
    assert commands.text(commands.status("eth1")).splitlines() == ["out  none", "in   none"]
    router.running, router.led = running(), False
    lines = commands.text(commands.status("eth1")).splitlines()
    assert lines[0] == "out  delay=5   packets: 4 offered, 1 lost, 3 missed"
    assert lines[1:] == ["in   none", "seed 7", commands.REPLACED]


def test_a_router_starts_with_the_link_of_its_environment(router: Router) -> None:
    commands.apply({**WAN, "LINK_OUT": "delay=25,loss=1", "LINK_IN": "", "LINK_SEED": "7"})
    assert router.done == [("started", "eth1", {"out": "delay=25,loss=1", "in": "none", "seed": 7})]


def test_a_router_that_starts_again_ends_what_was_left(router: Router) -> None:
    router.running, router.led = running(), True
    commands.apply(WAN)
    assert router.running is None


def test_a_router_without_uplink_and_link_has_nothing_to_do(router: Router) -> None:
    commands.apply({"LINK_OUT": "", "LINK_SEED": "7"})
    assert router.done == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"LINK_OUT": "delay=x"}, "LINK_OUT: delay: 'x' is not a number"),
        ({"LINK_IN": "loss=200"}, "LINK_IN: loss: 200 is not within 0 to 100 %"),
        ({"LINK_SEED": "abc"}, "LINK_SEED: 'abc' is not a whole number"),
        ({"LINK_SEED": "-1"}, "LINK_SEED: '-1' is not a whole number"),
    ],
)
def test_a_wrong_setting_is_named(router: Router, settings: Mapping[str, str], says: str) -> None:
    with pytest.raises(LabError) as error:
        commands.apply({**WAN, **settings})
    assert error.value.cause.startswith(says)
    assert error.value.next_step
    assert router.done == []


def test_a_router_without_uplink_has_no_link() -> None:
    with pytest.raises(LabError) as error:
        commands.uplink({})
    assert error.value.cause.startswith("WAN: ")


def test_the_uplink_is_the_interface_in_the_wan(monkeypatch: pytest.MonkeyPatch) -> None:
    present = tuple(
        interfaces.Interface(name, (IPv4Interface(address),))
        for name, address in (("eth0", "172.24.1.2/24"), ("eth1", "203.0.113.5/24"))
    )
    monkeypatch.setattr(interfaces, "present", lambda: present)
    assert commands.uplink(WAN) == "eth1"


def test_wrong_words_are_named_before_anything_happens(router: Router) -> None:
    with pytest.raises(LabError) as error:
        commands.command(["set", "--out", "delay=5", "--in", "loss=101"])
    assert error.value.cause.startswith("--in: loss: 101")
    assert router.done == []


@pytest.mark.parametrize("argv", [[], ["go"], ["set", "--seed", "x"], ["clear", "--out", "delay=1"]])
def test_what_nobody_can_understand_is_a_usage_error(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.parser().parse_args(argv)
    assert ended.value.code == 2
    assert "usage: macula-router link" in capsys.readouterr().err
