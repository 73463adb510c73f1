"""What nft's JSON, captured from nft 1.0.6, tells about mappings, drops and rules."""

from pathlib import Path

from macula_lab.router.listing import Listing, drops, mappings, parse

TABLE = parse(Path(__file__).with_name("nft_table.json").read_text())


def test_rules_are_counted_by_their_names() -> None:
    assert TABLE.packets == {"mapped": 6, "preserve": 1, "drop_no_mapping": 1, "no_mapping": 1, "udp_out": 8}


def test_a_rule_that_stands_several_times_counts_as_one() -> None:
    rule = '{"rule": {"comment": "walk", "expr": [{"counter": {"packets": %d, "bytes": 9}}]}}'
    assert parse(f'{{"nftables": [{rule % 2}, {rule % 3}]}}').packets == {"walk": 5}


def test_flows_of_one_mapping_are_its_remotes() -> None:
    first, second = mappings(TABLE, "203.0.113.21")
    assert (first["inside"], first["outside"]) == ("10.9.1.11:5000", "203.0.113.21:5000")
    assert (second["inside"], second["outside"]) == ("10.9.1.12:5000", "203.0.113.21:34932")
    four = ["203.0.113.10:3478", "203.0.113.10:3479", "203.0.113.10:9", "203.0.113.11:3478"]
    assert first["remotes"] == second["remotes"] == four
    assert (first["protocol"], first["expires"]) == ("udp", 117)


def test_a_socket_with_several_outside_ports_has_several_mappings() -> None:
    flows = [
        {"elem": {"val": {"concat": ["10.9.1.11", 5000, port, "203.0.113.10", 3478]}, "expires": 9}}
        for port in (41000, 40000)
    ]
    found = mappings(Listing(sets={"udp_flows": flows[:1], "tcp_flows": flows[1:]}), "203.0.113.21")
    assert [(one["protocol"], one["outside"]) for one in found] == [
        ("tcp", "203.0.113.21:40000"),
        ("udp", "203.0.113.21:41000"),
    ]


def test_drops_carry_their_reason_and_addresses() -> None:
    filtered, nobody = drops(TABLE)
    assert nobody == {
        "reason": "no_mapping",
        "protocol": "udp",
        "source": "203.0.113.10:777",
        "destination": "203.0.113.21:6",
        "packets": 1,
        "bytes": 29,
        "expires": 599,
    }
    assert (filtered["reason"], filtered["destination"], filtered["packets"]) == ("filtered", "203.0.113.21:5000", 3)


def test_nothing_is_reported_of_an_empty_table() -> None:
    assert mappings(Listing(), "203.0.113.21") == drops(Listing()) == []


def test_protocols_have_their_names_where_nft_only_knows_numbers() -> None:
    packets = [
        {"elem": {"val": {"concat": [number, "10.9.1.11", 1, "10.9.1.12", 2]}, "counter": {"packets": 1, "bytes": 2}}}
        for number in (6, 17)
    ]
    for element in packets:
        element["elem"]["expires"] = 9
    assert [drop["protocol"] for drop in drops(Listing(sets={"filtered": packets}))] == ["tcp", "udp"]
