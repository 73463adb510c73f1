"""The real path of a connection: which address carries its datagrams, and how much may go to an unproven one."""

from __future__ import annotations

from collections.abc import Sequence

from macula.core.address import Address

AMPLIFICATION = 3
"""At most this many times what an unproven address sent goes back to it (RFC 9000, section 8.1)."""

_INITIAL_TTLS = (64, 128, 255)


class Path:
    """Where datagrams go. A packet from elsewhere is accepted but never moves the path; only `switch` does.

    A dial duplicates its first flight to each address, `stagger` seconds apart, until the first of them answers.
    """

    def __init__(self, addresses: Sequence[Address], *, proven: bool, now: float, stagger: float = 0.0) -> None:
        """One address is the path at once, several compete; if not `proven`, the 3x limit holds until it answered."""
        self.address = addresses[0]
        self.proven = proven
        self.bytes_sent = 0
        self.bytes_received = 0
        self.hops: int | None = None
        self._budget = 0
        self._open = len(addresses) > 1
        self._waiting = [(now + stagger * rank, address) for rank, address in enumerate(addresses) if rank]
        self._tried = [self.address]
        self._first_flight: list[bytes] = []

    @property
    def tried(self) -> tuple[Address, ...]:
        """The addresses that something was sent to."""
        return tuple(self._tried)

    @property
    def next_start(self) -> float | None:
        """When the next address gets its first flight."""
        return self._waiting[0][0] if self._waiting else None

    def start_next(self, now: float) -> list[tuple[bytes, Address]]:
        """The first flight, for each address whose time has come."""
        out: list[tuple[bytes, Address]] = []
        while self._waiting and self._waiting[0][0] <= now:
            address = self._waiting.pop(0)[1]
            self._tried.append(address)
            out += [(data, address) for data in self._first_flight]
        self.bytes_sent += sum(len(data) for data, _ in out)
        return out

    def route(self, data: bytes) -> list[tuple[bytes, Address]]:
        """Where a datagram goes: one address, several while a dial is undecided, or none if the limit is reached."""
        size = len(data)
        if self._open:
            if self._waiting:
                self._first_flight.append(data)
            self.bytes_sent += size * len(self._tried)
            return [(data, address) for address in self._tried]
        if not self.proven:
            if size > self._budget:
                return []
            self._budget -= size
        self.bytes_sent += size
        return [(data, self.address)]

    def received(self, source: Address, size: int, ttl: int | None) -> None:
        """A datagram came; nothing is known of its contents yet."""
        self.bytes_received += size
        if source == self.address and not self.proven:
            self._budget += AMPLIFICATION * size
        if ttl is not None and source == self.address:
            self.hops = next((initial - ttl for initial in _INITIAL_TTLS if ttl <= initial), None)

    def answered(self, source: Address) -> None:
        """A packet that only the peer can have made came from `source`."""
        if source == self.address:
            self.proven = True
        if self._open and source in self._tried:
            self._settle(source)

    def settle(self) -> None:
        """The handshake is over: if no address of the dial has answered, the first one carries the connection."""
        if self._open:
            self._settle(self.address)

    def switch(self, address: Address) -> None:
        """Send everything to `address` from now on; the caller has made sure that the peer is there."""
        self._settle(address)

    def _settle(self, address: Address) -> None:
        self.address = address
        self.proven = True
        self._open = False
        self._waiting.clear()
        self._first_flight.clear()
