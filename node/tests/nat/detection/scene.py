"""NAT services on virtual time: observers in the open, hosts behind boxes, datagrams and messages between them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count

from macula.core.address import Address
from macula.core.commands import NatDetails
from macula.core.effects import CloseSocket, Completed, OpenSocket, SendBeside, SendDatagram, Trace
from macula.core.events import CommandGiven, DatagramReceived, SocketFailed, SocketOpened, Tick
from macula.core.peer_record import PeerInfo, sign_peer
from macula.core.requests import LearnPeer, PeerDown, PeerUp, Received, SelfChanged, SendTo
from macula.core.service import Action, ServiceEvent
from macula.identity import Identity, NodeId
from macula.nat.detection.observers import STUN_CAPABILITY
from macula.nat.detection.service import Nat
from macula.nat.info import NatInfo
from macula.nat.profile import Profile, parse
from macula.nat.settings import NatSettings
from macula.sim.clock import Clock
from macula.sim.nat import NatBox
from macula.wire.messages import Hello

WALL = 1_800_000_000.0
PORT = 9443
OUTSIDE = "198.51.100.7"
HOME = "10.0.0.2"


@lru_cache(maxsize=64)
def identity(host: str) -> Identity:
    return Identity.from_random(random.Random(host))


@lru_cache(maxsize=64)
def peer_info(host: str) -> PeerInfo:
    return sign_peer(
        identity(host),
        addresses=(Address(host, PORT),),
        reachable=True,
        name=host,
        mode="bootstrap",
        realms=("*",),
        wall=WALL,
        ttl=300,
    )


def peer_up(host: str, *, observes: bool = True) -> PeerUp:
    info = peer_info(host)
    capabilities = (STUN_CAPABILITY,) if observes else ()
    return PeerUp(info.node, Hello(2, 2, capabilities, info.realms, info.record.encoded), info, inbound=False)


@dataclass(eq=False)
class Host:
    """A node's NAT service. `boxes` are the NATs in front of it, the nearest first."""

    scene: Scene
    host: str
    service: Nat
    boxes: list[NatBox]
    sockets: dict[int, Address] = field(default_factory=dict)
    completed: dict[int, NatInfo] = field(default_factory=dict)
    traces: list[Trace] = field(default_factory=list)
    sent: Counter[Address] = field(default_factory=Counter)
    messages: int = 0
    learned: list[NodeId] = field(default_factory=list)

    @property
    def node(self) -> NodeId:
        return identity(self.host).node_id

    @property
    def seen_as(self) -> str:
        """The host that others see."""
        translating = [box for box in self.boxes if box.profile.translates]
        return translating[-1].outside if translating else self.host

    def tell(self, event: ServiceEvent) -> None:
        """Let the service handle an event now."""
        self.scene.carry_out(self, self.service.handle(event, self.scene.clock.now, WALL))

    def ask(self, *, refresh: bool = False) -> int:
        """Give the command; its result will stand in `completed` under the returned number."""
        id_ = next(self.scene.numbers)
        self.tell(CommandGiven(id_, NatDetails(refresh)))
        return id_


