"""What an event is, and what is known of one that happened."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Something that befalls a host or a network of a topology while it runs."""

    kind: str
    """nat-reboot, link-down, roam, ..."""
    target: str
    """the service or network it befalls"""
    arguments: tuple[str, ...] = ()
    """what the kind takes beside its target: an address, a network"""

    def __str__(self) -> str:
        return " ".join((self.kind, self.target, *self.arguments))


@dataclass(frozen=True, slots=True)
class Happened:
    """An event that was performed."""

    time: float
    """wall clock when it began, in seconds since 1970"""
    seconds: float
    """how long it took"""
    event: Event
    changes: tuple[str, ...]
    """what visibly changed, one line for each host; also when nothing did: the line then says so"""

    def to_json(self) -> dict[str, Any]:
        """The form in which it is recorded."""
        return {
            "time": self.time,
            "seconds": self.seconds,
            "event": self.event.kind,
            "target": self.event.target,
            "arguments": list(self.event.arguments),
            "changes": list(self.changes),
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Happened":
        """The reverse of `to_json`."""
        event = Event(told["event"], told["target"], tuple(told["arguments"]))
        return cls(told["time"], told["seconds"], event, tuple(told["changes"]))
