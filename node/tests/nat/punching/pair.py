"""Two punchers behind simulated NATs, joined by a relay that carries their messages, on virtual time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from macula.core.address import Address
from macula.identity import NodeId
from macula.nat.facts import Facts
from macula.nat.prediction import layered
from macula.nat.profile import Filtering, Mapping, Ports, Profile, Udp, parse
from macula.nat.punching.actions import Action, Ended, Found, Refresh, SendProbe, Tell
from macula.nat.punching.candidates import Candidate, CandidateKind
from macula.nat.punching.offer import Side
from macula.nat.punching.puncher import Puncher
from macula.nat.punching.quota import Quota
from macula.sim.clock import Clock
from macula.sim.datagrams import Datagrams, Link, Segment
from macula.sim.nat import NatBox
from macula.wire import Decoder, encode
from macula.wire.messages import Candidates, Sync

KINDS = {
    "none": "none",
    "full_cone": "full_cone",
    "restricted": "restricted",
    "port_restricted": "port_restricted",
    "adm": "mapping=adm,filtering=apdf,ports=random",
    "symmetric": "symmetric",
    "sequential": "symmetric_sequential",
    "cgnat": "port_restricted/cgnat",
    "blocked": "home,udp=blocked",
}
"""The kinds of which every ordered pair is tried; two in a row are divided by /, the inner one first."""

OBSERVER = "198.51.100.1"


def profile_of(kind: str) -> Profile:
    """What a host behind these NATs seems to be behind."""
    inner, *outer = (parse(text) for text in kind.split("/"))
    for one in outer:
        inner = layered(inner, one)
    return inner


def facts_of(profile: Profile) -> Facts:
    """What a node would find out about it, but for its last outside port."""
    if not profile.translates:
        return Facts(Mapping.ENDPOINT_INDEPENDENT, Filtering.ENDPOINT_INDEPENDENT, Ports.PRESERVE)
    return Facts(profile.mapping, profile.filtering, profile.ports, udp=profile.udp is Udp.ALLOW)


@dataclass
class Result:
    """What came of it. Times are in seconds since the start."""

    found: list[tuple[float, Found]]
    ended: list[tuple[float, Ended]]


class Peer:
    """A puncher at a socket; it may be paused, as when its process gets no time."""

    def __init__(self, pair: Pair, name: str, node: NodeId, other: NodeId, segment: Segment, address: Address) -> None:
        self.pair, self.name = pair, name
        self.host = pair.net.attach(segment, address, self._datagram)
        rng = random.Random(f"{pair.seed} {name}")
        self.puncher = Puncher(node, other, rng.randbytes(32), rng, Quota(), pair.clock.now)
        self.facts = Facts()
        self.knows_nothing = False
        self.result = Result([], [])
        self.probes: Counter[Address] = Counter()
        self.told: list[Candidates | Sync] = []
        self.refreshed = 0
        self.other: Peer
        self._awake = 0.0
        self._armed: float | None = None

    def outside(self, port: int = 3478) -> Address | None:
        """Where an observer sees this socket."""
        segment, source = self.host.segment, self.host.address
        while segment.box is not None and segment.parent is not None:
            seen = segment.box.outbound(source, Address(OBSERVER, port), self.pair.clock.now)
            if seen is None:
                return None
            segment, source = segment.parent, seen
        return source

    def side(self) -> Side:
        """What it knows of itself, freshly looked at: each look asks another port of the observer."""
        self.pair.looks += 1
        seen = self.outside(self.pair.looks)
        own = [Candidate(CandidateKind.INTERFACE, self.host.address)]
        if seen is not None:
            own.insert(0, Candidate(CandidateKind.REFLEXIVE, seen))
        if self.knows_nothing:
            return Side(Facts(), tuple(own))
        return Side(replace(self.facts, last_port=seen.port if seen else 0), tuple(own))

    def start(self) -> None:
        self.do(self.puncher.start(self.side(), self.pair.clock.now))

    def pause(self, seconds: float) -> None:
        self._awake = self.pair.clock.now + seconds

    def do(self, actions: list[Action]) -> None:
        now = self.pair.clock.now
        for action in actions:
            match action:
                case SendProbe(target, data):
                    self.probes[target] += 1
                    self.host.send(target, data)
                case Tell(message):
                    self.told.append(message)
                    self.pair.tell(self, message)
                case Refresh():
                    self.refreshed += 1
                    self.do(self.puncher.offer(self.side(), now))
                case Found():
                    self.result.found.append((now - self.pair.began, action))
                case Ended():
                    self.result.ended.append((now - self.pair.began, action))
        self._arm()

    def when_awake(self, then: Callable[[], None]) -> None:
        if self._awake > self.pair.clock.now:
            self.pair.clock.at(self._awake, lambda: self.when_awake(then))
        else:
            then()

    def hear(self, message: Candidates | Sync) -> None:
        self.when_awake(lambda: self.do(self.puncher.message(message, self.pair.clock.now)))

    def _datagram(self, data: bytes, source: Address) -> None:
        self.when_awake(lambda: self.do(self.puncher.datagram(source, data, self.pair.clock.now)))

    def _arm(self) -> None:
        at = self.puncher.next_deadline()
        if at is not None and (self._armed is None or at < self._armed):
            self._armed = at
            self.pair.clock.at(at, lambda: self.when_awake(self._tick))

    def _tick(self) -> None:
        self._armed = None
        self.do(self.puncher.tick(self.pair.clock.now))


class Pair:
    """`a` has the smaller node id and leads."""

    def __init__(
        self,
        a: str,
        b: str,
        *,
        seed: int = 0,
        relay_rtt: float = 0.04,
        link: Link | None = None,
        skew: float = 0.0,
        fragile: bool = True,
        shared: int = 0,
    ) -> None:
        """`relay_rtt` is that of the connection that there is, `link` each one's uplink. With a `skew` of more than 0
        the follower is paused for so long when Sync comes; below 0 the leader after it sent Sync. `fragile` says
        whether nodes know if their NAT is. The outermost `shared` NATs of both are the same ones."""
        self.shared, self.shared_segments = shared, list[Segment]()
        self.seed, self.clock, self.relay_rtt, self.skew, self.fragile = seed, Clock(), relay_rtt, skew, fragile
        self.clock.now = self.began = 100.0
        self.net = Datagrams(self.clock, random.Random(f"{seed} net"))
        self.looks = 0
        self.boxes: list[NatBox] = []
        self.a, self.b = self._peer("a", a, 1, link), self._peer("b", b, 2, link)
        self.a.other, self.b.other = self.b, self.a

    def _peer(self, name: str, kind: str, number: int, link: Link | None) -> Peer:
        segment, plain = self.net.public, True
        layers = kind.split("/")
        for depth, text in enumerate(reversed(layers)):
            profile = parse(text)
            if depth < self.shared and number == 2:
                segment = self.shared_segments[depth]
                plain = plain and not profile.translates
                continue
            outside = f"203.0.113.{number}" if depth == 0 else f"100.64.{number}.{depth}"
            box = NatBox(profile, outside, random.Random(f"{self.seed} {name} {depth}"))
            self.boxes.append(box)
            segment = self.net.behind(box, segment, link if depth == 0 else None)
            self.shared_segments.append(segment)
            plain = plain and not profile.translates
        address = Address(f"198.18.0.{number}" if plain else f"192.168.{number}.{number + 1}", 9443)
        node, other = NodeId(bytes([number]) * 32), NodeId(bytes([3 - number]) * 32)
        peer = Peer(self, name, node, other, segment, address)
        peer.facts = facts_of(profile_of(kind))
        if self.fragile:
            peer.facts = replace(peer.facts, fragile="input=accept" in kind)
        return peer

    def tell(self, sender: Peer, message: Candidates | Sync) -> None:
        begins = isinstance(message, Sync) and message.phase < 2
        if begins and self.skew < 0:
            sender.pause(-self.skew)

        ((carried, _),) = Decoder().feed(encode(message))
        assert isinstance(carried, Candidates | Sync)

        def arrive() -> None:
            if begins and self.skew > 0:
                sender.other.pause(self.skew)
            sender.other.hear(carried)

        self.clock.at(self.clock.now + self.relay_rtt / 2, arrive)

    @property
    def direct(self) -> bool:
        """Whether both found a path."""
        return bool(self.a.result.found and self.b.result.found)

    def start(self) -> None:
        self.a.start()
        self.b.start()

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        end = self.clock.now + seconds
        while not until() and self.clock.step(end):
            pass

    def punch(self, seconds: float = 45.0) -> float | None:
        """Start, and let time pass until both found a path: the time that took, or None."""
        self.start()
        self.run(seconds, lambda: self.direct)
        return self.clock.now - self.began if self.direct else None
