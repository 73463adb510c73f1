"""Messages that wait for a connection or for a blocked lane."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from macula.core.requests import SendTo
from macula.engine.settings import PoolSettings
from macula.wire.messages import Message


def content_size(message: Message) -> int:
    """Bytes of a message's binary fields, those in tuples included; what else it holds has small limits."""
    size = 0
    for name in message.__struct_fields__:
        value = getattr(message, name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, bytes):
                size += len(part)
    return size


class SendQueue:
    """First in, first out, bounded in messages and in bytes: a peer that reads nothing costs no more than this."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._requests: deque[SendTo] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[SendTo]:
        return iter(self._requests)

    def put(self, request: SendTo) -> bool:
        """Whether there was room. A single message always has some."""
        size = content_size(request.message)
        if self._requests and (
            len(self._requests) >= self._settings.pending_messages or self._size + size > self._settings.pending_bytes
        ):
            return False
        self._requests.append(request)
        self._size += size
        return True

    def take(self) -> list[SendTo]:
        """Everything, oldest first; the queue is empty then."""
        taken = list(self._requests)
        self._requests.clear()
        self._size = 0
        return taken
