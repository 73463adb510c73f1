"""A deterministic world: engines on virtual time over a simulated network. The same seed gives the same run."""

from macula.sim.network import NetworkSettings
from macula.sim.node import SimNode
from macula.sim.world import World

__all__ = ["NetworkSettings", "SimNode", "World"]
