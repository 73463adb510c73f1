"""Messages of streaming calls: calls whose results, and perhaps arguments, come one by one."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from macula.wire.fields import U32, U63, Name, Text, Token, Traceparent


class StreamCall(Struct, frozen=True, gc=False, omit_defaults=True):
    """As Call, for results that come one by one. `credit` is the first StreamCredit for them; `sends`: arguments
    follow, one by one, as far as the provider gives credit."""

    TYPE: ClassVar[int] = 0x28
    realm: Name
    call_id: Token
    procedure: Name
    args: bytes
    timeout_ms: U32
    credit: U63
    sends: bool
    traceparent: Traceparent = ""


class StreamItem(Struct, frozen=True, gc=False):
    """One result (`answer`) or argument of a streaming call: an encoded value."""

    TYPE: ClassVar[int] = 0x29
    realm: Name
    call_id: Token
    answer: bool
    payload: bytes


class StreamEnd(Struct, frozen=True, gc=False):
    """No more items; from the provider (`answer`) it ends the call, like a Reply: `error` is a code of a CallError."""

    TYPE: ClassVar[int] = 0x2A
    realm: Name
    call_id: Token
    answer: bool
    error: Annotated[str, Meta(max_length=32)]
    reason: Text


class StreamCredit(Struct, frozen=True, gc=False):
    """How many bytes the items of a streaming call may have in all, from its start (rpc.streams says what counts);
    `answer`: the provider says so of arguments."""

    TYPE: ClassVar[int] = 0x2B
    realm: Name
    call_id: Token
    answer: bool
    limit: U63
