from __future__ import annotations

import asyncio
from typing import Any

import pytest

from macula.core.deliveries import EventDelivery
from macula.identity import NodeId
from macula.runtime.reports import MeshEvent
from macula.runtime.subscription import Subscription
from macula.wire.values import encode_value

PUBLISHER = NodeId(bytes(32))


def event(payload: Any, missed: int = 0) -> EventDelivery:
    return EventDelivery(1, "a.b", encode_value("payload", payload), PUBLISHER, 7, 0, missed)


class Subscribed:
    """A subscription, how many events it said to be consumed, and how often it was ended."""

    def __init__(self) -> None:
        self.consumed = self.ended = 0
        self.subscription = Subscription("a.*", self._consume, self._unsubscribe)

    def put(self, *payloads: Any) -> None:
        for payload in payloads:
            self.subscription.put(event(payload))

    def _consume(self) -> None:
        self.consumed += 1

    async def _unsubscribe(self) -> None:
        self.ended += 1


async def test_an_event_is_consumed_when_the_next_one_is_asked_for() -> None:
    subscribed = Subscribed()
    subscribed.put(1, 2)
    assert (await anext(subscribed.subscription)).payload == 1
    assert subscribed.consumed == 0
    assert (await anext(subscribed.subscription)).payload == 2
    assert subscribed.consumed == 1
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(subscribed.subscription.__anext__())
        asyncio.get_running_loop().call_soon(subscribed.put, 3)
    assert waiting.result().payload == 3
    assert subscribed.consumed == 2


async def test_what_cannot_be_decoded_is_missed_and_consumed() -> None:
    subscribed = Subscribed()
    subscribed.subscription.put(EventDelivery(1, "a.b", b"\xc1", PUBLISHER, 7, 0, 2))
    subscribed.put("sound")
    assert (await anext(subscribed.subscription)).payload == "sound"
    assert (subscribed.consumed, subscribed.subscription.missed) == (1, 3)


@pytest.mark.parametrize("plain", [True, False])
async def test_a_callback_gets_all_in_order_until_the_end(plain: bool) -> None:
    subscribed = Subscribed()
    got: list[Any] = []

    def take(one: MeshEvent) -> None:
        got.append(one.payload)
        if one.payload == "ends":
            subscribed.subscription.end()

    async def take_later(one: MeshEvent) -> None:
        take(one)

    subscribed.put(1, 2)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(subscribed.subscription.feed(take if plain else take_later))
        asyncio.get_running_loop().call_soon(subscribed.put, 3, "ends", 4)
    assert got == [1, 2, 3, "ends", 4]
    assert subscribed.consumed == 5


async def test_closing_ends_it_once() -> None:
    subscribed = Subscribed()
    subscribed.put(1, 2)
    async with subscribed.subscription as events:
        await anext(events)
    await subscribed.subscription.close()
    assert subscribed.ended == 1
    with pytest.raises(StopAsyncIteration):
        await anext(subscribed.subscription)
