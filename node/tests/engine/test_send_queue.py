from __future__ import annotations

from macula.core.lanes import Lane
from macula.core.requests import SendTo
from macula.engine.send_queue import SendQueue, content_size
from macula.engine.settings import PoolSettings
from macula.wire import Message
from macula.wire.messages import Ping, Reply, Store

from .playbook import node


def reply(number: int, size: int) -> SendTo:
    return SendTo(node(1), Lane.RPC, Reply("io.test", number.to_bytes(16, "big"), bytes(size - 16), "", ""), number)


def queue(messages: int, size: int) -> SendQueue:
    return SendQueue(PoolSettings(pending_messages=messages, pending_bytes=size))


def test_what_a_message_counts() -> None:
    sizes: dict[Message, int] = {
        Ping(1): 0,
        Reply("io.test", bytes(16), bytes(1000), "", ""): 1016,
        Store("io.test", 1, (bytes(300), bytes(200))): 500,
    }
    assert {message: content_size(message) for message in sizes} == sizes


def test_first_in_first_out() -> None:
    waiting = queue(3, 1000)
    assert not waiting and waiting.take() == []
    requests = [reply(number, 100) for number in range(3)]
    assert all(waiting.put(request) for request in requests)
    assert waiting and list(waiting) == requests
    assert waiting.take() == requests and not waiting


def test_messages_are_bounded() -> None:
    waiting = queue(3, 1000)
    assert [waiting.put(reply(number, 16)) for number in range(4)] == [True, True, True, False]


def test_bytes_are_bounded_and_free_again_when_taken() -> None:
    waiting = queue(100, 1000)
    assert [waiting.put(reply(number, 400)) for number in range(3)] == [True, True, False]
    assert waiting.put(reply(3, 200)) and not waiting.put(reply(4, 16))
    assert [request.token for request in waiting.take()] == [0, 1, 3]
    assert waiting.put(reply(5, 1000))


def test_a_single_message_always_has_room() -> None:
    waiting = queue(3, 1000)
    assert waiting.put(reply(1, 5000)) and not waiting.put(reply(2, 16))
