"""An IPv4 address and a port."""

import ipaddress
from typing import NamedTuple


class Endpoint(NamedTuple):
    """Where a datagram comes from or goes to. Usable as an address of the socket module."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


def parse_endpoint(text: str, port: int | None = None) -> Endpoint:
    """ADDRESS:PORT, or ADDRESS alone when a default port is given. Raises ValueError for anything else."""
    address, colon, digits = text.partition(":")
    ipaddress.IPv4Address(address)
    if not colon and port is not None:
        return Endpoint(address, port)
    if not digits.isdecimal() or not 0 < int(digits) < 65_536:
        raise ValueError(f"{text!r} is not ADDRESS:PORT")
    return Endpoint(address, int(digits))
