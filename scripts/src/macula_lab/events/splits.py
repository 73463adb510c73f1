"""Events of a network that falls apart without a router in it: some of its hosts no longer hear the others."""

from collections.abc import Sequence
from ipaddress import IPv4Address

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.events import links, targets
from macula_lab.events.event import Event

TABLE = "ip macula_split"


def split(engine: Engine, event: Event) -> list[str]:
    """The named hosts of a network, and its others, hear only their own side."""
    apart, others = sides(engine, event)
    for side, unheard in ((apart, others), (others, apart)):
        for name in side:
            _load(engine, name, rules(list(unheard.values())))
    return [f"{event.target}: {', '.join(apart)} | {', '.join(others)}"]


def join(engine: Engine, event: Event) -> list[str]:
    """All hosts of a network hear each other again."""
    there = _hosts(engine, targets.network(engine, event.target).name)
    for name in there:
        _load(engine, name, rules([]))
    return [f"{event.target}: {', '.join(there)}"]


def rules(unheard: Sequence[IPv4Address]) -> str:
    """One transaction after which a host hears all but these. Dropped where they arrive: who sends notices nothing."""
    gone = f"table {TABLE}; delete table {TABLE};"
    if not unheard:
        return gone
    listed = ", ".join(map(str, unheard))
    chain = f"type filter hook prerouting priority raw - 10; ip saddr {{ {listed} }} counter drop;"
    return f"{gone} table {TABLE} {{ chain arriving {{ {chain} }}; }}"


def sides(engine: Engine, event: Event) -> tuple[dict[str, IPv4Address], dict[str, IPv4Address]]:
    """The hosts that are named, with their addresses, and the others of the network. Raises LabError for one that is
    not there."""
    network = targets.network(engine, event.target)
    named = event.arguments[0].split(",")
    for name in named:
        targets.running(engine, name)
    there = _hosts(engine, network.name)
    if strangers := [name for name in named if name not in there]:
        raise LabError(f"{targets.listed(strangers)} is not in {network.name}", f"there are: {targets.listed(there)}")
    apart = {name: there[name] for name in named}
    return apart, {name: address for name, address in there.items() if name not in apart}


def _hosts(engine: Engine, network: str) -> dict[str, IPv4Address]:
    return {
        name: host.addresses[network]
        for name, host in engine.hosts().items()
        if host.running and network in host.addresses
    }


def _load(engine: Engine, service: str, text: str) -> None:
    helper = engine.beside(service, f"event-{service}")
    try:
        links.done(helper, "nft", text)
    finally:
        helper.remove()
