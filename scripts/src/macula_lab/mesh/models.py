"""What a node says about itself (`macula status --json`), and what the lab says about a node."""

from pydantic import BaseModel


class Peer(BaseModel):
    """A connected peer of a node."""

    node_id: str
    short_id: str
    name: str | None = None
    address: str
    path: str
    """direct, or how else its packets travel"""
    rtt_ms: float | None = None
    hops: int | None = None
    """routers on the way; None when unknown"""


class Relay(BaseModel):
    """A relay through which a node can be reached."""

    node_id: str
    short_id: str
    name: str


class Dht(BaseModel):
    """A node's part of the distributed hash table."""

    nodes: int
    """contacts in the routing table"""
    buckets: int
    stored_keys: int


class NodeStatus(BaseModel):
    """The answer of a running node."""

    name: str
    mode: str
    node_id: str
    short_id: str
    realms: list[str]
    version: str
    commit: str
    ready: bool
    addresses: list[str]
    dht: Dht
    peers: list[Peer]
    relays: list[Relay] = []
    """those through which it says that it can be reached"""


class Member(BaseModel):
    """One service of a topology as the engine sees it and, for a node that answers, as it sees itself."""

    service: str
    role: str
    """bootstrap, gateway, edge, router or what the file says; empty where it says nothing"""
    state: str
    """running, exited (1), ... and the health where the engine checks it"""
    address: str
    """IPv4 addresses in the topology's networks"""
    image: str = ""
    is_node: bool = False
    """whether it runs our mesh node"""
    nat: str = ""
    """the NAT that a router is, and which routers a host is behind"""
    status: NodeStatus | None = None


class CallProof(BaseModel):
    """A call that took the path it had to take: by `none`, the provider was not reached."""

    caller: str
    provider: str
    procedure: str
    path: str
    latency_ms: float | None = None


class EventProof(BaseModel):
    """An event that one edge published and the other received and acknowledged."""

    publisher: str
    subscriber: str
    topic: str
    latency_ms: float


class Proof(BaseModel):
    """What `up` shows a mesh to be able to do."""

    calls: list[CallProof]
    event: EventProof | None
    cut_off: dict[str, str]
    """nodes that cannot join, and why"""
