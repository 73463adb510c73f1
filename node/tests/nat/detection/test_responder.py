"""The STUN server: RFC 8489, 5780 and 3489 clients, and everybody else."""

from __future__ import annotations

import random

import pytest
from aioice import stun as others
from hypothesis import given
from hypothesis import strategies as st

from macula.core.address import Address
from macula.core.effects import OpenSocket, SendBeside, SendDatagram, Trace
from macula.core.events import DatagramReceived, SocketFailed, SocketOpened
from macula.core.lanes import Lane
from macula.core.requests import PeerDown, Received, SelfChanged, SendTo
from macula.nat import stun
from macula.nat.detection.service import Nat
from macula.nat.settings import NatSettings
from macula.nat.stun import CHANGE_ADDRESS, CHANGE_PORT, MAGIC_COOKIE, Endpoint, Kind, Message, StunError, Type
from macula.wire.messages import ObserverAsk, ObserverTold

from .scene import WALL, identity, peer_info, peer_up

CLIENT = Address("203.0.113.5", 40_000)
SERVER = "192.0.2.1"
SECOND = "192.0.2.99"


class Server:
    """A NAT service that answers, told events by hand; its sockets open at once."""

    def __init__(self, settings: NatSettings | None = None, own: str = "0.0.0.0") -> None:
        self.now = 100.0
        self.service = Nat(settings or NatSettings(answers=True), random.Random(1))
        self.service.handle(SelfChanged(peer_info(SERVER)), self.now, WALL)
        self.sockets = self.service.handle(SocketOpened(0, Address(own, 9443)), self.now, WALL)
        for action in self.sockets:
            assert isinstance(action, OpenSocket)
            event = SocketOpened(action.number, Address(action.host or own, action.port))
            assert self.service.handle(event, self.now, WALL) == []

    def ask(self, data: bytes, source: Address = CLIENT, socket: int = 0) -> SendDatagram | None:
        actions = self.service.handle(DatagramReceived(source, data, socket), self.now, WALL)
        assert len(actions) <= 1
        if not actions:
            return None
        (action,) = actions
        if isinstance(action, Trace):
            assert action.fields["limit"] == "stun"
            return None
        assert isinstance(action, SendDatagram)
        assert action.target == source, "an answer goes to where the question came from"
        return action


@pytest.fixture
def server() -> Server:
    return Server()


def request(change: int = 0, transaction: bytes = b"abcdefghijkl") -> bytes:
    return stun.encode(stun.request(transaction, change))


def answered(answer: SendDatagram | None) -> Message:
    assert answer is not None
    return stun.decode(answer.data)


@pytest.mark.parametrize("source", [CLIENT, Address("2001:db8::5", 40_000)])
def test_it_says_where_a_request_came_from(server: Server, source: Address) -> None:
    answer = answered(server.ask(request(), source))

    assert (answer.kind, answer.transaction) == (Kind.SUCCESS, MAGIC_COOKIE + b"abcdefghijkl")
    assert answer.mapped == Endpoint(source.host, source.port)
    assert answer.value(Type.MAPPED_ADDRESS) is None
    assert answer.origin == (Endpoint(SERVER, 9443) if source is CLIENT else None)
    assert answer.other is None, "there is no second address (RFC 5780, section 7.4)"


def test_a_client_by_others_is_content(server: Server) -> None:
    asking = others.Message(others.Method.BINDING, others.Class.REQUEST)
    asking.attributes["SOFTWARE"] = "made by others"
    asking.add_fingerprint()

    answer = server.ask(bytes(asking))
    assert answer is not None
    theirs = others.parse_message(answer.data)

    assert theirs.transaction_id == asking.transaction_id
    assert theirs.attributes["XOR-MAPPED-ADDRESS"] == (CLIENT.host, CLIENT.port)
    assert theirs.attributes["RESPONSE-ORIGIN"] == (SERVER, 9443)


def test_a_client_of_1990s_manners_is_answered_in_its_words(server: Server) -> None:
    asked = Message(Kind.REQUEST, bytes(16))
    answer = answered(server.ask(stun.encode(asked)))

    assert answer.classic and answer.transaction == bytes(16)
    assert [kind for kind, _ in answer.attributes] == [Type.MAPPED_ADDRESS, Type.SOURCE_ADDRESS]
    assert answer.mapped == Endpoint(CLIENT.host, CLIENT.port)


