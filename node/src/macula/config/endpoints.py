"""Addresses as a person writes them in a setting."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from typing import NamedTuple, Self

DEFAULT_PORT = 9443
WEB_PORT = 443
"""The TCP port that nearly every network lets out."""
_TUNNEL_PREFIX = "wss://"
_NODE_ID_LENGTH = 52
_DNS_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9])?\Z")


class BootstrapPeer(NamedTuple):
    """A way into the mesh: an IP literal or DNS name, a UDP port (that of TCP for a tunnel), and, if known, the id of
    who must answer."""

    host: str
    port: int
    node_id: str | None
    tunnel: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """`host:port` or `https://host:port`, without a port 9443; or `wss://host:port`, without a port 443; each may
        stand after `<node id>@`. Raises ValueError."""
        node_id, at, place = text.strip().rpartition("@")
        tunnel = place.startswith(_TUNNEL_PREFIX)
        place = place.removeprefix(_TUNNEL_PREFIX if tunnel else "https://").rstrip("/")
        host, port = _split(place, text)
        if port is None:
            port = WEB_PORT if tunnel else DEFAULT_PORT
        return cls(_host(host, text), port, _node_id(node_id, text) if at else None, tunnel)

    def __str__(self) -> str:
        place = f"{_TUNNEL_PREFIX if self.tunnel else ''}{_bracketed(self.host)}:{self.port}"
        return place if self.node_id is None else f"{self.node_id}@{place}"


class AdvertisedAddress(NamedTuple):
    """Where others reach this node: an IP literal or DNS name, and a UDP port unless it is the one listened on."""

    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`host` or `host:port` (`[ip]:port` for IPv6). Raises ValueError."""
        host, port = _split(text.strip(), text)
        return cls(_host(host, text), port)

    def __str__(self) -> str:
        return self.host if self.port is None else f"{_bracketed(self.host)}:{self.port}"


def tunnel_ports(configured: tuple[int, ...], port: int) -> tuple[int, ...]:
    """The TCP ports at which a node with this UDP port takes tunnels: the configured ones, else the same number, and
    the web's for a node at the usual port."""
    return configured or ((WEB_PORT, port) if port == DEFAULT_PORT else (port,))


def _split(place: str, text: str) -> tuple[str, int | None]:
    if place.count(":") > 1 and not place.startswith("["):
        return place, None
    head, colon, tail = place.rpartition(":")
    if not colon or tail.endswith("]"):
        return place.strip("[]"), None
    if not (tail.isascii() and tail.isdigit() and 1 <= int(tail[:6]) <= 65535):
        raise ValueError(f"the port of {text!r} must be 1 to 65535")
    return head.removeprefix("[").removesuffix("]"), int(tail)


def _host(host: str, text: str) -> str:
    if _DNS_NAME.match(host):
        return host
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise ValueError(f"{text!r} has no valid IP address or DNS name") from None


def _node_id(node_id: str, text: str) -> str:
    lowered = node_id.removeprefix("https://").lower()
    try:
        valid = len(lowered) == _NODE_ID_LENGTH and bool(base64.b32decode(lowered.upper() + "===="))
    except binascii.Error:
        valid = False
    if not valid:
        raise ValueError(f"the node id of {text!r} must have {_NODE_ID_LENGTH} base32 characters")
    return lowered


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
