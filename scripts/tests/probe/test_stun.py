"""The messages of RFC 8489, RFC 5780 and RFC 3489."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula_lab.probe import stun
from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.stun import MAGIC_COOKIE, MAX_ATTRIBUTES, Kind, Message, StunError, Type

# RFC 5769, section 2.2: a response with XOR-MAPPED-ADDRESS 192.0.2.1:32853.
RFC_5769_RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)

messages = st.builds(
    Message,
    st.sampled_from(Kind),
    st.binary(min_size=16, max_size=16),
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=8).map(tuple),
)
endpoints = st.builds(Endpoint, st.ip_addresses(v=4).map(str), st.integers(0, 65_535))


def test_the_example_of_the_rfc_is_understood() -> None:
    message = stun.decode(RFC_5769_RESPONSE)

    assert message.kind is Kind.SUCCESS
    assert message.mapped == Endpoint("192.0.2.1", 32_853)
    assert not message.classic


@given(messages)
def test_what_is_encoded_is_decoded(message: Message) -> None:
    assert stun.decode(stun.encode(message)) == message


@given(st.binary(max_size=200))
def test_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        message = stun.decode(data)
    except StunError:
        return
    assert len(stun.encode(message)) == len(data)


@given(messages, st.data())
def test_a_message_that_was_cut_is_refused(message: Message, data: st.DataObject) -> None:
    whole = stun.encode(message)
    length = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(StunError):
        stun.decode(whole[:length])


@given(endpoints)
def test_addresses_keep_their_value(endpoint: Endpoint) -> None:
    plain = Message(Kind.SUCCESS, bytes(16), ((Type.MAPPED_ADDRESS, stun.address_value(endpoint)),))
    masked = Message(Kind.SUCCESS, bytes(16), ((Type.XOR_MAPPED_ADDRESS, stun.xor_address_value(endpoint)),))

    assert plain.mapped == masked.mapped == endpoint
    assert plain.attributes[0][1] != masked.attributes[0][1]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (bytes(19), "19 bytes"),
        (bytes(1300), "1300 bytes"),
        (b"\0\3" + bytes(18), "type 0x0003"),
        (b"\0\1\0\2" + bytes(18), "says 2 bytes"),
        (b"\0\1\0\x04" + bytes(16) + b"\0\3\0\x08", "0x0003 goes beyond the end"),
        (b"\0\1" + (4 * MAX_ATTRIBUTES + 4).to_bytes(2) + bytes(16 + 4 * MAX_ATTRIBUTES + 4), "more than 32"),
    ],
)
def test_what_is_wrong_with_a_message_is_told(data: bytes, complaint: str) -> None:
    with pytest.raises(StunError, match=complaint):
        stun.decode(data)


@pytest.mark.parametrize("value", [b"", b"\0\1\0\x50\x7f\0\0\1\0\0\0\0", b"\0\2\0\x50\x7f\0\0\1"])
def test_an_address_that_is_not_ipv4_is_refused(value: bytes) -> None:
    with pytest.raises(StunError, match="not IPv4"):
        stun.read_address(value)


def test_a_request_says_what_to_change() -> None:
    asked = stun.decode(stun.encode(stun.request(bytes(12), stun.CHANGE_ADDRESS | stun.CHANGE_PORT)))

    assert asked.transaction == MAGIC_COOKIE + bytes(12)
    assert asked.change == stun.CHANGE_ADDRESS | stun.CHANGE_PORT
    assert stun.request(bytes(12)).change == 0


def test_malformed_change_request_and_response_port_are_refused() -> None:
    with pytest.raises(StunError, match="CHANGE-REQUEST"):
        _ = Message(Kind.REQUEST, bytes(16), ((Type.CHANGE_REQUEST, b"\0"),)).change
    for value in (b"\0", b"\0\0", b"\0\0\0\0"):
        with pytest.raises(StunError, match="RESPONSE-PORT"):
            _ = Message(Kind.REQUEST, bytes(16), ((Type.RESPONSE_PORT, value),)).response_port
