"""What a link does to the packets of one direction, and how that is written."""

import math
import re
from dataclasses import dataclass, fields
from typing import Any

from macula_lab.errors import LabError

DELAY_LIMIT = 10_000
"""milliseconds"""
RATE_LIMITS = (1_000, 10_000_000_000)
"""bit/s"""
UNITS = {"gbit": 1_000_000_000, "mbit": 1_000_000, "kbit": 1_000, "bit": 1}
NOTHING = "none"


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """One direction of a link. Raises LabError, naming the key and its limit, for what no link can do."""

    delay: float = 0
    """milliseconds that every packet takes"""
    jitter: float = 0
    """milliseconds by which the delay varies, evenly spread to both sides; it never changes the order of packets"""
    loss: float = 0
    """percent of the packets that vanish"""
    rate: int = 0
    """bit/s, of whole Ethernet frames, that the link carries; 0 is no limit"""
    reorder: float = 0
    """percent of the packets that do not wait for the delay, and so overtake those under way"""
    duplicate: float = 0
    """percent of the packets that arrive twice"""

    def __post_init__(self) -> None:
        within("delay", self.delay, 0, DELAY_LIMIT, "ms")
        within("jitter", self.jitter, 0, self.delay, "ms, the delay that it varies")
        for key in ("loss", "reorder", "duplicate"):
            within(key, getattr(self, key), 0, 100, "%")
        if self.rate:
            within("rate", self.rate, *RATE_LIMITS, "bit/s")
        if self.reorder and not self.delay:
            raise LabError("reorder: packets overtake only where there is a delay", "give a delay too: delay=10")

    def __bool__(self) -> bool:
        """Whether it does anything."""
        return self != LinkSpec()

    def __str__(self) -> str:
        """The form that `parse` takes, without what has its default; `none` for a link that does nothing."""
        told = [f"{field.name}={written(field.name, getattr(self, field.name))}" for field in fields(self)]
        return ",".join(word for word in told if not word.endswith("=0")) or NOTHING


def within(key: str, value: float, low: float, high: float, unit: str) -> None:
    """Raise LabError unless `value` is within the limits, both included."""
    if not low <= value <= high:
        raise LabError(
            f"{key}: {value:.12g} is not within {low:g} to {high:.12g} {unit}", f"give {key} within its limits"
        )


def written(key: str, value: float) -> str:
    """A value as `parse` takes it."""
    if key == "rate" and value:
        unit, factor = next((unit, factor) for unit, factor in UNITS.items() if value % factor == 0)
        return f"{value // factor}{unit}"
    return repr(float(value)).removesuffix(".0")


KEYS = tuple(field.name for field in fields(LinkSpec))


def parse(text: str) -> LinkSpec:
    """A link from `delay=25,jitter=5,loss=1,rate=10mbit,reorder=1,duplicate=1` (ms, %, bit/s), any of them.

    Nothing, or `none`, is a link that does nothing. Raises LabError, naming the key and what is wrong with it.
    """
    values: dict[str, Any] = {}
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words if words != [NOTHING] else []:
        key, equals, value = (part.strip() for part in word.partition("="))
        if not equals or key not in KEYS:
            raise LabError(f"{key}: it is not a property of a link", f"there are {', '.join(KEYS)}, as in delay=25")
        if key in values:
            raise LabError(f"{key}: it is given twice", "give it once")
        values[key] = bits(value) if key == "rate" else number(key, value)
    return LinkSpec(**values)


def bits(text: str) -> int:
    """bit/s of a rate such as 10mbit, 512kbit, 2.5gbit or 8000."""
    found = re.fullmatch(rf"(.*?)({'|'.join(UNITS)})?", text.lower())
    assert found is not None
    return round(number("rate", found[1]) * UNITS[found[2] or "bit"])


def number(key: str, text: str) -> float:
    """A decimal number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    unit = "bit/s, such as 10mbit" if key == "rate" else "ms" if key in ("delay", "jitter") else "percent"
    raise LabError(f"{key}: {text!r} is not a number of {unit}", f"write {key}=NUMBER")
