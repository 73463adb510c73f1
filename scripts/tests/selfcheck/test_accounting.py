"""What a prober knows and what its router tells must be the same."""

from itertools import product
from typing import Any

import pytest
from macula.nat.profile import Filtering, Input, Mapping, Profile, Tcp, Udp

import ideal
from macula_lab.probe.classify import plain
from macula_lab.selfcheck import accounting

NATS = [
    *(
        Profile(mapping, filtering, hairpin=turns)
        for mapping, filtering, turns in product(Mapping, Filtering, (True, False))
    ),
    Profile(input=Input.ACCEPT),
    Profile(udp=Udp.BLOCKED, tcp=Tcp.ONLY_443),
    Profile(sessions=20),
]


def shown(nat: Profile) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a prober sees, and a router that tells all of it."""
    seen: dict[str, Any] = plain(ideal.observations(nat))
    mappings: dict[tuple[str, str, str], list[str]] = {}
    for one in accounting.mappings(seen):
        mappings.setdefault(one[:3], []).append(one.remote)
    return seen, {
        "mappings": [
            {"protocol": protocol, "inside": inside, "outside": outside, "remotes": remotes}
            for (protocol, inside, outside), remotes in mappings.items()
        ],
        "drops": [{**one._asdict(), "packets": 3} for one in accounting.dropped(nat, seen)],
    }


@pytest.mark.parametrize("nat", NATS, ids=str)
def test_a_router_that_tells_everything(nat: Profile) -> None:
    assert accounting.mismatches(nat, *shown(nat)) == []


@pytest.mark.parametrize("nat", NATS, ids=str)
def test_every_drop_must_be_told_with_its_reason(nat: Profile) -> None:
    seen, told = shown(nat)
    assert told["drops"]
    for drop in told["drops"]:
        others = [one for one in told["drops"] if one is not drop]
        assert accounting.untold(nat, seen, told | {"drops": others})
        for wrong in ({"reason": "partitioned"}, {"source": "192.0.2.7:7"}, {"destination": "192.0.2.7:7"}):
            assert accounting.untold(nat, seen, told | {"drops": [*others, drop | wrong]})


def test_every_mapping_must_be_told_with_whom_it_served() -> None:
    nat = Profile(hairpin=True, filtering=Filtering.ENDPOINT_INDEPENDENT)
    seen, told = shown(nat)
    assert {one["protocol"] for one in told["mappings"]} == {"udp", "tcp"}
    for mapping in told["mappings"]:
        others = [one for one in told["mappings"] if one is not mapping]
        assert accounting.untold(nat, seen, told | {"mappings": others})
        for remote in mapping["remotes"]:
            fewer = mapping | {"remotes": [one for one in mapping["remotes"] if one != remote]}
            assert accounting.untold(nat, seen, told | {"mappings": [*others, fewer]})


def test_a_drop_of_what_arrived_is_a_lie() -> None:
    nat = Profile()
    seen, told = shown(nat)
    arrived = next(one for one in accounting.mappings(seen) if one.protocol == "udp")
    lie = {"reason": "filtered", "protocol": "udp", "source": arrived.remote, "destination": arrived.outside}

    (wrong,) = accounting.mismatches(nat, seen, told | {"drops": [*told["drops"], lie]})

    assert wrong.part == "accounting"
    assert wrong.seen.endswith("dropped as filtered, and arrived")


def test_a_plain_router_tells_nothing() -> None:
    nothing: dict[str, Any] = {"mappings": [], "drops": []}

    assert accounting.untold(Profile(translates=False), shown(Profile())[0], nothing) == []
