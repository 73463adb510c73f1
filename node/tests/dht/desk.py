"""One Dht service on virtual time: feed it events, look at exactly what it wants done."""

from __future__ import annotations

import random
from itertools import count
from typing import Any, TypeVar

from macula.core.effects import Trace
from macula.core.events import Tick
from macula.core.peer_record import PeerInfo
from macula.core.requests import LearnPeer, PeerUp, Received, SelfChanged, SendFailed, SendTo
from macula.core.service import ServiceEvent
from macula.dht.service import Dht
from macula.dht.settings import DhtSettings
from macula.identity import NodeId
from macula.wire.messages import (
    FindNode,
    FindNodeReply,
    FindValue,
    FindValueReply,
    Hello,
    Message,
    Store,
    StoreReply,
)

from .people import REALM, WALL, peer, person

M = TypeVar("M", bound=Message)
ME = 0


class Desk:
    """Node 0 of tests.dht.people. Messages it sends wait in `sent`, traces in `traces`."""

    def __init__(self, *, reachable: bool = True, realms: tuple[str, ...] = (REALM,), **settings: Any) -> None:
        self.dht = Dht(DhtSettings(**settings), person(ME), random.Random(1), count(1000), realms)
        self.now = 0.0
        self.sent: list[SendTo] = []
        self.traces: list[Trace] = []
        self.feed(SelfChanged(peer(ME, reachable=reachable, realms=realms)))

    def feed(self, event: ServiceEvent) -> list[Any]:
        """What follows but messages, learned peers and traces, which are kept aside or dropped."""
        rest: list[Any] = []
        for action in self.dht.handle(event, self.now, WALL + self.now):
            match action:
                case SendTo():
                    self.sent.append(action)
                case Trace():
                    self.traces.append(action)
                case LearnPeer():
                    pass
                case _:
                    rest.append(action)
        return rest

    def tick(self, now: float) -> list[Any]:
        """Every deadline up to `now`, each at its time."""
        rest: list[Any] = []
        while (due := self.dht.next_deadline()) is not None and due <= now:
            self.now = max(self.now, due)
            rest += self.feed(Tick())
        self.now = now
        return rest

    def up(self, info: PeerInfo) -> list[Any]:
        hello = Hello(2, 2, (), info.realms, info.record.encoded)
        return self.feed(PeerUp(info.node, hello, info, inbound=True))

    def receive(self, info: PeerInfo, message: Message) -> list[Any]:
        return self.feed_from(info.node, message)

    def feed_from(self, node: NodeId, message: Message) -> list[Any]:
        return self.feed(Received(node, message))

    def feed_failed(self, sent: SendTo) -> list[Any]:
        """A message could not be sent."""
        self.sent.remove(sent)
        return self.feed(SendFailed(sent.token or 0, sent.peer, "disconnected", "gone"))

    def take(self, kind: type[M]) -> list[tuple[NodeId, M]]:
        """The waiting messages of a type, which wait no more."""
        taken: list[tuple[NodeId, M]] = [
            (each.peer, each.message) for each in self.sent if isinstance(each.message, kind)
        ]
        self.sent = [each for each in self.sent if not isinstance(each.message, kind)]
        return taken

    def answer(self, info: PeerInfo, **values: Any) -> list[Any]:
        """The peer answers everything that waits for it: `records` and `nodes` encoded, `known` ones, and `code` for
        each store."""
        rest: list[Any] = []
        waiting = [each for each in self.sent if each.peer == info.node]
        self.sent = [each for each in self.sent if each.peer != info.node]
        for each in waiting:
            match each.message:
                case FindNode(request=request):
                    rest += self.receive(info, FindNodeReply(request, values.get("nodes", ()), values.get("known", ())))
                case FindValue(request=request):
                    records, nodes = values.get("records", ()), values.get("nodes", ())
                    more, known = values.get("more", False), values.get("known", ())
                    rest += self.receive(info, FindValueReply(request, records, nodes, more, known))
                case Store(request=request, records=records):
                    code = values.get("code", "stored")
                    rest += self.receive(info, StoreReply(request, (code,) * len(records)))
        return rest
