"""A peer-to-peer mesh node over QUIC: run one, and talk to the one that runs here."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from macula.cli.output import EXIT_CODES

COMMANDS = (
    "node",
    "status",
    "peers",
    "metrics",
    "nat",
    "why",
    "doctor",
    "call",
    "call-to",
    "serve",
    "publish",
    "subscribe",
    "dht",
    "id",
    "ca",
    "pins",
    "settings",
)


EPILOG = f"Exit codes: {'; '.join(f'{code} {meaning}' for code, meaning in EXIT_CODES.items())}."


class _LazyGroup(TyperGroup):
    """Loads a command's module when it is run (or listed): `node` alone needs the settings, asyncio and QUIC."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(import_module(f"macula.cli.{cmd_name.replace('-', '_')}").app)
        command.name = cmd_name
        for each in (command, *getattr(command, "commands", {}).values()):
            each.epilog = EPILOG
        return command


app = typer.Typer(
    cls=_LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=__doc__,
    epilog=EPILOG,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # takes a third of the time that a command needs to start

        typer.echo(version("macula-mesh"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """The console script."""
    app(prog_name="macula")
