"""Limits and times of the RPC service."""

from __future__ import annotations

from dataclasses import dataclass, fields

from macula.errors import ConfigError
from macula.wire.header import MAX_FRAME

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class RpcSettings:
    """Raises ConfigError for a value that is not above zero, or out of its documented order or range."""

    max_calls: int = 10_000
    """Calls of this node in flight at once; more are refused as Busy."""
    max_ended: int = 4096
    """Ended calls of this node that are remembered, so that an answer on its way is not taken for a stranger's."""
    max_timeout: float = 3600.0
    """Longest time of a call in seconds, at most 1,000,000: the caller is refused more, a provider grants no more."""
    max_procedures: int = 1024
    """Procedures that this node advertises at once."""

    max_handlers: int = 4096
    """Handlers that run at once; calls beyond are answered busy."""
    max_handlers_per_peer: int = 1024
    """Handlers that run at once for one caller."""
    max_handlers_per_network: int = 3072
    """Handlers that run at once for callers of one globally routable network, but those behind relays. More than for
    one caller, since a network may be a whole company."""
    call_rate: float = 0.0
    """Calls per second of one caller, two seconds' worth at once; calls beyond are answered busy. 0 is any number: what
    an honest caller may ask for is for the application to say."""
    max_args_bytes: int = 64 * MIB
    """Bytes of arguments held for all running handlers; calls beyond are answered busy."""
    max_args_bytes_per_peer: int = 8 * MIB
    """Bytes of arguments held for one caller. Above the high-water mark by at least the window that one lane may have
    on its way, or a caller that is held back is refused as well."""
    args_high_water: int = 4 * MIB
    """Bytes of arguments of one caller above which its RPC lane is no longer read."""
    args_low_water: int = 1 * MIB
    """Bytes of arguments of one caller at which its lane is read again."""

    stream_window: int = 2 * MIB
    """Bytes of items of one streaming call that are on their way or wait for the application. At least 2 MiB, twice the
    largest item, so that granting by halves always leaves room for one. A round trip of 100 ms carries ten of these a
    second."""
    max_uploads: int = 128
    """Handlers at once that are sent arguments one by one; each may hold a window. Calls beyond are answered busy."""
    max_uploads_per_peer: int = 16
    """The same for one caller."""

    drain_quiet: float = 0.2
    """Seconds without a call after which a draining node takes it that its callers know. One that it closed on while
    their calls were on the way could not tell whether these were run."""

    max_finished_per_peer: int = 1024
    """Ended calls of one caller that are remembered, so that a repeat is not run again."""
    max_finished_peers: int = 256
    """Callers whose ended calls are remembered."""
    reply_keep: float = 10.0
    """Seconds for which the reply itself is kept, to answer a repeat with."""
    max_reply_bytes: int = 4 * MIB
    """Bytes of all replies that are kept; the oldest go first."""

    provider_ttl: float = 60.0
    """Seconds after which providers must be looked up again before a call (their records may end earlier)."""
    refresh_after: float = 3.0
    """Seconds after which a call that uses known providers also looks them up again, without waiting for it: about so
    long a provider that is new, or back, waits for its first call."""
    negative_ttl: float = 1.0
    """Seconds, at most 1, for which "nobody provides it" is believed."""
    max_cached_procedures: int = 1024
    """Procedures whose providers are remembered."""

    latency_decay: float = 10.0
    """Time constant in seconds of the average latency: what is older than this weighs less than 1/e."""
    avoid_time: float = 10.0
    """Seconds for which a provider that failed is used only if there is no other, unless it connects again."""
    max_measured_peers: int = 1024
    """Providers whose latency is remembered."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0 and field.name != "call_rate":
                raise ConfigError(field.name, f"must be above 0, is {getattr(self, field.name)}")
        if self.call_rate < 0:
            raise ConfigError("call_rate", f"must be at least 0, is {self.call_rate}")
        if self.stream_window < 2 * MAX_FRAME:
            raise ConfigError("stream_window", f"must be at least {2 * MAX_FRAME}, is {self.stream_window}")
        if self.max_timeout > 1_000_000:
            raise ConfigError("max_timeout", f"must be at most 1000000 s, is {self.max_timeout}")
        if self.negative_ttl > 1:
            raise ConfigError("negative_ttl", f"must be at most 1 s, is {self.negative_ttl}")
        if not self.args_low_water <= self.args_high_water <= self.max_args_bytes_per_peer:
            raise ConfigError("args_high_water", "must be between args_low_water and max_args_bytes_per_peer")
