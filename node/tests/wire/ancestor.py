"""What the wire format has from its ancestor, Macula 0.17 (version byte 1), as its documentation lists it.

The header layout is the same. The decoder speaks version 2 only and refuses the vectors below by name.
"""

from __future__ import annotations

from typing import NamedTuple

from macula.wire.messages import (
    Call,
    Disconnect,
    FindNode,
    FindNodeReply,
    FindValue,
    FindValueReply,
    Hello,
    Message,
    Ping,
    Pong,
    Publish,
    PubsubRoute,
    Reply,
    RpcRoute,
    Store,
)


class Shared(NamedTuple):
    """A type number of version 1, its name there, our message, the field names of both, and those of version 1 only."""

    number: int
    name: str
    message: type[Message]
    shared: str
    theirs: str


SHARED: tuple[Shared, ...] = (
    Shared(0x01, "connect", Hello, "capabilities", "version node_id realm_id endpoint"),
    Shared(0x02, "disconnect", Disconnect, "reason", "message"),
    Shared(0x03, "ping", Ping, "", "timestamp"),
    Shared(0x04, "pong", Pong, "", "timestamp server_time"),
    Shared(0x10, "publish", Publish, "topic payload qos", "retain message_id"),
    Shared(0x13, "pubsub_route", PubsubRoute, "destination_node_id source_node_id hop_count max_hops payload", "topic"),
    Shared(0x20, "call", Call, "procedure args call_id", "timeout"),
    Shared(0x21, "reply", Reply, "call_id result error", ""),
    Shared(
        0x23, "rpc_route", RpcRoute, "destination_node_id source_node_id hop_count max_hops payload", "payload_type"
    ),
    Shared(0x40, "find_node", FindNode, "target", "type"),
    Shared(0x41, "find_node_reply", FindNodeReply, "nodes", "type"),
    Shared(0x42, "store", Store, "", "type key value"),
    Shared(0x43, "find_value", FindValue, "key", "type"),
    Shared(0x44, "find_value_reply", FindValueReply, "nodes", "type result value"),
)

# Type numbers of version 1 that no message of version 2 has.
LEFT_OUT = (0x11, 0x12, 0x22, 0x24, 0x25, 0x30, 0x31, 0x32, *range(0x50, 0x58), 0x60, 0x61)


class Vector(NamedTuple):
    """A version 1 frame by its documented layout, in hex, and the fields in its MessagePack map."""

    name: str
    frame: str
    fields: dict[str, object]


VECTORS: tuple[Vector, ...] = (
    Vector("ping", "01 03 00 00 00000014 81a974696d657374616d70cf0000018bcfe56800", {"timestamp": 1_700_000_000_000}),
    Vector(
        "disconnect",
        "01 02 00 00 00000015 82a6726561736f6ea3627965a76d657373616765a0",
        {"reason": "bye", "message": ""},
    ),
    Vector("subscribe", "01 11 00 00 0000000e 82a6746f7069637390a3716f7300", {"topics": [], "qos": 0}),
    Vector("find_value", "01 43 00 00 00000027 81a36b6579c420" + "4b" * 32, {"key": b"K" * 32}),
    Vector(
        "find_node",
        "01 40 00 00 00000039 82a6746172676574c420" + "4b" * 32 + "a474797065a966696e645f6e6f6465",
        {"target": b"K" * 32, "type": "find_node"},
    ),
)
