"""Objects that several tests need."""

from typing import Any

from macula_lab.mesh.models import Member, NodeStatus


def status_json(name: str, peers: list[str], **changes: Any) -> dict[str, Any]:
    """What `macula status --json` of a node with these peers prints."""
    told = {
        "name": name,
        "mode": "edge",
        "node_id": name * 10,
        "short_id": (name * 10)[:10],
        "realms": ["org.example.mesh"],
        "version": "0.1.0",
        "commit": "abc",
        "ready": True,
        "addresses": ["172.21.0.31:9443"],
        "dht": {"nodes": len(peers), "buckets": 1, "stored_keys": 0},
        "peers": [
            {
                "node_id": peer * 10,
                "short_id": (peer * 10)[:10],
                "name": peer,
                "mode": "edge",
                "address": "172.21.0.10:9443",
                "path": "direct",
                "rtt_ms": 0.44,
                "hops": 0,
            }
            for peer in peers
        ],
        "something_newer": 1,
    }
    return told | changes


def node_status(name: str, peers: list[str], **changes: Any) -> NodeStatus:
    """A node's parsed status."""
    return NodeStatus.model_validate(status_json(name, peers, **changes))


def member(service: str, status: NodeStatus | None, role: str = "edge", state: str = "running") -> Member:
    """A container of a topology."""
    is_node = role != "router"
    return Member(service=service, role=role, state=state, address="172.21.0.31", is_node=is_node, status=status)
