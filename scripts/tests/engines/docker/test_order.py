"""In which order services start, and what they wait for."""

import threading

import pytest

from macula_lab.engines.docker.order import Condition, Needs, needs, start_in_order, with_dependencies
from macula_lab.errors import LabError

DOCUMENT = {
    "services": {
        "db": {"image": "x"},
        "migration": {"depends_on": {"db": {"condition": "service_healthy"}}},
        "web": {"depends_on": {"migration": {"condition": "service_completed_successfully"}, "db": {}}},
        "proxy": {"depends_on": ["web"]},
        "sniffer": {"network_mode": "service:web", "links": ["db:store"]},
    }
}


def everybody_is_ready(_service: str, _condition: Condition) -> bool:
    return True


def test_what_each_service_needs() -> None:
    assert needs(DOCUMENT) == {
        "db": {},
        "migration": {"db": Condition.HEALTHY},
        "web": {"migration": Condition.COMPLETED, "db": Condition.STARTED},
        "proxy": {"web": Condition.STARTED},
        "sniffer": {"web": Condition.STARTED, "db": Condition.STARTED},
    }


def test_a_service_comes_with_all_that_it_depends_on() -> None:
    assert with_dependencies(["migration"], needs(DOCUMENT)) == {"migration", "db"}
    assert with_dependencies(["proxy"], needs(DOCUMENT)) == {"proxy", "web", "migration", "db"}
    assert with_dependencies([], needs(DOCUMENT)) == set()


def test_nobody_starts_before_what_it_depends_on() -> None:
    started: list[str] = []

    start_in_order(needs(DOCUMENT), started.append, everybody_is_ready)

    assert started[:3] == ["db", "migration", "web"]
    assert sorted(started[3:]) == ["proxy", "sniffer"]


def test_what_does_not_depend_on_each_other_starts_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=5)

    def start(_service: str) -> None:
        both.wait()

    start_in_order({"a": {}, "b": {}}, start, everybody_is_ready)

    assert not both.broken


def test_one_that_must_be_healthy_is_waited_for() -> None:
    asked: list[tuple[str, Condition]] = []
    started: list[str] = []

    def healthy_at_the_third_look(service: str, condition: Condition) -> bool:
        asked.append((service, condition))
        return len(asked) == 3

    start_in_order({"db": {}, "web": {"db": Condition.HEALTHY}}, started.append, healthy_at_the_third_look)

    assert started == ["db", "web"]
    assert asked == [("db", Condition.HEALTHY)] * 3


def test_what_depends_on_something_that_is_not_started_now_does_not_wait_for_it() -> None:
    started: list[str] = []

    start_in_order({"web": {"db": Condition.STARTED}}, started.append, everybody_is_ready)

    assert started == ["web"]


@pytest.mark.parametrize("needed", [{"a": {}, "b": {}}, {"a": {}, "b": {"a": Condition.STARTED}}])
def test_a_failure_ends_it(needed: Needs) -> None:
    def fail(service: str) -> None:
        raise LabError(f"{service} does not start")

    with pytest.raises(LabError, match="a does not start"):
        start_in_order({"a": needed["a"]}, fail, everybody_is_ready)
    with pytest.raises(LabError, match="does not start"):
        start_in_order(needed, fail, everybody_is_ready)


def test_one_that_will_never_be_healthy_ends_it() -> None:
    def never(service: str, _condition: Condition) -> bool:
        raise LabError(f"others wait for {service}, which is unhealthy")

    with pytest.raises(LabError, match="others wait for db"):
        start_in_order({"db": {}, "web": {"db": Condition.HEALTHY}}, lambda _service: None, never)
