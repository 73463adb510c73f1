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
        self._agreed = False
        self.is_held = False
        """Whether the host's clock is not followed."""
        self.held = 0.0
        """By how many seconds it is then ahead of the time that is used."""

    def agree(self) -> None:
        """A peer's record was valid at the time that is used."""
        self._agreed = True

    def read(self, due: float, wall: float, shown: Record | None = None) -> float:
        """The time to use: `wall`, which the host says, or `due`, which it should say, as judged by a record that
        somebody shows."""
        jumped = abs(wall - due) > FOLLOWED
        if jumped and shown is not None and _off(shown, wall) + SLACK < _off(shown, due):
            self._agreed = False
        self.is_held = jumped and self._agreed
        self.held = wall - due if self.is_held else 0.0
        return due if self.is_held else wall


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


def jump(seconds: float, followed: bool) -> Trace:
    """The host's clock jumped by so much, and is not followed; or it is followed again."""
    return Trace("clock.jumped", {"seconds": round(seconds, 1), "followed": followed}, f"clock.jumped {followed}")
