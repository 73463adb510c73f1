"""A bound on what this node sends to addresses that never answered, whoever named them."""

from __future__ import annotations

from macula.core.network_limiter import PrefixLimiter
from macula.core.token_bucket import TokenBucket, TokenBuckets

_HOSTS = 1024
_PER_SECOND, _AT_ONCE = 1.0, 64.0
"""One round to one address is at most 40 guessed ports, tried five times, and nine tries of the told one."""
_NETWORK_PER_SECOND, _NETWORK_AT_ONCE = 4.0, 256
"""The same for all addresses of one network, which may have one link."""
_ALL_PER_SECOND, _ALL_AT_ONCE = 256.0, 4096.0
"""The same for all addresses: 15 kB a second, whatever a thousand peers make up."""


class Quota:
    """Probes to silent addresses: bounded for each of them, each network and in all, over all peers of this node."""

    def __init__(self) -> None:
        self._hosts = TokenBuckets[str](_PER_SECOND, _AT_ONCE, _HOSTS)
        self._networks = PrefixLimiter(_NETWORK_PER_SECOND, _NETWORK_AT_ONCE)
        self._all = TokenBucket(_ALL_PER_SECOND, _ALL_AT_ONCE, 0.0)

    def take(self, host: str, now: float) -> bool:
        """Whether another probe may go to `host`; if so it is counted."""
        # The narrowest first, so that what one address does not get is not held against the others.
        return self._hosts.take(host, 1, now) and self._networks.take(host, now) and self._all.take(1, now)
