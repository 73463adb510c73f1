"""Decentralized identifiers of nodes: `did:macula:<realm>.<node id>`.

The last segment is the node's key in base32, so a DID is checked against the key that the transport authenticated and
needs no registry. A name such as `service-1` is a label in the node's record, never an identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from macula.errors import ArgumentError
from macula.identity.names import check_name
from macula.identity.node_id import NodeId

_PREFIX = "did:macula:"


@dataclass(frozen=True, slots=True)
class Did:
    """A node in a realm (W3C DID Core, section 3.1)."""

    realm: str
    node: NodeId

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ArgumentError for anything but `did:macula:<realm>.<node id>`."""
        realm, dot, node = text.removeprefix(_PREFIX).rpartition(".")
        if not text.startswith(_PREFIX) or not dot:
            raise ArgumentError("did", f"must look like {_PREFIX}<realm>.<node id>, is {text!r}")
        return cls(check_name("did", realm), NodeId.parse(node))

    def __str__(self) -> str:
        return f"{_PREFIX}{self.realm}.{self.node}"
