"""Starting services at the same time, each as soon as what it depends on is as far as the file asks."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from enum import StrEnum
from threading import Event
from typing import Any

WORKERS = 8
POLL = 0.1
"""Seconds between two looks at a container for whose health or end others wait."""


class Condition(StrEnum):
    """How far a service must be before one that depends on it starts (Compose Specification, "depends_on")."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


Needs = Mapping[str, Mapping[str, Condition]]
"""By service: what it depends on, and how far that must be."""


def needs(document: Mapping[str, Any]) -> dict[str, dict[str, Condition]]:
    """What each service of a compose file depends on; also those whose namespaces or names it uses."""
    return {name: _needed(fields) for name, fields in document.get("services", {}).items()}


def _needed(fields: Mapping[str, Any]) -> dict[str, Condition]:
    shared = [str(fields.get(key, "")) for key in ("network_mode", "pid", "ipc")]
    found = {value.partition(":")[2]: Condition.STARTED for value in shared if value.startswith("service:")}
    found |= {str(link).partition(":")[0]: Condition.STARTED for link in fields.get("links") or []}
    depends_on = fields.get("depends_on") or {}
    options = depends_on if isinstance(depends_on, dict) else {name: {} for name in depends_on}
    return found | {name: Condition(told.get("condition", Condition.STARTED)) for name, told in options.items()}


def with_dependencies(services: Iterable[str], needed: Needs) -> set[str]:
    """Services and all that they depend on."""
    found: set[str] = set()
    pending = list(services)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(needed.get(name, {}))
    return found


def start_in_order(needed: Needs, start: Callable[[str], None], reached: Callable[[str, Condition], bool]) -> None:
    """Call `start` for every service of `needed`, at the same time where nothing forbids it.

    `reached` tells whether a service that was started has come as far as a condition asks, and raises LabError when it
    never will. What `start` raises ends this, once what is being started is done.
    """
    waiting = dict(needed)
    starting: dict[Future[None], str] = {}

    def may_start(name: str) -> bool:
        unstarted = {*waiting, *starting.values()}
        return all(
            other not in unstarted and (condition is Condition.STARTED or reached(other, condition))
            for other, condition in waiting[name].items()
        )

    with ThreadPoolExecutor(WORKERS) as pool:
        while waiting or starting:
            for name in [name for name in waiting if may_start(name)]:
                del waiting[name]
                starting[pool.submit(start, name)] = name
            if not starting:
                Event().wait(POLL)
            for future in wait(starting, timeout=POLL, return_when=FIRST_COMPLETED).done:
                del starting[future]
                future.result()
