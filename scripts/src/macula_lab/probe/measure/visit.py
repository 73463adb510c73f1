"""One visit of a prober: which checks there are, and in which order they are made."""

from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from macula_lab.errors import LabError
from macula_lab.probe.channel import Channel
from macula_lab.probe.checks import FAST, Check
from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.measure import outside
from macula_lab.probe.measure.contact import connecting, contact, leak, unchecked
from macula_lab.probe.measure.crowd import crowd, sessions
from macula_lab.probe.measure.filtering import filtering
from macula_lab.probe.measure.hairpin import hairpin
from macula_lab.probe.measure.idle import idle
from macula_lab.probe.measure.mapping import SOCKETS, mapping, neighbours
from macula_lab.probe.measure.together import together
from macula_lab.probe.measure.vantage import CHANNEL_PATIENCE, Vantage
from macula_lab.probe.observations import Observations, Place


@dataclass(frozen=True, slots=True)
class Itinerary:
    """What to look at."""

    checks: Collection[Check] = FAST
    sockets: int = SOCKETS
    """from how many sockets the mapping is asked for"""
    lifetime: float = 120.0
    """seconds that a mapping is said to live"""
    ports: int = 64
    """how many sockets the crowd has"""
    sessions: int = 1000
    """how many flows a host is said to be allowed"""


def visit(vantage: Vantage, itinerary: Itinerary) -> Observations:
    """Make the checks. Raises LabError when the outsider is there and then is not."""
    with ExitStack() as stack:
        if vantage.outsider:
            try:
                channel = stack.enter_context(Channel(vantage.server.address, vantage.inside, CHANNEL_PATIENCE))
            except LabError:
                vantage = replace(vantage, outsider=False)
            else:
                vantage = replace(vantage, fence=channel.fence)
                return _visit(vantage, itinerary, channel.seen.address)
        return _visit(vantage, itinerary, None)


def _visit(vantage: Vantage, itinerary: Itinerary, outside_address: str | None) -> Observations:
    first, vantage = contact(vantage)
    if first.seen:
        outside_address = first.seen.address
    places = {place: vantage.place(place) for place in Place if vantage.other or place is Place.PRIMARY}
    seen: dict[str, Any] = {"contact": first, "server": places}
    todo = _todo(vantage, itinerary, first.seen, outside_address)
    if first.seen and Check.MAPPING in itinerary.checks:
        seen["sockets"] = mapping(vantage, itinerary.sockets)
    seen.update(together(todo))
    return Observations(**seen, **_exhausting(vantage, itinerary, first.seen is not None))


def _exhausting(vantage: Vantage, itinerary: Itinerary, reached: bool) -> dict[str, Any]:
    """What leaves nothing for others, and what others make wrong: to be made alone."""
    host = vantage.neighbour or vantage.inside
    seen: dict[str, Any] = {}
    if reached and Check.CROWD in itinerary.checks:
        seen["crowd"] = crowd(vantage, host, itinerary.ports)
    if reached and Check.SESSIONS in itinerary.checks:
        seen["sessions"] = sessions(vantage, host, itinerary.sessions)
    return seen


def _todo(
    vantage: Vantage, itinerary: Itinerary, reached: Endpoint | None, outside_address: str | None
) -> dict[str, Callable[[], Any]]:
    """What can be measured at the same time, by the field of Observations it fills."""
    todo: dict[str, Callable[[], Any]] = {}
    wanted, neighbour = itinerary.checks, vantage.neighbour
    if Check.TCP in wanted:
        todo["tcp"] = lambda: connecting(vantage)
    if vantage.outsider and Check.INTRUSION in wanted:
        todo["intrusion"] = lambda: outside.intrusion(vantage)
    if vantage.outsider and Check.LEAK in wanted:
        todo["leak"] = lambda: leak(vantage)
    if vantage.outsider and outside_address and Check.TCP in wanted:
        todo["tcp_in"] = lambda: outside.connecting_in(vantage, outside_address)
    if vantage.outsider and outside_address and Check.UNSOLICITED in wanted:
        todo["unsolicited"] = lambda: outside.unsolicited(vantage, outside_address)
    if reached is None:
        return todo
    if vantage.other and Check.FILTERING in wanted:
        todo["filtering"] = lambda: filtering(vantage)
    if neighbour and Check.HAIRPIN in wanted:
        todo["hairpin"] = lambda: hairpin(vantage, neighbour)
    if neighbour and vantage.other and Check.NEIGHBOURS in wanted:
        todo["neighbours"] = lambda: neighbours(vantage, neighbour)
    if neighbour and Check.CHECKSUM in wanted:
        todo["unchecked"] = lambda: unchecked(vantage, neighbour)
    if vantage.outsider and Check.EARLY in wanted:
        todo["early"] = lambda: outside.early(vantage, reached.address)
    if vantage.outsider and Check.IDLE in wanted:
        todo["idle"] = lambda: idle(vantage, itinerary.lifetime)
    if vantage.outsider and Check.ICMP in wanted:
        todo["icmp"] = lambda: outside.icmp(vantage)
    return todo
