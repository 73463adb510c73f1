"""What a caller or publisher says of its span comes to the other's application, whichever way a message takes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from macula.core.commands import CallProcedure, PublishEvent, Strategy, Subscribe
from macula.wire import encode_value

from .mesh import ADD, Mesh

SPAN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CALL = CallProcedure(ADD, encode_value("args", 1), 5.0, Strategy.ROUND_ROBIN, traceparent=SPAN)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("itself", [False, True])
def test_a_call_tells_its_handler(streams: bool, itself: bool) -> None:
    mesh = Mesh(1)
    caller, provider = mesh.edges[:2]
    mesh.serve(provider)
    mesh.world.ask(provider if itself else caller, replace(CALL, streams=streams))
    mesh.world.ask(caller, replace(CALL, streams=streams, traceparent=""))
    assert [call.traceparent for call in provider.calls] == [SPAN, ""]


@pytest.mark.parametrize("qos", [0, 1])
def test_an_event_tells_its_subscribers(qos: int) -> None:
    mesh = Mesh(1)
    publisher, other = mesh.edges[:2]
    for subscriber in (publisher, other):
        mesh.world.ask(subscriber, Subscribe("io.test.news", 10, False))
    mesh.world.ask(publisher, PublishEvent("io.test.news", encode_value("payload", 1), qos, 5.0, SPAN))
    mesh.world.run(1.0)
    assert [event.traceparent for node in (publisher, other) for event in node.events] == [SPAN, SPAN]
