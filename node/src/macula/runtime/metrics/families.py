"""Every metric of a node: name, kind, labels, meaning. Names and units as Prometheus recommends (prometheus.io/docs/
practices/naming). A label takes a few values that are known beforehand, never an id, an address or what a peer says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from macula.core.limits import Limit
from macula.core.mode import Mode
from macula.core.route import PathKind
from macula.errors import CallError
from macula.nat.facts import NatClass
from macula.nat.info import NatType
from macula.nat.profile import Filtering, Mapping, Ports
from macula.wire import codes


class Kind(StrEnum):
    """How a metric is to be read."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


OTHER = "other"
"""The value of a label for what is not among its values: what a peer says may be anything."""

CALL_CODES = ("ok", *sorted({kind.code for kind in CallError.__subclasses__()}), OTHER)
_CODES = {value for name, value in vars(codes).items() if name.isupper() and isinstance(value, str)}
CLOSE_CODES = (*sorted(_CODES | {"lost", "transport_error"}), OTHER)

LATENCY = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of buckets, in seconds."""
STREAMING = (0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0, 7200.0)
FINDING = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 15.0, 60.0)


@dataclass(frozen=True, slots=True)
class Label:
    """A label, and what it can be (in words where that is not a list)."""

    name: str
    values: tuple[str, ...]
    words: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with all its labels."""

    name: str
    kind: Kind
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()


def _counter(name: str, meaning: str, *labels: Label) -> Family:
    return Family(name, Kind.COUNTER, meaning, labels)


def _gauge(name: str, meaning: str, *labels: Label) -> Family:
    return Family(name, Kind.GAUGE, meaning, labels)


def _seconds(name: str, meaning: str, buckets: tuple[float, ...] = LATENCY) -> Family:
    return Family(name, Kind.HISTOGRAM, meaning, (), buckets)


_CODE = Label("code", CALL_CODES)
_CLOSED = Label("code", CLOSE_CODES, f"a code of `wire/codes.py`, lost, transport_error or {OTHER}")
_CLASSES = tuple(one.value for one in NatClass)
_PAIR = (Label("mine", _CLASSES), Label("theirs", _CLASSES))
_KINDS = tuple(one.value for one in PathKind)
_NAT = (("type", NatType), ("mapping", Mapping), ("filtering", Filtering), ("ports", Ports))
_REASON = Label("reason", (), "in words, each a constant of the source")

# Counted from telemetry.
CALLS = _counter(
    "macula_calls_total", "Calls of this node that ended.", _CODE, Label("provider", ("local", "remote", "none"))
)
CALL_SECONDS = _seconds("macula_call_duration_seconds", "From a call of this node to its end, unless it streams.")
STREAM_SECONDS = _seconds("macula_stream_duration_seconds", "From a streaming call of this node to its end.", STREAMING)
HANDLED = _counter("macula_calls_handled_total", "Calls that came to this node and were answered by a handler.", _CODE)
HANDLED_SECONDS = _seconds(
    "macula_call_handling_seconds", "From the arrival of a call to its answer, unless it streams."
)
STREAM_HANDLED_SECONDS = _seconds(
    "macula_stream_handling_seconds", "From the arrival of a streaming call to its end.", STREAMING
)
PUBLISHED = _counter("macula_publications_total", "Events that this node published.", Label("qos", ("0", "1")), _CODE)
DELIVERIES = _counter(
    "macula_deliveries_total",
    "Subscriber nodes that got an event of this node (QoS 1: acknowledged it), or did not.",
    Label("outcome", ("delivered", "failed")),
)
SUBSCRIBED = _counter("macula_subscriptions_total", "Subscriptions that became known to publishers.")
CONNECTED = _counter(
    "macula_connections_total",
    "Connections that came up.",
    Label("direction", ("inbound", "outbound")),
    Label("path", _KINDS),
)
DISCONNECTED = _counter("macula_disconnections_total", "Connections that ended.", _CLOSED)
REFUSED = _counter("macula_peers_refused_total", "Connections refused, or ended for what the peer did.", _CLOSED)
PUNCHES = _counter(
    "macula_punches_total",
    "Attempts to find a direct path where there was none that are over, by the classes of both NATs.",
    Label("outcome", ("succeeded", "failed")),
    *_PAIR,
)
PROBES = _counter("macula_punch_probes_total", "Probes sent in these attempts.")
DIRECT_SECONDS = _seconds(
    "macula_time_to_direct_seconds", "From a relayed connection to its direct path, if it got one.", FINDING
)
PATHS = _counter(
    "macula_path_changes_total",
    "Connections that took another path. From direct to relayed they fell back.",
    Label("before", _KINDS),
    Label("path", _KINDS),
)
FAILOVERS = _counter("macula_relay_failovers_total", "Connections that went on through another relay.")
GRANTED = _counter("macula_relay_grants_total", "Sessions that this node granted as a relay.")
RELAY_REFUSED = _counter("macula_relay_refusals_total", "Sessions that it refused.", _CLOSED)
OVER_QUOTA = _counter("macula_dht_over_quota_total", "Records of others for which there was no room.")
LIMITS = _counter(
    "macula_limits_met_total",
    "Times that what a peer sent was refused, dropped or made to wait by a limit (docs/limits.md has them all).",
    Label("limit", tuple(one.value for one in Limit)),
)
NAT = _gauge(
    "macula_nat_info",
    "What this node is behind, in the words of RFC 4787, as far as that is known; 1.",
    *(Label(name, tuple(kind)) for name, kind in _NAT),
)

