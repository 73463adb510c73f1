"""What measurements are made with: sockets, questions, answers, and waiting, on passed-in time.

A measurement is a `Script`: a generator that does things at its Bench and yields a Pause where it must wait. That lets
each read from top to bottom, as it is done, while nothing here knows a clock or a socket. A Run drives one script.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from macula.core.address import Address
from macula.core.effects import CloseSocket, OpenSocket, SendDatagram
from macula.core.events import DatagramReceived, SocketFailed, SocketOpened
from macula.core.lanes import Lane
from macula.core.peer_record import open_peer
from macula.core.requests import LearnPeer, SendTo
from macula.core.service import Action
from macula.errors import ProtocolError
from macula.identity import NodeId
from macula.nat import stun
from macula.nat.detection.findings import Observer
from macula.nat.detection.observers import stun_place
from macula.nat.stun import Kind, Message, StunError
from macula.wire.messages import ObserverAsk, ObserverTold

T = TypeVar("T")

MESH = 0
"""The number of the mesh's own socket."""
TIMEOUTS = (0.5, 1.0, 2.0, 2.0)
"""Seconds until a question is asked again, and at last given up (RFC 8489, section 6.2.1, cut short: a node that waits
for 39.5 s before it knows that UDP is blocked helps nobody)."""
OPENING = 2.0
"""Seconds until a socket must be open."""


class Exhausted(Exception):
    """The measurement has sent as much as it may."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Until `ready` or until `until`, in `now` seconds."""

    until: float
    ready: Callable[[], bool]


Script = Generator[Pause, None, T]


