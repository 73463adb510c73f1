"""What is read of the programs that make the load; the programs are ours."""

import threading
from collections.abc import Generator, Sequence
from typing import Any, cast

import pytest

from macula_lab.engines.contract import Finished
from macula_lab.errors import LabError
from macula_lab.faults import load as module
from macula_lab.faults.load import PROVIDERS, SUBSCRIBERS, Load, load
from macula_lab.mesh.mesh import Mesh
from macula_lab.waiting import until

NODES = ("bootstrap", "gateway", "edge1", "edge2", "edge3")
CALLS = [
    '{"number": 1, "at_s": 0.0, "provider": "id-edge2", "result": 1, "latency_ms": 2.0}',
    '{"number": 3, "at_s": 0.1, "provider": "id-edge3", "result": 3, "latency_ms": 2.0}',
    '{"number": 2, "at_s": 0.05, "error": {"code": "timeout"}}',
]
EVENTS = [
    '{"number": 1, "at_s": 0.0, "delivered": ["id-gateway"]}',
    '{"number": 2, "at_s": 0.05, "error": {"code": "timeout", "delivered": ["id-edge3"]}}',
    '{"number": 3, "at_s": 0.1, "delivered": ["id-gateway", "id-edge3"]}',
]
HEARD = {"gateway": ["1", "3"], "edge3": ["2", "3"]}
RUNS = {"edge2": "1\n", "edge3": "2\n3\n4\n"}


class Nodes:
    """In place of a mesh and its engine: each program prints its lines and goes on until it is killed."""

    def __init__(self, calls: Sequence[str] = CALLS) -> None:
        self.calls = calls
        self.engine = self
        self.served: list[str] = []
        self.running: dict[str, threading.Event] = {}
        self.node_dies = threading.Event()

    def nodes(self) -> list[str]:
        return list(NODES)

    def status(self, name: str) -> Any:
        return type("Status", (), {"node_id": f"id-{name}"})

    def execute(self, service: str, argv: Sequence[str]) -> Finished:
        if argv[0] == "sh":
            self.running[argv[-1].removeprefix("kill ")].set()
        return Finished(0, RUNS[service] if argv[0] == "cat" else "", "")

    def stream(self, service: str, argv: Sequence[str]) -> Generator[str, None, Finished]:
        process = str(len(self.running) + 1)
        ended = self.running[process] = threading.Event()
        yield process
        match argv[argv.index("macula") + 1]:
            case "serve":
                self.served.append(service)
                yield '{"serving": ["it"]}'
                if self.served.count(service) == 1 and service == "edge2":
                    until(lambda: self.node_dies.is_set() or ended.is_set(), 10)
                    ended.set()
                    raise LabError("edge2 was killed")
            case "subscribe":
                yield '{"subscribed": "topic"}'
                yield from (f'{{"payload": {number}}}' for number in HEARD[service])
            case "call":
                yield from self.calls
            case "publish":
                yield from EVENTS
        ended.wait(10)
        return Finished(143, "", "")


def test_answers_errors_and_events_are_accounted_for_by_their_numbers() -> None:
    nodes = Nodes()
    with load(cast("Mesh", nodes)) as running:
        assert until(lambda: len(running.calls) == len(CALLS) and len(running.events) == len(EVENTS), 5)
        nodes.node_dies.set()
        assert until(lambda: nodes.served.count("edge2") == 2, 5), "it provides again when its node is back"
        account = running.close(frozenset({"timeout"}))
    assert account.asked == 3
    assert account.runs == {"edge2": (1,), "edge3": (2, 3)}, "4 was broken off with the load"
    assert account.lost == {"timeout": 1}
    assert account.heard == {"gateway": (1, 3), "edge3": (2, 3)}
    assert account.events_acknowledged == 4
    assert account.findings == []
    assert all(ended.is_set() for ended in nodes.running.values()), "nothing is left running"


def test_who_answers_and_hears_now() -> None:
    with load(cast("Mesh", Nodes())) as running:
        assert until(lambda: len(running.calls) == len(CALLS) and len(running.events) == len(EVENTS), 5)
        assert running.answering(0.0) == set(PROVIDERS)
        assert running.answering(max(call.begun for call in running.calls) + 0.01) == set()
        assert running.hearing(0.0) == set(SUBSCRIBERS)
        assert running.hearing(running.events[-1].begun + 0.01) == set()


def test_a_load_that_one_provider_does_not_answer_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEGINNING", 0.2)
    nodes = Nodes(CALLS[:1])
    with pytest.raises(LabError, match="not every provider answers"):
        Load(cast("Mesh", nodes)).start()
    nodes.node_dies.set()
    for ended in nodes.running.values():
        ended.set()
