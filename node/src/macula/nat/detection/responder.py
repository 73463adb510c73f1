"""The STUN server of a node (RFC 8489), with what RFC 5780 and RFC 3489 clients need. Keeps nothing of who asks."""

from __future__ import annotations

from ipaddress import ip_address

from macula.core.address import Address
from macula.core.effects import OpenSocket, SendDatagram, Trace
from macula.core.events import DatagramReceived
from macula.core.limits import Limit, met
from macula.core.network_limiter import PrefixLimiter
from macula.core.token_bucket import TokenBucket
from macula.nat import stun
from macula.nat.settings import NatSettings
from macula.nat.stun import CHANGE_ADDRESS, CHANGE_PORT, Endpoint, Kind, Message, StunError, Type

OTHER_PORT, OTHER_HOST = 1, 2
"""Bits of a socket's number: the mesh's own is 0, the one at the other address and the other port is 3."""
SOCKETS = range(4)

_KNOWN = (Type.CHANGE_REQUEST,)


class Responder:
    """Answers each binding request by one datagram of at most 116 bytes, to where it came from and nowhere else.

    RESPONSE-PORT (RFC 5780, section 7.5) is refused as unknown: nobody is to choose where answers go.
    """

    def __init__(self, settings: NatSettings) -> None:
        self._settings = settings
        self._limiter = PrefixLimiter(settings.rate, settings.burst)
        self._total = TokenBucket(settings.total_rate, settings.total_burst, 0.0)
        self._places: dict[int, Address] = {}
        self._known_as: tuple[Address, ...] = ()

    @property
    def other_port(self) -> int:
        """The second port at the mesh's address, or 0."""
        place = self._places.get(OTHER_PORT)
        return place.port if place else 0

    def known_as(self, addresses: tuple[Address, ...]) -> None:
        """Under which addresses others reach this node: what answers say where the socket's own is a wildcard."""
        self._known_as = tuple(address for address in addresses if not address.tunnelled)

    def wanted(self, own: Address) -> list[OpenSocket]:
        """The sockets to answer on beside the mesh's own, which is bound to `own`."""
        self._places[0] = own
        settings, sockets = self._settings, []
        other = settings.other_port if settings.other_port is not None else (own.port + 1) % 65536
        if not settings.answers or other == own.port:
            other = 0
        if other:
            sockets.append(OpenSocket(OTHER_PORT, other))
        if settings.answers and settings.other_host is not None:
            sockets.append(OpenSocket(OTHER_HOST, own.port, settings.other_host))
            if other:
                sockets.append(OpenSocket(OTHER_HOST | OTHER_PORT, other, settings.other_host))
        return sockets

    def opened(self, number: int, local: Address) -> None:
        """One of the wanted sockets is open."""
        self._places[number] = local

    def answer(self, event: DatagramReceived, asked: Message, now: float) -> SendDatagram | Trace | None:
        """The answer to a binding request; None if this node gives none, a trace if too many were asked for."""
        if not self._settings.answers or asked.kind is not Kind.REQUEST:
            return None
        if not self._limiter.take(event.source.host, now) or not self._total.take(1, now):
            return met(Limit.STUN)
        try:
            change = asked.change
        except StunError:
            return None
        origin = event.socket ^ (OTHER_HOST if change & CHANGE_ADDRESS else 0)
        origin ^= OTHER_PORT if change & CHANGE_PORT else 0
        unknown = asked.unknown(_KNOWN)
        if not unknown and origin not in self._places:
            # RFC 5780, section 6.1: a server without an alternate address and port does not know the attribute.
            unknown = [Type.CHANGE_REQUEST]
        if unknown:
            return SendDatagram(event.source, stun.encode(_refusal(asked, unknown)), event.socket)
        answer = self._success(asked, event.source, origin, event.socket)
        return SendDatagram(event.source, stun.encode(answer), origin)

    def _success(self, asked: Message, source: Address, origin: int, arrived_at: int) -> Message:
        seen = Endpoint(source.host, source.port)
        if asked.classic:
            kinds, told = (Type.SOURCE_ADDRESS, Type.CHANGED_ADDRESS), [(Type.MAPPED_ADDRESS, stun.address_value(seen))]
        else:
            kinds = (Type.RESPONSE_ORIGIN, Type.OTHER_ADDRESS)
            told = [(Type.XOR_MAPPED_ADDRESS, stun.xor_address_value(seen, asked.transaction))]
        # OTHER-ADDRESS stands only where there is a second address (RFC 5780, section 7.4). It is always that one, like
        # coturn's: turnutils_natdiscovery takes the third place to ask from the second answer.
        others = (origin, OTHER_HOST | (arrived_at & OTHER_PORT ^ OTHER_PORT))
        for kind, number in zip(kinds, others, strict=True):
            if (place := self._place(number, source)) is not None:
                told.append((kind, stun.address_value(place)))
        return Message(Kind.SUCCESS, asked.transaction, tuple(told))

    def _place(self, number: int, asker: Address) -> Endpoint | None:
        place = self._places.get(number)
        if place is None:
            return None
        if not ip_address(place.host).is_unspecified:
            return Endpoint(place.host, place.port)
        known = [address.host for address in self._known_as if (":" in address.host) == (":" in asker.host)]
        return Endpoint(known[0], place.port) if known else None


def _refusal(asked: Message, unknown: list[int]) -> Message:
    # As many as there is room for in an answer that is not much larger than the question.
    listed = b"".join(kind.to_bytes(2) for kind in unknown[:8])
    refused = ((Type.ERROR_CODE, stun.error_value(stun.UNKNOWN_ATTRIBUTE)), (Type.UNKNOWN_ATTRIBUTES, listed))
    return Message(Kind.ERROR, asked.transaction, refused)
