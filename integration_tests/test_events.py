"""Events while a lab runs: what each does is seen from elsewhere than from where it was done."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from asking import WHOAMI, eventually
from inside import REFUSAL, Answer, ask_tcp, ask_udp, inside, open_socket, reflector_outside
from labs import Labs, asked, macula, refused, router
from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.events import journal
from macula_lab.events.perform import event, perform
from macula_lab.records import Record, forget, save

PORT = 7010
"""Where the reflector outside answers."""

BOUND = 5000
"""The port from which hosts inside ask it."""


@pytest.fixture(params=["netns", "docker"])
def lab(request: pytest.FixtureRequest, labs: Labs) -> Engine:
    """compose/nat-pair.yaml on each engine; every test leaves it as it was."""
    return labs.up(request.param, "nat-pair")


@pytest.fixture
def outside(lab: Engine) -> Iterator[str]:
    """The address of a reflector in the public network."""
    with reflector_outside(lab, PORT) as address:
        yield address


@pytest.fixture
def edge_b(lab: Engine) -> Iterator[str]:
    """The id of edge_b, which everybody can call before and after the test."""
    yield connected_edge_b(lab)
    if not lab.hosts()["edge_b"].running:
        lab.restart("edge_b")


@contextmanager
def becoming(lab: Engine, nat: str, spec: str) -> Iterator[None]:
    """Another NAT for the block."""
    for before_or_after in (spec, lab.plan.services[nat].environment["NAT"]):
        done = lab.execute(nat, ["macula-router", "apply", "--nat", before_or_after])
        assert done.code == 0, done.stderr
        if before_or_after is spec:
            yield


def happens(lab: Engine, kind: str, target: str, *arguments: str) -> list[str]:
    """Perform an event; what it says changed."""
    return list(perform(lab, event(kind, target, arguments)).changes)


def seen(lab: Engine, edge: str, outside: str) -> str:
    """The address and port at which the outside sees an edge."""
    answer = ask_udp(inside(lab, edge), outside, PORT, bound=BOUND)
    assert answer, f"{edge} gets no answer"
    return answer.seen


def answered(lab: Engine, edge: str, outside: str) -> Answer | None:
    """What the outside answers, if anything comes back within REFUSAL seconds."""
    return ask_udp(inside(lab, edge), outside, PORT, bound=BOUND, patience=REFUSAL)


def address_of(lab: Engine, service: str, network: str) -> str:
    return str(lab.plan.services[service].networks[network])


def test_a_symmetric_nat_that_reboots_takes_another_port(lab: Engine, outside: str) -> None:
    with becoming(lab, "nat_a", "symmetric"):
        first = seen(lab, "edge_a", outside)
        assert first == seen(lab, "edge_a", outside), "a mapping that lives is used again"

        (told,) = happens(lab, "nat-reboot", "nat_a")

        assert re.fullmatch(r"nat_a: [1-9]\d* mappings? forgotten", told)
        second = seen(lab, "edge_a", outside)
        assert second.partition(":")[0] == first.partition(":")[0]
        assert second != first


def test_a_hole_is_shut_when_the_nat_reboots(lab: Engine, outside: str) -> None:
    (stranger,) = lab.plan.free_addresses("public", 2)[1:]
    helper = lab.helper("stranger", {"public": stranger})
    try:
        with (
            becoming(lab, "nat_b", "full_cone"),
            open_socket(lab, "edge_b", IPv4Address(outside), PORT, BOUND) as place,
        ):
            host, _, port = place.partition(":")
            knock = partial(ask_udp, helper.execute, host, int(port), patience=REFUSAL)
            assert knock()

            happens(lab, "nat-reboot", "nat_b")

            assert knock() is None
            assert not [one for one in router(lab, "nat_b")["mappings"] if one["outside"] == place]
    finally:
        helper.remove()


def test_a_router_with_another_outside_address(lab: Engine, outside: str) -> None:
    old = address_of(lab, "nat_a", "public")
    free = str(lab.plan.networks["public"].subnet[99])
    assert seen(lab, "edge_a", outside).partition(":")[0] == old
    try:
        (told,) = happens(lab, "wan-change", "nat_a", free)

        assert told.startswith(f"nat_a: {old} -> {free}")
        assert seen(lab, "edge_a", outside).partition(":")[0] == free
        assert happens(lab, "wan-change", "nat_a", free) == [f"nat_a: {free} is its address already"]

        (told,) = happens(lab, "wan-change", "nat_a")
        chosen = seen(lab, "edge_a", outside).partition(":")[0]
        assert told.startswith(f"nat_a: {free} -> {chosen}")
        assert IPv4Address(chosen) not in {*lab.plan.taken("public"), IPv4Address(free), IPv4Address(outside)}
        with pytest.raises(LabError, match=f"{re.escape(address_of(lab, 'nat_b', 'public'))} is the address of nat_b"):
            happens(lab, "wan-change", "nat_a", address_of(lab, "nat_b", "public"))
    finally:
        happens(lab, "wan-change", "nat_a", old)
    assert seen(lab, "edge_a", outside).partition(":")[0] == old


def test_a_cable_pulled_from_an_edge_and_put_back(lab: Engine, outside: str) -> None:
    reached = partial(ask_tcp, inside(lab, "edge_a"), outside, PORT, patience=REFUSAL)
    assert reached()

    (told,) = happens(lab, "link-down", "edge_a")

    assert re.fullmatch(rf"edge_a: \S+ \(lan_a {address_of(lab, 'edge_a', 'lan_a')}\) went down", told)
    assert reached() is None
    assert ask_tcp(inside(lab, "edge_b"), outside, PORT), "only edge_a is cut off"
    (told,) = happens(lab, "link-down", "edge_a")
    assert told.endswith("is down already")

    (told,) = happens(lab, "link-up", "edge_a")
    assert told.endswith("came up")
    back = ask_tcp(inside(lab, "edge_a"), outside, PORT)
    assert back and back.host == address_of(lab, "nat_a", "public")
    (told,) = happens(lab, "link-up", "edge_a")
    assert told.endswith("is up already")


def test_a_router_without_its_uplink_and_with_it_again(lab: Engine, outside: str) -> None:
    assert answered(lab, "edge_b", outside)
    (told,) = happens(lab, "link-down", "nat_b", "public")
    assert f"(public {address_of(lab, 'nat_b', 'public')}) went down" in told
    assert answered(lab, "edge_b", outside) is None

    happens(lab, "link-up", "nat_b", "public")

    assert seen(lab, "edge_b", outside).partition(":")[0] == address_of(lab, "nat_b", "public")


def test_a_network_cut_off_and_healed(lab: Engine, outside: str) -> None:
    subnet = lab.plan.networks["lan_a"].subnet
    assert answered(lab, "edge_a", outside)

    assert happens(lab, "partition", "lan_a") == [f"nat_a: drops all from and to lan_a ({subnet})"]

    assert answered(lab, "edge_a", outside) is None
    assert answered(lab, "edge_b", outside)
    source = f"{address_of(lab, 'edge_a', 'lan_a')}:{BOUND}"
    dropped = [one for one in router(lab, "nat_a")["drops"] if one["reason"] == "partitioned"]
    assert (source, f"{outside}:{PORT}") in [(one["source"], one["destination"]) for one in dropped]
    assert happens(lab, "partition", "lan_a") == ["nat_a: lan_a is cut off already"]

    assert happens(lab, "heal", "lan_a") == [f"nat_a: lets lan_a ({subnet}) pass again"]
    assert answered(lab, "edge_a", outside)


def test_an_edge_that_roams_is_seen_behind_the_other_nat(lab: Engine, outside: str) -> None:
    home = address_of(lab, "edge_a", "lan_a")
    assert seen(lab, "edge_a", outside).partition(":")[0] == address_of(lab, "nat_a", "public")

    (told,) = happens(lab, "roam", "edge_a", "lan_b")

    address = told.rpartition(" ")[2]
    try:
        assert told == f"edge_a: lan_a {home} -> lan_b {address}"
        assert IPv4Address(address) in lab.plan.networks["lan_b"].subnet
        assert lab.hosts()["edge_a"].addresses == {"lan_b": IPv4Address(address)}
        assert seen(lab, "edge_a", outside).partition(":")[0] == address_of(lab, "nat_b", "public")
    finally:
        back = happens(lab, "roam", "edge_a", "lan_a")
        # The mapping it leaves behind has the outside port that edge_b is known by.
        happens(lab, "nat-reboot", "nat_b")
    assert back == [f"edge_a: lan_b {address} -> lan_a {home}"]
    assert seen(lab, "edge_a", outside).partition(":")[0] == address_of(lab, "nat_a", "public")


def test_a_node_that_is_killed_is_missed_and_comes_back_as_itself(lab: Engine, edge_b: str) -> None:
    assert plain(happens(lab, "kill", "edge_b")) == ["edge_b: running -> exited (137)"]

    assert not lab.hosts()["edge_b"].running
    assert refused(lab, "edge_a", *whoami(edge_b), "--timeout", "2")["code"] in ("disconnected", "timeout")
    assert happens(lab, "kill", "edge_b") == ["edge_b: does not run, it is exited (137)"]

    assert plain(happens(lab, "restart", "edge_b")) == ["edge_b: exited (137) -> running"]
    assert_back(lab, edge_b)


def test_a_node_that_is_stopped_says_goodbye(lab: Engine, edge_b: str) -> None:
    assert plain(happens(lab, "stop", "edge_b")) == ["edge_b: running -> exited (0)"]

    eventually("the bootstrap knows", lambda: edge_b not in peers(lab, "bootstrap"))
    happens(lab, "restart", "edge_b")
    assert_back(lab, edge_b)


def test_a_node_that_hangs_answers_when_it_goes_on(lab: Engine, edge_b: str) -> None:
    try:
        assert plain(happens(lab, "pause", "edge_b")) == ["edge_b: running -> paused"]

        assert refused(lab, "edge_a", *whoami(edge_b), "--timeout", "1")["code"] == "timeout"
        assert happens(lab, "pause", "edge_b") == ["edge_b: is paused already"]
    finally:
        assert plain(happens(lab, "resume", "edge_b")) == ["edge_b: paused -> running"]
    assert_back(lab, edge_b)


def test_a_phone_that_leaves_the_house(labs: Labs) -> None:
    """On the topology made for it: to a named address behind the carrier's NAT, whose block of ports it then has."""
    lab = labs.up("netns", "roaming", NAT_B="cgnat,block=41000-41063")
    address = str(lab.plan.networks["lan_b"].subnet[200])
    with reflector_outside(lab, PORT) as outside:
        try:
            assert happens(lab, "roam", "edge_a", "lan_b", address)[0].endswith(f"-> lan_b {address}")
            host, _, port = seen(lab, "edge_a", outside).partition(":")
            assert host == address_of(lab, "nat_b", "public")
            assert 41000 <= int(port) <= 41063
        finally:
            happens(lab, "roam", "edge_a", "lan_a")


