"""What a node holds for others, counted: after an attack it is what it was before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from pathlib import Path

import macula
from macula.providers.quic.endpoint import Endpoint


@dataclass(frozen=True)
class Footprint:
    """Exact counts. What others made known, within a bound and until its time is over, is not among them: records,
    contacts, addresses, streams of events."""

    tasks: int
    """Of the whole process, as are the descriptors; without those that are kept for calls to come."""
    descriptors: int
    connections: int
    connection_ids: int
    handshakes: int
    quic_timers: int
    """Those included that are set when the loop comes round."""
    sessions: int
    unread: int
    """Bytes that came and are not consumed."""
    held: int
    """Bytes to be sent to peers that do not take them."""
    peers: int
    pooled: int
    hellos: int
    dials: int
    waiting: int
    """Messages for nodes that are not connected yet."""
    queries: int
    lookups: int
    handlers: int
    callers: int
    arguments: int
    """Bytes of them."""
    streams: int
    deliveries: int
    events: int
    """Bytes of events that are held back."""
    relayed: int

    def beyond(self, other: Footprint) -> dict[str, tuple[int, int]]:
        """What there is more of than in another one, and the two counts."""
        pairs = {each.name: (getattr(self, each.name), getattr(other, each.name)) for each in fields(self)}
        return {name: pair for name, pair in pairs.items() if pair[0] > pair[1]}


def endpoint_of(node: macula.Mesh) -> Endpoint:
    """The transport of a node."""
    endpoint: Endpoint = node._driver._transport._endpoint  # type: ignore[attr-defined]
    return endpoint


def footprint(node: macula.Mesh) -> Footprint:
    """What a node holds now."""
    endpoint, engine = endpoint_of(node), node._driver.engine
    peers, connections = engine._peers, endpoint._connections
    provider, subscriber = engine._rpc._provider, engine._pubsub._subscriber
    return Footprint(
        tasks=len(asyncio.all_tasks()) - node._handlers._workers.idle,
        descriptors=len(list(Path("/proc/self/fd").iterdir())),
        connections=endpoint.connections,
        connection_ids=endpoint.connection_ids,
        handshakes=connections.half_open,
        quic_timers=len({*connections._timers._due, *connections._dirty, *connections._flushed}),
        sessions=len(endpoint.peers),
        unread=endpoint.unread,
        held=held(node),
        peers=len(peers._peers),
        pooled=len(peers._pool._entries),
        hellos=len(peers._hello_timers._due),
        dials=len(peers._dialer._under_way) + len(peers._address_dials) + len(engine._connector._open),
        waiting=len(peers._dialer._attempts),
        queries=len(engine._dht._queries),
        lookups=len(engine._dht._lookups._running) + len(engine._dht._lookups._waiting),
        handlers=len(provider._handlers),
        callers=len(provider._loads),
        arguments=provider._args_bytes,
        streams=len(engine._rpc._streams._by_number),
        deliveries=sum(each.outstanding for each in subscriber._subscriptions._subscriptions.values()),
        events=subscriber._held_bytes,
        relayed=len(engine._granter._peers),
    )


def held(node: macula.Mesh) -> int:
    """Bytes that a node keeps for peers that have not acknowledged or taken them."""
    total = sum(
        connection._outbound._unsent(lane, outbound)
        for connection in endpoint_of(node)._connections
        for lane, outbound in connection._outbound._lanes.items()
    )
    queues = (queue for peer in node._driver.engine._peers._peers.values() for queue in peer.queues.values())
    return total + sum(queue._size for queue in queues)
