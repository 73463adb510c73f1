"""What a fault is made of: a mesh under load, events, and conditions whose coming true is timed."""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from macula_lab.events.perform import event, perform
from macula_lab.faults.account import LATE, disturbed
from macula_lab.faults.load import CALL_TIMEOUT, PROVIDERS, SUBSCRIBERS, Load
from macula_lab.faults.outcome import Measure
from macula_lab.mesh.mesh import CommandRefused, Mesh
from macula_lab.waiting import until

DEMO = "org.example.mesh.demo.whoami"
"""What every edge provides as soon as it runs."""
CALM = 2.0
"""seconds for which no call may be late any more before a fault is over"""
GIVEN_UP = 4.0
"""times its bound, after which a condition is given up"""


class Ground:
    """Where a fault happens."""

    def __init__(self, mesh: Mesh, load: Load) -> None:
        self.mesh = mesh
        self.load = load
        self.ids = {name: mesh.status(name).node_id for name in mesh.nodes()}

    def happens(self, kind: str, target: str, *arguments: str) -> float:
        """Make an event happen, as `macula-lab event` does. Gives when it was over. Raises LabError."""
        perform(self.mesh.engine, event(kind, target, arguments))
        return time.monotonic()

    def when(self, what: str, condition: Callable[[], bool], since: float, bound: float) -> Measure:
        """How long it takes from `since` until a condition is true, in which a node may refuse to answer."""

        def holds() -> bool:
            try:
                return condition()
            except CommandRefused:
                return False

        came = until(holds, since + GIVEN_UP * bound - time.monotonic())
        return Measure(what, time.monotonic() - since if came else math.inf, bound)

    def disturbed(self, what: str, since: float, bound: float) -> Measure:
        """How long from `since` on calls are late or lost. Returns when they have not been for a while."""
        calm = until(partial(self._calm, since), GIVEN_UP * bound + CALM + CALL_TIMEOUT)
        return Measure(what, disturbed(tuple(self.load.calls), since) if calm else math.inf, bound)

    def disturbed_while(self, what: str, since: float, end: float, bound: float) -> Measure:
        """The same for a fault that lasts until `end`: how long until calls do without what it took."""
        return Measure(what, disturbed(tuple(self.load.calls), since, end), bound)

    def served(self, since: float) -> bool:
        """Whether what the load said since then went to all that it is for."""
        return self.load.answering(since) == set(PROVIDERS) and self.load.hearing(since) == set(SUBSCRIBERS)

    def whole(self) -> bool:
        """Whether every node has all others in its table."""
        return all(self.mesh.status(name).dht.nodes == len(self.ids) - 1 for name in self.ids)

    def found(self, asked: str, name: str, kind: str) -> set[str]:
        """The names of the nodes whose records a node finds."""
        told: Any = self.mesh.exec_json(asked, ["dht", "lookup", name, "--kind", kind])
        return {entry["name"] for entry in told["found"]}

    def peers(self, name: str) -> set[str | None]:
        """The names of the peers that a node is connected to."""
        return {peer["name"] for peer in self.mesh.exec_json(name, ["peers"])}

    def _calm(self, since: float) -> bool:
        now = time.monotonic()
        if now - since < CALM + CALL_TIMEOUT:
            return False  # a call that began at once may still wait
        last = [call for call in tuple(self.load.calls) if call.begun > now - CALM - LATE]
        return bool(last) and not disturbed(last, now - CALM - LATE)
