"""The paths to one peer: which are alive, which one carries the connection, and when it moves."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from macula.core.address import Address
from macula.core.route import Relayed, Route
from macula.identity import NodeId
from macula.nat.decisions import DecisionLog, Verdict
from macula.nat.punching.candidates import Tier

MAX_RELAYED = 2


@dataclass(frozen=True, slots=True)
class PathSettings:
    """When paths are asked, given up and changed; times in seconds."""

    heartbeat: float = 5.0
    """How often an idle path is asked whether it is there; also keeps its NAT mappings alive, so at most a third of
    the shortest lifetime on the way."""
    dead: float = 15.0
    """A path that answered nothing for so long is dead."""
    hysteresis: float = 0.005
    """By how much the round trip must be shorter to change to another path of the same tier."""
    reserve: int = 1
    """How many direct paths are kept beside the one in use."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Ask the peer at this address: `Puncher.request`. The answer comes back by `Paths.found`."""

    address: Address


@dataclass(frozen=True, slots=True)
class Use:
    """Send everything for the peer by this route."""

    route: Route


@dataclass(frozen=True, slots=True)
class Gone:
    """This path is dead; `last` says that there is no other direct one."""

    address: Address
    last: bool


PathAction = Heartbeat | Use | Gone


@dataclass(slots=True)
class Path:
    """A direct path that was found. Times are in `now` seconds."""

    address: Address
    tier: Tier
    rtt: float
    heard_at: float
    next_at: float
    asked: bool = False
    """whether a heartbeat is unanswered"""
    missed: int = 0
    questioned: bool = False
    silent: bool = False
    """whether what was sent by it is not acknowledged: a relay, where there is one, is better until it answers"""
    dialed: bool = False
    """whether QUIC's own keep-alive is left to notice that it is dead, since there may be a thousand such peers"""


_MISSES = 2
"""Unanswered heartbeats in quick succession after which a questioned path is dead."""
_QUICK_LEAST, _QUICK_MOST = 0.15, 0.75
"""Bounds of the time after which a questioned path is asked again: three round trips between these."""
_OVERSLEPT = 2.0
"""Whoever comes so late to a deadline was paused, and cannot know what its NAT forgot meanwhile."""
_RECENT = 1.0
"""Whoever answered so many seconds ago is there."""
_SMOOTHING = 0.25
_NEVER = math.inf
_TINY = 1e-9
_UNKNOWN_RTT = 0.1
"""Taken until the first heartbeat of a dialed path comes back."""


