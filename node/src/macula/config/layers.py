"""Where the values of settings come from, and what is said of a wrong one."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from macula.config.about import accepts
from macula.config.sources import EnvironmentSource, FileSource, config_path, did_you_mean, origins
from macula.errors import ConfigError


class LayeredSettings(BaseSettings):
    """What is not given is taken from the environment, then the file that `config` or MACULA_CONFIG names, then the
    defaults. Raises ConfigError naming the setting, where its value came from and what it takes."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=False)

    def __init__(self, **arguments: Any) -> None:
        try:
            super().__init__(**arguments)
        except ValidationError as error:
            raise self._config_error(error.errors()[0], arguments) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, our environment variables, our file: strongest first."""
        return (
            init_settings,
            EnvironmentSource(settings_cls),
            FileSource(settings_cls, config_path(init_settings())),
        )

    @classmethod
    def _config_error(cls, fault: ErrorDetails, arguments: dict[str, Any]) -> ConfigError:
        name = str(fault["loc"][0])
        origin = origins(cls.model_fields, arguments).get(name, "its default")
        field = cls.model_fields.get(name)
        if field is None:
            return ConfigError(name, f"no such setting ({origin}){did_you_mean(name, list(cls.model_fields))}")
        said = fault.get("ctx", {}).get("error")
        reason = f" ({said})" if isinstance(said, ValueError) else ""
        return ConfigError(name, f"must be {accepts(field)}; {origin} is {str(fault['input'])[:200]!r}{reason}")
