"""The limits that are told when something meets them, for the log and for metrics; docs/limits.md has all of them."""

from __future__ import annotations

from enum import StrEnum

from macula.core.effects import Trace
from macula.core.lanes import Lane
from macula.identity import NodeId


class Limit(StrEnum):
    """What was met. The values are those of a label of a metric."""

    CONTROL_LANE = "control_lane"
    """More messages or bytes per second than a lane is read at."""
    RPC_LANE = "rpc_lane"
    PUBSUB_LANE = "pubsub_lane"
    BULK_LANE = "bulk_lane"
    CALL_RATE = "call_rate"
    """Calls of one caller per second."""
    CALLS = "calls"
    """Calls that run, of all or of one caller, and those that are sent arguments."""
    ARGUMENTS = "arguments"
    """Bytes of arguments of running calls, of all or of one caller."""
    EVENT_RATE = "event_rate"
    """Events of one publisher per second."""
    EVENTS = "events"
    """Events that are held back or not acknowledged, and the room in a subscription."""
    RECORD_RATE = "record_rate"
    """Records that one peer brings per second."""
    RECORDS = "records"
    """Records that are kept, of all, of one peer or of one publisher; their size and their life."""
    LOOKUPS = "lookups"
    """Lookups that wait, and the queries and the time of one."""
    SUBSCRIBERS = "subscribers"
    """Subscriber nodes of one topic."""
    PUBLISHERS = "publishers"
    """Publishers times topics that a subscriber remembers."""
    ENVELOPES = "envelopes"
    """Envelopes of one peer per second, and their hops."""
    STUN = "stun"
    """STUN requests per second, of one network or of all."""


LANES = {
    Lane.CONTROL: Limit.CONTROL_LANE,
    Lane.RPC: Limit.RPC_LANE,
    Lane.PUBSUB: Limit.PUBSUB_LANE,
    Lane.BULK: Limit.BULK_LANE,
}


def met(limit: Limit, peer: NodeId | None = None) -> Trace:
    """Something was refused, dropped, cut short or made to wait; what `peer` sent, if that is one peer's doing. Honest
    ones meet limits, too."""
    return Trace("limit.met", {"limit": limit.value, "peer": peer or ""}, f"limit {limit} {peer or ''}")
