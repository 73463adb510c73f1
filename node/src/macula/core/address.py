"""Transport addresses: a host and a UDP port."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple, Self

from macula.errors import ArgumentError

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9])?\Z")
_PORT = re.compile(r"[0-9]{1,5}\Z")


class Address(NamedTuple):
    """Where datagrams go. `host` is an IPv4 or IPv6 literal in its canonical form, `port` is 1 to 65535.

    Only an address that a person configured may have a DNS name as its host; the driver resolves it at each dial.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`1.2.3.4:9443` or `[::1]:9443`. Raises ArgumentError for anything else: host names, scoped addresses."""
        host, port = _split(text)
        bracketed = host.startswith("[") and host.endswith("]")
        try:
            literal = ipaddress.ip_address(host[1:-1] if bracketed else host)
        except ValueError as error:
            raise ArgumentError("address", f"must be an IP literal and a port, is {text!r}") from error
        # A scope names an interface of one host, and could hold any text.
        if bracketed != (literal.version == 6) or "%" in host:
            raise ArgumentError("address", f"must look like 1.2.3.4:9443 or [::1]:9443, is {text!r}")
        return cls(str(literal), port)

    @classmethod
    def parse_endpoint(cls, text: str) -> Self:
        """As parse, but a DNS name may stand for the IP literal: for addresses that a person configured."""
        host, port = _split(text)
        if not _HOST_NAME.match(host) or host.replace(".", "").isdigit():
            return cls.parse(text)
        return cls(host, port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _split(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not _PORT.match(port) or not 1 <= int(port) <= 65535:
        raise ArgumentError("address", f"must end in a port of 1 to 65535, is {text!r}")
    return host, int(port)
