"""Messages that not every peer understands, and frames that not every peer can decompress."""

from __future__ import annotations

from msgspec.structs import replace

from macula.core.effects import SendMessage
from macula.core.events import SendBlocked, SendReady
from macula.core.lanes import Lane
from macula.core.requests import SendFailed
from macula.wire.messages import Call

from .playbook import Table, hello, node, send


def test_what_a_peer_does_not_offer_is_not_sent_to_it() -> None:
    table = Table()
    table.connect(1)
    table.receive(1, hello(1), 0.1)
    request = replace(send(1, 7), needs="stream")
    reason = f"{node(1).short} does not offer 'stream'"
    assert table.peers.send(request, 0.2) == [SendFailed(7, node(1), "unsupported", reason)]


def test_what_it_offers_is_sent_to_it_and_compressed_if_it_offers_that() -> None:
    table = Table()
    table.connect(1)
    table.receive(1, replace(hello(1), capabilities=("stream", "zstd")), 0.1)
    assert [peer.capabilities for peer in table.peers.status()] == [("stream", "zstd")]
    request = replace(send(1, 7), needs="stream")
    assert table.peers.send(request, 0.2) == [SendMessage(node(1), Lane.RPC, request.message, True)]
    assert table.peers.lane(SendReady(node(1), Lane.RPC)) == []


def test_a_peer_is_told_of_spans_only_if_it_asks_for_them() -> None:
    call = Call("io.test", bytes(16), "io.test.add", b"\xc0", 100, "00-span")
    for capabilities, sent in (((), replace(call, traceparent="")), (("trace",), call)):
        table = Table()
        table.connect(1)
        table.receive(1, replace(hello(1), capabilities=capabilities), 0.1)
        request = replace(send(1, 7), message=call)
        assert table.peers.send(request, 0.2) == [SendMessage(node(1), Lane.RPC, sent)]
        table.peers.lane(SendBlocked(node(1), Lane.RPC))
        assert table.peers.send(request, 0.3) == []
        assert table.peers.lane(SendReady(node(1), Lane.RPC)) == [SendMessage(node(1), Lane.RPC, sent)]
