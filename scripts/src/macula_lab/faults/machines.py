"""What a node's own machine does to it: a disk that takes nothing more, a clock that jumps."""

import time
from collections.abc import Iterable
from functools import partial

from macula_lab.faults.ground import DEMO, Ground
from macula_lab.faults.hosts import BOOTSTRAP, RECORD_TTL, WATCH
from macula_lab.faults.load import CALLER
from macula_lab.faults.outcome import Measure

VICTIMS = (CALLER, WATCH, BOOTSTRAP)
"""One of each kind of node."""
DIRECTORY = "data directory"
TOLD = "`macula doctor` tells"


def disk(ground: Ground, state: str) -> list[Measure]:
    """Nothing can be kept any more; the nodes go on, and tell."""
    try:
        for name in VICTIMS:
            struck = ground.happens("disk", name, state)
        told = ground.when(TOLD, lambda: _told(ground, DIRECTORY, VICTIMS) == {"warning"}, struck, 5.0)
        calls = ground.disturbed("calls are answered as before", struck, 1.0)
    finally:
        for name in VICTIMS:
            well = ground.happens("disk", name, "well")
    healed = ground.when("and that all is well", lambda: _told(ground, DIRECTORY, VICTIMS) == {"ok"}, well, 5.0)
    return [told, calls, healed]


full, read_only = partial(disk, state="full"), partial(disk, state="read-only")


CLOCKED = (CALLER, "edge3")
"""They call, publish, provide and listen."""
STEPPED = RECORD_TTL + 3.0
"""seconds: longer than a record lives that is not renewed"""


def clock(ground: Ground, by: str) -> list[Measure]:
    """Two nodes' clocks jump, and are set right again: records are signed, and believed, by the time."""

    def found() -> bool:
        return ground.found(WATCH, DEMO, "rpc") >= {*CLOCKED} and ground.found("edge3", DEMO, "rpc") >= {*CLOCKED}

    try:
        for name in CLOCKED:
            struck = ground.happens("clock", name, by)
        time.sleep(STEPPED)
        stepped = time.monotonic()
        kept = ground.when("their records are found, and they find others", found, stepped, 2.0)
        told = ground.when(TOLD, lambda: _told(ground, "clock", CLOCKED) == {"warning"}, stepped, 5.0)
    finally:
        for name in CLOCKED:
            right = ground.happens("clock", name, "+0")
    back = ground.when("all is as before", lambda: found() and ground.served(right) and ground.whole(), right, 5.0)
    return [kept, told, back, ground.disturbed("calls are answered as before", struck, 1.0)]


ahead, behind = partial(clock, by="+1h"), partial(clock, by="-1h")


def _told(ground: Ground, check: str, nodes: Iterable[str]) -> set[str]:
    """What the nodes find at a check of `macula doctor`."""
    findings = [one for name in nodes for one in ground.mesh.exec_json(name, ["doctor"])]
    return {one["verdict"] for one in findings if one["check"] == check}
