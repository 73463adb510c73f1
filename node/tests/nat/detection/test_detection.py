"""A node finds out what it is behind: every kind of NAT, with the boxes of the simulator as the judge."""

from __future__ import annotations

import random

import pytest

from macula.core.address import Address
from macula.nat.info import NatInfo, NatType
from macula.nat.profile import PRESETS, Filtering, Input, Mapping, Ports, Profile, parse
from macula.nat.settings import NatSettings

from .scene import HOME, OUTSIDE, Host, Scene

FAMILIAR = {
    "none": NatType.NONE,
    "full_cone": NatType.FULL_CONE,
    "restricted": NatType.RESTRICTED,
    "port_restricted": NatType.PORT_RESTRICTED,
    "symmetric": NatType.SYMMETRIC,
    "symmetric_sequential": NatType.SYMMETRIC,
    "cgnat": NatType.PORT_RESTRICTED,
    "corporate": NatType.SYMMETRIC,
    "home": NatType.PORT_RESTRICTED,
}


def look(nat: str | Profile, *outer: str, seed: int = 1, loss: float = 0.0) -> tuple[NatInfo, Scene]:
    """What a node behind this NAT finds with the help of two observers."""
    scene = Scene(seed, loss=loss)
    one, two = scene.observer(2), scene.observer(3)
    home = scene.home(nat, *outer)
    scene.join(home, one, two)
    return scene.info(home), scene


@pytest.mark.parametrize("nat", PRESETS)
def test_every_familiar_nat_is_told(nat: str) -> None:
    info, _ = look(nat)
    profile = PRESETS[nat].profile

    assert info.type is FAMILIAR[nat]
    assert info.mapping is profile.mapping
    assert info.translated == profile.translates
    assert info.public is not None
    assert info.public.host == (OUTSIDE if profile.translates else HOME)
    if not profile.translates:
        assert info.name == "none"
        assert info.hairpin is None
        return
    assert (info.filtering, info.ports, info.hairpin) == (profile.filtering, profile.ports, profile.hairpin)
    assert (info.delta is not None) == (profile.ports is Ports.SEQUENTIAL)
    assert PRESETS[info.name].profile.mapping is profile.mapping
    if info.block is not None:
        assert profile.block[0] <= info.block[0] <= info.block[1] <= profile.block[1]


@pytest.mark.parametrize("hairpin", [False, True])
@pytest.mark.parametrize("ports", Ports)
@pytest.mark.parametrize("filtering", Filtering)
@pytest.mark.parametrize("mapping", Mapping)
def test_every_combination_is_told(mapping: Mapping, filtering: Filtering, ports: Ports, hairpin: bool) -> None:
    profile = Profile(mapping, filtering, ports, hairpin=hairpin)

    info, scene = look(profile, seed=random.Random(str(profile)).randrange(1000))

    assert (info.mapping, info.filtering, info.ports, info.hairpin) == (mapping, filtering, ports, hairpin)
    guards = mapping is Mapping.ENDPOINT_INDEPENDENT and filtering is not Filtering.ENDPOINT_INDEPENDENT
    assert info.input is (Input.DROP if guards else None)
    assert sum(scene.hosts[2].sent.values()) + scene.hosts[2].messages <= 45


@pytest.mark.parametrize("filtering", ["adf", "apdf"])
@pytest.mark.parametrize("ports", ["preserve", "random", "block"])
def test_a_fragile_nat_is_told(filtering: str, ports: str) -> None:
    info, _ = look(f"mapping=eim,filtering={filtering},ports={ports},input=accept")

    assert info.input is Input.ACCEPT
    assert info.facts.fragile
    assert info.profile is not None and info.profile.input is Input.ACCEPT


def test_a_sequence_tells_its_step() -> None:
    info, _ = look("symmetric_sequential")

    assert info.delta == 1
    assert info.facts.last_port == info.last_port > 0


def test_nats_behind_one_another_count_as_the_stricter() -> None:
    info, _ = look("full_cone", "symmetric")

    assert info.type is NatType.SYMMETRIC
    assert info.public is not None and info.public.host == OUTSIDE


@pytest.mark.parametrize("nat", ["full_cone", "restricted", "port_restricted", "mapping=adm,ports=random", "symmetric"])
@pytest.mark.parametrize("seed", range(4))
def test_lost_datagrams_do_not_look_like_a_filter(nat: str, seed: int) -> None:
    info, _ = look(nat, seed=seed, loss=0.1)
    profile = parse(nat)

    assert info.mapping in (profile.mapping, None)
    assert info.filtering in (profile.filtering, None)
    assert info.mapping is not None or info.filtering is not None


@pytest.mark.parametrize("nat", ["full_cone", "restricted", "port_restricted"])
def test_a_filter_is_told_right_where_datagrams_get_lost(nat: str) -> None:
    told = [look(nat, seed=seed, loss=0.05)[0].filtering for seed in range(40)]

    assert {one for one in told if one is not None} == {PRESETS[nat].profile.filtering}
    assert told.count(None) <= 2


