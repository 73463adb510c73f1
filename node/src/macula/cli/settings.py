"""macula settings"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from macula.cli.options import AsJson
from macula.cli.output import print_json, reporting
from macula.cli.setting_options import with_setting_options
from macula.config import Settings
from macula.config.about import about, accepts, argument, default_text, value_text, variables
from macula.config.sources import origins

app = typer.Typer(add_completion=False)

HEADER = """# Settings

Each setting is taken from the first of these that has it: the argument of `macula node`, the environment, the TOML
file that `--config` or `MACULA_CONFIG` names (a key of the setting's name at its top level), the default. An empty
environment variable counts as unset. A wrong value ends the node with a message that names the setting, the source and
what it takes; so does an unknown key in the file. An unknown `MACULA_` variable is warned about. Times are seconds.

This page is printed by `macula settings --markdown`; `macula settings` shows the values in effect and their sources.
"""


@app.command()
@with_setting_options
def settings(
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the documentation of all settings.")] = False,
    **given: Any,
) -> None:
    """Show every setting with its value, where that came from, and its default."""
    if markdown:
        return typer.echo(render_markdown(), nl=False)
    with reporting(as_json):
        rows = describe({name: value for name, value in given.items() if value is not None})
    if as_json:
        return print_json(rows)
    from macula.cli import tables

    tables.show_rows(
        ("setting", "value", "from", "default"),
        ((row["name"], f"{row['value']} {row['unit']}".strip(), row["source"], row["default"]) for row in rows),
        "no settings",
    )
    return typer.echo("What each takes and means: macula settings --markdown, or macula node --help", err=True)


def describe(arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """Every setting as plain values. Raises ConfigError."""
    fields = Settings.model_fields
    values = Settings(**arguments)
    sources = origins(fields, arguments)
    return [
        {
            "name": name,
            "argument": argument(name, field),
            "environment": list(variables(name, field)),
            "unit": about(field).unit,
            "accepts": accepts(field),
            "default": default_text(field),
            "value": value_text(getattr(values, name)),
            "source": sources.get(name, "default"),
            "description": field.description,
        }
        for name, field in fields.items()
    ]


def render_markdown() -> str:
    """The page node/docs/settings.md."""
    lines = [HEADER, "| setting | argument | environment | takes | default | meaning |", "|---|---|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        environment = ", ".join(f"`{variable}`" for variable in variables(name, field))
        default = default_text(field)
        shown = default if about(field).default else f"`{default}`"
        cells = (f"`{name}`", f"`{argument(name, field)}`", environment, accepts(field), shown, field.description or "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
