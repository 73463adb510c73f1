"""What happened when: events, flows, drops and what nodes warned of, in one order. No I/O."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from macula_lab.evidence.flows import DROPPED, LOST, Flow

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
_TEXT = re.compile(rf"({_TIME})\s+(warning|error|critical)\s+(.*)", re.IGNORECASE)
_JSON = re.compile(r"\{.*\}")

MOST_LOG_LINES = 200
"""Warnings of one service that are told, the last ones; all of them are in its log."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened."""

    time: float
    """seconds since 1970"""
    kind: str
    """event, begin, end, drop, warning or error"""
    where: str
    """the service or network that it is about"""
    text: str


def timeline(events: Iterable[Mapping[str, Any]], flows: Iterable[Flow], logs: Mapping[str, str]) -> list[Entry]:
    """Everything, oldest first."""
    entries = [*_events(events), *_flows(flows)]
    for service, log in logs.items():
        entries += warnings(service, log)[-MOST_LOG_LINES:]
    return sorted(entries, key=lambda entry: entry.time)


def warnings(service: str, log: str) -> list[Entry]:
    """The lines of a node's log, of either format, that are at least warnings."""
    return [entry for line in log.splitlines() if (entry := _warning(service, line))]


def _warning(service: str, line: str) -> Entry | None:
    if match := _TEXT.search(line):
        time, level, text = match.groups()
        return Entry(_seconds(time), _level(level), service, text)
    if (match := _JSON.search(line)) and '"level"' in line:
        try:
            told = json.loads(match.group())
            level = str(told.pop("level")).lower()
            if level in ("warning", "error", "critical"):
                time, event = told.pop("time"), told.pop("event", "")
                fields = " ".join(f"{key}={value}" for key, value in told.items())
                return Entry(_seconds(time), _level(level), service, f"{event} {fields}".strip())
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
    return None


def _events(events: Iterable[Mapping[str, Any]]) -> list[Entry]:
    entries = []
    for one in events:
        changes = "; ".join(change.removeprefix(f"{one['target']}: ") for change in one["changes"])
        entries.append(
            Entry(one["time"], "event", one["target"], f"{' '.join([one['event'], *one['arguments']])}: {changes}")
        )
    return entries


def _flows(flows: Iterable[Flow]) -> list[Entry]:
    entries = []
    for flow in flows:
        last = flow.hops[-1]
        name = f"{flow.protocol} {flow.source} -> {flow.target}"
        if last.action in (DROPPED, LOST):
            why = last.reason or "no drop was recorded"
            count = f", {flow.forth.packets} packets until {_clock(flow.last)}" if flow.forth.packets > 1 else ""
            entries.append(Entry(flow.first, "drop", last.router, f"{name} {last.action}: {why}{count}"))
            continue
        entries.append(Entry(flow.first, "begin", last.router, f"{name}: first packet"))
        if flow.last > flow.first:
            packets = flow.forth.packets + flow.back.packets
            entries.append(Entry(flow.last, "end", last.router, f"{name}: last of {packets} packets"))
    return entries


def _level(level: str) -> str:
    return "warning" if level.lower() == "warning" else "error"


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


def _clock(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%H:%M:%S.%f")[:-3]
