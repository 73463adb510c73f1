"""docs/logs.md lists every log line that is not a telemetry event, with its fields."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import macula
from macula.runtime.telemetry import EVENTS

PAGE = Path(__file__).parents[2] / "docs" / "logs.md"
SOURCE = Path(macula.__file__).parent
WRITERS = {"Trace", "log_event", "_trace", "refuse", "refusal"}


def listed() -> dict[str, set[str]]:
    """By name, the fields that the page names."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    names = [(re.findall(r"`([a-z_.]+)`", row[0]), re.findall(r"`([a-z_]+)`", row[-1])) for row in rows]
    return {name: set(fields) for found, fields in names for name in found if "." in name}


def written() -> Iterator[tuple[str, set[str] | None]]:
    """Each line that the source writes, and its fields where they stand there as a dict."""
    for file in sorted(SOURCE.rglob("*.py")):
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from lines_of(function)


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, set[str] | None]]:
    dicts = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(function):
        if not isinstance(call, ast.Call) or (name_of(call.func) not in WRITERS):
            continue
        names = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        values = [dicts.get(arg.id) if isinstance(arg, ast.Name) else arg for arg in call.args]
        fields = next((keys_of(value) for value in values if isinstance(value, ast.Dict)), None)
        for name in names[:1]:
            if "." in name:
                yield name, fields


def keys_of(value: ast.Dict) -> set[str]:
    return {key.value for key in value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}


def name_of(function: ast.expr) -> str:
    name: str = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name


def test_every_line_is_listed_with_its_fields() -> None:
    page, source = listed(), list(written())
    assert set(page) == {name for name, _ in source} - set(EVENTS)
    told = [(name, fields) for name, fields in source if fields is not None and name not in EVENTS]
    assert len(told) > 10
    assert [(name, fields) for name, fields in told if fields != page[name]] == []
