"""Packets from a capture file (the classic pcap format, Ethernet, IPv4).

Own code instead of a library: the lab writes these files itself, so one format, one link type and fixed headers are
all there is, and what is needed of a packet is what stays the same on both sides of a NAT.
"""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from macula_lab.errors import LabError

_FILE = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_MICROSECONDS = 0xA1B2C3D4
_ETHERNET = 1
_IPV4 = 0x0800
_ICMP_ERRORS = {3: "unreachable", 11: "time exceeded"}
_ICMP_OTHERS = {0: "echo reply", 5: "redirect", 8: "echo request"}
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp"}


class Endpoint(NamedTuple):
    """One end of a packet; ICMP has no ports, they are 0."""

    address: IPv4Address
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}" if self.port else str(self.address)

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """The reverse of str. Raises ValueError."""
        address, _, port = text.partition(":")
        return cls(IPv4Address(address), int(port or 0))


@dataclass(frozen=True, slots=True)
class Packet:
    """An IPv4 packet as it was seen on one interface."""

    time: float
    """seconds since 1970"""
    source: Endpoint
    target: Endpoint
    protocol: str
    """udp, tcp, icmp or a number"""
    size: int
    """bytes of the IP packet"""
    ttl: int
    identity: bytes
    """the same wherever the packet is seen, whatever translates it, and most likely different for every other one"""
    from_mac: bytes
    to_mac: bytes
    note: str = ""
    """SYN, FIN or RST of TCP, the kind of ICMP"""


def read(file: Path) -> list[Packet]:
    """The IPv4 packets of a capture, oldest first. A last record that is not complete yet is left out.

    Raises LabError when it is no such capture.
    """
    data = file.read_bytes()
    if not data:
        return []
    if len(data) < _FILE.size or (head := _FILE.unpack_from(data))[0] != _MICROSECONDS or head[6] != _ETHERNET:
        raise LabError(f"{file} is no capture of Ethernet frames in the pcap format", "give one that tcpdump wrote")
    packets = [packet for time, frame in _frames(data) if (packet := parse(time, frame))]
    return sorted(packets, key=lambda packet: packet.time)


def join(parts: Sequence[bytes]) -> bytes:
    """One capture from the parts that tcpdump's ring left; the part that began first comes first."""
    whole = sorted((part for part in parts if len(part) > _FILE.size), key=lambda part: _RECORD.unpack_from(part, 24))
    if not whole:
        return max(parts, key=len, default=b"")
    return b"".join([whole[0], *(part[_FILE.size :] for part in whole[1:])])


def _frames(data: bytes) -> Iterator[tuple[float, bytes]]:
    offset = _FILE.size
    while offset + _RECORD.size <= len(data):
        seconds, micros, kept, _ = _RECORD.unpack_from(data, offset)
        offset += _RECORD.size
        if offset + kept > len(data):
            return
        yield seconds + micros / 1e6, data[offset : offset + kept]
        offset += kept


def parse(time: float, frame: bytes) -> Packet | None:
    """The IPv4 packet in an Ethernet frame; None when there is none, or none that is whole."""
    if len(frame) < 34 or int.from_bytes(frame[12:14]) != _IPV4:
        return None
    ip = frame[14:]
    header, size = (ip[0] & 15) * 4, int.from_bytes(ip[2:4])
    body = ip[header:size]
    protocol = _PROTOCOLS.get(ip[9], str(ip[9]))
    # A later fragment has no ports. The lab's own links have one MTU, so there are none.
    first = not int.from_bytes(ip[6:8]) & 0x1FFF
    ports, kept, note = _content(protocol, body) if first else ((0, 0), body, "fragment")
    return Packet(
        time=time,
        source=Endpoint(IPv4Address(ip[12:16]), ports[0]),
        target=Endpoint(IPv4Address(ip[16:20]), ports[1]),
        protocol=protocol,
        size=size,
        ttl=ip[8],
        identity=hashlib.blake2b(ip[4:6] + protocol.encode() + kept, digest_size=12).digest(),
        from_mac=frame[6:12],
        to_mac=frame[:6],
        note=note,
    )


def _content(protocol: str, body: bytes) -> tuple[tuple[int, int], bytes, str]:
    """Ports, the bytes that no NAT changes, and what to say about it."""
    if protocol == "udp" and len(body) >= 8:
        return struct.unpack_from("!HH", body), body[8:], ""
    if protocol == "tcp" and len(body) >= 20:
        flags = body[13]
        named = [name for bit, name in ((2, "SYN"), (1, "FIN"), (4, "RST")) if flags & bit]
        return struct.unpack_from("!HH", body), body[4:16] + body[20:], " ".join(named)
    if protocol == "icmp" and len(body) >= 8:
        kind, code = body[0], body[1]
        name = _ICMP_ERRORS.get(kind) or _ICMP_OTHERS.get(kind) or f"type {kind}"
        # An error carries the head of the packet it is about, and the NAT translates that too: all but its length,
        # identification and protocol. The checksum and, in an echo, the identifier may be changed as well.
        kept = body[:2] + (body[10:14] + body[17:18] if kind in _ICMP_ERRORS else body[6:])
        return (0, 0), kept, f"{name}, code {code}" if kind in _ICMP_ERRORS else name
    return (0, 0), body, ""
