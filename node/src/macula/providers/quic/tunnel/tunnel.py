"""One end of a tunnel without a socket: bytes of a TCP stream and datagrams in and out, deadlines in `now`."""

from __future__ import annotations

import ssl
from collections import deque
from enum import Enum, auto

from macula.providers.quic.tunnel.settings import MAX_DATAGRAM, TunnelSettings
from macula.providers.quic.tunnel.tls import TlsLayer
from macula.providers.quic.tunnel.websocket import WebSocket

_BATCH = 1 << 14
"""Bytes of datagrams that are encrypted at a time: what comes after them waits as datagrams, which can be dropped."""
_MAX_HEAD = 1 << 14
"""Bytes that may come before the WebSocket is open."""
_MAX_BACKLOG = 1 << 16
"""Bytes of answers (to pings, to TLS) that may wait for a peer that does not read; more end the tunnel."""


class State(Enum):
    """What a tunnel is there for."""

    OPENING = auto()
    OPEN = auto()
    CLOSING = auto()
    """What is left goes out, and what comes is thrown away, until the other side has closed."""
    CLOSED = auto()


class Tunnel:
    """After any call but `take`, call `take` until it is empty and write that to the TCP stream, then ask `deadline`.
    Never raises on what the other side sent. `now` is monotonic seconds."""

    def __init__(
        self, context: ssl.SSLContext, *, is_client: bool, now: float, settings: TunnelSettings, host: str = ""
    ) -> None:
        """`host` is what a client calls the server."""
        self.state = State.OPENING
        self.reason = ""
        """Why it is over, once it is."""
        self.dropped = 0
        """Datagrams that were not sent: too many, too old or too large."""
        self.opened = False
        """Whether it has ever been a tunnel."""
        self._settings = settings
        self._is_client = is_client
        self._tls = TlsLayer(context, is_client=is_client)
        self._web = WebSocket(is_client=is_client, host=host)
        self._queue: deque[tuple[float, bytes]] = deque()
        self._out = bytearray()
        self._head = 0
        self._ends_at = now + settings.handshake_timeout
        self._heard_at = now
        self._asked = False
        self._doubted_at: float | None = None
        self._used_at = now
        self._blocked_at: float | None = None
        if is_client:
            self._guarded(b"", now)

    @property
    def over(self) -> bool:
        """Whether the TCP connection is to be closed now."""
        return self.state is State.CLOSED

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Bytes came from the TCP stream; returns the datagrams that they complete."""
        if self.state in (State.CLOSING, State.CLOSED):
            return []
        return self._guarded(data, now)

    def ended(self, reason: str) -> None:
        """The TCP stream ended, or broke, or never began."""
        self._close(reason)

    def send(self, datagram: bytes, now: float) -> None:
        """Send it as soon as the stream takes it, or drop it."""
        opening = self.state is State.OPENING
        if not (opening or self.state is State.OPEN) or not 0 < len(datagram) <= MAX_DATAGRAM:
            self.dropped += 1
            return
        self._used_at = now
        if not opening:
            self._forget_stale(now)
        self._queue.append((now, datagram))
        if len(self._queue) > (self._settings.opening_queue if opening else self._settings.queue):
            self._queue.popleft()
            self.dropped += 1

    def take(self, now: float) -> bytes:
        """The next bytes for the TCP stream. Call it only when the stream took the last ones."""
        self._blocked_at = None
        if self.state is State.OPEN:
            self._encrypt(now)
        data = bytes(self._out)
        self._out.clear()
        return data

    def blocked(self, now: float) -> None:
        """The stream takes no more for now."""
        if self._blocked_at is None:
            self._blocked_at = now

    def doubt(self, now: float) -> None:
        """There is reason to believe that it is dead though TCP has not noticed yet: ask for a sign of life, now."""
        if self.state is State.OPEN and self._doubted_at is None:
            self._doubted_at = now
            self._ask()

    def close(self, reason: str, now: float) -> None:
        """Say goodbye, and close when the other side has done so, too, or has not within the time for that."""
        if self.state is State.OPENING:
            self._close(reason)
        elif self.state is State.OPEN:
            self._web.close()
            self._say()
            self._leave(reason, now)

    def deadline(self) -> float | None:
        """When to call handle_timer next."""
        settings = self._settings
        match self.state:
            case State.OPENING | State.CLOSING:
                return self._ends_at
            case State.OPEN:
                ask = self._heard_at + (settings.dead_after if self._asked else settings.ping_interval)
                stuck = float("inf") if self._blocked_at is None else self._blocked_at + settings.stuck_after
                doubted = float("inf") if self._doubted_at is None else self._doubted_at + settings.doubt_time
                return min(ask, stuck, doubted, self._used_at + self._patience)
        return None

    def handle_timer(self, now: float) -> None:
        """A deadline has come. Harmless at any other time."""
        settings = self._settings
        if self.state in (State.OPENING, State.CLOSING):
            if now >= self._ends_at:
                self._close(self.reason or f"no tunnel within {settings.handshake_timeout:g} s")
            return
        if self.state is not State.OPEN:
            return
        if now >= self._heard_at + settings.dead_after:
            self._close(f"nothing came for {settings.dead_after:g} s")
        elif self._doubted_at is not None and now >= self._doubted_at + settings.doubt_time:
            self._close(f"no sign of life within {settings.doubt_time:g} s")
        elif self._blocked_at is not None and now >= self._blocked_at + settings.stuck_after:
            self._close(f"the other side took nothing for {settings.stuck_after:g} s")
        elif now >= self._used_at + self._patience:
            self.close("not used", now)
        elif now >= self._heard_at + settings.ping_interval and not self._asked:
            self._asked = True
            self._ask()

    @property
    def _patience(self) -> float:
        return self._settings.unused_after * (1 if self._is_client else 2)

    def _guarded(self, data: bytes, now: float) -> list[bytes]:
        try:
            return self._hear(data, now)
        except ssl.SSLError as error:
            self._flush_tls()
            self._leave(f"TLS: {error.reason or error}", now)
        except Exception as error:  # noqa: BLE001 - a fault of a library must cost one tunnel, not the node
            self._close(f"{type(error).__name__}: {error}")
        return []

    def _hear(self, data: bytes, now: float) -> list[bytes]:
        opening = self.state is State.OPENING
        self._head += len(data) if opening else 0
        heard = self._web.heard
        datagrams = self._web.receive(self._tls.receive(data))
        self._say()
        if self._web.heard != heard:
            self._heard_at, self._asked, self._doubted_at = now, False, None
        if datagrams:
            self._used_at = now
        if opening and self._web.open:
            self.state = State.OPEN
            self.opened = True
            self._heard_at = self._used_at = now
            self._queue = deque((now, datagram) for _, datagram in self._queue)
        if self._web.ended is not None:
            self._leave(self._web.ended, now)
        elif self._tls.ended:
            self._leave("closed by the other side", now)
        elif self.state is State.OPENING and self._head > _MAX_HEAD:
            self._close("too long a beginning")
        elif len(self._out) > _MAX_BACKLOG:
            self._close("the other side asks and does not read")
        return datagrams

    def _encrypt(self, now: float) -> None:
        self._forget_stale(now)
        size = 0
        while self._queue and size < _BATCH:
            _, datagram = self._queue.popleft()
            size += len(datagram)
            self._web.send(datagram)
        self._say()

    def _forget_stale(self, now: float) -> None:
        while self._queue and self._queue[0][0] < now - self._settings.stale_after:
            self._queue.popleft()
            self.dropped += 1

    def _ask(self) -> None:
        self._web.ping()
        self._say()

    def _say(self) -> None:
        """Encrypt what the WebSocket has to say."""
        if self._tls.secure and (said := self._web.take()):
            try:
                self._tls.write(said)
            except ssl.SSLError as error:
                self._close(f"TLS: {error.reason or error}")
        self._flush_tls()

    def _flush_tls(self) -> None:
        self._out += self._tls.take()

    def _leave(self, reason: str, now: float) -> None:
        """Let the last words go out."""
        if self.state in (State.CLOSING, State.CLOSED):
            return
        if self._tls.secure:
            self._tls.close()
            self._flush_tls()
        self.state = State.CLOSING
        self.reason = reason
        self._ends_at = now + self._settings.farewell
        self.dropped += len(self._queue)
        self._queue.clear()

    def _close(self, reason: str) -> None:
        if self.state is State.CLOSED:
            return
        self.reason = self.reason or reason
        self.state = State.CLOSED
        self.dropped += len(self._queue)
        self._queue.clear()
        self._out.clear()
