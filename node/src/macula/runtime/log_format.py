"""Writes log lines with structlog: one JSON object each, or `time level event key=value` for people."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog
from structlog.dev import Column, ConsoleRenderer, KeyValueColumnFormatter

from macula.runtime.logs import ROOT

HEAD = ("time", "level", "event", "node", "logger")
"""What a line begins with; no field of an event has these names."""

_Line = MutableMapping[str, Any]
_DIM, _BOLD, _CYAN, _RESET = "\x1b[2m", "\x1b[1m", "\x1b[36m", "\x1b[0m"
_LEVELS = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}


def configure(level: str, style: str, stream: TextIO, node: str = "") -> None:
    """Send all log lines of this process to a stream: the node's from `level` on, those of libraries from warnings on.

    `level` and `style` are the settings log_level and log_format, `node` is the name that every line has.
    """
    renderer = _json() if style == "json" else _console(colors=stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[_line(node), renderer]))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    logging.getLogger(ROOT).setLevel(level.upper())


def _line(node: str) -> Callable[[Any, str, _Line], _Line]:
    """A log record as the fields of its line, in their order."""

    def line(logger: Any, method: str, record_of: _Line) -> _Line:
        record: logging.LogRecord = record_of["_record"]
        fields: dict[str, Any] = dict(getattr(record, "fields", {}))
        ours = record.name == ROOT or record.name.startswith(f"{ROOT}.")
        head = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "event": record_of["event"],
            "node": fields.pop("node", "") or node,
            "logger": "" if ours else record.name,
        }
        told = {name: value for name, value in head.items() if value}
        told |= {name: value for name, value in fields.items() if name not in HEAD}
        if exc_info := record_of.get("exc_info"):
            told["traceback"] = logging.Formatter().formatException(exc_info)
        return told

    return line


def _json() -> structlog.processors.JSONRenderer:
    return structlog.processors.JSONRenderer(default=str)


def _console(*, colors: bool) -> ConsoleRenderer:
    def style(codes: str) -> str:
        return codes if colors else ""

    def column(value_style: str) -> KeyValueColumnFormatter:
        return KeyValueColumnFormatter(None, style(value_style), style(_RESET), lambda value: _plain(value, " "))

    def level(key: str, value: object) -> str:
        return f"{style(_LEVELS.get(str(value), ''))}{value:7}{style(_RESET)}"

    pair = KeyValueColumnFormatter(style(_CYAN), "", style(_RESET), _plain)
    columns = [Column("time", column(_DIM)), Column("level", level), Column("event", column(_BOLD)), Column("", pair)]
    return ConsoleRenderer(columns=columns, sort_keys=False)


def _time(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: object, allowed: str = "") -> str:
    """One line, whatever a peer put into a field: what could be mistaken, or is not to be printed, is quoted."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    safe = text.isprintable() and not any(mark in text for mark in ' "=' if mark not in allowed)
    return text if text and safe else json.dumps(text)
