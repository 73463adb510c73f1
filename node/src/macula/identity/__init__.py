"""Who a node is: Ed25519 keys, node ids, signed envelopes and DIDs."""

from macula.identity.did import Did
from macula.identity.keys import Identity, verify
from macula.identity.node_id import NodeId

__all__ = ["Did", "Identity", "NodeId", "verify"]
