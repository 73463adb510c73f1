"""Signatures are checked once: a bounded memory of records that were verified."""

from __future__ import annotations

from lru import LRU

from macula.core.peer_record import PeerInfo, read_peer
from macula.core.record import Kind, Record, open_record
from macula.errors import ProtocolError
from macula.wire import codes


class Verifier:
    """Opens encoded records. The bytes themselves are the memory's key, so one flipped bit is another record.

    Holds no secret and no clock: nodes of one simulation may share it.
    """

    def __init__(self, most: int) -> None:
        self._records: LRU[bytes, Record] = LRU(most)
        self._peers: LRU[bytes, PeerInfo] = LRU(most)

    def record(self, encoded: bytes) -> Record:
        """The record of these bytes, its signature verified and its name its own. Raises ProtocolError."""
        record = self._records.get(encoded)
        if record is None:
            record = open_record(encoded)
            if record.kind is Kind.PEER:
                if record.realm or record.name != str(record.node):
                    raise ProtocolError(codes.BAD_KEY, "not a peer record of its own node")
                if not record.is_tombstone:
                    self._peers[encoded] = read_peer(record)
            elif not record.realm:
                raise ProtocolError(codes.BAD_KEY, "only peer records belong to no realm")
            self._records[encoded] = record
        return record

    def peer(self, encoded: bytes) -> PeerInfo:
        """The verified contents of a peer record. Raises ProtocolError."""
        info = self._peers.get(encoded)
        if info is None:
            info = read_peer(self.record(encoded))
            self._peers[encoded] = info
        return info
