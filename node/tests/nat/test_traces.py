"""What is told of a peer that becomes direct, falls back, or stays relayed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from macula.core.effects import Trace
from macula.nat.facts import Facts, NatClass
from macula.nat.profile import PRESETS, Filtering, Mapping, Ports

from .duo import Duo
from .punching.pair import KINDS


def told(duo: Duo, name: str) -> list[Trace]:
    return [trace for trace in duo.a.traces if trace.name == name]


def met(a: str, b: str) -> Duo:
    duo = Duo(KINDS.get(a, a), KINDS.get(b, b))
    duo.connect()
    duo.run(2.0)
    return duo


def test_a_punch_that_succeeds_is_told_from_its_first_probes_to_the_time_to_direct() -> None:
    duo = met("restricted", "port_restricted")
    assert [trace.name for trace in duo.a.traces] == ["punch.started", "path.chosen", "punch.succeeded"]
    started, chosen, succeeded = duo.a.traces
    peer = duo.b.identity.node_id
    pair = {"peer": peer, "mine": "restricted", "theirs": "port_restricted"}
    assert started.fields == pair
    assert succeeded.fields == {**pair, "reason": "a path of tier ipv4 was found"}
    assert succeeded.measurements["rounds"] == 1 and succeeded.measurements["probes"] >= 1
    assert succeeded.measurements["duration"] > 0
    assert (chosen.fields["peer"], chosen.fields["before"], chosen.fields["path"]) == (peer, "relayed", "direct")
    ((moved, route),) = duo.a.routes
    assert chosen.fields["route"] == str(route)
    assert chosen.measurements["duration"] == pytest.approx((moved - duo.pair.began) * 1000)


def test_a_punch_that_fails_says_why() -> None:
    duo = met("symmetric", "port_restricted")
    (started,), (failed,) = told(duo, "punch.started"), told(duo, "punch.failed")
    assert started.fields == {key: failed.fields[key] for key in ("peer", "mine", "theirs")}
    assert (failed.fields["mine"], failed.fields["theirs"]) == ("symmetric", "port_restricted")
    assert "random" in str(failed.fields["reason"])
    assert failed.measurements["duration"] > 0
    assert not told(duo, "path.chosen")


def test_each_kind_of_path_has_its_time() -> None:
    duo = met("port_restricted", "port_restricted")
    duo.pair.boxes[0].reboot("203.0.113.99")
    # Three probe time-outs of QUIC.
    duo.run(0.5)
    duo.suspect()
    duo.run(1.5)
    duo.a.know()
    duo.run(1.0)
    kinds = [(trace.fields["before"], trace.fields["path"]) for trace in told(duo, "path.chosen")]
    assert kinds == [("relayed", "direct"), ("direct", "relayed"), ("relayed", "direct")]
    times = [trace.measurements["duration"] / 1000 for trace in told(duo, "path.chosen")]
    moments = [duo.pair.began, *(at for at, _ in duo.a.routes)]
    assert times == pytest.approx([after - before for before, after in pairwise(moments)])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("full_cone", NatClass.OPEN),
        ("restricted", NatClass.RESTRICTED),
        ("port_restricted", NatClass.PORT_RESTRICTED),
        ("cgnat", NatClass.PORT_RESTRICTED),
        ("symmetric", NatClass.SYMMETRIC),
        ("symmetric_sequential", NatClass.SYMMETRIC_SEQUENTIAL),
    ],
)
def test_familiar_nats_have_their_class(name: str, expected: NatClass) -> None:
    profile = PRESETS[name].profile
    assert Facts(profile.mapping, profile.filtering, profile.ports).nat_class is expected


def test_what_is_not_known_is_no_class() -> None:
    assert Facts(udp=False).nat_class is NatClass.BLOCKED
    assert Facts(Mapping.ENDPOINT_INDEPENDENT).nat_class is NatClass.UNKNOWN
    assert Facts(filtering=Filtering.ADDRESS_DEPENDENT, ports=Ports.RANDOM).nat_class is NatClass.UNKNOWN


def test_another_look_at_a_peer_that_is_direct_all_the_time_is_no_punch() -> None:
    duo = Duo(KINDS["port_restricted"], KINDS["none"])
    server, seen = duo.b.peer.host.address, duo.a.peer.outside(9443)
    assert seen is not None
    for node in (duo.a, duo.b):
        node.know()
    duo.a.peer.host.send(server, b"dial")
    duo.a.connect(server)
    duo.b.connect(seen)
    duo.run(4.0)
    before = duo.a.probes + duo.b.probes
    for node in (duo.a, duo.b):
        side = node.peer.side()
        node.do(node.service.know(replace(side, facts=replace(side.facts, mapping=None)), duo.now))
        duo.run(20.0)
    assert duo.a.probes + duo.b.probes > before, "they did look"
    assert [trace.name for trace in duo.a.traces + duo.b.traces if trace.name.startswith("punch.")] == []
