"""Under which addresses this node can be reached."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

from macula.core.address import Address

_NOWHERE = Address("192.0.2.1", 9)
"""TEST-NET-1 (RFC 5737): asks the routing table for the default route's source; nothing is sent."""


async def find_addresses(
    listen: Address, advertise: Sequence[tuple[str, int | None]], bootstraps: Sequence[Address]
) -> tuple[Address, ...]:
    """The configured addresses (`advertise`: IP and port, or None for the port listened on); else the one listened on;
    else, for a wildcard, the local addresses that the routes to the bootstraps start from."""
    if advertise:
        return tuple(Address(host, port or listen.port) for host, port in advertise)
    if not ipaddress.ip_address(listen.host).is_unspecified:
        return (listen,)
    sources = [await _source_towards(address) for address in bootstraps]
    found = [source for source in sources if source is not None]
    if not found:
        fallback = await _source_towards(_NOWHERE) or await _own_name() or "127.0.0.1"
        found = [fallback]
    return tuple(Address(host, listen.port) for host in dict.fromkeys(found))


async def _source_towards(target: Address) -> str | None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(2):
            found = await loop.getaddrinfo(target.host, target.port, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    except (OSError, TimeoutError):
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(found[0][4])
            return str(probe.getsockname()[0])
        except OSError:
            return None


async def _own_name() -> str | None:
    return await _source_towards(Address(socket.gethostname(), 9))
