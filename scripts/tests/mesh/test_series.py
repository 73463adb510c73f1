import pytest

from macula_lab.mesh.series import SeriesClock


def test_the_line_that_came_fastest_says_when_the_series_began() -> None:
    clock = SeriesClock()
    assert clock.began({"at_s": 0.0, "latency_ms": 5.0}, 100.505) == pytest.approx(100.5)
    assert clock.began({"at_s": 1.0, "latency_ms": 5.0}, 101.025) == pytest.approx(101.02)
    assert clock.began({"at_s": 2.0, "latency_ms": 5.0}, 102.305) == pytest.approx(102.02), "this one was slow"
    assert clock.began({"at_s": 3.0}, 103.05) == pytest.approx(103.02), "an error does not say how long it took"
