"""The command line of a router, as far as it needs no router."""

import pytest

from macula_lab.router.__main__ import main
from macula_lab.router.text import describe


@pytest.fixture(autouse=True)
def nowhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACULA_ROUTER_STATE", str(tmp_path_factory.mktemp("state")))
    for name in ("WAN", "NAT", "ADDRESSES", "ROUTES"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show"], "serve: no router runs here; start `macula-router serve` first"),
        (["reboot"], "serve: no router runs here"),
        (["apply", "--nat", "cone"], "--nat: there is no NAT 'cone'"),
        (["wan-change", "here"], "ADDRESS: "),
        (["partition", "10.9.1.3/24"], "SUBNET: 10.9.1.3/24 has host bits set; write it like 172.24.1.0/24"),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert err.startswith(f"macula-router: {says}")
    assert (out, err.count("\n")) == ("", 1)


def test_a_wrong_environment_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN", "172.24.0.0/24")
    assert main(["serve"]) == 1
    assert capsys.readouterr().err.startswith("macula-router: NAT: ")


@pytest.mark.parametrize("words", [[], ["dance"], ["apply"], ["show", "more"]])
def test_what_nobody_understands_is_a_usage_error(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2


def test_a_person_reads_tables() -> None:
    mapping = {"protocol": "udp", "inside": "10.9.1.11:5000", "outside": "203.0.113.21:5000", "expires": 9}
    text = describe(
        {
            "profile": "mapping=eim,filtering=apdf,ports=preserve",
            "preset": "port_restricted",
            "wan": {"interface": "eth1", "address": "203.0.113.21"},
            "lans": [{"interface": "eth0", "address": "10.9.1.2", "subnet": "10.9.1.0/24"}],
            "rules": [{"name": "take", "chain": "drawing", "text": "accept", "probe": "mapping", "packets": None}],
            "mappings": [{**mapping, "remotes": ["203.0.113.10:1", "203.0.113.10:2"]}],
            "drops": [],
            "partitioned": ["10.9.3.0/24"],
        }
    )
    assert "NAT    mapping=eim,filtering=apdf,ports=preserve (port_restricted)" in text
    assert "CUT    10.9.3.0/24" in text
    assert "  udp       10.9.1.11:5000  203.0.113.21:5000  9 s      203.0.113.10:1 203.0.113.10:2" in text
    assert "dropped: none" in text
