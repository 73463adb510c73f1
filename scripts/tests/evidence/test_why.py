import io
from ipaddress import IPv4Address

import pytest
from macula.nat.prediction import Meeting
from rich.console import Console

from macula_lab.evidence.reasons import REMAPPED
from macula_lab.evidence.routers import RouterState
from macula_lab.evidence.telling import to_json, tree
from macula_lab.evidence.why import Answer, why
from nat_scene import ADDRESSES, BOOTSTRAP, NAT_A, NAT_B, A, B, drop, host, mapping, network, pair, plan, state

STUN = f"{BOOTSTRAP}:3478"


def nat_a(profile: str = "port_restricted", **more: object) -> RouterState:
    return state(profile, NAT_A, "172.27.1.3", **more)


def nat_b(profile: str = "port_restricted", **more: object) -> RouterState:
    return state(profile, NAT_B, "172.27.2.3", **more)


def asked(a: RouterState, b: RouterState, one: str = "edge_a", other: str = "edge_b") -> Answer:
    return why(pair(), {"nat_a": a, "nat_b": b}, ADDRESSES, one, other)


def printed(answer: Answer) -> str:
    output = io.StringIO()
    Console(file=output, width=400).print(tree(answer))
    return output.getvalue()


def test_nothing_was_dropped_and_the_translations_are_told() -> None:
    answer = asked(
        nat_a(mappings=[mapping(f"{A}:9443", f"{NAT_A}:9443", STUN, f"{NAT_B}:9443")]),
        nat_b(mappings=[mapping(f"{B}:9443", f"{NAT_B}:9443", f"{NAT_A}:9443")]),
    )
    there, back = answer.directions
    assert (there.sender, there.receiver, there.findings, back.findings) == ("edge_a", "edge_b", [], [])
    (translation,) = there.translations
    assert (translation.router, translation.inside, translation.outside) == ("nat_a", f"{A}:9443", f"{NAT_A}:9443")
    assert list(translation.remotes) == [f"{NAT_B}:9443"]
    assert there.routers == ["nat_a", "nat_b"] and back.routers == ["nat_b", "nat_a"]
    assert answer.prediction.meeting is Meeting.DIRECT
    assert printed(answer).count("no packet was dropped") == 2


def test_a_port_that_nobody_has() -> None:
    answer = asked(nat_a(), nat_b(drops=[drop("no_mapping", f"{NAT_A}:9443", f"{NAT_B}:9443", 5)]))
    there, back = answer.directions
    (finding,) = there.findings
    assert (finding.router, finding.reason, finding.packets, finding.certain) == ("nat_b", "no_mapping", 5, False)
    assert "mappings of edge_b: none" in finding.explanation
    assert there.dropped == 5 and not back.findings


def test_a_port_that_nobody_has_beside_one_that_is_towards_the_sender() -> None:
    """A NAT that maps by socket has no other port for this one: they are two sockets."""
    answer = asked(
        nat_a(mappings=[mapping(f"{A}:5010", f"{NAT_A}:5010", f"{NAT_B}:5999")]),
        nat_b(
            mappings=[mapping(f"{B}:9443", f"{NAT_B}:9443", f"{NAT_A}:9443")],
            drops=[drop("no_mapping", f"{NAT_A}:5010", f"{NAT_B}:5999")],
        ),
    )
    (finding,) = answer.directions[0].findings
    assert finding.reason == "no_mapping"
    assert f"{B}:9443 at {NAT_B}:9443" in finding.explanation


def test_a_port_that_is_mapped_and_filtered() -> None:
    answer = asked(
        nat_a(mappings=[mapping(f"{A}:9443", f"{NAT_A}:9443", f"{NAT_B}:9443")]),
        nat_b(
            mappings=[mapping(f"{B}:9443", f"{NAT_B}:9443", STUN)],
            drops=[drop("filtered", f"{NAT_A}:9443", f"{NAT_B}:9443")],
        ),
    )
    (finding,) = answer.directions[0].findings
    assert (finding.reason, finding.certain) == ("filtered", True)
    assert f"it has sent to {STUN}" in finding.explanation
    assert f"edge_b must send to {NAT_A}:9443 first" in finding.remedy


