from __future__ import annotations

import json
import logging
import random
import stat
from pathlib import Path
from typing import Any

import pytest
from aioquic.quic.crypto import CryptoContext

import macula
from macula.config import Settings
from macula.errors import ConfigError
from macula.identity import Identity
from macula.providers.quic import diagnosis
from macula.providers.quic.certificate import make_certificate
from macula.providers.quic.diagnosis import Diagnosis, KeyLog, QlogFolder
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.tuned import CID_LENGTH, VERSIONS, VIRTUAL_ADDRESS, TunedConnection, make_configuration

LABELS = {
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
}


class Pair:
    """A client and a server that have met, and every datagram that the client sent."""

    def __init__(self, client: Diagnosis, server: Diagnosis) -> None:
        configurations = []
        for seed, written in enumerate((client, server)):
            identity = Identity.from_random(random.Random(seed))
            certificate = make_certificate(identity, 1)
            configurations.append(
                make_configuration(identity, certificate, QuicSettings(), is_client=not seed, diagnosis=written)
            )
        self.client = TunedConnection(configurations[0])
        self.client.connect(VIRTUAL_ADDRESS, 1.0)
        self.server = TunedConnection(configurations[1], self.client.original_destination_connection_id)
        self.datagrams: list[bytes] = []
        for step in range(10):
            self.exchange(1.0 + step / 100)

    def exchange(self, now: float) -> None:
        for data, _ in self.client.datagrams_to_send(now):
            self.datagrams.append(data)
            self.server.receive_datagram(data, VIRTUAL_ADDRESS, now)
        for data, _ in self.server.datagrams_to_send(now):
            self.client.receive_datagram(data, VIRTUAL_ADDRESS, now)


def secrets(path: Path) -> dict[str, tuple[str, bytes]]:
    """By label: the client's random that names the connection, and the secret."""
    lines = [line.split(" ") for line in path.read_text().splitlines()]
    assert len({label for label, _, _ in lines}) == len(lines)
    return {label: (name, bytes.fromhex(secret)) for label, name, secret in lines}


def records(path: Path) -> list[dict[str, Any]]:
    """A JSON text sequence (RFC 7464)."""
    first, *texts = path.read_text().split("\x1e")
    assert first == "" and all(text.endswith("\n") for text in texts)
    return [json.loads(text) for text in texts]


def test_both_sides_write_the_same_secrets_and_these_decrypt_what_was_captured(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("client", "server")]
    pair = Pair(*(Diagnosis(KeyLog(file)) for file in files))
    written = secrets(files[0])
    assert written == secrets(files[1])
    assert set(written) == LABELS and len({name for name, _ in written.values()}) == 1

    pair.client.send_stream_data(pair.client.get_next_available_stream_id(is_unidirectional=True), b"told in secret")
    pair.exchange(2.0)
    wireshark = CryptoContext()
    schedule = pair.client.tls.key_schedule
    assert schedule is not None
    wireshark.setup(
        cipher_suite=schedule.cipher_suite, secret=written["CLIENT_TRAFFIC_SECRET_0"][1], version=VERSIONS[0]
    )
    _, plain, _, _ = wireshark.decrypt_packet(pair.datagrams[-1], 1 + CID_LENGTH, 1)
    assert b"told in secret" in plain


def test_a_new_key_log_is_for_its_owner_and_an_old_one_is_added_to(tmp_path: Path) -> None:
    path = tmp_path / "made" / "keys.log"
    KeyLog(path).write("first\n")
    KeyLog(path).write("second\n")
    assert path.read_text() == "first\nsecond\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_is_written_unless_asked() -> None:
    configuration = Pair(Diagnosis(), Diagnosis()).client.configuration
    assert configuration.secrets_log_file is None and configuration.quic_logger is None


def test_a_full_key_log_is_told_once_and_costs_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(diagnosis, "MAX_KEY_LOG", 300)
    path = tmp_path / "keys.log"
    pair = Pair(Diagnosis(KeyLog(path)), Diagnosis())
    assert pair.server.proofs
    assert 300 < path.stat().st_size < 700
    assert messages(caplog) == ["key_log.on", "key_log.stopped"]


