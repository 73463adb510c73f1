"""What a router remembers between its commands."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from macula_lab.errors import LabError
from macula_lab.router.interfaces import Uplink

DEFAULT = "/run/macula-router"


@dataclass(frozen=True, slots=True)
class Memory:
    """A router as it is now."""

    nat: str
    """as `parse` takes it"""
    uplink: Uplink | None
    wan: IPv4Network | None
    partitioned: tuple[IPv4Network, ...] = ()


def folder() -> Path:
    """Where the router keeps its files, made if it is missing."""
    path = Path(os.environ.get("MACULA_ROUTER_STATE") or DEFAULT)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"MACULA_ROUTER_STATE: {error}", "name a folder that the router may write to") from error
    return path


@contextmanager
def alone() -> Iterator[None]:
    """Let no other command of this router run meanwhile."""
    with (folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write(memory: Memory) -> None:
    """Remember; whoever reads finds the whole of it or what was there before."""
    uplink = memory.uplink
    content = {
        "nat": memory.nat,
        "wan": str(memory.wan) if memory.wan else None,
        "interface": uplink.interface if uplink else None,
        "address": str(uplink.address) if uplink else None,
        "partitioned": [str(network) for network in memory.partitioned],
    }
    new = folder() / "router.json.new"
    new.write_text(json.dumps(content))
    new.replace(folder() / "router.json")


def read() -> Memory:
    """What was written last. Raises LabError when no router runs here."""
    try:
        content = json.loads((folder() / "router.json").read_text())
    except FileNotFoundError as error:
        raise LabError("serve: no router runs here", "start `macula-router serve` first") from error
    uplink = Uplink(content["interface"], IPv4Interface(content["address"])) if content["wan"] else None
    wan = IPv4Network(content["wan"]) if content["wan"] else None
    return Memory(content["nat"], uplink, wan, tuple(IPv4Network(one) for one in content["partitioned"]))
