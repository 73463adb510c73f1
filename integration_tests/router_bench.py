"""A router's program on a bench: a host inside, a host outside, a cable to each, all in network namespaces."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cable import socket_in

MACULA_ROUTER = Path(sys.executable).with_name("macula-router")
INSIDE, OUTSIDE, WAN = "10.79.1.11", ("198.51.100.10", "198.51.100.11"), "198.51.100.21"
SERVER = (OUTSIDE[0], 3478)
PATIENCE = 5.0
"""Seconds that something which must come has."""
SILENCE = 0.3
"""Seconds after which nothing is expected to come any more."""
ENVIRONMENT = {"WAN": "198.51.100.0/24", "NAT": "home", "ADDRESSES": "10.79.1.2/24"}


class Bench:
    """The namespaces, the router's environment, and its program while it runs."""

    def __init__(self, prefix: str, state: Path) -> None:
        self.inside, self.router, self.outside = (f"{prefix}-{name}" for name in ("inside", "router", "outside"))
        self.state = state
        self.program: subprocess.Popen[str] | None = None

    def build(self) -> None:
        """Make the namespaces and cables; the router has no address yet that a host takes as its gateway."""
        for namespace in (self.inside, self.router, self.outside):
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        # The uplink comes second, or first: nothing may depend on names or order.
        self._cable("port7", self.inside, "10.79.1.3/24", f"{INSIDE}/24")
        self._cable("port3", self.outside, f"{WAN}/24", f"{OUTSIDE[0]}/24")
        ip("-n", self.outside, "address", "add", f"{OUTSIDE[1]}/24", "dev", "eth0")
        ip("-n", self.outside, "route", "add", "10.79.1.0/24", "via", WAN)
        ip("-n", self.inside, "route", "add", "default", "via", "10.79.1.2")
        self.forward("1")

    def _cable(self, name: str, host: str, near: str, far: str) -> None:
        ip("-n", self.router, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", host)
        for namespace, device, address in ((self.router, name, near), (host, "eth0", far)):
            ip("-n", namespace, "address", "add", address, "dev", device)
            ip("-n", namespace, "link", "set", device, "up")

    def forward(self, value: str) -> None:
        """Set whether the router's kernel forwards."""
        self.run("sysctl", "-qw", f"net.ipv4.ip_forward={value}")

    def run(self, *argv: str | Path, code: int = 0, text: str | None = None) -> str:
        """Run a command in the router's place. Gives what it printed; it must end with this exit code."""
        command = ["ip", "netns", "exec", self.router, *map(str, argv)]
        environment = {**os.environ, "MACULA_ROUTER_STATE": str(self.state)}
        done = subprocess.run(command, capture_output=True, text=True, input=text, env=environment, timeout=30)
        assert done.returncode == code, f"{argv}: exit code {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stderr

    def serve(self, changes: Mapping[str, str] = MappingProxyType({}), before: tuple[str, ...] = ()) -> str:
        """Start the router's program; changes are to its environment. Gives its first line, or its complaint."""
        self.end(signal.SIGTERM)
        told = {**ENVIRONMENT, **changes, "MACULA_ROUTER_STATE": str(self.state), "PYTHONUNBUFFERED": "1"}
        self.program = subprocess.Popen(
            ["ip", "netns", "exec", self.router, *before, MACULA_ROUTER, "serve"],
            env={**os.environ, **told},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.program.stdout
        return self.program.stdout.readline().rstrip()

    def end(self, number: signal.Signals) -> int | None:
        """End the program by a signal. Gives its exit code; None when it did not run."""
        if not self.program:
            return None
        program, self.program = self.program, None
        with program:
            program.send_signal(number)
            return program.wait(PATIENCE)

    def command(self, *words: str, code: int = 0) -> str:
        """Run a `macula-router` command."""
        return self.run(MACULA_ROUTER, *words, code=code)

    def show(self) -> dict[str, Any]:
        """What `macula-router show --json` tells."""
        told: dict[str, Any] = json.loads(self.command("show", "--json"))
        return told

    def socket(self, namespace: str, address: str = "0.0.0.0", port: int = 0) -> socket.socket:
        """A UDP socket in a namespace."""
        return socket_in(namespace, address, port)

    def remove(self) -> None:
        """End and remove everything."""
        self.end(signal.SIGKILL)
        for namespace in (self.inside, self.router, self.outside):
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, timeout=30)


def ip(*words: str) -> None:
    """Run ip, which must succeed."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


def arrives(receiver: socket.socket, patience: float = PATIENCE) -> tuple[str, int] | None:
    """Where the next datagram comes from; None when there is none in time."""
    receiver.settimeout(patience)
    try:
        source: tuple[str, int] = receiver.recvfrom(2048)[1]
    except TimeoutError:
        return None
    return source


def seen(sender: socket.socket, server: socket.socket, patience: float = PATIENCE) -> tuple[str, int] | None:
    """Where a server sees a datagram of the sender come from; None when it does not come."""
    while arrives(server, 0.001):
        pass
    sender.sendto(b"who am I?", server.getsockname())
    return arrives(server, patience)
