"""Options and arguments that several commands have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ControlSocket = Annotated[
    Path | None,
    typer.Option(
        "--control-socket",
        metavar="PATH",
        help="The socket of the node to ask; default: MACULA_CONTROL_SOCKET, or the one in its data directory.",
        show_default=False,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="PATH",
        help="The node's data directory; default: MACULA_DATA_DIR, or that of a node with this host's name.",
        show_default=False,
    ),
]


def parse_json(text: str, name: str) -> Any:
    """A value that was given as JSON; anything else ends the command as wrong usage."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        hint = """as in '{"a": 1}' or '"text"'"""
        raise typer.BadParameter(f"must be JSON, {hint}; {text[:80]!r} is not: {error}", param_hint=name) from error
