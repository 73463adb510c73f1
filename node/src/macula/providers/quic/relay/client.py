"""The side that uses relays: wraps what goes to a peer behind one, unwraps what comes from one."""

from __future__ import annotations

from dataclasses import dataclass

from macula.core.address import Address
from macula.core.route import Relayed, Route
from macula.identity import NodeId
from macula.providers.quic.demux import is_quic
from macula.providers.quic.relay.frame import RELAY_ITSELF, Opener, Sealer, session_of
from macula.providers.quic.relay.whereabouts import CHALLENGE_SIZE


@dataclass(slots=True)
class _Used:
    relay: NodeId
    session: bytes
    sealer: Sealer
    opener: Opener
    address: Address


class RelayClient:
    """The sessions that relays have granted to this node, at most one at each."""

    def __init__(self) -> None:
        self._by_relay: dict[NodeId, _Used] = {}
        self._by_session: dict[bytes, _Used] = {}

    def use(self, relay: NodeId, session: bytes, key: bytes, address: Address) -> None:
        """A session at the relay that answers at `address`; replaces the former one there."""
        self.leave(relay)
        # A relay that grants the id of another's session must not take that over.
        if session in self._by_session:
            return
        used = _Used(relay, session, Sealer(session, key, to_relay=True), Opener(key, to_relay=False), address)
        self._by_relay[relay] = self._by_session[session] = used

    def leave(self, relay: NodeId) -> None:
        """The session at this relay is over."""
        used = self._by_relay.pop(relay, None)
        if used is not None:
            del self._by_session[used.session]

    def address(self, relay: NodeId) -> Address | None:
        """Where a relay is that can be used."""
        used = self._by_relay.get(relay)
        return used.address if used is not None else None

    def moved(self, relay: NodeId, address: Address) -> None:
        """This node's connection to a relay goes to another address of it."""
        if relay in self._by_relay:
            self._by_relay[relay].address = address

    def wrap(self, route: Relayed, datagram: bytes) -> tuple[bytes, Address] | None:
        """The frame that carries a datagram, and where it goes; None if there is no session at that relay."""
        used = self._by_relay.get(route.relay)
        return None if used is None else (used.sealer.seal(route.peer, datagram), used.address)

    def unwrap(self, frame: bytes) -> tuple[Route, bytes] | None:
        """Who sent what through which relay, as that relay says; or where to send what, if a relay asks whether this
        node is where it was seen. None for what is not from a relay that is used."""
        used = self._by_session.get(session_of(frame) or b"")
        opened = used.opener.open(frame) if used is not None else None
        if used is None or opened is None:
            return None
        if opened.peer == RELAY_ITSELF and len(opened.datagram) == CHALLENGE_SIZE:
            return used.address, used.sealer.seal(RELAY_ITSELF, opened.datagram)
        return (Relayed(used.relay, opened.peer), opened.datagram) if is_quic(opened.datagram) else None
