"""One node's state machine: the services, the connections between them and the world, and nothing of any protocol."""

from macula.engine.engine import Engine
from macula.engine.settings import Bootstrap, EngineSettings

__all__ = ["Bootstrap", "Engine", "EngineSettings"]
