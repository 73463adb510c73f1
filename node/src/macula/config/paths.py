"""Where a node keeps its files unless it is told otherwise. Cheap to import: every command line call does."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from macula.errors import ConfigError

CONTROL_SOCKET = "control.sock"
NAME_VARIABLES = ("MACULA_NODE_NAME", "NODE_NAME")
DATA_DIR_VARIABLE = "MACULA_DATA_DIR"
CONTROL_SOCKET_VARIABLE = "MACULA_CONTROL_SOCKET"
CONFIG_VARIABLE = "MACULA_CONFIG"

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]|(?<![^.])\.|\.\Z")


def default_name() -> str:
    """The host's name, with what a node name must not have replaced by `-`."""
    return _NOT_IN_NAMES.sub("-", socket.gethostname()) or "node"


def default_data_dir(name: str) -> Path:
    """`$XDG_STATE_HOME/macula/<name>`, by default `~/.local/state/macula/<name>` (XDG Base Directory Specification).

    Raises ConfigError if the user has no home directory.
    """
    state = os.environ.get("XDG_STATE_HOME")
    if state:
        return Path(state) / "macula" / name
    try:
        return Path.home() / ".local" / "state" / "macula" / name
    except RuntimeError as error:
        raise ConfigError("data_dir", f"must be given (--data-dir, {DATA_DIR_VARIABLE}): {error}") from error


def control_socket() -> Path:
    """The control socket of the node that this environment describes, which is the one `macula node` would open.

    Raises ConfigError if the environment names a configuration file with a fault.
    """
    if path := os.environ.get(CONTROL_SOCKET_VARIABLE):
        return Path(path)
    if os.environ.get(CONFIG_VARIABLE):
        from macula.config.settings import Settings

        return Settings().control_socket
    return data_dir() / CONTROL_SOCKET


def data_dir() -> Path:
    """The data directory of the node that this environment describes. Raises ConfigError as control_socket does."""
    if path := os.environ.get(DATA_DIR_VARIABLE):
        return Path(path)
    if os.environ.get(CONFIG_VARIABLE):
        from macula.config.settings import Settings

        return Settings().data_dir
    names = (os.environ[variable] for variable in NAME_VARIABLES if os.environ.get(variable))
    return default_data_dir(next(names, None) or default_name())
