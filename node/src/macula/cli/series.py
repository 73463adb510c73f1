"""The same question again and again: what its answers tell while the network changes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import groupby
from typing import Annotated, Any

import typer

from macula.cli.client import Refused
from macula.cli.output import EXIT_REFUSED, print_json

Count = Annotated[int, typer.Option(min=1, help="Ask so many times; tells when the path changes, and a summary.")]
Interval = Annotated[float, typer.Option(min=0.0, help="Seconds from one to the next, if it has ended by then.")]
AtOnce = Annotated[int, typer.Option(min=1, max=256, help="Go on while so many are without an answer.")]
Numbered = Annotated[bool, typer.Option("--numbered", help="The JSON is the number of each, from 1.")]

_OWN_FAULT = "argument"
"""Code of an error that asking again cannot change."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question: its number from 1, seconds since the first, and the answer or the fields of the error."""

    number: int
    at: float
    report: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """As it is printed."""
        told = self.report if self.error is None else {"error": self.error}
        return {"number": self.number, "at_s": round(self.at, 3), **told}


def ask_in_turn(count: int, interval: float, ask: Callable[[int], dict[str, Any]], at_once: int = 1) -> Iterator[Turn]:
    """Ask `count` times, `interval` s apart, and give the answers as they come; `ask` gets the number, from 1. Raises
    NoNode, and Refused when the question itself is wrong."""
    begin = time.monotonic()

    def turn(number: int) -> Turn:
        at = time.monotonic() - begin
        try:
            return Turn(number, at, ask(number))
        except Refused as error:
            if error.code == _OWN_FAULT:
                raise
            return Turn(number, at, error=error.fields)

    running: set[Future[Turn]] = set()
    with ThreadPoolExecutor(at_once) as pool:
        for number in range(1, count + 1):
            while (left := begin + (number - 1) * interval - time.monotonic()) > 0 or len(running) == at_once:
                if not running:
                    time.sleep(left)
                    continue
                ended, running = wait(running, None if len(running) == at_once else left, FIRST_COMPLETED)
                yield from (future.result() for future in ended)
            if at_once == 1:
                # Here, where an interrupt ends it at once.
                yield turn(number)
            else:
                running.add(pool.submit(turn, number))
        while running:
            ended, running = wait(running, None, FIRST_COMPLETED)
            yield from (future.result() for future in ended)


def tell(
    turns: Iterator[Turn],
    as_json: bool,
    describe: Callable[[Turn, Turn | None], str | None] = lambda turn, before: None,
) -> None:
    """Print each turn as JSON; or errors, and what `describe` finds worth a line after the answer before. Then the
    summary. Raises Exit when any failed."""
    told: list[Turn] = []
    before: Turn | None = None
    for turn in turns:
        told.append(turn)
        if as_json:
            print_json(turn.fields)
        elif turn.error is not None:
            typer.echo(f"{turn.at:6.2f} s  {turn.error['code']}: {turn.error['message']}")
        elif line := describe(turn, before):
            typer.echo(f"{turn.at:6.2f} s  {line}")
        before = turn if turn.error is None else before
    summary = summarize(told)
    if as_json:
        print_json({"summary": summary})
    else:
        typer.echo(in_words(summary))
    if summary["failed"]:
        raise typer.Exit(EXIT_REFUSED)


def summarize(turns: list[Turn]) -> dict[str, Any]:
    """How many failed and why, latencies in ms, and which path answered from when on, in order."""
    import statistics

    answered = [turn for turn in turns if turn.error is None]
    latencies = sorted(turn.report["latency_ms"] for turn in answered)
    paths = []
    for path, group in groupby((turn for turn in answered if "path" in turn.report), lambda turn: turn.report["path"]):
        same = list(group)
        paths.append({"path": path, "from_s": round(same[0].at, 3), "answers": len(same)})
    return {
        "asked": len(turns),
        "failed": dict(Counter(str(turn.error["code"]) for turn in turns if turn.error is not None)),
        "median_ms": round(statistics.median(latencies), 3) if latencies else None,
        "p99_ms": latencies[int(0.99 * (len(latencies) - 1))] if latencies else None,
        "paths": paths,
    }


def in_words(summary: dict[str, Any]) -> str:
    """The summary as one line."""
    failed = ", ".join(f"{count} {code}" for code, count in summary["failed"].items()) or "0"
    words = [f"{summary['asked']} asked, {failed} failed"]
    if summary["median_ms"] is not None:
        words.append(f"median {summary['median_ms']:.1f} ms, p99 {summary['p99_ms']:.1f} ms")
    words += [f"{one['path']} from {one['from_s']:.1f} s ({one['answers']})" for one in summary["paths"]]
    return "; ".join(words)
