"""Addresses and routes that a prober takes for as long as its network namespace lives (needs NET_ADMIN and NET_RAW)."""

import ipaddress
import json
import socket
import subprocess
from typing import Any

from macula_lab.errors import LabError

_ARP = 0x0806


def own(address: str) -> None:
    """Have an address on the interface whose subnet it lies in, and announce it to that network.

    The announcement corrects neighbours that still know an earlier owner (RFC 5227, section 3).
    Raises LabError when no interface has such a subnet, or the kernel refuses.
    """
    wanted = ipaddress.IPv4Address(address)
    for link in json.loads(_ip("-json", "address", "show")):
        for info in link["addr_info"]:
            if info["family"] != "inet" or info.get("scope") != "global":
                continue
            network = ipaddress.IPv4Interface(f"{info['local']}/{info['prefixlen']}").network
            if wanted in network:
                _take(link, address, network.prefixlen)
                return
    raise LabError(f"{address}: no interface here is in its subnet")


def route(subnet: str, next_hop: str) -> None:
    """Reach a subnet through a neighbour. Raises LabError when the kernel refuses."""
    _ip("route", "replace", subnet, "via", next_hop)


def _take(link: dict[str, Any], address: str, prefix: int) -> None:
    if address not in (info["local"] for info in link["addr_info"]):
        _ip("address", "replace", f"{address}/{prefix}", "dev", link["ifname"])
    hardware, packed = bytes.fromhex(link["address"].replace(":", "")), socket.inet_aton(address)
    sender = hardware + packed
    announcement = b"\xff" * 6 + hardware + _ARP.to_bytes(2) + bytes.fromhex("0001080006040001") + sender
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((link["ifname"], _ARP))
        raw.send(announcement + bytes(6) + packed)


def _ip(*arguments: str) -> str:
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)  # noqa: S603, S607
    except FileNotFoundError as error:
        raise LabError("ip: there is no such program", "install the package iproute2") from error
    except subprocess.CalledProcessError as error:
        raise LabError(
            f"ip {' '.join(arguments)}: {error.stderr.strip()}", "it needs the capability NET_ADMIN"
        ) from error
    return done.stdout
