"""How fast something may go that is never refused, only held back."""

from __future__ import annotations


class Pace:
    """`messages` and `size` bytes per second in the long run, whichever is used up first, and `burst` seconds' worth of
    them at once; a rate of 0 is none. The generic cell rate algorithm (ITU-T I.371): all it keeps is a time.

    Ask `ready_at`, let pass what came, then `spend` it: the last thing to pass may be more than was left.
    """

    __slots__ = ("_burst", "_per_byte", "_per_message", "ready_at")

    def __init__(self, messages: float, size: float, burst: float) -> None:
        self._per_message = 1 / messages if messages else 0.0
        self._per_byte = 1 / size if size else 0.0
        self._burst = burst
        self.ready_at = float("-inf")
        """From when on more may pass."""

    def spend(self, messages: int, size: int, now: float) -> None:
        """So much has passed."""
        # Without max(), which costs as much as all the rest: this is done for every packet.
        cost, other = messages * self._per_message, size * self._per_byte
        since, earliest = self.ready_at, now - self._burst
        self.ready_at = (since if since > earliest else earliest) + (cost if cost > other else other)
