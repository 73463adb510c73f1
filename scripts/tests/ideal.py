"""What a prober sees of a NAT that is exactly what its profile says."""

from itertools import count

from macula.nat.profile import Filtering, Input, Mapping, Ports, Profile, Tcp, Udp

from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.observations import (
    Asking,
    Connecting,
    Contact,
    Crowd,
    EarlyProbe,
    Filtered,
    Hairpin,
    Idle,
    Intrusion,
    Observations,
    Place,
    Sessions,
    Story,
    Unchecked,
    Unsolicited,
)
from macula_lab.probe.tcp import Outcome
from macula_lab.probe.udp import PORT_UNREACHABLE, PROHIBITED

SERVER = {
    Place.PRIMARY: Endpoint("172.24.0.254", 3478),
    Place.OTHER_PORT: Endpoint("172.24.0.254", 3479),
    Place.OTHER_ADDRESS: Endpoint("172.24.0.253", 3478),
    Place.OTHER_BOTH: Endpoint("172.24.0.253", 3479),
}
WAN = "172.24.0.21"
ONE, OTHER = "172.24.1.254", "172.24.1.253"
NOBODY = Endpoint(WAN, 20_001)
STRANGER = Endpoint("172.24.0.252", 45_000)


class Ideal:
    """A NAT in memory, that gives outside endpoints as its profile says."""

    def __init__(self, nat: Profile) -> None:
        self.nat = nat
        self._inside = count(50_000, 7)
        self._random = (1024 + 7919 * number % 60_000 for number in count(1))
        self._next = count(33_000)
        low, high = nat.block
        self._block = (low + 29 * number % (high - low + 1) for number in count())
        self._given: dict[tuple[object, ...], Endpoint] = {}
        self._taken: set[int] = set()

    def socket(self, host: str = ONE) -> Endpoint:
        """A new inside socket."""
        return Endpoint(host, next(self._inside))

    def outside(self, local: Endpoint, place: Place = Place.PRIMARY) -> Endpoint:
        """Where a place sees it."""
        if not self.nat.translates:
            return local
        far = SERVER[place]
        key = {Mapping.ENDPOINT_INDEPENDENT: (), Mapping.ADDRESS_DEPENDENT: far[:1]}.get(self.nat.mapping, far)
        if (local, *key) not in self._given:
            self._given[(local, *key)] = Endpoint(WAN, self._port(local))
        return self._given[(local, *key)]

    def _port(self, local: Endpoint) -> int:
        sources = {Ports.SEQUENTIAL: self._next, Ports.BLOCK: self._block}
        port = next(sources.get(self.nat.ports, self._random))
        if self.nat.ports is Ports.PRESERVE and local.port not in self._taken:
            port = local.port
        self._taken.add(port)
        return port

    def asking(self, local: Endpoint, *places: Place) -> Asking:
        """A socket that asks these places in turn."""
        return Asking(local, tuple((place, self.outside(local, place)) for place in places))


def observations(nat: Profile) -> Observations:
    """Everything that is to be seen of it."""
    ideal = Ideal(nat)
    local = ideal.socket()
    tcp_out = {"443": connecting(nat, 443, Outcome.OPEN)}
    tcp_out["other"] = connecting(nat, 3478, Outcome.OPEN if nat.tcp is Tcp.ALLOW else Outcome.SILENT)
    reached = not nat.translates
    guarded = {
        "tcp": tcp_out,
        "tcp_in": Connecting(STRANGER, NOBODY, Outcome.SILENT),
        "intrusion": tuple(Intrusion(protocol, STRANGER, local, False, reached) for protocol in ("udp", "tcp")),
        "unsolicited": Unsolicited(STRANGER, NOBODY, _answer(nat)),
        "leak": "",
        "server": SERVER,
    }
    if nat.udp is not Udp.ALLOW:
        errors = (PROHIBITED,) if nat.udp is Udp.REJECTED else ()
        return Observations(contact=Contact(local, None, errors), **guarded)  # type: ignore[arg-type]
    contact = Contact(local, ideal.outside(local), ())
    sockets = tuple(
        ideal.asking(ideal.socket(), *(list(Place) if number < 4 else [Place.PRIMARY])) for number in range(8)
    )
    one = ideal.socket()
    return Observations(
        contact=contact,
        sockets=sockets,
        filtering=filtered(ideal),
        hairpin=turned(ideal),
        neighbours=(ideal.asking(one, *Place), ideal.asking(Endpoint(OTHER, one.port), *reversed(Place))),
        early=(early(ideal, None), early(ideal, ideal.socket())),
        icmp=(PORT_UNREACHABLE,),
        unchecked=Unchecked(3, 3, 3),
        idle=stories(nat),
        crowd=crowd(nat),
        sessions=Sessions(
            nat.sessions or 64, True, nat.sessions is None, ideal.socket(OTHER), connecting(nat, 3478, _after(nat))
        ),
        **guarded,  # type: ignore[arg-type]
    )


