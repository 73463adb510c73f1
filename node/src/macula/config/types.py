"""The types of settings, and how their values are read."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from macula.config.about import About
from macula.config.endpoints import AdvertisedAddress, BootstrapPeer
from macula.config.paths import CONTROL_SOCKET, default_data_dir

_NAME = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,15}$"
NAME_FORM = "1 to 16 dot-separated segments of A-Z a-z 0-9 _ -, at most 255 characters"


def _items(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [item for item in value.split(",") if item.strip()]
    if isinstance(value, list | tuple):
        return list(value)
    raise ValueError("must be a list or a comma-separated text")


def _peers(value: Any) -> tuple[BootstrapPeer, ...]:
    return tuple(item if isinstance(item, BootstrapPeer) else BootstrapPeer.parse(str(item)) for item in _items(value))


def _addresses(value: Any) -> tuple[AdvertisedAddress, ...]:
    return tuple(
        item if isinstance(item, AdvertisedAddress) else AdvertisedAddress.parse(str(item)) for item in _items(value)
    )


def _ip(value: str) -> str:
    return str(ipaddress.ip_address(value))


def lower(value: Any) -> Any:
    """Choices are accepted in either case."""
    return value.lower() if isinstance(value, str) else value


def data_dir_of(earlier: dict[str, Any]) -> Path:
    """The default, from the settings before it: one of them may have been refused."""
    return default_data_dir(earlier.get("name", ""))


def control_socket_in(earlier: dict[str, Any]) -> Path:
    """The default, from the settings before it: one of them may have been refused."""
    return Path(earlier.get("data_dir", Path())) / CONTROL_SOCKET


def _in_data_dir(path: Path | None, info: ValidationInfo) -> Path | None:
    return info.data.get("data_dir", Path()) / path if path is not None else None


Seconds = Annotated[float, About(unit="s")]
OptionalPath = Annotated[Path | None, AfterValidator(_in_data_dir)]
"""A relative path is within the data directory, whose setting must stand before it."""
Port = Annotated[int, Field(ge=0, le=65535)]
Name = Annotated[str, Field(pattern=_NAME, max_length=255)]
IpAddress = Annotated[str, AfterValidator(_ip), About(accepts="an IP address")]
AddressList = Annotated[
    tuple[AdvertisedAddress, ...], BeforeValidator(_addresses), About(accepts="comma list of HOST or HOST:PORT")
]
PeerList = Annotated[
    tuple[BootstrapPeer, ...],
    BeforeValidator(_peers),
    About(accepts="comma list of HOST:PORT, https://HOST:PORT or NODE_ID@HOST:PORT", default="none"),
]
