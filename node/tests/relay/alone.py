"""One envelope router, told events by hand."""

from __future__ import annotations

import itertools
import random

from msgspec.structs import replace

from macula.core.lanes import Lane
from macula.core.requests import (
    Received,
    SelfChanged,
    SendTo,
)
from macula.core.service import Action, ServiceEvent
from macula.identity import NodeId
from macula.relay.envelope import Envelope, seal
from macula.relay.service import EnvelopeRouter
from macula.relay.settings import RouteSettings
from macula.wire.messages import Message, RouteError

from .mesh import REALM, WALL, call, identity, peer_info, peer_up

ID = bytes(range(16))
SOURCE, SELF, DESTINATION, OTHER = 0, 1, 2, 3


def node(index: int) -> NodeId:
    return identity(index).node_id


class Alone:
    """One router, node SELF, whose peers are the ones given."""

    def __init__(
        self, *peers: int, edges: tuple[int, ...] = (), forwards: bool = True, settings: RouteSettings | None = None
    ) -> None:
        self.now = 0.0
        self.router = EnvelopeRouter(
            settings or RouteSettings(), identity(SELF), (REALM,), forwards, random.Random(1), itertools.count(100)
        )
        self.tell(SelfChanged(peer_info(SELF)))
        for peer in peers:
            self.tell(peer_up(peer, "edge" if peer in edges else "gateway"))

    def tell(self, event: ServiceEvent) -> list[Action]:
        return self.router.handle(event, self.now, WALL + self.now)

    def receive(self, sender: int, message: Message) -> list[Action]:
        return self.tell(Received(node(sender), message))


def transit(**changes: object) -> Envelope:
    """An envelope from SOURCE to DESTINATION as SOURCE sends it to SELF."""
    envelope = seal(identity(SOURCE), peer_info(SOURCE), peer_info(DESTINATION), call(), ID, 10)
    return replace(envelope, **changes)


def refusal(actions: list[Action]) -> str:
    """The code of the only message sent, a RouteError back to SOURCE."""
    [send] = [action for action in actions if isinstance(action, SendTo)]
    assert isinstance(send.message, RouteError)
    assert send == SendTo(node(SOURCE), Lane.RPC, RouteError(REALM, ID, send.message.code, ()))
    return send.message.code


def incoming() -> Envelope:
    """An envelope from SOURCE to SELF as OTHER sends it."""
    envelope = seal(identity(SOURCE), peer_info(SOURCE), peer_info(SELF), call(), ID, 10)
    return replace(envelope, visited=(node(SOURCE), node(OTHER)), hop_count=1)
