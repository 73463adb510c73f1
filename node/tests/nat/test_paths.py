"""Which path carries a connection, at literal times."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from macula.core.address import Address
from macula.core.route import Relayed
from macula.identity import NodeId
from macula.nat.decisions import DecisionLog, Verdict
from macula.nat.paths import Gone, Heartbeat, PathAction, Paths, PathSettings, Use
from macula.nat.punching.candidates import Tier

PEER = NodeId(b"\x09" * 32)
RELAY, OTHER_RELAY = Relayed(NodeId(b"\x01" * 32), PEER), Relayed(NodeId(b"\x02" * 32), PEER)
TUNNEL = Address("203.0.113.1", 443).tunnel(443)
ONE, TWO, THREE, LAN = (Address(f"203.0.113.{n}", 1) for n in (1, 2, 3, 4))


def paths() -> Paths:
    """Of a peer that is relayed so far."""
    made = Paths()
    made.moved(RELAY)
    return made


def verdicts(of: Paths) -> list[tuple[Verdict, object]]:
    return [(one.verdict, one.route) for one in of.log.decisions]


def run(of: Paths, start: float, seconds: float, answers: dict[Address, float], lost: float = 0.0) -> list[PathAction]:
    """Tick at each deadline; heartbeats to addresses in `answers` come back after so many seconds."""
    out: list[PathAction] = []
    flying: list[tuple[float, Address]] = []
    now = start
    while True:
        at = min([*(t for t, _ in flying), *([d] if (d := of.next_deadline()) is not None else [])], default=None)
        if at is None or at > start + seconds:
            return out
        now = max(now, at)
        done = []
        for one in [one for one in flying if one[0] <= now]:
            flying.remove(one)
            done += of.found(one[1], Tier.IPV4, answers[one[1]], now)
        done += of.tick(now)
        for action in done:
            if isinstance(action, Heartbeat) and action.address in answers:
                flying.append((now + answers[action.address], action.address))
        out += done


def test_a_direct_path_takes_over_from_the_relay_at_once() -> None:
    of = paths()
    assert of.found(ONE, Tier.IPV4, 0.2, 1.0) == [Use(ONE)]
    assert of.current == ONE
    assert [one.reason for one in of.log.decisions] == ["direct by IPv4, 200 ms", "direct by IPv4 instead of a relay"]


def test_within_a_tier_five_milliseconds_are_needed() -> None:
    of = paths()
    of.found(ONE, Tier.IPV4, 0.030, 1.0)
    assert of.found(TWO, Tier.IPV4, 0.026, 1.0) == []
    assert of.found(THREE, Tier.IPV4, 0.025, 1.0) == [Use(THREE)]
    assert of.log.decisions[-2].reason == "5 ms shorter"


def test_a_better_tier_wins_though_it_is_slower() -> None:
    of = paths()
    of.found(ONE, Tier.IPV4, 0.010, 1.0)
    assert of.found(TWO, Tier.IPV6, 0.050, 1.0) == [Use(TWO)]
    assert of.found(LAN, Tier.LAN, 0.090, 1.0) == [Use(LAN)]
    assert of.found(THREE, Tier.IPV4, 0.001, 1.0) == []
    assert of.log.decisions[-1].verdict is Verdict.ABANDONED


def test_one_path_is_kept_in_reserve() -> None:
    of = paths()
    for address, rtt in ((ONE, 0.03), (TWO, 0.04), (THREE, 0.05)):
        of.found(address, Tier.IPV4, rtt, 1.0)
    assert [path.address for path in of.direct] == [ONE, TWO]
    assert (Verdict.ABANDONED, THREE) in verdicts(of)


def test_idle_paths_are_asked_every_five_seconds() -> None:
    of = paths()
    of.found(ONE, Tier.IPV4, 0.03, 0.0)
    assert of.next_deadline() == 5.0
    actions = run(of, 0.0, 60.0, {ONE: 0.03})
    assert actions == [Heartbeat(ONE)] * 11
    assert of.current == ONE


def test_a_silent_path_is_dead_after_fifteen_seconds_and_the_relay_takes_over() -> None:
    of = paths()
    of.found(ONE, Tier.IPV4, 0.03, 0.0)
    actions = run(of, 0.0, 14.9, {})
    assert Use(RELAY) not in actions
    actions = run(of, 14.9, 0.2, {})
    assert actions == [Gone(ONE, True), Use(RELAY)]
    assert of.current == RELAY
    assert "heartbeats unanswered, silent for 15.0 s" in of.log.decisions[-2].reason
    assert of.log.decisions[-1].reason == "no direct path is left"
    assert of.found(ONE, Tier.IPV4, 0.03, 20.0) == [Use(ONE)]


def test_a_lost_heartbeat_or_two_are_no_reason() -> None:
    of = paths()
    of.found(ONE, Tier.IPV4, 0.03, 0.0)
    run(of, 0.0, 12.0, {})
    assert run(of, 12.0, 60.0, {ONE: 0.03})
    assert of.current == ONE


def test_with_data_unacknowledged_a_relay_carries_it_at_once_and_a_dead_path_is_given_up_soon() -> None:
    of = paths()
    of.found(ONE, Tier.IPV4, 0.06, 0.0)
    assert of.suspect(True, 1.0) == [Heartbeat(ONE), Use(RELAY)]
    assert of.log.decisions[-1].reason == "the direct path is silent"
    assert of.suspect(True, 1.1) == []
    assert run(of, 1.0, 0.5, {}) == [Heartbeat(ONE), Gone(ONE, True)]


def test_without_a_relay_a_silent_path_is_used_until_it_is_dead() -> None:
    of = Paths()
    of.found(ONE, Tier.IPV4, 0.06, 0.0)
    assert of.suspect(True, 1.0) == [Heartbeat(ONE)]
    assert of.current == ONE
    of.suspect(False, 1.1)
    of.moved(RELAY)
    assert run(of, 1.0, 4.0, {}) == [] and of.current == ONE


def test_even_a_slow_path_is_given_up_within_two_seconds() -> None:
    of = paths()
    of.found(ONE, Tier.IPV4, 0.6, 0.0)
    of.suspect(True, 1.0)
    assert Gone(ONE, True) in run(of, 1.0, 1.51, {})


def test_the_reserve_takes_over_from_the_relay_when_it_answers() -> None:
    of = paths()
    of.found(ONE, Tier.IPV4, 0.03, 0.0)
    of.found(TWO, Tier.IPV4, 0.04, 0.0)
    assert of.suspect(True, 1.0) == [Heartbeat(ONE), Heartbeat(TWO), Use(RELAY)]
    assert of.found(TWO, Tier.IPV4, 0.04, 1.04) == [Use(TWO)]
    actions = run(of, 1.0, 2.0, {TWO: 0.04})
    assert [one for one in actions if not isinstance(one, Heartbeat)] == [Gone(ONE, False)]


def test_a_path_that_answers_when_questioned_is_used_again() -> None:
    of = paths()
    of.found(ONE, Tier.IPV4, 0.03, 0.0)
    of.suspect(True, 1.0)
    assert of.found(ONE, Tier.IPV4, 0.03, 1.03) == [Use(ONE)]
    assert of.next_deadline() == 6.03
    of.suspect(True, 2.0)
    of.suspect(False, 2.05)
    assert of.current == RELAY and of.direct[0].questioned, "it is the relay that carries what is acknowledged"


def test_a_node_that_was_paused_asks_before_it_decides() -> None:
    of = paths()
    of.found(ONE, Tier.IPV4, 0.03, 0.0)
    assert of.tick(60.0) == [Heartbeat(ONE)]
    assert of.current == ONE
    assert of.found(ONE, Tier.IPV4, 0.03, 60.03) == []
    assert of.tick(200.0) == [Heartbeat(ONE)]
    assert Use(RELAY) in run(of, 200.0, 1.0, {})
    of.found(ONE, Tier.IPV4, 0.03, 300.0)
    of.suspect(True, 301.0)
    assert of.tick(400.0) == [Heartbeat(ONE)]
    assert of.found(ONE, Tier.IPV4, 0.03, 400.03) == [Use(ONE)]


def test_a_peer_that_appears_elsewhere_may_have_moved() -> None:
    of = paths()
    of.found(ONE, Tier.IPV4, 0.03, 0.0)
    assert of.found(TWO, Tier.IPV4, 0.03, 0.5) == []
    assert of.found(THREE, Tier.IPV4, 0.03, 4.0) == [Heartbeat(ONE)]
    assert run(of, 4.0, 0.5, {})[-1] == Use(TWO)


def test_when_the_network_changes_all_are_asked() -> None:
    of = paths()
    of.found(ONE, Tier.IPV4, 0.03, 0.0)
    assert of.network_changed(1.0) == [Heartbeat(ONE)]
    assert of.log.decisions[-1].reason == "the network changed"


def test_the_newest_relay_that_is_left_is_the_fall_back() -> None:
    of = paths()
    of.moved(OTHER_RELAY)
    of.found(ONE, Tier.IPV4, 0.03, 0.0)
    of.moved(RELAY)
    assert of.current == ONE
    of.relay_gone(RELAY.relay, 1.0)
    assert of.current == ONE
    assert run(of, 0.0, 20.0, {})[-1] == Use(OTHER_RELAY)
    of.relay_gone(OTHER_RELAY.relay, 21.0)
    assert of.current is None
    assert of.log.decisions[-1].reason == "the relay is gone"
    of.moved(RELAY)
    assert of.current == RELAY


def test_a_tunnel_is_the_fall_back_where_there_is_no_relay() -> None:
    of = Paths()
    of.moved(TUNNEL)
    assert of.found(ONE, Tier.IPV4, 0.02, 0.0) == [Use(ONE)]
    assert of.log.decisions[-1].reason == "direct by IPv4 instead of a tunnel"
    assert of.suspect(True, 1.0) == [Heartbeat(ONE), Use(TUNNEL)]
    assert run(of, 1.0, 1.0, {}) == [Heartbeat(ONE), Gone(ONE, True)]
    assert of.found(ONE, Tier.IPV4, 0.02, 5.0) == [Use(ONE)]
    of.moved(RELAY)
    assert of.suspect(True, 6.0)[-1] == Use(RELAY), "a relay may be reached by UDP"


def test_a_dialed_path_is_asked_once_and_when_it_is_questioned() -> None:
    of = Paths()
    of.dialed(ONE, Tier.IPV4, 0.0)
    assert of.next_deadline() is None
    of.found(ONE, Tier.IPV4, 0.02, 0.02)
    assert of.next_deadline() is None
    assert of.suspect(True, 100.0) == [Heartbeat(ONE)]
    of.suspect(False, 100.1)
    assert of.next_deadline() is None
    of.suspect(True, 200.0)
    assert run(of, 200.0, 1.0, {}) == [Heartbeat(ONE), Gone(ONE, True)]
    assert of.current is None


def test_a_dialed_path_may_be_replaced() -> None:
    of = Paths()
    assert of.dialed(ONE, Tier.IPV4, 0.0) == [Heartbeat(ONE)]
    assert of.dialed(ONE, Tier.IPV4, 0.1) == []
    assert of.found(ONE, Tier.IPV4, 0.02, 0.02) == []
    assert of.direct[0].rtt == 0.02
    assert of.found(TWO, Tier.IPV4, 0.019, 1.0) == []
    assert of.current == ONE


def test_round_trips_are_smoothed() -> None:
    of = Paths(PathSettings(hysteresis=0.005))
    of.found(ONE, Tier.IPV4, 0.030, 0.0)
    of.found(TWO, Tier.IPV4, 0.030, 0.0)
    assert of.found(TWO, Tier.IPV4, 0.014, 1.0) == []
    assert of.found(TWO, Tier.IPV4, 0.014, 2.0) == [Use(TWO)]


def test_the_log_is_bounded_and_counts_what_repeats() -> None:
    log = DecisionLog()
    for n in range(1000):
        log.add(float(n), Verdict.FAILED, None, "the same")
    (one,) = log.decisions
    assert (one.count, one.at) == (1000, 999.0)
    for n in range(1000):
        log.add(float(n), Verdict.FAILED, None, f"another {n}")
    assert len(log.decisions) == 64
    assert log.decisions[-1].reason == "another 999"


events = st.tuples(
    st.sampled_from(["found", "suspect", "calm", "changed", "relayed", "gone", "moved", "dialed", "tick", "tick"]),
    st.sampled_from([ONE, TWO, THREE, LAN]),
    st.sampled_from(list(Tier)[:3]),
    st.floats(0.0, 2.0),
    st.sampled_from([0.0, 0.01, 0.3, 4.0, 40.0]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(events, max_size=30))
def test_whatever_happens_the_state_is_sound(happened: list[tuple[str, Address, Tier, float, float]]) -> None:
    of, now, used = paths(), 0.0, None
    for what, address, tier, rtt, after in happened:
        now += after
        match what:
            case "found":
                out = of.found(address, tier, rtt, now)
            case "suspect" | "calm":
                out = of.suspect(what == "suspect", now)
            case "changed":
                out = of.network_changed(now)
            case "relayed":
                out = []
                of.moved(OTHER_RELAY)
            case "gone":
                out = []
                of.relay_gone(RELAY.relay, now)
            case "moved":
                out = []
                of.moved(RELAY)
            case "dialed":
                out = of.dialed(address, tier, now)
            case _:
                out = of.tick(now)
        for action in out:
            if isinstance(action, Use):
                used = action.route
                assert of.current == used
        assert len(of.direct) <= 4
        assert sum(isinstance(one, Use) for one in out) <= 1
        at = of.next_deadline()
        assert (at is None) is all(path.dialed and not path.questioned for path in of.direct)
        if what == "tick":
            assert at is None or at > now, "livelock"
        if not all(path.silent for path in of.direct):
            assert isinstance(of.current, Address)
