"""Finding a direct path to one peer: agrees with it on a round, probes, and begins again if nothing came of it.

The node with the smaller id leads. It tells its candidates, the other answers with its own, and the time that took is
the round trip of the connection that there is (a relayed one). Sync then makes both begin at once: the leader half a
round trip later, when its Sync arrives. No clocks are compared. The first packets of each open its NAT for the other's,
so that nothing depends on who begins, with one exception: a fragile NAT must have sent before the other side begins.
"""

from __future__ import annotations

import random
from dataclasses import replace
from enum import Enum, auto

from macula.core.address import Address
from macula.core.timers import earliest
from macula.core.token_bucket import TokenBucket
from macula.identity import NodeId
from macula.nat.punching.actions import Action, Began, Ended, Refresh, SendProbe, Tell
from macula.nat.punching.candidates import is_loopback
from macula.nat.punching.offer import Side, Terms, new_terms, read_offer, shared_key, write_offer
from macula.nat.punching.plan import OFFSETS, why_not
from macula.nat.punching.prober import Asked, Prober, Proved
from macula.nat.punching.probing import Probing, Summary
from macula.nat.punching.quota import Quota
from macula.wire.messages import Candidates, Sync

ROUNDS = 3
"""Rounds of an attempt. 97.6 % of what libp2p punches succeeds in the first (arXiv 2510.27500)."""
HOPELESS_TRIES = 5
"""Tries of the one round that is made although, by what is known of the NATs, it must fail: it may be known wrongly."""
GUESSING_TRIES = 6
"""Tries of a round in which both sides guess. If one guess is wrong none is right, and only another look helps."""
RETRY = 60.0
"""Seconds from a failed attempt to the next one."""
QUIET = 180.0
"""The same after a failure that the NATs do not explain: one of them may have been spoiled by what came too early, and
forgets that when nothing is sent for its lifetime, of usually 120 s. The next attempt lets another side begin first."""
FRESH = 0.2
"""Seconds for which the last outside port of a sequential NAT may be told as the newest."""
_REFRESH_TIMEOUT = 3.0
_ANSWER_TIMEOUT = 10.0
_BETWEEN_ROUNDS = 0.5
_PATIENCE = 2.0
"""Seconds longer than the leader that the other one waits before it asks for a round."""
_INVITATIONS_PER_SECOND, _INVITATIONS_AT_ONCE = 0.2, 8.0
"""Rounds that a peer may ask for."""
_BEGIN, _BEGIN_FIRST, _BEGUN = 0, 1, 2
"""Phases of Sync."""


class Stage(Enum):
    """What the puncher waits for."""

    IDLE = auto()
    """the leader's candidates, or nothing: there is a path"""
    REFRESHING = auto()
    """a look at this node's own NAT"""
    OFFERED = auto()
    """the answer to the candidates told"""
    READY = auto()
    """the leader's Sync"""
    WAITING = auto()
    """the moment to begin"""
    PROBING = auto()
    """answers to probes"""
    RESTING = auto()
    """the time of the next round or attempt"""


_UNDER_WAY = (Stage.OFFERED, Stage.READY, Stage.WAITING, Stage.PROBING)


class Order(Enum):
    """Who begins a round."""

    TOGETHER = auto()
    LEADER = auto()
    FOLLOWER = auto()


