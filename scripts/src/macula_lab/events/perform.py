"""The events there are, and the one function that performs any of them."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.events import clocks, disks, hosts, journal, links, routers, splits
from macula_lab.events.event import Event, Happened


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of event."""

    takes: str
    """its target and arguments, those that may be left out in brackets"""
    does: str
    effect: Callable[[Engine, Event], list[str]]
    """makes it happen and tells what visibly changed"""

    def arguments(self) -> range:
        """How many arguments it may have beside its target."""
        words = self.takes.split()[1:]
        return range(sum(not word.startswith("[") for word in words), len(words) + 1)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "nat-reboot": Kind("ROUTER", "the router forgets every mapping", routers.nat_reboot),
        "wan-change": Kind(
            "ROUTER [ADDRESS]", "the router gets another outside address, a free one or this", routers.wan_change
        ),
        "link-down": Kind("SERVICE [NETWORK]", "its interfaces go down, or the one in this network", links.link_down),
        "link-up": Kind("SERVICE [NETWORK]", "they come back up", links.link_up),
        "roam": Kind(
            "SERVICE NETWORK [ADDRESS]", "the host moves to this network, to its own or a free address", hosts.roam
        ),
        "partition": Kind("NETWORK", "routers let nothing from or to this network pass", routers.partition),
        "heal": Kind("NETWORK", "they let it pass again", routers.heal),
        "split": Kind(
            "NETWORK HOST,HOST", "these hosts of a network and its others no longer hear each other", splits.split
        ),
        "join": Kind("NETWORK", "all its hosts hear each other again", splits.join),
        "disk": Kind("SERVICE full|read-only|well", "its data directory becomes that, while it runs", disks.disk),
        "clock": Kind("SERVICE +1h|-1h|+0", "its wall clock jumps to so much beside this host's", clocks.clock),
        "kill": Kind("SERVICE", "its program dies at once (SIGKILL)", hosts.kill),
        "stop": Kind("SERVICE", "its program is asked to end (SIGTERM)", hosts.stop),
        "restart": Kind("SERVICE", "it starts, or starts again, with its data", hosts.restart),
        "pause": Kind("SERVICE", "its program hangs", hosts.pause),
        "resume": Kind("SERVICE", "and goes on", hosts.resume),
    }
)


def event(kind: str, target: str, arguments: Sequence[str] = ()) -> Event:
    """An event from its words. Raises LabError, naming the kinds there are or what this kind takes."""
    if kind not in KINDS:
        raise LabError(f"there is no event {kind!r}", f"there are:\n{table()}")
    known = KINDS[kind]
    if not target or len(arguments) not in known.arguments():
        raise LabError(f"`{' '.join((kind, target, *arguments)).strip()}` is not complete, or too long", usage(kind))
    return Event(kind, target, tuple(arguments))


def perform(engine: Engine, asked: Event) -> Happened:
    """Make an event happen, see what changed and record it. Raises LabError when it cannot happen."""
    began, start = time.time(), time.monotonic()
    changes = KINDS[asked.kind].effect(engine, asked)
    happened = Happened(began, time.monotonic() - start, asked, tuple(changes))
    journal.append(engine.project, happened)
    return happened


def usage(kind: str) -> str:
    """How an event is written."""
    return f"{kind} {KINDS[kind].takes}"


def table() -> str:
    """Every event, one line each."""
    width = max(len(usage(kind)) for kind in KINDS)
    return "\n".join(f"  {usage(name):<{width}}  {kind.does}" for name, kind in KINDS.items())