@pytest.mark.parametrize("nat", ["full_cone", "restricted", "port_restricted", "home", "symmetric", "none"])
def test_a_far_observer_tells_the_same(nat: str) -> None:
    scene = Scene(delay=0.4)
    one, two = scene.observer(2), scene.observer(3)
    home = scene.home(nat)
    scene.join(home, one, two)
    info = scene.info(home, within=120.0)

    assert info.type is FAMILIAR[nat]
    assert bool(info.hairpin) == (nat == "home")


def test_a_hairpin_behind_a_filter_is_seen() -> None:
    scene = Scene()
    scene.filters_hairpin = True
    one, two = scene.observer(2), scene.observer(3)
    home = scene.home("home")
    scene.join(home, one, two)

    assert scene.info(home).hairpin is True


def test_two_sockets_ask_every_place() -> None:
    _, scene = look("port_restricted")

    assert scene.hosts[2].sent[Address("192.0.2.3", 9444)] == 2


def test_the_outside_address_is_that_of_the_mesh_s_own_socket() -> None:
    info, scene = look("port_restricted")
    box = scene.hosts[2].boxes[0]

    assert info.public == Address(OUTSIDE, 9443)
    assert box.outbound(Address(HOME, 9443), Address("192.0.2.2", 9443), scene.clock.now) == info.public


def test_one_observer_tells_what_can_be_told() -> None:
    scene = Scene()
    one = scene.observer(2)
    homes = {
        nat: scene.home(nat, host=f"10.0.0.{index}")
        for index, nat in enumerate(["none", "port_restricted", "full_cone", "symmetric"], 2)
    }
    for index, home in enumerate(homes.values()):
        home.boxes[0].outside = f"198.51.100.{index + 7}"
        scene.join(home, one)
    found = {nat: scene.info(home) for nat, home in homes.items()}

    assert found["none"].type is NatType.NONE
    assert found["symmetric"].type is NatType.SYMMETRIC
    assert found["port_restricted"].filtering is Filtering.ADDRESS_AND_PORT_DEPENDENT
    assert found["port_restricted"].type is found["full_cone"].type is NatType.UNKNOWN
    assert found["full_cone"].filtering is None
    assert all("second" in found[nat].note for nat in ("port_restricted", "full_cone", "symmetric"))


def test_where_nobody_answers_udp_is_blocked() -> None:
    scene = Scene()
    one = scene.observer(2)
    settings = NatSettings(measures=True, bootstraps=(Address(one.host, 9443), Address("a.name", 1)))
    home = scene.home("port_restricted,udp=blocked", settings=settings)

    info = scene.info(home)

    assert (info.type, info.public, info.observers) == (NatType.BLOCKED, None, ())
    assert str(Address(one.host, 9443)) in info.note
    assert not info.facts.udp
    assert home.sent.total() == 4


def test_a_node_that_knows_nobody_says_so() -> None:
    scene = Scene()
    home = scene.home("home")

    info = scene.info(home, within=0.1)

    assert info.type is NatType.UNKNOWN
    assert info.note


def test_a_bootstrap_that_lets_nobody_in_still_shows_the_outside_address() -> None:
    scene = Scene()
    one = scene.observer(2)
    settings = NatSettings(measures=True, bootstraps=(Address(one.host, 9443),))
    home = scene.home("port_restricted", settings=settings)

    info = scene.info(home)

    assert info.public == Address(OUTSIDE, 9443)


def test_a_firewall_without_translation_is_named_by_what_it_lets_in() -> None:
    scene = Scene()
    one, two = scene.observer(2), scene.observer(3)
    home = scene.home("none")
    contacts: set[tuple[Address, Address]] = set()

    def stateful(host: Host, source: Address, target: Address) -> bool:
        if host is home:
            contacts.add((target, source))
        return host is home or (source, target) in contacts

    scene.tap = stateful
    scene.join(home, one, two)
    info = scene.info(home)

    assert (info.translated, info.hairpin) == (False, None)
    assert info.type is NatType.PORT_RESTRICTED
    assert info.mapping is Mapping.ENDPOINT_INDEPENDENT


def test_an_observer_on_this_side_of_the_nat_shows_nothing_of_it() -> None:
    scene = Scene()
    one, two = scene.observer(2), scene.observer(3)
    home = scene.home("full_cone")
    inside = scene.observer(4)
    direct = inside.host
    send = scene._send

    def route(host: object, number: int, target: Address, data: bytes) -> None:
        if host is home and target.host == direct:
            scene._arrive([], home.sockets[number], target, data)
        else:
            send(host, number, target, data)  # type: ignore[arg-type]

    scene._send = route  # type: ignore[method-assign]
    scene.join(home, inside, one, two)
    info = scene.info(home)

    assert info.type is NatType.FULL_CONE
    assert info.mapping is Mapping.ENDPOINT_INDEPENDENT


def test_the_same_seed_gives_the_same_run() -> None:
    runs = []
    for _ in range(2):
        info, scene = look("symmetric_sequential", seed=5, loss=0.05)
        runs.append((info, scene.clock.now, scene.hosts[2].sent))

    assert runs[0] == runs[1]