def test_it_answers_from_the_other_port_on_demand(server: Server) -> None:
    assert server.sockets == [OpenSocket(1, 9444)]
    for arrived_at, sent_from in ((0, 1), (1, 0)):
        answer = server.ask(request(CHANGE_PORT), socket=arrived_at)
        assert answer is not None and answer.socket == sent_from
        assert answered(answer).origin == Endpoint(SERVER, (9443, 9444)[sent_from])


@pytest.mark.parametrize("change", [CHANGE_ADDRESS, CHANGE_ADDRESS | CHANGE_PORT])
def test_without_a_second_address_it_does_not_know_how_to_change_it(server: Server, change: int) -> None:
    answer = server.ask(request(change))

    assert answer is not None and answer.socket == 0
    theirs = others.parse_message(answer.data)
    assert theirs.message_class is others.Class.ERROR
    assert theirs.attributes["ERROR-CODE"][0] == 420


@pytest.mark.parametrize("change", range(0, 8, 2))
@pytest.mark.parametrize("socket", range(4))
def test_with_a_second_address_it_is_a_whole_server(socket: int, change: int) -> None:
    server = Server(NatSettings(answers=True, other_host=SECOND), SERVER)
    assert server.sockets == [OpenSocket(1, 9444), OpenSocket(2, 9443, SECOND), OpenSocket(3, 9444, SECOND)]

    answer = server.ask(request(change), socket=socket)

    assert answer is not None
    flipped = (2 if change & CHANGE_ADDRESS else 0) | (1 if change & CHANGE_PORT else 0)
    assert answer.socket == socket ^ flipped
    told = answered(answer)
    places = [Endpoint(SERVER, 9443), Endpoint(SERVER, 9444), Endpoint(SECOND, 9443), Endpoint(SECOND, 9444)]
    assert told.origin == places[answer.socket]
    assert told.other == places[3 if socket % 2 == 0 else 2]


def test_unknown_attributes_that_must_be_understood_are_refused(server: Server) -> None:
    kinds = [0x0027, 0x0026, 0x7FFF]  # RESPONSE-PORT, PADDING and nothing
    asked = Message(Kind.REQUEST, MAGIC_COOKIE + bytes(12), tuple((kind, b"\0\0\0\0") for kind in [*kinds, 0x8FFF]))

    answer = server.ask(stun.encode(asked))

    assert answer is not None
    theirs = others.parse_message(answer.data)
    assert theirs.attributes["ERROR-CODE"] == (420, "Unknown Attribute")
    listed = stun.decode(answer.data).value(Type.UNKNOWN_ATTRIBUTES) or b""
    assert [int.from_bytes(listed[i : i + 2]) for i in range(0, len(listed), 2)] == sorted(kinds)


@given(st.binary(max_size=64) | st.binary(max_size=40).map(lambda tail: request()[:20] + tail))
def test_any_bytes_are_answered_by_little_or_by_nothing(data: bytes) -> None:
    answer = Server().ask(data)

    assert answer is None or len(answer.data) <= max(len(data) + 36, 56)


messages = st.builds(
    Message,
    st.sampled_from(Kind),
    st.binary(min_size=12, max_size=12).map(lambda rest: MAGIC_COOKIE + rest) | st.binary(min_size=16, max_size=16),
    st.lists(st.tuples(st.sampled_from(Type) | st.integers(0, 0xFFFF), st.binary(max_size=24)), max_size=32).map(tuple),
)


@given(messages, st.booleans(), st.integers(0, 3))
def test_any_message_is_answered_by_little_or_by_nothing(message: Message, whole: bool, socket: int) -> None:
    server = Server(NatSettings(answers=True, other_host=SECOND if whole else None), SERVER)
    data = stun.encode(message)
    answer = server.ask(data, socket=socket)

    if answer is None:
        malformed = False
        try:
            _ = message.change
        except StunError:
            malformed = True
        assert message.kind is not Kind.REQUEST or malformed
        return
    assert len(answer.data) <= len(data) + 52
    assert stun.decode(answer.data).transaction == message.transaction
    others.parse_message(answer.data) if not message.classic else None


def test_a_node_that_does_not_serve_says_nothing() -> None:
    server = Server(NatSettings(answers=False, other_host=SECOND))

    assert server.sockets == []
    assert server.ask(request()) is None


def test_sockets_that_are_for_measurements_answer_nobody(server: Server) -> None:
    assert server.ask(request(), socket=4) is None
    assert server.ask(request(CHANGE_PORT), socket=20) is None


@pytest.mark.parametrize("kind", [Kind.INDICATION, Kind.SUCCESS, Kind.ERROR])
def test_only_requests_are_answered(server: Server, kind: Kind) -> None:
    assert server.ask(stun.encode(Message(kind, MAGIC_COOKIE + bytes(12)))) is None


