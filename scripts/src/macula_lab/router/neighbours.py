"""Which addresses of a network nobody has, asked by ARP through the kernel's own neighbour table."""

import json
import time
from ipaddress import IPv4Address

from macula_lab.errors import LabError
from macula_lab.router.interfaces import Uplink
from macula_lab.router.kernel import run

CANDIDATES = 8
PATIENCE = 0.5
"""Seconds that the owner of an address has to answer; links of the lab do not delay ARP."""
KNOWN = {"REACHABLE", "STALE", "DELAY", "PROBE", "PERMANENT", "NOARP"}


def free(uplink: Uplink) -> IPv4Address:
    """An address of the uplink's network that answers no ARP. Raises LabError when all that are asked are taken.

    They are asked from three quarters of the network down: the lab's own helpers take addresses from the top,
    services have them at the bottom.
    """
    network = uplink.address.network
    top = min(int(network.network_address) + network.num_addresses * 3 // 4, int(network.broadcast_address) - 1)
    bottom = max(top - CANDIDATES, int(network.network_address))
    candidates = [IPv4Address(number) for number in range(top, bottom, -1) if number != int(uplink.address.ip)]
    for address in candidates:
        # `use` makes the kernel resolve the address, as if a packet were to be sent.
        run("ip", "neighbour", "replace", str(address), "dev", uplink.interface, "nud", "none", "use")
    time.sleep(PATIENCE)
    taken = _known(uplink.interface)
    for address in candidates:
        if str(address) not in taken:
            return address
    raise LabError(f"wan-change: all of {candidates[-1]} to {candidates[0]} are taken", "name a free address")


def _known(interface: str) -> set[str]:
    entries = json.loads(run("ip", "-json", "neighbour", "show", "dev", interface))
    return {entry["dst"] for entry in entries if KNOWN.intersection(entry.get("state", ()))}
