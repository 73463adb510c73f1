"""The connected peers as the envelope router sees them: who may carry an envelope, and who may still send one."""

from __future__ import annotations

from dataclasses import dataclass

from macula.core.mode import FORWARDING_MODES
from macula.core.requests import PeerUp
from macula.core.token_bucket import TokenBucket
from macula.identity import NodeId
from macula.identity.realms import serves
from macula.relay.settings import RouteSettings


@dataclass(slots=True)
class _Neighbour:
    position: int
    realms: tuple[str, ...]
    forwards: bool
    envelopes: TokenBucket
    payload_bytes: TokenBucket
    suspect: bool = False


class Neighbours:
    """Connected peers, by node id."""

    def __init__(self, settings: RouteSettings) -> None:
        self._settings = settings
        self._peers: dict[NodeId, _Neighbour] = {}

    def add(self, up: PeerUp, now: float) -> None:
        """A peer is connected. The realms of its hello count, since that is what it will check frames against."""
        settings = self._settings
        self._peers[up.peer] = _Neighbour(
            up.peer.position,
            up.hello.realms,
            up.info.mode in FORWARDING_MODES,
            TokenBucket(settings.rate, settings.burst, now),
            TokenBucket(settings.byte_rate, settings.byte_burst, now),
        )

    def remove(self, peer: NodeId) -> None:
        """The peer is gone."""
        self._peers.pop(peer, None)

    def set_suspect(self, peer: NodeId, suspect: bool) -> None:
        """A suspect peer forwards only if no other can."""
        if peer in self._peers:
            self._peers[peer].suspect = suspect

    def __contains__(self, peer: NodeId) -> bool:
        return peer in self._peers

    def serves(self, peer: NodeId, realm: str) -> bool:
        """Whether the connected peer said in its hello that it serves the realm."""
        return serves(self._peers[peer].realms, realm)

    def take(self, peer: NodeId, size: int, now: float) -> bool:
        """Whether the connected peer may send an envelope with `size` bytes of payload now; if so, it is counted."""
        neighbour = self._peers[peer]
        return neighbour.envelopes.take(1, now) and neighbour.payload_bytes.take(size, now)

    def next_hop(self, destination: NodeId, realm: str, visited: tuple[NodeId, ...]) -> NodeId | None:
        """Who gets an envelope next: its destination, else the closest to it that forwards and was not visited.

        Whoever is suspect, the destination too, only if no other can: it may have started anew, and then another
        forwarder is connected to it while this connection still has to end.
        """
        direct = self._peers.get(destination)
        if direct is not None and not direct.suspect and serves(direct.realms, realm):
            return destination
        target = destination.position
        candidates = (
            (neighbour.suspect, neighbour.position ^ target, peer)
            for peer, neighbour in self._peers.items()
            if (neighbour.forwards or peer == destination) and peer not in visited and serves(neighbour.realms, realm)
        )
        return min(candidates, default=(False, 0, None))[2]
