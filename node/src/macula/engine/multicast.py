"""One message to many peers."""

from __future__ import annotations

from collections.abc import Mapping

from macula.core.effects import Multicast
from macula.core.requests import SendTo, SendToAll
from macula.engine.peer import Peer, State
from macula.identity import NodeId
from macula.wire.tracing import untraced


def split(request: SendToAll, peers: Mapping[NodeId, Peer]) -> tuple[list[Multicast], list[SendTo]]:
    """What the transport takes at once, of peers that are up and on whose lane nothing waits, those that understand
    the same together; and for each other peer a request of its own."""
    lane, message = request.lane, request.message
    alike: dict[tuple[bool, bool], list[NodeId]] = {}
    others: list[SendTo] = []
    for node in request.peers:
        peer = peers.get(node)
        if peer is None or peer.state is not State.UP or lane in peer.blocked or peer.queues.get(lane):
            others.append(SendTo(node, lane, message, request.token))
        else:
            alike.setdefault((peer.traces, peer.compresses), []).append(node)
    together = [
        Multicast(tuple(nodes), lane, message if traces else untraced(message), compresses)
        for (traces, compresses), nodes in alike.items()
    ]
    return together, others
