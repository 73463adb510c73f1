"""Reading what `macula call --count` prints: when each of its questions was asked, on the clock of who reads."""

import math
from collections.abc import Mapping
from typing import Any


class SeriesClock:
    """Of one series, whose lines tell seconds since its begin. The line that came here fastest says when that was."""

    def __init__(self) -> None:
        self._begin = math.inf

    def began(self, line: Mapping[str, Any], now: float) -> float:
        """When the question of a line that is read now was asked."""
        self._begin = min(self._begin, now - line["at_s"] - line.get("latency_ms", 0.0) / 1000)
        return float(self._begin + line["at_s"])
