"""python -m benchmarks [NAME …] [--rounds N] [--scale X] [--json]"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable

from benchmarks import calls, idle, relay, streaming
from benchmarks.measuring import Effort
from benchmarks.results import Result, as_json, show

BENCHMARKS: dict[str, Callable[[Effort], Awaitable[Result]]] = {
    "calls": calls.run,
    "relay": relay.run,
    "idle": idle.run,
    "streaming": streaming.run,
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
    parser.add_argument("--json", action="store_true", help="print values instead of a table")
    options = parser.parse_args()
    if unknown := set(options.names) - BENCHMARKS.keys():
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    logging.getLogger("macula").setLevel(logging.ERROR)
    results = asyncio.run(run(options.names or list(BENCHMARKS), Effort(options.rounds, options.scale)))
    if options.json:
        print(json.dumps(as_json(results), indent=2))
    else:
        show(results)


if __name__ == "__main__":
    main()
