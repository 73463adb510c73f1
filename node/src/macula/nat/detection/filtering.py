"""Whose datagrams a NAT or firewall lets in to a socket that has sent to one observer only (RFC 5780, section 4.4), and
what those do that it keeps out."""

from __future__ import annotations

from dataclasses import dataclass, field

from macula.core.address import Address
from macula.identity import NodeId
from macula.nat.detection.bench import Bench, Script, Socket
from macula.nat.detection.findings import Findings, Observer
from macula.nat.stun import CHANGE_PORT

TRIES = 3
_UNASKED = 2
"""Datagrams that nobody asked for, of which one may be lost."""
CONTROL = 2.0
"""Seconds for a control question."""
AGAIN = 0.1
"""Seconds after which a question is asked again, of which the answer may have been lost."""
GRACE = 0.2
"""Seconds that a datagram may come after the answer to the control question, which was asked for later."""


@dataclass(slots=True)
class _Gate:
    """One socket, and what was asked to be sent to it."""

    bench: Bench
    socket: Socket
    first: Observer
    stranger: NodeId | None
    """an observer at an address that the socket has not sent to, if one can be asked"""
    outside: Address
    from_port: list[bytes] = field(default_factory=list)
    from_stranger: list[bytes] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    controls: list[bytes] = field(default_factory=list)

    def port_came(self) -> bool:
        sources = (heard.source for each in self.from_port if (heard := self.bench.heard(each)))
        return any(source != self.first.place for source in sources)

    def stranger_came(self) -> bool:
        sources = (heard.source for each in self.from_stranger if (heard := self.bench.heard(each)))
        return any(source.host != self.first.place.host for source in sources)

    def all_came(self) -> bool:
        return (self.port_came() or not self.first.other_port) and (self.stranger_came() or self.stranger is None)

    def over(self) -> bool:
        """Whether everything came, or else what was asked for after it."""
        told = not self.requests or self.bench.told(self.requests[-1]) is not None
        return self.all_came() or (told and self.bench.heard(self.controls[-1]) is not None)

    def knock(self) -> None:
        """Ask for what has not come yet, and then the control question."""
        if self.first.other_port and not self.port_came():
            self.from_port.append(self.bench.post(self.socket.number, self.first.place, CHANGE_PORT))
        if self.stranger is not None and not self.stranger_came():
            request, transaction = self.bench.ask_observer(self.stranger, self.outside.port)
            self.requests.append(request)
            self.from_stranger.append(transaction)
        self.controls.append(self.bench.post(self.socket.number, self.first.place))

    def controlled(self) -> bool:
        return any(map(self.bench.heard, self.controls))

    def sent(self) -> bool:
        return any(told.sent for each in self.requests if (told := self.bench.told(each)))


def measure_filtering(bench: Bench, first: Observer, second: Observer | None, findings: Findings) -> Script[None]:
    """Fill in what was let in: from another port of the first observer, and from the second one's address."""
    opened = yield from _opened(bench, first, findings)
    if opened is None:
        return
    socket, outside = opened
    gate = _Gate(bench, socket, first, _sends_to(outside, second, findings), outside)
    for _ in range(TRIES):
        gate.knock()
        yield from bench.wait(AGAIN, gate.all_came)
        if gate.all_came():
            break
    yield from bench.wait(CONTROL, gate.over)
    if not gate.all_came():
        yield from bench.wait(GRACE, gate.all_came)
    if first.other_port and (gate.port_came() or gate.controlled()):
        findings.port_let_in = gate.port_came()
    if gate.stranger is not None and (gate.stranger_came() or (gate.controlled() and gate.sent())):
        findings.address_let_in = gate.stranger_came()


def measure_spoiling(bench: Bench, first: Observer, second: Observer, findings: Findings) -> Script[None]:
    """Fill in whether a datagram that nobody asked for makes this node be seen elsewhere by its sender (input=accept).

    It takes three round trips and waits for nothing else: before this is known no peer may be told where this node is.
    """
    opened = yield from _opened(bench, first, findings)
    if opened is None:
        return
    socket, outside = opened
    stranger = _sends_to(outside, second, findings)
    if stranger is None:
        return
    requests = [bench.ask_observer(stranger, outside.port)[0] for _ in range(_UNASKED)]
    control = bench.post(socket.number, first.place)
    yield from bench.wait(CONTROL, lambda: all(map(bench.told, requests)) and bench.heard(control) is not None)
    if any(told.sent for each in requests if (told := bench.told(each))):
        heard = yield from bench.ask(socket.number, second.place)
        if heard is not None and heard.mapped is not None:
            findings.spoiled = heard.mapped != outside


def _opened(bench: Bench, first: Observer, findings: Findings) -> Script[tuple[Socket, Address] | None]:
    """A new socket, and where the first observer sees it."""
    socket = yield from bench.open(first.place)
    heard = (yield from bench.ask(socket.number, first.place)) if socket else None
    if socket is None or heard is None or heard.mapped is None:
        return None
    findings.newest = heard.mapped
    return socket, heard.mapped


def _sends_to(outside: Address, second: Observer | None, findings: Findings) -> NodeId | None:
    """The second observer, if it would: it sends to the host from which it sees this node, whatever we say."""
    return second.peer if second is not None and findings.mesh[second.place].host == outside.host else None
