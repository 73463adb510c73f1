"""Where a prober stands, and what it can make use of."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from macula_lab.probe.asking import Asker, Fence, Question
from macula_lab.probe.channel import Channel
from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.observations import Place

UNFENCED = 0.3
"""seconds that stand for a round trip where there is no outsider"""
CHANNEL_PATIENCE = 5.0


def wait_instead() -> None:
    """The fence where there is no other."""
    time.sleep(UNFENCED)


@dataclass(frozen=True, slots=True)
class Vantage:
    """A host inside (`inside`), perhaps a second one (`neighbour`), and a server outside."""

    server: Endpoint
    inside: str
    neighbour: str | None = None
    outsider: bool = False
    """whether the server has an outsider beside it"""
    fence: Fence = wait_instead
    other: Endpoint | None = None
    """the server's other address and port, when it told of them"""

    @contextmanager
    def sockets(self, *hosts: str) -> Iterator[list[Asker]]:
        """A new socket on each of these addresses."""
        with ExitStack() as stack:
            yield [stack.enter_context(Asker(host)) for host in hosts]

    def channel(self) -> Channel:
        """A new connection to the outsider."""
        return Channel(self.server.address, self.inside, CHANNEL_PATIENCE)

    def place(self, place: Place) -> Endpoint:
        """One of the four places of the server. Raises ValueError when it did not tell of its other ones."""
        if place is Place.PRIMARY:
            return self.server
        if self.other is None:
            raise ValueError("the server has no other address")
        address = self.server.address if place is Place.OTHER_PORT else self.other.address
        port = self.server.port if place is Place.OTHER_ADDRESS else self.other.port
        return Endpoint(address, port)

    def outside(self, asker: Asker, place: Place = Place.PRIMARY) -> Endpoint | None:
        """Where a place of the server sees a socket come from; None when it does not answer."""
        answer = asker.ask_all({"": Question(self.place(place))}, self.fence)[""]
        return answer.mapped if answer else None