def test_the_record_has_every_event_in_its_order(lab: Engine) -> None:
    known = len(journal.read(lab.project))
    happens(lab, "partition", "lan_b")
    happens(lab, "heal", "lan_b")

    added = journal.read(lab.project)[known:]

    assert [str(one.event) for one in added] == ["partition lan_b", "heal lan_b"]
    assert added[0].time + added[0].seconds <= added[1].time


def test_a_person_makes_it_happen(lab: Engine) -> None:
    save(Record(lab.project, lab.plan.file, lab.name, lab.plan.variables))
    try:
        told = typed("event", "nat-reboot", "nat_b", "--project", lab.project, "--json")
        wrong = typed("event", "nat-reboot", "edge_a", "--project", lab.project)
    finally:
        forget(lab.project)

    assert told.returncode == 0, told.stderr
    happened = json.loads(told.stdout)
    assert (happened["event"], happened["target"]) == ("nat-reboot", "nat_b")
    assert journal.read(lab.project)[-1].to_json() == happened
    assert wrong.returncode == 1
    assert "edge_a is no router (edge)" in wrong.stderr
    assert "choose one of: nat_a, nat_b" in wrong.stderr


def typed(*argv: str) -> subprocess.CompletedProcess[str]:
    """`macula-lab ARGV`, as its own process."""
    program = Path(sys.executable).with_name("macula-lab")
    return subprocess.run([program, *argv], capture_output=True, text=True, check=False)


