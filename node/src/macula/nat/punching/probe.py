"""Probes: small authenticated datagrams of constant size by which two peers find paths to each other.

    0x21 | kind 1 | receiver 8 | sequence 4 | transaction 8 | observed 19 | tag 16        57 bytes, request and response

`receiver` is a number that the receiving peer chose for this sender, whose key makes the tag. `observed` is zero in a
request; in a response it is where the request came from, masked like STUN's XOR-MAPPED-ADDRESS (RFC 8489, section 14.2)
because some NATs rewrite the addresses that they find in a datagram. `tag` is BLAKE2b-128 over all the rest.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b

from macula.core.address import Address

FIRST_BYTE = 0x21
SIZE = 57
RECEIVER_SIZE = 8
KEY_SIZE = 32
TRANSACTION_SIZE = 8
_TAG_SIZE = 16
_TAG_AT = SIZE - _TAG_SIZE
_OBSERVED = slice(22, _TAG_AT)
_NOWHERE = bytes(19)


class ProbeKind(IntEnum):
    """What a probe is for."""

    REQUEST = 1
    RESPONSE = 2


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe whose tag was right. `observed` is set in responses only."""

    kind: ProbeKind
    sequence: int
    transaction: bytes
    observed: Address | None


def is_probe(data: bytes) -> bool:
    """Whether a datagram has the shape of a probe; nothing is said of its tag."""
    return len(data) == SIZE and data[0] == FIRST_BYTE


def receiver_of(data: bytes) -> bytes:
    """The receiver that a datagram with the shape of a probe names."""
    return data[2 : 2 + RECEIVER_SIZE]


def seal(probe: Probe, receiver: bytes, key: bytes) -> bytes:
    """The datagram of a probe. `key` is that of the direction in which it goes."""
    head = bytes([FIRST_BYTE, probe.kind]) + receiver
    head += probe.sequence.to_bytes(4, "big") + probe.transaction
    body = head + _masked(_packed(probe.observed), probe.transaction)
    return body + _tag(body, key)


def unseal(data: bytes, key: bytes) -> Probe | None:
    """The probe in a datagram; None unless its shape and its tag are right."""
    if not is_probe(data) or not hmac.compare_digest(data[_TAG_AT:], _tag(data[:_TAG_AT], key)):
        return None
    try:
        kind = ProbeKind(data[1])
        transaction = data[14:22]
        observed = _unpacked(_masked(data[_OBSERVED], transaction))
    except ValueError:
        return None
    if (observed is None) is not (kind is ProbeKind.REQUEST):
        return None
    return Probe(kind, int.from_bytes(data[10:14], "big"), transaction, observed)


def direction_key(secret: bytes, sender: bytes, receiver: bytes) -> bytes:
    """The key of the probes from one node to another; `secret` is known to these two only."""
    return blake2b(sender + receiver, digest_size=KEY_SIZE, key=secret, person=b"macula probe").digest()


def _tag(body: bytes, key: bytes) -> bytes:
    return blake2b(body, digest_size=_TAG_SIZE, key=key).digest()


def _packed(address: Address | None) -> bytes:
    if address is None:
        return _NOWHERE
    host = ipaddress.ip_address(address.host)
    return bytes([host.version]) + address.port.to_bytes(2, "big") + host.packed.ljust(16, b"\0")


def _unpacked(packed: bytes) -> Address | None:
    """Raises ValueError for what is no address."""
    if packed == _NOWHERE:
        return None
    size = {4: 4, 6: 16}.get(packed[0], 0)
    host, port = packed[3 : 3 + size], int.from_bytes(packed[1:3], "big")
    if not size or not port or any(packed[3 + size :]):
        raise ValueError("no address")
    return Address(str(ipaddress.ip_address(host)), port)


def _masked(packed: bytes, transaction: bytes) -> bytes:
    return bytes(byte ^ transaction[place % TRANSACTION_SIZE] for place, byte in enumerate(packed))
