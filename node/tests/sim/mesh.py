"""Small meshes on virtual time, and what was said in them."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from typing import Any

from macula.core.commands import Advertise, CallProcedure, PublishEvent, Strategy, Subscribe
from macula.core.effects import SendMessage, TransportEffect
from macula.core.mode import Mode
from macula.core.results import CallResult, PublishResult
from macula.engine import Bootstrap, EngineSettings
from macula.identity import Identity, NodeId
from macula.sim import SimNode, World
from macula.wire import decode_value, encode_value

REALM = "io.test"
ADD = "io.test.add"


class Mesh:
    """One bootstrap, one gateway and edges that know the bootstrap's address only."""

    def __init__(self, seed: int, *, edges: int = 3, **settings: Any) -> None:
        self.world = World(seed)
        self.settings = settings
        self.identity = Identity.from_random(random.Random(seed))
        self.bootstrap = self.world.add(EngineSettings(Mode.BOOTSTRAP, "bootstrap", REALM, **settings), self.identity)
        self.ways_in = (Bootstrap(self.bootstrap.address),)
        self.gateway = self.add(Mode.GATEWAY, "gateway")
        self.edges = [self.add(Mode.EDGE, f"edge-{number}") for number in range(edges)]
        self.join()

    def add(self, mode: Mode, name: str, realm: str = REALM, **settings: Any) -> SimNode:
        ways_in = EngineSettings(mode, name, realm, bootstraps=self.ways_in, **self.settings)
        return self.world.add(replace(ways_in, **settings))

    def join(self, within: float = 30.0) -> None:
        self.world.run_until(lambda: all(node.engine.ready for node in self.world.nodes if node.alive), within)

    def restart(self, node: SimNode, identity: Identity | None = None) -> SimNode:
        """A new bootstrap at the address of the dead one, with its identity or another."""
        return self.world.add(node.engine.settings, identity or self.identity, node.address)

    def serve(self, node: SimNode, procedure: str = ADD) -> None:
        """Advertise a procedure that returns its argument plus one."""
        node.handlers[procedure] = lambda call: encode_value("result", decode_value(call.args) + 1)
        self.world.ask(node, Advertise(procedure, False))

    def call(self, node: SimNode, argument: int, procedure: str = ADD, timeout: float = 5.0) -> tuple[int, CallResult]:
        command = CallProcedure(procedure, encode_value("args", argument), timeout, Strategy.ROUND_ROBIN)
        result: CallResult = self.world.ask(node, command)
        return decode_value(result.value), result

    def subscribe(self, node: SimNode, pattern: str) -> None:
        self.world.ask(node, Subscribe(pattern, 100, False))

    def publish(self, node: SimNode, topic: str, payload: int, qos: int = 1) -> PublishResult:
        result: PublishResult = self.world.ask(node, PublishEvent(topic, encode_value("payload", payload), qos, 5.0))
        return result


def tap(world: World) -> list[tuple[float, NodeId, SendMessage]]:
    """Everything that is sent from now on: when, by whom, what."""
    said: list[tuple[float, NodeId, SendMessage]] = []
    execute = world.network.execute

    def record(source: NodeId, effect: TransportEffect) -> None:
        if isinstance(effect, SendMessage):
            said.append((world.clock.now, source, effect))
        execute(source, effect)

    setattr(world.network, "execute", record)  # noqa: B010 - an assignment is none that mypy allows
    return said


def payloads(node: SimNode) -> list[int]:
    return [decode_value(event.payload) for event in node.events]


def traces(node: SimNode, name: str) -> list[dict[str, object]]:
    return [dict(trace.fields) for trace in node.traces if trace.name == name]


def digest(seed: int) -> str:
    """A hash of everything that was sent and traced in a small mesh that calls and publishes."""
    mesh = Mesh(seed)
    said = tap(mesh.world)
    mesh.serve(mesh.edges[0])
    mesh.subscribe(mesh.edges[1], "io.test.*")
    mesh.call(mesh.edges[2], 1)
    mesh.publish(mesh.edges[2], "io.test.topic", 1)
    mesh.edges[0].kill()
    mesh.world.run(200.0)
    hashed = hashlib.sha256()
    for now, source, sent in said:
        hashed.update(f"{now!r} {source} {sent.peer} {sent.lane} {sent.message!r}\n".encode())
    for node in mesh.world.nodes:
        hashed.update(repr(node.traces).encode())
    return f"{mesh.world.network.messages} {hashed.hexdigest()}"
