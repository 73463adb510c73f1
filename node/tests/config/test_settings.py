from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.config import Settings
from macula.config.about import about, accepts, variables
from macula.config.endpoints import AdvertisedAddress, BootstrapPeer, tunnel_ports
from macula.config.sources import origins, unknown_variables
from macula.core.commands import Strategy
from macula.core.mode import Mode
from macula.errors import ConfigError
from macula.identity.names import is_name

FIELDS = Settings.model_fields
NODE = "a" * 51 + "q"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {variable for name, field in FIELDS.items() for variable in variables(name, field)}
    for variable in os.environ:
        if variable in known or variable.startswith("MACULA_"):
            monkeypatch.delenv(variable)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text('port = 1111\nname = "filed"\nbootstrap = ["10.0.0.1:9443", "10.0.0.2:9443"]\ndemo = true\n')
    return path


def test_defaults_are_the_designs() -> None:
    settings = Settings()
    assert (settings.mode, settings.host, settings.port, settings.health_port) == ("edge", "0.0.0.0", 9443, 8080)
    assert (settings.dht_k, settings.dht_alpha, settings.record_ttl, settings.max_hops) == (20, 3, 300, 10)
    assert (settings.connect_timeout, settings.idle_timeout, settings.pool_max_size) == (5.0, 300.0, 1000)
    assert (settings.reconnect, settings.reconnect_interval, settings.max_reconnect_attempts) == (True, 5.0, 0)
    assert (settings.call_timeout, settings.drain_timeout, settings.demo) == (5.0, 5.0, False)


def test_arguments_over_environment_over_file_over_defaults(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACULA_CONFIG", str(toml))
    monkeypatch.setenv("MACULA_QUIC_PORT", "2222")
    monkeypatch.setenv("MACULA_NODE_NAME", "from-environment")
    settings = Settings(name="argued")
    assert (settings.name, settings.port, settings.demo, settings.dht_k) == ("argued", 2222, True, 20)
    assert [str(peer) for peer in settings.bootstrap] == ["10.0.0.1:9443", "10.0.0.2:9443"]
    found = origins(FIELDS, {"name": "argued"})
    assert found["name"] == "argument name"
    assert found["port"] == "MACULA_QUIC_PORT"
    assert found["demo"] == str(toml)
    assert "dht_k" not in found


def test_the_file_can_be_an_argument(toml: Path) -> None:
    assert Settings(config=str(toml)).port == 1111


@pytest.mark.parametrize(
    ("variable", "value", "name", "expected"),
    [
        ("P2P_LISTEN_PORT", "8800", "port", 8800),
        (
            "P2P_BOOTSTRAP_PEERS",
            "peer1,peer2",
            "bootstrap",
            (BootstrapPeer("peer1", 9443, None), BootstrapPeer("peer2", 9443, None)),
        ),
        ("P2P_RELAY_SERVERS", "relay1.example.com", "relays", (BootstrapPeer("relay1.example.com", 9443, None),)),
        ("MACULA_BOOTSTRAP_PEERS", "https://b:4433", "bootstrap", (BootstrapPeer("b", 4433, None),)),
        ("NODE_NAME", "edge7", "name", "edge7"),
        ("HEALTH_PORT", "0", "health_port", 0),
        ("MACULA_HOSTNAME", "10.1.2.3", "advertise", (("10.1.2.3", None),)),
        ("MACULA_DEMO", "true", "demo", True),
        ("MACULA_LOG_LEVEL", "DEBUG", "log_level", "debug"),
    ],
)
def test_names_of_the_seeds_are_accepted(
    variable: str, value: str, name: str, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(Settings(), name) == expected


def test_the_own_name_of_a_variable_wins_over_its_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2P_LISTEN_PORT", "1")
    monkeypatch.setenv("MACULA_QUIC_PORT", "2")
    assert Settings().port == 2


def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACULA_QUIC_PORT", "")
    assert Settings().port == 9443


def test_relays_are_further_entries() -> None:
    settings = Settings(bootstrap="a:1", relays=["b:2"])
    assert [str(peer) for peer in settings.entries] == ["a:1", "b:2"]


def test_directories_follow_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert Settings(name="n1").data_dir == Path("/state/macula/n1")
    assert Settings(name="n1").control_socket == Path("/state/macula/n1/control.sock")
    assert Settings(data_dir="/elsewhere").control_socket == Path("/elsewhere/control.sock")


def test_settings_do_not_change() -> None:
    settings = Settings()
    with pytest.raises(Exception, match="frozen"):
        settings.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "99999"),
        ("port", "-1"),
        ("port", "many"),
        ("mode", "boss"),
        ("name", "two words"),
        ("name", "line\n"),
        ("realm", "a..b"),
        ("host", "example.org"),
        ("advertise", "300.0.0.1"),
        ("advertise", "two words:1"),
        ("dht_k", "32"),
        ("max_hops", "64"),
        ("bootstrap", "10.0.0.1:0"),
        ("bootstrap", "short@10.0.0.1:9443"),
        ("bootstrap", "bad host:1"),
        ("demo", "perhaps"),
        ("connect_timeout", "5000"),
        ("connect_timeout", "nan"),
        ("call_timeout", "0"),
        ("dht_k", "0"),
        ("reachable", "sometimes"),
        ("log_format", "xml"),
    ],
)
def test_a_wrong_value_is_named_with_its_source_and_limit(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError) as by_argument:
        Settings(**{name: value})
    assert by_argument.value.field == name
    assert f"must be {accepts(FIELDS[name])}; argument {name} is {value!r}" in by_argument.value.reason
    variable = variables(name, FIELDS[name])[0]
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as by_environment:
        Settings()
    assert f"{variable} is {value!r}" in str(by_environment.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("prot = 1", "'prot': no such setting .*node.toml.*did you mean port"),
        ("port = 70000", "'port': must be a whole number, 0 to 65535; .*node.toml is '70000'"),
        ("port =", "node.toml is not valid TOML"),
        ('config = "other"', "cannot name another"),
        ("# " + "x" * (1 << 20), "more than"),
    ],
)
def test_a_wrong_file_is_named(content: str, message: str, toml: Path) -> None:
    toml.write_text(content)
    with pytest.raises(ConfigError, match=message):
        Settings(config=toml)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*gone\.toml: No such file"):
        Settings(config=tmp_path / "gone.toml")


