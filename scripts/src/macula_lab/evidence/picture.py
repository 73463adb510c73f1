"""The picture of a topology: where its networks, routers and hosts are drawn. No I/O.

The outermost network is on top, below it the routers that lead out of it, below each of these the networks behind it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from macula_lab.composefile.plan import Plan
from macula_lab.composefile.routes import uplink

CHIP_WIDTH, CHIP_HEIGHT = 156, 44
ROUTER_WIDTH, ROUTER_HEIGHT = 212, 62
GAP = 14
LEVEL_GAP = 46
TITLE = 26
MOST_COLUMNS = 6


@dataclass(frozen=True, slots=True)
class Label:
    """What is written about a host: its role, and lines of text, the first of which is its name."""

    kind: str
    lines: Sequence[str]
    alarm: str = ""
    """what is wrong there, in few words"""
    faulty: bool = False
    """whether it is not there as it should be"""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with text."""

    x: float
    y: float
    width: float
    height: float
    label: Label


@dataclass(frozen=True, slots=True)
class Wire:
    """A line from a router to a network, with the router's address there."""

    x: float
    y: float
    to_x: float
    to_y: float
    text: str = ""


@dataclass(slots=True)
class Picture:
    """Everything to draw, in the order in which it is drawn."""

    width: float = 0
    height: float = 0
    networks: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    hosts: list[Box] = field(default_factory=list)
    routers: list[Box] = field(default_factory=list)


@dataclass(slots=True)
class _Network:
    name: str
    hosts: list[str]
    routers: list["_Router"] = field(default_factory=list)

    @property
    def columns(self) -> int:
        return max(1, min(MOST_COLUMNS, len(self.hosts)))

    @property
    def box(self) -> tuple[float, float]:
        rows = -(-len(self.hosts) // self.columns)
        width = self.columns * (CHIP_WIDTH + GAP) + GAP
        return max(width, ROUTER_WIDTH), TITLE + rows * (CHIP_HEIGHT + GAP) + (GAP if not rows else 0)

    @property
    def width(self) -> float:
        below = sum(router.width for router in self.routers) + GAP * 2 * max(0, len(self.routers) - 1)
        return max(self.box[0], below)


@dataclass(slots=True)
class _Router:
    name: str
    networks: list[_Network] = field(default_factory=list)

    @property
    def width(self) -> float:
        below = sum(one.width for one in self.networks) + GAP * 2 * max(0, len(self.networks) - 1)
        return max(ROUTER_WIDTH, below)


def draw(plan: Plan, labels: Mapping[str, Label], addresses: Mapping[str, Mapping[str, str]]) -> Picture:
    """Lays out the hosts of a plan. `labels` is what to write about each, `addresses` theirs by network, as of now."""
    picture = Picture()
    placed: dict[str, Box] = {}
    x = float(GAP)
    for root in _trees(plan, addresses):
        _place(root, x, GAP, labels, picture, placed)
        x += root.width + 3 * GAP
    boxes = [*picture.networks, *picture.routers]
    picture.width = max((box.x + box.width for box in boxes), default=0) + GAP
    picture.height = max((box.y + box.height for box in boxes), default=0) + GAP
    for router in picture.routers:
        name = router.label.lines[0]
        for network, address in addresses.get(name, {}).items():
            if network in placed:
                picture.wires.append(_wire(router, placed[network], address))
    return picture


def _trees(plan: Plan, addresses: Mapping[str, Mapping[str, str]]) -> list[_Network]:
    """The networks as trees, by what is reached first from the outermost ones."""
    between = {one.name for one in plan.routers() if len(_networks(plan, one.name, addresses)) > 1}
    attached: dict[str, list[str]] = {name: [] for name in plan.networks}
    for service in plan.services:
        for joined in _networks(plan, service, addresses):
            attached[joined].append(service)
    roots: list[_Network] = []
    seen: set[str] = set()
    while left := [name for name in plan.networks if name not in seen]:
        first = min(left, key=lambda name: _depth(plan, name, attached[name]))
        root = _Network(first, [one for one in attached[first] if one not in between])
        seen.add(first)
        waiting = [root]
        while waiting:
            network = waiting.pop(0)
            for name in attached[network.name]:
                if name not in between or name in seen:
                    continue
                seen.add(name)
                router = _Router(name)
                network.routers.append(router)
                for other in _networks(plan, name, addresses):
                    if other not in seen:
                        seen.add(other)
                        router.networks.append(_Network(other, [one for one in attached[other] if one not in between]))
                waiting += router.networks
        roots.append(root)
    return roots


def _networks(plan: Plan, service: str, addresses: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [name for name in addresses.get(service) or plan.services[service].networks if name in plan.networks]


def _depth(plan: Plan, network: str, attached: Sequence[str]) -> tuple[bool, bool, int]:
    """What sorts the outermost network first: nobody's inside, somebody's outside, and most crowded."""
    routers = [plan.services[name] for name in attached if plan.services[name] in plan.routers()]
    inside = any((outer := uplink(plan, router)) and outer != network for router in routers)
    outside = any(uplink(plan, router) == network for router in routers)
    return inside, not outside, -len(attached)


def _place(
    network: _Network, x: float, y: float, labels: Mapping[str, Label], picture: Picture, placed: dict[str, Box]
) -> None:
    width, height = network.box
    left = x + (network.width - width) / 2
    box = Box(left, y, width, height, labels[network.name])
    picture.networks.append(box)
    placed[network.name] = box
    for number, host in enumerate(network.hosts):
        row, column = divmod(number, network.columns)
        at_x = left + GAP + column * (CHIP_WIDTH + GAP)
        at_y = y + TITLE + row * (CHIP_HEIGHT + GAP)
        picture.hosts.append(Box(at_x, at_y, CHIP_WIDTH, CHIP_HEIGHT, labels[host]))
    at = x + max(0.0, (network.width - sum(one.width + 2 * GAP for one in network.routers) + 2 * GAP) / 2)
    for router in network.routers:
        router_y = y + height + LEVEL_GAP
        router_x = at + (router.width - ROUTER_WIDTH) / 2
        picture.routers.append(Box(router_x, router_y, ROUTER_WIDTH, ROUTER_HEIGHT, labels[router.name]))
        below = at
        for one in router.networks:
            _place(one, below, router_y + ROUTER_HEIGHT + LEVEL_GAP, labels, picture, placed)
            below += one.width + 2 * GAP
        at += router.width + 2 * GAP


def _wire(router: Box, network: Box, address: str) -> Wire:
    """From the middle of the router's edge straight to the network's, or to the nearest point of it."""
    middle = router.x + router.width / 2
    target = min(max(middle, network.x + GAP), network.x + network.width - GAP)
    above = network.y < router.y
    return Wire(
        middle,
        router.y if above else router.y + router.height,
        target,
        network.y + network.height if above else network.y,
        address,
    )