def test_one_network_gets_so_many_answers_and_no_more(server: Server) -> None:
    settings = NatSettings()
    answers = [server.ask(request(), Address(f"203.0.113.{index % 250}", 1000)) for index in range(1000)]
    assert sum(answer is not None for answer in answers) == settings.burst
    assert server.ask(request(), Address("198.51.100.1", 1000)) is not None
    server.now += 1.0
    later = [server.ask(request(), CLIENT) for _ in range(200)]
    assert sum(answer is not None for answer in later) == settings.rate


def test_all_networks_together_get_so_many_answers_and_no_more(server: Server) -> None:
    rng = random.Random(1)
    answers = [
        server.ask(request(), Address(f"{rng.randrange(1, 200)}.{rng.randrange(256)}.9.1", 5)) for _ in range(6000)
    ]
    assert sum(answer is not None for answer in answers) == NatSettings().total_burst


def test_a_port_that_is_taken_is_told() -> None:
    server = Server()
    assert server.service.handle(SocketFailed(1, "Address already in use"), 1.0, WALL) == [
        Trace("stun.port_failed", {"reason": "Address already in use"})
    ]


@pytest.mark.parametrize(
    ("port", "wanted"), [(0, []), (9443, []), (None, [OpenSocket(1, 9444)]), (7, [OpenSocket(1, 7)])]
)
def test_the_second_port_is_the_next_one_unless_another_is_named(port: int | None, wanted: list[OpenSocket]) -> None:
    assert Server(NatSettings(answers=True, other_port=port)).sockets == wanted


class TestObserverAsk:
    """A connected peer asks for a datagram."""

    PEER = identity(CLIENT.host).node_id

    def ask(self, server: Server, port: int, request: int = 7) -> tuple[list[SendBeside], ObserverTold]:
        message = ObserverAsk(request, b"abcdefghijkl", port)
        *sent, told = server.service.handle(Received(self.PEER, message), server.now, WALL)
        assert isinstance(told, SendTo)
        assert (told.peer, told.lane) == (self.PEER, Lane.CONTROL)
        assert isinstance(told.message, ObserverTold)
        assert told.message.request == request
        return [one for one in sent if isinstance(one, SendBeside)], told.message

    def test_it_goes_to_that_port_of_the_peer_s_own_host(self, server: Server) -> None:
        (sent,), told = self.ask(server, 40_000)

        assert (sent.peer, sent.port, sent.socket) == (self.PEER, 40_000, 0)
        message = stun.decode(sent.data)
        assert (message.kind, message.transaction) == (Kind.SUCCESS, MAGIC_COOKIE + b"abcdefghijkl")
        assert len(sent.data) == stun.HEADER_BYTES
        assert told == ObserverTold(7, 9444, True, ())

    @pytest.mark.parametrize("port", [0, 1, 53, 1023])
    def test_nothing_goes_to_a_port_that_no_mapping_has(self, server: Server, port: int) -> None:
        sent, told = self.ask(server, port)

        assert (sent, told.sent, told.other_port) == ([], False, 9444)

    def test_a_peer_that_asks_for_many_gets_few(self, server: Server) -> None:
        told = [self.ask(server, 40_000, number)[1].sent for number in range(1000)]
        assert sum(told) == NatSettings().ask_burst
        server.now += 5.0
        assert sum(self.ask(server, 40_000, number)[1].sent for number in range(100)) == 5

    def test_one_that_does_not_serve_sends_nothing(self) -> None:
        sent, told = self.ask(Server(NatSettings(answers=False)), 40_000)

        assert (sent, told) == ([], ObserverTold(7, 0, False, ()))

    def test_it_names_other_observers_that_are_there(self, server: Server) -> None:
        for number in range(10, 20):
            server.service.handle(peer_up(f"192.0.2.{number}"), server.now, WALL)
        server.service.handle(peer_up("192.0.2.50", observes=False), server.now, WALL)
        gone = peer_info("192.0.2.10")
        server.service.handle(PeerDown(gone.node, "lost", ""), server.now, WALL)

        named = self.ask(server, 0)[1].observers

        assert named == tuple(peer_info(f"192.0.2.{number}").record.encoded for number in range(11, 15))
        assert self.ask(server, 40_000)[1].observers == ()
        assert gone.record.encoded not in named

    def test_an_envelope_cannot_ask(self, server: Server) -> None:
        message = ObserverAsk(7, b"abcdefghijkl", 40_000)
        through = (identity("192.0.2.10").node_id,)

        assert server.service.handle(Received(self.PEER, message, through), server.now, WALL) == []
