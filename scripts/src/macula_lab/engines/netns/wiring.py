"""Bridges and cables: one namespace with a bridge for each network, one cable from it to each interface."""

import hashlib
import json
import secrets
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from macula_lab.composefile.plan import Network
from macula_lab.engines.netns import namespaces
from macula_lab.engines.netns.attachments import Attachment
from macula_lab.engines.netns.project import existing
from macula_lab.errors import LabError

Networks = Mapping[str, Network]


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace as it is to be made."""

    namespace: str
    attachments: Sequence[Attachment]
    gateway: IPv4Address | None = None
    sysctls: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    """where the file asks for the sysctls"""
    neighbours: Mapping[str, Sequence[IPv4Address]] = field(default_factory=dict)
    """by network: hosts whose link-layer addresses it is to know from the start"""


def bridge(network: str) -> str:
    """The name of a network's bridge: an interface's name has 15 bytes at most, a network's has no limit."""
    return "b" + hashlib.sha256(network.encode()).hexdigest()[:12]


def mac(address: IPv4Address) -> str:
    """The link-layer address of the interface that has an address: a function of it, locally administered."""
    return ":".join(f"{byte:02x}" for byte in b"\x02\x4d" + address.packed)


def make_fabric(fabric: str, networks: Networks) -> None:
    """Make the namespace with the bridges; those that are there stay. Raises LabError with what `ip` said."""
    if fabric not in existing():
        namespaces.add([fabric])
        namespaces.configure(fabric, namespaces.BRIDGE_SYSCTLS)
    there = interfaces(fabric)
    missing = [name for name in networks if bridge(name) not in there]
    namespaces.batch((line for name in missing for line in _bridge_lines(name)), fabric)


def make(fabric: str, networks: Networks, places: Sequence[Place]) -> None:
    """Make namespaces anew, with their cables, addresses and default routes. Raises LabError with what `ip` said."""
    there = existing()
    namespaces.remove([place.namespace for place in places if place.namespace in there])
    namespaces.add([place.namespace for place in places])
    for place in places:
        namespaces.configure(place.namespace, namespaces.SYSCTLS)
        namespaces.configure(place.namespace, place.sysctls, place.key)
    cables = [line for place in places for item in place.attachments for line in _cable_lines(place.namespace, item)]
    namespaces.batch(cables, fabric)
    for place in places:
        lines = [line for item in place.attachments for line in _address_lines(networks, item)]
        known = [line for item in place.attachments for line in _neighbour_lines(item, place.neighbours)]
        namespaces.batch(["link set lo up", *lines, *_default_lines(place.gateway), *known], place.namespace)


def attach(fabric: str, networks: Networks, namespace: str, item: Attachment, gateway: IPv4Address | None) -> None:
    """Lay one more cable; `gateway` becomes the default route unless there is one. Raises LabError as `make`."""
    namespaces.batch(_cable_lines(namespace, item), fabric)
    namespaces.batch(_address_lines(networks, item), namespace)
    _ensure_default(namespace, gateway)


def detach(namespace: str, item: Attachment, gateway: IPv4Address | None) -> None:
    """Take a cable away; `gateway`, of another network, becomes the default route unless there is one."""
    namespaces.batch([f"link delete {item.interface}"], namespace)
    _ensure_default(namespace, gateway)


def interfaces(namespace: str) -> set[str]:
    """The names of a namespace's interfaces."""
    return {str(link["ifname"]) for link in _ask(namespace, "link", "show")}


def _bridge_lines(network: str) -> Iterable[str]:
    name = bridge(network)
    yield f"link add {name} type bridge forward_delay 0 mcast_snooping 0"
    yield f"link set {name} alias {network} up"


def _cable_lines(namespace: str, item: Attachment) -> Iterable[str]:
    # Never the name of a cable that was there: the kernel may still be taking that one away.
    port = "v" + secrets.token_hex(6)
    yield f"link add {port} type veth peer name {item.interface} address {mac(item.address)} netns {namespace}"
    yield f"link set {port} master {bridge(item.network)} up"


def _address_lines(networks: Networks, item: Attachment) -> Iterable[str]:
    subnet = networks[item.network].subnet
    yield f"address add {item.address}/{subnet.prefixlen} broadcast {subnet.broadcast_address} dev {item.interface}"
    yield f"link set {item.interface} up"


def _neighbour_lines(item: Attachment, known: Mapping[str, Sequence[IPv4Address]]) -> Iterable[str]:
    for address in known.get(item.network, ()):
        if address != item.address:
            yield f"neighbour add {address} lladdr {mac(address)} dev {item.interface} nud permanent"


def _default_lines(gateway: IPv4Address | None) -> list[str]:
    return [] if gateway is None else [f"route add default via {gateway}"]


def _ensure_default(namespace: str, gateway: IPv4Address | None) -> None:
    if gateway is not None and not _ask(namespace, "route", "show", "default"):
        namespaces.batch(_default_lines(gateway), namespace)


def _ask(namespace: str, *argv: str) -> list[dict[str, object]]:
    command = ["ip", "-json", "-n", namespace, *argv]
    done = subprocess.run(command, text=True, capture_output=True, timeout=namespaces.BATCH_TIMEOUT, check=False)  # noqa: S603
    if done.returncode != 0:
        raise LabError(f"`{' '.join(command)}` failed", "macula-lab down, then again", done.stderr)
    answer: list[dict[str, object]] = json.loads(done.stdout or "[]")
    return answer