# Read from the status.
NODE = _gauge(
    "macula_node_info",
    "What this node is; 1.",
    Label("mode", tuple(one.value for one in Mode)),
    Label("version", (), "of this package"),
)
READY = _gauge("macula_ready", "Whether the node is in the mesh, 0 or 1.")
UPTIME = _gauge("macula_uptime_seconds", "Seconds since the node started.")
PEERS = _gauge(
    "macula_peers",
    "Connected peers.",
    Label("path", ("direct", "relayed", "none")),
    Label("carrier", ("udp", "tcp", "none")),
)
SUSPECTS = _gauge("macula_peers_suspect", "Connected peers that do not answer at present.")
CERTIFICATE = _gauge(
    "macula_certificate_remaining_seconds", "Seconds to the end of this node's certificate; CA mode only."
)
POOL_USES = _counter("macula_pool_uses_total", "Times a connection was asked for.", Label("outcome", ("hit", "miss")))
CALLS_NOW = _gauge("macula_calls_in_flight", "Calls of this node that are not over.")
HANDLERS_NOW = _gauge("macula_handlers_running", "Handlers that run for calls that came in.")
PUBLICATIONS_NOW = _gauge("macula_publications_in_flight", "Events of this node that are not settled.")
QUEUED_NOW = _gauge("macula_messages_queued", "Messages that wait for a connection or for a slow peer.")
UNREAD_NOW = _gauge(
    "macula_unread_bytes", "What peers sent and this node cannot read yet, of frames whose rest has not come."
)
CONTACTS = _gauge("macula_dht_contacts", "Nodes in the routing table.")
BUCKETS = _gauge("macula_dht_buckets", "Buckets of the routing table in use.")
KEYS = _gauge("macula_dht_keys", "Keys of which this node keeps records.")
RELAY_SESSIONS = _gauge("macula_relay_sessions", "Nodes that this one relays for.")
RELAY_DATAGRAMS = _counter("macula_relay_datagrams_total", "Datagrams that this node forwarded as a relay.")
RELAY_BYTES = _counter("macula_relay_bytes_total", "Their bytes.")
RELAY_DROPPED = _counter("macula_relay_dropped_total", "Datagrams that it did not forward.", _REASON)
HANDSHAKES = _gauge("macula_handshakes", "Handshakes of others under way.")
HANDSHAKE_REFUSED = _counter(
    "macula_handshake_refused_total", "Handshakes of others that were not let begin (retry: yet).", _REASON
)
TUNNELS = _gauge("macula_tunnels", "Tunnels over TCP.", Label("direction", ("inbound", "outbound")))
TUNNEL_DROPPED = _counter("macula_tunnel_dropped_total", "Datagrams that a tunnel was too slow for, or that had none.")
TUNNEL_REFUSED = _counter("macula_tunnel_refused_total", "TCP connections that became no tunnel.", _REASON)

FAMILIES = tuple(value for value in vars().copy().values() if isinstance(value, Family))
"""All of them, in this order."""
