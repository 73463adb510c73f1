"""What an engine is told at its creation."""

from __future__ import annotations

from dataclasses import dataclass, field

from macula.core.address import Address
from macula.core.mode import FORWARDING_MODES, RELAY_CAPABILITY, Mode, PathPolicy
from macula.dht.settings import DhtSettings
from macula.identity import NodeId
from macula.identity.realms import ANY_REALM
from macula.nat.detection.observers import STUN_CAPABILITY
from macula.nat.settings import NatSettings
from macula.nat.traversal import PUNCH_CAPABILITY
from macula.pubsub.settings import PubSubSettings
from macula.relay.settings import RelaySettings, RouteSettings, UseSettings
from macula.rpc.settings import RpcSettings
from macula.rpc.streams import STREAM_CAPABILITY
from macula.wire.compression import ZSTD_CAPABILITY
from macula.wire.tracing import TRACE_CAPABILITY

COMMON_CAPABILITIES = (STREAM_CAPABILITY, ZSTD_CAPABILITY, TRACE_CAPABILITY)
"""What every node of this version does for others, whatever its settings."""
CAPABILITIES = frozenset({RELAY_CAPABILITY, STUN_CAPABILITY, PUNCH_CAPABILITY, *COMMON_CAPABILITIES})
"""All that this version has a word for."""


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """A configured way into the mesh: an address (a DNS name may be its host) and, if known, who must answer there."""

    address: Address
    expected: NodeId | None = None
    pinned: bool = False
    """Whether `expected` is who answered there before, and not who the configuration names."""
    tunnels: tuple[Address, ...] = ()
    """Where else to find it if `address` does not answer at once: the same host over TCP."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Connections and how long they are kept."""

    max_size: int = 1000
    """Most connections; the least recently used one that is not in use makes room."""
    max_per_network: int = 256
    """Of these, by peers that came from one globally routable /24 (IPv4) or /56 (IPv6); more are refused as busy."""
    idle_timeout: float = 300.0
    """Seconds after which a connection that nobody used is closed."""
    dial_timeout: float = 3.0
    """Seconds for one attempt to connect, over all addresses of the peer."""
    hello_timeout: float = 5.0
    """Seconds from the handshake to the peer's hello."""
    dial_backoff: float = 5.0
    """Seconds for which a node that could not be dialed is not dialed again."""
    pending_messages: int = 1024
    """Most messages that wait for one peer's connection, or for one blocked lane. Above the number of calls that
    one peer may have running at this node, since all of them may be answered at the same moment."""
    pending_bytes: int = 16 << 20
    """Most bytes of their contents, of one message or more: what one lane of a peer that reads nothing can cost, beside
    what the transport holds."""
    address_book: int = 4096
    """Most peer records kept for dialing."""


@dataclass(frozen=True, slots=True)
class ReconnectSettings:
    """How a bootstrap is sought."""

    enabled: bool = True
    """Whether one that was lost is sought again; one that was not reached yet is sought in any case."""
    interval: float = 5.0
    """Seconds before the second attempt; doubled at each one up to `max_interval`, times 0.5 to 1.5."""
    max_interval: float = 60.0
    max_attempts: int = 0
    """Attempts in a row before it is given up; 0 means never."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """One node."""

    mode: Mode
    name: str
    realm: str
    """Where this node's own procedures and topics live."""
    reachable: bool = True
    """Whether others can connect to this node's addresses."""
    bootstraps: tuple[Bootstrap, ...] = ()
    record_ttl: int = 300
    """Seconds that a record of this node lives without being renewed."""
    pool: PoolSettings = field(default_factory=PoolSettings)
    reconnect: ReconnectSettings = field(default_factory=ReconnectSettings)
    dht: DhtSettings = field(default_factory=DhtSettings)
    rpc: RpcSettings = field(default_factory=RpcSettings)
    pubsub: PubSubSettings = field(default_factory=PubSubSettings)
    route: RouteSettings = field(default_factory=RouteSettings)
    path_policy: PathPolicy = PathPolicy.AUTO
    relay: RelaySettings | None = field(default_factory=RelaySettings)
    """What this node grants if its mode is one that relays; None if it shall not relay."""
    use_relays: UseSettings = field(default_factory=UseSettings)
    nat: NatSettings = field(default_factory=NatSettings)

    @property
    def realms(self) -> tuple[str, ...]:
        """The realms whose frames this node accepts."""
        return (self.realm,) if self.mode is Mode.EDGE else (ANY_REALM,)

    @property
    def relays(self) -> bool:
        """Whether this node relays for others."""
        return self.mode in FORWARDING_MODES and self.reachable and self.relay is not None

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What its hello says that this node does for others."""
        offered = {
            RELAY_CAPABILITY: self.relays,
            STUN_CAPABILITY: self.nat.answers,
            PUNCH_CAPABILITY: self.punches,
        }
        return (*(name for name, does in offered.items() if does), *COMMON_CAPABILITIES)

    @property
    def punches(self) -> bool:
        """Whether direct paths to connected peers are looked for."""
        return self.nat.measures and self.path_policy is not PathPolicy.RELAY_ONLY

    @property
    def wants_relays(self) -> bool:
        """Whether this node has to be reached through relays."""
        return not self.reachable or self.path_policy is PathPolicy.RELAY_ONLY

    @property
    def forwards(self) -> bool:
        """Whether this node passes on envelopes of others."""
        return self.mode in FORWARDING_MODES
