"""The forms in which compose writes lists and mappings, made one. Each function names the key of what is wrong."""

import shlex
from collections.abc import Mapping
from typing import Any

from macula_lab.errors import LabError

Scalar = str | int | float


def wrong(key: str, problem: str) -> LabError:
    """The error for a value at `key`."""
    return LabError(f"{key}: {problem}", "mend the compose file")


def mapping(value: Any, key: str) -> dict[str, Any]:
    """A mapping; nothing is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong(key, f"must be a mapping, not {value!r}")
    return {str(name): child for name, child in value.items()}


def strings(value: Any, key: str) -> list[str]:
    """A list of strings; nothing is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong(key, f"must be a list, not {value!r}")
    return [scalar(item, f"{key}[{index}]") for index, item in enumerate(value)]


def scalar(value: Any, key: str) -> str:
    """A string, or a number as one. A bare yes or true is refused, as compose does: YAML has made it a truth value."""
    if isinstance(value, bool) or not isinstance(value, Scalar):
        hint = f"{str(value).lower()} must be in quotes" if isinstance(value, bool) else f"must be text, not {value!r}"
        raise wrong(key, hint)
    return str(value)


def pairs(value: Any, key: str) -> dict[str, str | None]:
    """A mapping, or a list of NAME=VALUE; a name without a value has None."""
    if isinstance(value, list):
        split = (item.partition("=") for item in strings(value, key))
        return {name: text if equals else None for name, equals, text in split}
    return {
        name: None if child is None else scalar(child, f"{key}.{name}") for name, child in mapping(value, key).items()
    }


def given_pairs(value: Any, key: str) -> dict[str, str]:
    """As `pairs`, where a name without a value is an empty one: labels, sysctls."""
    return {name: text or "" for name, text in pairs(value, key).items()}


def environment(value: Any, key: str, environ: Mapping[str, str]) -> dict[str, str]:
    """As `pairs`, where a name without a value passes a variable of `environ` on, if it is set there."""
    found = {name: environ.get(name) if text is None else text for name, text in pairs(value, key).items()}
    return {name: text for name, text in found.items() if text is not None}


def command(value: Any, key: str) -> list[str] | None:
    """A list of arguments, or one string split as a shell does; None when there is none."""
    if value is None:
        return None
    if not isinstance(value, str):
        return strings(value, key)
    try:
        return shlex.split(value)
    except ValueError as error:
        raise wrong(key, f"{value!r} cannot be split: {error}") from error


def names(value: Any, key: str) -> list[str]:
    """A list of names, or a mapping whose keys they are: networks, depends_on."""
    return strings(value, key) if isinstance(value, list) else list(mapping(value, key))
