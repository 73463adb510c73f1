"""What is read of the commands that talk; the commands are ours."""

import threading
from collections.abc import Generator, Sequence
from typing import Any, cast

import pytest

from macula_lab.errors import LabError
from macula_lab.matrix.traffic import FIRST, SECOND
from macula_lab.mesh.mesh import Mesh
from macula_lab.recovery.traffic import conversation
from macula_lab.waiting import until

ANSWER = {"path": "relayed", "latency_ms": 2.0}


class Talkers:
    """In place of a mesh: each command prints its lines, and then ends or fails; what is listened to goes on."""

    def __init__(self, **lines: list[dict[str, Any]]) -> None:
        self.lines = lines
        self.begun: list[str] = []
        self.killed: list[str] = []
        self.ended = threading.Event()
        self.engine = self

    def kill(self, service: str) -> None:
        self.killed.append(service)
        self.ended.set()

    def stream(self, service: str, argv: Sequence[str]) -> Generator[dict[str, Any], None, None]:
        self.begun.append(f"{service} {argv[0]}")
        yield from self.lines.get(argv[0], [])
        if argv[0] == "subscribe":
            self.ended.wait(10)
        raise LabError("the peer was ended")


def mesh(talkers: Talkers) -> Mesh:
    return cast("Mesh", talkers)


def test_answers_errors_and_events_are_read_as_they_come() -> None:
    talkers = Talkers(
        subscribe=[{"subscribed": "t"}, {"sequence": 0}, {"sequence": 2}],
        call=[
            {"number": 1, "at_s": 0.0, **ANSWER},
            {"number": 2, "at_s": 0.05, "error": {"code": "disconnected"}},
            {"summary": {}},
        ],
        publish=[
            {"number": 1, "at_s": 0.0, "delivered": ["b"]},
            {"number": 2, "at_s": 0.05, "error": {"code": "timeout"}},
            {"number": 3, "at_s": 0.1, "delivered": ["b"]},
        ],
    )
    with conversation(mesh(talkers), {FIRST: "a", SECOND: "b"}) as spoken:
        assert until(lambda: len(spoken.forth) >= 2 and len(spoken.back) >= 2 and len(spoken.events.received) == 2, 5)
        first, second = spoken.forth[:2]
        assert (first.path, first.error, second.error) == ("relayed", "", "disconnected")
        assert first.ended >= first.begun + 0.002, "the answer says how long it took"
        assert until(lambda: {0, 2} <= spoken.events.acknowledged, 5), "the one that timed out is none of them"
    assert sorted(talkers.killed) == [FIRST, SECOND]


def test_a_series_that_ends_before_the_conversation_is_begun_again() -> None:
    talkers = Talkers(subscribe=[{"subscribed": "t"}], call=[{"number": 1, "at_s": 0.0, **ANSWER}])
    with conversation(mesh(talkers), {FIRST: "a", SECOND: "b"}) as spoken:
        assert until(lambda: len(spoken.forth) >= 3, 5)
    assert talkers.begun.count(f"{FIRST} call") >= 3


def test_who_does_not_listen_is_named() -> None:
    with pytest.raises(LabError, match=f"{SECOND} does not subscribe"), conversation(mesh(Talkers()), {}, within=0.1):
        pass
