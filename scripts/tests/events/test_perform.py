"""The table of events, their words, and the record of those that happened."""

import json
import time

import pytest

from fake_lab import FakeEngine
from macula_lab.errors import LabError
from macula_lab.events import journal
from macula_lab.events.event import Event, Happened
from macula_lab.events.perform import KINDS, event, perform, table


def test_the_table_has_each_event_with_what_it_takes_on_a_line() -> None:
    lines = table().splitlines()
    assert len(lines) == len(KINDS) == 16
    assert "  roam SERVICE NETWORK [ADDRESS]    the host moves" in table()


def test_an_unknown_event_lists_all() -> None:
    with pytest.raises(LabError, match="there is no event 'reboot'") as caught:
        event("reboot", "nat_a")
    assert caught.value.next_step.endswith(table())


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (("nat-reboot", ""), "nat-reboot ROUTER"),
        (("kill", "edge_a", ["now"]), "kill SERVICE"),
        (("roam", "edge_a"), "roam SERVICE NETWORK [ADDRESS]"),
        (("roam", "edge_a", ["lan_b", "172.24.2.9", "x"]), "roam SERVICE NETWORK [ADDRESS]"),
        (("wan-change", "nat_a", ["172.24.0.9", "x"]), "wan-change ROUTER [ADDRESS]"),
    ],
)
def test_words_too_few_or_too_many_tell_the_usage(words: tuple[str, ...], usage: str) -> None:
    with pytest.raises(LabError) as caught:
        event(*words)
    assert caught.value.next_step == usage


def test_what_happened_is_told_and_recorded_with_its_time(lab: FakeEngine) -> None:
    lab.routers["nat_a"].mappings = 7
    before = time.time()
    first = perform(lab, event("nat-reboot", "nat_a"))
    second = perform(lab, event("roam", "edge_a", ["lan_b", "172.24.2.200"]))
    assert first.changes == ("nat_a: 7 mappings forgotten",)
    assert before <= first.time <= second.time <= time.time()
    assert journal.read(lab.project) == [first, second]
    assert [str(one.event) for one in journal.read(lab.project)] == [
        "nat-reboot nat_a",
        "roam edge_a lan_b 172.24.2.200",
    ]
    assert len(journal.journal(lab.project).read_text().splitlines()) == 2


def test_an_event_that_cannot_happen_is_not_recorded(lab: FakeEngine) -> None:
    with pytest.raises(LabError):
        perform(lab, event("kill", "nobody"))
    assert journal.read(lab.project) == []


def test_a_project_that_begins_anew_has_no_past(lab: FakeEngine) -> None:
    perform(lab, event("link-down", "edge_a"))
    journal.forget(lab.project)
    assert journal.read(lab.project) == []
    assert journal.kept_routes(lab.project, "edge_a eth0") == []


def test_the_record_can_be_read_back() -> None:
    happened = Happened(1_763_740_800.25, 0.5, Event("roam", "edge_a", ("lan_b",)), ("edge_a: moved",))
    assert Happened.from_json(json.loads(json.dumps(happened.to_json()))) == happened
