"""Where captures are made: the interfaces of each router, and the files that tcpdump writes there."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from typing import Any

from macula_lab.composefile.plan import Plan
from macula_lab.evidence.crossings import SHAPER_MAC

PART_SIZE = 16
"""Megabytes (10**6 bytes) after which tcpdump begins the next part of a capture."""
PARTS = 2
"""Parts of a capture that are kept; the oldest is overwritten, so that the newest packets are always there."""


@dataclass(frozen=True, slots=True)
class Tap:
    """One interface of one router."""

    router: str
    network: str
    interface: str
    mac: str
    addresses: tuple[str, ...]

    @property
    def file(self) -> str:
        """The name of its capture, in the helper and in the evidence."""
        return f"{self.router}-{self.network}.pcap"

    def to_json(self) -> dict[str, Any]:
        """As it is kept beside the captures."""
        return {**asdict(self), "addresses": list(self.addresses), "file": self.file}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Tap":
        """The reverse."""
        return cls(told["router"], told["network"], told["interface"], told["mac"], tuple(told["addresses"]))


def find(plan: Plan, router: str, addresses: str) -> list[Tap]:
    """The interfaces of a router that are in a network of the plan; `addresses` is what `ip -j address` printed."""
    taps = []
    for interface in json.loads(addresses):
        own = [IPv4Address(one["local"]) for one in interface.get("addr_info", ()) if one.get("family") == "inet"]
        network = next((found for address in own if (found := plan.network_of(address))), None)
        if network:
            taps.append(Tap(router, network.name, interface["ifname"], interface["address"], tuple(map(str, own))))
    return taps


def command(tap: Tap, folder: str) -> list[str]:
    """Runs tcpdump on one interface until it is ended; its process id is in FILE.pid.

    Each packet is written as soon as it is seen (--immediate-mode, -U), whole, into a ring of parts. What a link
    shaper puts back on its way in was seen before, as it came; what a bridge sends to everybody is not this router's.
    """
    file = f"{folder}/{tap.file}"
    shaped = f"ether src {SHAPER_MAC.hex(':')}"
    came = f"ether dst {tap.mac} and not {shaped}"
    went = f"ether src {tap.mac} or ({shaped} and not ether dst {tap.mac})"
    argv = ["tcpdump", "-i", tap.interface, "-n", "-p", "-s", "0", "--immediate-mode", "-U", "-Z", "root",
            "-C", str(PART_SIZE), "-W", str(PARTS), "-w", file, f"ip and (({came}) or {went})"]  # fmt: skip
    return ["sh", "-c", f"echo $$ > {shlex.quote(file)}.pid; exec {shlex.join(argv)} 2> {shlex.quote(file)}.log"]


def ready(taps: Sequence[Tap], folder: str) -> list[str]:
    """Waits until every capture has begun: its first part has a header, written once packets are seen. Fails, with
    what tcpdump said, when one has ended."""
    return ["sh", "-c", "; ".join(_wait_for(shlex.quote(f"{folder}/{tap.file}")) for tap in taps)]


def _wait_for(file: str) -> str:
    ended = f"[ -s {file}.pid ] && ! kill -0 $(cat {file}.pid)"
    return f"until [ -s {file}0 ]; do if {ended}; then cat {file}.log >&2; exit 1; fi; sleep 0.02; done"


def alive(folder: str) -> list[str]:
    """Succeeds if every capture in a folder goes on."""
    return ["sh", "-c", f"cd {shlex.quote(folder)} && kill -0 $(cat *.pid)"]


def end(folder: str) -> list[str]:
    """Ends every capture in a folder, and waits until its last packet is written."""
    loop = "for pid in $(cat *.pid); do kill $pid; done; for pid in $(cat *.pid); do"
    return ["sh", "-c", f"cd {shlex.quote(folder)}; {loop} while kill -0 $pid; do sleep 0.02; done; done 2>/dev/null"]
