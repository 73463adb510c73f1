"""A mesh under constant load: numbered calls to two providers, numbered events (QoS 1) to two subscribers."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from macula_lab.errors import LabError
from macula_lab.faults.account import Account, Call, Event
from macula_lab.faults.program import Program
from macula_lab.mesh.mesh import Mesh
from macula_lab.mesh.series import SeriesClock
from macula_lab.waiting import until

CALLER = "edge1"
"""It publishes, too."""
PROVIDERS = ("edge2", "edge3")
SUBSCRIBERS = ("gateway", "edge3")

INTERVAL = 0.05
"""seconds between two calls, and between two events"""
AT_ONCE = 32
"""calls without an answer, above which no more are made; half of what a node answers on its control socket"""
CALL_TIMEOUT = 5.0
"""for a call that a provider may be running whose node is gone without a word; the default of a node"""
EVENT_TIMEOUT = 2.0
PROCEDURE = "org.example.mesh.load.count"
TOPIC = "org.example.mesh.load.counted"
RUNS = "/var/lib/macula/load-runs"
"""Where a provider writes down each call that it runs."""
BEGINNING = 20.0
ENDING = 5.0
_MANY = "1000000"


class Load:
    """Runs from `start` to `close`. What came so far may be looked at any time."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._names = {mesh.status(name).node_id: name for name in mesh.nodes()}
        self._calling, self._publishing = SeriesClock(), SeriesClock()
        self._serving: set[str] = set()
        self._listening: set[str] = set()
        self._programs: list[Program] = []
        self.calls: list[Call] = []
        self.events: list[Event] = []
        self.heard: Mapping[str, list[int]] = defaultdict(list)

    def start(self) -> None:
        """Begin. Raises LabError when calls are not answered by both providers, or events not heard by both
        subscribers, within BEGINNING seconds."""
        for name in PROVIDERS:
            self._mesh.execute(name, ["rm", "-f", RUNS])
            self._begin(name, ["serve", PROCEDURE, "--exec", f"exec tee -a {RUNS}"], self._serves(name), again=True)
        for name in SUBSCRIBERS:
            self._begin(name, ["subscribe", TOPIC], self._hears(name))
        end = time.monotonic() + BEGINNING
        _require("no provider", lambda: self._serving == set(PROVIDERS), end)
        _require("no subscriber", lambda: self._listening == set(SUBSCRIBERS), end)
        series = ["--numbered", "--count", _MANY, "--interval", str(INTERVAL)]
        timeout = ["--timeout", str(CALL_TIMEOUT), "--at-once", str(AT_ONCE)]
        self._caller = self._begin(CALLER, ["call", PROCEDURE, *series, *timeout], self._answered)
        argv = ["publish", TOPIC, *series, "--qos", "1", "--timeout", str(EVENT_TIMEOUT)]
        self._publisher = self._begin(CALLER, argv, self._published)
        _require("not every provider answers", lambda: self.answering(0.0) == set(PROVIDERS), end)
        _require("not every subscriber hears", lambda: self.hearing(0.0) == set(SUBSCRIBERS), end)

    def answering(self, since: float) -> set[str]:
        """Who answered calls that began since then."""
        return {call.provider for call in tuple(self.calls) if call.begun >= since and not call.error}

    def hearing(self, since: float) -> set[str]:
        """Who acknowledged the last event, if it was published since then."""
        last = self.events[-1] if self.events else None
        return set(last.acknowledged) if last and last.begun >= since else set()

    def close(self, codes: frozenset[str]) -> Account:
        """End it, with all that is on its way, and account for it. Raises LabError when a part ended by itself."""
        for what, part in (("calls", self._caller), ("events", self._publisher)):
            if part.ended:
                raise LabError(f"the load's {what} ended by themselves", f"macula-lab logs {CALLER}", part.said)
        asked = max(call.number for call in self.calls)
        until(lambda: len({call.number for call in self.calls if call.number <= asked}) == asked, CALL_TIMEOUT + ENDING)
        self.end()
        runs = {name: self._runs(name, asked) for name in PROVIDERS}
        heard = {name: tuple(self.heard[name]) for name in SUBSCRIBERS}
        calls = tuple(call for call in self.calls if call.number <= asked)
        return Account(calls, asked, runs, tuple(self.events), heard, codes)

    def end(self) -> None:
        """End the programs that are left: who asks before who answers."""
        while self._programs:
            self._programs.pop().end(ENDING)
            until(self._all_heard, EVENT_TIMEOUT)

    def _begin(self, service: str, argv: list[str], take: Callable[[Any, float], None], again: bool = False) -> Program:
        self._programs.append(Program(self._mesh.engine, service, argv, take, again))
        return self._programs[-1]

    def _serves(self, name: str) -> Callable[[Any, float], None]:
        return lambda line, now: self._serving.add(name)

    def _hears(self, name: str) -> Callable[[Any, float], None]:
        def take(line: Any, now: float) -> None:
            self._listening.add(name)
            if "payload" in line:
                self.heard[name].append(line["payload"])

        return take

    def _answered(self, line: Any, now: float) -> None:
        if "number" not in line:
            return
        error = str(line["error"]["code"]) if "error" in line else ""
        provider = "" if error else self._names[line["provider"]]
        self.calls.append(
            Call(line["number"], self._calling.began(line, now), now, provider, line.get("result"), error)
        )

    def _published(self, line: Any, now: float) -> None:
        if "number" in line:
            told = line.get("error", line).get("delivered", ())
            begun = self._publishing.began(line, now)
            self.events.append(Event(line["number"], begun, frozenset(self._names[node_id] for node_id in told)))

    def _all_heard(self) -> bool:
        last = [(event.number, name) for event in self.events[-20:] for name in event.acknowledged]
        return all(number in self.heard[name] for number, name in last if name in SUBSCRIBERS)

    def _runs(self, name: str, asked: int) -> tuple[int, ...]:
        ended = self._mesh.execute(name, ["cat", RUNS])
        if ended.code:
            raise LabError(f"{name} wrote down no call", f"macula-lab logs {name}", ended.stderr)
        return tuple(number for number in map(int, ended.stdout.split()) if number <= asked)


@contextmanager
def load(mesh: Mesh) -> Iterator[Load]:
    """A load that runs while the block does; `close` ends it and accounts for it."""
    made = Load(mesh)
    try:
        made.start()
        yield made
    finally:
        made.end()


def _require(what: str, condition: Callable[[], bool], end: float) -> None:
    if not until(condition, end - time.monotonic()):
        raise LabError(f"the load did not begin: {what} within {BEGINNING:g} s", "macula-lab ps")