class Puncher:
    """One peer's. Every call returns what to do, in order; `next_deadline` changes with each. Never raises on what a
    peer does."""

    def __init__(self, me: NodeId, peer: NodeId, secret: bytes, rng: random.Random, quota: Quota, now: float) -> None:
        """`secret` (16 to 64 bytes) is this node's alone and cannot be guessed; `quota` is shared by all punchers."""
        self._me, self._peer = me, peer
        self._leads = me < peer
        self._secret = secret
        self._terms = new_terms(secret, peer, rng)
        self._probing = Probing(quota)
        self._mine: Side | None = None
        self._looked_at = float("-inf")
        self._theirs: Side | None = None
        self._their_terms: Terms | None = None
        self._invitations = TokenBucket(_INVITATIONS_PER_SECOND, _INVITATIONS_AT_ONCE, now)
        self._stage = Stage.IDLE
        self._deadline: float | None = None
        self._order = Order.TOGETHER
        self._content = False
        self._untold = False
        self._number = 0
        self._told_at = self._asked_at = now
        self._left = 0
        self._rounds = self._probes = self._heard = 0

    @property
    def receiver(self) -> bytes:
        """The number in probes from this peer."""
        return self._terms.receiver

    @property
    def stage(self) -> Stage:
        """What it waits for."""
        return self._stage

    @property
    def theirs(self) -> Side | None:
        """What the peer told of itself."""
        return self._theirs

    @property
    def agreed(self) -> bool:
        """Whether both have the keys of probes."""
        return self._probing.prober is not None

    def next_deadline(self) -> float | None:
        """When to call `tick`, at the latest."""
        return earliest(self._deadline, self._probing.next_deadline)

    def start(self, mine: Side, now: float, *, direct: bool = False, looked: bool = True) -> list[Action]:
        """There is a connection with the peer, and this is what the node knows of itself. Once. If the connection is
        `direct` already, only keys are exchanged, so that the path can be asked and replaced later. `looked`: the last
        outside port was seen just now, and not before others may have been given."""
        self._know(mine, now, looked=looked)
        self._content = direct
        if self._leads:
            return self._attempt(ROUNDS, now)
        if self._theirs is not None:
            return self._offer(now)
        self._wait(Stage.IDLE, None if direct else now + _ANSWER_TIMEOUT)
        return []

    def offer(self, mine: Side, now: float, *, looked: bool = True) -> list[Action]:
        """What the node knows of itself now: answers Refresh if it has `looked`, and begins a new attempt if anything
        but the last outside port is new. A round that is under way with the same candidates comes to its end before."""
        before = self._mine
        self._know(mine, now, looked=looked)
        if self._stage is Stage.REFRESHING:
            return self._offer(now) if looked else []
        if before is not None and _lasting(before) == _lasting(mine):
            return []
        if before is not None and before.candidates == mine.candidates and self._stage in _UNDER_WAY:
            self._untold = True
            return []
        return self._attempt(ROUNDS, now)

    def retry(self, now: float) -> list[Action]:
        """Begin a new attempt unless one is under way: a path was lost, or the network changed."""
        self._content = False
        return self._attempt(ROUNDS, now) if self._stage in (Stage.IDLE, Stage.RESTING) else []

    def request(self, target: Address, now: float) -> bytes | None:
        """A probe to find out whether a path that was found is still there; None before the peer told its key."""
        prober = self._probing.prober
        return prober.request(target, now) if prober else None

    def forget(self, address: Address) -> None:
        """The path to this address is dead: a probe of the peer's from there makes it worth a try again."""
        self._probing.forget(address)

    def message(self, message: Candidates | Sync, now: float) -> list[Action]:
        """The peer told something."""
        if isinstance(message, Candidates):
            return self._invited(message, now) if self._invitations.take(1, now) else []
        return self._synced(message, now)

    def datagram(self, source: Address, data: bytes, now: float) -> list[Action]:
        """A datagram came that names this puncher's `receiver`; anybody may have sent it, from anywhere."""
        mine = self._mine
        if mine is None:
            return []
        out: list[Action] = []
        match self._probing.receive(source, data, now):
            case Asked(_, answer):
                out += [SendProbe(source, answer), *self._probing.asked(source, mine, now)]
            case Proved() as proved:
                out.append(self._probing.proved(proved, mine))
            case None:
                return []
        return out + self._settle(now)

    def tick(self, now: float) -> list[Action]:
        """A deadline has come. Harmless at any other time."""
        out = [*self._probing.due(now), *self._settle(now)]
        if self._deadline is None or now < self._deadline:
            return out
        self._deadline = None
        match self._stage:
            case Stage.REFRESHING:
                out += self._offer(now)
            case Stage.WAITING:
                out += self._begin(now)
            case Stage.OFFERED | Stage.READY if self._content:
                self._wait(Stage.IDLE, None)
                out += self._attempt(1, now) if self._untold else ()
            case Stage.OFFERED | Stage.READY:
                out += self._failed("the peer did not go on with the round that was begun", RETRY, now)
            case Stage.IDLE | Stage.RESTING:
                out += self._next(now)
            case Stage.PROBING:
                pass
        return out

    def _know(self, mine: Side, now: float, *, looked: bool) -> None:
        self._mine = mine
        if looked:
            self._looked_at = now
        self._probing.local = any(is_loopback(one.address) for one in mine.candidates)

    # --- Agreeing on a round

    def _attempt(self, rounds: int, now: float) -> list[Action]:
        self._count_anew(rounds)
        return self._next(now)

    def _count_anew(self, rounds: int) -> None:
        self._left = rounds
        self._rounds = self._probes = self._heard = 0

    def _next(self, now: float) -> list[Action]:
        """Begin the next round; who does not lead asks for it."""
        if self._left <= 0:
            return self._attempt(1, now)
        self._probing.cancel()
        if not self._leads:
            self._number = 0
        return self._offer_fresh(now)

    def _offer_fresh(self, now: float) -> list[Action]:
        if self._mine is not None and self._mine.facts.predictable and now - self._looked_at > FRESH:
            self._wait(Stage.REFRESHING, now + _REFRESH_TIMEOUT)
            return [Refresh()]
        return self._offer(now)

    def _offer(self, now: float) -> list[Action]:
        if self._mine is None:
            return []
        self._untold = False
        held = 0.0
        if self._leads:
            self._number += 1
            self._told_at = now
            self._wait(Stage.OFFERED, now + _ANSWER_TIMEOUT)
        elif self._number:
            held = now - self._asked_at
            self._wait(Stage.READY, now + _ANSWER_TIMEOUT)
        else:
            self._wait(Stage.IDLE, now + RETRY)
        return [Tell(write_offer(self._mine, self._terms, self._number, held))]

    def _invited(self, message: Candidates, now: float) -> list[Action]:
        if not self._leads:
            return self._led(message, now)
        agreeing = self._stage in (Stage.REFRESHING, Stage.OFFERED)
        if self._stage is Stage.OFFERED and message.round == self._number:
            self._learn(message, now)
            if self._content:
                self._wait(Stage.IDLE, None)
                return []
            return self._sync(max(0.0, now - self._told_at - message.held_ms / 1000), now)
        if message.round or agreeing or self._mine is None:
            return []
        self._learn(message, now)
        self._content = False
        return self._attempt(1, now)

    def _led(self, message: Candidates, now: float) -> list[Action]:
        if not message.round:
            return []
        self._learn(message, now)
        self._number, self._asked_at = message.round, now
        if self._left <= 0:
            self._count_anew(ROUNDS)
        self._probing.cancel()
        return self._offer_fresh(now)

    def _learn(self, message: Candidates, now: float) -> None:
        self._theirs, terms = read_offer(message, local=self._probing.local)
        if terms == self._their_terms:
            return
        self._their_terms = terms
        halves = (self._terms.key, terms.key) if self._leads else (terms.key, self._terms.key)
        self._probing.prober = Prober(self._me, self._peer, self._secret, shared_key(*halves), terms.receiver, now)

    def _sync(self, rtt: float, now: float) -> list[Action]:
        """The leader knows all: it and the other begin at once, or one of them first."""
        match self._who_begins():
            case Order.LEADER:
                return [*self._begin(now), Tell(Sync(self._number, _BEGIN))]
            case Order.FOLLOWER:
                self._wait(Stage.WAITING, now + 2 * rtt + 1)
                return [Tell(Sync(self._number, _BEGIN_FIRST))]
            case Order.TOGETHER:
                self._wait(Stage.WAITING, now + rtt / 2)
                return [Tell(Sync(self._number, _BEGIN))]

    def _who_begins(self) -> Order:
        mine, theirs = (side is not None and side.facts.fragile for side in (self._mine, self._theirs))
        if mine == theirs:
            return self._order
        return Order.LEADER if mine else Order.FOLLOWER

    def _synced(self, message: Sync, now: float) -> list[Action]:
        if message.round != self._number or (message.phase == _BEGUN) is not self._leads:
            return []
        if self._leads:
            return self._begin(now) if self._stage is Stage.WAITING else []
        if self._stage is not Stage.READY:
            return []
        begun = [Tell(Sync(self._number, _BEGUN))] if message.phase == _BEGIN_FIRST else []
        return [*self._begin(now), *begun]

    # --- Probing

    def _begin(self, now: float) -> list[Action]:
        mine, theirs = self._mine, self._theirs
        if mine is None or theirs is None:
            return []
        tries = len(OFFSETS)
        if why_not(mine.facts, theirs.facts) is not None:
            tries, self._left = HOPELESS_TRIES, 1
        elif mine.facts.predictable and theirs.facts.predictable:
            tries = GUESSING_TRIES
        self._rounds += 1
        # The probes take new ports themselves.
        self._looked_at = float("-inf")
        self._wait(Stage.PROBING, None)
        began = [Began()] if self._rounds == 1 else []
        return [*began, *self._probing.begin(mine, theirs, tries, now, leads=self._leads)]

    def _settle(self, now: float) -> list[Action]:
        """Whatever follows if the round is over."""
        summary = self._probing.summary(now)
        if summary is None:
            return []
        self._probes += summary.probes
        self._heard += summary.heard
        if self._stage is not Stage.PROBING:
            return []
        return self._done(summary, now)

    def _done(self, summary: Summary, now: float) -> list[Action]:
        if summary.best is not None:
            self._left = 0
            self._wait(Stage.IDLE, None)
            reason = f"a path of tier {summary.best.name.lower()} was found"
            ended = Ended(True, self._rounds, self._probes, self._heard, reason)
            return [ended, *(self._attempt(1, now) if self._untold else ())]
        self._left -= 1
        if self._left > 0:
            self._wait(Stage.RESTING, now + _BETWEEN_ROUNDS + (0 if self._leads else _PATIENCE))
            return []
        told = why_not(self._mine.facts, self._theirs.facts) if self._mine and self._theirs else None
        if told is not None:
            return self._failed(told, RETRY, now)
        orders = list(Order)
        self._order = orders[(orders.index(self._order) + 1) % len(orders)]
        return self._failed(self._unexplained(), QUIET, now)

    def _unexplained(self) -> str:
        if self._heard:
            return "the peer's probes came in, but nothing that was sent to it was answered"
        if self._theirs is not None and not self._theirs.candidates:
            return "the peer told no address that can be used, and none of its probes came in"
        return "no probe came through in either direction, though the NATs are not known to prevent it"

    def _failed(self, reason: str, rest: float, now: float) -> list[Action]:
        self._left = 0
        self._wait(Stage.RESTING, now + rest + (0 if self._leads else _PATIENCE))
        return [Ended(False, self._rounds, self._probes, self._heard, reason)]

    def _wait(self, stage: Stage, until: float | None) -> None:
        self._stage, self._deadline = stage, until


def _lasting(side: Side) -> Side:
    return replace(side, facts=replace(side.facts, last_port=0))
