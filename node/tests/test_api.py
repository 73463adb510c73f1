"""From settings to an engine: whatever the settings accept, the parts accept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import annotated_types
import pytest

from macula.api import _engine_settings, open_node
from macula.config import Settings
from macula.core.address import Address
from macula.engine import Bootstrap
from macula.errors import ConfigError
from macula.identity import Identity, NodeId

BOUNDS = [
    (name, bound)
    for name, field in Settings.model_fields.items()
    for item in field.metadata
    for bound in (getattr(item, "ge", None), getattr(item, "le", None))
    if isinstance(item, annotated_types.Ge | annotated_types.Le) and bound is not None
]
NODE = NodeId(bytes(31) + b"\1")


def test_every_number_has_both_bounds() -> None:
    names = [name for name, _ in BOUNDS]
    numbers = [name for name, field in Settings.model_fields.items() if field.annotation in (int, float)]
    assert [names.count(name) for name in numbers] == [2] * len(numbers)
    assert len(numbers) > 10


@pytest.mark.parametrize(("name", "bound"), BOUNDS)
def test_the_parts_take_both_bounds_of_every_setting(name: str, bound: float, tmp_path: Path) -> None:
    _engine_settings(Settings(data_dir=tmp_path, **{name: bound}), {})


def test_a_bootstrap_is_expected_to_be_who_was_configured_else_who_was_pinned(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, bootstrap=(f"{NODE}@10.0.0.1", "10.0.0.2", "10.0.0.3"))
    first, second, third = (Address(f"10.0.0.{last}", 9443) for last in (1, 2, 3))
    other = NodeId(bytes(31) + b"\2")
    assert _engine_settings(settings, {first: other, second: other}).bootstraps == (
        Bootstrap(first, NODE, tunnels=(first.tunnel(443), first.tunnel(9443))),
        Bootstrap(second, other, pinned=True, tunnels=(second.tunnel(443), second.tunnel(9443))),
        Bootstrap(third, tunnels=(third.tunnel(443), third.tunnel(9443))),
    )


@pytest.mark.parametrize(
    ("chosen", "tunnels"),
    [({}, (4433,)), ({"tcp_ports": (80, 8443)}, (80, 8443)), ({"tcp": False, "tcp_ports": (80,)}, ())],
)
def test_where_a_bootstrap_is_sought_over_tcp(chosen: dict[str, Any], tunnels: tuple[int, ...], tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, bootstrap=("10.0.0.1:4433", "wss://10.0.0.2"), **chosen)
    named, only = Address("10.0.0.1", 4433), Address("10.0.0.2", 443).tunnel(443)

    assert _engine_settings(settings, {}).bootstraps == (
        Bootstrap(named, tunnels=tuple(named.tunnel(port) for port in tunnels)),
        Bootstrap(only),
    )


async def test_an_advertised_name_that_does_not_resolve_is_a_config_error(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, port=0, host="127.0.0.1", advertise="no-such-host.invalid")
    with pytest.raises(ConfigError, match=r"advertise.*no-such-host\.invalid"):
        async with open_node(settings, Identity.generate()):
            pass


async def test_an_advertised_name_is_resolved(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, port=0, host="127.0.0.1", health_port=0, advertise="localhost:7777")
    async with open_node(settings, Identity.generate()) as mesh:
        assert (await mesh.status())["addresses"] == ["127.0.0.1:7777"]
