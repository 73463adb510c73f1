"""Everything about a router as it is now."""

from typing import Any

from macula.nat.profile import PRESETS, parse

from macula_lab.errors import LabError
from macula_lab.router import interfaces, link, listing, memory, nat, partition, tables
from macula_lab.router.kernel import run
from macula_lab.router.listing import Listing


def show() -> dict[str, Any]:
    """What the router is, its rules with their counters, its mappings, what it dropped, its link.

    Raises LabError when no router runs here.
    """
    with memory.alone():
        now = memory.read()
        table, rules = _listing(tables.TABLE), nat.rules(now)
        cuts, cutting = (
            (Listing(), ()) if not now.partitioned else (_listing(partition.TABLE), partition.rules(now.partitioned))
        )
    profile, uplink = parse(now.nat), now.uplink
    packets = {**table.packets, **cuts.packets}
    return {
        "profile": str(profile),
        "preset": next((name for name, preset in PRESETS.items() if preset.profile == profile), None),
        "wan": {"interface": uplink.interface, "address": str(uplink.address.ip)} if uplink else None,
        "lans": [
            {"interface": one.name, "address": str(address.ip), "subnet": str(address.network)}
            for one in interfaces.present()
            if uplink is None or one.name != uplink.interface
            for address in one.addresses
        ],
        "rules": [
            {
                "name": rule.name,
                "chain": rule.chain,
                "text": rule.text,
                "probe": rule.probe,
                "packets": packets.get(rule.name),
            }
            for rule in (*rules, *cutting)
        ],
        "mappings": listing.mappings(table, str(uplink.address.ip)) if uplink else [],
        "drops": [*listing.drops(table), *listing.drops(cuts)],
        "partitioned": [str(network) for network in now.partitioned],
        "link": link.status(uplink.interface) if uplink else None,
    }


def _listing(table: str) -> Listing:
    try:
        return listing.parse(run("nft", "--json", "list", "table", "ip", table))
    except LabError as error:
        raise LabError(f"{table}: its rules are not in the kernel", "restart the router", str(error)) from error
