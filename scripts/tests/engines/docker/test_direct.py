"""Which files the lab makes without compose."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from macula_lab.composefile.load import load
from macula_lab.engines.docker.direct import aliases, suffices, used

SIMPLE = """
x-common: {anything: goes}
services:
  web:
    image: nginx
    environment: [A=1]
    networks: {front: {ipv4_address: 10.7.0.5, aliases: [shop]}, back: {}}
    depends_on: [db]
  db: {image: postgres, networks: [back]}
networks:
  front: {internal: true, ipam: {config: [{subnet: 10.7.0.0/24, gateway: 10.7.0.2}]}}
  back: {driver_opts: {a: "1"}, ipam: {config: [{subnet: 10.7.1.0/24}]}}
  nobody: {ipam: {config: [{subnet: 10.7.2.0/24}]}}
"""


def changed(tmp_path: Path, *keys: str, value: Any = None) -> Path:
    """The simple file with a value at a key."""
    document = yaml.safe_load(SIMPLE)
    place = document
    for key in keys[:-1]:
        place = place[key]
    if keys:
        place[keys[-1]] = value
    file = tmp_path / "web.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def test_a_simple_file_needs_no_compose(tmp_path: Path) -> None:
    plan = load(changed(tmp_path), {})

    assert suffices(plan)
    assert {name for name in plan.networks if used(plan, name)} == {"front", "back"}
    fields = plan.document["services"]["web"]
    assert (aliases(fields, "front"), aliases(fields, "back")) == (["shop"], [])
    assert aliases(plan.document["services"]["db"], "back") == []


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("volumes",), {"data": None}),
        (("services", "web", "volumes"), ["data:/data"]),
        (("services", "web", "ports"), ["80:80"]),
        (("services", "web", "build"), "."),
        (("services", "web", "healthcheck"), {"disable": True}),
        (("services", "web", "networks", "front", "priority"), 5),
        (("networks", "front", "name"), "other"),
        (("networks", "front", "ipam", "driver"), "default"),
        (("networks", "back", "ipam", "config"), [{"subnet": "10.7.1.0/24", "ip_range": "10.7.1.128/25"}]),
    ],
)
def test_one_that_asks_for_more_is_compose_s(tmp_path: Path, keys: tuple[str, ...], value: Any) -> None:
    assert not suffices(load(changed(tmp_path, *keys, value=value), {}))
