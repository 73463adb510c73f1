"""Many nodes, one seed, one clock."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from macula.core.address import Address
from macula.core.commands import Command
from macula.dht.verifier import Verifier
from macula.engine import EngineSettings
from macula.identity import Identity
from macula.sim.clock import Clock
from macula.sim.network import Network, NetworkSettings
from macula.sim.node import SimNode

_VERIFIED = 100_000
"""Records remembered as verified, for all nodes together."""


class World:
    """A mesh in one process on virtual time."""

    def __init__(self, seed: int, network: NetworkSettings | None = None) -> None:
        self.clock = Clock()
        self._rng = random.Random(seed)
        self.network = Network(self.clock, random.Random(self._rng.random()), network or NetworkSettings())
        self.nodes: list[SimNode] = []
        self._verifier = Verifier(_VERIFIED)

    def next_address(self) -> Address:
        """The address of the next node, 10.0.0.1 and on."""
        number = len(self.nodes) + 1
        return Address(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 9443)

    def add(
        self,
        settings: EngineSettings,
        identity: Identity | None = None,
        address: Address | None = None,
        ahead: float = 0.0,
    ) -> SimNode:
        """Start a node."""
        identity = identity or Identity.from_random(self._rng)
        rng = random.Random(self._rng.random())
        address = address or self.next_address()
        node = SimNode(self.clock, self.network, identity, settings, address, rng, self._verifier, ahead)
        self.nodes.append(node)
        return node

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.clock.now + seconds
        while self.clock.step(until):
            pass

    def run_until(self, condition: Callable[[], bool], within: float) -> None:
        """Let time pass until the condition holds. Raises TimeoutError after `within` seconds of virtual time."""
        until = self.clock.now + within
        while not condition():
            if not self.clock.step(until):
                raise TimeoutError(f"not true within {within:g} s of virtual time")

    def ask(self, node: SimNode, command: Command, within: float = 60.0) -> Any:
        """Give a command and let time pass until it is completed; its result. Raises its error."""
        id_ = node.command(command)
        self.run_until(lambda: id_ in node.completed, within)
        completed = node.completed.pop(id_)
        if completed.error is not None:
            raise completed.error
        return completed.result
