"""Who provides a procedure: a cache in front of the DHT."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lru import LRU

from macula.core.record import Kind, Record
from macula.core.requests import FindRecords
from macula.identity import NodeId
from macula.rpc.settings import RpcSettings


@dataclass(frozen=True, slots=True)
class _Known:
    """A provider as its record describes it, and until when (in `now`) the record lives."""

    idempotent: bool
    until: float


@dataclass(slots=True)
class _Entry:
    """`living` are those of its providers whose records live, and is right until `living_until`."""

    providers: dict[NodeId, _Known]
    until: float
    refresh_at: float
    living: dict[NodeId, bool] = field(default_factory=dict)
    living_until: float = -math.inf


class Discovery:
    """Providers by procedure. At most one lookup for a procedure is under way."""

    def __init__(self, settings: RpcSettings, realm: str, tokens: Iterator[int]) -> None:
        self._settings = settings
        self._realm = realm
        self._tokens = tokens
        self._entries: LRU[str, _Entry] = LRU(settings.max_cached_procedures)
        self._lookups: dict[int, str] = {}
        self._searched: set[str] = set()

    def known(self, procedure: str, now: float) -> Mapping[NodeId, bool] | None:
        """Each provider and whether the procedure is idempotent there; empty: nobody; None: look it up first."""
        entry = self._entries.get(procedure)
        if entry is None or entry.until <= now:
            return None
        if entry.living_until <= now:
            living = {peer: known for peer, known in entry.providers.items() if known.until > now}
            entry.living = {peer: known.idempotent for peer, known in living.items()}
            entry.living_until = min((known.until for known in living.values()), default=math.inf)
        return entry.living if entry.living or not entry.providers else None

    def refresh(self, procedure: str, now: float) -> list[FindRecords]:
        """A lookup, if what is known is no longer fresh."""
        entry = self._entries.get(procedure)
        return self.search(procedure) if entry is not None and entry.refresh_at <= now else []

    def search(self, procedure: str) -> list[FindRecords]:
        """A lookup, unless one is under way."""
        if procedure in self._searched:
            return []
        token = next(self._tokens)
        self._lookups[token] = procedure
        self._searched.add(procedure)
        return [FindRecords(token, self._realm, Kind.RPC, procedure, max_age=0.0)]

    def found(self, token: int, records: tuple[Record, ...], now: float, wall: float) -> str | None:
        """Take the answer to a lookup; returns its procedure, or None if the token is not from here."""
        procedure = self._lookups.pop(token, None)
        if procedure is None:
            return None
        self._searched.discard(procedure)
        settings = self._settings
        if records:
            providers = {record.node: _Known(_is_idempotent(record), now + record.expires - wall) for record in records}
            entry = _Entry(providers, now + settings.provider_ttl, now + settings.refresh_after)
            self._entries[procedure] = entry
        elif self.known(procedure, now) and (old := self._entries.get(procedure)):
            # A lookup also finds nothing while the mesh is split. Whoever withdrew will answer not_found.
            old.refresh_at = now + settings.refresh_after
        else:
            self._entries[procedure] = _Entry({}, now + settings.negative_ttl, now + settings.negative_ttl)
        return procedure

    def forget(self, procedure: str, peer: NodeId) -> None:
        """The peer could not be reached or does not provide the procedure."""
        entry = self._entries.get(procedure)
        if entry is None or peer not in entry.providers:
            return
        del entry.providers[peer]
        entry.living_until = -math.inf
        if not entry.providers:
            self._entries.pop(procedure)


def _is_idempotent(record: Record) -> bool:
    return type(record.value) is dict and record.value.get("idempotent") is True
