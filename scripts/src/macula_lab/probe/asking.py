"""Asking STUN servers from one socket, so that a missing answer means something."""

import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from macula.nat import stun
from macula.nat.stun import Kind, Message, StunError

from macula_lab.errors import LabError
from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.udp import Datagram, UdpSocket

TRIES = 3
QUICK = 0.05
"""seconds in which an answer comes on an idle machine"""
GRACE = 0.05
"""seconds that an answer may come after that of the fence, which was asked for later"""
FENCE_PATIENCE = 0.3
"""seconds until a fence is asked for again"""
MAX_FENCES = 30

Found = TypeVar("Found")
Fence = Callable[[], None]
"""Returns after a round trip to the server and back. Raises LabError when there is no way to it."""


class Question(NamedTuple):
    """Whom to ask, and the bits of CHANGE-REQUEST."""

    to: Endpoint
    change: int = 0


def tried(act: Callable[[], None], found: Callable[[float], Found | None], fence: Fence) -> Found | None:
    """Do something until its effect is found, or believe that it has none.

    `found(until)` gives what there is by that time (monotonic seconds). That nothing comes is believed after three
    tries, and of each only when a later round trip has come back: so neither a lost datagram nor a machine that
    stands still looks like a NAT that drops.
    """
    for _ in range(TRIES):
        act()
        if (at_once := found(time.monotonic() + QUICK)) is not None:
            return at_once
        fence()
        if (late := found(time.monotonic() + GRACE)) is not None:
            return late
    return None


class Asker:
    """A socket that asks. What arrives and is no answer is kept for `hears`."""

    def __init__(self, address: str, port: int = 0) -> None:
        self.socket = UdpSocket(address, port)
        self.local = self.socket.local
        self._heard: list[Datagram] = []
        self._asked: set[bytes] = set()
        self._answers: dict[bytes, Message] = {}

    def ask_all(self, questions: Mapping[str, Question], fence: Fence) -> dict[str, Message | None]:
        """The answers to questions that are asked at the same time, None where none comes; see `tried`."""
        transactions: dict[bytes, str] = {}

        def answers() -> dict[str, Message | None]:
            told: dict[str, Message | None] = dict.fromkeys(questions)
            told.update((name, self._answers[asked]) for asked, name in transactions.items() if asked in self._answers)
            return told

        def ask() -> None:
            for name, answer in answers().items():
                if answer is None:
                    transactions[self.begin(questions[name])] = name

        def complete(until: float) -> dict[str, Message | None] | None:
            self._listen(lambda: all(answers().values()), until)
            return answers() if all(answers().values()) else None

        return tried(ask, complete, fence) or answers()

    def begin(self, question: Question) -> bytes:
        """Ask, and give what `answer` takes."""
        asked = stun.request(os.urandom(12), question.change)
        self._asked.add(asked.transaction)
        self.socket.send(stun.encode(asked), question.to)
        return asked.transaction

    def answer(self, transaction: bytes, until: float) -> Message | None:
        """The answer to a question; None when it has not come by `until` (monotonic seconds)."""
        self._listen(lambda: transaction in self._answers, until)
        return self._answers.get(transaction)

    def hears(self, data: bytes, until: float) -> Endpoint | None:
        """Where `data` came from; None when it has not come by `until` (monotonic seconds)."""
        self._listen(lambda: any(one.data == data for one in self._heard), until)
        return next((one.source for one in self._heard if one.data == data), None)

    def round_trips(self, to: Endpoint) -> Fence:
        """A fence on this socket, by a place of the server that answers it."""

        def fence() -> None:
            for _ in range(MAX_FENCES):
                if self.answer(self.begin(Question(to)), time.monotonic() + FENCE_PATIENCE):
                    return
            raise LabError(f"{to}: it does not answer {self.local} any more")

        return fence

    def close(self) -> None:
        """Give the port back."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self, enough: Callable[[], bool], until: float) -> None:
        while not enough():
            arrived = self.socket.receive(until)
            if arrived is None:
                return
            try:
                message = stun.decode(arrived.data)
            except StunError:
                self._heard.append(arrived)
            else:
                if message.kind is Kind.SUCCESS and message.transaction in self._asked:
                    self._answers[message.transaction] = message
