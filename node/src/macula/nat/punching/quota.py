"""A bound on what this node sends to addresses that never answered, whoever named them."""

from __future__ import annotations

from cachetools import LRUCache

from macula.core.token_bucket import TokenBucket

_HOSTS = 1024
_PER_SECOND, _AT_ONCE = 1.0, 64.0
"""One round to one address is at most 40 guessed ports, tried five times, and nine tries of the told one."""


class Quota:
    """Probes to silent addresses: bounded for each of them, over all peers of this node together."""

    def __init__(self) -> None:
        self._hosts: LRUCache[str, TokenBucket] = LRUCache(_HOSTS)

    def take(self, host: str, now: float) -> bool:
        """Whether another probe may go to `host`; if so it is counted."""
        bucket = self._hosts.get(host)
        if bucket is None:
            bucket = self._hosts[host] = TokenBucket(_PER_SECOND, _AT_ONCE, now)
        return bucket.take(1, now)
