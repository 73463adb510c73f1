"""A processor for each side, where the host has two: nobody gains by taking both, and no side is moved between them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum


class Side(IntEnum):
    """Its value is the number of its processor among those that there are for both."""

    SERVES = 0
    ASKS = 1


def take(side: Side) -> None:
    """Stay on this side's processor; threads and processes that are started from now on do so, too."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[side % len(allowed)]})


@contextmanager
def taken(side: Side) -> Iterator[None]:
    """As take, while the block lasts."""
    before = os.sched_getaffinity(0)
    take(side)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
