"""What the application is given: calls to handle and events to consume."""

from __future__ import annotations

from msgspec import Struct

from macula.identity import NodeId


class CallDelivery(Struct, frozen=True, gc=False):
    """A call for a handler of this node, answered by HandlerDone. `deadline` is in the engine's `now`.

    If it `streams`, results go by SendItem and `deadline` is that of the next step; if it `sends`, too, arguments
    follow as StreamDelivery. `traceparent` is what the caller says of its span, unchecked.
    """

    procedure: str
    args: bytes
    caller: NodeId
    realm: str
    deadline: float
    streams: bool = False
    sends: bool = False
    traceparent: str = ""


class StreamDelivery(Struct, frozen=True, gc=False):
    """The next item of a streaming call, answered by the command ItemTaken; None: no more arguments follow.

    Its Deliver names the CallDelivery that it is an argument of (`answer`), or the command that it is a result of.
    """

    answer: bool
    payload: bytes | None


class EventDelivery(Struct, frozen=True, gc=False):
    """An event for one local subscription, answered by Consumed.

    `missed` is how many events of this publisher and topic are known to be lost before this one. `traceparent` is what
    the publisher says of its span, unchecked.
    """

    subscription: int
    topic: str
    payload: bytes
    publisher: NodeId
    epoch: int
    sequence: int
    missed: int
    traceparent: str = ""


Delivery = CallDelivery | EventDelivery | StreamDelivery
