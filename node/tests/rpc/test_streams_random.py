"""Both ends of streaming calls in random interleavings: lanes that overtake each other, slow consumers, blocked lanes,
cancels, deadlines, and the connection lost at any time."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from macula.core.commands import (
    CallProcedure,
    CancelCall,
    Command,
    EndItems,
    ItemTaken,
    SendItem,
    Strategy,
)
from macula.core.deliveries import CallDelivery, StreamDelivery
from macula.core.effects import CancelDelivery, Completed, Deliver
from macula.core.events import CommandGiven, HandlerDone, SendBlocked, SendReady, Tick
from macula.core.lanes import Lane
from macula.core.requests import FindRecords, PeerDown, Received, RecordsFound, RefusePeer, SendTo
from macula.core.service import ServiceEvent
from macula.identity import NodeId
from macula.rpc.service import Rpc
from macula.rpc.settings import RpcSettings
from macula.rpc.streams import OVERHEAD
from macula.wire.messages import Message

from .playbook import REALM, WALL, node, record

ALICE, BOB = node(1), node(2)
WINDOW = 2 << 20
SIZES = st.sampled_from([0, 1, WINDOW // 4, WINDOW // 2 - OVERHEAD])
picks = st.integers(0, 1 << 16)


@dataclass
class Way:
    """Items of one call in one direction: what was given to the sender's node, and to the receiver's application."""

    sent: list[bytes] = field(default_factory=list)
    got: list[bytes] = field(default_factory=list)
    taken: int = 0
    pending: bool = False
    told_end: bool = False


@dataclass
class Talk:
    """One streaming call: `handler` is its delivery at Bob, `outcome` how it ended at Alice."""

    arguments: Way = field(default_factory=Way)
    results: Way = field(default_factory=Way)
    handler: int | None = None
    cancelled: bool = False
    finished: bool = False
    outcome: Completed | None = None


class Streaming(RuleBasedStateMachine):
    """Alice calls, Bob handles; items are numbered, so that each can be told from all others."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.numbers, self.items = count(1), count()
        limits = RpcSettings(max_timeout=50.0)
        self.rpc = {peer: Rpc(limits, peer, REALM, random.Random(1), count(7)) for peer in (ALICE, BOB)}
        self.rpc[BOB]._provider.advertised["add"] = False
        self.links: dict[tuple[NodeId, Lane], deque[Message]] = {
            (peer, lane): deque() for peer in (ALICE, BOB) for lane in (Lane.RPC, Lane.BULK)
        }
        self.calls: dict[int, Talk] = {}
        self.handlers: dict[int, Talk] = {}
        self.waiting: dict[tuple[NodeId, int], Way] = {}

    # The world.

    def feed(self, peer: NodeId, event: ServiceEvent) -> None:
        other = BOB if peer == ALICE else ALICE
        for action in self.rpc[peer].handle(event, self.now, WALL + self.now):
            match action:
                case SendTo(target, lane, message):
                    assert target == other
                    self.links[peer, lane].append(message)
                case Completed(number):
                    if way := self.waiting.pop((peer, number), None):
                        way.pending = False
                    elif peer == ALICE and (talk := self.calls.get(number)):
                        assert talk.outcome is None
                        talk.outcome = action
                case Deliver(delivery, CallDelivery() as content):
                    talk = self.handlers[delivery] = list(self.calls.values())[int(content.args)]
                    talk.handler = delivery
                case Deliver(number, StreamDelivery(answer, payload)):
                    way = self.handlers[number].arguments if answer else self.calls[number].results
                    assert not way.told_end
                    if payload is None:
                        way.told_end = True
                    else:
                        way.got.append(payload)
                case CancelDelivery(delivery):
                    self.handlers[delivery].cancelled = True
                case FindRecords(token):
                    self.feed(peer, RecordsFound(token, (record(BOB, ttl=10**6),)))
                case RefusePeer():
                    raise AssertionError(action)

    def give(self, peer: NodeId, command: Command, way: Way | None = None) -> None:
        number = next(self.numbers)
        if way is not None:
            way.pending = True
            self.waiting[peer, number] = way
        if isinstance(command, CallProcedure):
            self.calls[number] = Talk()
        self.feed(peer, CommandGiven(number, command))

    def busy(self) -> list[tuple[NodeId, Lane]]:
        return [link for link, messages in self.links.items() if messages]

    def move(self, link: tuple[NodeId, Lane]) -> None:
        source, _ = link
        self.feed(BOB if source == ALICE else ALICE, Received(source, self.links[link].popleft()))

    def pick(self, number: int) -> tuple[int, Talk]:
        return list(self.calls.items())[number % len(self.calls)]

    def payload(self, size: int) -> bytes:
        return next(self.items).to_bytes(8, "big").ljust(size, b"x")

    # What may happen.

    @rule(sends=st.booleans(), timeout=st.sampled_from([0.5, 5.0]))
    def call(self, sends: bool, timeout: float) -> None:
        self.give(ALICE, CallProcedure("add", b"%d" % len(self.calls), timeout, Strategy.RANDOM, None, True, sends))

    @precondition(lambda self: self.busy())
    @rule(pick=picks, times=st.integers(1, 20))
    def deliver(self, pick: int, times: int) -> None:
        for turn in range(times):
            if links := self.busy():
                self.move(links[(pick + turn) % len(links)])

    @precondition(lambda self: self.calls)
    @rule(pick=picks, size=SIZES)
    def argue(self, pick: int, size: int) -> None:
        number, talk = self.pick(pick)
        if not talk.arguments.pending:
            talk.arguments.sent.append(payload := self.payload(size))
            self.give(ALICE, SendItem(number, False, payload), talk.arguments)

    @precondition(lambda self: self.calls)
    @rule(pick=picks, size=SIZES)
    def result(self, pick: int, size: int) -> None:
        _, talk = self.pick(pick)
        if talk.handler is not None and not talk.results.pending and not talk.finished:
            talk.results.sent.append(payload := self.payload(size))
            self.give(BOB, SendItem(talk.handler, True, payload), talk.results)

    @precondition(lambda self: self.calls)
    @rule(pick=picks, times=st.integers(1, 10))
    def take(self, pick: int, times: int) -> None:
        number, talk = self.pick(pick)
        for peer, key, answer, way in ((ALICE, number, False, talk.results), (BOB, talk.handler, True, talk.arguments)):
            for _ in range(min(times, len(way.got) - way.taken)):
                assert key is not None
                way.taken += 1
                self.give(peer, ItemTaken(key, answer))

    @precondition(lambda self: self.calls)
    @rule(pick=picks)
    def end_arguments(self, pick: int) -> None:
        number, talk = self.pick(pick)
        if not talk.arguments.pending:
            self.give(ALICE, EndItems(number))

    @precondition(lambda self: self.calls)
    @rule(pick=picks, error=st.sampled_from(["", "remote"]))
    def finish(self, pick: int, error: str) -> None:
        _, talk = self.pick(pick)
        if talk.handler is not None and not talk.finished and not talk.results.pending:
            talk.finished = True
            self.feed(BOB, HandlerDone(talk.handler, b"", error, "why"))

    @precondition(lambda self: self.calls)
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        self.give(ALICE, CancelCall(self.pick(pick)[0]))

    @rule(peer=st.sampled_from([ALICE, BOB]), blocked=st.booleans())
    def block(self, peer: NodeId, blocked: bool) -> None:
        other = BOB if peer == ALICE else ALICE
        self.feed(peer, SendBlocked(other, Lane.BULK) if blocked else SendReady(other, Lane.BULK))

    @rule()
    def lose(self) -> None:
        for messages in self.links.values():
            messages.clear()
        self.feed(ALICE, PeerDown(BOB, "lost", "cut"))
        self.feed(BOB, PeerDown(ALICE, "lost", "cut"))

    @rule(seconds=st.sampled_from([0.1, 0.6, 6.0]))
    def advance(self, seconds: float) -> None:
        self.now += seconds
        for peer in (ALICE, BOB):
            self.feed(peer, Tick())

    # What always holds.

    @invariant()
    def items_come_once_in_order_and_within_the_window(self) -> None:
        for talk in self.calls.values():
            for way in (talk.arguments, talk.results):
                assert way.got == way.sent[: len(way.got)]
                assert sum(len(item) + OVERHEAD for item in way.got[way.taken :]) <= WINDOW

    @invariant()
    def a_call_that_ended_well_gave_everything(self) -> None:
        for talk in self.calls.values():
            if talk.outcome is not None and talk.outcome.error is None:
                assert talk.finished and talk.results.got == talk.results.sent
            if talk.arguments.told_end:
                assert talk.arguments.got == talk.arguments.sent[: len(talk.arguments.got)]

    def teardown(self) -> None:
        """Whatever happened, everything ends by itself and nothing is left."""
        for _ in range(3):
            while links := self.busy():
                self.move(links[0])
            for peer in (ALICE, BOB):
                self.block(peer, False)
            self.advance(60.0)
        for talk in self.calls.values():
            assert talk.outcome is not None and not talk.arguments.pending and not talk.results.pending
            if talk.handler is not None and not talk.finished:
                assert talk.cancelled
                self.feed(BOB, HandlerDone(talk.handler, error="cancelled"))
        for rpc in self.rpc.values():
            assert (rpc.calls, rpc.handlers, rpc.next_deadline()) == (0, 0, None)
            assert not rpc._streams._by_number and not rpc._streams._by_call


TestStreaming = Streaming.TestCase
TestStreaming.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
