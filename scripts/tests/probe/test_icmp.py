"""ICMP messages made by hand."""

import struct

from macula_lab.probe import icmp
from macula_lab.probe.endpoint import Endpoint


def checks(message: bytes) -> bool:
    """Whether the checksum is right: the sum of all words is then all ones (RFC 1071)."""
    total: int = sum(word for (word,) in struct.iter_unpack("!H", message))
    return (total & 0xFFFF) + (total >> 16) == 0xFFFF


def test_port_unreachable_quotes_the_datagram() -> None:
    message = icmp.port_unreachable(Endpoint("192.0.2.1", 40_000), Endpoint("198.51.100.2", 3478))

    assert message[:2] == b"\x03\x03"
    assert checks(message)
    header, udp = message[8:28], message[28:]
    assert header[0] == 0x45
    assert header[9] == 17
    assert header[12:] == bytes([192, 0, 2, 1, 198, 51, 100, 2])
    assert struct.unpack("!HHH", udp[:6]) == (40_000, 3478, 8)


def test_an_echo_reply_carries_its_data() -> None:
    message = icmp.echo_reply(b"odd")

    assert message[:2] == b"\0\0"
    assert message.endswith(b"odd")
    assert checks(message + b"\0")
