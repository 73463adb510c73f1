"""The datagrams of probes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.core.address import Address
from macula.nat.punching.probe import (
    FIRST_BYTE,
    SIZE,
    Probe,
    ProbeKind,
    direction_key,
    is_probe,
    receiver_of,
    seal,
    unseal,
)

KEY = bytes(32)
TO = b"receiver"
REQUEST = Probe(ProbeKind.REQUEST, 7, b"transact", None)

hosts = st.ip_addresses().map(str)
addresses = st.builds(lambda host, port: Address(host, port), hosts, st.integers(1, 65_535))
probes = st.builds(
    lambda sequence, transaction, observed: Probe(
        ProbeKind.REQUEST if observed is None else ProbeKind.RESPONSE, sequence, transaction, observed
    ),
    st.integers(0, 2**32 - 1),
    st.binary(min_size=8, max_size=8),
    st.none() | addresses,
)


@given(probes)
def test_a_probe_comes_back_as_it_was(probe: Probe) -> None:
    data = seal(probe, TO, KEY)
    assert len(data) == SIZE
    assert data[0] == FIRST_BYTE
    assert is_probe(data)
    assert receiver_of(data) == TO
    assert unseal(data, KEY) == probe


@given(probes, st.integers(0, SIZE - 1), st.integers(1, 255))
def test_any_changed_byte_is_seen(probe: Probe, place: int, change: int) -> None:
    data = bytearray(seal(probe, TO, KEY))
    data[place] ^= change
    assert unseal(bytes(data), KEY) is None


@given(st.binary(max_size=100) | st.binary(min_size=SIZE, max_size=SIZE))
def test_other_bytes_are_no_probe(data: bytes) -> None:
    assert unseal(data, KEY) is None
    assert not is_probe(data[: SIZE - 1])


@pytest.mark.parametrize(
    "probe",
    [Probe(ProbeKind.RESPONSE, 1, bytes(8), None), Probe(ProbeKind.REQUEST, 1, bytes(8), Address("1.2.3.4", 5))],
)
def test_a_response_says_what_it_observed_and_a_request_does_not(probe: Probe) -> None:
    assert unseal(seal(probe, TO, KEY), KEY) is None


def test_each_direction_has_its_own_key() -> None:
    secret, a, b = b"\x07" * 32, b"\x01" * 32, b"\x02" * 32
    keys = {direction_key(secret, a, b), direction_key(secret, b, a), direction_key(b"\x08" * 32, a, b)}
    assert len(keys) == 3
    assert unseal(seal(REQUEST, TO, direction_key(secret, a, b)), direction_key(secret, b, a)) is None


def test_the_observed_address_is_not_found_in_the_bytes() -> None:
    probe = Probe(ProbeKind.RESPONSE, 1, b"\x5a" * 8, Address("203.0.113.7", 9443))
    assert bytes([203, 0, 113, 7]) not in seal(probe, TO, KEY)


def test_the_layout_does_not_change() -> None:
    probe = Probe(ProbeKind.RESPONSE, 0x01020304, bytes(range(8)), Address("203.0.113.7", 9443))
    assert (
        seal(probe, TO, KEY).hex()
        == (
            "2102" + TO.hex() + "01020304" + "0001020304050607"
            "0425e1c8047401070001020304050607000102"  # 4, port, address and padding, masked
            "fdaba7bb86dfe771f98d59892169120f"
        )
    )
