from collections.abc import Iterable
from ipaddress import IPv4Address

import pytest

from macula_lab.evidence.crossings import SHAPER_MAC, Sighting, crossings, journeys, sightings
from macula_lab.evidence.flows import Flow, Hop, flows
from macula_lab.evidence.packets import parse
from macula_lab.evidence.routers import RouterState
from nat_scene import BOOTSTRAP, NAT_A, NAT_B, A, B, drop, mapping, state
from packet_builders import MAC_HOST, MAC_PEER, MAC_ROUTER, frame

STUN = f"{BOOTSTRAP}:3478"


def seen(
    router: str, network: str, time: float, source: str, target: str, payload: bytes = b"x", *, ttl: int, out: bool
) -> list[Sighting]:
    """One packet at one interface."""
    from_mac, to_mac = (MAC_ROUTER, MAC_PEER) if out else (MAC_HOST, MAC_ROUTER)
    packet = parse(time, frame(source, target, payload, ttl=ttl, from_mac=from_mac, to_mac=to_mac))
    assert packet
    return sightings(router, network, MAC_ROUTER, [packet])


def table(seen_there: Iterable[list[Sighting]], **states: RouterState) -> list[Flow]:
    """The flows of what was seen."""
    by_router: dict[str, list[Sighting]] = {}
    for found in seen_there:
        by_router.setdefault(found[0].router, []).extend(found)
    crossed = [crossing for one in by_router.values() for crossing in crossings(one)]
    return flows(journeys(crossed), states, {"nat_a": {IPv4Address(NAT_A), IPv4Address("172.27.1.2")}})


def told(hop: Hop) -> tuple[str, str, str]:
    return hop.router, hop.action, hop.reason


def exchange(payload: bytes = b"x", time: float = 1.0) -> list[list[Sighting]]:
    """edge_a asks the STUN server, which answers, through nat_a."""
    outside = f"{NAT_A}:40001"
    return [
        seen("nat_a", "lan_a", time, f"{A}:9443", STUN, payload, ttl=64, out=False),
        seen("nat_a", "public", time + 0.001, outside, STUN, payload, ttl=63, out=True),
        seen("nat_a", "public", time + 0.01, STUN, outside, payload + b"!", ttl=64, out=False),
        seen("nat_a", "lan_a", time + 0.011, STUN, f"{A}:9443", payload + b"!", ttl=63, out=True),
    ]


def test_question_and_answer_are_one_flow_seen_on_both_sides() -> None:
    (flow,) = table([*exchange(), *exchange(b"y", 5.0)])
    (hop,) = flow.hops
    assert (str(flow.source), str(flow.target), flow.arrived) == (f"{A}:9443", STUN, True)
    assert (hop.action, hop.came_from, hop.went_to) == ("translated", "lan_a", "public")
    assert [str(end) for end in hop.came] == [f"{A}:9443", STUN]
    assert hop.went and [str(end) for end in hop.went] == [f"{NAT_A}:40001", STUN]
    assert (flow.forth.packets, flow.forth.size, flow.back.packets, flow.back.size) == (2, 58, 2, 60)
    assert (flow.first, flow.last) == (1.0, 5.01)


@pytest.mark.parametrize(
    ("mappings", "verdict"),
    [
        ([mapping(f"{A}:9443", f"{NAT_A}:40001", STUN)], "confirmed"),
        ([mapping(f"{A}:9443", f"{NAT_A}:5", STUN)], "contradicted"),
        ([mapping(f"{A}:9443", f"{NAT_A}:5", f"{NAT_B}:1")], "expired"),
        ([], "expired"),
    ],
)
def test_a_translation_is_checked_against_the_routers_own_table(
    mappings: list[dict[str, object]], verdict: str
) -> None:
    (flow,) = table(exchange(), nat_a=state("port_restricted", NAT_A, "172.27.1.3", mappings=mappings))
    assert flow.hops[0].table == verdict


def test_without_the_routers_table_nothing_is_said_of_it() -> None:
    assert table(exchange())[0].hops[0].table == ""


def test_a_packet_is_followed_to_the_router_that_drops_it() -> None:
    outside, aimed = f"{NAT_A}:9443", f"{NAT_B}:9443"
    way = [
        seen("nat_a", "lan_a", 1.0, f"{A}:9443", aimed, ttl=64, out=False),
        seen("nat_a", "public", 1.001, outside, aimed, ttl=63, out=True),
        seen("nat_b", "public", 1.001, outside, aimed, ttl=63, out=False),
    ]
    nat_b = state("port_restricted", NAT_B, "172.27.2.3", drops=[drop("filtered", outside, aimed)])
    (flow,) = table(way, nat_b=nat_b)
    assert [told(hop) for hop in flow.hops] == [("nat_a", "translated", ""), ("nat_b", "dropped", "filtered")]
    assert not flow.arrived and str(flow.source) == f"{A}:9443"


