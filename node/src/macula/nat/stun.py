"""STUN messages: binding requests and their answers (RFC 8489), with what RFC 5780 and RFC 3489 clients need.

Standard library only and nothing else of this package: the lab's routers carry this file beside `profile.py`.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

MAGIC_COOKIE = b"\x21\x12\xa4\x42"
HEADER_BYTES = 20
MAX_MESSAGE_BYTES = 1280
"""longer messages are refused; no binding message comes near"""
MAX_ATTRIBUTES = 32

CHANGE_ADDRESS = 0x04
CHANGE_PORT = 0x02

UNKNOWN_ATTRIBUTE = 420
_REASONS = {UNKNOWN_ATTRIBUTE: "Unknown Attribute"}
_FAMILIES = {4: 1, 6: 2}
"""the number of an IP version in an address attribute (RFC 8489, section 14.1)"""


class Endpoint(NamedTuple):
    """An IP address and a UDP port, as a message carries them; 0 is possible. Usable as an address of a socket."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Kind(IntEnum):
    """Method and class of a message (RFC 8489, section 5)."""

    REQUEST = 0x0001
    INDICATION = 0x0011
    SUCCESS = 0x0101
    ERROR = 0x0111


_KINDS = frozenset(Kind)


class Type(IntEnum):
    """Attributes that we read or write."""

    MAPPED_ADDRESS = 0x0001
    CHANGE_REQUEST = 0x0003
    SOURCE_ADDRESS = 0x0004
    """RFC 3489's RESPONSE-ORIGIN"""
    CHANGED_ADDRESS = 0x0005
    """RFC 3489's OTHER-ADDRESS"""
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    XOR_MAPPED_ADDRESS = 0x0020
    RESPONSE_PORT = 0x0027
    RESPONSE_ORIGIN = 0x802B
    OTHER_ADDRESS = 0x802C


class StunError(ValueError):
    """Bytes that are not a STUN message of ours."""


@dataclass(frozen=True, slots=True)
class Message:
    """One binding message; attributes in their order, values without padding."""

    kind: Kind
    transaction: bytes
    attributes: tuple[tuple[int, bytes], ...] = ()

    @property
    def classic(self) -> bool:
        """Whether it is of RFC 3489, which knows no magic cookie."""
        return not self.transaction.startswith(MAGIC_COOKIE)

    def value(self, wanted: int) -> bytes | None:
        """The first attribute of a type."""
        return next((value for kind, value in self.attributes if kind == wanted), None)

    def unknown(self, known: Iterable[int]) -> list[int]:
        """Types that must be understood (below 0x8000) and are not `known`."""
        known = set(known)
        return sorted({kind for kind, _ in self.attributes if kind < 0x8000 and kind not in known})

    @property
    def change(self) -> int:
        """The bits of CHANGE-REQUEST, CHANGE_ADDRESS and CHANGE_PORT. Raises StunError when it is malformed."""
        value = self.value(Type.CHANGE_REQUEST)
        if value is None:
            return 0
        if len(value) != 4:
            raise StunError("CHANGE-REQUEST is not of 4 bytes")
        return int.from_bytes(value) & (CHANGE_ADDRESS | CHANGE_PORT)

    @property
    def response_port(self) -> int | None:
        """The port that RESPONSE-PORT asks the answer to be sent to. Raises StunError when it is malformed."""
        value = self.value(Type.RESPONSE_PORT)
        if value is None:
            return None
        if len(value) not in (2, 4) or not any(value[:2]):
            raise StunError("RESPONSE-PORT is not a port")
        return int.from_bytes(value[:2])

    @property
    def mapped(self) -> Endpoint | None:
        """Where the server saw the request come from. Raises StunError when it is malformed, as the next two do."""
        value = self.value(Type.XOR_MAPPED_ADDRESS)
        if value is not None:
            return read_address(_xor(value, self.transaction))
        return self._address(Type.MAPPED_ADDRESS)

    @property
    def origin(self) -> Endpoint | None:
        """Where the server says it sent this answer from."""
        return self._address(Type.RESPONSE_ORIGIN) or self._address(Type.SOURCE_ADDRESS)

    @property
    def other(self) -> Endpoint | None:
        """The server's other address and other port, if it has any."""
        return self._address(Type.OTHER_ADDRESS) or self._address(Type.CHANGED_ADDRESS)

    def _address(self, kind: int) -> Endpoint | None:
        value = self.value(kind)
        return None if value is None else read_address(value)


