"""The NAT service: answers STUN, helps peers to look at their NATs, and looks at what this node is behind."""

from __future__ import annotations

import random
from itertools import count

from macula.core import commands as cmd
from macula.core.effects import Trace
from macula.core.events import CommandGiven, DatagramReceived, PeerSuspect, SocketFailed, SocketOpened
from macula.core.requests import Draining, PeerDown, PeerUp, Received, SelfChanged
from macula.core.service import Action, ServiceEvent
from macula.nat import stun
from macula.nat.detection.detector import Detector
from macula.nat.detection.responder import SOCKETS, Responder
from macula.nat.detection.witness import Witness
from macula.nat.info import NatInfo
from macula.nat.settings import NatSettings
from macula.nat.stun import StunError
from macula.wire.messages import ObserverAsk, ObserverTold


class Nat:
    """The service. A datagram of others is answered or ignored, whatever it is."""

    def __init__(self, settings: NatSettings, rng: random.Random) -> None:
        self._responder = Responder(settings)
        self._witness = Witness(settings)
        self._detector = Detector(settings, rng, count(len(SOCKETS)))

    @property
    def info(self) -> NatInfo:
        """What is known of the NAT."""
        return self._detector.info

    @property
    def measured(self) -> bool:
        """Whether a measurement was finished."""
        return self._detector.measured

    @property
    def looked_at(self) -> float | None:
        """When a look at the newest mapping ended, in `now` seconds; other news of `info` say nothing of its port."""
        return self._detector.looked_at

    def handle(self, event: ServiceEvent, now: float, wall: float) -> list[Action]:
        """See core.service."""
        return self._taken(event, now) + self._detector.step(now)

    def look(self, now: float) -> list[Action]:
        """Find out anew where the newest mapping is: `info` is another one soon after."""
        self._detector.look(now)
        return self._detector.step(now)

    def next_deadline(self) -> float | None:
        """See core.service."""
        return self._detector.next_deadline()

    def _taken(self, event: ServiceEvent, now: float) -> list[Action]:
        detector = self._detector
        match event:
            case DatagramReceived():
                return self._datagram(event, now)
            case SocketOpened(number=0, local=local):
                detector.started(now)
                return list(self._responder.wanted(local))
            case SocketOpened(number=number, local=local) if number in SOCKETS:
                self._responder.opened(number, local)
            case SocketFailed(number=number, reason=reason) if number in SOCKETS:
                return [Trace("stun.port_failed", {"reason": reason})]
            case SocketOpened() | SocketFailed():
                detector.socket(event)
            case Received(peer=peer, message=ObserverAsk() as asked, hops=()):
                return self._witness.asked(peer, asked, self._responder.other_port, now)
            case Received(peer=peer, message=ObserverTold() as told, hops=()):
                detector.told(peer, told)
            case SelfChanged(info=info):
                self._responder.known_as(info.addresses)
            case PeerUp():
                self._witness.up(event)
                enough = detector.observers.enough
                if detector.observers.up(event):
                    detector.observer_up(enough, now)
            case PeerDown(peer=peer):
                self._witness.down(peer)
                if detector.observers.down(peer):
                    detector.in_doubt(now)
            case PeerSuspect(suspect=True):
                detector.in_doubt(now)
            case CommandGiven(id=id_, command=cmd.NatDetails(refresh)):
                return detector.ask(id_, refresh, now)
            case Draining():
                return detector.stop()
            case _:
                pass
        return []

    def _datagram(self, event: DatagramReceived, now: float) -> list[Action]:
        try:
            message = stun.decode(event.data)
        except StunError:
            return []
        if self._detector.received(event, message) or event.socket not in SOCKETS:
            return []
        answer = self._responder.answer(event, message, now)
        return [answer] if answer is not None else []
