"""A dial on its way to an answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from macula.core.address import Address
from macula.core.events import UNREACHABLE, DialFailed
from macula.identity import NodeId


@dataclass(slots=True)
class Attempt:
    """One Dial effect: what is still to be tried, and what came of the rest."""

    dial: int
    addresses: tuple[Address, ...]
    expected: NodeId | None
    deadline: float
    failures: list[str] = field(default_factory=list)
    code: str = UNREACHABLE
    """As of DialFailed."""

    def failed(self, address: Address, reason: str) -> None:
        """An address answered and was of no use: it is not tried again."""
        self.failures.append(f"{address}: {reason}")
        self.addresses = tuple(other for other in self.addresses if other != address)

    def unanswered(self, addresses: tuple[Address, ...], reason: str) -> None:
        """Time is up: nothing is left to be tried."""
        self.failures += [f"{address}: {reason}" for address in addresses]
        self.addresses = ()

    @property
    def outcome(self) -> DialFailed:
        """The answer to a dial of which nothing came."""
        return DialFailed(self.dial, self.code, "; ".join(self.failures) or "no usable address")
