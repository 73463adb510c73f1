from __future__ import annotations

from typing import Any

import pytest

from macula.core.address import Address
from macula.errors import ArgumentError
from macula.nat.decisions import DecisionLog, Verdict
from macula.nat.explanation import Explanation, PathView
from macula.nat.facts import Facts
from macula.nat.profile import Filtering, Mapping, Ports
from macula.nat.punching.actions import Ended
from macula.nat.punching.candidates import Candidate, CandidateKind, Tier
from macula.nat.punching.offer import Side
from macula.runtime.why_report import pick_peer, why_fields

from .fake_mesh import OTHER, OWN

AT, BESIDE, SILENT = (Address("198.51.100.7", port) for port in (9443, 9444, 9445))
INSIDE = Address("192.168.7.2", 9443)
REFLEXIVE, INTERFACE = CandidateKind.REFLEXIVE, CandidateKind.INTERFACE
APDF, EIF = Filtering.ADDRESS_AND_PORT_DEPENDENT, Filtering.ENDPOINT_INDEPENDENT

PEERS = (("edge1", OWN), ("edge2", OTHER))


@pytest.mark.parametrize("called", ["edge2", str(OTHER), OTHER.short])
def test_a_peer_is_found_by_its_name_or_by_its_id(called: str) -> None:
    assert pick_peer(PEERS, called) == OTHER


def test_who_is_not_connected_is_told_with_who_is() -> None:
    with pytest.raises(ArgumentError, match="several of the connected peers, give more of an id"):
        pick_peer((PEERS[0], ("edge1", OTHER)), "edge1")
    with pytest.raises(ArgumentError, match=r"'edge3' is none of the connected peers: edge1 .*, edge2 "):
        pick_peer(PEERS, "edge3")
    with pytest.raises(ArgumentError, match="none of the connected peers: nobody"):
        pick_peer((), "")


def entry(path: str, address: str = "", relay: str = "") -> dict[str, Any]:
    """What `macula peers` says of the peer."""
    through = {"node_id": str(OWN), "short_id": OWN.short, "name": relay} if relay else None
    common = {"node_id": str(OTHER), "name": "edge2", "carrier": "udp", "rtt_ms": 12.0, "since_s": 7.5}
    return {**common, "path": path, "address": address, "relay": through}


def side(*candidates: tuple[CandidateKind, Address], filtering: Filtering = APDF, **known: Any) -> Side:
    facts = Facts(Mapping.ENDPOINT_INDEPENDENT, filtering, **known)
    return Side(facts, tuple(Candidate(kind, address) for kind, address in candidates))


def test_a_direct_peer_is_told_with_its_paths() -> None:
    told = Explanation(OTHER, AT, (PathView(AT, Tier.IPV4, 0.012, 5.0),), "idle", None, None, None, ())
    fields = why_fields(entry("direct", str(AT)), told, 7.5)
    assert (fields["path"], fields["address"], fields["relay"]) == ("direct", "198.51.100.7:9443", None)
    assert (fields["rtt_ms"], fields["since_s"]) == (12.0, 7.5)
    assert fields["paths"] == [{"address": str(AT), "tier": "ipv4", "rtt_ms": 12.0, "silent_s": 2.5}]
    assert (fields["allowed"], fields["remedies"], fields["last_attempt"]) == (None, [], None)


@pytest.mark.parametrize(
    ("known", "stage"), [(entry("direct", str(AT)), "this one is direct"), (entry("relayed", relay="g"), "relay-only")]
)
def test_a_peer_for_which_no_path_is_looked_for_is_told_by_what_the_transport_knows(
    known: dict[str, Any], stage: str
) -> None:
    fields = why_fields(known, None, 1.0)
    assert (fields["path"], fields["relay_name"]) == (known["path"], known["relay"] and "g")
    assert stage in fields["stage"]


def test_what_answered_of_the_peers_addresses_is_told() -> None:
    log = DecisionLog()
    log.add(1.0, Verdict.FOUND, BESIDE, "direct")
    theirs = side((REFLEXIVE, AT), (REFLEXIVE, BESIDE), (REFLEXIVE, SILENT), (INTERFACE, INSIDE))
    mine = side((REFLEXIVE, Address("203.0.113.1", 1)))
    views = (PathView(AT, Tier.IPV4, 0.012, 5.0),)

    def answers(last: Ended | None) -> list[str | None]:
        told = Explanation(OTHER, AT, views, "idle", mine, theirs, last, log.decisions)
        return [one["answer"] for one in why_fields(entry("direct"), told, 7.5)["nats"]["theirs"]["candidates"]]

    assert answers(None) == ["answers in 12.0 ms", "answered", None, None]
    failed = Ended(False, 1, 5, 0, "nothing came")
    assert answers(failed) == ["answers in 12.0 ms", "answered", "no answer", "not tried"]


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (side((REFLEXIVE, AT), (INTERFACE, INSIDE)), "port_restricted"),
        (side((REFLEXIVE, AT), (INTERFACE, INSIDE), filtering=EIF), "full_cone"),
        (side((REFLEXIVE, AT), filtering=EIF), "none"),
        (side((REFLEXIVE, AT), udp=False), "no UDP"),
        (Side(Facts(), ()), "unknown"),
        (Side(Facts(Mapping.ADDRESS_DEPENDENT, APDF, Ports.RANDOM), ()), "adm, apdf"),
    ],
)
def test_a_nat_has_its_familiar_name_or_its_parts(told: Side, name: str) -> None:
    explained = Explanation(OTHER, None, (), "idle", told, None, None, ())
    assert why_fields(entry("relayed", relay="g"), explained, 0.0)["nats"]["mine"]["name"] == name
