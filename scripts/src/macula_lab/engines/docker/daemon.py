"""The Docker engine: is there one, can we install it, start it, and stop what we started."""

import gc
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import docker
from docker.errors import DockerException

from macula_lab.errors import LabError
from macula_lab.packages import can_install, install
from macula_lab.process import last_lines, run, succeeds
from macula_lab.report import Reporter
from macula_lab.workspace import state_file

START_DEADLINE = 60.0
"""Seconds for a daemon to answer: a cold start takes 2 to 5."""

STOP_DEADLINE = 30.0


def client() -> docker.DockerClient:
    """A client of the engine that DOCKER_HOST or the default socket names.

    Raises LabError when none answers.
    """
    with warnings.catch_warnings():
        # docker-py leaves the socket of a connection that was refused to the collector.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            found = docker.from_env(timeout=120, max_pool_size=32)
            found.ping()
        except DockerException as error:
            why = str(error)
        else:
            return found
        gc.collect()
    raise LabError("no Docker engine answers", "run `macula-lab engine start`", why)


def answers() -> bool:
    """Whether an engine answers."""
    try:
        client().close()
    except LabError:
        return False
    return True


def ensure(report: Reporter) -> None:
    """Return with an engine that answers: the one there is, or the distribution's, installed and started.

    Raises LabError, saying exactly what to do, where that is not possible.
    """
    if answers():
        return
    if help_text := advice(os.environ, sys.platform, can_install()):
        raise LabError("no Docker engine answers", help_text)
    if not succeeds(["dockerd", "--version"]):
        install(report, "docker.io")
    if not answers():
        start(report)
    if not succeeds(["docker", "--version"]):
        install(report, "docker-cli")


def advice(environ: Mapping[str, str], platform: str, installable: bool) -> str:
    """What a person has to do for an engine; empty where the lab can do it itself."""
    if host := environ.get("DOCKER_HOST"):
        return f"DOCKER_HOST is {host}: start the engine there, or unset DOCKER_HOST"
    if platform == "darwin":
        return "start Docker Desktop (or: colima start), then run this again"
    if not installable:
        return (
            "on Debian or Ubuntu: sudo apt-get install -y docker.io docker-compose && sudo systemctl start docker"
            " && sudo usermod -aG docker $USER, log in again and run this again (or run this as root); elsewhere:"
            " install Docker by your distribution's guide and start it"
        )
    return ""


def start(report: Reporter) -> None:
    """Start the daemon, by systemd where it runs, else as a process of our own that `stop` ends.

    Raises LabError with the daemon's last lines when it does not answer within START_DEADLINE.
    """
    if Path("/run/systemd/system").is_dir():
        with report.step("Starting the Docker engine (systemctl start docker)") as show:
            run(["systemctl", "start", "docker"], show=show, timeout=START_DEADLINE)
        return
    log = state_file("dockerd.log")
    with report.step(f"No Docker engine answers: starting dockerd (log: {log})"):
        forget_dead(Path("/run/docker.pid"), "dockerd")
        forget_dead(Path("/run/docker/containerd/containerd.pid"), "containerd")
        with log.open("w") as output:
            daemon = subprocess.Popen(
                ["dockerd"],  # noqa: S607 - the one on the PATH
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        state_file("dockerd.pid").write_text(str(daemon.pid))
        wait_until(lambda: daemon.poll() is not None or answers(), START_DEADLINE)
        if not answers():
            stop()
            hint = f"read {log}; where root may not mount or change iptables, set DOCKER_HOST to an engine elsewhere"
            raise LabError("dockerd does not answer", hint, last_lines(log))


def stop() -> bool:
    """Stop the daemon if `start` made it as a process of ours; whether there was one.

    Raises LabError when it does not end within STOP_DEADLINE.
    """
    file = state_file("dockerd.pid")
    pid = running(file, "dockerd")
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        if not wait_until(lambda: running(file, "dockerd") is None, STOP_DEADLINE):
            raise LabError(f"dockerd (process {pid}) does not end", f"read {state_file('dockerd.log')}")
    file.unlink(missing_ok=True)
    return pid is not None


def running(pid_file: Path, name: str) -> int | None:
    """The process id in `pid_file` if a live process called `name` has it."""
    try:
        pid = int(pid_file.read_text())
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    command, _, rest = stat.partition("(")[2].rpartition(")")
    return pid if command == name and not rest.startswith(" Z") else None


def forget_dead(pid_file: Path, daemon: str) -> None:
    """Remove the pid file of a daemon that is gone: dockerd would mistake whoever has that number now for it."""
    if running(pid_file, daemon) is None:
        pid_file.unlink(missing_ok=True)


def wait_until(condition: Callable[[], bool], deadline: float, interval: float = 0.2) -> bool:
    """Whether `condition` came true within `deadline` seconds, looking every `interval` seconds."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(interval)
    return True
