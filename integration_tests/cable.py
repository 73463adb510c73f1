"""Two network namespaces with a cable between them, the first of which is a router: what its link does to packets."""

import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

from asking import eventually

MACULA_ROUTER = Path(sys.executable).with_name("macula-router")
SUBNET = "203.0.113.0/24"
NEAR, FAR = "203.0.113.1", "203.0.113.2"
PORT = 7000
CLONE_NEWNET = 0x40000000
QUIET = 0.5
"""Seconds without a datagram after which no more is expected."""


def run(*argv: str | Path, code: int = 0) -> str:
    """What a command printed, stdout and stderr; it must end with this exit code."""
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=30)
    assert done.returncode == code, f"{argv}: exit code {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def socket_in(namespace: str, address: str, port: int) -> socket.socket:
    """A UDP socket in a network namespace."""
    made: list[socket.socket] = []

    def enter() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with Path("/run/netns", namespace).open() as file:
            if libc.setns(file.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {namespace}")
        made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    made[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    made[0].bind((address, port))
    return made[0]


class Cable:
    """The router, the far end, and a UDP socket in each."""

    def __init__(self, prefix: str, state: Path) -> None:
        self.router, self.far_end = f"{prefix}-router", f"{prefix}-far"
        self._state = state
        for namespace in (self.router, self.far_end):
            run("ip", "netns", "add", namespace)
            for name in ("all", "default"):
                run(*self.within(namespace), "sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
        self.plug()
        self.near = socket_in(self.router, NEAR, PORT)
        self.far = socket_in(self.far_end, FAR, PORT)

    def plug(self) -> None:
        """Lay the cable, with an address at each end."""
        run("ip", "-n", self.router, "link", "add", "wan", "type", "veth", "peer", "name", "wan", "netns", self.far_end)
        for namespace, address in ((self.router, NEAR), (self.far_end, FAR)):
            run("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", "wan")
            run("ip", "-n", namespace, "link", "set", "wan", "up")
        eventually("the far end answers", self._far_end_answers, 10)

    def _far_end_answers(self) -> bool:
        ping = [*self.within(self.router), "ping", "-n", "-c", "1", "-W", "1", FAR]
        return subprocess.run(ping, capture_output=True, timeout=30).returncode == 0

    def within(self, namespace: str) -> list[str]:
        """The beginning of a command that runs in a namespace."""
        return ["ip", "netns", "exec", namespace]

    def environment(self) -> list[str]:
        """The beginning of a command with the settings of this router."""
        return ["env", f"WAN={SUBNET}", "NAT=none", f"MACULA_ROUTER_STATE={self._state}"]

    def link(self, *argv: str, code: int = 0, before: tuple[str, ...] = ()) -> str:
        """Run `macula-router link` in the router."""
        command: list[str | Path] = [
            *self.within(self.router),
            *self.environment(),
            *before,
            MACULA_ROUTER,
            "link",
            *argv,
        ]
        return run(*command, code=code)

    def show(self) -> dict[str, Any]:
        """What `link show --json` tells."""
        told: dict[str, Any] = json.loads(self.link("show", "--json"))
        return told

    def devices(self) -> set[str]:
        """The interfaces of the router."""
        return {one["ifname"] for one in json.loads(run("ip", "-n", self.router, "-json", "link"))}

    def in_the_path(self) -> bool:
        """Whether anything of a shaper is in the router: a device, a qdisc or a filter."""
        qdiscs = json.loads(run(*self.within(self.router), "tc", "-json", "qdisc", "show", "dev", "wan"))
        return self.devices() != {"lo", "wan"} or [one["kind"] for one in qdiscs] != ["noqueue"]

    def round_trips(self, count: int = 20) -> list[float]:
        """Milliseconds of pings to the far end."""
        told = run(*self.within(self.router), "ping", "-n", "-c", str(count), "-i", "0.02", "-W", "2", FAR)
        return [float(text) for text in re.findall(r"time=([\d.]+) ms", told)]

    def assert_round_trip(self, expected: float) -> None:
        """The median of pings comes within 3 ms of this. A busy machine can delay packets, but never hurry them."""

        def fits() -> bool:
            return abs(median(self.round_trips()) - expected) <= 3

        eventually(f"a median round trip of {expected:g} ms", fits, 10)

    def send(self, numbers: range, size: int = 100, inwards: bool = False) -> None:
        """Send numbered datagrams at once, outwards or from the far end."""
        sender, to = (self.far, NEAR) if inwards else (self.near, FAR)
        for number in numbers:
            sender.sendto(number.to_bytes(4, "big").ljust(size, b"\0"), (to, PORT))

    def received(self, inwards: bool = False, first: float = 2.0) -> list[tuple[float, int]]:
        """When each datagram arrived and its number, until none comes for QUIET seconds."""
        receiver = self.near if inwards else self.far
        receiver.settimeout(first)
        arrived = []
        try:
            while True:
                data = receiver.recv(2048)
                arrived.append((time.monotonic(), int.from_bytes(data[:4], "big")))
                receiver.settimeout(QUIET)
        except TimeoutError:
            return arrived

    def numbers(self, inwards: bool = False, first: float = 2.0) -> list[int]:
        """The numbers of the datagrams that arrived, in their order."""
        return [number for _, number in self.received(inwards, first)]

    def close(self) -> None:
        """Remove the namespaces, and what runs in them."""
        self.near.close()
        self.far.close()
        for namespace in (self.router, self.far_end):
            for process in run("ip", "netns", "pids", namespace).split():
                os.kill(int(process), signal.SIGKILL)
            run("ip", "netns", "delete", namespace)


def gone(process: int) -> bool:
    """Whether a process has ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"
