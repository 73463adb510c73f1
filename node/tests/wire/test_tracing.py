"""Messages of spans, for nodes that are told of them and for those that are not."""

from __future__ import annotations

import pytest

from macula.wire import Message
from macula.wire.messages import Ping
from macula.wire.tracing import untraced

from .vectors import TRACED, TRACEPARENT, VECTORS


@pytest.mark.parametrize("message", [message for message, _ in TRACED])
def test_only_its_span_is_left_out_of_a_message(message: Message) -> None:
    (plain,) = [plain for plain, _ in VECTORS if type(plain) is type(message)]
    assert getattr(message, "traceparent", "") == TRACEPARENT
    assert getattr(untraced(message), "traceparent", None) == ""
    assert untraced(untraced(message)) == untraced(message)
    assert untraced(plain) is plain


def test_a_message_that_is_never_part_of_one_stays_as_it_is() -> None:
    assert untraced(ping := Ping(1)) is ping
