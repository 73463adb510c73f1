from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from macula.config import Settings, paths
from macula.errors import ConfigError
from macula.identity.names import is_name


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("MACULA_") or name == "NODE_NAME"]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_STATE_HOME", "/state")


@pytest.mark.parametrize("host", ["plain", "a.b.example", "with space", "ünïcode", "trailing.", ".leading", "a..b", ""])
def test_any_host_name_gives_a_node_name(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    assert is_name(paths.default_name())


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"MACULA_CONTROL_SOCKET": "/run/x.sock"}, "/run/x.sock"),
        ({"MACULA_DATA_DIR": "/data"}, "/data/control.sock"),
        ({"MACULA_NODE_NAME": "n7"}, "/state/macula/n7/control.sock"),
        ({"NODE_NAME": "n8"}, "/state/macula/n8/control.sock"),
    ],
)
def test_the_command_line_looks_where_the_node_listens(
    variables: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert paths.control_socket() == Settings().control_socket
    assert paths.data_dir() == Settings().data_dir
    if expected:
        assert paths.control_socket() == Path(expected)


def test_a_configuration_file_is_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "node.toml").write_text('data_dir = "/filed"\n')
    monkeypatch.setenv("MACULA_CONFIG", str(tmp_path / "node.toml"))
    assert paths.control_socket() == Path("/filed/control.sock")
    assert paths.data_dir() == Path("/filed")


def test_without_a_home_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(ConfigError, match="MACULA_DATA_DIR"):
        paths.default_data_dir("n1")
