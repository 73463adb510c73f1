"""The messages of RFC 8489, RFC 5780 and RFC 3489."""

import pytest
from aioice import stun as others
from hypothesis import given
from hypothesis import strategies as st

from macula.nat import stun
from macula.nat.stun import MAGIC_COOKIE, MAX_ATTRIBUTES, Endpoint, Kind, Message, StunError, Type

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
endpoints = st.builds(Endpoint, st.ip_addresses().map(str), st.integers(1, 65_535))
transactions = st.binary(min_size=12, max_size=12).map(lambda random: MAGIC_COOKIE + random)


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


@given(endpoints, transactions)
def test_addresses_keep_their_value(endpoint: Endpoint, transaction: bytes) -> None:
    plain = Message(Kind.SUCCESS, transaction, ((Type.MAPPED_ADDRESS, stun.address_value(endpoint)),))
    value = stun.xor_address_value(endpoint, transaction)
    masked = Message(Kind.SUCCESS, transaction, ((Type.XOR_MAPPED_ADDRESS, value),))

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


@pytest.mark.parametrize(
    "value", [b"", b"\0\1\0\x50\x7f\0\0\1\0\0\0\0", b"\0\2\0\x50\x7f\0\0\1", b"\0\2" + bytes(40), b"\0\3" + bytes(18)]
)
@pytest.mark.parametrize("kind", [Type.MAPPED_ADDRESS, Type.XOR_MAPPED_ADDRESS])
def test_an_address_that_is_none_is_refused(kind: Type, value: bytes) -> None:
    with pytest.raises(StunError, match="neither of IPv4 nor of IPv6"):
        _ = Message(Kind.SUCCESS, bytes(16), ((kind, value),)).mapped


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


# aioice.stun was written by others from the same RFCs.


@given(endpoints, transactions)
def test_others_understand_our_answers(endpoint: Endpoint, transaction: bytes) -> None:
    value = stun.xor_address_value(endpoint, transaction)
    origin = stun.address_value(endpoint)
    attributes = ((Type.XOR_MAPPED_ADDRESS, value), (Type.RESPONSE_ORIGIN, origin), (Type.OTHER_ADDRESS, origin))
    data = stun.encode(Message(Kind.SUCCESS, transaction, attributes))

    theirs = others.parse_message(data)

    assert (theirs.message_method, theirs.message_class) == (others.Method.BINDING, others.Class.RESPONSE)
    assert theirs.transaction_id == transaction[4:]
    assert theirs.attributes["XOR-MAPPED-ADDRESS"] == tuple(endpoint)
    assert theirs.attributes["RESPONSE-ORIGIN"] == theirs.attributes["OTHER-ADDRESS"] == tuple(endpoint)
    assert bytes(theirs) == data


@given(endpoints, transactions)
def test_we_understand_the_answers_of_others(endpoint: Endpoint, transaction: bytes) -> None:
    theirs = others.Message(others.Method.BINDING, others.Class.RESPONSE, transaction[4:])
    theirs.attributes["SOFTWARE"] = "made by others"
    theirs.attributes["XOR-MAPPED-ADDRESS"] = tuple(endpoint)
    theirs.attributes["RESPONSE-ORIGIN"] = tuple(endpoint)
    theirs.add_fingerprint()

    ours = stun.decode(bytes(theirs))

    assert (ours.kind, ours.transaction) == (Kind.SUCCESS, transaction)
    assert ours.mapped == ours.origin == endpoint


@given(transactions, st.sets(st.integers(0, 0x7FFF), max_size=8))
def test_others_understand_what_we_refuse(transaction: bytes, unknown: set[int]) -> None:
    listed = b"".join(kind.to_bytes(2) for kind in sorted(unknown))
    attributes = ((Type.ERROR_CODE, stun.error_value(420)), (Type.UNKNOWN_ATTRIBUTES, listed))

    theirs = others.parse_message(stun.encode(Message(Kind.ERROR, transaction, attributes)))

    assert theirs.message_class is others.Class.ERROR
    assert theirs.attributes["ERROR-CODE"] == (420, "Unknown Attribute")


def test_others_understand_our_questions() -> None:
    theirs = others.parse_message(stun.encode(stun.request(b"abcdefghijkl", stun.CHANGE_PORT)))

    assert (theirs.message_method, theirs.message_class) == (others.Method.BINDING, others.Class.REQUEST)
    assert theirs.attributes["CHANGE-REQUEST"] == 2
