"""Transport addresses: a host, a port, and what carries datagrams there."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from typing import NamedTuple, Self

from macula.errors import ArgumentError

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9])?\Z")
_PORT = re.compile(r"[0-9]{1,5}\Z")


class Carrier(StrEnum):
    """What takes datagrams to an address."""

    UDP = "udp"
    TUNNEL = "tcp"
    """A WebSocket over TLS over TCP; each binary message is one datagram."""


_TUNNEL_PREFIX = "wss://"


class Address(NamedTuple):
    """Where datagrams go. `host` is an IPv4 or IPv6 literal in its canonical form, `port` is 1 to 65535.

    Only an address that a person configured may have a DNS name as its host; the driver resolves it at each dial.
    Text form: `1.2.3.4:9443` by UDP, `wss://1.2.3.4:443` through a tunnel.
    """

    host: str
    port: int
    carrier: Carrier = Carrier.UDP

    @property
    def tunnelled(self) -> bool:
        """Whether datagrams go there over TCP."""
        return self.carrier is Carrier.TUNNEL

    def tunnel(self, port: int) -> Self:
        """The tunnel to this TCP port of the same host."""
        return self._replace(port=port, carrier=Carrier.TUNNEL)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`1.2.3.4:9443`, `[::1]:9443` or one of these after `wss://`. Raises ArgumentError for anything else: host
        names, scoped addresses."""
        carrier, place = _carrier(text)
        host, port = _split(place)
        bracketed = host.startswith("[") and host.endswith("]")
        try:
            literal = ipaddress.ip_address(host[1:-1] if bracketed else host)
        except ValueError as error:
            raise ArgumentError("address", f"must be an IP literal and a port, is {text!r}") from error
        # A scope names an interface of one host, and could hold any text.
        if bracketed != (literal.version == 6) or "%" in host:
            raise ArgumentError("address", f"must look like 1.2.3.4:9443 or [::1]:9443, is {text!r}")
        return cls(str(literal), port, carrier)

    @classmethod
    def parse_endpoint(cls, text: str) -> Self:
        """As parse, but a DNS name may stand for the IP literal: for addresses that a person configured."""
        carrier, place = _carrier(text)
        host, port = _split(place)
        if not _HOST_NAME.match(host) or host.replace(".", "").isdigit():
            return cls.parse(text)
        return cls(host, port, carrier)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{_TUNNEL_PREFIX if self.tunnelled else ''}{host}:{self.port}"


def _carrier(text: str) -> tuple[Carrier, str]:
    place = text.removeprefix(_TUNNEL_PREFIX)
    return (Carrier.UDP if place == text else Carrier.TUNNEL), place


def _split(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not _PORT.match(port) or not 1 <= int(port) <= 65535:
        raise ArgumentError("address", f"must end in a port of 1 to 65535, is {text!r}")
    return host, int(port)
