"""A peer-to-peer mesh node over QUIC: `async with macula.connect(realm=…, bootstrap=[…]) as mesh`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from macula.api import Mesh as Mesh
    from macula.api import connect as connect

__all__ = ["Mesh", "connect"]


def __getattr__(name: str) -> Any:
    # The command line imports this package at each call and needs neither QUIC nor the settings.
    if name in ("Mesh", "connect"):
        from macula import api

        return getattr(api, name)
    raise AttributeError(f"module 'macula' has no attribute {name!r}")