def request(random: bytes, change: int = 0) -> Message:
    """A binding request; `random` are 12 bytes that nobody can guess, `change` the bits of CHANGE-REQUEST."""
    attributes = ((Type.CHANGE_REQUEST, change.to_bytes(4)),) if change else ()
    return Message(Kind.REQUEST, MAGIC_COOKIE + random, attributes)


def encode(message: Message) -> bytes:
    """The message as bytes."""
    body = b"".join(
        struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4) for kind, value in message.attributes
    )
    return struct.pack("!HH", message.kind, len(body)) + message.transaction + body


def decode(data: bytes) -> Message:
    """The message in these bytes. Raises StunError for everything but exactly one binding message."""
    if not HEADER_BYTES <= len(data) <= MAX_MESSAGE_BYTES:
        raise StunError(f"{len(data)} bytes are not a binding message")
    kind, length = struct.unpack_from("!HH", data)
    if kind not in _KINDS:
        raise StunError(f"type {kind:#06x} is not of a binding message")
    if length % 4 or length != len(data) - HEADER_BYTES:
        raise StunError(f"it says {length} bytes and has {len(data) - HEADER_BYTES}")
    attributes: list[tuple[int, bytes]] = []
    offset = HEADER_BYTES
    while offset < len(data):
        attribute, size = struct.unpack_from("!HH", data, offset)
        end = offset + 4 + size
        if end > len(data):
            raise StunError(f"attribute {attribute:#06x} goes beyond the end")
        if len(attributes) == MAX_ATTRIBUTES:
            raise StunError(f"it has more than {MAX_ATTRIBUTES} attributes")
        attributes.append((attribute, data[offset + 4 : end]))
        offset = end + -size % 4
    return Message(Kind(kind), data[4:HEADER_BYTES], tuple(attributes))


def address_value(endpoint: Endpoint) -> bytes:
    """The value of MAPPED-ADDRESS and its kin. Raises ValueError when the address is none."""
    address = ip_address(endpoint.address)
    return struct.pack("!BBH", 0, _FAMILIES[address.version], endpoint.port) + address.packed


def xor_address_value(endpoint: Endpoint, transaction: bytes) -> bytes:
    """The value of XOR-MAPPED-ADDRESS in a message of this transaction (RFC 8489, section 14.2)."""
    return _xor(address_value(endpoint), transaction)


def read_address(value: bytes) -> Endpoint:
    """The endpoint in the value of an address attribute. Raises StunError when it is none."""
    packed = value[4:]
    if len(value) == 8 and value[1] == _FAMILIES[4]:
        address: IPv4Address | IPv6Address = IPv4Address(packed)
    elif len(value) == 20 and value[1] == _FAMILIES[6]:
        address = IPv6Address(packed)
    else:
        raise StunError("an address that is neither of IPv4 nor of IPv6")
    return Endpoint(str(address), int.from_bytes(value[2:4]))


def error_value(code: int) -> bytes:
    """The value of ERROR-CODE (RFC 8489, section 14.8)."""
    return struct.pack("!HBB", 0, code // 100, code % 100) + _REASONS[code].encode()


def _xor(value: bytes, transaction: bytes) -> bytes:
    """Mask or unmask: the port with half of the magic cookie, IPv6 with the whole transaction, IPv4 with its begin."""
    if len(value) not in (8, 20):
        raise StunError("an address that is neither of IPv4 nor of IPv6")
    mask = MAGIC_COOKIE[:2] + MAGIC_COOKIE + transaction[len(MAGIC_COOKIE) :]
    return value[:2] + bytes(a ^ b for a, b in zip(value[2:], mask, strict=False))
