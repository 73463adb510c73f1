"""Where this node says that it can be reached."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from macula.core.address import Address
from macula.errors import ConfigError
from macula.runtime.addresses import find_addresses, resolve_advertised

LISTEN = Address("0.0.0.0", 9555)


def resolver(monkeypatch: pytest.MonkeyPatch, **names: list[str]) -> None:
    """Make names resolve to addresses without a network; every other one does not exist."""

    async def getaddrinfo(host: str, port: object, *, family: int, **_: Any) -> list[tuple[Any, ...]]:
        wanted = [ip for ip in names.get(host, []) if family == socket.AF_UNSPEC or ":" not in ip]
        if not wanted:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(family, socket.SOCK_DGRAM, 0, "", (ip, port or 0)) for ip in wanted]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


async def test_names_stand_for_their_addresses_and_literals_for_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver(monkeypatch, seed=["172.21.0.10", "fd00::10"], twin=["172.21.0.10"])
    advertise = (("10.0.0.1", None), ("seed", 9443), ("twin", 9443), ("fd00::1", 9443))
    assert await resolve_advertised(advertise, "0.0.0.0") == (
        ("10.0.0.1", None),
        ("172.21.0.10", 9443),
        ("fd00::1", 9443),
    )
    assert ("fd00::10", 9443) in await resolve_advertised(advertise, "::")


@pytest.mark.parametrize("listen", ["127.0.0.1", "::"])
async def test_a_name_without_an_address_is_named(monkeypatch: pytest.MonkeyPatch, listen: str) -> None:
    resolver(monkeypatch, seed=[])
    with pytest.raises(ConfigError, match=r"advertise.*seed cannot be resolved: Name or service not known"):
        await resolve_advertised((("seed", None),), listen)


async def test_what_is_advertised_comes_first_then_what_is_listened_on() -> None:
    advertised = (("10.0.0.1", None), ("10.0.0.2", 1))
    assert await find_addresses(LISTEN, advertised, ()) == (Address("10.0.0.1", 9555), Address("10.0.0.2", 1))
    here = Address("127.0.0.1", 9555)
    assert await find_addresses(here, (), ()) == (here,)


async def test_a_wildcard_is_replaced_by_the_addresses_of_the_routes_to_the_bootstraps() -> None:
    ways_in = (Address("127.0.0.1", 1), Address("127.0.0.1", 2), Address("no-such-host.invalid", 3))
    assert await find_addresses(LISTEN, (), ways_in) == (Address("127.0.0.1", 9555),)
