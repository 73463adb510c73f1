"""Two peers that have just started, and what they say to each other from their first moment on."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from macula.nat.prediction import Meeting

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.matrix.cells import Cell
from macula_lab.matrix.outcome import Calls, Events, Row, calls
from macula_lab.mesh.mesh import CommandRefused, Mesh
from macula_lab.selfcheck.routers import command

FIRST, SECOND = "edge_a", "edge_b"
ROUTERS = {FIRST: "nat_a", SECOND: "nat_b"}

SECONDS = 3.0
"""for which they talk"""
GUESSING_SECONDS = 8.0
"""the same where ports are guessed: another flow may take one, so that it needs a second round"""
INTERVAL = 0.05
READY_DEADLINE = 20.0
LAST_EVENT = 2.0
"""seconds for the last event to come"""
TOPIC = "org.example.mesh.matrix.event"
PROCEDURE = "org.example.mesh.demo.whoami"


class NotInMesh(Exception):
    """A peer that found no way into the mesh."""


def talk(engine: Engine, cell: Cell) -> Row:
    """Make the two routers these NATs, start both peers anew, let them call each other and publish, and tell.

    A peer that does not enter the mesh is a finding. Raises LabError when a router cannot be that NAT.
    """
    begin = time.monotonic()
    hosts = engine.hosts()
    for peer, kind in ((FIRST, cell.first), (SECOND, cell.second)):
        if hosts[peer].running:
            engine.kill(peer)
        command(engine, ROUTERS[peer], "apply", "--nat", kind.nat)
    seconds = GUESSING_SECONDS if cell.prediction.meeting is Meeting.PREDICTION else SECONDS
    try:
        forth, back, events = _conversation(Mesh(engine), seconds)
    except NotInMesh as error:
        return Row(cell, Calls(()), Calls(()), Events(0, ()), time.monotonic() - begin, str(error))
    return Row(cell, forth, back, events, time.monotonic() - begin)


def _conversation(mesh: Mesh, seconds: float) -> tuple[Calls, Calls, Events]:
    heard: list[int] = []
    second = _started(mesh, SECOND)
    with ThreadPoolExecutor(4) as pool:
        try:
            events = mesh.stream(SECOND, ["subscribe", TOPIC])
            next(events)
            listening = pool.submit(_listen, events, heard)
            first = _started(mesh, FIRST)
            there = pool.submit(_call, mesh, FIRST, second, seconds)
            back = pool.submit(_call, mesh, SECOND, first, seconds)
            acknowledged = _publish(mesh, seconds)
            spoken = there.result(), back.result()
            _until(lambda: len(set(heard)) >= acknowledged, LAST_EVENT)
        finally:
            # What listens is a process of the peer's: it ends with the peer.
            mesh.engine.kill(SECOND)
        listening.result()
    return *spoken, Events(acknowledged, tuple(heard))


def _started(mesh: Mesh, peer: str) -> str:
    """Start a peer and wait until it is in the mesh; gives its node id."""
    mesh.engine.restart(peer)
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


def _call(mesh: Mesh, caller: str, provider: str, seconds: float) -> Calls:
    return calls(_lines(mesh, caller, "call", PROCEDURE, "--to", provider, "--timeout", "5", *_series(seconds)))


def _publish(mesh: Mesh, seconds: float) -> int:
    """How many events were acknowledged."""
    told = _lines(mesh, FIRST, "publish", TOPIC, "--qos", "1", *_series(seconds))
    return sum(bool(line.get("delivered")) for line in told)


def _series(seconds: float) -> tuple[str, ...]:
    return ("--count", str(round(seconds / INTERVAL)), "--interval", str(INTERVAL))


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


def _until(condition: Callable[[], bool], within: float) -> None:
    end = time.monotonic() + within
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
