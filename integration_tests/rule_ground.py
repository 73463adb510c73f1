"""Routers in network namespaces, whose rules a test writes, with a prober that runs in the test's own threads."""

import ctypes
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from macula.nat.profile import Profile, parse
from macula_lab.composefile.load import load
from macula_lab.engines.contract import Engine, Helper
from macula_lab.errors import LabError
from macula_lab.lab import NETNS, make
from macula_lab.probe.checks import FAST, Check
from macula_lab.probe.classify import classify, plain
from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.measure.mapping import SOCKETS
from macula_lab.probe.measure.vantage import Vantage
from macula_lab.router import conntrack, interfaces, listing, tables
from macula_lab.router.interfaces import Uplink
from macula_lab.router.kernel import nft, run
from macula_lab.router.rule import Probe, Rule
from macula_lab.selfcheck import accounting, prober
from macula_lab.selfcheck.sites import Site, sites
from macula_lab.workspace import COMPOSE

LIFETIME = 2
"""seconds of mappings whose end is waited for"""
STUN = 3478

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def enter(namespace: str) -> None:
    """Let this thread, and those it starts, be in a network namespace."""
    with Path(f"/run/netns/{namespace}").open() as file:
        if _libc.setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")


@dataclass(frozen=True, slots=True)
class Ground:
    """One router, and a prober behind it."""

    router: str
    inside: str
    """names of network namespaces"""
    uplink: Uplink
    vantage: Vantage

    def wrong(self, nat: Profile, rules: Sequence[Rule], probe: Probe) -> list[str]:
        """What a probe finds wrong when the router has these rules and is called `nat`.

        Raises LabError when they do not load.
        """
        if probe is Probe.IDLE:
            nat = replace(nat, lifetime=LIFETIME)
        found = []
        for checks in _rounds(nat, probe):
            self._become(nat, rules)
            found += self._look(nat, checks, told=probe is Probe.ACCOUNTING)
        return found

    def _become(self, nat: Profile, rules: Sequence[Rule]) -> None:
        enter(self.router)
        nft(tables.render(rules, nat))
        conntrack.forget()

    def _look(self, nat: Profile, checks: Collection[Check], told: bool) -> list[str]:
        enter(self.inside)
        try:
            found = classify(self.vantage, checks, nat, SOCKETS)
        except LabError as error:
            return [str(error)]
        if not told:
            return [str(one) for one in found.mismatches]
        enter(self.router)
        table = listing.parse(run("nft", "--json", "list", "table", "ip", tables.TABLE))
        shown: dict[str, Any] = {
            "mappings": listing.mappings(table, str(self.uplink.address.ip)),
            "drops": listing.drops(table),
        }
        return accounting.untold(nat, plain(found.observations), shown)


def _rounds(nat: Profile, probe: Probe) -> list[Collection[Check]]:
    """The checks of a probe; what uses something up is done alone."""
    exhausting: list[Collection[Check]] = []
    if nat.ports == "block":
        exhausting.append([Check.CROWD])
    if nat.sessions:
        exhausting.append([Check.SESSIONS])
    match probe:
        case Probe.CROWD:
            return exhausting
        case Probe.ACCOUNTING:
            return [FAST, *exhausting]
        case _:
            return [[Check(probe)]]


@contextmanager
def grounds(labs: int) -> Iterator[list[Ground]]:
    """Four routers of compose/selfcheck.yaml in each of several labs, ready."""
    plan = load(COMPOSE / "selfcheck.yaml", {})
    names = [router.name for router in plan.routers() if router.name.startswith("nat_")]
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        made: list[tuple[Engine, Helper, Site]] = []
        for number in range(labs):
            engine = make(NETNS, plan, f"macula-test-rules-{number}")
            stack.callback(engine.down)
            engine.down()
            engine.start(names)
            fronts, places = sites(plan, engine.hosts(), names)
            probers = stack.enter_context(prober.helpers(engine, fronts, places))
            made += [(engine, probers[place.name], place) for place in places]
        yield list(pool.map(_ground, made))


def _ground(made: tuple[Engine, Helper, Site]) -> Ground:
    engine, helper, place = made
    prober.look(helper, place, parse("port_restricted"), [Check.CONTACT])  # it takes its addresses and routes
    router = engine.execute(place.router.name, ["ip", "netns", "identify"]).stdout.strip()
    inside = helper.execute(["ip", "netns", "identify"]).stdout.strip()
    told = engine.execute(place.router.name, ["ip", "-json", "-4", "address", "show"]).stdout
    uplink = interfaces.uplink(interfaces.parse(told), place.wan)
    host, neighbour = map(str, place.addresses)
    return Ground(router, inside, uplink, Vantage(Endpoint(str(place.server), STUN), host, neighbour, outsider=True))
