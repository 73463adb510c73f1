"""Networks of addresses, as what a flood is held against."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address


@lru_cache(1024)
def network_of(host: str) -> bytes:
    """The network of an IP literal that is likely to have one owner: /24 of IPv4, /56 of IPv6."""
    packed = ip_address(host).packed
    return packed[:3] if len(packed) == 4 else packed[:7]


@lru_cache(1024)
def routable_network(host: str) -> bytes | None:
    """As network_of, for globally routable addresses; None for others: a whole company may be in one of these."""
    return network_of(host) if ip_address(host).is_global else None
