"""Logging is of the whole process: what a test sets up is undone after it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from macula.runtime.logs import ROOT


@contextmanager
def logging_as_before() -> Iterator[None]:
    """Levels and handlers are after it what they were before it."""
    logs = [logging.getLogger(), logging.getLogger(ROOT)]
    before = [(log.handlers[:], log.level) for log in logs]
    yield
    for log, (handlers, level) in zip(logs, before, strict=True):
        log.handlers[:] = handlers
        log.setLevel(level)
    logging.captureWarnings(False)
