from __future__ import annotations

import asyncio
from functools import partial

import pytest

from benchmarks.measuring import Effort, Sample, interleave, ratios, repeat


async def no_cpu() -> float:
    return 0.0


async def test_each_contender_has_its_rounds_and_the_first_is_to_warm_up() -> None:
    turns: list[str] = []

    async def contend(name: str) -> Sample:
        turns.append(name)
        return Sample(len(turns), 1.0, 1.0, ())

    samples = await interleave({name: partial(contend, name) for name in ("a", "b")}, 8)
    rounds = [tuple(turns[at : at + 2]) for at in range(0, len(turns), 2)]
    assert len(rounds) == 9
    assert set(rounds) == {("a", "b"), ("b", "a")}, "neither always has the first place"
    assert [len(samples[name]) for name in ("a", "b")] == [8, 8]
    assert min(sample.units for each in samples.values() for sample in each) > 2, "the warm-up is not kept"


@pytest.mark.parametrize("at_once", [1, 3, 50])
async def test_as_many_are_under_way_as_there_should_be(at_once: int) -> None:
    running = most = done = 0

    async def call() -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        later = asyncio.Event()
        asyncio.get_running_loop().call_soon(later.set)
        await later.wait()
        running -= 1
        done += 1

    sample = await repeat(call, 20, at_once, no_cpu)
    assert (sample.units, done, len(sample.latencies)) == (20, 20, 20)
    assert most == min(at_once, 20)


async def test_cpu_time_is_what_was_used_meanwhile() -> None:
    readings = iter([3.0, 5.0])

    async def cpu() -> float:
        return next(readings)

    sample = await repeat(no_cpu, 4, 1, cpu)
    assert (sample.cpu, sample.cpu_per_unit) == (2.0, 0.5)


def test_a_sample_knows_its_quantiles_and_rate() -> None:
    sample = Sample(5, 2.0, 1.0, (1.0, 2.0, 3.0, 4.0, 100.0))
    assert (sample.rate, sample.latency(0.5), sample.latency(0.99), sample.latency(0)) == (2.5, 3.0, 100.0, 1.0)


def test_ratios_are_those_of_each_round() -> None:
    assert ratios([1.0, 10.0], [2.0, 5.0]) == [0.5, 2.0]
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0], [])


def test_even_the_least_effort_does_something() -> None:
    assert (Effort().units(1000), Effort(1, 0.01).units(1000), Effort(1, 0.0001).units(1000)) == (1000, 10, 1)
