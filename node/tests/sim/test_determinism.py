"""The same seed gives the same run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .mesh import digest


def test_the_same_seed_gives_the_same_messages_at_the_same_times() -> None:
    assert digest(1) == digest(1)


def test_another_seed_gives_another_run() -> None:
    assert digest(1) != digest(2)


def test_nothing_depends_on_the_order_of_a_set() -> None:
    tests = Path(__file__).parents[1]
    script = "from sim.mesh import digest; print(digest(1))"
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run(
            [sys.executable, "-c", script], cwd=tests, env=environment, capture_output=True, text=True, check=True
        )
        assert run.stdout.strip() == digest(1)
