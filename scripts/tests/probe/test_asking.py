"""That nothing comes is believed only after several tries, each with a round trip that came back."""

import time
from collections.abc import Iterator

import pytest
from macula.nat import stun
from macula.nat.stun import Kind, Message, Type

from macula_lab.errors import LabError
from macula_lab.probe import asking
from macula_lab.probe.asking import TRIES, Asker, Question, tried
from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.udp import UdpSocket


class Story:
    """Counts what is done, and finds something from some moment on."""

    def __init__(self, found_after: str = "") -> None:
        self.told: list[str] = []
        self.found_after = found_after

    def act(self) -> None:
        self.told.append("act")

    def fence(self) -> None:
        self.told.append("fence")

    def found(self, until: float) -> str | None:
        assert until > time.monotonic()
        self.told.append("look")
        return "it" if " ".join(self.told) == self.found_after else None


def test_what_comes_at_once_ends_the_trying() -> None:
    story = Story("act look")

    assert tried(story.act, story.found, story.fence) == "it"


def test_what_comes_late_is_waited_for_with_a_round_trip() -> None:
    story = Story("act look fence look")

    assert tried(story.act, story.found, story.fence) == "it"


def test_nothing_is_believed_after_three_round_trips() -> None:
    story = Story()

    assert tried(story.act, story.found, story.fence) is None
    assert story.told == ["act", "look", "fence", "look"] * TRIES


@pytest.fixture
def far() -> Iterator[UdpSocket]:
    """Somebody to ask, who answers when the test says so."""
    with UdpSocket("127.0.0.1") as opened:
        yield opened


@pytest.fixture
def asker() -> Iterator[Asker]:
    with Asker("127.0.0.1") as opened:
        yield opened


def soon() -> float:
    return time.monotonic() + 5.0


def answer(far: UdpSocket, kind: Kind = Kind.SUCCESS, transaction: bytes = b"") -> Endpoint:
    """Take a question and answer it; gives who asked."""
    arrived = far.receive(soon())
    assert arrived
    asked = stun.decode(arrived.data)
    attributes = ((Type.XOR_MAPPED_ADDRESS, stun.xor_address_value(arrived.source, transaction or asked.transaction)),)
    far.send(stun.encode(Message(kind, transaction or asked.transaction, attributes)), arrived.source)
    return arrived.source


def test_an_answer_says_where_one_was_seen(far: UdpSocket, asker: Asker) -> None:
    question = asker.begin(Question(far.local))
    source = answer(far)

    told = asker.answer(question, soon())

    assert told
    assert told.mapped == source == asker.local


def test_an_answer_to_a_question_that_nobody_asked_is_none(far: UdpSocket, asker: Asker) -> None:
    question = asker.begin(Question(far.local))
    answer(far, transaction=stun.MAGIC_COOKIE + b"abcdefghijkl")
    asker.begin(Question(far.local))
    answer(far, Kind.ERROR)

    assert asker.answer(question, 0.0) is None


def test_only_unanswered_questions_are_asked_again(far: UdpSocket, asker: Asker) -> None:
    nobody = Endpoint("127.0.0.1", 9)

    def answered() -> None:
        answer(far)

    told = asker.ask_all({"far": Question(far.local), "nobody": Question(nobody)}, answered_once(answered))

    assert told["far"] is not None
    assert told["nobody"] is None
    assert far.receive(0.0) is None


def answered_once(act: object) -> "asking.Fence":
    left = [act]

    def fence() -> None:
        if left:
            left.pop()()  # type: ignore[operator]

    return fence


def test_other_datagrams_are_kept_for_who_waits_for_them(far: UdpSocket, asker: Asker) -> None:
    question = asker.begin(Question(far.local))
    far.send(b"hello", asker.local)
    answer(far)

    assert asker.answer(question, soon())
    assert asker.hears(b"hello", 0.0) == far.local
    assert asker.hears(b"other", 0.0) is None


def test_a_fence_that_gets_no_answer_is_an_error(far: UdpSocket, asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FENCE_PATIENCE", 0.001)

    with pytest.raises(LabError, match=f"{far.local}: it does not answer {asker.local} any more"):
        asker.round_trips(far.local)()


def test_an_icmp_error_is_told(asker: Asker) -> None:
    with UdpSocket("127.0.0.1") as gone:
        closed = gone.local
    asker.socket.send(b"is anybody there?", closed)

    assert asker.socket.receive(time.monotonic() + 0.5) is None
    assert asker.socket.errors == ["icmp 3/3"]


def test_a_port_that_is_taken_is_told(far: UdpSocket) -> None:
    with pytest.raises(LabError, match=f"udp {far.local}: it cannot be bound, Address already in use"):
        UdpSocket(*far.local)
