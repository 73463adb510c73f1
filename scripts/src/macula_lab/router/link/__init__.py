"""The link of a router: delay, jitter, loss, rate, reordering and duplication on its uplink.

The parts are imported when they are needed, for a router's commands are to start fast.
"""

from collections.abc import Mapping, Sequence
from typing import Any


def command(argv: Sequence[str]) -> int:
    """Run `macula-router link` with these arguments. Gives the exit code; raises LabError."""
    from macula_lab.router.link import commands

    return commands.command(argv)


def apply(environment: Mapping[str, str]) -> None:
    """Let the uplink be what LINK_OUT, LINK_IN and LINK_SEED say; LabError names the variable that is wrong."""
    from macula_lab.router.link import commands

    commands.apply(environment)


def status(interface: str) -> dict[str, Any]:
    """What `link show --json` tells of an interface: {out, in, seed, running, counters, problem, ...}."""
    from macula_lab.router.link import commands

    return commands.status(interface)
