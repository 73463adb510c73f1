"""The grid: every kind of NAT that a router can be, and what is looked at in it. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from macula.nat.prediction import layered
from macula.nat.profile import PRESETS, Filtering, Mapping, Ports, Profile, parse

from macula_lab.probe.checks import FAST, Check

LIFETIME = 10
"""seconds of the mappings that are waited for: long enough that a machine which stands still for a moment cannot make
a mapping that is kept look like one that is gone"""


@dataclass(frozen=True, slots=True)
class Cell:
    """One NAT, or two in a row, to become and to be looked at."""

    group: str
    called: str
    outer: str = ""
    """the carrier's NAT, when there are two"""
    checks: frozenset[Check] = FAST

    @property
    def nat(self) -> Profile:
        """What must be seen. Raises ProfileError for a NAT that does not exist."""
        inner = parse(self.called)
        return layered(inner, parse(self.outer)) if self.outer else inner

    @property
    def title(self) -> str:
        """How it is named in the table."""
        words = re.sub(r"(mapping|filtering|ports)=", "", self.called)
        return f"{words} behind {self.outer}" if self.outer else words


def cells() -> list[Cell]:
    """All of them, those that take longest first."""
    return [*_lifetimes(), *_crowds(), *_carriers(), *_firewalls(), *_inputs(), *_presets(), *_classes()]


def _classes() -> Iterator[Cell]:
    """Every mapping with every filtering, port policy and hairpinning."""
    for mapping, filtering, ports, hairpin in product(Mapping, Filtering, Ports, ("off", "on")):
        yield Cell("class", f"mapping={mapping},filtering={filtering},ports={ports},hairpin={hairpin}")


def _presets() -> Iterator[Cell]:
    for name in PRESETS:
        yield Cell("preset", name)


def _firewalls() -> Iterator[Cell]:
    for policy in ("udp=blocked", "udp=rejected", "tcp=443-only", "udp=blocked,tcp=443-only"):
        yield Cell("firewall", policy)


def _inputs() -> Iterator[Cell]:
    """Routers that are spoiled by a peer who sends first."""
    for name in ("port_restricted", "restricted", "full_cone", "symmetric", "home"):
        yield Cell("input", f"{name},input=accept")


def _lifetimes() -> Iterator[Cell]:
    for name in ("home", "full_cone", "symmetric", "mapping=adm,filtering=adf,ports=sequential"):
        yield Cell("lifetime", f"{name},lifetime={LIFETIME}", checks=frozenset({Check.IDLE}))
    yield Cell("lifetime", f"home,lifetime={LIFETIME}", "cgnat", checks=frozenset({Check.IDLE}))


def _crowds() -> Iterator[Cell]:
    """NATs that run out of what they give."""
    for name in ("cgnat", "symmetric,ports=block,block=50000-50015"):
        yield Cell("exhaustion", name, checks=frozenset({Check.CROWD}))
    for name in ("cgnat", "home,sessions=20"):
        yield Cell("exhaustion", name, checks=frozenset({Check.SESSIONS}))
    yield Cell("exhaustion", "home", "cgnat", checks=frozenset({Check.CROWD}))


def _carriers() -> Iterator[Cell]:
    """Two NATs in a row."""
    for inner, outer in product(("home", "full_cone", "symmetric"), ("cgnat", "symmetric")):
        yield Cell("carrier", inner, outer)
