"""Helping connected peers to look at their NATs: what ObserverAsk asks for."""

from __future__ import annotations

from macula.core.effects import SendBeside
from macula.core.lanes import Lane
from macula.core.requests import PeerUp, SendTo
from macula.core.service import Action
from macula.core.token_bucket import TokenBuckets
from macula.identity import NodeId
from macula.nat import stun
from macula.nat.detection.observers import STUN_CAPABILITY
from macula.nat.settings import NatSettings
from macula.nat.stun import MAGIC_COOKIE, Kind, Message
from macula.wire.messages import ObserverAsk, ObserverTold

_PEERS = 4096
_LOWEST_PORT = 1024
_NAMED = 4


class Witness:
    """Sends one STUN response per ObserverAsk to a port of the host that the asking peer is connected from.

    That host has shown by its handshake that it is there and speaks with this node; no other can be named, so nobody
    can aim a datagram at a stranger. It is smaller than what asked for it, and there are few for each peer.
    """

    def __init__(self, settings: NatSettings) -> None:
        self._settings = settings
        self._asks = TokenBuckets[NodeId](settings.ask_rate, settings.ask_burst, _PEERS)
        self._others: dict[NodeId, bytes] = {}

    def up(self, event: PeerUp) -> None:
        """A peer came up; it may be another observer."""
        if STUN_CAPABILITY in event.hello.capabilities:
            self._others[event.peer] = event.info.record.encoded

    def down(self, peer: NodeId) -> None:
        """A peer is gone."""
        self._others.pop(peer, None)

    def asked(self, peer: NodeId, message: ObserverAsk, other_port: int, now: float) -> list[Action]:
        """What follows from an ObserverAsk; `other_port` is this node's own."""
        send = message.port >= _LOWEST_PORT and self._settings.answers and self._asks.take(peer, 1, now)
        others = () if message.port else tuple(one for node, one in self._others.items() if node != peer)[:_NAMED]
        actions: list[Action] = [SendTo(peer, Lane.CONTROL, ObserverTold(message.request, other_port, send, others))]
        if send:
            # A response and no indication, since some NATs look at what they let in.
            data = stun.encode(Message(Kind.SUCCESS, MAGIC_COOKIE + message.transaction))
            actions.insert(0, SendBeside(peer, message.port, data))
        return actions
