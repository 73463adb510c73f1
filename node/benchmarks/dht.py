"""Records stored in a mesh of 20 nodes, and looked up again, from one of them.

Each record is stored at every other node (k = 20), and an advertisement ends when all of them have answered, which is
more than a majority. Each of them checks the signature, so the processors that all nodes share allow no more stores
than this: signatures checked in a second by one processor, times processors, by the nodes that check.
"""

from __future__ import annotations

import itertools
import os
import time
from functools import partial
from typing import Any

import macula
from benchmarks.measuring import Effort, interleave, repeat
from benchmarks.nodes import DHT, REALM
from benchmarks.processes import cpu_with, started
from benchmarks.results import Goal, Result, figure
from macula.core.record import Kind, sign_record
from macula.identity import Identity, verify

NODES = 20
PROCESSES = 2
"""The others are in so many processes."""
STORES = 600
"""Of a round."""
STORES_AT_ONCE = 128
LOOKUPS = 300
LOOKUPS_AT_ONCE = 16
LEAST = 100.0
SHARE_OF_BOUND = 0.6


async def run(effort: Effort) -> Result:
    """Stores and lookups in turn."""
    others = NODES - 1
    first = others // PROCESSES
    async with started("mesh", "", str(first)) as some:
        place = (await some.told())["place"]
        async with (
            started("mesh", place, str(others - first)) as rest,
            macula.connect(REALM, "publisher", [place], **DHT) as node,
        ):
            await rest.told()
            names = (f"org.bench.number{number}" for number in itertools.count())
            known: list[str] = []

            async def store() -> None:
                known.append(name := next(names))
                await node.advertise(name, _nothing)

            look = itertools.count()

            async def lookup() -> None:
                await node.dht_lookup(known[next(look) % len(known)])

            cpu = cpu_with(some, rest)
            work = {
                "stores": partial(repeat, store, effort.units(STORES), STORES_AT_ONCE, cpu),
                "lookups": partial(repeat, lookup, effort.units(LOOKUPS), LOOKUPS_AT_ONCE, cpu),
            }
            await store()
            samples = await interleave(work, effort.rounds)
            await _check(node, known[-1])
    checks = _checks_per_second()
    bound = checks * min(os.cpu_count() or 1, NODES) / others
    goal = Goal(max(LEAST, SHARE_OF_BOUND * bound), at_most=False)
    return Result(
        "dht",
        (
            figure("signatures checked by one processor", "1/s", [checks]),
            figure(f"bound of stores at {others} nodes", "stores/s", [bound]),
            figure("stores", "stores/s", [one.rate for one in samples["stores"]], goal),
            figure("stores, CPU of all nodes", "ms each", [1e3 * one.cpu_per_unit for one in samples["stores"]]),
            figure("lookups", "lookups/s", [one.rate for one in samples["lookups"]]),
            figure("lookups, p50", "ms", [1e3 * one.latency(0.5) for one in samples["lookups"]]),
            figure("lookups, CPU of all nodes", "ms each", [1e3 * one.cpu_per_unit for one in samples["lookups"]]),
        ),
    )


async def _check(node: macula.Mesh, name: str) -> None:
    holders = (await node.dht_details(name))["holders"]
    if len(holders) <= NODES // 2:
        raise RuntimeError(f"{len(holders)} of {NODES} nodes hold a record that was stored")


async def _nothing(args: Any) -> None:
    return None


def _checks_per_second(count: int = 2000) -> float:
    identity = Identity.generate()
    record = sign_record(
        identity, REALM, Kind.RPC, "org.bench.number", {"idempotent": False}, wall=time.time(), ttl=300
    )
    domain, body = b"bench", record.encoded
    signature = identity.sign(domain, body)
    began = time.process_time()
    if not all(verify(record.node, domain, body, signature) for _ in range(count)):
        raise RuntimeError("a good signature is none")
    return count / (time.process_time() - began)
