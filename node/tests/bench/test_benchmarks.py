"""Each benchmark runs, with tiny numbers, and says what it is asked. How fast anything is, is not looked at."""

from __future__ import annotations

import math

import pytest

from benchmarks import dht
from benchmarks.__main__ import BENCHMARKS
from benchmarks.measuring import Effort


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", BENCHMARKS)
async def test_a_benchmark_runs_and_has_figures_and_a_goal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dht, "NODES", 5)
    result = await BENCHMARKS[name](Effort(rounds=1, scale=0.01, others=()))
    assert result.benchmark == name
    assert len({(one.name, one.system) for one in result.figures}) == len(result.figures)
    for one in result.figures:
        assert all(math.isfinite(value) for value in (one.least, one.median, one.most)), one
        assert 0 < one.least <= one.median <= one.most, one
    assert any(one.goal is not None for one in result.figures)
