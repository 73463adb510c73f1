from __future__ import annotations

from aioquic.quic.events import ConnectionTerminated
from hypothesis import given
from hypothesis import strategies as st

from macula.providers.quic.closing import APPLICATION_CODE, TRANSPORT_ERROR, Closing, decode_end, encode_phrase


def test_code_and_reason_travel() -> None:
    closing = Closing("no_common_realm", "serves only a.b")
    assert decode_end(ConnectionTerminated(APPLICATION_CODE, None, encode_phrase(closing))) == closing


@given(code=st.integers(0, 2**62 - 1), frame=st.none() | st.integers(0, 64), phrase=st.text(max_size=2000))
def test_whatever_a_peer_says_is_readable(code: int, frame: int | None, phrase: str) -> None:
    closing = decode_end(ConnectionTerminated(code, frame, phrase))
    assert 0 < len(closing.code) <= 32 and len(closing.reason) < 600
    assert closing.reason.isprintable()
    assert frame is None or closing.code == TRANSPORT_ERROR


@given(st.text(max_size=2000))
def test_phrases_fit_a_packet(reason: str) -> None:
    assert len(encode_phrase(Closing("unexpected", reason)).encode()) <= 512
