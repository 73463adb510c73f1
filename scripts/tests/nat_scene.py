"""Two edges behind NATs, and a bootstrap in front of them, as several tests of the evidence need them."""

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from macula_lab.composefile.plan import ROUTER_IMAGE, Network, Plan, Service
from macula_lab.evidence.routers import RouterState

A, B, BOOTSTRAP = "172.27.1.31", "172.27.2.32", "172.27.0.10"
NAT_A, NAT_B = "172.27.0.21", "172.27.0.22"
ADDRESSES = {
    "edge_a": {"lan_a": IPv4Address(A)},
    "edge_b": {"lan_b": IPv4Address(B)},
    "bootstrap": {"public": IPv4Address(BOOTSTRAP)},
    "nat_a": {"public": IPv4Address(NAT_A), "lan_a": IPv4Address("172.27.1.3")},
    "nat_b": {"public": IPv4Address(NAT_B), "lan_b": IPv4Address("172.27.2.3")},
}


def network(name: str, subnet: str, gateway: str | None = None) -> Network:
    return Network(name, IPv4Network(subnet), IPv4Address(gateway) if gateway else None)


def host(name: str, networks: dict[str, str], role: str = "edge", **environment: str) -> Service:
    image = ROUTER_IMAGE if role == "router" else "macula-node"
    given = {network: IPv4Address(address) for network, address in networks.items()}
    return Service(name, image, given, environment=environment, labels={"macula.role": role})


def plan(*services: Service, networks: list[Network]) -> Plan:
    return Plan(Path("compose/scene.yaml"), {one.name: one for one in services}, {one.name: one for one in networks})


def pair() -> Plan:
    """lan_a with edge_a, nat_a, public with bootstrap, nat_b, lan_b with edge_b."""
    return plan(
        host(
            "nat_a", {"public": NAT_A, "lan_a": "172.27.1.3"}, "router", WAN="172.27.0.0/24", ADDRESSES="172.27.1.2/24"
        ),
        host(
            "nat_b", {"public": NAT_B, "lan_b": "172.27.2.3"}, "router", WAN="172.27.0.0/24", ADDRESSES="172.27.2.2/24"
        ),
        host("bootstrap", {"public": BOOTSTRAP}, "bootstrap"),
        host("edge_a", {"lan_a": A}),
        host("edge_b", {"lan_b": B}),
        networks=[
            network("public", "172.27.0.0/24"),
            network("lan_a", "172.27.1.0/24", "172.27.1.2"),
            network("lan_b", "172.27.2.0/24", "172.27.2.2"),
        ],
    )


def shown(profile: str, address: str, lan: str, **more: Any) -> dict[str, Any]:
    """What `macula-router show --json` of a NAT prints; `lan` is the address in it."""
    return {
        "profile": profile,
        "wan": {"interface": "eth0", "address": address},
        "lans": [{"interface": "eth1", "address": lan, "subnet": f"{lan.rpartition('.')[0]}.0/24"}],
        "mappings": [],
        "drops": [],
        "partitioned": [],
        **more,
    }


def state(profile: str, address: str, lan: str, **more: Any) -> RouterState:
    """The same, read."""
    return RouterState.model_validate(shown(profile, address, lan, **more))


def mapping(inside: str, outside: str, *remotes: str, protocol: str = "udp") -> dict[str, Any]:
    return {"protocol": protocol, "inside": inside, "outside": outside, "remotes": list(remotes), "expires": 100}


def drop(reason: str, source: str, destination: str, packets: int = 3, protocol: str = "udp") -> dict[str, Any]:
    return {
        "reason": reason,
        "protocol": protocol,
        "source": source,
        "destination": destination,
        "packets": packets,
    }
