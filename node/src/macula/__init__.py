"""A peer-to-peer mesh node over QUIC: `async with macula.connect(realm=…, bootstrap=[…]) as mesh`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from macula.api import Mesh as Mesh
    from macula.api import connect as connect
    from macula.runtime.reports import CallContext as CallContext
    from macula.runtime.reports import MeshEvent as MeshEvent
    from macula.runtime.telemetry import TelemetryEvent as TelemetryEvent

__all__ = ["CallContext", "Mesh", "MeshEvent", "TelemetryEvent", "connect"]

_HOME = {
    "CallContext": "macula.runtime.reports",
    "Mesh": "macula.api",
    "MeshEvent": "macula.runtime.reports",
    "TelemetryEvent": "macula.runtime.telemetry",
    "connect": "macula.api",
}


def __getattr__(name: str) -> Any:
    # The command line imports this package at each call and needs neither QUIC nor the settings.
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'macula' has no attribute {name!r}")