@pytest.mark.parametrize("gone", ["keys", "traces"])
def test_a_place_that_vanishes_is_told_once_and_costs_no_connection(
    gone: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys, traces = tmp_path / "keys" / "keys.log", tmp_path / "traces"
    written = Diagnosis(KeyLog(keys), QlogFolder(traces))
    keys.unlink()
    (tmp_path / gone).rmdir()
    assert Pair(written, Diagnosis()).server.proofs
    assert messages(caplog) == ["key_log.on", "key_log.stopped" if gone == "keys" else "qlog.stopped"]


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_trace_tells_every_packet_with_its_frames_as_it_comes(tmp_path: Path) -> None:
    pair = Pair(Diagnosis(qlog=QlogFolder(tmp_path)), Diagnosis(qlog=QlogFolder(tmp_path)))
    odcid = pair.client.original_destination_connection_id.hex()
    traces = {role: records(tmp_path / f"{odcid}-{role}.sqlog") for role in ("client", "server")}
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{odcid}-{role}.sqlog" for role in traces]
    for role, (head, *events) in traces.items():
        assert (head["qlog_format"], head["qlog_version"]) == ("JSON-SEQ", "0.3")
        assert head["trace"]["vantage_point"]["type"] == role and head["trace"]["common_fields"]["ODCID"] == odcid
        assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    sent = packets(traces["client"], "packet_sent")
    assert sent == packets(traces["server"], "packet_received")
    assert sent[0][:2] == ("initial", 0) and "crypto" in sent[0][2]

    pair.client.send_stream_data(pair.client.get_next_available_stream_id(is_unidirectional=True), b"more")
    pair.exchange(2.0)
    received = packets(records(tmp_path / f"{odcid}-server.sqlog"), "packet_received")
    assert "stream" in received[-1][2]


def packets(trace: list[dict[str, Any]], name: str) -> list[tuple[str, int, list[str]]]:
    data = [record["data"] for record in trace if record.get("name") == f"transport:{name}"]
    return [
        (
            item["header"]["packet_type"],
            item["header"]["packet_number"],
            [frame["frame_type"] for frame in item["frames"] if frame["frame_type"] != "padding"],
        )
        for item in data
    ]


@pytest.mark.parametrize(("bound", "value"), [("MAX_QLOG", 2000), ("MAX_TRACES", 0)])
def test_traces_are_bounded(
    bound: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(diagnosis, bound, value)
    folder = QlogFolder(tmp_path)
    assert Pair(Diagnosis(qlog=folder), Diagnosis()).server.proofs
    Pair(Diagnosis(qlog=folder), Diagnosis())
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4000
    assert messages(caplog) == ["qlog.stopped"]


async def test_a_node_writes_both_where_its_settings_say(tmp_path: Path) -> None:
    where: dict[str, Any] = {"key_log": "keys.log", "qlog_dir": str(tmp_path / "traces"), "data_dir": tmp_path}
    async with macula.connect("org.test", "a", mode="bootstrap", host="127.0.0.1", **where) as a:
        entry = [(await a.status())["listen"]]
        async with macula.connect("org.test", "b", entry, host="127.0.0.1"):
            pass
    assert set(secrets(tmp_path / "keys.log")) == LABELS
    (trace,) = (tmp_path / "traces").iterdir()
    assert packets(records(trace), "packet_received")


@pytest.mark.parametrize("name", ["key_log", "qlog_dir"])
async def test_a_place_that_cannot_be_written_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    where: dict[str, Any] = {"data_dir": tmp_path, name: tmp_path / "file" / "below"}
    with pytest.raises(ConfigError, match=f"{name}.*cannot write") as refused:
        async with macula.connect("org.test", "a", **where):
            pass
    assert refused.value.field == name


def test_a_relative_path_is_within_the_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", "keys.log")
    monkeypatch.setenv("MACULA_QLOG_DIR", "/traces")
    settings = Settings(data_dir=tmp_path)
    assert (settings.key_log, settings.qlog_dir) == (tmp_path / "keys.log", Path("/traces"))
    monkeypatch.setenv("MACULA_KEY_LOG", "/own")
    assert Settings(data_dir=tmp_path).key_log == Path("/own")
