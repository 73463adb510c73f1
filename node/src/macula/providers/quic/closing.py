"""Why a connection ended: codes and reasons, to QUIC and back (RFC 9000, section 19.19)."""

from __future__ import annotations

import re
from typing import NamedTuple

from aioquic.quic.events import ConnectionTerminated

APPLICATION_CODE = 1
"""The only application error code: what happened stands in the reason phrase, as `<code> <reason>`."""
LOST = "lost"
"""Code of PeerLost: nothing came from the peer for the idle time."""
TRANSPORT_ERROR = "transport_error"
"""Code of PeerLost: one side broke QUIC or TLS, or closed without a code of ours."""

_MAX_PHRASE = 512
_CODE = re.compile(r"[a-z_]{1,32}\Z")


class Closing(NamedTuple):
    """`code` is one of wire.codes or of this module, `reason` is for people."""

    code: str
    reason: str


def encode_phrase(closing: Closing) -> str:
    """The reason phrase that tells the peer; shortened to fit one packet."""
    phrase = f"{closing.code} {closing.reason}".encode()[:_MAX_PHRASE]
    return phrase.decode(errors="ignore")


def decode_end(end: ConnectionTerminated) -> Closing:
    """What a peer's close, or one of QUIC's own, means. Total: the phrase is the peer's and may be anything."""
    phrase = "".join(character for character in end.reason_phrase[:_MAX_PHRASE] if character.isprintable())
    if end.frame_type is not None:
        return Closing(TRANSPORT_ERROR, f"error {end.error_code:#x}: {phrase or 'no reason given'}")
    code, _, reason = phrase.partition(" ")
    if not _CODE.match(code):
        return Closing(TRANSPORT_ERROR, phrase or "closed without a reason")
    return Closing(code, reason)
