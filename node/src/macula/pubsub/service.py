"""The pub/sub service: composes the publishing and the subscribing half behind the contract of core.service."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator

from msgspec.structs import replace

from macula.core.commands import PublishEvent, Subscribe, Unsubscribe
from macula.core.effects import Completed
from macula.core.events import CommandGiven, Consumed, Tick
from macula.core.requests import (
    Draining,
    Hold,
    PeerDown,
    PeerUp,
    Received,
    RecordsFound,
    RecordStored,
    Release,
    SendFailed,
    SendTo,
    SendToAll,
)
from macula.core.service import Action, ServiceEvent
from macula.core.timers import earliest
from macula.errors import NodeClosed
from macula.identity import NodeId
from macula.pubsub.publisher import Publisher
from macula.pubsub.settings import PubSubSettings
from macula.pubsub.subscriber import Subscriber
from macula.pubsub.subscriptions import Subscriptions
from macula.wire.messages import Message, Publish, PublishAck

_TO_PEER = (SendTo, Hold, Release)


class PubSub:
    """Implements core.service.Service for one realm. `tokens` gives numbers that no other service of the engine
    uses; they also name deliveries.

    What this node publishes and itself subscribes takes the same path as everything else, but for the network.
    """

    def __init__(
        self,
        settings: PubSubSettings,
        node_id: NodeId,
        realm: str,
        rng: random.Random,
        tokens: Iterator[int],
    ) -> None:
        self._node_id = node_id
        self._actions: list[Action] = []
        self._to_self: deque[Message] = deque()
        self._draining = False
        self._subscriptions = Subscriptions(settings, node_id, realm, tokens, self._emit)
        self._subscriber = Subscriber(settings, realm, self._emit, self._subscriptions)
        self._publisher = Publisher(
            settings,
            node_id,
            realm,
            rng,
            tokens,
            self._emit,
            is_local=lambda topic: bool(self._subscriptions.matching(topic)),
        )

    @property
    def idle(self) -> bool:
        """Whether no publish command is unsettled: a draining node may stop."""
        return self._publisher.is_idle

    @property
    def publications(self) -> int:
        """Publish commands that are not settled."""
        return len(self._publisher)

    @property
    def patterns(self) -> tuple[str, ...]:
        """What this node subscribes, each pattern once."""
        return self._subscriptions.patterns

    def handle(self, event: ServiceEvent, now: float, wall: float) -> list[Action]:
        """As core.service.Service says. Raises ArgumentError, Busy or NodeClosed on a command."""
        if isinstance(event, Received):
            self._received(event.peer, event.message, routed=bool(event.hops), now=now)
        else:
            self._dispatch(event, now, wall)
        while self._to_self:
            self._received(self._node_id, self._to_self.popleft(), routed=False, now=now)
        actions, self._actions = self._actions, []
        return actions

    def next_deadline(self) -> float | None:
        """As core.service.Service says."""
        return earliest(self._publisher.next_deadline(), self._subscriber.next_deadline())

    def _dispatch(self, event: ServiceEvent, now: float, wall: float) -> None:
        match event:
            case Consumed():
                self._subscriber.consumed(event.subscription, event.count)
            case CommandGiven():
                self._command(event, now, wall)
            case Tick():
                self._subscriber.tick(now)
                self._publisher.tick(now)
            case RecordsFound():
                self._publisher.found(event, now)
            case RecordStored():
                self._subscriptions.stored(event, now)
            case SendFailed():
                self._publisher.send_failed(event, now)
            case PeerDown(peer):
                self._publisher.peer_down(peer, now)
            case PeerUp(peer):
                self._publisher.peer_up(peer, now)
            case Draining():
                self._draining = True
                self._subscriptions.withdraw()
            case _:
                pass

    def _command(self, event: CommandGiven, now: float, wall: float) -> None:
        match event.command:
            case Unsubscribe(number):
                self._subscriber.ended(self._subscriptions.unsubscribe(number))
                self._emit(Completed(event.id))
            case PublishEvent() | Subscribe() if self._draining:
                raise NodeClosed("this node is stopping")
            case PublishEvent() as wanted:
                self._publisher.publish(event.id, wanted, now, wall)
            case Subscribe() as wanted:
                self._subscriptions.subscribe(event.id, wanted, now)
            case _:
                pass

    def _received(self, peer: NodeId, message: Message, routed: bool, now: float) -> None:
        match message:
            case Publish():
                self._subscriber.receive(peer, message, routed, now)
            case PublishAck():
                self._publisher.answered(peer, message, now)
            case _:
                pass

    def _emit(self, action: Action) -> None:
        if isinstance(action, SendToAll) and self._node_id in action.peers:
            self._to_self.append(action.message)
            others = tuple(peer for peer in action.peers if peer != self._node_id)
            if others:
                self._actions.append(replace(action, peers=others))
        elif not isinstance(action, _TO_PEER) or action.peer != self._node_id:
            self._actions.append(action)
        elif isinstance(action, SendTo):
            self._to_self.append(action.message)
