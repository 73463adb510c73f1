"""What a node says of the NAT that it is behind, as plain values for JSON."""

from __future__ import annotations

from typing import Any

from macula.nat.info import NatInfo
from macula.nat.profile import Ports


def nat_fields(info: NatInfo, now: float) -> dict[str, Any]:
    """The contents of `macula nat --json`: `type`, `public_ip`, `public_port` and `hairpin`, then what else is known.
    Unknown is None; `now` is the clock of `info.at`."""
    at_least, below = info.lifetime or (None, None)
    return {
        "type": info.type.value,
        "public_ip": info.public.host if info.public else None,
        "public_port": info.public.port if info.public else None,
        "hairpin": info.hairpin,
        "translated": info.translated,
        "mapping": info.mapping.value if info.mapping else None,
        "filtering": info.filtering.value if info.filtering else None,
        "ports": info.ports.value if info.ports else None,
        "ports_preserved": info.ports is Ports.PRESERVE if info.ports else None,
        "input": info.input.value if info.input else None,
        "delta": info.delta,
        "block": list(info.block) if info.block else None,
        "lifetime_s": {"at_least": at_least, "below": below},
        "name": info.name or None,
        "observers": [str(address) for address in info.observers],
        "note": info.note or None,
        "age_s": round(now - info.at, 1) if info.at else None,
    }
