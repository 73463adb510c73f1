"""What is counted between two scrapes. Plain numbers, since only the event loop counts: the library's own take a lock
each time, which would cost a call more than all of its telemetry."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from macula.runtime.metrics.families import Family, Kind


class Tally:
    """A counter, by the values of its labels in their order."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.values: defaultdict[tuple[str, ...], float] = defaultdict(float)

    def add(self, *labels: str, by: float = 1) -> None:
        """Count."""
        self.values[labels] += by

    def total(self, *first: str) -> float:
        """Of all whose first labels are these."""
        return sum(value for labels, value in self.values.items() if labels[: len(first)] == first)

    def metric(self) -> Metric:
        """As the library takes it. Without labels it is there from the start."""
        if not self.family.labels:
            return sample(self.family, {(): self.total()})
        return sample(self.family, self.values)


class Distribution:
    """A histogram without labels."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self._counts = [0] * (len(family.buckets) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self.family.buckets, seconds)] += 1
        self._sum += seconds

    @property
    def mean(self) -> float | None:
        """Of all values; None without any."""
        count = sum(self._counts)
        return self._sum / count if count else None

    def metric(self) -> Metric:
        """As the library takes it."""
        metric = HistogramMetricFamily(self.family.name, self.family.help)
        bounds = [*(str(bound) for bound in self.family.buckets), "+Inf"]
        below = [sum(self._counts[: index + 1]) for index in range(len(bounds))]
        metric.add_metric([], list(zip(bounds, below, strict=True)), self._sum)
        return metric


def sample(family: Family, values: Mapping[tuple[str, ...], float]) -> Metric:
    """A counter or gauge with these values by labels."""
    make = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    metric = make(family.name, family.help, labels=[label.name for label in family.labels])
    for labels, value in values.items():
        metric.add_metric(labels, value)
    return metric
