"""Do hosts inside reach each other by their outside addresses (RFC 4787, section 6)?"""

from macula_lab.probe.asking import TRIES, Asker, tried
from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.measure.token import new_token
from macula_lab.probe.measure.vantage import Vantage
from macula_lab.probe.observations import Hairpin


def hairpin(vantage: Vantage, neighbour: str) -> Hairpin | None:
    """Send from one host to the outside endpoint of the other, and back to whom that one saw; None without mappings."""
    with vantage.sockets(neighbour, vantage.inside) as [sender, receiver]:
        outside, target = vantage.outside(sender), vantage.outside(receiver)
        if outside is None or target is None:
            return None
        source = _crossing(vantage, sender, receiver, outside, target)
        answered = source is not None and _answering(vantage, sender, receiver, source) == target
        errors = tuple(dict.fromkeys(sender.socket.errors))
        return Hairpin(sender.local, outside, receiver.local, target, source, answered, errors)


def _crossing(vantage: Vantage, sender: Asker, receiver: Asker, outside: Endpoint, target: Endpoint) -> Endpoint | None:
    """Whom the receiver saw. When at first nothing comes it sends itself too, in case that a filter is in the way."""
    token = new_token()
    tries = iter(range(TRIES))

    def act() -> None:
        if next(tries):
            receiver.socket.send(b"macula-probe opens", outside)
        sender.socket.send(token, target)

    def heard(until: float) -> Endpoint | None:
        sender.hears(b"", 0.0)  # takes the errors
        return receiver.hears(token, until)

    return tried(act, heard, receiver.round_trips(vantage.server))


def _answering(vantage: Vantage, sender: Asker, receiver: Asker, source: Endpoint) -> Endpoint | None:
    token = new_token()
    return tried(
        lambda: receiver.socket.send(token, source),
        lambda until: sender.hears(token, until),
        sender.round_trips(vantage.server),
    )
