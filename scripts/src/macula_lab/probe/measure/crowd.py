"""How many sockets and how many flows one host gets at the same time."""

import resource

from macula_lab.probe.asking import Asker, Question, tried
from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.measure.contact import connect
from macula_lab.probe.measure.vantage import Vantage
from macula_lab.probe.observations import Crowd, Sessions

SPARE_FILES = 64
NOBODY = 20_000
"""from this port of the server on nobody listens"""


def crowd(vantage: Vantage, host: str, flows: int) -> Crowd:
    """Ask from so many new sockets of a host at once; gives who was answered."""
    _allow_files(flows + SPARE_FILES)
    with vantage.sockets(*[host] * flows) as askers:
        first = vantage.outside(askers[0])
        waiting: dict[Asker, list[bytes]] = {asker: [] for asker in askers[1:]}
        answered = [first] if first else []

        def act() -> None:
            for asker, transactions in waiting.items():
                transactions.append(asker.begin(Question(vantage.server)))

        def all_answered(until: float) -> bool | None:
            for asker, transactions in list(waiting.items()):
                if outside := _answer(asker, transactions, until):
                    answered.append(outside)
                    del waiting[asker]
            return not waiting or None

        tried(act, all_answered, vantage.fence)
        return Crowd(flows, tuple(answered), tuple(asker.local for asker in waiting))


def sessions(vantage: Vantage, host: str, limit: int) -> Sessions:
    """Use up the flows that a host is allowed, most of them by sending to ports outside where nobody answers."""
    with vantage.sockets(*[host] * 3) as [filling, last, beyond]:
        vantage.outside(filling)
        for port in range(NOBODY, NOBODY + limit - 2):
            filling.socket.send(b"", Endpoint(vantage.server.address, port))
        answered = (vantage.outside(last) is not None, vantage.outside(beyond) is not None)
        return Sessions(limit, *answered, beyond.local, connect(vantage, host))


def _answer(asker: Asker, transactions: list[bytes], until: float) -> Endpoint | None:
    answers = (asker.answer(transaction, until) for transaction in transactions)
    return next((answer.mapped for answer in answers if answer), None)


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, count), hard), hard))
