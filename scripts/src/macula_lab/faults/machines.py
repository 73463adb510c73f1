"""What a node's own machine does to it: a disk that takes nothing more."""

from functools import partial

from macula_lab.faults.ground import Ground
from macula_lab.faults.hosts import BOOTSTRAP, WATCH
from macula_lab.faults.load import CALLER
from macula_lab.faults.outcome import Measure

VICTIMS = (CALLER, WATCH, BOOTSTRAP)
"""One of each kind of node."""


def disk(ground: Ground, state: str) -> list[Measure]:
    """Nothing can be kept any more; the nodes go on, and tell."""
    try:
        for name in VICTIMS:
            struck = ground.happens("disk", name, state)
        told = ground.when("`macula doctor` tells", lambda: _told(ground) == {"warning"}, struck, 2.0)
        calls = ground.disturbed("calls are answered as before", struck, 1.0)
    finally:
        for name in VICTIMS:
            well = ground.happens("disk", name, "well")
    return [told, calls, ground.when("and that all is well", lambda: _told(ground) == {"ok"}, well, 2.0)]


full, read_only = partial(disk, state="full"), partial(disk, state="read-only")


def _told(ground: Ground) -> set[str]:
    """What the nodes find of their data directories."""
    findings = [one for name in VICTIMS for one in ground.mesh.exec_json(name, ["doctor"])]
    return {one["verdict"] for one in findings if one["check"] == "data directory"}
