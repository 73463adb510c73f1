"""Who may come in through a mapping (RFC 5780, section 4.4)."""

from macula.nat.stun import CHANGE_ADDRESS, CHANGE_PORT

from macula_lab.probe.asking import Question
from macula_lab.probe.measure.vantage import Vantage
from macula_lab.probe.observations import Filtered, Place

CHANGES = {
    Place.OTHER_PORT: CHANGE_PORT,
    Place.OTHER_ADDRESS: CHANGE_ADDRESS,
    Place.OTHER_BOTH: CHANGE_ADDRESS | CHANGE_PORT,
}


def filtering(vantage: Vantage) -> Filtered | None:
    """Ask the primary place for answers from the other three, which the socket has not sent to; None if none comes."""
    with vantage.sockets(vantage.inside) as [asker]:
        outside = vantage.outside(asker)
        if outside is None:
            return None
        questions = {place.value: Question(vantage.server, change) for place, change in CHANGES.items()}
        answers = asker.ask_all(questions, asker.round_trips(vantage.server))
        came = {place: answers[place] is not None for place in CHANGES}
        for place in (place for place, arrived in came.items() if arrived):
            vantage.outside(asker, place)
        return Filtered(asker.local, outside, came)
