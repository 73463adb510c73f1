"""What the connection table tells the rest of the engine about attempts that name an address instead of a node."""

from __future__ import annotations

from msgspec import Struct

from macula.core.effects import Trace
from macula.core.requests import PeerUp
from macula.core.route import kind_of
from macula.identity import NodeId
from macula.wire import codes


class AddressUp(Struct, frozen=True, gc=False):
    """The attempt `dial` led to this peer, which is up."""

    dial: int
    peer: NodeId


class AddressFailed(Struct, frozen=True, gc=False):
    """The attempt `dial` led to nobody, or to one that was refused."""

    dial: int
    code: str
    """As of core.events.DialFailed: this node's own finding, whatever the peer said."""
    reason: str


Notice = AddressUp | AddressFailed

_ORDINARY = frozenset({codes.GOING_AWAY, codes.IDLE, codes.EVICTED, codes.DUPLICATE, "lost"})


def is_ordinary(code: str) -> bool:
    """Whether connections end so without anybody having done wrong."""
    return code in _ORDINARY


def arrival(up: PeerUp) -> Trace:
    """A peer is connected and has said hello."""
    fields = {
        "peer": up.peer,
        "name": up.info.name,
        "mode": up.info.mode,
        "inbound": up.inbound,
        "path": kind_of(up.route).value,
    }
    return Trace("connection.up", fields, f"connection.up {up.peer}")


def refusal(name: str, who: NodeId | str, code: str, reason: str) -> Trace:
    """Why a connection ended. Whatever is not ordinary counts against the other side; all of that has one limit for
    each peer."""
    limit = f"{name} {who}" if is_ordinary(code) else f"refused {who}"
    return Trace(name, {"peer": who, "code": code, "reason": reason}, limit)