@dataclass(slots=True)
class Paths:
    """One peer's. Calls return what to do, in order; `next_deadline` changes with each."""

    settings: PathSettings = field(default_factory=PathSettings)
    log: DecisionLog = field(default_factory=DecisionLog)
    current: Route | None = None
    """By which route everything goes."""
    _paths: dict[Address, Path] = field(default_factory=dict)
    _relayed: list[Relayed] = field(default_factory=list)
    _tunnel: Address | None = None
    """the one that the connection went by last, if any"""

    @property
    def direct(self) -> tuple[Path, ...]:
        """The direct paths, the best first."""
        return tuple(sorted(self._paths.values(), key=lambda path: (path.tier, path.rtt)))

    def next_deadline(self) -> float | None:
        """When to call `tick`, at the latest."""
        at = min((path.next_at for path in self._paths.values()), default=_NEVER)
        return at if at < _NEVER else None

    def relay_gone(self, relay: NodeId, now: float) -> None:
        """Nothing can be sent through this relay any more. Another one is not chosen here but by who has sessions."""
        gone = [one for one in self._relayed if one.relay == relay]
        self._relayed = [one for one in self._relayed if one.relay != relay]
        if self.current in gone:
            self.log.add(now, Verdict.LOST, self.current, "the relay is gone")
            self.current = None

    def moved(self, route: Route) -> None:
        """The transport says that the connection goes by this route; a relay's does not replace a direct path, which
        was chosen while that was said."""
        if isinstance(route, Relayed):
            self._relayed = [route, *(one for one in self._relayed if one != route)][:MAX_RELAYED]
        elif route.tunnelled:
            self._tunnel = route
        if self.current not in self._paths or isinstance(route, Address):
            self.current = route

    def found(self, address: Address, tier: Tier, rtt: float, now: float) -> list[PathAction]:
        """A probe to this address came back after `rtt` seconds."""
        path = self._paths.get(address)
        if path is None:
            self._paths[address] = Path(address, tier, rtt, now, now + self.settings.heartbeat)
            self.log.add(now, Verdict.FOUND, address, f"{_named(tier)}, {rtt * 1000:.0f} ms")
        else:
            path.rtt = rtt if path.rtt == _UNKNOWN_RTT else path.rtt + _SMOOTHING * (rtt - path.rtt)
            path.heard_at = now
            path.next_at = _NEVER if path.dialed else now + self.settings.heartbeat
            path.asked, path.missed, path.questioned, path.silent = False, 0, False, False
        out = self._choose(now)
        self._trim(now)
        used = self._paths.get(self.current) if isinstance(self.current, Address) else None
        if path is None and used is not None and now - used.heard_at > _RECENT:
            out += self._question_path(used, "the peer appeared elsewhere", now)
        return out

    def dialed(self, address: Address, tier: Tier, now: float) -> list[PathAction]:
        """The connection came up at this address by itself: it is asked once, and then only if it is questioned."""
        if address not in self._paths:
            path = self._paths[address] = Path(address, tier, _UNKNOWN_RTT, now, now, dialed=True)
            self.log.add(now, Verdict.FOUND, address, f"{_named(tier)}, by dialing")
            self.moved(address)
            return [self._ask(path, now)]
        return []

    def suspect(self, suspect: bool, now: float) -> list[PathAction]:
        """What was sent is not acknowledged: take a relay, and ask the paths whether they are there, in quick
        succession; or it is again."""
        if suspect:
            for path in self._paths.values():
                path.silent = True
            return [*self._question("what was sent is not acknowledged", now), *self._choose(now)]
        for path in self._paths.values():
            if path.address == self.current:
                path.questioned, path.missed, path.silent = False, 0, False
                path.next_at = _NEVER if path.dialed else now + self.settings.heartbeat
        return []

    def network_changed(self, now: float) -> list[PathAction]:
        """This node or the peer has other addresses."""
        return self._question("the network changed", now)

    def tick(self, now: float) -> list[PathAction]:
        """A deadline has come. Harmless at any other time."""
        due = [path for path in self._paths.values() if path.next_at <= now]
        if any(now - path.next_at > _OVERSLEPT for path in due):
            for path in due:
                path.questioned = False
            return self._question("this node was paused", now)
        out: list[PathAction] = []
        for path in due:
            path.missed += path.asked
            if self._is_dead(path, now):
                out += self._lose(path, now)
            else:
                out.append(self._ask(path, now))
        return out + (self._choose(now) if due else [])

    def _is_dead(self, path: Path, now: float) -> bool:
        if path.questioned:
            return path.missed >= _MISSES
        return path.missed > 0 and now - path.heard_at >= self.settings.dead

    def _question(self, reason: str, now: float) -> list[PathAction]:
        return [action for path in self._paths.values() for action in self._question_path(path, reason, now)]

    def _question_path(self, path: Path, reason: str, now: float) -> list[PathAction]:
        if path.questioned:
            return []
        path.questioned, path.missed = True, 0
        self.log.add(now, Verdict.QUESTIONED, path.address, reason)
        return [self._ask(path, now)]

    def _ask(self, path: Path, now: float) -> PathAction:
        path.asked = True
        quick = min(max(3 * path.rtt, _QUICK_LEAST), _QUICK_MOST)
        # A heartbeat may be lost by itself, so that silence is only believed after several.
        calm = self.settings.heartbeat if not path.missed else self.settings.heartbeat / 5
        path.next_at = now + quick if path.questioned else _NEVER if path.dialed else now + calm
        return Heartbeat(path.address)

    def _lose(self, path: Path, now: float) -> list[PathAction]:
        del self._paths[path.address]
        told = f"{path.missed} heartbeats unanswered, silent for {now - path.heard_at:.1f} s"
        self.log.add(now, Verdict.LOST, path.address, told)
        if self.current == path.address:
            self.current = None
        return [Gone(path.address, not self._paths)]

    def _choose(self, now: float) -> list[PathAction]:
        """Move to the best route, if it is enough better than the one in use."""
        best: Route | None = self._relayed[0] if self._relayed else self._tunnel
        direct = [path for path in self.direct if not (path.silent and best is not None)]
        if direct:
            best = direct[0].address
        if best is None or best == self.current:
            return []
        used = self._paths.get(self.current) if isinstance(self.current, Address) else None
        if isinstance(self.current, Relayed) and self.current in self._relayed and not direct:
            return []
        if used is not None and direct:
            gained = used.rtt - direct[0].rtt
            if used.tier == direct[0].tier and gained < self.settings.hysteresis - _TINY:
                return []
            reason = _gain(used, direct[0])
        elif direct:
            reason = f"{_named(direct[0].tier)} instead of {_kind(self.current)}"
        else:
            reason = "the direct path is silent" if self._paths else "no direct path is left"
        self.current = best
        self.log.add(now, Verdict.CHOSEN, best, reason)
        return [Use(best)]

    def _trim(self, now: float) -> None:
        spare = [path for path in self.direct if path.address != self.current]
        for path in spare[self.settings.reserve :]:
            del self._paths[path.address]
            self.log.add(now, Verdict.ABANDONED, path.address, f"{self.settings.reserve} in reserve are enough")


def _named(tier: Tier) -> str:
    return {Tier.LAN: "same network", Tier.IPV6: "direct by IPv6", Tier.IPV4: "direct by IPv4"}.get(tier, "relayed")


def _kind(route: Route | None) -> str:
    return "nothing" if route is None else "a relay" if isinstance(route, Relayed) else "a tunnel"


def _gain(used: Path, best: Path) -> str:
    if used.tier != best.tier:
        return f"{_named(best.tier)} instead of {_named(used.tier)}"
    return f"{(used.rtt - best.rtt) * 1000:.0f} ms shorter"
