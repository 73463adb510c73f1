"""Nodes for benchmarks: on loopback, and nothing of them but the mesh."""

from __future__ import annotations

import asyncio
from typing import Any

import macula

REALM = "org.bench"
PROCEDURE = "org.bench.echo"
PAYLOAD = "x" * 64
SETTINGS: dict[str, Any] = {"host": "127.0.0.1", "stun_port": 0, "tcp": False, "log_level": "error"}
CLIENT: dict[str, Any] = SETTINGS | {"reachable": "no"}
"""Of a node that others reach through relays only."""


async def until_relayed(node: macula.Mesh) -> None:
    """Wait until the node has a relay."""
    relayed = asyncio.Event()
    node.attach("relayed", "relay.used", lambda event: relayed.set())
    if not (await node.status())["relays"]:
        async with asyncio.timeout(30):
            await relayed.wait()
    node.detach("relayed")
