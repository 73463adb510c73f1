from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from macula.core.commands import Subscribe
from macula.core.effects import Completed, Trace
from macula.core.record import MAX_RECORD, Kind, sign_record
from macula.core.requests import PublishRecord, RecordStored, WithdrawRecord
from macula.core.service import Action
from macula.errors import ArgumentError, Busy
from macula.identity import Identity
from macula.pubsub import PubSubSettings
from macula.pubsub.subscriptions import Subscriptions

from .net import REALM

IDENTITY = Identity.from_random(random.Random(0))


class Play:
    def __init__(self, **changes: Any) -> None:
        self.actions: list[Action] = []
        self._commands = itertools.count(1)
        self.subscriptions = Subscriptions(
            PubSubSettings(**changes), IDENTITY.node_id, REALM, itertools.count(101), self.actions.append
        )

    def subscribe(self, pattern: str, now: float = 0.0) -> list[Action]:
        self.actions.clear()
        self.subscriptions.subscribe(next(self._commands), Subscribe(pattern, 10, False), now)
        return list(self.actions)

    def stored(self, token: int, now: float = 0.0) -> list[Action]:
        self.actions.clear()
        self.subscriptions.stored(RecordStored(token, 1), now)
        return list(self.actions)

    def unsubscribe(self, number: int) -> list[Action]:
        self.actions.clear()
        self.subscriptions.unsubscribe(number)
        return list(self.actions)


def record(token: int, prefix: str, *patterns: str) -> PublishRecord:
    return PublishRecord(token, REALM, Kind.TOPIC, prefix, {"patterns": list(patterns)})


def test_one_record_for_each_prefix_and_completion_when_it_is_stored() -> None:
    play = Play()
    assert play.subscribe("a.b.*", now=1.0) == [record(101, "a.b", "a.b.*")]
    assert play.subscribe("a.b", now=1.0) == [record(102, "a.b", "a.b.*", "a.b")]
    assert play.subscribe("a.b.*") == [], "waits for the record that is on its way"
    assert play.subscribe("a.b.c") == [record(103, "a.b.c", "a.b.c")]
    assert play.subscriptions.matching("a.b.c") == ()
    assert play.stored(101, now=1.5) == [
        Completed(1, 1),
        Trace("subscribe.stop", {"pattern": "a.b.*"}, measurements={"duration": 500.0}),
    ]
    assert [action.id for action in play.stored(102) if isinstance(action, Completed)] == [2, 3]
    assert [s.number for s in play.subscriptions.matching("a.b.c")] == [1, 3]
    assert play.stored(102) == []
    assert play.subscriptions.patterns == ("a.b.*", "a.b", "a.b.c")


def test_a_pattern_that_is_there_needs_no_record() -> None:
    play = Play()
    play.subscribe("a.b.*")
    play.stored(101)
    assert play.subscribe("a.b.*")[0] == Completed(2, 2)


def test_unsubscribing_takes_the_pattern_out_and_at_last_the_record() -> None:
    play = Play()
    for pattern in ("a.b.*", "a.b.*", "a.b.**"):
        play.subscribe(pattern)
    play.stored(101)
    play.stored(102)
    assert play.unsubscribe(1) == [], "another has the same pattern"
    assert play.unsubscribe(2) == [record(103, "a.b", "a.b.**")]
    assert play.stored(103) == []
    assert play.subscribe("a.b.**")[0] == Completed(4, 4), "nothing is on its way any more"
    assert play.unsubscribe(4) == []
    assert play.unsubscribe(3) == [WithdrawRecord(104, REALM, Kind.TOPIC, "a.b")]
    assert play.subscriptions.patterns == ()
    with pytest.raises(ArgumentError, match="no subscription 3"):
        play.unsubscribe(3)
    assert play.subscribe("a.b.*") == [record(105, "a.b", "a.b.*")]


def test_a_subscription_that_is_ended_before_it_began_never_begins() -> None:
    play = Play()
    play.subscribe("a.b.*")
    assert play.unsubscribe(1) == [WithdrawRecord(102, REALM, Kind.TOPIC, "a.b")]
    assert play.stored(101)[0] == Completed(1, 1)
    assert play.subscriptions.matching("a.b.c") == ()
    with pytest.raises(ArgumentError, match="no subscription 1"):
        play.unsubscribe(1)


def test_after_withdrawal_nothing_is_published_again() -> None:
    play = Play()
    play.subscribe("a.b.*")
    play.subscribe("a.b.**")
    play.stored(101)
    play.stored(102)
    play.actions.clear()
    play.subscriptions.withdraw()
    play.subscriptions.withdraw()
    assert play.actions == [WithdrawRecord(103, REALM, Kind.TOPIC, "a.b")]
    assert play.unsubscribe(1) == play.unsubscribe(2) == []


def test_the_patterns_of_a_prefix_are_bounded_by_the_size_of_a_record() -> None:
    play = Play(max_subscriptions=10_000)
    patterns: list[str] = []
    with pytest.raises(ArgumentError) as caught:
        for i in itertools.count():
            play.subscribe(f"a.b.*.{i:020}")
            patterns.append(f"a.b.*.{i:020}")
    assert caught.value.field == "pattern"
    assert f"{MAX_RECORD} are allowed" in caught.value.reason
    assert len(play.subscriptions.patterns) == len(patterns)
    largest = {"wall": 2.0**53 - 1, "ttl": 2**31 - 1, "seq": 2**63 - 1}
    encoded = sign_record(IDENTITY, REALM, Kind.TOPIC, "a.b", {"patterns": patterns}, **largest).encoded  # type: ignore[arg-type]
    assert MAX_RECORD - 30 < len(encoded) <= MAX_RECORD
    with pytest.raises(ArgumentError):
        too_many = {"patterns": [*patterns, f"a.b.*.{0:020}"]}
        sign_record(IDENTITY, REALM, Kind.TOPIC, "a.b", too_many, **largest)  # type: ignore[arg-type]
    assert play.subscribe("a.c.*") != [], "another prefix has its own record"


def test_the_longest_pattern_fits() -> None:
    actions: list[Action] = []
    realm = "r" * 255
    subscriptions = Subscriptions(PubSubSettings(), IDENTITY.node_id, realm, itertools.count(1), actions.append)
    subscriptions.subscribe(1, Subscribe("a." + "b" * 253, 1, False), 0.0)
    assert len(actions) == 1


def test_subscriptions_are_bounded() -> None:
    play = Play(max_subscriptions=2)
    play.subscribe("a.b.*")
    play.subscribe("a.b.*")
    with pytest.raises(Busy, match="2 subscriptions"):
        play.subscribe("a.b.*")
