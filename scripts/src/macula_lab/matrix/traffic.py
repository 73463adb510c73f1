"""Two peers that have just started, and what they say to each other from their first moment on."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from macula.nat.prediction import Meeting

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.matrix.cells import Cell
from macula_lab.matrix.conditions import PLAIN, Conditions
from macula_lab.matrix.outcome import Calls, Events, Row, calls, direct_after
from macula_lab.mesh.mesh import CommandRefused, Mesh
from macula_lab.selfcheck.routers import command
from macula_lab.waiting import until

FIRST, SECOND = "edge_a", "edge_b"
ROUTERS = {FIRST: "nat_a", SECOND: "nat_b"}

SECONDS = 3.0
"""for which they talk"""
SECOND_ROUND = 3.0
"""more, where ports are guessed or packets vanish: one round of probes may not do"""
INTERVAL = 0.05
READY_DEADLINE = 20.0
LAST_EVENT = 2.0
"""seconds for the last event to come"""
TOPIC = "org.example.mesh.matrix.event"
PROCEDURE = "org.example.mesh.demo.whoami"


class NotInMesh(Exception):
    """A peer that found no way into the mesh."""


def set_links(engine: Engine, conditions: Conditions, seed: int) -> None:
    """Make both uplinks what the conditions say, with losses of their own each."""
    for number, router in enumerate(ROUTERS.values()):
        link = str(conditions.link)
        command(engine, router, "link", "set", "--out", link, "--in", link, "--seed", str(seed + number))


def talk(engine: Engine, cell: Cell, conditions: Conditions = PLAIN) -> Row:
    """Make the two routers these NATs, start both peers anew, let them call each other and publish, and tell. For the
    links that the conditions name, call set_links before.

    A peer that does not enter the mesh is a finding. Raises LabError when a router cannot be that NAT.
    """
    begin = time.monotonic()
    hosts = engine.hosts()
    for peer, kind in ((FIRST, cell.first), (SECOND, cell.second)):
        if hosts[peer].running:
            engine.kill(peer)
        command(engine, ROUTERS[peer], "apply", "--nat", kind.nat)
    try:
        forth, back, events, direct = _conversation(Mesh(engine), _Series.of(cell, conditions), conditions.skew)
    except NotInMesh as error:
        return Row(cell, Calls(()), Calls(()), Events(0, ()), time.monotonic() - begin, trouble=str(error))
    return Row(cell, forth, back, events, time.monotonic() - begin, direct)


@dataclass(frozen=True, slots=True)
class _Series:
    """How often and how quickly one question follows the other."""

    count: int
    interval: float

    @classmethod
    def of(cls, cell: Cell, conditions: Conditions) -> "_Series":
        unsure = cell.prediction.meeting is Meeting.PREDICTION or not conditions.clean
        seconds = SECONDS + (SECOND_ROUND if unsure else 0.0) + 10 * conditions.relay_round_trip
        # No faster than answers come, or the series would take longer than it should.
        interval = max(INTERVAL, conditions.relay_round_trip)
        return cls(round(seconds / interval), interval)

    @property
    def words(self) -> tuple[str, ...]:
        return ("--count", str(self.count), "--interval", str(self.interval))


def _conversation(mesh: Mesh, series: _Series, skew: float | None) -> tuple[Calls, Calls, Events, float | None]:
    heard: list[int] = []
    mesh.engine.restart(SECOND)
    if skew is not None:
        time.sleep(skew)
        mesh.engine.restart(FIRST)
    second = _ready(mesh, SECOND)
    with ThreadPoolExecutor(4) as pool:
        try:
            events = mesh.stream(SECOND, ["subscribe", TOPIC])
            next(events)
            listening = pool.submit(_listen, events, heard)
            if skew is None:
                mesh.engine.restart(FIRST)
            first = _ready(mesh, FIRST)
            there = pool.submit(_call, mesh, FIRST, second, series)
            back = pool.submit(_call, mesh, SECOND, first, series)
            acknowledged = _publish(mesh, series)
            spoken = there.result(), back.result()
            direct = _direct_after(mesh, second)
            until(lambda: len(set(heard)) >= acknowledged, LAST_EVENT)
        finally:
            # What listens is a process of the peer's: it ends with the peer.
            mesh.engine.kill(SECOND)
        listening.result()
    return *spoken, Events(acknowledged, tuple(heard)), direct


def _ready(mesh: Mesh, peer: str) -> str:
    """Wait until a peer that was started is in the mesh; gives its node id."""
    end = time.monotonic() + READY_DEADLINE
    while True:
        try:
            status = mesh.status(peer)
            if status.ready:
                return status.node_id
        except CommandRefused:
            pass  # its control socket is not there yet
        if time.monotonic() > end:
            raise NotInMesh(f"{peer} did not enter the mesh within {READY_DEADLINE:g} s")
        time.sleep(0.02)


def _call(mesh: Mesh, caller: str, provider: str, series: _Series) -> Calls:
    return calls(_lines(mesh, caller, "call", PROCEDURE, "--to", provider, "--timeout", "5", *series.words))


def _publish(mesh: Mesh, series: _Series) -> int:
    """How many events were acknowledged."""
    told = _lines(mesh, FIRST, "publish", TOPIC, "--qos", "1", *series.words)
    return sum(bool(line.get("delivered")) for line in told)


def _direct_after(mesh: Mesh, peer: str) -> float | None:
    try:
        return direct_after(mesh.exec_json(FIRST, ["why", peer]))
    except CommandRefused:
        return None  # they are not connected at all


def _lines(mesh: Mesh, service: str, *argv: str) -> list[dict[str, Any]]:
    lines = []
    try:
        for line in mesh.stream(service, argv):
            lines.append(line)
    except CommandRefused:
        if not any("number" in line for line in lines):
            raise
    return lines


def _listen(events: Any, heard: list[int]) -> None:
    try:
        for event in events:
            if "sequence" in event:
                heard.append(event["sequence"])
    except LabError:
        return  # the peer was ended
