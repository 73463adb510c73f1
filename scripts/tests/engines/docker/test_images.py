from pathlib import Path

import pytest

from macula_lab.engines.docker.images import OWN_BASE, REGISTRY_BASE, choose_base, requirements


@pytest.mark.parametrize(
    ("environ", "present", "registry", "chosen"),
    [
        ({"BASE_IMAGE": "mine:1"}, {OWN_BASE, REGISTRY_BASE}, True, "mine:1"),
        ({}, {OWN_BASE, REGISTRY_BASE}, False, REGISTRY_BASE),
        ({}, {OWN_BASE}, True, OWN_BASE),
        ({}, set(), True, REGISTRY_BASE),
        ({}, set(), False, OWN_BASE),
        ({"BASE_IMAGE": ""}, set(), False, OWN_BASE),
    ],
)
def test_the_base_image(environ: dict[str, str], present: set[str], registry: bool, chosen: str) -> None:
    assert choose_base(environ, present.__contains__, lambda: registry) == chosen


def test_the_registry_is_not_asked_when_the_engine_has_a_base() -> None:
    def ask() -> bool:
        raise AssertionError("asked")

    assert choose_base({}, {OWN_BASE}.__contains__, ask) == OWN_BASE


def test_the_wheelhouse_holds_dependencies_and_what_builds_the_package(tmp_path: Path) -> None:
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text(
        '[build-system]\nrequires = ["setuptools>=68"]\n[project]\ndependencies = ["h11", "msgpack"]\n'
    )

    assert requirements(pyproject) == ["h11", "msgpack", "setuptools>=68"]
