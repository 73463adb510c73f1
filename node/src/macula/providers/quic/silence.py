"""Whether a peer is suspect: how long it has acknowledged nothing of what was sent to it."""

from __future__ import annotations

LEAST = 0.4
"""Seconds that a peer may always take: a busy host, or a radio that changes its cell, is silent for that long."""


class Silence:
    """QUIC's probe time-outs do not say this: each packet that is sent puts the next one off (RFC 9002, section 6.2.1),
    so that under steady traffic none comes before the congestion window is full. Times are in seconds."""

    def __init__(self, timeouts: int) -> None:
        """A silence is long after the time of so many probe time-outs in a row, each twice the one before."""
        self._periods = (1 << timeouts) - 1
        self._since: float | None = None
        self._acknowledged = -1
        self._told = False
        self._heard = True
        self.suspect = False

    def heard(self) -> None:
        """Something of the peer came."""
        self._heard = True

    def moved(self) -> None:
        """Another path: what was not heard on the one before says nothing of it. The peer stays suspect until it is
        heard, and is suspected again if this path fails it, too."""
        self._since, self._told, self._heard = None, False, False

    def deadline(self, probe_timeout: float) -> float | None:
        """When to call `judge` if nothing else happens; `probe_timeout` is the one without back-off."""
        return None if self._since is None or self._told else self._since + self._patience(probe_timeout)

    def judge(self, acknowledged: int, waits: bool, probe_timeout: float, now: float) -> bool | None:
        """Whether the peer is suspect, if that is news. Call it after all that was sent or came: with the newest packet
        that was acknowledged, and whether an acknowledgement is waited for."""
        if acknowledged != self._acknowledged or not waits:
            self._acknowledged, self._since = acknowledged, None
        if waits and self._since is None:
            self._since = now
        if self._since is not None and now >= self._since + self._patience(probe_timeout):
            news = None if self._told else True
            self._told = self.suspect = True
            return news
        if self.suspect and self._heard:
            self._told = self.suspect = False
            return False
        return None

    def _patience(self, probe_timeout: float) -> float:
        return max(LEAST, self._periods * probe_timeout)
