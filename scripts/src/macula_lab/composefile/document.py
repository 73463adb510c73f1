"""A compose file as a tree of plain values: YAML read, variables filled in, nothing interpreted yet."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

from macula_lab.composefile.interpolation import InterpolationError, interpolate
from macula_lab.errors import LabError

_FILLED_IN = ("services", "networks")


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(path: Path, environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The file's content, and the variables of the environment (or of `.env` beside the file) that it uses.

    `environ` goes before `.env`. Raises LabError naming the line of wrong YAML or the key of a wrong variable.
    """
    tree = parse(path)
    found = {name: value for name, value in dotenv_values(path.parent / ".env").items() if value is not None}
    known = {**found, **environ}
    names: set[str] = set()
    filled = {key: _fill(value, key, known, names.add) if key in _FILLED_IN else value for key, value in tree.items()}
    return filled, {name: known[name] for name in sorted(names) if name in known}


def parse(path: Path) -> dict[str, Any]:
    """The YAML of a compose file, with anchors and merges resolved. Raises LabError naming the line that is wrong."""
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}", "name a compose file, or a topology in compose/") from error
    except UnicodeDecodeError as error:
        raise LabError(f"{path} is not UTF-8 text", "name a compose file") from error
    except yaml.YAMLError as error:
        raise LabError(_where(path, error), "mend the file's YAML") from error
    if not isinstance(tree, dict) or not isinstance(tree.get("services"), dict) or not tree["services"]:
        raise LabError(f"{path}: services: there are none", "a compose file has a mapping `services`")
    return {str(key): value for key, value in tree.items()}


def _where(path: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"{path}:{mark.line + 1}:{mark.column + 1}: {problem}" if mark else f"{path}: {problem}"


def _fill(value: Any, key: str, environ: Mapping[str, str], used: Callable[[str], None]) -> Any:
    """The tree below `key` with the variables in its strings filled in; keys of mappings stay, as in compose."""
    if isinstance(value, dict):
        return {name: _fill(child, f"{key}.{name}", environ, used) for name, child in value.items()}
    if isinstance(value, list):
        return [_fill(child, f"{key}[{index}]", environ, used) for index, child in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        return interpolate(value, environ, used)
    except InterpolationError as error:
        raise LabError(f"{key}: {error}", "set the variable, or mend the file") from error
