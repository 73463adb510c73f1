"""Nodes for benchmarks: on loopback, and nothing of them but the mesh."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from typing import Any

import macula

REALM = "org.bench"
PROCEDURE = "org.bench.echo"
PAYLOAD = random.Random(1).randbytes(32).hex()
"""64 bytes that cannot be compressed by an eighth: no contender may gain by that."""
BLOB, SINK = "org.bench.blob", "org.bench.sink"
"""Procedures that stream: what they give, and what they take."""
CHUNK = 64 << 10
"""Bytes of one of their items."""
SETTINGS: dict[str, Any] = {"host": "127.0.0.1", "stun_port": 0, "tcp": False, "log_level": "error"}
DHT: dict[str, Any] = SETTINGS | {"dht_max_records": 10**6, "dht_max_records_per_peer": 10**6}
"""Of a node that keeps whatever one publisher stores."""
CLIENT: dict[str, Any] = SETTINGS | {"reachable": "no"}
"""Of a node that others reach through relays only."""


async def random_chunks(count: int) -> AsyncIterator[bytes]:
    """So many, which cannot be compressed."""
    chunk = os.urandom(CHUNK)
    for _ in range(count):
        yield chunk


async def until_relayed(node: macula.Mesh) -> None:
    """Wait until the node has a relay."""
    relayed = asyncio.Event()
    node.attach("relayed", "relay.used", lambda event: relayed.set())
    if not (await node.status())["relays"]:
        async with asyncio.timeout(30):
            await relayed.wait()
    node.detach("relayed")
