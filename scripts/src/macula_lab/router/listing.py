"""What the kernel says about our tables, read from nft's JSON. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from macula_lab.router.tables import REASONS

FLOWS = {"udp_flows": "udp", "tcp_flows": "tcp"}

NUMBERS = {6: "tcp", 17: "udp"}
"""nft names protocols by /etc/protocols, and numbers them where that is missing, as in a container."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Tables as `nft --json list table` writes them."""

    packets: Mapping[str, int] = field(default_factory=dict)
    """by rule: how many it has counted; only of rules that count"""
    sets: Mapping[str, list[Any]] = field(default_factory=dict)
    """by set: its elements"""


def parse(text: str) -> Listing:
    """Read nft's JSON of one table."""
    packets: dict[str, int] = {}
    sets: dict[str, list[Any]] = {}
    for entry in json.loads(text)["nftables"]:
        if rule := entry.get("rule"):
            name = rule["comment"]
            for statement in rule["expr"]:
                if "counter" in statement:
                    packets[name] = packets.get(name, 0) + statement["counter"]["packets"]
        elif found := entry.get("set"):
            sets[found["name"]] = found.get("elem", [])
    return Listing(packets, sets)


def mappings(listing: Listing, outside: str) -> list[dict[str, Any]]:
    """The mappings that live, with the remote ends they were used for; `outside` is the outside address."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for name, protocol in FLOWS.items():
        for element in _elements(listing.sets.get(name, ())):
            host, port, taken, remote, remote_port = element["val"]["concat"]
            key = (protocol, f"{host}:{port}", f"{outside}:{taken}")
            mapping = found.setdefault(
                key, {"protocol": protocol, "inside": key[1], "outside": key[2], "remotes": [], "expires": 0}
            )
            mapping["remotes"].append(f"{remote}:{remote_port}")
            mapping["expires"] = max(mapping["expires"], element["expires"])
    for mapping in found.values():
        mapping["remotes"].sort()
    return [found[key] for key in sorted(found)]


def drops(listing: Listing) -> list[dict[str, Any]]:
    """The packets that were dropped, by the reason and the addresses that the router saw on them."""
    found = []
    for reason in (*REASONS, "partitioned"):
        for element in _elements(listing.sets.get(reason, ())):
            protocol, source, source_port, destination, destination_port = element["val"]["concat"]
            found.append(
                {
                    "reason": reason,
                    "protocol": NUMBERS.get(protocol, protocol),
                    "source": f"{source}:{source_port}",
                    "destination": f"{destination}:{destination_port}",
                    "packets": element["counter"]["packets"],
                    "bytes": element["counter"]["bytes"],
                    "expires": element["expires"],
                }
            )
    return sorted(found, key=lambda drop: (drop["reason"], drop["source"], drop["destination"]))


def _elements(elements: Iterable[Any]) -> Iterable[Any]:
    return (element["elem"] for element in elements)
