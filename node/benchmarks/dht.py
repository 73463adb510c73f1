"""Records stored in a mesh of 20 nodes, and looked up again, from one of them.

Each record is stored at every other node (k = 20), and an advertisement ends when all of them have answered, which is
more than a majority. Each of them checks the signature, so the processors that all nodes share allow no more stores
than this: signatures checked in a second by one processor, times processors, by the nodes that check. What share of all
CPU time the checks take says the same where other programs are busy, too.
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
STORES_AT_ONCE = 256
NAMES = 600
"""A node advertises so many at most; each time it does it signs a new record."""
LOOKUPS = 100
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
            names = [f"org.bench.number{number}" for number in range(NAMES)]
            stored, looked_up = itertools.cycle(names), itertools.cycle(names[: effort.units(LOOKUPS)])

            async def store() -> None:
                await node.advertise(next(stored), _nothing)

            async def lookup() -> None:
                await node.dht_lookup(next(looked_up))

            cpu = cpu_with(some, rest)
            work = {
                "stores": partial(repeat, store, effort.units(STORES), STORES_AT_ONCE, cpu),
                "lookups": partial(repeat, lookup, effort.units(LOOKUPS), LOOKUPS_AT_ONCE, cpu),
            }
            await node.advertise(names[0], _nothing)
            samples = await interleave(work, effort.rounds)
            await _check(node, names[0])
    checks = _checks_per_second()
    bound = checks * min(os.cpu_count() or 1, NODES) / others
    goal = Goal(max(LEAST, SHARE_OF_BOUND * bound), at_most=False)
    shares = [others / checks / one.cpu_per_unit for one in samples["stores"]]
    return Result(
        "dht",
        (
            figure("signatures checked by one processor", "1/s", [checks]),
            figure(f"bound of stores at {others} nodes", "stores/s", [bound]),
            figure("stores", "stores/s", [one.rate for one in samples["stores"]], goal),
            figure("stores, CPU of all nodes", "ms each", [1e3 * one.cpu_per_unit for one in samples["stores"]]),
            figure("stores, share of that for signatures", "", shares, Goal(SHARE_OF_BOUND, at_most=False)),
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
