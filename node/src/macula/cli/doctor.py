"""macula doctor"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import typer

from macula.cli.options import AsJson, ControlSocket
from macula.cli.output import EXIT_REFUSED, asking, print_json

app = typer.Typer(add_completion=False)
PATIENCE = 60.0

_SIGNS = {"ok": "ok", "warning": "!", "fault": "FAULT"}


@app.command()
def doctor(as_json: AsJson = False, control_socket: ControlSocket = None) -> None:
    """Look for what is wrong with the node that runs here, and say what to do. Exit code 1 if something is."""
    with asking(control_socket, as_json, "Examining") as client:
        told = client.request("doctor", PATIENCE)
    findings = [_versions(told["version"]), *told["findings"]]
    if as_json:
        print_json(findings)
    else:
        from macula.cli import tables

        rows = ((_SIGNS[one["verdict"]], one["check"], one["seen"], one["remedy"]) for one in findings)
        tables.show_rows(("", "check", "what was seen", "what to do"), rows, "")
    if any(one["verdict"] == "fault" for one in findings):
        raise typer.Exit(EXIT_REFUSED)


def _versions(running: str) -> dict[str, Any]:
    installed = version("macula-mesh")
    if running == installed:
        return {"check": "version", "verdict": "ok", "seen": f"{running} runs and is installed", "remedy": ""}
    seen = f"{running} runs, {installed} is installed"
    return {"check": "version", "verdict": "warning", "seen": seen, "remedy": "restart the node"}
