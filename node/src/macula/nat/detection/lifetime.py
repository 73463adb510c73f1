"""How long a mapping lives that nothing leaves through (RFC 5780, section 4.6): slowly, and with few datagrams.

Each socket asks once, and is then left alone for a time of its own. The observer that it asked sends it a datagram,
which no filter stops: it comes in if the mapping lives. A mapping that carried more than one answer may live longer
(Linux: 120 s instead of 30 s); to keep one alive, what is found here is on the safe side.
"""

from __future__ import annotations

from dataclasses import dataclass

from macula.nat.detection.bench import Bench, Script, Socket
from macula.nat.detection.findings import Observer

RESTS = (20.0, 30.0, 45.0, 60.0, 90.0, 120.0)
"""Seconds for which the sockets are left alone, one each."""
BUDGET = 40

_TRIES = 2
_ARRIVAL = 1.0
"""Seconds for a datagram to come that an observer has sent."""
_MARGIN = 0.5
"""Seconds by which a rest is longer than its name, so that a mapping that lives exactly so long is gone."""


@dataclass(slots=True)
class Lifetime:
    """A mapping lives `at_least` so many seconds and is gone `below`; None where it never was seen to be."""

    at_least: float = 0.0
    below: float | None = None


def measure_lifetime(bench: Bench, observer: Observer, found: Lifetime) -> Script[None]:
    """Fill in `found`, as far as it gets. Takes two minutes; needs an observer that is a peer."""
    peer = observer.peer
    if peer is None:
        return
    resting: list[tuple[float, float, Socket, int]] = []
    for rest in RESTS:
        socket = yield from bench.open(observer.place)
        if socket is None:
            return
        heard = yield from bench.ask(socket.number, observer.place)
        if heard is None or heard.mapped is None:
            return
        # From when the answer was there: the last question left before that, never after.
        resting.append((bench.now + rest + _MARGIN, rest, socket, heard.mapped.port))
    for until, rest, socket, port in resting:
        yield from bench.wait(until - bench.now)
        sent, asked = False, []
        for _ in range(_TRIES):
            request, transaction = bench.ask_observer(peer, port)
            asked.append(transaction)

            def arrived(asked: list[bytes] = asked) -> bool:
                return any(map(bench.heard, asked))

            yield from bench.wait(_ARRIVAL, arrived)
            sent |= bool((told := bench.told(request)) and told.sent)
            if arrived():
                break
        if arrived():
            found.at_least = rest
        elif not sent or (yield from bench.ask(socket.number, observer.place)) is None:
            return
        else:
            found.below = rest
            return
