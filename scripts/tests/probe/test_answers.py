"""What a server with two addresses and two ports answers (RFC 5780, section 6)."""

from itertools import product

import pytest
from macula.nat import stun
from macula.nat.stun import CHANGE_ADDRESS, CHANGE_PORT, Kind, Message, Type

from macula_lab.probe.answers import Answer, Places, answer
from macula_lab.probe.endpoint import Endpoint

PLACES = Places(("192.0.2.1", "192.0.2.2"), (3478, 3479))
HERE = Endpoint("192.0.2.1", 3478)
THERE = Endpoint("192.0.2.2", 3479)
CLIENT = Endpoint("198.51.100.7", 40_000)


def ask(message: Message, place: Endpoint = HERE) -> tuple[Answer, Message]:
    told = answer(stun.encode(message), CLIENT, place, PLACES)
    assert told
    return told, stun.decode(told.data)


@pytest.mark.parametrize(("place", "change"), list(product(PLACES.all(), (0, CHANGE_PORT, CHANGE_ADDRESS, 6))))
def test_the_answer_comes_from_where_it_was_asked_to(place: Endpoint, change: int) -> None:
    told, message = ask(stun.request(bytes(12), change), place)

    assert (told.origin.address != place.address) == bool(change & CHANGE_ADDRESS)
    assert (told.origin.port != place.port) == bool(change & CHANGE_PORT)
    assert told.origin in PLACES.all()
    assert message.origin == told.origin
    assert told.destination == CLIENT


@pytest.mark.parametrize("port", PLACES.ports)
def test_the_other_address_is_other_in_both(port: int) -> None:
    _, message = ask(stun.request(bytes(12)), Endpoint(PLACES.addresses[0], port))

    assert message.other
    assert message.other.address == PLACES.addresses[1]
    assert {message.other.port, port} == set(PLACES.ports)


def test_the_second_address_leads_to_its_own_other_port_as_coturn_does() -> None:
    _, message = ask(stun.request(bytes(12)), Endpoint(PLACES.addresses[1], 3478))

    assert message.other == THERE


def test_the_client_learns_where_it_was_seen() -> None:
    asked = stun.request(b"abcdefghijkl")

    _, message = ask(asked)

    assert message.kind is Kind.SUCCESS
    assert message.transaction == asked.transaction
    assert message.mapped == CLIENT
    assert message.value(Type.MAPPED_ADDRESS) == stun.address_value(CLIENT)
    assert message.value(Type.XOR_MAPPED_ADDRESS) == stun.xor_address_value(CLIENT, message.transaction)


def test_an_old_client_gets_the_attributes_it_knows() -> None:
    _, message = ask(Message(Kind.REQUEST, bytes(16)))

    assert message.classic
    assert [kind for kind, _ in message.attributes] == [
        Type.MAPPED_ADDRESS,
        Type.SOURCE_ADDRESS,
        Type.CHANGED_ADDRESS,
    ]
    assert (message.mapped, message.origin, message.other) == (CLIENT, HERE, THERE)


def test_the_answer_goes_to_another_port_when_that_is_asked() -> None:
    told, _ = ask(Message(Kind.REQUEST, bytes(16), ((Type.RESPONSE_PORT, (41_000).to_bytes(2)),)))

    assert told.destination == Endpoint(CLIENT.address, 41_000)


def test_what_must_be_understood_and_is_not_is_named() -> None:
    unknown = ((0x7F00, b""), (0x0002, b""), (0x8000, b""))

    told, message = ask(Message(Kind.REQUEST, bytes(16), unknown))

    assert told.origin == HERE
    assert message.kind is Kind.ERROR
    assert message.value(Type.ERROR_CODE) == b"\0\0\x04\x14Unknown Attribute"
    assert message.value(Type.UNKNOWN_ATTRIBUTES) == b"\x00\x02\x7f\x00"


@pytest.mark.parametrize(
    "data",
    [
        b"no STUN at all, but long enough",
        stun.encode(Message(Kind.SUCCESS, bytes(16))),
        stun.encode(Message(Kind.INDICATION, bytes(16))),
        stun.encode(Message(Kind.REQUEST, bytes(16), ((Type.CHANGE_REQUEST, b"\0"),))),
    ],
)
def test_what_is_no_request_gets_no_answer(data: bytes) -> None:
    assert answer(data, CLIENT, HERE, PLACES) is None