class Scene:
    """Everything there is. `tap` sees each datagram when it is sent and may drop it by returning False."""

    def __init__(self, seed: int = 1, *, delay: float = 0.01, loss: float = 0.0) -> None:
        self.clock = Clock()
        self.rng = random.Random(seed)
        self.delay = delay
        self.filters_hairpin = False
        self.loss = loss
        self.hosts: list[Host] = []
        self.numbers = count(1)
        self.busy: set[tuple[str, int]] = set()
        self.tap: Callable[[Host, Address, Address], bool] = lambda host, source, target: True
        self._ports = count(50_000)

    def observer(self, number: int, settings: NatSettings | None = None) -> Host:
        """A node in the open that answers STUN, at 192.0.2.x (TEST-NET-1)."""
        return self._host(f"192.0.2.{number}", [], settings or NatSettings(answers=True))

    def home(
        self, nat: str | Profile, *outer: str | Profile, host: str = HOME, settings: NatSettings | None = None
    ) -> Host:
        """A node behind a NAT, which may itself be behind others."""
        profiles = [parse(one) if isinstance(one, str) else one for one in (nat, *outer)]
        outsides = [*(f"100.64.0.{layer + 1}" for layer in range(len(profiles) - 1)), OUTSIDE]
        boxes = [
            NatBox(profile, outside, random.Random(self.rng.random()))
            for profile, outside in zip(profiles, outsides, strict=True)
        ]
        return self._host(host, boxes, settings or NatSettings(measures=True))

    def join(self, host: Host, *observers: Host) -> None:
        """The host is connected to these."""
        for observer in observers:
            host.tell(peer_up(observer.host))
            observer.tell(peer_up(host.host, observes=False))

    def part(self, host: Host, observer: Host) -> None:
        """The connection between them is lost."""
        host.tell(PeerDown(observer.node, "lost", ""))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.clock.now + seconds
        while self.clock.step(until):
            pass

    def info(self, host: Host, *, refresh: bool = False, within: float = 60.0) -> NatInfo:
        """What a host says that it is behind."""
        id_ = host.ask(refresh=refresh)
        until = self.clock.now + within
        while id_ not in host.completed:
            assert self.clock.step(until), "the command was not completed"
        return host.completed[id_]

    def carry_out(self, host: Host, actions: list[Action]) -> None:
        """Do what a service wants done."""
        for action in actions:
            match action:
                case OpenSocket(number, port, at, _):
                    self._open(host, number, port, at or host.host)
                case CloseSocket(number):
                    host.sockets.pop(number, None)
                case SendDatagram(target, data, number):
                    self._send(host, number, target, data)
                case SendBeside(peer, port, data, number):
                    self._send(host, number, Address(self._by_node(peer).seen_as, port), data)
                case SendTo(peer, _, message):
                    host.messages += 1
                    received = Received(host.node, message)
                    if any(one.node == peer for one in self.hosts):
                        self._later(lambda peer=peer, received=received: self._by_node(peer).tell(received))  # type: ignore[misc]
                case LearnPeer(info):
                    host.learned.append(info.node)
                case Completed(id_, result, _):
                    host.completed[id_] = result
                case Trace():
                    host.traces.append(action)
                case _:
                    raise AssertionError(action)
        at_ = host.service.next_deadline()
        if at_ is not None:
            self.clock.at(max(at_, self.clock.now), lambda: self._tick(host))

    def _host(self, host: str, boxes: list[NatBox], settings: NatSettings) -> Host:
        new = Host(self, host, Nat(settings, random.Random(self.rng.random())), boxes)
        self.hosts.append(new)
        new.sockets[0] = Address(host, PORT)
        new.tell(SelfChanged(peer_info(host)))
        new.tell(SocketOpened(0, Address("0.0.0.0", PORT)))
        return new

    def _tick(self, host: Host) -> None:
        at = host.service.next_deadline()
        if at is not None and at <= self.clock.now:
            host.tell(Tick())

    def _open(self, host: Host, number: int, port: int, at: str) -> None:
        if (at, port) in self.busy:
            self._soon(lambda: host.tell(SocketFailed(number, "Address already in use")))
            return
        local = host.sockets[number] = Address(at, port or next(self._ports))
        self._soon(lambda: host.tell(SocketOpened(number, local)))

    def _send(self, host: Host, number: int, target: Address, data: bytes) -> None:
        host.sent[target] += 1
        source = host.sockets.get(number)
        if source is None or not self.tap(host, source, target) or self.rng.random() < self.loss:
            return
        crossed: list[NatBox] = []
        for box in host.boxes:
            if box.profile.translates and target.host == box.outside:
                turned = box.hairpin(source, target.port, self.clock.now)
                if turned is not None and self.filters_hairpin:
                    self._arrive([*crossed, box], turned[0], target, data)
                elif turned is not None:
                    self._arrive(crossed, *turned, data)
                return
            outside = box.outbound(source, target, self.clock.now)
            if outside is None:
                return
            crossed.append(box)
            source = outside
        self._later(lambda: self._come_in(source, target, data))

    def _come_in(self, source: Address, target: Address, data: bytes) -> None:
        """From outside: through every box on the way to whoever it is for."""
        owner = next((host for host in self.hosts if host.seen_as == target.host), None)
        inside: Address | None = target
        for box in reversed(owner.boxes) if owner else ():
            if box.profile.translates and inside is not None:
                inside = box.inbound(source, inside.port, self.clock.now)
        if inside is not None:
            self._arrive([], source, inside, data)

    def _arrive(self, crossed: list[NatBox], source: Address, target: Address, data: bytes) -> None:
        inside: Address | None = target
        for box in reversed(crossed):
            if inside is not None:
                inside = box.inbound(source, inside.port, self.clock.now)
        for host in self.hosts:
            for number, local in list(host.sockets.items()):
                if local == inside:
                    event = DatagramReceived(source, data, number)
                    self._later(lambda host=host, event=event: host.tell(event))  # type: ignore[misc]

    def _by_node(self, node: NodeId) -> Host:
        return next(host for host in self.hosts if host.node == node)

    def _later(self, then: Callable[[], None]) -> None:
        self.clock.at(self.clock.now + self.delay * self.rng.uniform(0.9, 1.1), then)

    def _soon(self, then: Callable[[], None]) -> None:
        self.clock.at(self.clock.now, then)


def joined(nat: str, **scene_options: float) -> tuple[Scene, Host, Host, Host]:
    """A node behind this NAT, with its two observers, which has measured."""
    scene = Scene(**scene_options)  # type: ignore[arg-type]
    one, two = scene.observer(2), scene.observer(3)
    home = scene.home(nat)
    scene.join(home, one, two)
    scene.info(home)
    return scene, home, one, two
