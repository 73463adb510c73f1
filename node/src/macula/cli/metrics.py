"""macula metrics"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from macula.cli.options import AsJson, ControlSocket
from macula.cli.output import asking, print_json

app = typer.Typer(add_completion=False)
PATIENCE = 10.0

HEADER = """# Metrics and telemetry

A node answers `GET /metrics` on its health port (8080) in the text format of Prometheus; `macula metrics` prints the
same, `macula status` the main ones. All start at 0 with the node. Labels take only the values below, so their number is
bounded whatever peers do. Beside these stand the library's own of the process (`process_cpu_seconds_total`,
`process_resident_memory_bytes`, `process_open_fds` and more).

This page is printed by `macula metrics --markdown`.
"""

TELEMETRY = """
## Telemetry

Applications can listen to what a node does. Names, measurements and metadata are those of Macula's guide, and more:

```python
def log_duration(event):
    print(f"RPC {event.metadata['procedure']} took {event.measurements['duration']} ms")


mesh.attach("my-metrics", ["call.stop"], log_duration)  # and mesh.detach("my-metrics")
```

A handler is called at once, in order and in the event loop: it must be quick and must not call the node. One that
raises is logged and detached. `duration` is in milliseconds; `peer`, `relay`, `from` and `to` are NodeIds (a `peer`
that was refused before it proved to be one is an address, that of a call which nobody ran is empty); `call` is the id
by which both ends know a call. Handlers miss what happened before `connect` returned, metrics do not. The same events
are log lines, with shortened ids; those of calls, publications and subscriptions at level debug.
"""


@app.command()
def metrics(
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the documentation of all metrics.")] = False,
    control_socket: ControlSocket = None,
) -> None:
    """Show what the node that runs here has counted, as Prometheus gets it."""
    if markdown:
        return typer.echo(render_markdown(), nl=False)
    with asking(control_socket, as_json) as client:
        text: str = client.request("metrics", PATIENCE)["text"]
    return print_json(samples(text)) if as_json else typer.echo(text, nl=False)


def samples(text: str) -> list[dict[str, Any]]:
    """Every value with its name and labels."""
    from prometheus_client.parser import text_string_to_metric_families

    return [
        {"name": sample.name, "labels": sample.labels, "value": sample.value}
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def render_markdown() -> str:
    """The page node/docs/metrics.md."""
    from macula.runtime.metrics.families import FAMILIES, Label
    from macula.runtime.telemetry import EVENTS

    def told(label: Label) -> str:
        return f"`{label.name}`: {label.words or ', '.join(label.values)}"

    metric_rows = (
        (f"`{one.name}`", one.kind.value, one.help, "; ".join(told(label) for label in one.labels)) for one in FAMILIES
    )
    event_rows = (
        (f"`{name}`", event.meaning, _names(event.measurements), _names(event.metadata))
        for name, event in EVENTS.items()
    )
    metric_table = _table(("metric", "type", "meaning", "labels"), metric_rows)
    event_table = _table(("event", "when", "measurements", "metadata"), event_rows)
    return "\n".join([HEADER, metric_table, TELEMETRY, event_table]) + "\n"


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = f"| {' | '.join(columns)} |"
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|---" * (head.count("|") - 1) + "|", *lines])


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
