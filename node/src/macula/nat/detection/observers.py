"""Who can be asked about this node's NAT, and when to ask again."""

from __future__ import annotations

from ipaddress import ip_address

from macula.core.address import Address
from macula.core.requests import PeerUp
from macula.identity import NodeId
from macula.nat.detection.findings import Observer
from macula.nat.settings import NatSettings

STUN_CAPABILITY = "stun"
"""What a hello says of a node that answers STUN on its mesh port."""
_ASKED = 3


class Observers:
    """The connected peers that answer STUN."""

    def __init__(self, settings: NatSettings) -> None:
        self._settings = settings
        self._peers: dict[NodeId, Address] = {}

    def up(self, event: PeerUp) -> bool:
        """Whether a peer that came up is one."""
        place = stun_place(event.info.addresses)
        if STUN_CAPABILITY not in event.hello.capabilities or place is None:
            return False
        self._peers[event.peer] = place
        return True

    def down(self, peer: NodeId) -> bool:
        """Whether a peer that is gone was one."""
        return self._peers.pop(peer, None) is not None

    def choose(self) -> tuple[Observer, ...]:
        """Whom to ask: peers at several addresses, the longest connected first; those on the Internet if there is one.
        Without peers, the bootstraps."""
        if not self._peers:
            literal = [one for one in self._settings.bootstraps if _is_literal(one.host) and not one.tunnelled]
            return tuple(map(Observer, dict.fromkeys(literal)))[:_ASKED]
        hosts: dict[str, Observer] = {}
        for peer, place in self._peers.items():
            hosts.setdefault(place.host, Observer(place, peer))
        outside = [one for host, one in hosts.items() if ip_address(host).is_global]
        return tuple(outside or hosts.values())[:_ASKED]

    @property
    def enough(self) -> bool:
        """Whether there are two at different addresses."""
        return len(self.choose()) > 1 and bool(self._peers)


def stun_place(addresses: tuple[Address, ...]) -> Address | None:
    """Where a node with these addresses is asked: at the first of IPv4, which is what is translated, else the first."""
    plain = [one for one in addresses if not one.tunnelled]
    return next((one for one in plain if ":" not in one.host), plain[0] if plain else None)


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
