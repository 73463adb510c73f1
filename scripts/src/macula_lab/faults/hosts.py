"""Nodes that die, end, hang and come back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from macula_lab.faults.ground import DEMO, Ground
from macula_lab.faults.outcome import Measure

PROVIDER = "edge2"
"""It provides, and nothing of the load listens there."""
PAUSED = "edge3"
"""It provides and listens."""
WATCH = "gateway"
"""It looks for what is left of the others."""
BOOTSTRAP = "bootstrap"
RECORD_TTL = 10
"""seconds; the least that a node takes"""
PAUSE = 30.0

ELSEWHERE = "new calls are answered elsewhere"
GONE = "its records are gone"
BACK = "it is back: found and called"


def kill(ground: Ground) -> list[Measure]:
    """A provider dies without a word: others have to find out, and its records last as long as they were told to."""
    with _away(ground, "kill") as struck:
        elsewhere = ground.disturbed(ELSEWHERE, struck, 2.0)
        gone = ground.when(GONE, lambda: _is_gone(ground), struck, RECORD_TTL)
    return [elsewhere, gone, _back(ground)]


def stop(ground: Ground) -> list[Measure]:
    """A provider ends as it should, with its calls answered and its records taken along."""
    with _away(ground, "stop") as struck:
        gone = ground.when(GONE, lambda: _is_gone(ground), struck, 2.0)
    back = _back(ground)
    return [gone, back, ground.disturbed(ELSEWHERE, struck, 2.0)]


def pause(ground: Ground) -> list[Measure]:
    """A provider that listens, too, hangs for a while, and goes on as if nothing had been."""
    struck = ground.happens("pause", PAUSED)
    try:
        time.sleep(PAUSE)
    finally:
        resumed = ground.happens("resume", PAUSED)
    back = ground.when("it answers and hears again", lambda: ground.served(resumed) and ground.whole(), resumed, 5.0)
    after = ground.disturbed("calls are answered after it", resumed, 5.0)
    return [ground.disturbed_while(ELSEWHERE, struck, resumed, 2.0), back, after]


def bootstrap_restart(ground: Ground) -> list[Measure]:
    """The mesh needs its bootstrap to be entered, and for nothing else."""
    began = time.monotonic()
    struck = ground.happens("restart", BOOTSTRAP)

    def is_back() -> bool:
        others = set(ground.ids) - {BOOTSTRAP}
        return ground.peers(BOOTSTRAP) >= others and bool(ground.found(BOOTSTRAP, DEMO, "rpc")) and ground.whole()

    back = ground.when("it is in all tables, and has the records", is_back, struck, 10.0)
    return [back, ground.disturbed("calls are answered without it", began, 1.0)]


@contextmanager
def _away(ground: Ground, how: str) -> Iterator[float]:
    """A provider that is not there in the block, and started again after it. Gives the time of its end."""
    try:
        yield ground.happens(how, PROVIDER)
    finally:
        ground.happens("restart", PROVIDER)


def _is_gone(ground: Ground) -> bool:
    found = ground.found(WATCH, DEMO, "rpc") | ground.found(WATCH, ground.ids[PROVIDER], "peer")
    return PROVIDER not in found


def _back(ground: Ground) -> Measure:
    started = time.monotonic()
    return ground.when(BACK, lambda: _is_back(ground, started), started, 5.0)


def _is_back(ground: Ground, since: float) -> bool:
    return ground.served(since) and PROVIDER in ground.found(WATCH, DEMO, "rpc")
