"""Cutting networks off."""

from ipaddress import IPv4Network

from macula_lab.router.partition import render, rules

LAN, OTHER = IPv4Network("10.9.1.0/24"), IPv4Network("10.9.2.0/24")


def test_both_directions_are_cut_and_counted() -> None:
    found = {rule.name: rule.text for rule in rules((LAN, OTHER))}
    assert found["cut_arriving"] == "ip saddr { 10.9.1.0/24, 10.9.2.0/24 } counter goto partitioned"
    assert found["cut_leaving"] == "ip daddr { 10.9.1.0/24, 10.9.2.0/24 } counter goto partitioned"
    assert found["drop_partitioned"] == "counter drop"
    assert "update @partitioned" in found["record_partitioned"]


def test_another_network_keeps_what_is_on_record() -> None:
    text = render((LAN, OTHER))
    assert "flush table ip macula_partition" in text
    assert "delete" not in text


def test_without_networks_the_table_goes() -> None:
    assert render(()) == "table ip macula_partition\ndelete table ip macula_partition"
