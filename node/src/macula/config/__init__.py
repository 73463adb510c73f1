"""What a node is told by its operator: frozen, documented settings and where files are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from macula.config.settings import Settings as Settings

__all__ = ["Settings"]


def __getattr__(name: str) -> Any:
    # Loading the settings costs more than a whole `macula status` otherwise takes, and that needs paths.py only.
    if name == "Settings":
        from macula.config.settings import Settings

        return Settings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
