"""Frames: what was not sealed for this session, direction and time opens nothing."""

from __future__ import annotations

import hashlib
import random

from hypothesis import given
from hypothesis import strategies as st

from macula.identity import NodeId
from macula.providers.quic.relay.frame import MARK, OVERHEAD, Opener, ReplayWindow, Sealer, session_of

KEY = bytes(range(32))
SESSION = b"8 bytes!"
PEER = NodeId(b"p" * 32)


def test_a_frame_is_what_the_document_says() -> None:
    sealer = Sealer(SESSION, KEY, to_relay=True)
    sealer.seal(PEER, b"one before")
    frame = sealer.seal(PEER, b"\x40datagram")
    direction = hashlib.blake2b(b"macula to relay", key=KEY, digest_size=32).digest()
    head, rest = b"\x20" + SESSION + (1).to_bytes(6, "big"), PEER + b"\x40datagram"
    tag = hashlib.blake2b(head + rest, key=direction, digest_size=16).digest()
    assert frame == head + tag + rest
    assert frame[0] == MARK and len(frame) == OVERHEAD + 9
    assert session_of(frame) == SESSION


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=10), st.booleans())
def test_what_is_sealed_opens_once_in_any_order(datagrams: list[bytes], to_relay: bool) -> None:
    sealer, opener = (Sealer(SESSION, KEY, to_relay=to_relay), Opener(KEY, to_relay=to_relay))
    frames = [sealer.seal(PEER, datagram) for datagram in datagrams]
    order = list(enumerate(frames))
    random.Random(len(frames)).shuffle(order)
    newest = -1
    for number, frame in order:
        opened = opener.open(frame)
        assert opened is not None and (opened.peer, opened.datagram) == (PEER, datagrams[number])
        assert opened.newest == (number > newest)
        newest = max(newest, number)
        assert opener.open(frame) is None


@given(st.integers(0, 8 * (OVERHEAD + 9) - 1))
def test_a_frame_with_any_bit_changed_is_nothing(bit: int) -> None:
    frame = bytearray(Sealer(SESSION, KEY, to_relay=True).seal(PEER, b"\x40datagram"))
    frame[bit // 8] ^= 1 << bit % 8
    assert Opener(KEY, to_relay=True).open(bytes(frame)) is None


def test_a_frame_sent_back_or_of_another_key_is_nothing() -> None:
    frame = Sealer(SESSION, KEY, to_relay=True).seal(PEER, b"\x40datagram")
    assert Opener(KEY, to_relay=False).open(frame) is None
    assert Opener(bytes(32), to_relay=True).open(frame) is None


@given(st.binary(max_size=200))
def test_what_is_too_short_names_no_session(data: bytes) -> None:
    session = session_of(data)
    assert (session is None) == (len(data) <= OVERHEAD)


@given(st.lists(st.one_of(st.integers(0, 600), st.integers(0, 2**48 - 1)), max_size=300))
def test_the_window_is_a_set_that_forgets_only_what_is_old(counters: list[int]) -> None:
    window, seen, newest = ReplayWindow(), set[int](), -1
    for counter in counters:
        expected = counter not in seen and newest - counter < ReplayWindow.SIZE
        assert window.fresh(counter) == expected
        if expected:
            assert window.add(counter) == (counter > newest)
            seen.add(counter)
            newest = max(newest, counter)
    assert window._seen < 1 << ReplayWindow.SIZE
