"""Every error a user of the mesh can see, by who is to blame.

MeshError
├── ConfigError            a setting is wrong                          (yours; names the setting)
├── ArgumentError          an argument is wrong                        (yours; names the argument; also a ValueError)
├── NodeClosed             the node is stopping or has stopped         (yours)
├── ProtocolError          a peer sent what the protocol forbids       (the peer's; carries a code)
├── IdentityError          a peer is not who it should be              (the peer's; carries a code)
├── PeerUnreachable        no connection could be made                 (the network's)
└── CallError              a call or a publication did not succeed; `code` is what travels on the wire
    ├── NotFound           nobody provides the procedure
    ├── Timeout            the deadline passed (also a TimeoutError)
    ├── Disconnected       the connection to the provider was lost while the call was running
    ├── Unauthorized       the provider refuses this caller
    ├── Busy               the other side is at its limit, or is shutting down
    ├── Cancelled          the call was cancelled by its caller
    ├── MaxHopsExceeded    a routed envelope went over its limit
    └── RemoteError        the handler raised; `reason` is what it said
"""

from __future__ import annotations


class MeshError(Exception):
    """Base of all errors raised by this package."""


class ConfigError(MeshError):
    """A setting has a wrong value."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"setting {field!r}: {reason}")
        self.field = field
        self.reason = reason


class ArgumentError(MeshError, ValueError):
    """An argument given to the API is wrong."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class NodeClosed(MeshError):
    """The node is stopping or has stopped."""


class ProtocolError(MeshError):
    """Bytes or a message from a peer break the protocol; `code` is one of wire.codes."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class IdentityError(MeshError):
    """A peer's identity is not the expected one, or could not be verified; `code` is one of wire.codes."""

    def __init__(self, reason: str, code: str = "bad_identity") -> None:
        super().__init__(reason)
        self.code = code


class PeerUnreachable(MeshError):
    """No connection to the peer could be made; `attempts` says what was tried and how each ended."""

    def __init__(self, peer: str, attempts: tuple[str, ...]) -> None:
        super().__init__(f"peer {peer} is unreachable: {'; '.join(attempts) or 'no known address'}")
        self.peer = peer
        self.attempts = attempts


class CallError(MeshError):
    """Base of what a call or a publication can end with. `reason` is for people, `code` for programs."""

    code = "error"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotFound(CallError):
    """Nobody provides the procedure."""

    code = "not_found"


class Timeout(CallError, TimeoutError):
    """The deadline passed before an answer came."""

    code = "timeout"


class Disconnected(CallError):
    """The connection was lost while the call was running; whether it ran is unknown."""

    code = "disconnected"


class Unauthorized(CallError):
    """The provider refuses this caller."""

    code = "unauthorized"


class Busy(CallError):
    """The other side is at its limit or is shutting down; it did not run the call."""

    code = "busy"


class Cancelled(CallError):
    """The caller cancelled the call."""

    code = "cancelled"


class MaxHopsExceeded(CallError):
    """A routed envelope used up its hops before it reached its target."""

    code = "max_hops_exceeded"


class RemoteError(CallError):
    """The handler raised an error; `reason` is what it said."""

    code = "remote"


_BY_CODE: dict[str, type[CallError]] = {
    cls.code: cls
    for cls in (
        NotFound,
        Timeout,
        Disconnected,
        Unauthorized,
        Busy,
        Cancelled,
        MaxHopsExceeded,
        RemoteError,
    )
}


def call_error(code: str, reason: str) -> CallError:
    """The error for a wire code; an unknown code becomes a RemoteError that names it."""
    cls = _BY_CODE.get(code)
    return cls(reason) if cls else RemoteError(f"{code}: {reason}")
