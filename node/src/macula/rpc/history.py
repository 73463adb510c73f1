"""Calls that ended, so that none is run again."""

from __future__ import annotations

import math
from collections import OrderedDict

from lru import LRU

from macula.errors import RemoteError
from macula.identity import NodeId
from macula.rpc.settings import RpcSettings
from macula.wire.messages import Call, Reply
from macula.wire.streaming import StreamCall

_OVERHEAD = 256
"""Roughly what a kept reply costs beside its result and reason, in bytes."""


class History:
    """Ids of ended calls by caller, and for a short while, at most as long, their replies. It outlives connections."""

    def __init__(self, settings: RpcSettings) -> None:
        self._settings = settings
        self._ended: LRU[NodeId, LRU[bytes, None]] = LRU(settings.max_finished_peers)
        self._replies: OrderedDict[tuple[NodeId, bytes], tuple[Reply, float, int]] = OrderedDict()
        """With the time of each, and what it counts in bytes."""
        self._bytes = 0
        self._due = -math.inf
        """No reply is to be forgotten before this time."""

    def add(self, caller: NodeId, reply: Reply, now: float) -> None:
        """The caller's call ended with this reply."""
        ids = self._ended.get(caller)
        if ids is None:
            ids = LRU(self._settings.max_finished_per_peer)
            self._ended[caller] = ids
        is_full = len(ids) == self._settings.max_finished_per_peer
        if is_full and reply.call_id not in ids and (oldest := ids.peek_last_item()):
            # A reply that can no longer be asked for would only push what is of use out of the caches.
            self._drop((caller, oldest[0]))
        ids[reply.call_id] = None
        key = caller, reply.call_id
        self._drop(key)
        size = len(reply.result) + len(reply.reason) + _OVERHEAD
        self._replies[key] = (reply, now, size)
        self._bytes += size
        if now >= self._due or self._bytes > self._settings.max_reply_bytes:
            self._expire(now)

    def find(self, caller: NodeId, call: Call | StreamCall, now: float) -> Reply | None:
        """How to answer a repeat, or None if the call is new. A reply no longer kept is stood in for by an error."""
        ids = self._ended.get(caller)
        if ids is None or call.call_id not in ids:
            return None
        self._expire(now)
        if kept := self._replies.get((caller, call.call_id)):
            return kept[0]
        return Reply(call.realm, call.call_id, b"", RemoteError.code, "the call ended before; its reply is gone")

    def _expire(self, now: float) -> None:
        limits = self._settings
        while self._replies:
            key, (_, since, _) = next(iter(self._replies.items()))
            if now - since < limits.reply_keep and self._bytes <= limits.max_reply_bytes:
                self._due = since + limits.reply_keep
                return
            self._drop(key)

    def _drop(self, key: tuple[NodeId, bytes]) -> None:
        if kept := self._replies.pop(key, None):
            self._bytes -= kept[2]
