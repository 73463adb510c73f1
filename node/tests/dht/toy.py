"""Nodes on a key space of 256 places: the first byte of the id is the position. Nothing is signed."""

from __future__ import annotations

from macula.core.address import Address
from macula.core.peer_record import PeerInfo
from macula.core.record import Kind, Record
from macula.identity import NodeId


def toy_position(node: NodeId) -> int:
    return node[0]


def toy_id(at: int) -> NodeId:
    return NodeId(bytes([at]) + bytes(31))


def toy_info(at: int, *, host: str = "10.0.0.1", seq: int = 1, reachable: bool = True) -> PeerInfo:
    node = toy_id(at)
    record = Record("", Kind.PEER, str(node), node, seq, 0, 300, {}, bytes([at, seq % 256]))
    return PeerInfo(node, (Address(host, 9443),), reachable, "", "edge", ("io.test",), bytes(32), record)
