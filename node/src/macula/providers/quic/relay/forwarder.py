"""The side of a relay that forwards: one datagram out for one that verified. Strangers are never answered."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

from macula.core.address import Address
from macula.core.token_bucket import TokenBucket
from macula.identity import NodeId
from macula.providers.quic.demux import is_quic
from macula.providers.quic.relay.frame import RELAY_ITSELF, Opener, Sealer, session_of
from macula.providers.quic.relay.whereabouts import Whereabouts
from macula.runtime.transport import RelayCounts

BURST_TIME = 1.0
"""Seconds of its rate that a client may send at once."""
MIN_BURST = 1 << 17
"""Bytes that a client may send at once whatever its rate: some flights of its connections."""


@dataclass(slots=True)
class _Client:
    node: NodeId
    session: bytes
    opener: Opener
    sealer: Sealer
    sends: TokenBucket
    gets: TokenBucket
    place: Whereabouts


class Forwarder:
    """The sessions that this node has granted, by what the engine decided; how many there are is the engine's concern.

    Only who has a session can send, and only to who has one. Frames come from a client's address as it is now: the
    newest that verified says where it is, so that its NAT may give it another port, and an address that is new is asked
    whether the client is there. No frame is kept or queued.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._challenges: list[tuple[bytes, Address]] = []
        self._by_session: dict[bytes, _Client] = {}
        self._by_node: dict[NodeId, _Client] = {}
        self._dropped: Counter[str] = Counter()
        self._datagrams = 0
        self._bytes = 0

    def serve(self, node: NodeId, session: bytes, key: bytes, rate: int, address: Address, now: float) -> None:
        """A client may be reached at `address`, and may send, and get from all others, `rate` bytes a second. Replaces
        its former session."""
        self.end(node)
        burst = max(MIN_BURST, rate * BURST_TIME)
        client = _Client(
            node,
            session,
            Opener(key, to_relay=True),
            Sealer(session, key, to_relay=False),
            TokenBucket(rate, burst, now),
            TokenBucket(rate, burst, now),
            Whereabouts(address, self._rng),
        )
        self._by_session[session] = self._by_node[node] = client

    def end(self, node: NodeId) -> None:
        """A client's session is over."""
        client = self._by_node.pop(node, None)
        if client is not None:
            del self._by_session[client.session]

    def owns(self, session: bytes) -> bool:
        """Whether this is a session that this node granted."""
        return session in self._by_session

    def moved(self, node: NodeId, address: Address) -> None:
        """A client's own connection goes to another address."""
        if node in self._by_node:
            self._by_node[node].place.prove(address)

    def forward(self, frame: bytes, source: Address, now: float) -> tuple[bytes, Address] | None:
        """What becomes of a client's frame: the one for its target and where that is, or nothing."""
        client = self._by_session.get(session_of(frame) or b"")
        opened = client.opener.open(frame) if client is not None else None
        if client is None or opened is None:
            self.drop("forged or repeated" if client else "unknown session")
            return None
        if opened.newest:
            self._follow(client, source, len(frame), now)
        if opened.peer == RELAY_ITSELF:
            client.place.answered(source, opened.datagram)
            return None
        target = self._by_node.get(opened.peer)
        if not client.sends.take(len(frame), now):
            self.drop("over rate")
        elif target is None:
            self.drop("no session to go to")
        elif target is client or not is_quic(opened.datagram):
            # QUIC alone, or frames in frames could go round between relays.
            self.drop("not for another")
        elif not target.gets.take(len(frame), now):
            self.drop("over its target's rate")
        elif not target.place.take(len(frame)):
            self.drop("its target's address is not proven")
        else:
            self._datagrams += 1
            self._bytes += len(frame)
            return target.sealer.seal(client.node, opened.datagram), target.place.address
        return None

    def challenges(self) -> list[tuple[bytes, Address]]:
        """What to send to addresses that clients were seen at first; each once."""
        challenges, self._challenges = self._challenges, []
        return challenges

    def counts(self) -> RelayCounts:
        """What was done since the start."""
        return RelayCounts(len(self._by_node), self._datagrams, self._bytes, dict(self._dropped))

    def drop(self, reason: str) -> None:
        """Count a frame of which nothing comes."""
        self._dropped[reason] += 1

    def _follow(self, client: _Client, source: Address, size: int, now: float) -> None:
        challenge = client.place.seen(source, size, now)
        if challenge is not None:
            self._challenges.append((client.sealer.seal(RELAY_ITSELF, challenge), source))
