"""What a node is, where it is, and how it behaves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from macula.config.about import About
from macula.config.endpoints import DEFAULT_PORT
from macula.config.layers import LayeredSettings
from macula.config.paths import (
    CONFIG_VARIABLE,
    CONTROL_SOCKET_VARIABLE,
    DATA_DIR_VARIABLE,
    NAME_VARIABLES,
    default_name,
)
from macula.config.types import (
    NAME_FORM,
    AddressList,
    IpAddress,
    Name,
    OptionalPath,
    PeerList,
    Port,
    PortList,
    Seconds,
    control_socket_in,
    data_dir_of,
    lower,
)


class GeneralSettings(LayeredSettings):
    """All settings that are no limits."""

    mode: Annotated[
        Literal["bootstrap", "gateway", "relay", "edge"],
        BeforeValidator(lower),
        Field(
            description="What the node is for: bootstrap has a known address and is where others enter; gateway is "
            "public; relay is public, too, and there to relay; these three serve every realm, relay for nodes that "
            "cannot be reached and forward routed envelopes; edge runs the services of one realm."
        ),
    ] = "edge"
    name: Annotated[
        Name,
        About(env=NAME_VARIABLES, accepts=NAME_FORM, default="the host name"),
        Field(description="A label for people; the node's identity is its key."),
    ] = Field(default_factory=default_name)
    realm: Annotated[
        Name,
        About(accepts=NAME_FORM),
        Field(
            description="The realm in which this node's own procedures and topics live; an edge talks to nobody "
            "outside it, a bootstrap or gateway serves every realm."
        ),
    ] = "io.macula"
    host: Annotated[IpAddress, Field(description="The local address to listen on; :: is IPv6 and IPv4.")] = "0.0.0.0"  # noqa: S104
    port: Annotated[
        Port,
        About(env=("MACULA_QUIC_PORT", "P2P_LISTEN_PORT")),
        Field(description="The UDP port to listen and dial on; 0 takes a free one."),
    ] = DEFAULT_PORT
    tcp: Annotated[
        bool,
        Field(
            description="Whether to go over TLS on TCP (WebSocket) to who does not answer by UDP within 0.3 s, and, as "
            "a bootstrap, gateway or relay, to let others come that way."
        ),
    ] = True
    tcp_ports: Annotated[
        PortList,
        About(default="the UDP port's number, and 443 if that is 9443"),
        Field(
            description="The TCP ports at which a bootstrap, gateway or relay takes those, and at which a configured "
            "one is sought. One that cannot be had (443 may need a privilege) is left out with a warning."
        ),
    ] = ()
    stun_port: Annotated[
        int | None,
        About(accepts="0 to 65535", default="the one after port"),
        Field(
            ge=0,
            le=65535,
            description="A second UDP port, on which a bootstrap, gateway or relay answers STUN beside its own, so "
            "that nodes behind NATs learn what these let in; 0 is none. The node runs without it where it is taken.",
        ),
    ] = None
    stun_host: Annotated[
        IpAddress | None,
        About(accepts="an IP address", default="none"),
        Field(
            description="A second local address from which a bootstrap, gateway or relay answers STUN; other programs "
            "can then ask it all that RFC 5780 knows. host must name the first one."
        ),
    ] = None
    advertise: Annotated[
        AddressList,
        About(
            env=("MACULA_ADVERTISE", "MACULA_HOSTNAME"),
            default="host; if that is a wildcard, this host's addresses towards the bootstraps",
        ),
        Field(
            description="Where other nodes reach this one; without a port, the listening one. A DNS name is resolved "
            "when the node starts."
        ),
    ] = ()
    reachable: Annotated[
        Literal["auto", "yes", "no"],
        BeforeValidator(lower),
        Field(
            description="Whether other nodes can connect to the advertised addresses; one that they cannot reach uses "
            "the DHT without serving it. auto means yes."
        ),
    ] = "auto"
    bootstrap: Annotated[
        PeerList,
        About(env=("MACULA_BOOTSTRAP_PEERS", "P2P_BOOTSTRAP_PEERS")),
        Field(
            description="Nodes through which to enter the mesh. With a NODE_ID only that node is accepted; without, "
            "the one that answers first is remembered."
        ),
    ] = ()
    relays: Annotated[
        PeerList,
        About(env=("MACULA_RELAYS", "P2P_RELAY_SERVERS")),
        Field(
            description="Relay servers: each is one more node through which to enter the mesh, and so one whose relay "
            "is at hand. A node that cannot be reached uses the two nearest of all that it is connected to."
        ),
    ] = ()
    data_dir: Annotated[
        Path,
        About(env=(DATA_DIR_VARIABLE,), accepts="a directory", default="$XDG_STATE_HOME/macula/NAME"),
        Field(description="Where the node keeps its key and the identities of its bootstrap nodes."),
    ] = Field(default_factory=data_dir_of)
    control_socket: Annotated[
        Path,
        About(env=(CONTROL_SOCKET_VARIABLE,), accepts="a path", default="control.sock in data_dir"),
        Field(description="The unix socket through which the command line talks to the running node."),
    ] = Field(default_factory=control_socket_in)
    tls_ca: Annotated[
        OptionalPath,
        About(accepts="a file", default="none"),
        Field(
            description="CA mode: PEM certificates of the CAs that certify nodes. Every peer must then show a "
            "certificate over its key that one of them issued, and that names the host where a person configured one. "
            "A relative path is within data_dir."
        ),
    ] = None
    tls_certificate: Annotated[
        OptionalPath,
        About(accepts="a file", default="none"),
        Field(
            description="CA mode: this node's own certificate, over its identity key, and behind it those between it "
            "and the CA, in PEM. Read again when it changes, as tls_ca is."
        ),
    ] = None
    tls_key: Annotated[
        OptionalPath,
        About(accepts="a file", default="identity.key in data_dir"),
        Field(
            description="The node's identity: an Ed25519 private key in PEM (PKCS #8, not encrypted), as other tools "
            "make it."
        ),
    ] = None
    health_host: Annotated[IpAddress, Field(description="The local address of the HTTP health endpoint.")] = "0.0.0.0"  # noqa: S104
    health_port: Annotated[
        Port,
        About(env=("MACULA_HEALTH_PORT", "HEALTH_PORT")),
        Field(description="The TCP port of /health, /ready, /live and /metrics; 0 turns them off."),
    ] = 8080
    demo: Annotated[bool, Field(description="Serve the built-in demo procedures from the start.")] = False
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(lower),
        Field(description="The least severe log lines to write."),
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"],
        BeforeValidator(lower),
        Field(description="Log lines for people, or one JSON object a line."),
    ] = "text"
    connect_timeout: Annotated[
        Seconds,
        Field(ge=0.1, le=300, description="For one attempt to connect to a node."),
    ] = 5.0
    reconnect: Annotated[
        bool,
        Field(
            description="Whether to look for a bootstrap node again after its connection was lost, each on its own; "
            "one that was not reached yet is tried again in any case."
        ),
    ] = True
    reconnect_interval: Annotated[
        Seconds,
        Field(
            ge=0.1,
            le=3600,
            description="Before the second attempt; doubled at each further one, at most 60 s, times 0.5 to 1.5.",
        ),
    ] = 5.0
    max_reconnect_attempts: Annotated[
        int,
        Field(
            ge=0,
            le=1_000_000,
            description="Attempts in a row before the node gives up; 0 is never, since a node that has given up helps "
            "nobody and has to be restarted by hand.",
        ),
    ] = 0
    dht_k: Annotated[
        int, Field(ge=1, le=31, description="Nodes in a bucket of the routing table, and holders of each record.")
    ] = 20
    dht_alpha: Annotated[int, Field(ge=1, le=16, description="Nodes that a lookup asks at the same time.")] = 3
    record_ttl: Annotated[
        int,
        About(unit="s"),
        Field(ge=10, le=86400, description="How long a record of this node lives; it is renewed at half of that."),
    ] = 300
    path_policy: Annotated[
        Literal["auto", "never-relay", "relay-only"],
        BeforeValidator(lower),
        Field(
            description="How this node is connected to others: auto is through relays where it must and directly where "
            "it can; never-relay is directly or not at all; relay-only tells nobody an address of this node, so that "
            "others come through relays, and looks for no better path (it dials nodes that can be reached itself)."
        ),
    ] = "auto"
    call_timeout: Annotated[
        Seconds, Field(ge=0.001, le=3600, description="The deadline of a call that names none.")
    ] = 5.0
    call_strategy: Annotated[
        Literal["round_robin", "random", "least_latency"],
        BeforeValidator(lower),
        Field(description="How one of several providers is chosen."),
    ] = "round_robin"
    handler_threads: Annotated[
        int, Field(ge=1, le=1024, description="Threads for handlers that are not async functions.")
    ] = 16
    drain_timeout: Annotated[
        Seconds,
        Field(
            ge=0,
            le=3600,
            description="How long a stopping node lets running calls finish; below the 10 s after which Docker kills.",
        ),
    ] = 5.0
    key_log: Annotated[
        OptionalPath,
        About(env=("MACULA_KEY_LOG", "SSLKEYLOGFILE"), accepts="a file", default="none"),
        Field(
            description="Where to append the TLS secrets of every connection, for Wireshark: whoever reads the file "
            "can decrypt all traffic. A relative path is within data_dir; at most 16 MiB."
        ),
    ] = None
    qlog_dir: Annotated[
        OptionalPath,
        About(accepts="a directory", default="none"),
        Field(
            description="Where to write one qlog trace of each connection (JSON text sequences, for qvis and others); "
            "slows the node down. A relative path is within data_dir; at most 64 MiB and 1000 traces in one run."
        ),
    ] = None
    config: Annotated[
        Path | None,
        About(env=(CONFIG_VARIABLE,), accepts="a file", default="none"),
        Field(description="A TOML file with any of these settings, by name, at its top level."),
    ] = None
