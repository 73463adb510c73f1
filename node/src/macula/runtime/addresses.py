"""Under which addresses this node can be reached."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

from macula.core.address import Address
from macula.errors import ConfigError

_NOWHERE = Address("192.0.2.1", 9)
"""TEST-NET-1 (RFC 5737): asks the routing table for the default route's source; nothing is sent."""

_RESOLVE_TIMEOUT = 5.0


async def resolve_advertised(
    advertise: Sequence[tuple[str, int | None]], listen_host: str
) -> tuple[tuple[str, int | None], ...]:
    """The configured addresses with IP literals only: a DNS name stands for all its addresses, those of IPv6 only if
    `listen_host` is one. Raises ConfigError for a name that has none."""
    family = socket.AF_INET if ipaddress.ip_address(listen_host).version == 4 else socket.AF_UNSPEC
    found: list[tuple[str, int | None]] = []
    for host, port in advertise:
        literals = (host,) if _is_literal(host) else await _look_up(host, family)
        found += [(literal, port) for literal in literals]
    return tuple(dict.fromkeys(found))


async def find_addresses(
    listen: Address, advertise: Sequence[tuple[str, int | None]], bootstraps: Sequence[Address]
) -> tuple[Address, ...]:
    """The configured addresses (`advertise`: IP and port, or None for the one listened on); else the one listened on;
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


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _look_up(name: str, family: socket.AddressFamily) -> tuple[str, ...]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE_TIMEOUT):
            found = await loop.getaddrinfo(name, None, family=family, type=socket.SOCK_DGRAM)
    except TimeoutError:
        reason = f"no answer in {_RESOLVE_TIMEOUT:g} s"
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        return tuple(str(address[0]) for *_, address in found)
    raise ConfigError("advertise", f"{name} cannot be resolved: {reason}") from None


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
