"""Tables for people, as wide as their terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 120
"""Columns of a terminal from which on everything is shown."""

_FOLDING = frozenset({"peer", "name", "address", "path", "value", "default", "what was seen", "what to do"})
"""Columns whose cells may go on in the next line; ids, times and the like are useless in pieces."""


def show_pairs(pairs: Mapping[str, object]) -> None:
    """Names and values, one a line."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in pairs.items():
        grid.add_row(name, Text(str(value)))
    Console(highlight=False).print(grid)


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """A table, or a sentence in place of an empty one. Where it does not fit it first becomes denser, then cells of the
    _FOLDING columns go on in the next line. What peers call themselves is never read as markup."""
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in _FOLDING)
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    if console.measure(table, options=console.options.update(width=10_000)).maximum > console.width:
        table.padding = (0, 0)
    if not table.row_count:
        return console.print(empty)
    console.print()
    return console.print(table)


def show_peers(peers: Iterable[Mapping[str, Any]]) -> None:
    """The connected peers; where there is room for it, what they are, how far away, and who dialed."""
    columns: tuple[str, ...] = ("peer", "id", "address", "path", "rtt", "since")
    wide = Console().width >= WIDE
    columns += ("sent", "received", "hops", "mode", "dialed by") if wide else ("bytes",)
    show_rows(columns, (_peer_row(peer, wide) for peer in peers), "no peers are connected")


def _peer_row(peer: Mapping[str, Any], wide: bool) -> tuple[object, ...]:
    rtt = "" if peer["rtt_ms"] is None else f"{peer['rtt_ms']:.1f} ms"
    path = peer["path"]
    if relay := peer["relay"]:
        path += f" via {relay['name'] or relay['short_id']}"
    if peer["carrier"] == "tcp":
        path += ", tcp"
    if peer["suspect"]:
        path += ", no answer"
    row = (peer["name"], peer["short_id"], peer["address"], path, rtt, duration(peer["since_s"]))
    sent, received = peer["bytes_sent"], peer["bytes_received"]
    if not wide:
        return (*row, size(sent + received))
    return (*row, size(sent), size(received), peer["hops"], peer["mode"], "it" if peer["inbound"] else "us")


def duration(seconds: float) -> str:
    """`12 s`, `5 min`, `3.2 h`, `2.0 d`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} d"


def size(count: float) -> str:
    """`999 B`, `1.5 kB`, `20.3 MB`."""
    if count < 1000:
        return f"{count:.0f} B"
    exponent = min(4, (len(f"{count:.0f}") - 1) // 3)
    return f"{count / 1000**exponent:.1f} {' kMGT'[exponent]}B"
