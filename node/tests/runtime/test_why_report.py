from __future__ import annotations

import pytest

from macula.core.address import Address
from macula.core.results import PeerStatus
from macula.errors import ArgumentError
from macula.nat.explanation import Explanation, PathView
from macula.nat.punching.candidates import Tier
from macula.runtime.why_report import find_peer, why_fields

from .fake_mesh import OTHER, OWN

PEERS = (PeerStatus(OWN, "edge1", "edge", False, 0.0), PeerStatus(OTHER, "edge2", "edge", True, 0.0))


@pytest.mark.parametrize("called", ["edge2", str(OTHER), OTHER.short])
def test_a_peer_is_found_by_its_name_or_by_its_id(called: str) -> None:
    assert find_peer(PEERS, called).node_id == OTHER


def test_who_is_not_connected_is_told_with_who_is() -> None:
    with pytest.raises(ArgumentError, match=r"'edge3' is none of the connected peers: edge1 .*, edge2 "):
        find_peer(PEERS, "edge3")
    with pytest.raises(ArgumentError, match="none of the connected peers: nobody"):
        find_peer((), "")
    twins = (PEERS[0], PeerStatus(OTHER, "edge1", "edge", True, 0.0))
    with pytest.raises(ArgumentError, match="several"):
        find_peer(twins, "edge1")


def test_a_direct_peer_is_told_with_its_paths() -> None:
    at = Address("198.51.100.7", 9443)
    told = Explanation(OTHER, at, (PathView(at, Tier.IPV4, 0.012, 5.0),), "idle", None, None, None, ())
    fields = why_fields(OTHER, told, 7.5)
    assert (fields["path"], fields["address"], fields["relay"]) == ("direct", "198.51.100.7:9443", None)
    assert fields["paths"] == [{"address": str(at), "tier": "ipv4", "rtt_ms": 12.0, "silent_s": 2.5}]
    assert (fields["allowed"], fields["remedies"], fields["last_attempt"]) == (None, [], None)


def test_a_peer_for_which_no_path_is_looked_for_is_told_so() -> None:
    fields = why_fields(OTHER, None, 1.0)
    assert (fields["path"], fields["stage"]) == ("none", "no direct path is looked for")
