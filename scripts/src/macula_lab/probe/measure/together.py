"""Doing several things at the same time."""

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)
Result = TypeVar("Result")


def together(todo: Mapping[Name, Callable[[], Result]]) -> dict[Name, Result]:
    """What each gives, by its name, when all have ended. Raises what the first of them in order raised."""
    with ThreadPoolExecutor(len(todo) or 1) as pool:
        running = {name: pool.submit(act) for name, act in todo.items()}
        return {name: future.result() for name, future in running.items()}
