"""The settings of a node: arguments over MACULA_* environment over a TOML file over defaults."""

from __future__ import annotations

from typing import Any

from macula.config.endpoints import BootstrapPeer
from macula.config.general import GeneralSettings
from macula.config.limits import LimitSettings


class Settings(LimitSettings, GeneralSettings):
    """All settings of a node, general ones first, as pydantic counts bases. `Settings(port=0)` takes what it is not
    given from elsewhere, see LayeredSettings. The descriptions are what `macula settings` prints."""

    def __init__(self, **arguments: Any) -> None:
        """See LayeredSettings; here again, since pydantic would give the class an `__init__` of its own for mypy."""
        super().__init__(**arguments)

    @property
    def entries(self) -> tuple[BootstrapPeer, ...]:
        """All nodes through which to enter the mesh."""
        return self.bootstrap + self.relays
