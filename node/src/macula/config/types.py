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
_MAX_PORTS = 4
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


def _ports(value: Any) -> tuple[int, ...]:
    ports = tuple(int(item) for item in ([value] if isinstance(value, int) else _items(value)))
    if len(ports) > _MAX_PORTS or not all(1 <= port <= 65535 for port in ports):
        raise ValueError(f"at most {_MAX_PORTS} ports of 1 to 65535")
    return tuple(dict.fromkeys(ports))


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
PortList = Annotated[tuple[int, ...], BeforeValidator(_ports), About(accepts="comma list of up to 4 ports")]
PeerList = Annotated[
    tuple[BootstrapPeer, ...],
    BeforeValidator(_peers),
    About(
        accepts="comma list of HOST:PORT, https://HOST:PORT, wss://HOST:PORT or NODE_ID@ one of these", default="none"
    ),
]
