import os
import subprocess
from pathlib import Path

import pytest

from macula_lab.engines.docker.daemon import advice, forget_dead, running, wait_until


@pytest.mark.parametrize(
    ("environ", "platform", "installable", "told"),
    [
        ({"DOCKER_HOST": "tcp://elsewhere:2375"}, "linux", True, "DOCKER_HOST is tcp://elsewhere:2375"),
        ({}, "darwin", False, "start Docker Desktop"),
        ({}, "linux", False, "sudo apt-get install -y docker.io docker-compose"),
    ],
)
def test_a_person_is_told_what_to_do(environ: dict[str, str], platform: str, installable: bool, told: str) -> None:
    assert told in advice(environ, platform, installable)


def test_root_on_debian_needs_no_advice() -> None:
    assert advice({}, "linux", True) == ""


def test_a_live_process_of_that_name_is_running(tmp_path: Path) -> None:
    file = tmp_path / "cat.pid"
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        file.write_text(str(process.pid))
        assert wait_until(lambda: running(file, "cat") == process.pid, 5.0, 0.01)
        assert running(file, "dockerd") is None
    assert running(file, "cat") is None


@pytest.mark.parametrize("content", [None, "", "no number", str(os.getpid())])
def test_the_pid_file_of_a_dead_daemon_is_removed(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "docker.pid"
    if content is not None:
        file.write_text(content)

    forget_dead(file, "dockerd")

    assert not file.exists()


def test_waiting_ends_at_its_deadline() -> None:
    assert wait_until(lambda: True, 0.0)
    assert not wait_until(lambda: False, 0.0, 0.001)