def plain(changes: list[str]) -> list[str]:
    """Without the health that only some engines tell."""
    return [re.sub(r" \((starting|healthy|unhealthy)\)", "", change) for change in changes]


def whoami(node_id: str) -> list[str]:
    return ["call", WHOAMI, "null", "--to", node_id]


def called(lab: Engine, caller: str, node_id: str) -> str:
    """Who answers a node's call; empty when nobody does."""
    done = asked(lab, caller, *whoami(node_id), "--timeout", "1")
    return str(json.loads(done.stdout)["result"]["name"]) if done.code == 0 else ""


def connected_edge_b(lab: Engine) -> str:
    """The id of edge_b, once the mesh has got over what befell its network before."""
    bootstrap, edge_b = (str(macula(lab, node, "status")["node_id"]) for node in ("bootstrap", "edge_b"))
    # Whose mapping is gone is not reached until it speaks itself, by its keep-alive after 20 s or now.
    for edge in ("edge_a", "edge_b"):
        eventually(f"{edge} reaches the bootstrap", partial(called, lab, edge, bootstrap))
    eventually("edge_a reaches edge_b", partial(called, lab, "edge_a", edge_b))
    return edge_b


def peers(lab: Engine, node: str) -> set[str]:
    return {peer["node_id"] for peer in macula(lab, node, "peers")}


def assert_back(lab: Engine, node_id: str) -> None:
    """edge_b is the node it was, and the mesh has it."""
    eventually("edge_b answers", lambda: asked(lab, "edge_b", "status").code == 0, seconds=60)
    assert connected_edge_b(lab) == node_id
