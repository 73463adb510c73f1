"""python -m benchmarks [NAME …] [--rounds N] [--scale X] [--others A,B] [--out FOLDER] [--json]"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks import bulk, calls, connections, dht, handshakes, idle, publish, relay, streaming, tunnel
from benchmarks.measuring import Effort
from benchmarks.results import Result, as_json, show
from benchmarks.systems import INSTALL, left_out

BENCHMARKS: dict[str, Callable[[Effort], Awaitable[Result]]] = {
    # First, since it looks at the most memory that this process has had.
    "streaming": streaming.run,
    "calls": calls.run,
    "publish": publish.run,
    "bulk": bulk.run,
    "handshakes": handshakes.run,
    "connections": connections.run,
    "dht": dht.run,
    "tunnel": tunnel.run,
    "relay": relay.run,
    "idle": idle.run,
}


async def run(names: list[str], effort: Effort) -> list[Result]:
    """One after the other; says on the standard error which."""
    results = []
    for name in names:
        began = time.monotonic()
        sys.stderr.write(f"{name} … ")
        sys.stderr.flush()
        results.append(await BENCHMARKS[name](effort))
        sys.stderr.write(f"{time.monotonic() - began:.0f} s\n")
    return results


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, next to the goals.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--rounds", type=int, default=Effort().rounds, help="of each contender, in turn")
    parser.add_argument("--scale", type=float, default=Effort().scale, help="0.1 is a tenth of the work")
    parser.add_argument("--others", type=_names, help="beside node and floor measure only these, or none: ''")
    parser.add_argument("--out", type=Path, help="a folder for results.json and chart.svg")
    parser.add_argument("--json", action="store_true", help="print values instead of a table")
    options = parser.parse_args()
    if unknown := set(options.names) - BENCHMARKS.keys():
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    for chatty in ("macula", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    effort = Effort(options.rounds, options.scale, options.others)
    wanted = [name for name in BENCHMARKS if not options.names or name in options.names]
    results = asyncio.run(run(wanted, effort))
    if options.out is not None:
        _keep(results, options.out.resolve())
    if options.json:
        print(json.dumps(as_json(results), indent=2))
    else:
        show(results, left_out() if options.others is None else {}, INSTALL)


def _keep(results: list[Result], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "results.json"
    kept.write_text(json.dumps(as_json(results), indent=2))
    sys.stderr.write(f"kept {kept}\n")
    if importlib.util.find_spec("pygal") is None:
        sys.stderr.write(f"no chart: it needs pygal; next: {INSTALL}\n")
        return
    from benchmarks.chart import draw

    chart = folder / "chart.svg"
    draw(results, chart)
    sys.stderr.write(f"drew {chart}\n")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


if __name__ == "__main__":
    main()
