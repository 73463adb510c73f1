"""When a node looks at its NAT: triggers, restraint, the lifetime, and what it makes of falsehoods."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from macula.core.address import Address
from macula.core.events import PeerSuspect
from macula.core.requests import Draining
from macula.nat.info import NatType
from macula.nat.settings import NatSettings

from .scene import HOME, OUTSIDE, Scene, joined, peer_up


def test_it_measures_when_two_observers_are_there_and_nobody_asked() -> None:
    scene = Scene()
    one, two = scene.observer(2), scene.observer(3)
    home = scene.home("restricted")
    scene.join(home, one)
    scene.run(0.5)
    assert not home.sent
    scene.join(home, two)
    scene.run(5.0)

    assert home.service.info.type is NatType.RESTRICTED
    (trace,) = home.traces
    assert (trace.name, trace.fields["type"], trace.fields["public"]) == (
        "nat.detected",
        "restricted",
        f"{OUTSIDE}:9443",
    )


def test_the_outside_address_is_known_before_the_rest() -> None:
    scene = Scene()
    one, two = scene.observer(2), scene.observer(3)
    home = scene.home("symmetric")
    scene.join(home, one, two)
    scene.run(0.1)
    early = home.service.info
    scene.run(5.0)

    assert early.public == home.service.info.public
    assert early.mapping is None
    assert [trace.fields["type"] for trace in home.traces] == ["symmetric"]


def test_a_second_observer_that_comes_late_tells_more() -> None:
    scene = Scene()
    one, two = scene.observer(2), scene.observer(3)
    home = scene.home("full_cone")
    scene.join(home, one)
    scene.run(20.0)
    before = home.service.info
    scene.join(home, two)
    scene.run(20.0)

    assert (before.type, home.service.info.type) == (NatType.UNKNOWN, NatType.FULL_CONE)


def test_the_only_observer_names_another() -> None:
    scene = Scene()
    one, two = scene.observer(2), scene.observer(3)
    scene.join(one, two)
    one.tell(peer_up(two.host))
    home = scene.home("full_cone")
    scene.join(home, one)
    scene.run(10.0)

    assert home.learned == [two.node]
    assert home.service.info.type is NatType.FULL_CONE
    measured_at = home.service.info.at
    home.tell(peer_up(two.host))
    scene.run(30.0)
    assert home.service.info.at == measured_at, "it took part already"


def test_one_that_comes_up_under_the_measurement_that_asked_it_does_not_start_another() -> None:
    scene = Scene()
    one, two = scene.observer(2), scene.observer(3)
    one.tell(peer_up(two.host))
    home = scene.home("full_cone")
    scene.join(home, one)
    scene.run(1.1)
    home.tell(peer_up(two.host))
    scene.run(3.0)
    measured_at = home.service.info.at
    scene.run(30.0)

    assert home.service.info.type is NatType.FULL_CONE
    assert home.service.info.at == measured_at > 0


@pytest.mark.parametrize("record", [b"nonsense", b"\0" * 300])
def test_a_record_that_is_none_names_nobody(record: bytes) -> None:
    scene = Scene()
    one = scene.observer(2)
    up = peer_up("192.0.2.3")
    one.tell(replace(up, info=replace(up.info, record=replace(up.info.record, encoded=record))))
    home = scene.home("port_restricted")
    scene.join(home, one)
    scene.run(10.0)

    assert home.learned == []
    assert home.service.info.public == Address(OUTSIDE, 9443)


def test_what_is_known_is_told_at_once_and_measured_again_only_on_demand() -> None:
    scene, home, _, _ = joined("restricted")
    sent = home.sent.total()

    assert scene.info(home, within=0.0) is home.service.info
    assert home.sent.total() == sent
    again = scene.info(home, refresh=True)

    assert again.at > 0 and home.sent.total() > sent
    assert again.type is NatType.RESTRICTED


def test_two_who_ask_at_the_same_time_share_a_measurement() -> None:
    scene, home, _, _ = joined("restricted")
    sent = home.sent.total()
    ids = [home.ask(refresh=True), home.ask(refresh=True)]
    scene.run(10.0)

    assert home.completed[ids[0]] is home.completed[ids[1]]
    assert home.sent.total() - sent < 40


def test_another_outside_address_is_noticed_and_measured() -> None:
    scene, home, _, _ = joined("port_restricted")
    scene.run(15.0)
    home.boxes[0].reboot("198.51.100.99")
    scene.run(40.0)

    assert home.service.info.public == Address("198.51.100.99", 9443)
    assert [trace.name for trace in home.traces] == ["nat.detected", "nat.detected"]


def test_a_connection_in_doubt_makes_it_look_soon() -> None:
    scene, home, one, _ = joined("port_restricted")
    scene.run(11.0)
    home.boxes[0].reboot("198.51.100.99")
    home.tell(PeerSuspect(one.node, suspect=True))
    scene.run(3.0)

    assert home.service.info.public == Address("198.51.100.99", 9443)


def test_another_outside_address_is_told_before_it_may_be_measured_again() -> None:
    scene, home, one, _ = joined("port_restricted")
    scene.run(6.0)
    home.boxes[0].reboot("198.51.100.99")
    home.tell(PeerSuspect(one.node, suspect=True))
    scene.run(1.0)

    assert home.service.info.public == Address("198.51.100.99", 9443)
    assert len(home.traces) == 1, "it was measured only before"
    scene.run(20.0)
    assert len(home.traces) == 2


def test_the_newest_mapping_is_looked_at_on_demand() -> None:
    scene, home, _, _ = joined("symmetric_sequential")
    scene.run(145.0)
    before, sent = home.service.info, home.sent.total()
    scene.carry_out(home, home.service.look(scene.clock.now))
    scene.carry_out(home, home.service.look(scene.clock.now))
    scene.run(1.0)
    after = home.service.info
    outside = home.boxes[0].outbound(Address(HOME, 777), Address("192.0.2.77", 7), scene.clock.now)

    assert after is not before
    assert outside is not None and outside.port == after.last_port + 1
    assert home.sent.total() == sent + 1
    assert len(home.sockets) == 1


def test_where_nobody_answers_the_newest_mapping_is_unknown() -> None:
    scene, home, _, _ = joined("symmetric_sequential")
    scene.run(150.0)
    assert home.service.info.last_port > 0
    scene.tap = lambda host, source, target: False
    scene.carry_out(home, home.service.look(scene.clock.now))
    scene.run(30.0)

    assert home.service.info.last_port == 0


def test_too_little_is_looked_at_again_after_a_while() -> None:
    scene = Scene()
    one, two = scene.observer(2), scene.observer(3)
    home = scene.home("full_cone")
    scene.join(home, one, two)
    scene.run(0.11)
    scene.tap = lambda host, source, target: host is home and target.port != 9443
    before = scene.info(home, within=120.0)
    scene.tap = lambda host, source, target: True
    scene.run(330.0)

    assert before.type in (NatType.UNKNOWN, NatType.BLOCKED)
    assert home.service.info.type is NatType.FULL_CONE


def test_an_address_that_changes_all_the_time_does_not_make_it_busy() -> None:
    scene, home, one, _ = joined("port_restricted")
    scene.run(130.0)
    home.traces.clear()
    for number in range(60):
        home.boxes[0].reboot(f"198.51.100.{number + 100}")
        home.tell(PeerSuspect(one.node, suspect=True))
        scene.run(1.0)

    assert 4 <= len(home.traces) <= 6


def test_peers_in_doubt_all_the_time_do_not_make_it_busy() -> None:
    scene, home, one, _ = joined("port_restricted")
    scene.run(200.0)
    sent = home.sent.total()
    for number in range(100):
        home.tell(PeerSuspect(one.node, suspect=number % 2 == 0))
        scene.run(0.1)

    assert 2 <= home.sent.total() - sent <= 5


def test_another_outside_port_is_told_without_measuring_again() -> None:
    scene, home, _, _ = joined("port_restricted")
    scene.run(200.0)
    first = home.service.info
    home.boxes[0].reboot()
    home.boxes[0].outbound(Address("10.0.0.3", 9443), Address("192.0.2.2", 9443), scene.clock.now)
    scene.run(31.0)
    moved = home.service.info

    assert first.public == Address(OUTSIDE, 9443)
    assert moved.public is not None and moved.public.port != 9443
    assert moved.at == first.at
    assert home.traces[-1].name == "nat.port_changed"


def test_one_that_rests_sends_a_datagram_in_half_a_minute() -> None:
    scene, home, _, _ = joined("port_restricted")
    scene.run(200.0)
    sent = home.sent.total()
    scene.run(300.0)

    assert home.sent.total() - sent <= 10
    assert len(home.sockets) == 1, "every socket of a measurement is closed again"


@pytest.mark.parametrize(
    ("lifetime", "bracket"),
    [(15, (0.0, 20.0)), (25, (20.0, 30.0)), (61, (60.0, 90.0)), (118, (90.0, 120.0)), (200, (120.0, None))],
)
@pytest.mark.parametrize("nat", ["port_restricted", "symmetric"])
def test_the_lifetime_of_idle_mappings_is_found_in_the_background(
    nat: str, lifetime: int, bracket: tuple[float, float | None]
) -> None:
    scene, home, _, _ = joined(f"{nat},lifetime={lifetime}")
    sent = home.sent.total() + home.messages
    scene.run(NatSettings().calm + 130.0)

    assert home.service.info.lifetime == bracket
    assert home.sent.total() + home.messages - sent <= 30
    assert scene.info(home, refresh=True).lifetime == bracket
    scene.run(3.0)
    assert len(home.sockets) == 1, "it is not measured again"


def test_a_node_in_the_open_has_no_lifetime_to_look_for() -> None:
    scene, home, _, _ = joined("none")
    sent = home.sent.total()
    scene.run(130.0)

    assert home.service.info.lifetime is None
    assert home.sent.total() - sent <= 5


def test_an_observer_that_dies_under_a_measurement_leaves_the_rest_unknown() -> None:
    scene = Scene()
    one, two = scene.observer(2), scene.observer(3)
    home = scene.home("full_cone")
    scene.join(home, one, two)
    scene.run(0.11)
    scene.tap = lambda host, source, target: host is not one and target.host != one.host
    info = scene.info(home, within=120.0)

    assert info.filtering is None
    assert len(home.sockets) == 1
    assert home.sent.total() + home.messages <= 80


def test_a_node_that_stops_answers_who_waits_and_closes_its_sockets() -> None:
    scene = Scene()
    one, two = scene.observer(2), scene.observer(3)
    home = scene.home("symmetric")
    scene.join(home, one, two)
    id_ = home.ask()
    scene.run(0.11)
    assert len(home.sockets) > 1
    home.tell(Draining())
    scene.run(0.1)
    sent = home.sent.total()
    scene.run(300.0)

    assert home.completed[id_].type is NatType.UNKNOWN
    assert len(home.sockets) == 1
    assert home.sent.total() == sent
