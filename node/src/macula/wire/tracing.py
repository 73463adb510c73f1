"""Spans across nodes: messages that say of which span of their sender they are a part (W3C Trace Context)."""

from __future__ import annotations

from msgspec.structs import replace

from macula.wire.messages import Call, Message, Publish
from macula.wire.streaming import StreamCall

TRACE_CAPABILITY = "trace"
"""In the hello of nodes that are told."""


def untraced(message: Message) -> Message:
    """The same for a node that is not told."""
    if isinstance(message, Call | StreamCall | Publish) and message.traceparent:
        return replace(message, traceparent="")
    return message
