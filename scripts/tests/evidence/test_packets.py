import struct
from pathlib import Path

import pytest

from macula_lab.errors import LabError
from macula_lab.evidence.packets import Endpoint, Packet, join, parse, read
from packet_builders import capture, frame, pcap

INSIDE, OUTSIDE, REMOTE = "172.27.1.31:9443", "172.27.0.21:40001", "172.27.0.10:3478"


def packet(data: bytes) -> Packet:
    found = parse(1.0, data)
    assert found
    return found


def test_a_packet_is_read_with_its_ends_and_its_time(tmp_path: Path) -> None:
    file = capture(tmp_path / "x.pcap", (100.25, frame(INSIDE, REMOTE, b"12345", ttl=63)))
    (found,) = read(file)
    assert (found.time, found.protocol, found.size, found.ttl) == (100.25, "udp", 33, 63)
    assert (str(found.source), str(found.target)) == (INSIDE, REMOTE)


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_a_packet_keeps_its_identity_through_a_nat(protocol: str) -> None:
    before = packet(frame(INSIDE, REMOTE, b"\x02abc", protocol=protocol, ttl=64, checksum=1))
    after = packet(frame(OUTSIDE, REMOTE, b"\x02abc", protocol=protocol, ttl=63, checksum=2))
    assert before.identity == after.identity and before.source != after.source


@pytest.mark.parametrize("change", [{"payload": b"\x02abd"}, {"identification": 7}, {"protocol": "udp"}])
def test_other_packets_have_another_identity(change: dict[str, object]) -> None:
    same: dict[str, object] = {"payload": b"\x02abc", "protocol": "tcp"}
    assert packet(frame(INSIDE, REMOTE, **same)).identity != packet(frame(INSIDE, REMOTE, **same | change)).identity  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("protocol", "payload", "note"),
    [
        ("tcp", b"\x02", "SYN"),
        ("tcp", b"\x11", "FIN"),
        ("tcp", b"\x04", "RST"),
        ("tcp", b"\x10", ""),
        ("icmp", b"\x08\x00" + bytes(6), "echo request"),
        ("icmp", b"\x03\x0d" + bytes(34), "unreachable, code 13"),
        ("udp", b"", ""),
    ],
)
def test_what_kind_of_packet_it_is(protocol: str, payload: bytes, note: str) -> None:
    assert packet(frame(INSIDE, REMOTE, payload, protocol=protocol)).note == note


def test_an_icmp_error_keeps_its_identity_though_the_packet_in_it_is_translated() -> None:
    def error(inside: str) -> bytes:
        about = frame(inside, REMOTE, identification=77)[14:]
        return frame("172.27.0.10", inside.partition(":")[0], b"\x03\x03\x12\x34\0\0\0\0" + about, protocol="icmp")

    first, second = packet(error(OUTSIDE)), packet(error(INSIDE))
    assert first.identity == second.identity and first.target != second.target
    assert str(first.target) == "172.27.0.21"


def test_what_is_not_ipv4_is_left_out() -> None:
    assert parse(1.0, frame(INSIDE, REMOTE).replace(b"\x08\x00\x45", b"\x08\x06\x45")) is None
    assert parse(1.0, b"short") is None


def test_a_packet_that_is_cut_off_has_no_ports_and_breaks_nothing() -> None:
    assert packet(frame(INSIDE, REMOTE)[:38]).source == Endpoint.parse("172.27.1.31")


def test_a_record_that_is_not_complete_yet_is_left_out(tmp_path: Path) -> None:
    whole = pcap((1.0, frame(INSIDE, REMOTE)), (2.0, frame(INSIDE, REMOTE)))
    for length in range(24, len(whole)):
        (tmp_path / "x.pcap").write_bytes(whole[:length])
        assert len(read(tmp_path / "x.pcap")) == (length - 24) // 63


def test_the_parts_of_a_ring_are_joined_in_the_order_of_their_packets(tmp_path: Path) -> None:
    newer = pcap((3.0, frame(INSIDE, REMOTE, b"3")))
    older = pcap((1.0, frame(INSIDE, REMOTE, b"1")), (2.0, frame(INSIDE, REMOTE, b"2")))
    (tmp_path / "x.pcap").write_bytes(join([newer, older, pcap()]))
    assert [found.time for found in read(tmp_path / "x.pcap")] == [1.0, 2.0, 3.0]
    assert join([pcap()]) == pcap() and join([]) == b""


@pytest.mark.parametrize("content", [b"x" * 30, b"short", struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1, 113)])
def test_another_file_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pcap").write_bytes(content)
    with pytest.raises(LabError, match=r"x\.pcap is no capture"):
        read(tmp_path / "x.pcap")


def test_an_empty_file_has_no_packets(tmp_path: Path) -> None:
    (tmp_path / "x.pcap").touch()
    assert read(tmp_path / "x.pcap") == []
