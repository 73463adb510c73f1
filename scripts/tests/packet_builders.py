"""Frames as tcpdump writes them, made by hand."""

import struct
from ipaddress import IPv4Address
from pathlib import Path

MAC_HOST, MAC_ROUTER, MAC_PEER = (bytes.fromhex(f"02000000000{n}") for n in (1, 2, 3))


def frame(
    source: str,
    target: str,
    payload: bytes = b"hello",
    *,
    protocol: str = "udp",
    ttl: int = 64,
    identification: int = 0,
    from_mac: bytes = MAC_HOST,
    to_mac: bytes = MAC_ROUTER,
    checksum: int = 0xBEEF,
) -> bytes:
    """An Ethernet frame with a UDP, TCP (`payload` begins with the flags) or raw ICMP packet."""
    (host, _, port), (other, _, other_port) = source.partition(":"), target.partition(":")
    ports = int(port or 0), int(other_port or 0)
    if protocol == "udp":
        body = struct.pack("!HHHH", *ports, 8 + len(payload), checksum) + payload
        number = 17
    elif protocol == "tcp":
        body = struct.pack("!HHIIBBHHH", *ports, 1, 2, 5 << 4, payload[0], 1000, checksum, 0) + payload[1:]
        number = 6
    else:
        body, number = payload, 1
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), identification, 0x4000, ttl, number, 0,
        IPv4Address(host).packed, IPv4Address(other).packed,
    )  # fmt: skip
    return to_mac + from_mac + b"\x08\x00" + header + body


def pcap(*frames: tuple[float, bytes]) -> bytes:
    """A capture file."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    records = [
        struct.pack("<IIII", int(time), round(time % 1 * 1e6), len(data), len(data)) + data for time, data in frames
    ]
    return head + b"".join(records)


def capture(path: Path, *frames: tuple[float, bytes]) -> Path:
    """The same as a file."""
    path.write_bytes(pcap(*frames))
    return path
