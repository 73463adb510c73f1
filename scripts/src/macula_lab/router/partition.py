"""Networks that a router is cut off from: nothing passes from or to them, and all of it is counted."""

from collections.abc import Sequence
from ipaddress import IPv4Network

from macula_lab.router.rule import Probe, Rule, record
from macula_lab.router.tables import DROP_MEMORY, MOST_DROPS, TUPLE_TYPE

TABLE = "macula_partition"
CHAINS = {
    "partitioned": "",
    "arriving": "type filter hook prerouting priority raw - 10;",
    "leaving": "type filter hook postrouting priority srcnat - 10;",
}


def rules(networks: Sequence[IPv4Network]) -> tuple[Rule, ...]:
    """The rules that cut these networks off. Before everything else, and again where a destination is final."""
    listed = "{ " + ", ".join(map(str, networks)) + " }"
    found = []
    for chain, side in (("arriving", "saddr"), ("leaving", "daddr")):
        goto = f"ip {side} {listed} counter goto partitioned"
        found.append(Rule(f"cut_{chain}", chain, goto, Probe.CONTACT))
    return (*found, record("partitioned"), Rule("drop_partitioned", "partitioned", "counter drop", Probe.CONTACT))


def render(networks: Sequence[IPv4Network]) -> str:
    """One transaction after which exactly these networks are cut off; what was dropped before stays on record."""
    if not networks:
        return f"table ip {TABLE}\ndelete table ip {TABLE}"
    found = rules(networks)
    limits = f"timeout {DROP_MEMORY}s; size {MOST_DROPS}"
    # The table is named first, for one that is not there cannot be emptied.
    lines = [f"table ip {TABLE}", f"flush table ip {TABLE}", f"table ip {TABLE} {{"]
    lines.append(f"set partitioned {{ type {TUPLE_TYPE}; flags dynamic,timeout; {limits}; counter; }}")
    for chain, heading in CHAINS.items():
        lines.append(f"chain {chain} {{ {heading}")
        lines += [f'  {rule.text} comment "{rule.name}"' for rule in found if rule.chain == chain]
        lines.append("}")
    return "\n".join([*lines, "}"])
