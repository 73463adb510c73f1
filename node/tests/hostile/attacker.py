"""A peer that speaks QUIC and TLS correctly, and sends whatever it likes on top."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aioquic.quic import events as quic_events

from macula.core.address import Address
from macula.core.lanes import Lane
from macula.core.peer_record import PeerInfo, sign_peer
from macula.identity import Identity
from macula.providers.quic.certificate import make_certificate
from macula.providers.quic.closing import APPLICATION_CODE, Closing, decode_end
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.tuned import VIRTUAL_ADDRESS, TunedConnection, make_configuration
from macula.wire import Decoder, Message, codes, encode
from macula.wire.messages import Hello

M = TypeVar("M", bound=Message)
WINDOW = 64 << 10
PATIENCE = 10.0


def identity(seed: int) -> Identity:
    """The same one for the same seed."""
    return Identity.from_random(random.Random(f"hostile {seed}"))


def peer_info(who: Identity, realm: str, wall: float | None = None, ttl: int = 300, **changes: Any) -> PeerInfo:
    """A sound peer record of somebody that cannot be dialed."""
    fields: dict[str, Any] = {"addresses": (), "reachable": False, "name": "eve", "mode": "edge", "realms": (realm,)}
    return sign_peer(who, **(fields | changes), wall=time.time() if wall is None else wall, ttl=ttl)


def hello(info: PeerInfo, **changes: Any) -> Hello:
    """A sound hello of the node of this record, but for the changes."""
    fields: dict[str, Any] = {
        "version_min": 2,
        "version_max": 2,
        "capabilities": (),
        "realms": info.realms,
        "record": info.record.encoded,
    }
    return Hello(**(fields | changes))


class Attacker(asyncio.DatagramProtocol):
    """One connection. It grants no more than WINDOW bytes of each lane unless it `reads`."""

    def __init__(self, who: Identity, realm: str, certified: bool, reads: bool) -> None:
        self.identity = who
        self.realm = realm
        self.messages: list[Message] = []
        self.read_bytes = 0
        self.end: Closing | None = None
        self.answer: Callable[[Message], Iterable[Message]] = lambda message: ()
        """What it says on the control lane to each message that comes."""
        settings = QuicSettings(lane_window=WINDOW)
        configuration = make_configuration(who, make_certificate(who, 7), settings, is_client=True)
        if not certified:
            configuration.certificate = configuration.private_key = None
        self.quic = TunedConnection(configuration)
        self._reads = reads
        self.lanes: dict[int, int] = {}
        self._decoders: dict[int, Decoder] = {}
        self._consumed: dict[int, int] = {}
        self._proven = False
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    # What a test does with it.

    def send(self, lane: int, data: bytes) -> None:
        """Raw bytes on a lane, which is opened by the first."""
        stream = self.lanes.get(lane)
        if stream is None:
            stream = self.lanes[lane] = self.open(bytes([lane]))
        self.quic.send_stream_data(stream, data)
        self.flush()

    def open(self, first: bytes, unidirectional: bool = True) -> int:
        """A stream of its own that begins with these bytes; its id."""
        stream: int = self.quic.get_next_available_stream_id(is_unidirectional=unidirectional)
        self.quic.send_stream_data(stream, first)
        self.flush()
        return stream

    def say(self, lane: Lane, *messages: Message) -> None:
        """Sound frames."""
        self.send(lane, b"".join(encode(message) for message in messages))

    @property
    def address(self) -> Address:
        """Where its packets come from."""
        host, port = self._transport.get_extra_info("sockname")[:2]
        return Address(host, port)

    async def greet(self, **changes: Any) -> None:
        """A sound hello with these changes to its peer record; returns when the victim's came, too."""
        self.say(Lane.CONTROL, hello(peer_info(self.identity, self.realm, **changes)))
        await self.got(Hello)

    async def got(self, kind: type[M], count: int = 1) -> list[M]:
        """The messages of a kind, once there are so many."""
        await self.until(lambda: len(self._of(kind)) >= count or self.end is not None)
        found = self._of(kind)
        assert len(found) >= count, f"closed before: {self.end}"
        return found

    async def closed(self) -> Closing:
        """How the victim closed the connection."""
        await self.until(lambda: self.end is not None)
        assert self.end is not None
        return self.end

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something to hold after anything arrives."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def flush(self) -> None:
        """Send what QUIC wants sent and set its timer."""
        for data, _ in self.quic.datagrams_to_send(time.monotonic()):
            self._transport.sendto(data)
        if self._timer is not None:
            self._timer.cancel()
        at = self.quic.get_timer()
        if at is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, at - time.monotonic()), self._time_is_up)

    # asyncio's side.

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self.quic.connect(VIRTUAL_ADDRESS, time.monotonic())
        self.flush()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.quic.receive_datagram(data, VIRTUAL_ADDRESS, time.monotonic())
        self._pump()
        self.flush()

    def shut(self) -> None:
        """Close the connection as a good node does."""
        self.quic.close(error_code=APPLICATION_CODE, reason_phrase=f"{codes.GOING_AWAY} enough")
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
        self._transport.close()

    @property
    def proven(self) -> bool:
        """Whether the handshake is complete."""
        return self._proven

    def _of(self, kind: type[M]) -> list[M]:
        return [message for message in self.messages if isinstance(message, kind)]

    def _time_is_up(self) -> None:
        self._timer = None
        self.quic.handle_timer(time.monotonic())
        self._pump()
        self.flush()

    def _pump(self) -> None:
        while (event := self.quic.next_event()) is not None:
            match event:
                case quic_events.HandshakeCompleted():
                    self._proven = True
                case quic_events.StreamDataReceived(data, _, stream_id):
                    self._read(stream_id, data)
        if self.quic.end is not None and self.end is None:
            self.end = decode_end(self.quic.end)
        self._changed.set()

    def _read(self, stream_id: int, data: bytes) -> None:
        self.read_bytes += len(data)
        if stream_id not in self._decoders:
            self._decoders[stream_id] = Decoder()
            data = data[1:]
        for message, _ in self._decoders[stream_id].feed(data):
            self.messages.append(message)
            answers = tuple(self.answer(message))
            if answers:
                self.say(Lane.CONTROL, *answers)
        self._consumed[stream_id] = self._consumed.get(stream_id, 0) + len(data)
        if self._reads:
            self.quic.grant(stream_id, self._consumed[stream_id] + WINDOW, self.read_bytes + 3 * WINDOW)


@asynccontextmanager
async def attacking(
    victim: Address, who: Identity, realm: str, *, certified: bool = True, reads: bool = True
) -> AsyncIterator[Attacker]:
    """An attacker whose handshake is complete; it closes at the end."""
    loop = asyncio.get_running_loop()
    _, attacker = await loop.create_datagram_endpoint(
        lambda: Attacker(who, realm, certified, reads), remote_addr=(victim.host, victim.port)
    )
    try:
        await attacker.until(lambda: attacker.proven)
        yield attacker
    finally:
        attacker.shut()
