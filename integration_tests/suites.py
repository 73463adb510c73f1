"""The meshes that the RPC and pub/sub suites run against: containers side by side, and edges behind NATs."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import macula
from asking import WHOAMI, call, eventually, joined
from labs import Labs
from macula_lab.engines.contract import Engine
from macula_lab.engines.netns import kernel
from macula_lab.engines.netns.project import path_of
from macula_lab.lab import NETNS
from macula_lab.mesh.mesh import Mesh


class Way(NamedTuple):
    """How a call gets to its provider."""

    path: str
    routers: int | None
    """on the way of a direct one"""


NEXT_DOOR = Way("direct", 0)


class SuiteMesh(Mesh):
    """A mesh, and who of it plays which part in the suites."""

    def __init__(self, engine: Engine, edges: tuple[str, str, str], ways: tuple[Way, Way]) -> None:
        super().__init__(engine)
        self.edges = edges
        self.ways = dict(zip(edges[1:], ways, strict=True))
        """from the first edge to the two others"""

    @property
    def providers(self) -> set[str]:
        """Those that run the demo services."""
        return {name for name in self.nodes() if self._environment(name, "MACULA_DEMO") == "true"}

    @property
    def servers(self) -> set[str]:
        """Those that keep records for others: who cannot be dialed only asks."""
        return {name for name in self.nodes() if self._environment(name, "MACULA_REACHABLE") != "no"}

    def way(self, provider: str) -> Way:
        """How the first edge is connected to another now."""
        peer = next(peer for peer in self.status(self.edges[0]).peers if peer.name == provider)
        return Way(peer.path, peer.hops)

    def settle(self) -> None:
        """Return when the first edge has the ways to the others that it must: it may have to punch first."""
        for provider, way in self.ways.items():
            node_id = self.status(provider).node_id

            def settled(name: str, target: str) -> bool:
                call(self, self.edges[0], WHOAMI, "null", "--to", target)
                return self.way(name).path == self.ways[name].path

            eventually(f"{self.edges[0]} is {way.path} with {provider}", partial(settled, provider, node_id))

    @asynccontextmanager
    async def joined(self, name: str, **settings: Any) -> AsyncIterator[macula.Mesh]:
        """A node in this process, in the place of a host beside the first edge: behind its NAT, if there is one."""
        with _inside(self._place) if self._place else nullcontext():
            async with joined(self, name, **settings) as node:
                yield node

    @cached_property
    def _place(self) -> str:
        """The network namespace of that host; none where this process reaches the mesh from where it is."""
        if self.engine.name != NETNS:
            return ""
        (network,) = self.engine.plan.services[self.edges[0]].networks
        (address,) = self.engine.plan.free_addresses(network, 1)
        helper = self.engine.helper("program", {network: address})
        return path_of(helper.execute(["ip", "netns", "identify"]).stdout.strip())

    def _environment(self, name: str, key: str) -> str:
        return self.engine.plan.services[name].environment.get(key, "")


@contextmanager
def _inside(namespace: str) -> Iterator[None]:
    """Let this thread open its sockets in a network namespace; those it has stay where they are."""
    with Path("/proc/thread-self/ns/net").open() as before:
        kernel.enter(namespace, kernel.CLONE_NEWNET)
        try:
            yield
        finally:
            kernel.enter(f"/proc/self/fd/{before.fileno()}", kernel.CLONE_NEWNET)


def behind_nats(labs: Labs, way: str) -> SuiteMesh:
    """compose/nat-many.yaml, in which the first two edges, each behind a NAT, are `direct` or `relayed`; the third is
    the first one's neighbour."""
    nats = {"NAT_B": "symmetric"} if way == "relayed" else {}
    ways = (Way("relayed", None) if nats else Way("direct", 2)), NEXT_DOOR
    mesh = SuiteMesh(labs.up(NETNS, "nat-many", **nats), ("edge_a1", "edge_b1", "edge_a2"), ways)
    mesh.settle()
    return mesh
