"""Subnets that a topology wants and somebody else has: found before anything is made."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network

from docker import DockerClient

from macula_lab.composefile.plan import Network
from macula_lab.engines.docker import labels
from macula_lab.engines.docker.complaints import MOVE
from macula_lab.errors import LabError


def require_free(client: DockerClient, project: str, wanted: Iterable[Network]) -> None:
    """Raise LabError, naming the network and who has its subnet, unless every subnet is free for this project."""
    of_engine: dict[IPv4Network, str] = {}
    own: set[IPv4Network] = set()
    for network in client.networks.list():
        attributes = network.attrs or {}
        ours = (attributes.get("Labels") or {}).get(labels.PROJECT) == project
        for pool in (attributes.get("IPAM") or {}).get("Config") or []:
            subnet = pool.get("Subnet", "")
            if ours and ":" not in subnet:
                own.add(IPv4Network(subnet))
            elif ":" not in subnet:
                of_engine[IPv4Network(subnet)] = f"Docker's network {attributes['Name']}"
    of_host = {subnet: told for subnet, told in host_routes().items() if subnet not in own}
    for asked in wanted:
        if asked.subnet not in own:
            require_apart(asked, {**of_host, **of_engine})


def require_apart(network: Network, taken: Mapping[IPv4Network, str]) -> None:
    """Raise LabError when a network overlaps one that is taken."""
    for subnet, owner in taken.items():
        if network.subnet.overlaps(subnet):
            raise LabError(f"networks.{network.name}: {network.subnet} overlaps {owner} ({subnet})", MOVE)


def host_routes() -> dict[IPv4Network, str]:
    """The subnets this machine has routes to; empty where the engine is on another one, or there is no `ip`."""
    if sys.platform != "linux" or os.environ.get("DOCKER_HOST", "unix:").partition(":")[0] != "unix":
        return {}
    program = shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        return {}
    listed = subprocess.run([program, "-j", "-4", "route", "show"], capture_output=True, text=True, check=False)  # noqa: S603
    return routed(listed.stdout) if listed.returncode == 0 else {}


def routed(listing: str) -> dict[IPv4Network, str]:
    """The subnets of `ip -j route show` without the default route, and the interface of each."""
    found = {}
    for route in json.loads(listing or "[]"):
        if route["dst"] != "default":
            found[IPv4Network(route["dst"])] = f"this machine's route through {route.get('dev', 'nowhere')}"
    return found
