"""Routes: where a connection's datagrams go."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from macula.core.address import Address
from macula.identity import NodeId


class Relayed(NamedTuple):
    """To `peer` through `relay`, at which both have a session. It says who sent a datagram and cannot read that."""

    relay: NodeId
    peer: NodeId

    def __str__(self) -> str:
        return f"{self.peer.short} via {self.relay.short}"


class PathKind(StrEnum):
    """What is between two peers."""

    DIRECT = "direct"
    TUNNELLED = "tunnelled"
    """TCP, without a relay"""
    RELAYED = "relayed"


Route = Address | Relayed


def kind_of(route: Route | None) -> PathKind:
    """What kind of path a route is; without one, where the transport knows no other, it is direct."""
    if isinstance(route, Relayed):
        return PathKind.RELAYED
    return PathKind.TUNNELLED if route is not None and route.tunnelled else PathKind.DIRECT
