"""Probes between this node and one peer: makes requests, answers the peer's, and tells which responses are real."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b

from macula.core.address import Address
from macula.core.token_bucket import TokenBucket
from macula.identity import NodeId
from macula.nat.punching.probe import KEY_SIZE, TRANSACTION_SIZE, Probe, ProbeKind, direction_key, seal, unseal

_PENDING = 256
"""Requests whose responses are awaited; the oldest are given up first."""
_WINDOW = 1024
"""How far behind the newest a request's sequence may be; a round sends some 150 and paths differ in delay."""
_ANSWERS_PER_SECOND, _ANSWERS_AT_ONCE = 10.0, 150.0
"""What a peer may ask: a whole round at once; it may ask in the name of any address."""
_MAX_SEQUENCE = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Asked:
    """The peer asked from `source` and gets this answer; it may be at an address that was not known."""

    source: Address
    answer: bytes


@dataclass(frozen=True, slots=True)
class Proved:
    """A request of ours to `address` came back from there. `observed` is where the peer saw it come from."""

    address: Address
    rtt: float
    observed: Address


class Prober:
    """The keys of one connection with one peer, the requests under way, and what the peer has used up.

    The peer knows the key of responses, so a transaction must be one that it cannot guess: else it could say that it is
    at an address where it is not, and have a stranger flooded. It is derived from a secret of this node alone.
    """

    def __init__(self, me: NodeId, peer: NodeId, own_secret: bytes, shared: bytes, receiver: bytes, now: float) -> None:
        """`own_secret` never leaves this node, `shared` (KEY_SIZE bytes) is known to both, and `receiver` is the number
        that the peer chose for this node's probes."""
        self._receiver = receiver
        self._sending = direction_key(shared, me, peer)
        self._receiving = direction_key(shared, peer, me)
        self._transactions = blake2b(shared, digest_size=KEY_SIZE, key=own_secret, person=b"macula transact").digest()
        self._sequence = 0
        self._pending: OrderedDict[int, tuple[Address, float]] = OrderedDict()
        self._newest = 0
        self._seen = 0
        self._answers = TokenBucket(_ANSWERS_PER_SECOND, _ANSWERS_AT_ONCE, now)

    def request(self, target: Address, now: float) -> bytes:
        """A new request, for `target` only: a response that comes from elsewhere proves nothing."""
        self._sequence = self._sequence % _MAX_SEQUENCE + 1
        self._pending[self._sequence] = (target, now)
        while len(self._pending) > _PENDING:
            self._pending.popitem(last=False)
        probe = Probe(ProbeKind.REQUEST, self._sequence, self._transaction(self._sequence, target), None)
        return seal(probe, self._receiver, self._sending)

    def receive(self, source: Address, data: bytes, now: float) -> Asked | Proved | None:
        """What a datagram means. Forged, replayed, reflected, late and excessive ones mean nothing."""
        probe = unseal(data, self._receiving)
        if probe is None:
            return None
        if probe.observed is not None:
            return self._response(source, probe, probe.observed, now)
        if not self._is_new(probe.sequence) or not self._answers.take(1, now):
            return None
        answer = Probe(ProbeKind.RESPONSE, probe.sequence, probe.transaction, source)
        return Asked(source, seal(answer, self._receiver, self._sending))

    def _response(self, source: Address, probe: Probe, observed: Address, now: float) -> Proved | None:
        target, sent = self._pending.get(probe.sequence, (None, 0.0))
        if target != source or probe.transaction != self._transaction(probe.sequence, source):
            return None
        del self._pending[probe.sequence]
        return Proved(source, max(now - sent, 0.0), observed)

    def _transaction(self, sequence: int, target: Address) -> bytes:
        text = f"{sequence} {target}".encode()
        return blake2b(text, digest_size=TRANSACTION_SIZE, key=self._transactions).digest()

    def _is_new(self, sequence: int) -> bool:
        """Whether a request with this sequence did not come before; it counts as come from here on."""
        ahead = sequence - self._newest
        if ahead > 0:
            self._seen = (self._seen << ahead | 1) & ((1 << _WINDOW) - 1) if ahead < _WINDOW else 1
            self._newest = sequence
            return True
        if -ahead >= _WINDOW or self._seen >> -ahead & 1:
            return False
        self._seen |= 1 << -ahead
        return True