@dataclass(frozen=True, slots=True)
class Heard:
    """A datagram of a transaction of ours: where it came to, from where, and whom it says that it saw."""

    socket: int
    source: Address
    mapped: Address | None


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket of this measurement, and where the system bound it."""

    number: int
    local: Address


class Bench:
    """The means of one measurement; `budget` is how many datagrams it may make be sent."""

    def __init__(self, rng: random.Random, numbers: Iterator[int], budget: int) -> None:
        """`numbers` names sockets and requests; no other bench gives the same."""
        self.now = 0.0
        self.actions: list[Action] = []
        self.budget = budget
        self._rng = rng
        self._numbers = numbers
        self._opened: dict[int, Address | None] = {}
        self._heard: dict[bytes, Heard | None] = {}
        self._told: dict[int, tuple[NodeId, ObserverTold | None]] = {}

    # Acting.

    def post(self, number: int, to: Address, change: int = 0, transaction: bytes | None = None) -> bytes:
        """Send a binding request from a socket; its transaction, to look for with `heard`. Raises Exhausted."""
        self._spend()
        random_part = transaction or self._rng.randbytes(12)
        self._heard.setdefault(random_part, None)
        self.actions.append(SendDatagram(to, stun.encode(stun.request(random_part, change)), number))
        return random_part

    def ask_observer(self, peer: NodeId, port: int = 0) -> tuple[int, bytes]:
        """Ask a connected observer for its other port and, if `port` is not 0, for a datagram to this port of ours.

        The request, to look for with `told`, and the transaction of the datagram. Raises Exhausted.
        """
        self._spend()
        request, transaction = next(self._numbers), self._rng.randbytes(12)
        self._told[request] = (peer, None)
        self._heard[transaction] = None
        self.actions.append(SendTo(peer, Lane.CONTROL, ObserverAsk(request, transaction, port)))
        return request, transaction

    def introduce(self, record: bytes) -> Observer | None:
        """Learn the signed peer record of an observer that is perhaps not connected; None if it is of no use."""
        try:
            info = open_peer(record)
        except ProtocolError:
            return None
        place = stun_place(info.addresses)
        if place is None:
            return None
        self.actions.append(LearnPeer(info))
        return Observer(place, info.node)

    def close(self) -> None:
        """The measurement is over: give every port back."""
        self.actions += [CloseSocket(number) for number in self._opened]
        self._opened.clear()

    # Looking.

    def heard(self, transaction: bytes) -> Heard | None:
        """The first datagram of a transaction."""
        return self._heard.get(transaction)

    def told(self, request: int) -> ObserverTold | None:
        """What an observer answered."""
        return self._told[request][1] if request in self._told else None

    # Acting and waiting.

    def wait(self, seconds: float, ready: Callable[[], bool] = lambda: False) -> Script[None]:
        """Until `ready`, at most so long."""
        yield Pause(self.now + seconds, ready)

    def open(self, toward: Address) -> Script[Socket | None]:
        """A new socket, at the address from which the system sends `toward`; None if it cannot be had."""
        number = next(self._numbers)
        self._opened[number] = None
        failed = object()
        self.actions.append(OpenSocket(number, toward=toward))
        yield from self.wait(OPENING, lambda: self._opened.get(number, failed) is not None)
        local = self._opened.get(number)
        if local is None:
            self._opened.pop(number, None)
            self.actions.append(CloseSocket(number))
            return None
        return Socket(number, local)

    def ask(self, number: int, to: Address) -> Script[Heard | None]:
        """The answer of a STUN server, if one comes. Raises Exhausted."""
        answers = yield from self.ask_all(number, [to])
        return answers[to]

    def ask_all(self, number: int, servers: Sequence[Address]) -> Script[Mapping[Address, Heard | None]]:
        """The answers of several servers that are asked at the same time. Raises Exhausted."""
        asked = {to: self._rng.randbytes(12) for to in servers}
        for timeout in TIMEOUTS:
            for to, transaction in asked.items():
                if self.heard(transaction) is None:
                    self.post(number, to, transaction=transaction)
            yield from self.wait(timeout, lambda: all(map(self.heard, asked.values())))
            if all(map(self.heard, asked.values())):
                break
        return {to: self.heard(transaction) for to, transaction in asked.items()}

    def together(self, *scripts: Script[None]) -> Script[None]:
        """Several at the same time, until all have ended. Raises Exhausted as soon as one does."""
        pauses: dict[Script[None], Pause] = {script: Pause(self.now, lambda: True) for script in scripts}
        while pauses:
            for script, pause in list(pauses.items()):
                while self.now >= pause.until or pause.ready():
                    try:
                        pause = pauses[script] = next(script)
                    except StopIteration:
                        del pauses[script]
                        break
            if pauses:
                waiting = tuple(pauses.values())
                yield Pause(min(each.until for each in waiting), _any_ready(waiting))

    # What happens.

    def received(self, event: DatagramReceived, message: Message) -> bool:
        """Whether a STUN message belongs to a question of this bench; errors are answers to none."""
        transaction = message.transaction[len(stun.MAGIC_COOKIE) :]
        if message.classic or transaction not in self._heard:
            return False
        if message.kind in (Kind.SUCCESS, Kind.REQUEST) and self._heard[transaction] is None:
            try:
                mapped = message.mapped
            except StunError:
                return True
            seen = Address(*mapped) if mapped is not None else None
            self._heard[transaction] = Heard(event.socket, event.source, seen)
        return True

    def observer_told(self, peer: NodeId, message: ObserverTold) -> None:
        """An observer has answered; what it was not asked is not kept."""
        if self._told.get(message.request, (None, None))[0] == peer:
            self._told[message.request] = (peer, message)

    def socket(self, event: SocketOpened | SocketFailed) -> None:
        """A socket is open, or is not to be had."""
        if event.number in self._opened:
            if isinstance(event, SocketOpened):
                self._opened[event.number] = event.local
            else:
                del self._opened[event.number]

    def _spend(self) -> None:
        if self.budget <= 0:
            raise Exhausted
        self.budget -= 1


def _any_ready(pauses: Sequence[Pause]) -> Callable[[], bool]:
    return lambda: any(pause.ready() for pause in pauses)


class Run:
    """Drives one script. After whatever changes its bench, call `step`, and again at `deadline`."""

    def __init__(self, bench: Bench, script: Script[None], now: float) -> None:
        self.bench = bench
        self._script = script
        self._pause: Pause | None = Pause(now, lambda: True)

    @property
    def done(self) -> bool:
        """Whether the script has ended, or has sent as much as it may."""
        return self._pause is None

    @property
    def deadline(self) -> float | None:
        """When to call `step` at the latest."""
        return self._pause.until if self._pause else None

    def step(self, now: float) -> list[Action]:
        """Go on as far as possible; what is to be done."""
        bench = self.bench
        bench.now = now
        while self._pause is not None and (now >= self._pause.until or self._pause.ready()):
            try:
                self._pause = next(self._script)
            except (StopIteration, Exhausted):
                self._finish()
        actions, bench.actions = bench.actions, []
        return actions

    def cancel(self) -> list[Action]:
        """End it now; what is to be done."""
        self._script.close()
        self._finish()
        actions, self.bench.actions = self.bench.actions, []
        return actions

    def _finish(self) -> None:
        self._pause = None
        self.bench.close()
