"""The first message both ways, and what is checked of the other's."""

from __future__ import annotations

from macula.core.peer_record import PeerInfo, open_peer
from macula.errors import ProtocolError
from macula.identity import NodeId
from macula.identity.realms import common_realm, serves
from macula.wire import codes
from macula.wire.header import VERSION
from macula.wire.messages import Hello

CLOCK_SKEW = 300.0
"""Seconds by which two nodes' wall clocks may differ."""


def make_hello(info: PeerInfo, capabilities: tuple[str, ...] = ()) -> Hello:
    """This node's hello; `info` is its own peer record, `capabilities` what it does beyond what every node does."""
    return Hello(VERSION, VERSION, capabilities, info.realms, info.record.encoded)


def check_hello(peer: NodeId, hello: Hello, realms: tuple[str, ...], wall: float) -> PeerInfo:
    """The peer's verified record. Raises ProtocolError with the code to close with."""
    if not hello.version_min <= VERSION <= hello.version_max:
        raise ProtocolError(
            codes.NO_COMMON_VERSION, f"speaks {hello.version_min} to {hello.version_max}, this node {VERSION}"
        )
    info = open_peer(hello.record)
    if info.node != peer:
        raise ProtocolError(codes.BAD_IDENTITY, f"hello carries the record of {info.node.short}")
    if info.record.expires + CLOCK_SKEW < wall or info.record.not_before - CLOCK_SKEW > wall:
        raise ProtocolError(codes.EXPIRED, "hello's record is not valid now; check both nodes' clocks")
    if info.realms != hello.realms:
        raise ProtocolError(codes.BAD_MESSAGE, "hello's realms differ from those of its record")
    if common_realm(realms, hello.realms) is None:
        raise ProtocolError(codes.NO_COMMON_REALM, f"serves {', '.join(hello.realms)}, this node {', '.join(realms)}")
    return info


def check_realm(realm: str, theirs: tuple[str, ...], ours: tuple[str, ...]) -> None:
    """Raises ProtocolError wrong_realm unless both sides serve the realm that a frame names."""
    if not serves(theirs, realm) or not serves(ours, realm):
        side = "this node" if serves(theirs, realm) else "its sender"
        raise ProtocolError(codes.WRONG_REALM, f"frame of realm {realm}, which {side} does not serve")
