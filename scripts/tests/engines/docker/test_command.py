from collections.abc import Sequence

import pytest

from macula_lab.engines.docker.command import find
from macula_lab.errors import LabError


def test_the_plugin_is_preferred_to_the_older_program() -> None:
    assert find({}, lambda _command: True) == ("docker", "compose")


def test_the_older_program_is_found_where_there_is_no_plugin() -> None:
    assert find({}, lambda command: list(command) == ["docker-compose"]) == ("docker-compose",)


def test_a_machine_without_compose_has_none() -> None:
    assert find({}, lambda _command: False) is None


def test_the_setting_wins_and_is_the_only_command_tried() -> None:
    tried: list[Sequence[str]] = []

    def works(command: Sequence[str]) -> bool:
        tried.append(command)
        return True

    assert find({"COMPOSE_CMD": "podman compose --quiet"}, works) == ("podman", "compose", "--quiet")
    assert tried == [("podman", "compose", "--quiet")]


def test_a_setting_that_does_not_run_is_named() -> None:
    with pytest.raises(LabError, match="COMPOSE_CMD is 'nonsense'"):
        find({"COMPOSE_CMD": "nonsense"}, lambda _command: False)
