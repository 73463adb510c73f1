"""macula publish"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from macula.cli import series
from macula.cli.client import Refused
from macula.cli.options import AsJson, ControlSocket, parse_json
from macula.cli.output import connect, print_json, reporting

app = typer.Typer(add_completion=False)
GRACE = 30.0
"""Seconds beyond the publication's own deadline: finding the subscribers may take a lookup."""


@app.command()
def publish(
    topic: Annotated[str, typer.Argument(help="Its full name, such as org.example.mesh.sensors.kitchen.")],
    payload: Annotated[str, typer.Argument(help="The payload as JSON.", metavar="[JSON]")] = "null",
    qos: Annotated[int, typer.Option(min=0, max=1, help="0: sent once. 1: acknowledged and repeated.")] = 0,
    timeout: Annotated[float, typer.Option(help="Seconds for the subscribers to acknowledge (QoS 1).")] = 5.0,
    count: series.Count = 1,
    interval: series.Interval = 0.1,
    numbered: series.Numbered = False,
    as_json: AsJson = False,
    control_socket: ControlSocket = None,
) -> None:
    """Send an event to every subscriber and say who got it; with --count, the same event so many times."""
    value = parse_json(payload, "JSON")

    def ask(number: int = 1) -> dict[str, Any]:
        payload = number if numbered else value
        with connect(control_socket, as_json, f"Publishing to {topic}") as client:
            report: dict[str, Any] = client.request(
                "publish", timeout + GRACE, topic=topic, payload=payload, qos=qos, timeout=timeout
            )
        return report

    with reporting(as_json):
        if count > 1:
            return series.tell(series.ask_in_turn(count, interval, lambda number: _heard(ask(number))), as_json)
        report = ask()
    if as_json:
        return print_json(report)
    verb = "acknowledged by" if qos else "sent to"
    typer.echo(
        f"{verb} {len(report['delivered'])} of {report['subscribers']} subscribers in {report['latency_ms']:.1f} ms"
    )
    for node in report["delivered"]:
        typer.echo(f"  {node[:10]}")
    for node, code in report["failed"].items():
        typer.echo(f"  {node[:10]} failed: {code}")
    return None


def _heard(report: dict[str, Any]) -> dict[str, Any]:
    """The report, if nobody missed the event. Raises Refused with the first one's code, and who got it all the same."""
    for node, code in report["failed"].items():
        message = f"{node[:10]} and {len(report['failed']) - 1} others did not get it"
        raise Refused({"code": code, "message": message, "delivered": report["delivered"]})
    return report
