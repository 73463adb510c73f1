"""Waiting for a condition."""

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], within: float) -> bool:
    """Whether the condition came true within so many seconds."""
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
