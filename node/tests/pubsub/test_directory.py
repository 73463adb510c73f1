from __future__ import annotations

import itertools
from typing import Any

import pytest

from macula.core.effects import Trace
from macula.core.requests import FindRecords, RecordsFound
from macula.core.service import Action
from macula.pubsub import PubSubSettings
from macula.pubsub.directory import Directory, Listing

from .net import REALM, node_id, topic_record

OWN, A, B, C = (node_id(number) for number in (9, 1, 2, 3))


def make(**changes: Any) -> tuple[Directory, Listing, list[Action]]:
    actions: list[Action] = []
    directory = Directory(PubSubSettings(**changes), OWN, REALM, itertools.count(1), actions.append)
    return directory, Listing("a.b", ("a", "b")), actions


@pytest.mark.parametrize(
    "value",
    [None, 7, [], {}, {"patterns": "a.b"}, {"patterns": [7, None, b"a.b", "", "a", "*", "a.b.c", "a.**"]}],
)
def test_whatever_a_record_says_it_is_only_not_a_match(value: object) -> None:
    directory, listing, _ = make()
    directory.refresh(listing, 5.0)
    records = (topic_record(A, "a.b", value), topic_record(B, "a.b", {"patterns": ["x", "a.b"]}))
    assert directory.found(RecordsFound(1, records)) is listing
    assert list(listing.nodes) == [B]
    assert listing.asked == 5.0


def test_a_pattern_counts_only_under_its_own_prefix_and_own_records_do_not() -> None:
    directory, _, _ = make()
    listing = Listing("a.b.c", ("a", "b", "c"))
    directory.refresh(listing, 5.0)
    directory.found(RecordsFound(1, (topic_record(A, "a.b", {"patterns": ["a.b.c"]}),)))
    directory.found(RecordsFound(2, (topic_record(OWN, "a.b.c", {"patterns": ["a.b.c"]}),)))
    assert listing.nodes == {}


def test_subscribers_are_bounded_and_what_is_left_out_is_told() -> None:
    directory, listing, actions = make(max_subscribers=2)
    directory.refresh(listing, 5.0)
    directory.found(RecordsFound(1, tuple(topic_record(node, "a.b", {"patterns": ["a.b"]}) for node in (C, A, B))))
    assert list(listing.nodes) == [A, B]
    assert isinstance(actions[-1], Trace)
    assert actions[-1].fields == {"topic": "a.b", "subscribers": 3, "kept": 2}


def test_who_is_connected_is_not_left_out() -> None:
    directory, listing, _ = make(max_subscribers=2)
    directory.peer_up(C)
    directory.peer_up(B)
    directory.peer_down(B)
    directory.refresh(listing, 5.0)
    directory.found(RecordsFound(1, tuple(topic_record(node, "a.b", {"patterns": ["a.b"]}) for node in (A, B, C))))
    assert list(listing.nodes) == [C, A]


def test_one_lookup_at_a_time_and_none_while_the_list_is_young() -> None:
    directory, listing, actions = make()
    directory.refresh(listing, 5.0)
    directory.refresh(listing, 9.0)
    assert len(actions) == 1
    directory.found(RecordsFound(1, ()))
    directory.refresh(listing, 5.7)
    assert len(actions) == 1
    directory.refresh(listing, 5.75)
    assert isinstance(actions[1], FindRecords)
    directory.forget(listing)
    assert directory.found(RecordsFound(actions[1].token, ())) is None
    assert directory.found(RecordsFound(77, ())) is None
