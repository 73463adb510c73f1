"""Where settings come from: the environment and a TOML file."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from macula.config.about import PREFIX, variables
from macula.config.paths import CONFIG_VARIABLE
from macula.errors import ConfigError

NOT_SETTINGS = frozenset({"MACULA_COMMIT"})
"""Variables with our prefix that are facts about the image."""
MAX_FILE = 1 << 20


class EnvironmentSource(PydanticBaseSettingsSource):
    """The first of a setting's variables that is set. An empty one is not: compose files pass those for unset ones."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """As the base class wants it: value, key, whether the value must be decoded from JSON."""
        variable = used_variable(field_name, field)
        return os.environ[variable] if variable else None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The settings that the environment has."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class FileSource(PydanticBaseSettingsSource):
    """The top-level keys of the TOML file that the argument `config`, or else MACULA_CONFIG, names."""

    def __init__(self, settings_cls: type[BaseSettings], path: Path | None) -> None:
        super().__init__(settings_cls)
        self._values = read_file(path) if path else {}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """As the base class wants it: value, key, whether the value must be decoded from JSON."""
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All keys of the file, unknown ones included: those are refused by name."""
        return self._values


def config_path(arguments: Mapping[str, Any]) -> Path | None:
    """The configuration file, if there is one."""
    given = arguments.get("config") or os.environ.get(CONFIG_VARIABLE)
    return Path(given) if given else None


def read_file(path: Path) -> dict[str, Any]:
    """The keys of a TOML file. Raises ConfigError naming the file."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise ConfigError("config", f"{path} has more than {MAX_FILE} bytes")
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("config", f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("config", f"{path} is not valid TOML: {error}") from error
    if "config" in values:
        raise ConfigError("config", f"{path} cannot name another configuration file")
    return values


def used_variable(name: str, field: FieldInfo) -> str | None:
    """The environment variable that sets it now."""
    return next((variable for variable in variables(name, field) if os.environ.get(variable)), None)


def origins(fields: Mapping[str, FieldInfo], arguments: Mapping[str, Any]) -> dict[str, str]:
    """Where each setting that is not at its default gets its value: an argument, a variable or a file."""
    path = config_path(arguments)
    found = {name: str(path) for name in (read_file(path) if path else {})}
    for name, field in fields.items():
        if variable := used_variable(name, field):
            found[name] = variable
    found.update({name: f"argument {name}" for name in arguments})
    return found


def unknown_variables(fields: Mapping[str, FieldInfo]) -> list[str]:
    """A warning for each MACULA_ variable of the environment that no setting reads."""
    known = [variable for name, field in fields.items() for variable in variables(name, field)]
    strangers = sorted(
        variable
        for variable in os.environ
        if variable.startswith(PREFIX) and variable not in known and variable not in NOT_SETTINGS
    )
    return [f"environment variable {name} sets nothing{did_you_mean(name, known)}" for name in strangers]


def did_you_mean(name: str, known: list[str]) -> str:
    """A hint at the nearest known name, or nothing."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
