"""An address and a port as people write them; a prober's are of IPv4."""

import ipaddress

from macula.nat.stun import Endpoint as Endpoint


def parse_endpoint(text: str, port: int | None = None) -> Endpoint:
    """ADDRESS:PORT, or ADDRESS alone when a default port is given. Raises ValueError for anything else."""
    address, colon, digits = text.partition(":")
    ipaddress.IPv4Address(address)
    if not colon and port is not None:
        return Endpoint(address, port)
    if not digits.isdecimal() or not 0 < int(digits) < 65_536:
        raise ValueError(f"{text!r} is not ADDRESS:PORT")
    return Endpoint(address, int(digits))
