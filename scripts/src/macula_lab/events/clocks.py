"""Events of clocks: a node's wall clock jumps, while time itself, which its timers go by, runs on."""

import re
from pathlib import Path

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.events import targets
from macula_lab.events.event import Event
from macula_lab.packages import can_install, install
from macula_lab.report import Reporter

VARIABLE = "CLOCK_LIBRARY"
"""Of a compose file: the library that gives each node a clock of its own, https://github.com/wolfcw/libfaketime."""
PACKAGE = "libfaketime"
WHERE = "usr/lib/*/faketime/libfaketimeMT.so.1"

_OFFSET = re.compile(r"[+-]\d+[smhd]?")
_SET = 'printf %s "$1" > "$FAKETIME_TIMESTAMP_FILE"'


def clock(engine: Engine, event: Event) -> list[str]:
    """A node's clock is so much ahead of, or behind, what this host's says; +0 sets it right. Seen within a second."""
    (offset,) = event.arguments
    if not _OFFSET.fullmatch(offset):
        raise LabError(f"{offset!r} is no offset of a clock", "write +1h, -90s, +0")
    if not targets.service(engine, event.target).environment.get("LD_PRELOAD"):
        remedy = f"bring the lab up with {VARIABLE}=PATH, a {PACKAGE} (engine netns, compose/mesh.yaml)"
        raise LabError(f"{event.target} has no clock of its own", remedy)
    targets.running(engine, event.target)
    done = engine.execute(event.target, ["sh", "-c", _SET, "sh", offset])
    if done.code:
        raise LabError(f"the clock of {event.target} cannot be set", evidence=done.stderr)
    return [f"{event.target}: its clock is {offset}"]


def library(report: Reporter, root: Path = Path("/")) -> str:
    """The library, installed if it is missing and can be. Raises LabError."""
    if not (found := sorted(root.glob(WHERE))) and can_install():
        install(report, PACKAGE)
        found = sorted(root.glob(WHERE))
    if not found:
        raise LabError(f"clocks are set by {PACKAGE}, which is missing", f"install the package {PACKAGE}")
    return str(found[0])
