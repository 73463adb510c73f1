"""Transport addresses: an IP literal and a UDP port."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple, Self

from macula.errors import ArgumentError

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9])?\Z")


class Address(NamedTuple):
    """Where datagrams go. `host` is an IPv4 or IPv6 literal in its canonical form, `port` is 1 to 65535.

    Only an address that a person configured may have a DNS name as its host; the driver resolves it at each dial.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`1.2.3.4:9443` or `[::1]:9443`. Raises ArgumentError for anything else, host names included."""
        host, _, port = text.rpartition(":")
        try:
            literal = str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]")))
            number = int(port)
        except ValueError as error:
            raise ArgumentError("address", f"must be an IP literal and a port, is {text!r}") from error
        if not 1 <= number <= 65535:
            raise ArgumentError("address", f"port must be 1 to 65535, is {number}")
        return cls(literal, number)

    @classmethod
    def parse_endpoint(cls, text: str) -> Self:
        """As parse, but a DNS name may stand for the IP literal: for addresses that a person configured."""
        host, _, port = text.rpartition(":")
        if ":" in host or not _HOST_NAME.match(host) or host.replace(".", "").isdigit():
            return cls.parse(text)
        return cls(host, cls.parse(f"0.0.0.0:{port}").port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
