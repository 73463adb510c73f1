"""Reaching connected peers directly: a puncher and a table of paths for each, and what both need of the rest.

Peers that say PUNCH_CAPABILITY in their hello exchange candidates over the connection that there is. A relayed one is
moved to a direct path as soon as a probe of ours came back from there, and back when that path dies. One that was
dialed directly only exchanges keys, so that its path can be asked, and found again when a NAT forgot it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from lru import LRU

from macula.core.address import Address
from macula.core.effects import SendDatagram, SetPath, Trace
from macula.core.events import DatagramReceived, PathMoved, PeerSuspect, Tick
from macula.core.lanes import Lane
from macula.core.requests import Draining, PeerDown, PeerUp, Punch, Received, Redial, SendTo
from macula.core.route import PathKind, Route, kind_of
from macula.core.service import Action, ServiceEvent
from macula.core.timers import Timers
from macula.identity import NodeId
from macula.nat import traces
from macula.nat.decisions import Verdict
from macula.nat.explanation import Explanation, PathView
from macula.nat.paths import Gone, Heartbeat, PathAction, Paths, PathSettings, Use
from macula.nat.punching import actions as do
from macula.nat.punching.candidates import Candidate, CandidateKind, outside_hosts
from macula.nat.punching.offer import Side
from macula.nat.punching.plan import tier_of_seen
from macula.nat.punching.probe import is_probe, receiver_of
from macula.nat.punching.puncher import FRESH, Puncher
from macula.nat.punching.quota import Quota
from macula.wire.messages import Candidates, Sync

PUNCH_CAPABILITY = "punch"
"""In a hello: this node exchanges candidates and answers probes."""

_SPARED = 1024
"""Peers that are remembered as not to be punched."""
_EARLY = 10.0
"""Seconds for which the peer waits for an answer to its candidates."""


@dataclass(slots=True)
class _Peer:
    puncher: Puncher
    paths: Paths
    kind: PathKind
    """of path, as it was last told"""
    kind_since: float
    started: bool = False
    began_at: float | None = None
    """when the first probes of the attempt that is under way went out, if there was no direct path then"""
    suspect: bool = False
    last: do.Ended | None = None
    early: tuple[float, Candidates] | None = None
    """what it told while no direct path was wanted, and when"""


@dataclass(slots=True)
class Traversal:
    """A service; the engine tells it of peers, paths and probes, the NAT service what this node knows of itself."""

    node: NodeId
    secret: bytes
    """16 to 64 bytes that nobody else can guess; keys of probes are derived from it"""
    rng: random.Random
    settings: PathSettings = field(default_factory=PathSettings)
    reachable: bool = False
    """whether everybody can connect to this node; nothing is done for such peers that are connected directly"""
    _peers: dict[NodeId, _Peer] = field(default_factory=dict)
    _receivers: dict[bytes, NodeId] = field(default_factory=dict)
    _timers: Timers[NodeId] = field(default_factory=lambda: Timers[NodeId]())
    _quota: Quota = field(default_factory=Quota)
    _spared: LRU[NodeId, bool] = field(default_factory=lambda: LRU(_SPARED))
    _side: Side | None = None
    _observed: Address | None = None
    _look: bool = False
    _looked_at: float = float("-inf")

    def know(self, side: Side, now: float, *, looked: bool = True) -> list[Action]:
        """What this node knows of itself now. Call it when a detection ends, and soon after `take_look` was true.
        `looked`: the last outside port was seen just now."""
        before, self._side = self._side, side
        if looked:
            self._looked_at = now
        moved = before is not None and outside_hosts(before.candidates) != outside_hosts(side.candidates)
        out: list[Action] = []
        for node, peer in list(self._peers.items()):
            if not peer.started:
                out += [] if node in self._spared else self._start(node, peer, now)
                continue
            if moved:
                out += self._carry(node, peer, peer.paths.network_changed(now), now)
            out += self._punch(node, peer, peer.puncher.offer(self._told, now, looked=looked), now)
        return out

    def spares(self, node: NodeId) -> bool:
        """Whether a peer is not punched because nobody wants that."""
        return node in self._spared

    def take_look(self) -> bool:
        """Whether the last outside port must be looked at anew; asked once, it is no longer said."""
        wanted, self._look = self._look, False
        return wanted

    def handle(self, event: ServiceEvent, now: float, wall: float) -> list[Action]:
        """See core.service."""
        match event:
            case Tick():
                return self._tick(now)
            case DatagramReceived(source, data, 0) if is_probe(data):
                return self._datagram(source, data, now)
            case PeerUp():
                return self._up(event, now)
            case Punch(node, wanted):
                return self._want(node, now) if wanted else self._spare(node)
            case PeerDown(peer=node):
                self._spared.pop(node, None)
                self._down(node)
                for peer in self._peers.values():
                    peer.paths.relay_gone(node, now)
            case Draining():
                for node in list(self._peers):
                    self._down(node)
            case Received(peer=node, message=Candidates() | Sync() as message, hops=()) if node in self._peers:
                return self._message(node, self._peers[node], message, now)
            case PathMoved(peer=node, route=route) if node in self._peers:
                self._peers[node].paths.moved(route)
            case PeerSuspect(peer=node, suspect=suspect) if node in self._peers:
                peer = self._peers[node]
                peer.suspect = suspect
                return self._carry(node, peer, peer.paths.suspect(suspect, now), now)
            case _:
                pass
        return []

    def next_deadline(self) -> float | None:
        """When something is due."""
        return self._timers.next()

    def explain(self, node: NodeId) -> Explanation | None:
        """How a connected peer is reached and why; None for one that does not punch."""
        peer = self._peers.get(node)
        if peer is None:
            return None
        views = (PathView(one.address, one.tier, one.rtt, one.heard_at) for one in peer.paths.direct)
        return Explanation(
            node,
            peer.paths.current,
            tuple(views),
            "not wanted" if node in self._spared else peer.puncher.stage.name.lower(),
            self._side,
            peer.puncher.theirs,
            peer.last,
            peer.paths.log.decisions,
            peer.suspect,
        )

    @property
    def _told(self) -> Side:
        """What peers are told: where no observer saw this node, where a peer saw it."""
        assert self._side is not None
        side = self._side
        if self._observed is None or outside_hosts(side.candidates):
            return side
        return Side(side.facts, (*side.candidates, Candidate(CandidateKind.OBSERVED, self._observed)))

    def _up(self, up: PeerUp, now: float) -> list[Action]:
        self._down(up.peer)
        stays = _is_direct(up.route) and self.reachable and up.info.reachable
        if stays or PUNCH_CAPABILITY not in up.hello.capabilities:
            return []
        puncher = Puncher(self.node, up.peer, self.secret, self.rng, self._quota, now)
        peer = self._peers[up.peer] = _Peer(puncher, Paths(self.settings), kind_of(up.route), now)
        self._receivers[puncher.receiver] = up.peer
        if up.route is not None:
            peer.paths.moved(up.route)
            peer.paths.log.add(now, Verdict.CHOSEN, up.route, "the connection came up by it")
        waits = self._side is None or up.peer in self._spared
        return [] if waits else self._start(up.peer, peer, now)

    def _spare(self, node: NodeId) -> list[Action]:
        if node not in self._peers:
            self._spared[node] = True
        return []

    def _want(self, node: NodeId, now: float) -> list[Action]:
        self._spared.pop(node, None)
        peer = self._peers.get(node)
        if peer is None or peer.started or self._side is None:
            return []
        out = self._start(node, peer, now)
        if peer.early is not None and now - peer.early[0] < _EARLY:
            out += self._message(node, peer, peer.early[1], now)
        return out

    def _start(self, node: NodeId, peer: _Peer, now: float) -> list[Action]:
        peer.started = True
        looked = now - self._looked_at <= FRESH
        begun = peer.puncher.start(self._told, now, direct=_is_direct(peer.paths.current), looked=looked)
        return self._punch(node, peer, begun, now)

    def _message(self, node: NodeId, peer: _Peer, message: Candidates | Sync, now: float) -> list[Action]:
        if node in self._spared:
            peer.early = (now, message) if isinstance(message, Candidates) else peer.early
            return []
        before = peer.puncher.theirs
        out = self._punch(node, peer, peer.puncher.message(message, now), now)
        after = peer.puncher.theirs
        if before is not None and after is not None and before.candidates != after.candidates:
            out += self._carry(node, peer, peer.paths.network_changed(now), now)
        return out + self._watch_dialed(node, peer, now)

    def _watch_dialed(self, node: NodeId, peer: _Peer, now: float) -> list[Action]:
        """From when both have keys, a path that was dialed is asked like one that was found."""
        route = peer.paths.current
        if self._side is None or not peer.puncher.agreed or not isinstance(route, Address) or route.tunnelled:
            return []
        return self._carry(node, peer, peer.paths.dialed(route, tier_of_seen(route, self._side), now), now)

    def _down(self, node: NodeId) -> None:
        peer = self._peers.pop(node, None)
        if peer is not None:
            self._receivers.pop(peer.puncher.receiver, None)
            self._timers.cancel(node)

    def _datagram(self, source: Address, data: bytes, now: float) -> list[Action]:
        node = self._receivers.get(receiver_of(data))
        if node is None:
            return []
        peer = self._peers[node]
        return self._punch(node, peer, peer.puncher.datagram(source, data, now), now)

    def _tick(self, now: float) -> list[Action]:
        out: list[Action] = []
        for node in self._timers.pop_due(now):
            peer = self._peers[node]
            out += self._carry(node, peer, peer.paths.tick(now), now)
            out += self._punch(node, peer, peer.puncher.tick(now), now)
        return out

    def _punch(self, node: NodeId, peer: _Peer, wanted: Sequence[do.Action], now: float) -> list[Action]:
        out: list[Action] = []
        for action in wanted:
            match action:
                case do.SendProbe(target, data):
                    out.append(SendDatagram(target, data))
                case do.Tell(message):
                    out.append(SendTo(node, Lane.CONTROL, message))
                case do.Refresh():
                    self._look = True
                case do.Found(address, tier, rtt, observed):
                    self._observed = observed
                    out += self._carry(node, peer, peer.paths.found(address, tier, rtt, now), now)
                case do.Began() if not _is_direct(peer.paths.current):
                    peer.began_at = now
                    out.append(traces.punch_started(node, (self._side, peer.puncher.theirs)))
                case do.Ended():
                    out += self._ended(node, peer, action, now)
        self._arm(node, peer)
        return out

    def _carry(self, node: NodeId, peer: _Peer, wanted: Sequence[PathAction], now: float) -> list[Action]:
        out: list[Action] = []
        for action in wanted:
            match action:
                case Use(route):
                    out += [SetPath(node, route), self._chosen(node, peer, route, now)]
                case Heartbeat(address):
                    data = peer.puncher.request(address, now)
                    if data is not None:
                        out.append(SendDatagram(address, data))
                case Gone(address, last):
                    peer.puncher.forget(address)
                    if last:
                        out += self._punch(node, peer, peer.puncher.retry(now), now)
                    if peer.paths.current is None and not self.reachable:
                        # None of the relays that carried this connection is left; others may carry a new one.
                        out.append(Redial(node))
        self._arm(node, peer)
        return out

    def _ended(self, node: NodeId, peer: _Peer, ended: do.Ended, now: float) -> list[Action]:
        peer.last = ended
        if not ended.direct:
            peer.paths.log.add(now, Verdict.FAILED, None, ended.reason)
        began, peer.began_at = peer.began_at, None
        if began is None and _is_direct(peer.paths.current):
            # Nothing was to be found: another look at a peer that was reached directly all the time.
            return []
        took = 0.0 if began is None else now - began
        return [traces.punch_ended(node, (self._side, peer.puncher.theirs), ended, took)]

    def _chosen(self, node: NodeId, peer: _Peer, route: Route, now: float) -> Trace:
        reason = peer.paths.log.decisions[-1].reason
        trace = traces.path_chosen(node, peer.kind, now - peer.kind_since, route, reason)
        if kind_of(route) is not peer.kind:
            peer.kind, peer.kind_since = kind_of(route), now
        return trace

    def _arm(self, node: NodeId, peer: _Peer) -> None:
        due = [at for at in (peer.puncher.next_deadline(), peer.paths.next_deadline()) if at is not None]
        if due:
            self._timers.set(node, min(due))
        else:
            self._timers.cancel(node)


def _is_direct(route: Route | None) -> bool:
    return route is not None and kind_of(route) is PathKind.DIRECT
