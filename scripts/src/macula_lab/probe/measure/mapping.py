"""Which outside endpoints sockets get (RFC 5780, section 4.3), and how their ports are chosen."""

from macula_lab.probe.asking import Asker
from macula_lab.probe.measure.vantage import Vantage
from macula_lab.probe.observations import Asking, Place

SOCKETS = 8


def mapping(vantage: Vantage, sockets: int = SOCKETS) -> tuple[Asking, ...]:
    """Ask from several sockets, one question after the other; must not run beside anything that makes mappings.

    The first half of them asks all four places: one socket alone may get the same random port twice by chance.
    """
    with vantage.sockets(*[vantage.inside] * sockets) as askers:
        return tuple(
            _asking(vantage, asker, list(Place) if number < (sockets + 1) // 2 and vantage.other else [Place.PRIMARY])
            for number, asker in enumerate(askers)
        )


def neighbours(vantage: Vantage, neighbour: str) -> tuple[Asking, Asking]:
    """Ask from the same port of two hosts in turn. When they share an outside endpoint, look a second time.

    Where ports are random, two flows to different places may have the same one by chance, but hardly twice.
    """
    told = _neighbours(vantage, neighbour)
    return told if apart(told) else _neighbours(vantage, neighbour)


def apart(told: tuple[Asking, Asking]) -> bool:
    """Whether no outside endpoint was seen of both."""
    first, second = ({endpoint for _, endpoint in asking.seen if endpoint} for asking in told)
    return not first & second


def _neighbours(vantage: Vantage, neighbour: str) -> tuple[Asking, Asking]:
    with Asker(vantage.inside) as one, Asker(neighbour, one.local.port) as other:
        turns: list[tuple[Asker, Place]] = []
        for a, b in zip((*Place, Place.PRIMARY), (*reversed(Place), Place.OTHER_BOTH), strict=True):
            turns += [(one, a), (other, b)]
        seen = [(asker, place, vantage.outside(asker, place)) for asker, place in turns]
        first, second = (tuple((place, e) for who, place, e in seen if who is asker) for asker in (one, other))
        return Asking(one.local, first), Asking(other.local, second)


def _asking(vantage: Vantage, asker: Asker, places: list[Place]) -> Asking:
    return Asking(asker.local, tuple((place, vantage.outside(asker, place)) for place in places))
