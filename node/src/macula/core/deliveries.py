"""What the application is given: calls to handle and events to consume."""

from __future__ import annotations

from dataclasses import dataclass

from macula.identity import NodeId


@dataclass(frozen=True, slots=True)
class CallDelivery:
    """A call for a handler of this node, answered by the command HandlerDone. `deadline` is in the engine's `now`."""

    procedure: str
    args: bytes
    caller: NodeId
    realm: str
    deadline: float


@dataclass(frozen=True, slots=True)
class EventDelivery:
    """An event for one local subscription, answered by Consumed.

    `missed` is how many events of this publisher and topic are known to be lost before this one.
    """

    subscription: int
    topic: str
    payload: bytes
    publisher: NodeId
    epoch: int
    sequence: int
    missed: int


Delivery = CallDelivery | EventDelivery
