"""Which time goes into records and is compared with those of others, when this host's clock jumps."""

from __future__ import annotations

from macula.core.effects import Trace
from macula.core.events import Event, MessageReceived
from macula.core.record import Record, open_record
from macula.errors import ProtocolError
from macula.wire.messages import Hello, Store

SLACK = 5.0
"""Seconds by which one time must fit a record better than the other."""
FOLLOWED = 30.0
"""Seconds of a jump that is followed at once: far less than records of others may be off by."""


class WallClock:
    """The host's wall clock, but for a jump that no other node confirms: then the time that was, which runs on with
    `now`.

    After a jump either time may be the right one. A clock that was set wrong would make every record of others look
    expired, or not valid yet, and those of this node to others; a host that was suspended wakes with a `now` that stood
    still and a clock that was set right. So the records decide that others have just made and show: the first that fits
    the host's time, and not the one that is used, is followed. Whoever shows it, wrongly, gains that this node goes by
    its host's clock. A node that has agreed with nobody yet follows its host, too.
    """

    def __init__(self) -> None:
        self._ahead: float | None = None
        self._host = 0.0
        self._agreed = False
        self.held = 0.0
        """Seconds by which the host's clock is ahead of the time that is used; 0 while it is followed."""

    def read(self, now: float, wall: float) -> float:
        """The time to use; `now` in monotonic, `wall` in Unix seconds of the host."""
        self._host = wall - now
        if self._ahead is None or not self._agreed or abs(self._host - self._ahead) <= FOLLOWED:
            self._ahead = self._host
        self.held = self._host - self._ahead
        return now + self._ahead

    def agree(self) -> None:
        """A peer's record was valid at the time that is used."""
        self._agreed = True

    def judge(self, record: Record, now: float) -> None:
        """A peer shows a record of its own while the host's clock is not followed. Then `read` again."""
        if self._ahead is None or not self.held:
            return
        mine, hosts = (_off(record, now + ahead) for ahead in (self._ahead, self._host))
        if hosts + SLACK < mine:
            self._agreed = False


def shown(event: Event) -> Record | None:
    """A record of the sender's own that a message carries, if it carries one: in its hello, or to be stored."""
    if not isinstance(event, MessageReceived):
        return None
    match event.message:
        case Hello(record=encoded):
            records: tuple[bytes, ...] = (encoded,)
        case Store(records=records):
            pass
        case _:
            return None
    for encoded in records:
        try:
            record = open_record(encoded)
        except ProtocolError:
            continue  # what is wrong with it, those say whom the message is for
        if record.node == event.peer:
            return record
    return None


def _off(record: Record, wall: float) -> float:
    """Seconds, at least, by which a time is not that of a record's node, which shows it until half of its ttl is over.
    Not by the sequence: that never goes back, as the clock does."""
    age = wall - record.not_before
    return max(-age, age - record.ttl / 2, 0.0)


def jump(before: float, after: float) -> Trace:
    """The host's clock jumped and is not followed, or is followed again; `before` and `after` are what was held."""
    fields = {"seconds": round(after or before, 1), "followed": not after}
    return Trace("clock.jumped", fields, f"clock.jumped {not after}")
