"""Punchers against whatever a peer, a stranger and the clock may do."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from macula.core.address import Address
from macula.identity import NodeId
from macula.nat.facts import Facts
from macula.nat.profile import Filtering, Mapping, Ports
from macula.nat.punching.actions import Action, Found, SendProbe, Tell
from macula.nat.punching.candidates import Candidate, CandidateKind, may_be_sent_to
from macula.nat.punching.offer import Side, Terms, new_terms, shared_key, write_offer
from macula.nat.punching.plan import WINDOW
from macula.nat.punching.prober import Prober, Proved
from macula.nat.punching.puncher import Puncher
from macula.nat.punching.quota import Quota
from macula.wire.messages import Candidates, Sync
from wire.strategies import of_message

ME, PEER = NodeId(b"\x05" * 32), {True: NodeId(b"\x06" * 32), False: NodeId(b"\x04" * 32)}
VICTIM = Address("9.9.9.9", 53)
SEQUENTIAL = Facts(Mapping.ADDRESS_AND_PORT_DEPENDENT, None, Ports.SEQUENTIAL, 1, 5000)

hosts = st.sampled_from(["9.9.9.9", "203.0.113.1", "10.0.0.1", "127.0.0.1", "224.0.0.1", "0.0.0.0", "2001:db8::1"])
sources = st.builds(lambda host, port: Address(host, port), hosts, st.integers(1, 65_535))
facts = st.builds(
    Facts,
    st.none() | st.sampled_from(Mapping),
    st.none() | st.sampled_from(Filtering),
    st.none() | st.sampled_from(Ports),
    st.integers(-3, 3),
    st.integers(0, 65_535),
    st.booleans(),
    st.booleans(),
)
offers = st.builds(
    lambda known, addresses: Side(known, tuple(Candidate(CandidateKind.REFLEXIVE, one) for one in addresses)),
    facts,
    st.lists(sources, max_size=16),
)


class Machine(RuleBasedStateMachine):
    """The peer speaks the protocol, and does with it what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.to: Counter[Address] = Counter()
        self.told: list[Candidates | Sync] = []
        self.sent: list[tuple[Address, bytes]] = []
        self.proved: set[Address] = set()
        self.really_answered: set[Address] = set()
        self.asked_from: set[Address] = set()
        self.leads = True
        self.begin()

    @rule(leads=st.booleans(), mine=facts)
    def restart(self, leads: bool, mine: Facts) -> None:
        self.leads = leads
        self.begin(mine)

    def begin(self, mine: Facts = SEQUENTIAL) -> None:
        peer = PEER[self.leads]
        self.puncher = Puncher(ME, peer, b"s" * 32, random.Random(1), Quota(), self.now)
        self.their_terms: Terms = new_terms(b"t" * 32, ME, random.Random(2))
        self.prober: Prober | None = None
        self.to.clear()
        self.began = self.now
        self.invited = 0
        side = Side(mine, (Candidate(CandidateKind.REFLEXIVE, Address("198.51.100.1", 5000)),))
        self.do(self.puncher.start(side, self.now))

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case SendProbe(target, data):
                    self.to[target] += 1
                    self.sent = [*self.sent[-50:], (target, data)]
                    assert len(data) == 57
                    assert may_be_sent_to(target)
                case Tell(message):
                    self.told = [*self.told[-10:], message]
                    if isinstance(message, Candidates):
                        self.agree(message)
                case Found(address):
                    assert address in self.really_answered
                case _:
                    pass

    def agree(self, mine: Candidates) -> None:
        halves = (mine.key, self.their_terms.key) if self.leads else (self.their_terms.key, mine.key)
        peer = PEER[self.leads]
        self.prober = Prober(peer, ME, b"t" * 32, shared_key(*halves), mine.receiver, self.now)

    @rule(side=offers, number=st.none() | st.integers(0, 3))
    def peer_tells(self, side: Side, number: int | None) -> None:
        last = next((one.round for one in reversed(self.told) if isinstance(one, Candidates)), 0)
        self.invited += 1
        self.do(
            self.puncher.message(write_offer(side, self.their_terms, last if number is None else number, 0.0), self.now)
        )

    @rule(message=of_message(Candidates) | of_message(Sync))
    def peer_raves(self, message: Candidates | Sync) -> None:
        self.invited += 1
        self.do(self.puncher.message(message, self.now))

    @rule(phase=st.integers(0, 2), off=st.integers(0, 1))
    def peer_syncs(self, phase: int, off: int) -> None:
        last = next((one.round for one in reversed(self.told) if isinstance(one, Candidates)), 0)
        self.do(self.puncher.message(Sync(last + off, phase), self.now))

    @rule(source=sources, again=st.integers(1, 40))
    def peer_asks(self, source: Address, again: int) -> None:
        for _ in range(again):
            if self.prober is not None:
                self.asked_from.add(source)
                self.do(self.puncher.datagram(source, self.prober.request(VICTIM, self.now), self.now))

    @rule(elsewhere=st.none() | sources, which=st.integers(0, 50))
    def peer_answers(self, elsewhere: Address | None, which: int) -> None:
        """A probe that was sent is answered, from where it went to or from elsewhere."""
        if self.prober is None or not self.sent:
            return
        target, data = self.sent[which % len(self.sent)]
        heard = self.prober.receive(Address("198.51.100.1", 5000), data, self.now)
        answer = getattr(heard, "answer", None)
        if answer is not None:
            if elsewhere is None or elsewhere == target:
                self.really_answered.add(target)
            self.do(self.puncher.datagram(elsewhere or target, answer, self.now))

    @rule(source=sources, data=st.binary(max_size=80) | st.binary(min_size=57, max_size=57), which=st.integers(0, 50))
    def stranger(self, source: Address, data: bytes, which: int) -> None:
        self.do(self.puncher.datagram(source, data, self.now))
        if self.sent:
            self.do(self.puncher.datagram(source, self.sent[which % len(self.sent)][1], self.now))

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.5, 5.0, 70.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        turns = 0
        while (at := self.puncher.next_deadline()) is not None and at <= end:
            self.now = max(self.now, at)
            before = at
            self.do(self.puncher.tick(self.now))
            after = self.puncher.next_deadline()
            turns = turns + 1 if after is not None and after <= before else 0
            assert turns < 20, "livelock: a deadline that passes without effect"
        self.now = end

    @rule(last=st.integers(0, 65_535), renewed=st.booleans())
    def owner(self, last: int, renewed: bool) -> None:
        own = Side(
            replace(SEQUENTIAL, last_port=last), (Candidate(CandidateKind.REFLEXIVE, Address("198.51.100.1", 1)),)
        )
        self.do(self.puncher.offer(own, self.now) if renewed else self.puncher.retry(self.now))

    @rule()
    def pause(self) -> None:
        """The process gets no time for a while, then one tick."""
        self.now += 100.0
        self.do(self.puncher.tick(self.now))

    @invariant()
    def silent_addresses_are_left_alone(self) -> None:
        """What the peer never asked from gets a bounded number of small probes, whatever it tells."""
        by_host: Counter[str] = Counter()
        for target, sent in self.to.items():
            if target not in self.asked_from and target not in self.really_answered:
                by_host[target.host] += sent
        for host, sent in by_host.items():
            assert sent <= 64 + (self.now - self.began) + WINDOW, host

    @invariant()
    def the_deadline_is_not_in_the_far_past(self) -> None:
        at = self.puncher.next_deadline()
        assert at is None or at >= self.began


Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestMachine = Machine.TestCase


def test_a_probe_proves_nothing_about_another_address() -> None:
    """What the machine checks, once by hand: only an answer from the very target counts."""
    a = Prober(ME, PEER[True], b"s" * 32, b"k" * 32, b"receiver", 0.0)
    b = Prober(PEER[True], ME, b"t" * 32, b"k" * 32, b"receiver", 0.0)
    heard = b.receive(Address("198.51.100.1", 1), a.request(VICTIM, 0.0), 0.0)
    answer = getattr(heard, "answer", b"")
    assert a.receive(Address("9.9.9.9", 54), answer, 0.0) is None
    assert isinstance(a.receive(VICTIM, answer, 0.0), Proved)
