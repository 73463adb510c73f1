"""What a router can be told to do. One command at a time."""

import json
import os
import signal
import sys
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from types import FrameType
from typing import NoReturn

from macula_lab.errors import LabError
from macula_lab.router import config, interfaces, link, memory, nat, neighbours, partition
from macula_lab.router.config import RouterConfig
from macula_lab.router.interfaces import Uplink
from macula_lab.router.kernel import nft, require_rights, run
from macula_lab.router.memory import Memory


def serve() -> NoReturn:
    """Be the router that the environment describes, until SIGTERM. What an earlier one left is forgotten.

    Raises LabError, naming the variable or right that is wrong or missing.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    wanted = config.from_environment(os.environ)
    require_rights()
    with memory.alone():
        configure(wanted)
    link.apply(os.environ)
    print("macula-router: up", flush=True)
    while True:
        signal.pause()


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


def configure(wanted: RouterConfig) -> None:
    """Become the NAT, and only then take the addresses and routes with which packets come."""
    found = interfaces.present()
    uplink = interfaces.uplink(found, wanted.wan) if wanted.wan else None
    holders = [interfaces.holding(found, "ADDRESSES", address.ip).name for address in wanted.addresses]
    nft(partition.render(()))
    nat.become(Memory(str(wanted.nat), uplink, wanted.wan))
    for address, holder in zip(wanted.addresses, holders, strict=True):
        run("ip", "address", "replace", str(address), "dev", holder)
    # The engine's default route leads around the routers of the topology.
    for _route in json.loads(run("ip", "-json", "-4", "route", "show", "default")):
        run("ip", "-4", "route", "delete", "default")
    for route in wanted.routes:
        run("ip", "-4", "route", "replace", str(route.network), "via", str(route.via))


def apply(spec: str) -> None:
    """Become another NAT, with empty tables. Raises LabError, naming the word that is wrong."""
    wanted = config.profile(spec, "--nat")
    with memory.alone():
        now = memory.read()
        if now.uplink is None and wanted != config.PLAIN:
            raise LabError(f"WAN: it is missing, and --nat {spec} needs an uplink", "write WAN: 172.24.0.0/24")
        nat.become(replace(now, nat=str(wanted)))


def reboot() -> None:
    """Forget every mapping, connection and drop, as a router that was switched off and on."""
    with memory.alone():
        nat.become(memory.read())


def wan_change(address: IPv4Address | None) -> Uplink:
    """Take another address in the WAN, a free one when none is named, and forget every mapping.

    Gives the new uplink; raises LabError when the address cannot be taken.
    """
    with memory.alone():
        now = memory.read()
        if now.uplink is None or now.wan is None:
            raise LabError("wan-change: this router has no uplink", "name a router that has a WAN")
        if address is None:
            address = neighbours.free(now.uplink)
        elif address not in now.wan or address in (now.wan.network_address, now.wan.broadcast_address):
            raise LabError(f"wan-change: {address} is no host address of the WAN {now.wan}", "name one that is")
        elif address == now.uplink.address.ip:
            raise LabError(f"wan-change: {address} is the address that it has", "name another one, or none")
        new = replace(now.uplink, address=IPv4Interface((address, now.uplink.address.network.prefixlen)))
        nat.become(replace(now, uplink=new), partial(_readdress, now.uplink, new))
        return new


def _readdress(old: Uplink, new: Uplink) -> None:
    # The kernel removes the routes through a neighbour together with the address.
    routes = json.loads(run("ip", "-json", "-4", "route", "show", "dev", old.interface))
    run("ip", "address", "del", str(old.address), "dev", old.interface)
    run("ip", "address", "add", str(new.address), "dev", new.interface)
    for route in routes:
        if "gateway" in route:
            run("ip", "-4", "route", "replace", route["dst"], "via", route["gateway"], "dev", new.interface)
    # Asking its neighbours anew, from the new address, it corrects those who remember an earlier owner of that.
    run("ip", "neighbour", "flush", "dev", new.interface)


def cut(network: IPv4Network) -> tuple[IPv4Network, ...]:
    """Drop everything from and to a network. Gives all networks that are cut off."""
    with memory.alone():
        now = memory.read()
        return _partition(now, tuple(sorted({*now.partitioned, network})))


def heal(network: IPv4Network | None) -> tuple[IPv4Network, ...]:
    """Let a network be reached again, or all of them. Gives those that stay cut off; raises LabError for another."""
    with memory.alone():
        now = memory.read()
        if network is not None and network not in now.partitioned:
            known = ", ".join(map(str, now.partitioned)) or "none"
            raise LabError(f"heal: {network} is not cut off; cut off: {known}", "name one of them, or none for all")
        return _partition(now, tuple(one for one in now.partitioned if network not in (None, one)))


def _partition(now: Memory, networks: tuple[IPv4Network, ...]) -> tuple[IPv4Network, ...]:
    if networks != now.partitioned:
        nft(partition.render(networks))
        memory.write(replace(now, partitioned=networks))
    return networks
