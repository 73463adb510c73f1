from dataclasses import replace

import pytest

from macula_lab.matrix.conditions import PLAIN, Conditions
from macula_lab.matrix.outcome import Row, direct_after
from macula_lab.matrix.summary import Measure, Summary, percentile
from macula_lab.router.link.spec import LinkSpec
from matrix_builders import calls, good

DELAYED = Conditions(LinkSpec(delay=30))
LOSSY = Conditions(LinkSpec(delay=15, loss=2))


def row(first_ms: float, direct_s: float) -> Row:
    """A pair whose first call took so long, and which had its direct path so long after it was connected."""
    spoken = calls("relayed", *["direct"] * 59, latency_ms=first_ms)
    return replace(good("none", "symmetric"), forth=spoken, back=spoken, direct_s=direct_s)


def measures(rows: list[Row], conditions: Conditions = PLAIN) -> dict[str, Measure]:
    return {one.name: one for one in Summary(rows, conditions).measures}


def test_a_relay_round_trip_goes_twice_through_both_uplinks() -> None:
    assert DELAYED.relay_round_trip == pytest.approx(0.12)
    assert Conditions().relay_round_trip == 0


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([3, None, 1, 2], 50) == 2
    assert percentile(list(range(1, 101)), 95) == 95
    assert percentile([7], 95) == 7
    assert percentile([None], 50) is None


def test_the_first_reply_is_told_in_round_trips_where_there_is_a_delay() -> None:
    told = measures([row(360, 0.1), row(480, 0.1)], DELAYED)["first reply, from the first call"]
    assert told.measured == "p50 360 ms, p95 480 ms (3.0, 4.0 round trips)" and told.met
    assert not measures([row(481, 0.1)], DELAYED)["first reply, from the first call"].met
    for conditions in (PLAIN, LOSSY):
        assert measures([row(481, 0.1)], conditions)["first reply, from the first call"].met is None


def test_the_time_to_direct_has_its_goal_where_no_packet_vanishes() -> None:
    name = "direct, from the connection"
    assert measures([row(9, 0.45)], DELAYED)[name].met
    assert measures([row(9, 0.46)], DELAYED)[name].met is False
    assert measures([row(9, 0.46)], LOSSY)[name].met is None
    late = calls(*["relayed"] * 20, *["direct"] * 20)
    told = measures([replace(row(9, 0.1), forth=late)])["direct, from the first call"]
    assert told.measured == "p50 1.00 s, p95 1.00 s" and told.met is False


def test_the_share_of_direct_paths_counts_only_where_the_nats_allow_them() -> None:
    relayed = calls(*["relayed"] * 60)
    missed = replace(good("none", "symmetric"), forth=relayed, back=relayed)
    rows = [good("none", "symmetric")] * 49 + [missed, good("symmetric", "symmetric")]
    assert measures(rows)["direct where the NATs allow it"].measured == "49 of 50 (98.0 %)"
    assert not Summary(rows, Conditions()).enough
    assert Summary(rows, LOSSY).enough
    assert not Summary([*rows, missed], LOSSY).enough


def test_nothing_measured_is_told_as_such() -> None:
    told = measures([replace(good("symmetric", "symmetric"), forth=calls())])
    assert (
        told["direct, from the first call"].measured == told["first reply, from the first call"].measured == "nothing"
    )


def test_what_the_caller_tells_gives_the_time_from_the_connection() -> None:
    def chosen(path: str, ago: float) -> dict[str, object]:
        return {"verdict": "chosen", "path": path, "ago_s": ago}

    found = {"verdict": "found", "path": "direct", "ago_s": 2.8}
    assert direct_after({"decisions": [chosen("relayed", 3.0), found, chosen("direct", 2.75)]}) == 0.25
    assert direct_after({"decisions": [chosen("relayed", 3.0)]}) is None
    assert direct_after({"decisions": []}) is None
