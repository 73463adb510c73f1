"""Command line options made from the settings, so that each is described once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo

from macula.config import Settings
from macula.config.about import argument, default_text, variables


def with_setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replaces the `**given` of a command by one option for each setting; those not given are None."""
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.kind is not p.VAR_KEYWORD]
    settings = [_parameter(name, field) for name, field in Settings.model_fields.items()]
    command.__signature__ = inspect.Signature([*own, *settings])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in [*own, *settings]}
    return command


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    flag = field.annotation is bool
    option = typer.Option(
        argument(name, field),
        help=f"{field.description} Default: {default_text(field) or 'none'}. {', '.join(variables(name, field))}",
        metavar=None if flag else name.upper(),
        show_default=False,
    )
    kind: Any = Annotated[bool | None if flag else str | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
