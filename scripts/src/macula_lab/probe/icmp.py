"""ICMP messages made by hand (RFC 792). All that opens a socket needs NET_RAW and raises PermissionError without."""

import socket
import struct
import time

from macula_lab.probe.endpoint import Endpoint

_ECHO_REPLY = (0, 0)
_PORT_UNREACHABLE = (3, 3)
_UDP = 17


def port_unreachable(source: Endpoint, destination: Endpoint) -> bytes:
    """The error about an empty UDP datagram from `source` to `destination`, for the former. Pure."""
    udp = struct.pack("!HHHH", source.port, destination.port, 8, 0)
    addresses = socket.inet_aton(source.address) + socket.inet_aton(destination.address)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, _UDP, 0) + addresses
    return _message(_PORT_UNREACHABLE, bytes(4) + ip + udp)


def echo_reply(data: bytes) -> bytes:
    """An answer that nobody asked for. Pure."""
    return _message(_ECHO_REPLY, bytes(4) + data)


def send_port_unreachable(source: Endpoint, destination: Endpoint) -> None:
    """Tell the sender of a datagram that nobody listens where it went.

    By hand, because a kernel sends no more than one error a second to the same host.
    """
    with _raw() as raw:
        raw.bind((destination.address, 0))
        raw.sendto(port_unreachable(source, destination), (source.address, 0))


def send_echo_reply(data: bytes, source: str, destination: str) -> None:
    """Send an answer that nobody asked for."""
    with _raw() as raw:
        raw.bind((source, 0))
        raw.sendto(echo_reply(data), (destination, 0))


def watching() -> socket.socket:
    """A socket that gets all ICMP that comes here."""
    return _raw()


def source_of(watching: socket.socket, data: bytes, until: float) -> str:
    """Where a message with this data came from; empty when none has come by `until` (monotonic seconds)."""
    while True:
        watching.settimeout(max(0.0, until - time.monotonic()))
        try:
            packet, source = watching.recvfrom(2048)
        except (TimeoutError, BlockingIOError):
            return ""
        if packet.endswith(data):
            return str(source[0])


def _raw() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


def _message(kind: tuple[int, int], rest: bytes) -> bytes:
    return struct.pack("!BBH", *kind, _checksum(bytes((*kind, 0, 0)) + rest)) + rest


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(word for (word,) in struct.iter_unpack("!H", data + bytes(len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
