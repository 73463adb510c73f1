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
        self.at: float | None = None
        """When to call `judge` if nothing else happens."""

    def heard(self) -> None:
        """Something of the peer came."""
        self._heard = True

    def moved(self) -> None:
        """Another path: what was not heard on the one before says nothing of it. The peer stays suspect until it is
        heard, and is suspected again if this path fails it, too."""
        self._since, self._told, self._heard, self.at = None, False, False, None

    def judge(self, acknowledged: int, waits: bool, probe_timeout: float, now: float) -> bool | None:
        """Whether the peer is suspect, if that is news. Call it after all that was sent or came: with the newest packet
        that was acknowledged, whether an acknowledgement is waited for, and the probe time-out without back-off."""
        if acknowledged != self._acknowledged or not waits:
            self._acknowledged, self._since = acknowledged, None
        if waits and self._since is None:
            self._since = now
        due = None if self._since is None else self._since + max(LEAST, self._periods * probe_timeout)
        news: bool | None = None
        if due is not None and now >= due:
            news = None if self._told else True
            self._told = self.suspect = True
        elif self.suspect and self._heard:
            self._told = self.suspect = False
            news = False
        self.at = None if self._told else due
        return news