def connecting(nat: Profile, port: int, outcome: Outcome) -> Connecting:
    """A TCP connection to the server."""
    to, local = Endpoint(SERVER[Place.PRIMARY].address, port), Endpoint(ONE, 44_000 + port % 10)
    if outcome is not Outcome.OPEN:
        return Connecting(local, to, outcome)
    return Connecting(local, to, outcome, Endpoint(WAN, local.port) if nat.translates else local)


def filtered(ideal: Ideal) -> Filtered:
    """Whose answers come in."""
    local = ideal.socket()
    allowed = {
        Filtering.ENDPOINT_INDEPENDENT: {Place.OTHER_PORT, Place.OTHER_ADDRESS, Place.OTHER_BOTH},
        Filtering.ADDRESS_DEPENDENT: {Place.OTHER_PORT},
    }.get(ideal.nat.filtering if ideal.nat.translates else Filtering.ENDPOINT_INDEPENDENT, set())
    others: list[Place] = [place for place in Place if place != Place.PRIMARY]
    came = {place: place in allowed for place in others}
    return Filtered(local, ideal.outside(local), came)


def turned(ideal: Ideal) -> Hairpin:
    """Two hosts inside."""
    sender, receiver = ideal.socket(OTHER), ideal.socket()
    outside, target = ideal.outside(sender), ideal.outside(receiver)
    answered = ideal.nat.input is Input.ACCEPT and ideal.nat.filtering is not Filtering.ENDPOINT_INDEPENDENT
    errors = (PORT_UNREACHABLE,) if answered and not ideal.nat.hairpin else ()
    source = outside if ideal.nat.hairpin else None
    return Hairpin(sender, outside, receiver, target, source, ideal.nat.hairpin, errors)


def early(ideal: Ideal, mapped: Endpoint | None) -> EarlyProbe:
    """A stranger who sends first."""
    local = mapped or ideal.socket()
    before = ideal.outside(local) if mapped else None
    let_in = mapped is not None and ideal.nat.filtering is Filtering.ENDPOINT_INDEPENDENT
    seen = ideal.outside(local)
    if ideal.nat.input is Input.ACCEPT and not let_in:
        seen = Endpoint(WAN, 1025)
    return EarlyProbe(STRANGER, local, before, seen, let_in, () if let_in else _answer(ideal.nat))


def crowd(nat: Profile) -> Crowd:
    """A few more sockets than a block has ports."""
    low, high = nat.block
    answered = min(68, high - low) if nat.ports is Ports.BLOCK else 68
    outside = tuple(Endpoint(WAN, 2000 + number) for number in range(answered))
    return Crowd(68, outside, tuple(Endpoint(OTHER, 3000 + number) for number in range(68 - answered)))


def stories(nat: Profile) -> tuple[Idle, ...]:
    """Mappings that were left alone."""
    soon, late = 0.7 * nat.lifetime, nat.lifetime + 0.8
    told = [
        Idle(Story.KEPT, soon, True),
        Idle(Story.GONE, late, False),
        Idle(Story.RENEWED, soon, True, moved=nat.mapping is Mapping.ADDRESS_AND_PORT_DEPENDENT),
        Idle(Story.INBOUND, late, False),
    ]
    outsider = nat.filtering is not Filtering.ADDRESS_AND_PORT_DEPENDENT
    if outsider or nat.hairpin:
        renewed = {Mapping.ENDPOINT_INDEPENDENT: True, Mapping.ADDRESS_DEPENDENT: outsider}.get(nat.mapping, False)
        told.append(Idle(Story.ANSWERED, soon, True, moved=not renewed))
    return tuple(told)


def _answer(nat: Profile) -> tuple[str, ...]:
    return (PORT_UNREACHABLE,) if nat.input is Input.ACCEPT else ()


def _after(nat: Profile) -> Outcome:
    return Outcome.SILENT if nat.sessions else Outcome.OPEN
