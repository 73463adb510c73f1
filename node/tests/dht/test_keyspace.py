from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from macula.core.address import Address
from macula.dht.keyspace import bucket_index, key_position, position, prefixes, random_in_bucket, to_key
from macula.identity import NodeId

from .toy import toy_info

places = st.integers(0, 2**256 - 1)


@given(places, st.integers(0, 255), st.integers(0, 1000))
def test_a_random_place_of_a_bucket_is_in_it(own: int, index: int, seed: int) -> None:
    assert bucket_index(own, random_in_bucket(own, index, random.Random(seed))) == index


@given(places)
def test_a_place_survives_the_wire_and_is_in_no_bucket_of_its_own(place: int) -> None:
    assert key_position(to_key(place)) == place
    assert bucket_index(place, place) == -1


def test_position_is_the_hash_of_the_id() -> None:
    node = NodeId(bytes(range(32)))
    assert position(node) == node.position


def test_only_globally_routable_addresses_have_a_prefix() -> None:
    addresses = ("172.21.0.31", "8.8.8.8", "8.8.8.9", "9.9.9.9", "fe80::1", "2001:4860:4860:12::1")
    info = replace(toy_info(1), addresses=tuple(Address(host, 9443) for host in addresses))
    assert prefixes(info) == {"8.8.8.0/24", "9.9.9.0/24", "2001:4860:4860::/56"}
