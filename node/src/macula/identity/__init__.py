"""Who a node is: Ed25519 keys, node ids and DIDs, and the names and realms it stands under."""

from macula.identity.did import Did
from macula.identity.keys import Identity, verify
from macula.identity.node_id import NodeId

__all__ = ["Did", "Identity", "NodeId", "verify"]
