"""What findings mean, by the table."""

from __future__ import annotations

import pytest

from macula.core.address import Address
from macula.nat.detection.findings import Asking, Findings
from macula.nat.detection.judgement import judge, mapping_of, ports_of
from macula.nat.info import NatType
from macula.nat.profile import Filtering, Mapping, Ports

A, A2, B, B2 = (Address(host, port) for host in ("192.0.2.1", "192.0.2.2") for port in (9443, 9444))
EIM, ADM, APDM = Mapping


def asking(*outside: int, local: int = 5000, places: tuple[Address, ...] = (A, A2, B, B2)) -> Asking:
    """A socket, and the outside ports that the places saw."""
    seen = {place: Address("198.51.100.7", port) for place, port in zip(places, outside, strict=False)}
    return Asking(Address("10.0.0.2", local), seen)


@pytest.mark.parametrize(
    ("askings", "mapping"),
    [
        ([], None),
        ([asking(1)], None),
        ([asking(1, 1)], None),
        ([asking(1, 2)], APDM),
        ([asking(1, 1, 1, 1), asking(2, 2, 2, 2)], EIM),
        ([asking(1, 1, 2, 2), asking(3, 3, 4, 4)], ADM),
        ([asking(1, 2, 3, 4), asking(5, 6, 7, 8)], APDM),
        ([asking(1, 1, 3, 4), asking(5, 6, 7, 8)], APDM),
        ([asking(1, 1, 3, 3), asking(5, 6, 7, 8)], APDM),
        ([asking(1, 1, places=(A, B))], EIM),
        ([asking(1, 2, places=(A, B))], APDM),
        ([asking(1, 1, 2, places=(A, A2, B))], ADM),
    ],
)
def test_mapping(askings: list[Asking], mapping: Mapping | None) -> None:
    assert mapping_of(askings) is mapping


@pytest.mark.parametrize(
    ("outside", "ports", "delta"),
    [
        ([], None, None),
        ([7000, 9000, 11000], None, None),
        ([7000, 7001, 7002, 7003], Ports.SEQUENTIAL, 1),
        ([7000, 7002, 7004, 7006], Ports.SEQUENTIAL, 2),
        ([7000, 7001, 7002, 7040, 7041, 7042], Ports.SEQUENTIAL, 1),
        ([65534, 65535, 1024, 1025, 1026], Ports.SEQUENTIAL, 1),
        ([7000, 7001, 7040, 7041, 9042, 7003, 61, 7], Ports.RANDOM, None),
        ([7000, 33000, 12000, 60000], Ports.RANDOM, None),
        ([40003, 40060, 40001, 40033, 40010], Ports.BLOCK, None),
        ([40003, 40060, 40001, 40033], Ports.RANDOM, None),
    ],
)
def test_ports(outside: list[int], ports: Ports | None, delta: int | None) -> None:
    told = ports_of([asking(port, local=50_000 + index) for index, port in enumerate(outside)])

    assert told[:2] == (ports, delta)
    assert told[2] == ((40001, 40060) if ports is Ports.BLOCK else None)


def test_a_port_that_is_taken_does_not_hide_that_ports_are_kept() -> None:
    kept = [asking(port, local=port) for port in (5000, 5001, 5002)]
    assert ports_of([*kept, asking(1234, local=5003)]) == (Ports.PRESERVE, None, None)
    assert ports_of([kept[0], asking(1234, local=5003)])[0] is None


@pytest.mark.parametrize(
    ("port", "address", "filtering", "kind"),
    [
        (True, True, Filtering.ENDPOINT_INDEPENDENT, NatType.FULL_CONE),
        (None, True, Filtering.ENDPOINT_INDEPENDENT, NatType.FULL_CONE),
        (True, False, Filtering.ADDRESS_DEPENDENT, NatType.RESTRICTED),
        (False, False, Filtering.ADDRESS_AND_PORT_DEPENDENT, NatType.PORT_RESTRICTED),
        (False, None, Filtering.ADDRESS_AND_PORT_DEPENDENT, NatType.PORT_RESTRICTED),
        (True, None, None, NatType.UNKNOWN),
        (None, False, None, NatType.UNKNOWN),
        (None, None, None, NatType.UNKNOWN),
    ],
)
def test_filtering(port: bool | None, address: bool | None, filtering: Filtering | None, kind: NatType) -> None:
    mesh = {place: Address("198.51.100.7", 9443) for place in (A, B)}
    info = judge(Findings((A, B), mesh, [asking(1, 1, 1, 1)], True, port, address, turned=True), 3.0)

    assert (info.filtering, info.type, info.hairpin, info.at) == (filtering, kind, True, 3.0)
    assert info.public == Address("198.51.100.7", 9443)
