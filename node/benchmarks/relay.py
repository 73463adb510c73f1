"""How fast calls are through a relay, next to the same calls directly, and what an idle client costs a relay.

    python benchmarks/relay.py [--rounds 7] [--calls 3000] [--clients 1000]

All on loopback of one host: caller and provider are processes of their own, and so is the node between them. `direct`
is the same pair of nodes with a connection of their own; `relayed` goes through the relay, which has as much to do as
both others together have in packets. The rounds of both are interleaved, so that a busy host spoils neither alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import macula

REALM = "org.bench"
PROCEDURE = "org.bench.echo"
SETTINGS: dict[str, Any] = {"host": "127.0.0.1", "health_port": 0, "stun_port": 0, "tcp": False, "log_level": "error"}
CONCURRENCY = 16

logging.getLogger("macula").setLevel(logging.ERROR)


async def serve(name: str, place: str, reachable: str) -> None:
    """A provider, until its standard input ends; says its node id when it can be called."""
    settings = SETTINGS | {"reachable": reachable}
    async with macula.connect(REALM, name, [place], **settings) as node:
        await node.advertise(PROCEDURE, lambda args: args)
        if reachable == "no":
            await relayed(node)
        print(json.dumps({"node_id": str(node.node_id)}), flush=True)
        await until_told()


async def relay(mode: str) -> None:
    """A relay, until its standard input ends; answers each line with its memory and CPU time."""
    async with macula.connect(REALM, "relay", mode=mode, **SETTINGS) as node:
        print(json.dumps({"place": (await node.status())["listen"]}), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            status = await node.status()
            print(json.dumps({"rss": rss(), "cpu": cpu(), "relaying": status["relaying"]}), flush=True)


async def crowd(place: str, count: int) -> None:
    """Idle clients of a relay, all in one process; says when all have a session."""
    # A relay gives one network only so many sessions: the loopback has more than one.
    nodes = [
        macula.connect(
            REALM, f"idle{number}", [place], **SETTINGS | {"host": f"127.0.{number // 400}.1"}, reachable="no"
        )
        for number in range(count)
    ]
    for start in range(0, count, 20):
        joined = [await node.__aenter__() for node in nodes[start : start + 20]]
        await asyncio.gather(*(relayed(node) for node in joined))
    print(json.dumps({"clients": count}), flush=True)
    await until_told()
    os._exit(0)


async def relayed(node: macula.Mesh) -> None:
    """Wait until the node has a relay."""
    async with asyncio.timeout(30):
        while not (await node.status())["relays"]:  # noqa: ASYNC110 - the node tells nobody
            await asyncio.sleep(0.02)


async def until_told() -> None:
    """Wait for the end of the standard input."""
    await asyncio.to_thread(sys.stdin.read)


class Process:
    """One of the above in a process of its own; answers are lines of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, *argv: str) -> Process:
        """Start it."""
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(sys.executable, __file__, *argv, stdin=pipe, stdout=pipe))

    async def told(self, within: float = 120) -> Any:
        """The next answer."""
        assert self._process.stdout is not None
        return json.loads(await asyncio.wait_for(self._process.stdout.readline(), within))

    async def ask(self) -> Any:
        """Its memory and CPU time now."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        return await self.told()

    async def stop(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()


async def measure(node: macula.Mesh, target: str, calls: int) -> tuple[float, float]:
    """Calls per second, and this process's CPU seconds for each."""
    began, used, left = time.perf_counter(), cpu(), calls

    async def caller() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await node.call_to(target, PROCEDURE, "x" * 64, timeout=30)

    await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))
    return calls / (time.perf_counter() - began), (cpu() - used) / calls


async def compare(rounds: int, calls: int) -> dict[str, Any]:
    """The rates of both paths, round by round."""
    middle = await Process.start("relay", "bootstrap")
    place = (await middle.told())["place"]
    near, far = await Process.start("serve", "near", place, "yes"), await Process.start("serve", "far", place, "no")
    targets = {"direct": (await near.told())["node_id"], "relayed": (await far.told())["node_id"]}
    rates: dict[str, list[float]] = {path: [] for path in targets}
    costs: dict[str, list[float]] = {path: [] for path in targets}
    forwarding: list[float] = []
    async with macula.connect(REALM, "caller", [place], **SETTINGS, reachable="no") as node:
        await relayed(node)
        for path, target in targets.items():
            report = await node.report_call(PROCEDURE, 1, to=target, timeout=10)
            assert report.path == path, f"{path} is {report.path}"
            await measure(node, target, 200)
        for _ in range(rounds):
            for path, target in targets.items():
                before = await middle.ask()
                rate, cost = await measure(node, target, calls)
                rates[path].append(rate)
                costs[path].append(cost)
                if path == "relayed":
                    forwarding.append(((await middle.ask())["cpu"] - before["cpu"]) / calls)
    for process in (near, far, middle):
        await process.stop()
    ratio = statistics.median(r / d for r, d in zip(rates["relayed"], rates["direct"], strict=True))
    return {
        "calls_per_s": {path: spread(values) for path, values in rates.items()},
        "caller_cpu_us_per_call": {path: round(statistics.median(c) * 1e6) for path, c in costs.items()},
        "relay_cpu_us_per_call": round(statistics.median(forwarding) * 1e6),
        "relayed_over_direct": round(ratio, 2),
    }


async def idle(clients: int) -> dict[str, Any]:
    """What a relay's memory grows by with idle clients."""
    middle = await Process.start("relay", "bootstrap")
    place = (await middle.told())["place"]
    before = await middle.ask()
    guests = await Process.start("crowd", place, str(clients))
    await guests.told(within=60 + clients)
    after = await middle.ask()
    await guests.stop()
    await middle.stop()
    grown = (after["rss"] - before["rss"]) / 1e6
    return {
        "clients": after["relaying"]["sessions"],
        "relay_mb_before": round(before["rss"] / 1e6, 1),
        "relay_mb_with_them": round(after["rss"] / 1e6, 1),
        "clients_per_mb": round(clients / grown, 1),
    }


def spread(values: list[float]) -> dict[str, float]:
    """Median and extremes."""
    return {"median": round(statistics.median(values)), "least": round(min(values)), "most": round(max(values))}


def cpu() -> float:
    """Seconds of CPU time that this process used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def rss() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def main() -> None:
    """Compare, then count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--clients", type=int, default=1000, help="0 leaves the idle clients out")
    options = parser.parse_args()
    result = await compare(options.rounds, options.calls)
    if options.clients:
        result["idle"] = await idle(options.clients)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", name, place, reachable]:
            asyncio.run(serve(name, place, reachable))
        case ["relay", mode]:
            asyncio.run(relay(mode))
        case ["crowd", place, count]:
            asyncio.run(crowd(place, int(count)))
        case _:
            asyncio.run(main())
