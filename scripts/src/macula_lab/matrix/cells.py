"""The pairs of NATs, and which path their peers must reach. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from macula.nat.prediction import Prediction, predict
from macula.nat.profile import PRESETS, Input, ProfileError, parse

from macula_lab.errors import LabError
from macula_lab.mesh.expectation import Path

NAMED = {
    **{name: name for name in ("none", "full_cone", "restricted", "port_restricted")},
    "adm": "mapping=adm,filtering=apdf,ports=random",
    **{name: name for name in ("symmetric", "symmetric_sequential", "cgnat")},
    "udp_blocked": "port_restricted,udp=blocked,tcp=443-only",
}
"""The kinds of the matrix, the easiest first."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One NAT of the matrix: how it is called in the table, and what its router is told."""

    name: str
    nat: str


@dataclass(frozen=True, slots=True)
class Cell:
    """Two peers, each behind a NAT; the first one calls first."""

    first: Kind
    second: Kind

    @property
    def title(self) -> str:
        """How the pair is called."""
        return f"{self.first.name} x {self.second.name}"

    @property
    def prediction(self) -> Prediction:
        """What their NATs allow."""
        return predict(parse(self.first.nat), parse(self.second.nat))

    @property
    def decided(self) -> bool:
        """Whether the NATs alone decide the path. Where a packet that comes too early spoils either's mapping
        (input=accept), packets must cross between the two, and whether they do depends on how far apart these are."""
        one, other = parse(self.first.nat), parse(self.second.nat)
        return not (self.prediction.direct and one.input is other.input is Input.ACCEPT)

    @property
    def expected(self) -> str:
        """The path that they must end on."""
        return Path.DIRECT if self.prediction.direct else Path.RELAYED


def kinds(names: Sequence[str] = ()) -> list[Kind]:
    """The kinds of these names: of the matrix, presets or parts; all of the matrix when none is named.

    Raises LabError for one that is no NAT.
    """
    found = []
    for name in names or NAMED:
        nat = NAMED.get(name.replace("-", "_"), name)
        try:
            parse(nat)
        except ProfileError as error:
            raise LabError(f"--kinds: {error}", f"choose of: {', '.join(dict.fromkeys((*NAMED, *PRESETS)))}") from error
        found.append(Kind(name, nat))
    return found


def quirky(kind: Kind) -> Kind:
    """This kind with the router quirk input=accept. Raises LabError for a NAT that cannot have it."""
    (changed,) = kinds([f"{kind.nat},input=accept"])
    return Kind(f"{kind.name},input=accept", changed.nat)


def cells(chosen: Sequence[Kind], expected: str = "") -> Iterator[Cell]:
    """Every ordered pair, or those that must end on the `expected` path."""
    every = (Cell(first, second) for first, second in product(chosen, repeat=2))
    return (cell for cell in every if expected in ("", cell.expected))