def test_an_unknown_argument_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean bootstrap"):
        Settings(bootstraps="a:1")


def test_unknown_variables_are_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MACULA_QUICK_PORT", "MACULA_COMMIT", "MACULA_REALM", "OTHER"):
        monkeypatch.setenv(variable, "1")
    (warning,) = unknown_variables(FIELDS)
    assert warning == "environment variable MACULA_QUICK_PORT sets nothing; did you mean MACULA_QUIC_PORT?"


def test_every_setting_is_documented() -> None:
    seen: set[str] = set()
    for name, field in FIELDS.items():
        assert field.description, name
        assert accepts(field), name
        assert not seen & set(variables(name, field)), name
        seen |= set(variables(name, field))
        if field.annotation is float:
            assert about(field).unit == "s", name
            assert " to " in accepts(field), name


@given(st.one_of(st.text("ab.-_ \n", max_size=40), st.text(max_size=300)))
def test_a_name_is_what_the_wire_takes(text: str) -> None:
    if is_name(text):
        assert Settings(realm=text).realm == text
    else:
        with pytest.raises(ConfigError):
            Settings(realm=text)


def test_choices_are_what_the_engine_takes() -> None:
    assert accepts(FIELDS["mode"]) == "bootstrap, gateway, relay or edge"
    assert {Mode(Settings(mode=mode).mode) for mode in Mode} == set(Mode)
    assert {Strategy(Settings(call_strategy=strategy).call_strategy) for strategy in Strategy} == set(Strategy)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1:1", ("10.0.0.1", 1, None)),
        ("wss://10.0.0.1:1", ("10.0.0.1", 1, None)),
        ("wss://node.example.org", ("node.example.org", 443, None)),
        ("wss://[::1]/", ("::1", 443, None)),
        (f"{NODE}@wss://10.0.0.1:9443", ("10.0.0.1", 9443, NODE)),
        (" https://Node.example.org:443/ ", ("Node.example.org", 443, None)),
        ("[::1]:9443", ("::1", 9443, None)),
        ("[2001:DB8::1]", ("2001:db8::1", 9443, None)),
        ("2001:db8::1", ("2001:db8::1", 9443, None)),
        (f"{NODE.upper()}@10.0.0.1:1", ("10.0.0.1", 1, NODE)),
    ],
)
def test_ways_to_write_a_peer(text: str, expected: tuple[str, int, str | None]) -> None:
    tunnel = "wss://" in text
    assert BootstrapPeer.parse(text) == BootstrapPeer(*expected, tunnel)
    assert BootstrapPeer.parse(str(BootstrapPeer.parse(text))) == BootstrapPeer(*expected, tunnel)


@pytest.mark.parametrize("text", ["", ":1", "a:b", "a:+1", "a:65536", "a:1e3", "10.0.0.256:1", "-a:1", "a b:1", "@a:1"])
def test_what_is_no_peer(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|valid"):
        BootstrapPeer.parse(text)


@given(st.text(max_size=80))
def test_any_text_is_a_peer_or_a_value_error(text: str) -> None:
    for kind in (BootstrapPeer, AdvertisedAddress):
        try:
            parsed = kind.parse(text)
        except ValueError:
            continue
        assert kind.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("given", "ports"),
    [("443,9443", (443, 9443)), (443, (443,)), ([80, "80", 81], (80, 81)), ("", ()), (" 1 , 65535", (1, 65535))],
)
def test_ways_to_write_ports(given: object, ports: tuple[int, ...]) -> None:
    assert Settings(tcp_ports=given).tcp_ports == ports


@pytest.mark.parametrize("given", ["0", "65536", "443;80", "1,2,3,4,5", "https", -1])
def test_other_ports_are_refused(given: object) -> None:
    with pytest.raises(ConfigError, match=r"'tcp_ports': must be comma list of up to 4 ports"):
        Settings(tcp_ports=given)


@pytest.mark.parametrize(
    ("configured", "port", "ports"), [((), 9443, (443, 9443)), ((), 4433, (4433,)), ((80, 81), 9443, (80, 81))]
)
def test_tunnels_are_taken_at_the_number_of_the_udp_port(
    configured: tuple[int, ...], port: int, ports: tuple[int, ...]
) -> None:
    assert tunnel_ports(configured, port) == ports
