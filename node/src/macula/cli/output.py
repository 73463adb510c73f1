"""How results, errors and progress are shown, and with which exit code a command ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from macula.cli.client import ControlClient, NoNode, Refused
from macula.errors import ArgumentError, ConfigError

EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_NO_NODE = 3
EXIT_INTERRUPTED = 130

EXIT_CODES = {
    0: "it was done",
    EXIT_REFUSED: "the mesh or the node refused, or something is not as it should be",
    EXIT_USAGE: "an argument or setting that cannot be; it is named",
    EXIT_NO_NODE: "no node answers on the control socket",
    EXIT_INTERRUPTED: "interrupted",
}
"""Of every command; `macula --help` prints them."""

NEXT_STEPS = {
    "not_found": "`macula dht lookup NAME` shows who provides it; providers register anew when they start",
    "timeout": "give it longer with --timeout, or see with `macula peers` whether the provider is connected",
    "disconnected": "the provider may have stopped; `macula peers` shows who is connected",
    "unreachable": "`macula dht lookup --kind peer NODE_ID` shows the addresses it claims",
    "busy": "try again, or ask another provider with --to",
    "internal": "the node's log has the details",
}


def print_json(value: Any) -> None:
    """One line on stdout, at once: what reads it may be waiting."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


@contextmanager
def reporting(as_json: bool) -> Iterator[None]:
    """Turns what went wrong inside the block into a message and an exit code."""
    try:
        yield
    except Refused as error:
        _fail(error.fields, as_json, EXIT_USAGE if error.code == "argument" else EXIT_REFUSED)
    except (ConfigError, ArgumentError) as error:
        _fail({"code": "argument", "message": str(error), "field": error.field}, as_json, EXIT_USAGE)
    except NoNode as error:
        _fail({"code": "no_node", "message": str(error)}, as_json, EXIT_NO_NODE)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None


@contextmanager
def asking(control_socket: Path | None, as_json: bool, doing: str = "Waiting for the node") -> Iterator[ControlClient]:
    """A connection to the running node, with errors reported. `doing` is shown while an answer is long in coming."""
    with reporting(as_json), connect(control_socket, as_json, doing) as client:
        yield client


def connect(control_socket: Path | None, as_json: bool, doing: str) -> ControlClient:
    """As asking, but errors are the caller's. Raises NoNode, ConfigError."""
    from macula.config import paths

    @contextmanager
    def progress() -> Iterator[None]:
        if as_json or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console

        with Console(stderr=True).status(f"{doing} …"):
            yield

    return ControlClient(control_socket or paths.control_socket(), progress)


def _fail(error: dict[str, Any], as_json: bool, code: int) -> None:
    if as_json:
        print_json({"error": error})
    else:
        sys.stderr.write(f"macula: {error['code']}: {error['message']}\n")
        if step := NEXT_STEPS.get(str(error["code"])):
            sys.stderr.write(f"  {step}\n")
    raise typer.Exit(code)
