"""Who may open one more tunnel to this node."""

from __future__ import annotations

from collections import Counter

from macula.core.network_limiter import PrefixLimiter
from macula.core.networks import routable_network
from macula.providers.quic.tunnel.settings import TunnelSettings


class Places:
    """Counts the inbound tunnels, and how fast they are opened."""

    def __init__(self, settings: TunnelSettings) -> None:
        self._settings = settings
        self._limiter = PrefixLimiter(settings.accept_rate, settings.accept_burst)
        self._taken = 0
        self._by_prefix: Counter[bytes] = Counter()

    def refusal(self, host: str, now: float) -> str | None:
        """Why `host` may not have one; else it is taken, until `leave`."""
        if self._taken >= self._settings.max_inbound:
            return "full"
        prefix = routable_network(host)
        if prefix is not None and self._by_prefix[prefix] >= self._settings.max_per_prefix:
            return "too many from one network"
        if not self._limiter.take(host, now):
            return "too fast"
        self._taken += 1
        if prefix is not None:
            self._by_prefix[prefix] += 1
        return None

    def leave(self, host: str) -> None:
        """Its tunnel is gone."""
        self._taken -= 1
        prefix = routable_network(host)
        if prefix is not None:
            self._by_prefix[prefix] -= 1
            if not self._by_prefix[prefix]:
                del self._by_prefix[prefix]
