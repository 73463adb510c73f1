"""What the lab asks of whoever runs a topology. Everything above speaks to this and knows no engine."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from macula_lab.composefile.plan import Plan


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Host:
    """A service as it is now."""

    service: str
    state: str
    """running, running (healthy), paused, exited (1), killed, ..."""
    running: bool
    addresses: Mapping[str, IPv4Address] = field(default_factory=dict)
    """by network, what the engine gave it"""


class Helper(Protocol):
    """A place of the lab's own on the networks of a topology, in which its tools run.

    A helper may do what its network namespace allows (NET_ADMIN, NET_RAW) and has the commands of the router image:
    macula-router, macula-probe, ip, nft, tc, tcpdump.
    """

    def execute(self, argv: Sequence[str], *, timeout: float = 30.0) -> Finished:
        """Run a command to its end. Raises LabError when it takes longer than `timeout` seconds."""

    def spawn(self, argv: Sequence[str]) -> None:
        """Start a command that runs until `stop` or `remove`."""

    def stop(self) -> None:
        """End the spawned commands: SIGTERM, and after 2 s SIGKILL. Their files stay."""

    def fetch(self, path: str, to: Path) -> None:
        """Copy a file out of `folder`. Raises LabError when it is not there."""

    @property
    def folder(self) -> str:
        """An absolute path, empty at first, that only this helper's commands use."""

    def remove(self) -> None:
        """End everything in it and forget it."""


class Engine(Protocol):
    """Runs one topology under one project name. Its methods raise LabError, with the engine's own last lines."""

    name: str
    """docker or netns"""
    plan: Plan
    project: str

    def start(self, services: Sequence[str] = (), show: Callable[[str], None] = ...) -> None:
        """Make the networks and start these services (all of them when none is named); what runs already stays."""

    def down(self, show: Callable[[str], None] = ...) -> None:
        """Remove everything that this project made, helpers and half-made things too, and nothing else."""

    def hosts(self) -> dict[str, Host]:
        """Every service that exists, also those that ended, in the order of their names; empty when it is not up."""

    def execute(self, service: str, argv: Sequence[str], *, timeout: float = 60.0) -> Finished:
        """Run a command as the service's own user in its place to the end."""

    def stream(self, service: str, argv: Sequence[str]) -> Generator[str, None, Finished]:
        """The lines of a command's stdout as they come; close() ends it. Returns how it ended."""

    def interactive(self, service: str, argv: Sequence[str], terminal: bool) -> list[str]:
        """The command with which a person's shell runs `argv` in a service."""

    def logs(self, service: str, tail: int | None = None) -> str:
        """What a service has written so far, or its last `tail` lines."""

    def logs_command(self, services: Sequence[str], follow: bool) -> list[str]:
        """The command with which a person's shell shows what services wrote."""

    def stop(self, service: str, grace: float = 5.0) -> None:
        """End a service's program by SIGTERM, after `grace` seconds by SIGKILL. It keeps its data."""

    def kill(self, service: str) -> None:
        """End it at once (SIGKILL). It keeps its data."""

    def restart(self, service: str) -> None:
        """Start a service that was stopped or killed, with its data and its addresses."""

    def pause(self, service: str) -> None:
        """Stop its processes where they are."""

    def resume(self, service: str) -> None:
        """Let its processes go on."""

    def detach(self, service: str, network: str) -> None:
        """Take the service's interface in this network away."""

    def attach(self, service: str, network: str, address: IPv4Address | None = None) -> None:
        """Give the service an interface in this network, and the network's gateway as default route if it has none."""

    def process(self, service: str) -> int:
        """The process id of a service's main program, as this host knows it."""

    def helper(self, name: str, networks: Mapping[str, IPv4Address], *, gateway: bool = True) -> Helper:
        """A helper in a network namespace of its own, in networks of the plan; `gateway`: with their default route."""

    def beside(self, service: str, name: str) -> Helper:
        """A helper in the network namespace of a service that runs."""

    def kept(self, name: str) -> Helper | None:
        """The helper of this name that an earlier command of the lab made and did not remove, with its files and with
        what it spawned still running (`capture start`, then `capture stop`); None when there is none."""
