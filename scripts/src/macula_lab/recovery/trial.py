"""One fault that happens once to two peers who talk."""

import time
from collections.abc import Sequence

from macula_lab.engines.contract import Engine
from macula_lab.events.perform import event, perform
from macula_lab.matrix.traffic import FIRST, PROCEDURE, READY_DEADLINE, ROUTERS, SECOND
from macula_lab.mesh.mesh import CommandRefused, Mesh
from macula_lab.recovery.faults import RELAY, VISIBLE, Fault
from macula_lab.recovery.outcome import DEADLINE, Run, Turn, silence
from macula_lab.recovery.traffic import Conversation, conversation
from macula_lab.selfcheck.routers import command
from macula_lab.waiting import until

RELAYS = ("bootstrap", "gateway")
SETTLING = 20.0
"""seconds for a conversation to go by its path"""
STEADY = 20
"""answers in a row by its path, after which a conversation is undisturbed"""
CALM = 2.0
"""seconds for which nothing may happen any more before a conversation is ended"""
BACK_DIRECT = 10.0
"""seconds that a conversation which is answered gets to be on its path again"""


class NotTried(Exception):
    """Why a fault could not be tried."""


def strike(engine: Engine, fault: Fault) -> Run:
    """Start both peers anew behind the fault's NATs, let them talk, let it happen, and tell what they noticed.

    Raises LabError for what the lab itself cannot do.
    """
    mesh = Mesh(engine)
    try:
        ids = _started(mesh, fault)
        with conversation(mesh, ids) as spoken:
            if not until(lambda: _steady(spoken, fault), SETTLING):
                raise NotTried(f"the conversation did not become {fault.path}")
            if not fault.event:
                return _after_silence(mesh, fault, ids, spoken)
            return _struck(mesh, fault, spoken)
    except NotTried as error:
        return Run(fault, 0.0, 0.0, trouble=str(error))


def _struck(mesh: Mesh, fault: Fault, spoken: Conversation) -> Run:
    relay = _relay(mesh)
    struck = ended = time.monotonic()
    try:
        _perform(mesh, fault.event, relay)
        if fault.lasts:
            time.sleep(fault.lasts)
            ended = time.monotonic()
            _perform(mesh, fault.undo, relay)
        until(lambda: _calm(spoken, ended), DEADLINE)
        until(lambda: _now(spoken, fault, struck, ended).after == fault.path, BACK_DIRECT)
        until(lambda: _calm(spoken, time.monotonic() - CALM), CALM)
        spoken.close()
        return _now(spoken, fault, struck, ended)
    finally:
        if fault.undo and not fault.lasts:
            _perform(mesh, fault.undo, relay)


def _after_silence(mesh: Mesh, fault: Fault, ids: dict[str, str], spoken: Conversation) -> Run:
    """Each calls the other once, the one first whose mapping must have lasted."""
    spoken.close()
    time.sleep(fault.lasts)
    struck = time.monotonic()
    back = _single(mesh, SECOND, ids[FIRST])
    forth = _single(mesh, FIRST, ids[SECOND])
    return Run(fault, struck, struck, (forth,), (back,), spoken.events)


def _single(mesh: Mesh, caller: str, provider: str) -> Turn:
    try:
        answer = mesh.exec_json(caller, ["call", PROCEDURE, "--to", provider, "--timeout", str(DEADLINE)])
    except CommandRefused as error:
        return Turn(0.0, time.monotonic(), error=error.code)
    ended = time.monotonic()
    return Turn(ended - answer["latency_ms"] / 1000, ended, answer["path"])


def _started(mesh: Mesh, fault: Fault) -> dict[str, str]:
    """The node id of each peer. All nodes start anew, and are ready; each peer has as many relays as there are."""
    hosts = mesh.engine.hosts()
    for node in (*RELAYS, FIRST, SECOND):
        if hosts[node].running:
            mesh.engine.kill(node)
    for peer, nat in ((FIRST, fault.first), (SECOND, fault.second)):
        command(mesh.engine, ROUTERS[peer], "apply", "--nat", nat)
    for nodes in (*((relay,) for relay in RELAYS), (FIRST, SECOND)):
        for node in nodes:
            mesh.engine.restart(node)
        for node in nodes:
            if not until(lambda node=node: _is_ready(mesh, node), READY_DEADLINE):  # type: ignore[misc]
                raise NotTried(f"{node} was not ready, with its relays, within {READY_DEADLINE:g} s")
    return {peer: mesh.status(peer).node_id for peer in (FIRST, SECOND)}


def _is_ready(mesh: Mesh, node: str) -> bool:
    try:
        told = mesh.exec_json(node, ["status"])
    except CommandRefused:
        return False
    return bool(told["ready"]) and (node in RELAYS or len(told["relays"]) == len(RELAYS))


def _relay(mesh: Mesh) -> str:
    """Through which relay the peers talk."""
    peers = mesh.exec_json(FIRST, ["peers"])
    used = [peer["relay"]["name"] for peer in peers if peer["name"] == SECOND and peer.get("relay")]
    return used[0] if used else RELAYS[0]


def _perform(mesh: Mesh, words: Sequence[str], relay: str) -> None:
    kind, target, *arguments = [relay if word == RELAY else word for word in words]
    perform(mesh.engine, event(kind, target, arguments))


def _now(spoken: Conversation, fault: Fault, struck: float, ended: float) -> Run:
    return Run(fault, struck, ended, tuple(spoken.forth), tuple(spoken.back), spoken.events)


def _steady(spoken: Conversation, fault: Fault) -> bool:
    """Whether both have talked by the path for a while, and events arrive."""
    last = [turn.path for turns in (spoken.forth, spoken.back) for turn in turns[-STEADY:]]
    return last == [fault.path] * 2 * STEADY and bool(spoken.events.acknowledged)


def _calm(spoken: Conversation, since: float) -> bool:
    """Whether nobody has had to wait for a while."""
    now = time.monotonic()
    return now - since >= CALM and all(
        turns[-1].ended > now - VISIBLE and not silence(turns, now - CALM, now - CALM)
        for turns in (tuple(spoken.forth), tuple(spoken.back))
    )
