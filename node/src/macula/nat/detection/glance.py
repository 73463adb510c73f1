"""Small questions between measurements: whether the outside address is still the same, and where new mappings are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from macula.core.address import Address
from macula.nat.detection.bench import MESH, Bench, Script
from macula.nat.detection.findings import Observer

BUDGET = 12


@dataclass(slots=True)
class Glance:
    """What was seen: where observers saw the mesh's socket, and a new one."""

    mesh: dict[Address, Address] = field(default_factory=dict)
    newest: Address | None = None


def check_address(bench: Bench, observers: Sequence[Observer], seen: Glance) -> Script[None]:
    """Ask one observer after the other where it sees the mesh's socket, until one answers."""
    for observer in observers:
        heard = yield from bench.ask(MESH, observer.place)
        if heard is not None and heard.mapped is not None:
            seen.mesh[observer.place] = heard.mapped
            return


def find_newest(bench: Bench, observers: Sequence[Observer], seen: Glance) -> Script[None]:
    """Ask one observer after the other where it sees a new socket, until one answers."""
    socket = yield from bench.open(observers[0].place)
    if socket is None:
        return
    for observer in observers:
        heard = yield from bench.ask(socket.number, observer.place)
        if heard is not None and heard.mapped is not None:
            seen.newest = heard.mapped
            return
