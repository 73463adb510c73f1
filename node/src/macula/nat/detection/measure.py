"""What a node is behind: mapping, ports, filtering and hairpin, measured by asking two observers (RFC 5780, section 4).

Nothing is believed because an answer is missing, unless a control question that was asked later was answered: a lost
datagram or a machine that stands still is no NAT that drops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from macula.core.address import Address
from macula.nat.detection.bench import MESH, Bench, Script, Socket
from macula.nat.detection.filtering import AGAIN, CONTROL, GRACE, TRIES, measure_filtering, measure_spoiling
from macula.nat.detection.findings import Asking, Findings, Observer, new_ports
from macula.nat.detection.judgement import mapping_of
from macula.nat.profile import Mapping

BUDGET = 80
"""Datagrams for one measurement at most, those asked of observers included; 20 to 35 are usual."""

_TELLING = 3.0
"""Seconds for an observer to tell of its other port."""
_MOST_SOCKETS = 8
_THOROUGH = 2
"""Sockets that ask every place: one alone may get the same random port twice by chance."""
_PLAIN = 3
"""Sockets that are enough where they keep their ports."""
_ENOUGH_PORTS = 8
"""New outside ports from which a pattern can be told."""


def detect(bench: Bench, observers: Sequence[Observer], findings: Findings) -> Script[None]:
    """Fill in `findings` with the help of at most two observers, the first of which is asked most."""
    requests = _ask_for_ports(bench, observers)
    yield from _ask_from_mesh(bench, observers, findings)
    answering = yield from _with_ports(bench, [one for one in observers if one.place in findings.mesh], requests)
    if len({one.place.host for one in answering}) == 1:
        answering += yield from _introduced(bench, answering[0], findings)
    answering = yield from _outside(bench, answering, findings)
    if not answering:
        return
    yield from _mapping(bench, answering, findings)
    if not findings.askings:
        return
    first, *others = answering
    second = others[0] if others else None
    looks = [measure_filtering(bench, first, second, findings)]
    if second is not None and mapping_of(findings.askings) is Mapping.ENDPOINT_INDEPENDENT:
        looks.append(measure_spoiling(bench, first, second, findings))
    if any(asking.local.host != asking.first.host for asking in findings.askings):
        looks.append(_hairpin(bench, first.place, findings))
    yield from bench.together(*looks)


def _ask_from_mesh(bench: Bench, observers: Sequence[Observer], findings: Findings) -> Script[None]:
    places = tuple(observer.place for observer in observers)
    findings.asked += places
    answers = yield from bench.ask_all(MESH, places)
    findings.mesh |= {place: heard.mapped for place, heard in answers.items() if heard and heard.mapped}


def _introduced(bench: Bench, known: Observer, findings: Findings) -> Script[list[Observer]]:
    """Another one that the only one names."""
    for record in known.named:
        other = bench.introduce(record)
        if other is not None and other.place.host != known.place.host:
            requests = _ask_for_ports(bench, [other])
            yield from _ask_from_mesh(bench, [other], findings)
            return (yield from _with_ports(bench, [other], requests)) if other.place in findings.mesh else []
    return []


def _outside(bench: Bench, observers: Sequence[Observer], findings: Findings) -> Script[list[Observer]]:
    """The first of them, and the first at another address. One on this side of the NAT shows nothing of it, so it is
    left out where another sees more."""
    if not observers:
        return []
    socket = yield from bench.open(observers[0].place)
    if socket is None:
        return []
    seen = {one.place: findings.mesh[one.place].host for one in observers}
    outside = [one for one in observers if seen[one.place] != socket.local.host] or list(observers)
    elsewhere = [one for one in outside if one.place.host != outside[0].place.host]
    return [outside[0], *elsewhere[:1]]


def _ask_for_ports(bench: Bench, observers: Sequence[Observer]) -> dict[Address, int]:
    return {observer.place: bench.ask_observer(observer.peer)[0] for observer in observers if observer.peer}


def _with_ports(bench: Bench, observers: Sequence[Observer], requests: dict[Address, int]) -> Script[list[Observer]]:
    """The observers with what they say of their other port; `requests` are those to which they answer."""
    asked = {one.place: requests[one.place] for one in observers if one.place in requests}
    yield from bench.wait(_TELLING, lambda: all(map(bench.told, asked.values())))
    told = {place: bench.told(request) for place, request in asked.items()}
    return [
        replace(observer, other_port=answer.other_port, named=answer.observers)
        if (answer := told.get(observer.place))
        else observer
        for observer in observers
    ]


def _mapping(bench: Bench, observers: Sequence[Observer], findings: Findings) -> Script[None]:
    """New sockets ask in the order in which they are opened, so that ports which are counted up show it (RFC 5780,
    section 4.3); all at once, since peers wait for what comes of it."""
    places = [place for observer in observers for place in (observer.place, observer.other_place) if place]
    yield from _asked_by_new(bench, _THOROUGH, places, findings)
    answering = [place for place in places if any(place in asking.seen for asking in findings.askings)]
    if answering:
        yield from _asked_by_new(bench, _lacking(findings), answering[:1], findings)
    findings.counted = True


def _asked_by_new(bench: Bench, count: int, places: Sequence[Address], findings: Findings) -> Script[None]:
    """So many new sockets ask each of the places. They are kept until the end: a port that is given back could be given
    out again, with its mapping."""
    sockets = []
    for _ in range(count):
        socket = yield from bench.open(places[0])
        if socket is None:
            break
        sockets.append(socket)
    askings = [Asking(socket.local) for socket in sockets]
    yield from bench.together(
        *(_ask_by(bench, socket, places, asking) for socket, asking in zip(sockets, askings, strict=True))
    )
    findings.askings += [asking for asking in askings if asking.seen]
    if findings.askings:
        findings.newest = next(reversed(findings.askings[-1].seen.values()))


def _ask_by(bench: Bench, socket: Socket, places: Sequence[Address], asking: Asking) -> Script[None]:
    answers = yield from bench.ask_all(socket.number, places)
    asking.seen |= {place: heard.mapped for place, heard in answers.items() if heard and heard.mapped}


def _lacking(findings: Findings) -> int:
    """How many sockets more would show something new about the choice of ports."""
    if all(asking.local.port == asking.first.port for asking in findings.askings):
        return _PLAIN - len(findings.askings)
    return min(max(0, _ENOUGH_PORTS - len(new_ports(findings.askings))), _MOST_SOCKETS - _THOROUGH)


def _hairpin(bench: Bench, server: Address, findings: Findings) -> Script[None]:
    """Whether a datagram to the outside address of another socket arrives there (RFC 5780, section 4.5)."""
    sender, receiver = (yield from bench.open(server)), (yield from bench.open(server))
    if sender is None or receiver is None:
        return
    mapped = []
    for socket in (sender, receiver):
        heard = yield from bench.ask(socket.number, server)
        if heard is None or heard.mapped is None:
            return
        mapped.append(heard.mapped)
    outside, target = mapped
    findings.newest = target
    thrown: list[bytes] = []
    controls: list[bytes] = []

    def caught() -> bool:
        return any((one := bench.heard(each)) and one.socket == receiver.number for each in thrown)

    def over() -> bool:
        return caught() or bench.heard(controls[-1]) is not None

    for attempt in range(TRIES):
        if attempt:
            # In case that a filter is in the way: the receiver has sent to whom it shall hear.
            bench.post(receiver.number, outside)
        thrown.append(bench.post(sender.number, target))
        controls.append(bench.post(receiver.number, server))
        yield from bench.wait(AGAIN, caught)
        if caught():
            break
    yield from bench.wait(CONTROL, over)
    if not caught():
        yield from bench.wait(GRACE, caught)
    if over():
        findings.turned = caught()
