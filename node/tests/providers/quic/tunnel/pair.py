"""Two ends of a tunnel joined by a programmable TCP stream, on virtual time. No sockets, no tasks."""

from __future__ import annotations

import datetime
import ssl
from dataclasses import dataclass, field
from functools import cache

from macula.providers.quic.tunnel.certificate import client_context, server_context
from macula.providers.quic.tunnel.settings import TunnelSettings
from macula.providers.quic.tunnel.tls import TlsLayer
from macula.providers.quic.tunnel.tunnel import Tunnel

SETTINGS = TunnelSettings()


@cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Those of a client and of a server; keys are made once."""
    return client_context(), server_context(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))


def make_server(now: float = 0.0, settings: TunnelSettings = SETTINGS) -> Tunnel:
    """The end that takes tunnels."""
    return Tunnel(contexts()[1], is_client=False, now=now, settings=settings)


def make_client(now: float = 0.0, settings: TunnelSettings = SETTINGS) -> Tunnel:
    """The end that opens them."""
    return Tunnel(contexts()[0], is_client=True, now=now, settings=settings, host="10.0.0.1")


@dataclass
class Pair:
    """A client and a server; `run` moves bytes, in pieces of `piece` bytes, while both streams are open."""

    settings: TunnelSettings = SETTINGS
    piece: int = 1 << 16
    now: float = 100.0
    got: dict[str, list[bytes]] = field(default_factory=lambda: {"client": [], "server": []})
    stuck: set[str] = field(default_factory=set)
    """Ends that read nothing."""

    def __post_init__(self) -> None:
        self.client = make_client(self.now, self.settings)
        self.server = make_server(self.now, self.settings)

    def run(self) -> None:
        """Move bytes until there are none."""
        while self._move(self.client, self.server, "server") | self._move(self.server, self.client, "client"):
            continue

    def opened(self) -> Pair:
        """The same, as a tunnel."""
        self.run()
        assert self.client.opened and self.server.opened
        return self

    def wait(self, seconds: float) -> None:
        """Let virtual time pass, with both ends' deadlines on the way."""
        end = self.now + seconds
        while True:
            self.run()
            due = [at for tunnel in (self.client, self.server) if (at := tunnel.deadline()) is not None]
            at = min(due, default=float("inf"))
            if at > end:
                self.now = end
                return
            assert at > self.now or self._fire(), "a deadline that passes without effect"
            self.now = max(self.now, at)
            self._fire()

    def _fire(self) -> bool:
        before = (self.client.deadline(), self.server.deadline())
        for tunnel in (self.client, self.server):
            tunnel.handle_timer(self.now)
        return before != (self.client.deadline(), self.server.deadline())

    def _move(self, source: Tunnel, target: Tunnel, name: str) -> bool:
        if name in self.stuck:
            source.blocked(self.now)
            return False
        data = source.take(self.now)
        for start in range(0, len(data), self.piece):
            self.got[name] += target.receive(data[start : start + self.piece], self.now)
        return bool(data)


class Stranger:
    """A client that speaks TLS and then whatever the test wants."""

    def __init__(self, server: Tunnel, now: float = 0.0) -> None:
        self.server = server
        self.now = now
        self.tls = TlsLayer(contexts()[0], is_client=True)
        self.heard = b""
        self.got: list[bytes] = []
        self.tls.receive(b"")
        self.exchange()

    def say(self, data: bytes) -> None:
        """Send this within TLS, and take what is answered."""
        self.tls.write(data)
        self.exchange()

    def exchange(self) -> None:
        """Move bytes until there are none."""
        while True:
            out = self.tls.take()
            if out:
                self.got += self.server.receive(out, self.now)
            back = self.server.take(self.now)
            if back:
                self.heard += self.tls.receive(back)
            if not out and not back:
                return
