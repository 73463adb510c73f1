import pytest

from macula_lab.errors import LabError
from macula_lab.matrix.cells import NAMED, Cell, cells, kinds, quirky
from macula_lab.mesh.expectation import Path
from matrix_builders import cell


def test_every_ordered_pair_of_nine_kinds() -> None:
    pairs = list(cells(kinds()))
    assert len(NAMED) == 9 and len(pairs) == len(set(pairs)) == 81


def test_as_many_pairs_are_direct_as_nats_allow() -> None:
    """19 of the 28 pairs of seven textbook kinds without port prediction, which adds those of a sequential NAT."""
    seven = ["none", "full_cone", "restricted", "port_restricted", "adm", "symmetric", "symmetric_sequential"]
    direct = {
        frozenset((pair.first.name, pair.second.name)) for pair in cells(kinds(seven)) if pair.expected == Path.DIRECT
    }
    guessed = {frozenset(("port_restricted", "symmetric_sequential")), frozenset(("symmetric_sequential",))}
    assert guessed < direct and len(direct - guessed) == 19


@pytest.mark.parametrize(
    ("first", "second", "path"),
    [
        ("none", "symmetric", Path.DIRECT),
        ("restricted", "symmetric", Path.DIRECT),
        ("port_restricted", "symmetric", Path.RELAYED),
        ("port_restricted", "cgnat", Path.DIRECT),
        ("symmetric", "symmetric", Path.RELAYED),
        ("none", "udp_blocked", Path.RELAYED),
    ],
)
def test_the_expected_path_is_the_same_for_either_order(first: str, second: str, path: str) -> None:
    assert (cell(first, second).expected, cell(second, first).expected) == (path, path)


def test_kinds_are_named_as_anywhere_in_the_lab() -> None:
    assert [kind.nat for kind in kinds(["port-restricted", "adm", "home,lifetime=30"])] == [
        "port_restricted",
        NAMED["adm"],
        "home,lifetime=30",
    ]
    with pytest.raises(LabError, match=r"--kinds: .*conical.*\n.*choose of: none, full_cone"):
        kinds(["conical"])


def test_pairs_can_be_chosen_by_the_path_that_they_must_end_on() -> None:
    direct, relayed = list(cells(kinds(), Path.DIRECT)), list(cells(kinds(), Path.RELAYED))
    assert {cell.expected for cell in direct} == {Path.DIRECT}
    assert len(direct) == 48 and len(relayed) == 33


def test_two_nats_that_a_packet_spoils_do_not_decide_the_path_alone() -> None:
    plain, other = kinds(["port_restricted", "restricted"])
    assert quirky(plain).nat == "port_restricted,input=accept"
    assert Cell(quirky(plain), other).decided and Cell(plain, quirky(other)).decided
    assert not Cell(quirky(plain), quirky(other)).decided
    with pytest.raises(LabError, match="a plain router has no"):
        quirky(*kinds(["none"]))
