"""Whether two UDP peers can meet directly, told from their NATs alone (RFC 5128; Ford, Srisuresh, Kegel 2005)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import reduce

from macula.nat.profile import Filtering, Ports, Profile, Tcp, Udp
from macula.nat.profile import Mapping as MappingKind


class Meeting(StrEnum):
    """How two peers get together, the best first."""

    DIRECT = "direct"
    """both send to the address that the other was seen at"""
    PREDICTION = "prediction"
    """directly, when the next outside port of a sequential NAT is guessed"""
    BIRTHDAY = "birthday"
    """directly, when one opens many ports and the other tries many, until two fit"""
    RELAY = "relay"
    """only through a third party"""


@dataclass(frozen=True, slots=True)
class Prediction:
    """How two peers meet, and the reason in a sentence."""

    meeting: Meeting
    reason: str

    @property
    def direct(self) -> bool:
        """Whether our nodes get there: a next port is guessed, a birthday's worth of ports is not tried."""
        return self.meeting in (Meeting.DIRECT, Meeting.PREDICTION)


def predict(a: Profile, b: Profile) -> Prediction:
    """How a peer behind NAT `a` and one behind NAT `b` meet by UDP over IPv4, each NAT with its own outside address.

    Both know where the other was last seen from a third place, and both may begin. The same for either order.
    It tells what the NATs allow. `input=accept` makes the outcome depend on who sends first and is not weighed.
    """
    for name, nat in (("the first", a), ("the second", b)):
        if nat.udp is not Udp.ALLOW:
            return Prediction(Meeting.RELAY, f"{name} NAT lets no UDP out ({nat.udp})")
    order = list(Meeting)
    return min(_entering(a, b, "first"), _entering(b, a, "second"), key=lambda one: order.index(one.meeting))


def predict_behind(one: Mapping[str, Profile], other: Mapping[str, Profile]) -> Prediction:
    """As predict, for peers behind several NATs each: by name, the nearest first. A name in both is one NAT."""
    shared = next((name for name, nat in one.items() if name in other and nat.translates), None)
    if shared is not None and not one[shared].hairpin:
        reason = f"both are behind {shared}, which lets nobody back in who aims at its outside (hairpin=off)"
        return Prediction(Meeting.RELAY, reason)
    mine, theirs = (reduce(layered, nats.values(), Profile(translates=False)) for nats in (one, other))
    return predict(mine, theirs)


def layered(inner: Profile, outer: Profile) -> Profile:
    """What a host behind `inner`, itself behind `outer`, seems to be behind: of each part the stricter one."""
    udp = inner.udp if inner.udp is not Udp.ALLOW else outer.udp
    tcp = inner.tcp if inner.tcp is not Tcp.ALLOW else outer.tcp
    if not (inner.translates and outer.translates):
        return replace(outer if outer.translates else inner, udp=udp, tcp=tcp)
    return replace(
        outer,
        mapping=max(inner.mapping, outer.mapping, key=list(MappingKind).index),
        filtering=max(inner.filtering, outer.filtering, key=list(Filtering).index),
        ports=inner.ports if outer.ports is Ports.PRESERVE and inner.ports is not Ports.BLOCK else outer.ports,
        lifetime=min(inner.lifetime, outer.lifetime),
        sessions=min((n for n in (inner.sessions, outer.sessions) if n is not None), default=None),
        udp=udp,
        tcp=tcp,
    )


def _entering(nat: Profile, peer: Profile, which: str) -> Prediction:
    """How a packet of the host behind `peer` gets in through `nat`."""
    name = f"the {which} NAT"
    if not nat.translates or nat.filtering is Filtering.ENDPOINT_INDEPENDENT:
        return Prediction(Meeting.DIRECT, f"{name} lets everybody in where it was seen")
    if not nat.dependent:
        if nat.filtering is Filtering.ADDRESS_DEPENDENT:
            return Prediction(Meeting.DIRECT, f"{name} is seen at one port and lets in any port of an address sent to")
        if not peer.dependent:
            return Prediction(Meeting.DIRECT, "both NATs are seen at one port by everybody")
        if peer.ports is Ports.SEQUENTIAL:
            return Prediction(Meeting.PREDICTION, f"{name} must send to the other's next port, which can be guessed")
        return Prediction(Meeting.BIRTHDAY, f"{name} must send to the other's next port, which is random")
    source_known = nat.filtering is Filtering.ADDRESS_DEPENDENT or not peer.dependent
    if nat.ports is Ports.SEQUENTIAL and (source_known or peer.ports is Ports.SEQUENTIAL):
        return Prediction(Meeting.PREDICTION, f"{name} takes a new port for the peer, which can be guessed")
    if source_known:
        return Prediction(Meeting.BIRTHDAY, f"{name} takes a new port for the peer, which is random")
    return Prediction(Meeting.RELAY, "both NATs take new ports for each other, and at least one cannot be guessed")
