from __future__ import annotations

import pytest

from macula.cli.tables import duration, show_peers, show_rows, size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (20_300_000, "20.3 MB"),
        (5e9, "5.0 GB"),
        (7e12, "7.0 TB"),
        (9e15, "9000.0 TB"),
    ],
)
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (119, "119 s"), (300, "5 min"), (7200, "2.0 h"), (200_000, "2.3 d")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def peer(name: str, address: str) -> dict[str, object]:
    return {
        "name": name,
        "mode": "bootstrap",
        "short_id": "zudszwf6n6",
        "address": address,
        "path": "direct",
        "relay": None,
        "carrier": "udp",
        "rtt_ms": 1234.5,
        "hops": 2,
        "inbound": True,
        "since_s": 400.0,
        "suspect": False,
        "bytes_sent": 12_345_678,
        "bytes_received": 12_345_678,
    }


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_ids_and_times_stay_whole_whatever_peers_call_themselves(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    show_peers([peer("x" * 255, "[2001:db8:85a3::8a2e:370:7334]:9443"), peer("edge1", "172.21.0.31:9443")])
    out = capsys.readouterr().out
    assert out.count("zudszwf6n6") == out.count("1234.5 ms") == out.count("7 min") == 2
    assert all(len(line) <= columns for line in out.splitlines())


def test_a_peer_of_the_testbed_takes_one_line_of_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show_peers([peer("bootstrap", "172.21.0.10:9443")])
    *_, row = lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 3
    assert " ".join(row.split()) == "bootstrap zudszwf6n6 172.21.0.10:9443 direct 1234.5 ms 7 min 24.7 MB"
    show_rows(("name", "id", "address"), [("bootstrap", "z" * 52, "172.21.0.10:9443")], "none")
    assert len(capsys.readouterr().out.strip().splitlines()) == 3


@pytest.mark.parametrize(("name", "shown"), [("gateway", "gateway"), ("", "aeaqcaibae")])
def test_a_relayed_peer_is_shown_with_its_relay(
    name: str, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    relay = {"node_id": "aeaqcaibae" * 5, "short_id": "aeaqcaibae", "name": name}
    show_peers([{**peer("edge2", "172.21.0.20:9443"), "path": "relayed", "relay": relay}])
    assert f"relayed via {shown}" in capsys.readouterr().out


def test_the_name_of_a_relay_widens_no_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    relay = {"node_id": "z" * 52, "short_id": "zzzzzzzzzz", "name": "[red]" + "x" * 250}
    show_peers([{**peer("edge2", "172.21.0.20:9443"), "path": "relayed", "relay": relay}])
    assert all(len(line) <= 80 for line in capsys.readouterr().out.splitlines())


def test_a_peer_that_does_not_answer_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    show_peers([peer("edge1", "172.21.0.31:9443") | {"suspect": True}])
    assert "direct, no answer" in " ".join(capsys.readouterr().out.split())