def test_the_port_that_was_aimed_at_is_not_the_one_towards_the_sender() -> None:
    """edge_b is behind a symmetric NAT: edge_a aims at where the STUN server saw it."""
    answer = asked(
        nat_a(mappings=[mapping(f"{A}:9443", f"{NAT_A}:9443", STUN, f"{NAT_B}:30001")]),
        nat_b(
            "symmetric",
            mappings=[
                mapping(f"{B}:9443", f"{NAT_B}:30001", STUN),
                mapping(f"{B}:9443", f"{NAT_B}:30777", f"{NAT_A}:9443"),
            ],
            drops=[drop("filtered", f"{NAT_A}:9443", f"{NAT_B}:30001")],
        ),
    )
    (finding,) = answer.directions[0].findings
    assert (finding.reason, finding.recorded) == (REMAPPED, "filtered")
    assert f"{NAT_B}:30001" in finding.explanation and f"{NAT_B}:30777" in finding.explanation
    assert "mapping=apdm" in finding.explanation and f"aim at {NAT_B}:30777" in finding.remedy
    assert answer.prediction.meeting is Meeting.BIRTHDAY


def test_the_port_that_the_sender_comes_from_is_not_the_one_that_it_was_seen_at() -> None:
    """edge_b is behind a symmetric NAT, and comes to edge_a from another port than the one edge_a has sent to."""
    answer = asked(
        nat_a(
            mappings=[mapping(f"{A}:9443", f"{NAT_A}:9443", STUN, f"{NAT_B}:30001")],
            drops=[drop("filtered", f"{NAT_B}:30777", f"{NAT_A}:9443")],
        ),
        nat_b(
            "symmetric",
            mappings=[
                mapping(f"{B}:9443", f"{NAT_B}:30001", STUN),
                mapping(f"{B}:9443", f"{NAT_B}:30777", f"{NAT_A}:9443"),
            ],
        ),
    )
    there, back = answer.directions
    (finding,) = back.findings
    assert not there.findings
    assert (finding.router, finding.reason, finding.recorded) == ("nat_a", REMAPPED, "filtered")
    assert f"edge_a has sent to {NAT_B}:30001, but edge_b comes from {NAT_B}:30777" in finding.explanation
    assert f"nat_b gave {B}:9443 both ports" in finding.explanation


@pytest.mark.parametrize(
    ("profile", "reason", "told"),
    [
        ("port_restricted,udp=blocked", "blocked", "lets no such UDP of edge_a out (udp=blocked)"),
        ("port_restricted,sessions=2", "exhausted", "sessions=2"),
        ("port_restricted,ports=block,block=40000-40001", "exhausted", "block=40000-40001"),
    ],
)
def test_what_the_senders_own_nat_lets_not_out(profile: str, reason: str, told: str) -> None:
    answer = asked(nat_a(profile, drops=[drop(reason, f"{A}:9443", f"{NAT_B}:9443")]), nat_b())
    (finding,) = answer.directions[0].findings
    assert (finding.router, finding.reason) == ("nat_a", reason)
    assert told in finding.explanation and finding.remedy


def test_an_inside_address_is_aimed_at_from_outside() -> None:
    answer = asked(
        nat_a(),
        nat_b(
            mappings=[mapping(f"{B}:9443", f"{NAT_B}:9443", STUN)],
            drops=[drop("private", f"{BOOTSTRAP}:9443", f"{B}:9443")],
        ),
        "bootstrap",
    )
    (finding,) = answer.directions[0].findings
    assert (finding.reason, finding.certain) == ("private", True)
    assert f"{NAT_B}:9443" in finding.remedy
    assert answer.nats["bootstrap"] == []


def test_a_network_that_is_cut_off() -> None:
    answer = asked(
        nat_a(),
        nat_b(partitioned=["172.27.2.0/24"], drops=[drop("partitioned", f"{B}:9443", f"{NAT_A}:9443")]),
    )
    (finding,) = answer.directions[1].findings
    assert (finding.reason, finding.router) == ("partitioned", "nat_b")
    assert "172.27.2.0/24" in finding.explanation and "heal" in finding.remedy


def test_what_others_lost_is_not_told() -> None:
    answer = asked(
        nat_a(
            mappings=[mapping("172.27.1.99:1", f"{NAT_A}:1", STUN)],
            drops=[drop("blocked", "172.27.1.99:1", f"{NAT_B}:9443"), drop("blocked", f"{A}:1", STUN)],
        ),
        nat_b(
            mappings=[mapping("172.27.2.99:5", f"{NAT_B}:5", STUN)],
            drops=[drop("filtered", f"{NAT_A}:9443", f"{NAT_B}:5"), drop("filtered", f"{NAT_A}:1", f"{NAT_B}:9443")],
        ),
    )
    assert [one.findings for one in answer.directions] == [[], []]


def test_the_most_frequent_drop_comes_first_and_the_rest_is_counted() -> None:
    drops = [drop("no_mapping", f"{NAT_A}:{port}", f"{NAT_B}:9443", packets=port) for port in range(1, 21)]
    answer = asked(nat_a(), nat_b(drops=drops))
    assert [finding.packets for finding in answer.directions[0].findings] == list(range(20, 0, -1))
    assert "78 more packets in 12 other drops" in printed(answer)
    assert len(to_json(answer)["directions"][0]["findings"]) == 20
    assert to_json(answer)["directions"][0]["reasons"] == ["no_mapping"]


