"""Types that many message fields have, with their limits: bytes of a `bytes`, characters of a `str`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
Node = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""A node id: equal to the NodeId, which who needs more of it than that makes of it."""
Token = Annotated[bytes, Meta(min_length=16, max_length=16)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
Text = Annotated[str, Meta(max_length=1024)]
Code = Annotated[str, Meta(min_length=1, max_length=32)]
U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
U63 = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Record = Annotated[bytes, Meta(min_length=1, max_length=2048)]
"""An encoded signed record (core.record)."""
Tag = Annotated[bytes, Meta(min_length=8, max_length=8)]
"""Stands for a signed record: the last bytes of its signature."""
MAX_KNOWN = 32
Known = Annotated[tuple[Tag, ...], Meta(max_length=MAX_KNOWN)]
"""Records that need not be sent, since the peer has them."""
Traceparent = Annotated[str, Meta(max_length=55)]
"""A span of the sender (W3C Trace Context), or empty: then it is left out of the frame. What it says is checked where
it is used, and not believed."""
