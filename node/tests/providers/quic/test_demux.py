from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from macula.core.address import Address
from macula.core.effects import ClosePeer
from macula.providers.quic.demux import Grave, destination_id, is_ours, is_quic, parse_header
from macula.wire import codes

from .network import Network


@given(st.binary(min_size=1, max_size=100))
def test_the_connection_id_found_quickly_is_the_one_in_the_header(data: bytes) -> None:
    header = parse_header(data)
    if header is not None and is_quic(data):
        assert destination_id(data) == header.destination_cid


def test_first_bytes_of_other_protocols_are_not_quic() -> None:
    assert not any(is_quic(bytes([first]) + bytes(30)) for first in range(0x40))
    assert not is_quic(b"")


def test_stun_and_probes_are_told_from_everything_else_by_the_first_byte() -> None:
    assert [first for first in range(256) if is_ours(bytes([first]))] == [*range(4), *range(0x21, 0x30)]
    assert not is_ours(b"")


def test_last_words_are_repeated_less_and_less_often() -> None:
    farewell = ((b"bye", Address("192.0.2.1", 1)),)
    grave = Grave(farewell)
    assert [bool(grave.visit()) for _ in range(8)] == [True, True, False, True, False, False, False, True]


def test_a_peer_that_missed_the_close_learns_of_it_with_its_next_packet() -> None:
    net = Network()
    a, b = net.pair()
    net.tap = lambda data, source, target: source != a.address
    a.do(ClosePeer(b.id, codes.EVICTED, "made room"))
    net.run(2.0)
    assert not b.lost
    net.tap = lambda data, source, target: True
    b.do(ClosePeer(a.id, codes.IDLE, "not used"))
    net.run(0.5)
    assert b.endpoint.connections == 0
    net.run(5.0)
    assert a.endpoint.connection_ids == b.endpoint.connection_ids == 0