def test_of_packets_alike_the_last_one_is_the_one_that_passed() -> None:
    """Punching: the first ones are dropped, until the hole is there."""
    outside, aimed = f"{NAT_A}:9443", f"{NAT_B}:9443"
    tries = [seen("nat_b", "public", 1.0 + n / 10, outside, aimed, ttl=63, out=False) for n in range(3)]
    through = seen("nat_b", "lan_b", 1.2001, outside, f"{B}:9443", ttl=62, out=True)
    nat_b = state("port_restricted", NAT_B, "172.27.2.3", drops=[drop("filtered", outside, aimed)])
    dropped, passed = table([*tries, through], nat_b=nat_b)
    assert (dropped.forth.packets, dropped.forth.last, told(dropped.hops[0])) == (
        2,
        1.1,
        ("nat_b", "dropped", "filtered"),
    )
    assert (passed.forth.packets, passed.forth.first, told(passed.hops[0])) == (1, 1.2, ("nat_b", "translated", ""))


def test_a_packet_through_a_router_with_one_interface_is_told_apart_by_its_ttl() -> None:
    there = [
        seen("internet", "public", 1.0, STUN, f"{B}:1", ttl=64, out=False),
        seen("internet", "public", 1.0, STUN, f"{B}:1", ttl=63, out=True),
        seen("nat_b", "public", 1.0, STUN, f"{B}:1", ttl=63, out=False),
    ]
    nat_b = state("port_restricted", NAT_B, "172.27.2.3", drops=[drop("private", STUN, f"{B}:1")])
    (flow,) = table(there, nat_b=nat_b)
    assert [told(hop) for hop in flow.hops] == [("internet", "forwarded", ""), ("nat_b", "dropped", "private")]


def test_a_packet_that_turns_around_at_the_outside_address_is_translated_on_both_ends() -> None:
    neighbour = "172.27.1.32:9443"
    (flow,) = table(
        [
            seen("nat_a", "lan_a", 1.0, f"{A}:9443", f"{NAT_A}:9444", ttl=64, out=False),
            seen("nat_a", "lan_a", 1.0, f"{NAT_A}:9443", neighbour, ttl=63, out=True),
        ]
    )
    (hop,) = flow.hops
    assert (hop.action, hop.came_from, hop.went_to) == ("translated", "lan_a", "lan_a")
    assert hop.went and str(hop.went[1]) == neighbour


def test_what_a_link_shaper_puts_back_is_what_the_router_sends() -> None:
    packet = parse(1.0, frame(f"{NAT_A}:1", STUN, ttl=63, from_mac=SHAPER_MAC, to_mac=MAC_PEER))
    assert packet
    assert sightings("nat_a", "public", MAC_ROUTER, [packet])[0].outbound


def test_a_packet_that_a_link_sends_twice_counts_twice() -> None:
    copies = seen("nat_a", "public", 1.002, f"{NAT_A}:40001", STUN, ttl=63, out=True)
    (flow,) = table([*exchange(), copies])
    assert (flow.forth.packets, flow.back.packets) == (2, 1)


@pytest.mark.parametrize(
    ("target", "mappings", "action"),
    [
        ("172.27.1.2:53", [], "kept"),
        (STUN, [], "lost"),
        (f"{NAT_A}:5", [mapping(f"{A}:5", f"{NAT_A}:5")], "lost"),
        (f"{NAT_A}:5", [], "kept"),
    ],
)
def test_what_did_not_go_out_and_was_not_dropped(target: str, mappings: list[dict[str, object]], action: str) -> None:
    nat_a = state("port_restricted", NAT_A, "172.27.1.3", mappings=mappings)
    (flow,) = table([seen("nat_a", "lan_a", 1.0, f"{A}:9443", target, ttl=64, out=False)], nat_a=nat_a)
    assert flow.hops[0].action == action


def test_what_the_router_says_itself_and_what_is_for_everybody_is_left_out() -> None:
    own = seen("nat_a", "lan_a", 1.0, "172.27.1.2:5", f"{A}:5", ttl=64, out=True)
    assert table([own]) == []
    for target, mac in (("224.0.0.251:5353", MAC_ROUTER), (STUN, MAC_PEER)):
        packet = parse(1.0, frame(f"{A}:5353", target, to_mac=mac))
        assert packet and sightings("nat_a", "lan_a", MAC_ROUTER, [packet]) == []


def test_a_drop_that_is_recorded_where_the_destination_is_final_is_found() -> None:
    nat_a = state(
        "port_restricted",
        NAT_A,
        "172.27.1.3",
        mappings=[mapping(f"{A}:9443", f"{NAT_A}:40001", STUN)],
        drops=[drop("partitioned", STUN, f"{A}:9443")],
    )
    (flow,) = table([seen("nat_a", "public", 1.0, STUN, f"{NAT_A}:40001", ttl=64, out=False)], nat_a=nat_a)
    assert told(flow.hops[0]) == ("nat_a", "dropped", "partitioned")
