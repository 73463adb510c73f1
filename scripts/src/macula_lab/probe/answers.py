"""What a STUN server with two addresses and two ports answers (RFC 5780, section 6). Pure."""

from dataclasses import dataclass

from macula.nat import stun
from macula.nat.stun import Kind, Message, StunError, Type

from macula_lab.probe.endpoint import Endpoint

KNOWN = (Type.CHANGE_REQUEST, Type.RESPONSE_PORT)


@dataclass(frozen=True, slots=True)
class Places:
    """The four endpoints of a server."""

    addresses: tuple[str, str]
    ports: tuple[int, int]

    def all(self) -> list[Endpoint]:
        """The four of them, the primary one first."""
        return [Endpoint(address, port) for address in self.addresses for port in self.ports]

    def changed(self, place: Endpoint, change: int) -> Endpoint:
        """The place as seen from another one: with the other address, the other port, or both."""
        address, port = place
        if change & stun.CHANGE_ADDRESS:
            address = self.addresses[address == self.addresses[0]]
        if change & stun.CHANGE_PORT:
            port = self.ports[port == self.ports[0]]
        return Endpoint(address, port)


@dataclass(frozen=True, slots=True)
class Answer:
    """A datagram to send: from which of the server's places, and where to."""

    data: bytes
    origin: Endpoint
    destination: Endpoint


def answer(data: bytes, source: Endpoint, place: Endpoint, places: Places) -> Answer | None:
    """The answer to a datagram from `source` that arrived at `place`; None to what deserves none."""
    try:
        asked = stun.decode(data)
        change, port = asked.change, asked.response_port
    except StunError:
        return None
    if asked.kind is not Kind.REQUEST:
        return None
    if unknown := asked.unknown(KNOWN):
        return Answer(stun.encode(_refusal(asked, unknown)), place, source)
    origin = places.changed(place, change)
    destination = source if port is None else Endpoint(source.address, port)
    return Answer(stun.encode(_success(asked, source, place, origin, places)), origin, destination)


def _success(asked: Message, source: Endpoint, place: Endpoint, origin: Endpoint, places: Places) -> Message:
    other = places.changed(place, stun.CHANGE_ADDRESS | stun.CHANGE_PORT)
    told: list[tuple[int, bytes]] = [(Type.MAPPED_ADDRESS, stun.address_value(source))]
    if asked.classic:
        told.append((Type.SOURCE_ADDRESS, stun.address_value(origin)))
        told.append((Type.CHANGED_ADDRESS, stun.address_value(other)))
    else:
        told.append((Type.XOR_MAPPED_ADDRESS, stun.xor_address_value(source, asked.transaction)))
        told.append((Type.RESPONSE_ORIGIN, stun.address_value(origin)))
        # Like coturn's, and not as RFC 5780, section 7.4, has it for the second address: turnutils_natdiscovery takes
        # the third place to ask from the second answer, and would find every address-dependent mapping to be another.
        told.append((Type.OTHER_ADDRESS, stun.address_value(Endpoint(places.addresses[1], other.port))))
    return Message(Kind.SUCCESS, asked.transaction, tuple(told))


def _refusal(asked: Message, unknown: list[int]) -> Message:
    listed = b"".join(kind.to_bytes(2) for kind in unknown)
    return Message(
        Kind.ERROR,
        asked.transaction,
        ((Type.ERROR_CODE, stun.error_value(stun.UNKNOWN_ATTRIBUTE)), (Type.UNKNOWN_ATTRIBUTES, listed)),
    )
