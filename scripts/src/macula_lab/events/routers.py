"""Events of routers: a NAT that forgets, another outside address, a network that is cut off."""

import json
from ipaddress import IPv4Address
from typing import Any

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.events import targets
from macula_lab.events.event import Event


def nat_reboot(engine: Engine, event: Event) -> list[str]:
    """The router forgets every mapping, as one does that was switched off and on."""
    router = targets.uplink(engine, event.target).name
    mappings = len(shown(engine, router)["mappings"])
    asked(engine, router, "reboot")
    return [f"{router}: {forgotten(mappings)}"]


def wan_change(engine: Engine, event: Event) -> list[str]:
    """The router gets another outside address from its provider and forgets every mapping."""
    router = targets.uplink(engine, event.target).name
    before = shown(engine, router)
    old = before["wan"]["address"]
    network = targets.network_at(engine, IPv4Address(old))
    wanted = [str(targets.address(engine, network, text, asking=router)) for text in event.arguments]
    if wanted == [old]:
        return [f"{router}: {old} is its address already"]
    asked(engine, router, "wan-change", *wanted)
    return [f"{router}: {old} -> {shown(engine, router)['wan']['address']}, {forgotten(len(before['mappings']))}"]


def partition(engine: Engine, event: Event) -> list[str]:
    """No router lets anything from or to the network pass; within the network all goes on."""
    network = targets.network(engine, event.target)
    told = []
    for router in targets.routers_of(engine, network):
        if str(network.subnet) in shown(engine, router)["partitioned"]:
            told.append(f"{router}: {network.name} is cut off already")
            continue
        asked(engine, router, "partition", str(network.subnet))
        told.append(f"{router}: drops all from and to {network.name} ({network.subnet})")
    return told


def heal(engine: Engine, event: Event) -> list[str]:
    """The routers let a network's traffic pass again."""
    network = targets.network(engine, event.target)
    told = []
    for router in targets.routers_of(engine, network):
        if str(network.subnet) not in shown(engine, router)["partitioned"]:
            told.append(f"{router}: {network.name} was not cut off")
            continue
        asked(engine, router, "heal", str(network.subnet))
        told.append(f"{router}: lets {network.name} ({network.subnet}) pass again")
    return told


def shown(engine: Engine, router: str) -> dict[str, Any]:
    """What a router says about itself: its addresses, mappings, partitions."""
    answer: dict[str, Any] = json.loads(asked(engine, router, "show", "--json"))
    return answer


def asked(engine: Engine, router: str, *argv: str) -> str:
    """The output of a router's command. Raises LabError with the router's own words when it refuses."""
    finished = engine.execute(router, ["macula-router", *argv])
    if finished.code != 0:
        raise LabError(
            f"{router} refused `macula-router {' '.join(argv)}`", f"macula-lab logs {router}", finished.stderr
        )
    return finished.stdout


def forgotten(mappings: int) -> str:
    """How many mappings are gone."""
    if not mappings:
        return "had no mapping to forget"
    return f"{mappings} mapping{'' if mappings == 1 else 's'} forgotten"