HOME_A, HOME_B, CGN = "100.64.0.31", "100.64.0.32", "172.29.0.21"
CARRIER = {
    "edge_a": {"lan_a": IPv4Address(A)},
    "edge_b": {"lan_b": IPv4Address(B)},
    "outside": {"public": IPv4Address("172.29.0.10")},
}


def carried(cgn: RouterState, home_a: RouterState, one: str, other: str) -> Answer:
    """Two homes behind one carrier's NAT."""
    scene = plan(
        host("cgn", {"public": CGN, "carrier": "100.64.0.3"}, "router", WAN="172.29.0.0/24", ADDRESSES="100.64.0.2/24"),
        host("home_a", {"carrier": HOME_A, "lan_a": "172.27.1.2"}, "router", WAN="100.64.0.0/24"),
        host("home_b", {"carrier": HOME_B, "lan_b": "172.27.2.2"}, "router", WAN="100.64.0.0/24"),
        host("outside", {"public": "172.29.0.10"}, "bootstrap"),
        host("edge_a", {"lan_a": A}),
        host("edge_b", {"lan_b": B}),
        networks=[
            network("public", "172.29.0.0/24"),
            network("carrier", "100.64.0.0/24", "100.64.0.2"),
            network("lan_a", "172.27.1.0/24", "172.27.1.2"),
            network("lan_b", "172.27.2.0/24", "172.27.2.2"),
        ],
    )
    states = {"cgn": cgn, "home_a": home_a, "home_b": state("home", HOME_B, "172.27.2.2")}
    return why(scene, states, CARRIER, one, other)


def test_a_socket_is_followed_through_two_nats() -> None:
    answer = carried(
        state(
            "cgnat",
            CGN,
            "100.64.0.3",
            mappings=[mapping(f"{HOME_A}:5000", f"{CGN}:40001", "172.29.0.99:1")],
            drops=[
                drop("filtered", "172.29.0.10:9443", f"{CGN}:40001", 4),
                drop("exhausted", f"{HOME_A}:5000", "172.29.0.10:9443", 2),
                drop("exhausted", f"{HOME_B}:5000", "172.29.0.10:9443", 9),
            ],
        ),
        state("home", HOME_A, "172.27.1.2", mappings=[mapping(f"{A}:9443", f"{HOME_A}:5000", "172.29.0.10:9443")]),
        "outside",
        "edge_a",
    )
    assert answer.nats == {"outside": [], "edge_a": ["home_a", "cgn"]}
    there, back = answer.directions
    assert [(one.router, one.reason, one.packets, one.certain) for one in there.findings] == [
        ("cgn", "filtered", 4, True)
    ]
    assert [(one.router, one.reason, one.packets, one.certain) for one in back.findings] == [
        ("cgn", "exhausted", 2, True)
    ]
    assert [one.router for one in back.translations] == ["home_a"]


@pytest.mark.parametrize(("hairpin", "meeting"), [("off", Meeting.RELAY), ("on", Meeting.DIRECT)])
def test_two_homes_of_one_carrier_meet_if_it_leads_back_in(hairpin: str, meeting: Meeting) -> None:
    cgn = state(f"cgnat,hairpin={hairpin}", CGN, "100.64.0.3")
    answer = carried(cgn, state("home", HOME_A, "172.27.1.2"), "edge_a", "edge_b")
    assert answer.prediction.meeting is meeting
    assert ("cgn" in answer.prediction.reason) == (hairpin == "off")


def test_two_hosts_in_one_network_have_no_nat_between_them() -> None:
    answer = asked(nat_a(), nat_b(), "edge_a", "edge_a")
    assert answer.prediction.meeting is Meeting.DIRECT and "no NAT" in answer.prediction.reason


def test_the_tree_tells_everything() -> None:
    shown = printed(
        asked(
            nat_a(mappings=[mapping(f"{A}:9443", f"{NAT_A}:9443", f"{NAT_B}:9443")]),
            nat_b("symmetric", drops=[drop("no_mapping", f"{NAT_A}:9443", f"{NAT_B}:9443", 7)]),
        )
    )
    for words in (
        "edge_a and edge_b  edge_a > nat_a | edge_b > nat_b",
        "their NATs allow: birthday",
        f"nat_a sent udp {A}:9443 out as {NAT_A}:9443, to {NAT_B}:9443",
        f"nat_b dropped 7 udp {NAT_A}:9443 -> {NAT_B}:9443: no_mapping",
        "(perhaps:",
        "no packet was dropped, and none was seen on its way out",
    ):
        assert words in shown
