"""What a setting is called, what it takes, and where its value comes from."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import annotated_types

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PREFIX = "MACULA_"


@dataclass(frozen=True, slots=True)
class About:
    """Stands in the annotation of a setting, for what its type does not say.

    `env` are the environment variables that set it, the first one found wins; by default MACULA_ and its name.
    `accepts` describes a form that no type or bound does; `default` one that is computed.
    """

    unit: str = ""
    env: tuple[str, ...] = ()
    accepts: str = ""
    default: str = ""


def about(field: FieldInfo) -> About:
    """The setting's own About; a unit may come from the type it is declared with."""
    merged = About()
    for item in field.metadata:
        if isinstance(item, About):
            said = {part.name: getattr(item, part.name) for part in fields(item) if getattr(item, part.name)}
            merged = replace(merged, **said)
    return merged


def argument(name: str, field: FieldInfo) -> str:
    """How `macula node` spells it."""
    dashed = name.replace("_", "-")
    return f"--{dashed}/--no-{dashed}" if field.annotation is bool else f"--{dashed}"


def variables(name: str, field: FieldInfo) -> tuple[str, ...]:
    """The environment variables that set it, strongest first."""
    return about(field).env or (PREFIX + name.upper(),)


def accepts(field: FieldInfo) -> str:
    """The values that it takes, for people: `1 to 65535`, `a, b or c`."""
    own = about(field)
    if own.accepts:
        return own.accepts
    if field.annotation is bool:
        return "true or false"
    if get_origin(field.annotation) is Literal:
        *most, last = get_args(field.annotation)
        return f"{', '.join(most)} or {last}"
    low = next((item.ge for item in field.metadata if isinstance(item, annotated_types.Ge)), None)
    high = next((item.le for item in field.metadata if isinstance(item, annotated_types.Le)), None)
    kind = "a whole number" if field.annotation is int else "a number"
    return f"{kind}, {low} to {high}{' ' + own.unit if own.unit else ''}"


def default_text(field: FieldInfo) -> str:
    """The default, for people."""
    own = about(field)
    return own.default or value_text(field.default)


def value_text(value: Any) -> str:
    """A value as it would be written in an argument."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)
