from __future__ import annotations

import random
from itertools import count
from typing import Any

from macula.core.effects import Trace
from macula.core.peer_record import PeerInfo
from macula.core.requests import LearnPeer, SendFailed, SendTo
from macula.core.timers import Timers
from macula.dht.queries import Queries, Reply
from macula.dht.settings import DhtSettings
from macula.dht.turn import DueTimers, Turn
from macula.wire import codes
from macula.wire.messages import FindNode, FindNodeReply, StoreReply

from .people import REALM, WALL, peer

KEY = bytes(32)


class Bench:
    """Queries on virtual time; `log` is what it told, in order."""

    def __init__(self) -> None:
        self.timers: DueTimers = Timers()
        self.log: list[str] = []
        self.traces: list[Trace] = []
        self.queries = Queries(
            DhtSettings(),
            random.Random(1),
            count(100),
            self.timers,
            answered=lambda turn, info: self.log.append(f"alive {info.name}"),
            failed=lambda turn, info: self.log.append(f"dead {info.name}"),
        )

    def ask(self, info: PeerInfo, now: float = 0.0, *, tells_of_stalls: bool = False) -> list[Any]:
        turn = Turn(now, WALL)

        def replied(turn: Turn, reply: Reply) -> None:
            self.log.append("reply")

        def failed(turn: Turn) -> None:
            self.log.append("failure")

        def stalled(turn: Turn) -> None:
            self.log.append("stall")

        on_stall = stalled if tells_of_stalls else None
        self.queries.ask(turn, info, lambda request: FindNode(REALM, request, KEY), replied, failed, on_stall)
        return turn.actions

    def tick(self, now: float) -> None:
        for _, request in self.timers.pop_due(now):
            self.queries.timed_out(Turn(now, WALL), request)

    def reply(self, who: PeerInfo, reply: Reply) -> None:
        turn = Turn(0.0, WALL)
        self.queries.received(turn, who.node, reply)
        self.traces += [action for action in turn.actions if isinstance(action, Trace)]


def request_of(actions: list[Any]) -> int:
    (sent,) = [action for action in actions if isinstance(action, SendTo)]
    assert isinstance(sent.message, FindNode)
    return sent.message.request


def test_an_unconnected_node_is_learned_before_it_is_sent_to() -> None:
    bench = Bench()
    first, second = bench.ask(peer(1))
    assert first == LearnPeer(peer(1))
    assert second.token == 100
    bench.queries.peer_up(Turn(0.0, WALL), peer(1).node)
    assert len(bench.ask(peer(1))) == 1


def test_an_answer_in_time() -> None:
    bench = Bench()
    request = request_of(bench.ask(peer(1)))
    bench.reply(peer(1), FindNodeReply(request, ()))
    bench.tick(100.0)
    assert bench.log == ["alive n1", "reply"]
    assert len(bench.queries) == 0
    assert bench.timers.next() is None


def test_a_time_out_a_late_answer_and_one_that_is_too_late() -> None:
    bench = Bench()
    late = request_of(bench.ask(peer(1)))
    lost = request_of(bench.ask(peer(2)))
    bench.tick(1.99)
    assert bench.log == []
    bench.tick(2.0)
    assert bench.log == ["dead n1", "failure", "dead n2", "failure"]
    bench.reply(peer(1), FindNodeReply(late, ()))
    assert bench.log[4:] == ["alive n1", "reply"]
    bench.tick(10.0)
    bench.reply(peer(2), FindNodeReply(lost, ()))
    assert len(bench.log) == 6
    assert [trace.name for trace in bench.traces] == ["dht.reply.unexpected"]


def test_who_wants_to_know_is_told_that_an_answer_has_not_come_yet() -> None:
    bench = Bench()
    answered = request_of(bench.ask(peer(1), tells_of_stalls=True))
    bench.ask(peer(2), tells_of_stalls=True)
    bench.reply(peer(1), FindNodeReply(answered, ()))
    bench.tick(0.49)
    assert bench.log == ["alive n1", "reply"]
    bench.tick(0.5)
    assert bench.log[2:] == ["stall"]
    bench.tick(1.99)
    assert bench.log[3:] == []
    bench.tick(2.0)
    assert bench.log[3:] == ["dead n2", "failure"]


def test_an_answer_from_the_wrong_peer_of_the_wrong_type_or_to_nothing_is_ignored() -> None:
    bench = Bench()
    request = request_of(bench.ask(peer(1)))
    bench.reply(peer(2), FindNodeReply(request, ()))
    bench.reply(peer(1), StoreReply(request, ()))
    bench.reply(peer(1), FindNodeReply((request + 1) % 2**32, ()))
    assert bench.log == []
    assert [trace.limit for trace in bench.traces] == [str(peer(who).node) for who in (2, 1, 1)]
    bench.reply(peer(1), FindNodeReply(request, ()))
    assert bench.log == ["alive n1", "reply"]


def test_a_failed_send_fails_at_once_and_a_full_queue_is_not_the_peers_fault() -> None:
    bench = Bench()
    bench.ask(peer(1))
    bench.ask(peer(2))
    turn = Turn(0.1, WALL)
    bench.queries.send_failed(turn, SendFailed(100, peer(1).node, codes.BUSY, ""))
    bench.queries.send_failed(turn, SendFailed(101, peer(2).node, "disconnected", ""))
    bench.queries.send_failed(turn, SendFailed(999, peer(2).node, "disconnected", ""))
    assert bench.log == ["failure", "dead n2", "failure"]
    assert len(bench.queries) == 0


def test_what_a_replaced_connection_may_have_lost_is_sent_again() -> None:
    bench = Bench()
    sent = bench.ask(peer(1))[-1]
    bench.queries.peer_down(peer(1).node)
    turn = Turn(0.5, WALL)
    bench.queries.peer_up(turn, peer(1).node)
    assert turn.actions == [sent]
    again = Turn(0.6, WALL)
    bench.queries.peer_up(again, peer(1).node)
    assert again.actions == []


def test_a_suspect_fails_at_once_but_its_answer_counts() -> None:
    bench = Bench()
    request = request_of(bench.ask(peer(1)))
    bench.queries.peer_gone(Turn(0.3, WALL), peer(1).node)
    bench.tick(2.0)
    assert bench.log == ["dead n1", "failure"]
    bench.reply(peer(1), FindNodeReply(request, ()))
    assert bench.log[2:] == ["alive n1", "reply"]
