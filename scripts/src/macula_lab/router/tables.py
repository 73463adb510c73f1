"""Sets, maps and chains that the rules of a NAT work on. Pure."""

import re
from collections.abc import Iterable, Iterator

from macula.nat.profile import Filtering, Mapping, Profile

from macula_lab.router.outward import SEQUENCE
from macula_lab.router.rule import Rule

TABLE = "macula_nat"

CHAINS = {
    "arriving": "type filter hook prerouting priority raw;",
    "timing": "type filter hook prerouting priority mangle;",
    "delivering": "type nat hook prerouting priority dstnat;",
    "entering": "type filter hook input priority filter;",
    "forwarding": "type filter hook forward priority filter;",
    "leaving": "type nat hook postrouting priority srcnat;",
    "learning": "type filter hook postrouting priority srcnat + 10;",
}
"""The chains that packets come to by themselves; others are gone to."""

REASONS = ("no_mapping", "filtered", "blocked", "exhausted", "private")
MOST_MAPPINGS = 65_535
MOST_DROPS = 4096
"""different tuples that are remembered for each reason; the oldest go after DROP_MEMORY seconds"""
DROP_MEMORY = 600
TCP_MEMORY = 600
"""seconds that a TCP flow is shown after its last packet from inside"""

_SOCKET = "ipv4_addr . inet_service"
TUPLE_TYPE = f"inet_proto . {_SOCKET} . {_SOCKET}"


def state(nat: Profile) -> dict[str, str]:
    """The declarations of all sets and maps that the rules of a NAT may use, by name."""
    mapping = {Mapping.ADDRESS_DEPENDENT: f"{_SOCKET} . ipv4_addr"}.get(nat.mapping, _SOCKET)
    permit = {Filtering.ADDRESS_DEPENDENT: "inet_service . ipv4_addr"}.get(nat.filtering, f"inet_service . {_SOCKET}")
    flow = f"{_SOCKET} . inet_service . {_SOCKET}"
    sets = {
        "used": _dynamic("set", "inet_service", nat.lifetime),
        "mapped": _dynamic("map", f"{mapping} : inet_service", nat.lifetime),
        "hosts": _dynamic("map", f"inet_service : {_SOCKET}", nat.lifetime),
        "permitted": _dynamic("set", permit, nat.lifetime),
        "occupied": _dynamic("set", f"inet_service . {_SOCKET}", nat.lifetime),
        "udp_flows": _dynamic("set", flow, nat.lifetime),
        "tcp_flows": _dynamic("set", flow, TCP_MEMORY),
        "sessions": f"set sessions {{ type ipv4_addr; flags dynamic; size {MOST_MAPPINGS}; }}",
        "sequence": _numbered("inc", SEQUENCE),
        "block": _numbered("random", range(nat.block[0], nat.block[1] + 1)),
        "following": _following(nat.block),
    }
    named = {name: declaration.replace("NAME", name) for name, declaration in sets.items()}
    return named | {reason: _drops(reason) for reason in REASONS}


def _dynamic(kind: str, types: str, lifetime: int) -> str:
    return f"{kind} NAME {{ type {types}; flags dynamic,timeout; timeout {lifetime}s; size {MOST_MAPPINGS}; }}"


def _drops(reason: str) -> str:
    limits = f"timeout {DROP_MEMORY}s; size {MOST_DROPS}"
    return f"set {reason} {{ type {TUPLE_TYPE}; flags dynamic,timeout; {limits}; counter; }}"


def _numbered(order: str, ports: range) -> str:
    elements = ", ".join(f"{number} : {port}" for number, port in enumerate(ports))
    return f"map NAME {{ typeof numgen {order} mod 2 : udp sport; elements = {{ {elements} }}; }}"


def _following(block: tuple[int, int]) -> str:
    low, high = block
    elements = ", ".join(f"{port} : {port + 1 if port < high else low}" for port in range(low, high + 1))
    return f"map NAME {{ type inet_service : inet_service; elements = {{ {elements} }}; }}"


def render(rules: Iterable[Rule], nat: Profile) -> str:
    """One transaction that makes `rules` all that there is in our table, with empty sets."""
    return "\n".join([f"table ip {TABLE}", f"delete table ip {TABLE}", f"table ip {TABLE} {{", *_body(rules, nat), "}"])


def _body(rules: Iterable[Rule], nat: Profile) -> Iterator[str]:
    rules = tuple(rules)
    words = " ".join(rule.text for rule in rules)
    mentioned = set(re.findall(r"@(\w+)", words))
    if "ct timeout set" in words:
        policy = f"{{ unreplied : {nat.lifetime}, replied : {nat.lifetime} }}"
        yield f"ct timeout lifetime {{ protocol udp; l3proto ip; policy = {policy}; }}"
    for name, declaration in state(nat).items():
        if name in mentioned:
            yield declaration
    gone_to = dict.fromkeys(re.findall(r"(?:goto|jump) (\w+)", words))
    chains = dict.fromkeys(rule.chain for rule in rules)
    for chain in [*sorted({*chains, *gone_to} - {*CHAINS}), *(name for name in CHAINS if name in chains)]:
        yield f"chain {chain} {{ {CHAINS.get(chain, '')}"
        for rule in rules:
            if rule.chain == chain:
                yield from [f'  {rule.text} comment "{rule.name}"'] * rule.repeat
        yield "}"
