"""This node's own peer record, renewed at half of its life."""

from __future__ import annotations

from macula.core.address import Address
from macula.core.mode import PathPolicy
from macula.core.peer_record import PeerInfo, RelayPlace, sign_peer
from macula.core.requests import SelfChanged
from macula.engine.settings import EngineSettings
from macula.errors import ArgumentError
from macula.identity import Identity


class SelfRecord:
    """Holds the signed record that goes into every hello and into the DHT."""

    def __init__(self, identity: Identity, settings: EngineSettings) -> None:
        self._identity = identity
        self._settings = settings
        self._addresses: tuple[Address, ...] = ()
        self._relays: tuple[RelayPlace, ...] = ()
        self._renew_at: float | None = None
        self.info: PeerInfo | None = None

    def set_addresses(self, addresses: tuple[Address, ...], now: float, wall: float) -> SelfChanged:
        """The node is reachable at these addresses from now on."""
        self._addresses = addresses
        return self._sign(now, wall)

    def set_relays(self, relays: tuple[RelayPlace, ...], now: float, wall: float) -> SelfChanged:
        """The node is reached through these relays from now on."""
        self._relays = relays
        return self._sign(now, wall)

    def renew(self, now: float, wall: float) -> SelfChanged:
        """A record of the time that it is now."""
        return self._sign(now, wall)

    def tick(self, now: float, wall: float) -> SelfChanged | None:
        """A renewed record when it is time."""
        if self._renew_at is None or now < self._renew_at:
            return None
        return self._sign(now, wall)

    def next_deadline(self) -> float | None:
        """When to renew."""
        return self._renew_at

    def _sign(self, now: float, wall: float) -> SelfChanged:
        hidden = self._settings.path_policy is PathPolicy.RELAY_ONLY
        self.info = self._fitting(() if hidden else self._addresses, wall)
        self._renew_at = now + self._settings.record_ttl / 2
        return SelfChanged(self.info)

    def _fitting(self, addresses: tuple[Address, ...], wall: float) -> PeerInfo:
        settings = self._settings
        previous = self.info.record.seq if self.info else 0
        try:
            return sign_peer(
                self._identity,
                addresses=addresses,
                reachable=settings.reachable and bool(addresses),
                name=settings.name,
                mode=settings.mode.value,
                realms=settings.realms,
                wall=wall,
                ttl=settings.record_ttl,
                # Two records within one millisecond must still be told apart.
                seq=max(int(wall * 1000), previous + 1),
                relays=self._relays,
            )
        except ArgumentError:
            # Long names and many addresses: the last of these is the one that is missed least.
            if not addresses:
                raise
            return self._fitting(addresses[:-1], wall)
