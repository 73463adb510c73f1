"""Routes: where a connection's datagrams go."""

from __future__ import annotations

from typing import NamedTuple

from macula.core.address import Address
from macula.identity import NodeId


class Relayed(NamedTuple):
    """To `peer` through `relay`, at which both have a session. It says who sent a datagram and cannot read that."""

    relay: NodeId
    peer: NodeId

    def __str__(self) -> str:
        return f"{self.peer.short} via {self.relay.short}"


Route = Address | Relayed
