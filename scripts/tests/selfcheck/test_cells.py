"""The grid has every kind of NAT."""

from itertools import product

from macula.nat.profile import PRESETS, Filtering, Input, Mapping, Ports, Udp, parse

from macula_lab.probe.checks import Check
from macula_lab.selfcheck.cells import LIFETIME, Cell, cells


def group(name: str) -> list[Cell]:
    return [cell for cell in cells() if cell.group == name]


def test_every_class_is_there_with_and_without_hairpin() -> None:
    found = [(nat.mapping, nat.filtering, nat.ports, nat.hairpin) for nat in (cell.nat for cell in group("class"))]

    assert sorted(found) == sorted(product(Mapping, Filtering, Ports, (False, True)))


def test_every_preset_is_there() -> None:
    assert [cell.called for cell in group("preset")] == list(PRESETS)


def test_every_firewall_and_input_policy_is_there() -> None:
    assert {cell.nat.udp for cell in group("firewall")} == set(Udp)
    assert {cell.nat.input for cell in group("input")} == {Input.ACCEPT}


def test_lifetimes_are_waited_for() -> None:
    assert LIFETIME >= 10
    assert all(cell.checks == {Check.IDLE} and cell.nat.lifetime == LIFETIME for cell in group("lifetime"))


def test_ports_and_flows_are_used_up() -> None:
    assert {check for cell in group("exhaustion") for check in cell.checks} == {Check.CROWD, Check.SESSIONS}


def test_two_nats_in_a_row_look_like_one() -> None:
    cell = Cell("carrier", "home", "symmetric")

    assert cell.nat.mapping is Mapping.ADDRESS_AND_PORT_DEPENDENT
    assert not cell.nat.hairpin
    assert cell.title == "home behind symmetric"
    assert any(parse(one.outer).ports is Ports.BLOCK for one in group("carrier"))


def test_no_cell_is_there_twice() -> None:
    found = [(cell.title, cell.checks) for cell in cells() if cell.group != "preset"]

    assert len(set(found)) == len(found)
