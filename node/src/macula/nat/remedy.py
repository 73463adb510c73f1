"""What would let two peers meet directly: each single change of one of their NATs that turns the prediction."""

from __future__ import annotations

from dataclasses import replace

from macula.nat.prediction import predict
from macula.nat.profile import Filtering, Mapping, Profile, Udp


def remedies(mine: Profile, theirs: Profile) -> tuple[str, ...]:
    """Sentences, each of which is enough by itself; none where they can meet already or no single change helps."""
    if predict(mine, theirs).direct:
        return ()
    found = [f"this node's NAT {change}" for change, nat in _changes(mine) if predict(nat, theirs).direct]
    return (*found, *(f"the peer's NAT {change}" for change, nat in _changes(theirs) if predict(mine, nat).direct))


def _changes(nat: Profile) -> list[tuple[str, Profile]]:
    if nat.udp is not Udp.ALLOW:
        return [("lets UDP out", replace(nat, udp=Udp.ALLOW))]
    return [
        (
            "keeps one port for all peers",
            replace(nat, mapping=Mapping.ENDPOINT_INDEPENDENT),
        ),
        ("filters by address only", replace(nat, filtering=Filtering.ADDRESS_DEPENDENT)),
        (
            "lets everybody in: a full cone, or a forwarded UDP port",
            replace(nat, filtering=Filtering.ENDPOINT_INDEPENDENT),
        ),
    ]
