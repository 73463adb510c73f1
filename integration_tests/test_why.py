"""`macula-lab why`: real packets are dropped for each reason there is, and the routers' own counters tell why."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from commands import printed, recorded, refused
from inside import ask_udp, inside, reflector_outside, send_udp
from labs import Labs
from macula.nat.prediction import Meeting
from macula_lab.engines.contract import Engine
from macula_lab.evidence.live import ask
from macula_lab.evidence.reasons import REMAPPED, Finding
from macula_lab.evidence.why import Answer

PORT = 7020
"""Where the reflector outside answers."""

A_PORT, B_PORT, NOBODY = 5010, 5020, 5999

PACKETS = 4


@pytest.fixture(params=["netns", "docker"])
def lab(request: pytest.FixtureRequest, labs: Labs) -> Engine:
    """compose/nat-pair.yaml on each engine; every test leaves it as it was."""
    return labs.up(request.param, "nat-pair")


@pytest.fixture
def outside(lab: Engine) -> Iterator[str]:
    """The address of a reflector in the public network."""
    with reflector_outside(lab, PORT) as address:
        yield address


@contextmanager
def nats(lab: Engine, a: str = "port_restricted", b: str = "port_restricted") -> Iterator[None]:
    """Other NATs for the block; they have forgotten everything."""
    for router, spec in (("nat_a", a), ("nat_b", b)):
        become(lab, router, spec)
    try:
        yield
    finally:
        for router in ("nat_a", "nat_b"):
            become(lab, router, lab.plan.services[router].environment["NAT"])


def become(lab: Engine, router: str, spec: str) -> None:
    done = lab.execute(router, ["macula-router", "apply", "--nat", spec])
    assert done.code == 0, done.stderr


def seen(lab: Engine, edge: str, outside: str, bound: int) -> str:
    """Where the outside sees an edge's socket, which has a mapping from now on."""
    answer = ask_udp(inside(lab, edge), outside, PORT, bound=bound)
    assert answer, f"{edge} gets no answer"
    return answer.seen


def send(lab: Engine, sender: str, target: str, bound: int, count: int = PACKETS) -> None:
    send_udp(inside(lab, sender), target, bound=bound, count=count)


def outer(lab: Engine, router: str, port: int) -> str:
    return f"{lab.plan.services[router].networks['public']}:{port}"


def dropped(answer: Answer, sender: str, port: int) -> list[Finding]:
    """The drops of packets from a port of `sender`, or for it; those of the nodes are other ports'."""
    (direction,) = (one for one in answer.directions if one.sender == sender)
    return [one for one in direction.findings if f":{port}" in one.source or one.destination.endswith(f":{port}")]


def told(answer: Answer, sender: str, port: int) -> Finding:
    """The one drop of them."""
    (finding,) = dropped(answer, sender, port)
    return finding


def test_no_mapping(lab: Engine) -> None:
    with nats(lab):
        send(lab, "edge_a", outer(lab, "nat_b", NOBODY), A_PORT)
        found = told(ask(lab, "edge_a", "edge_b"), "edge_a", A_PORT)
    assert (found.router, found.reason, found.packets) == ("nat_b", "no_mapping", PACKETS)
    assert (found.source, found.destination) == (outer(lab, "nat_a", A_PORT), outer(lab, "nat_b", NOBODY))


def test_filtered(lab: Engine, outside: str) -> None:
    with nats(lab):
        target = seen(lab, "edge_b", outside, B_PORT)
        send(lab, "edge_a", target, A_PORT)
        answer = ask(lab, "edge_a", "edge_b")
    found = told(answer, "edge_a", A_PORT)
    assert (found.router, found.reason, found.packets, found.certain) == ("nat_b", "filtered", PACKETS, True)
    assert found.destination == target and f"it has sent to {outside}:{PORT}" in found.explanation
    assert answer.prediction.meeting is Meeting.DIRECT


def test_remapped_port(lab: Engine, outside: str) -> None:
    """Port restricted against symmetric: both aim at where the outside saw the other, and both miss."""
    with nats(lab, b="symmetric"):
        a, b = seen(lab, "edge_a", outside, A_PORT), seen(lab, "edge_b", outside, B_PORT)
        for _ in range(2):
            send(lab, "edge_a", b, A_PORT, 1)
            send(lab, "edge_b", a, B_PORT, 1)
        answer = ask(lab, "edge_a", "edge_b")
    there, back = told(answer, "edge_a", A_PORT), told(answer, "edge_b", A_PORT)
    assert (there.router, there.reason, there.recorded, there.packets) == ("nat_b", REMAPPED, "filtered", 2)
    assert (back.router, back.reason, back.recorded, back.packets) == ("nat_a", REMAPPED, "filtered", 2)
    assert (there.destination, back.destination) == (b, a) and back.source != b
    assert f"aim at {back.source}" in there.remedy
    assert f"edge_a has sent to {b}, but edge_b comes from {back.source}" in back.explanation
    assert answer.prediction.meeting is Meeting.BIRTHDAY


def test_blocked(lab: Engine) -> None:
    with nats(lab, a="port_restricted,udp=blocked"):
        send(lab, "edge_a", outer(lab, "nat_b", NOBODY), A_PORT)
        answer = ask(lab, "edge_a", "edge_b")
    found = told(answer, "edge_a", A_PORT)
    assert (found.router, found.reason, found.packets) == ("nat_a", "blocked", PACKETS)
    assert "udp=blocked" in found.explanation and answer.prediction.meeting is Meeting.RELAY


def test_exhausted(lab: Engine) -> None:
    """A session is there for whoever comes first, the node in edge_a too: of two further ones, none or one passes."""
    with nats(lab, a="port_restricted,sessions=1"):
        for port in (A_PORT, A_PORT + 1):
            send(lab, "edge_a", outer(lab, "nat_b", NOBODY), port)
        found = told(ask(lab, "edge_a", "edge_b"), "edge_a", A_PORT + 1)
    assert (found.router, found.reason, found.packets) == ("nat_a", "exhausted", PACKETS)
    assert "sessions=1" in found.explanation


def test_private(lab: Engine) -> None:
    target = f"{lab.plan.services['edge_b'].networks['lan_b']}:{NOBODY}"
    with nats(lab):
        send(lab, "bootstrap", target, A_PORT)
        found = told(ask(lab, "bootstrap", "edge_b"), "bootstrap", A_PORT)
    assert (found.router, found.reason, found.packets, found.destination) == ("nat_b", "private", PACKETS, target)


def test_partitioned(lab: Engine, outside: str) -> None:
    subnet = str(lab.plan.networks["lan_b"].subnet)
    with nats(lab, b="full_cone"):
        target = seen(lab, "edge_b", outside, B_PORT)
        assert lab.execute("nat_b", ["macula-router", "partition", subnet]).code == 0
        try:
            send(lab, "edge_a", target, A_PORT)
            found = told(ask(lab, "edge_a", "edge_b"), "edge_a", A_PORT)
        finally:
            assert lab.execute("nat_b", ["macula-router", "heal", subnet]).code == 0
    assert (found.router, found.reason, found.packets) == ("nat_b", "partitioned", PACKETS)
    assert subnet in found.explanation


def test_nothing_was_dropped(lab: Engine, outside: str) -> None:
    with nats(lab, b="full_cone"):
        target = seen(lab, "edge_b", outside, B_PORT)
        send(lab, "edge_a", target, A_PORT)
        answer = ask(lab, "edge_a", "edge_b")
    assert dropped(answer, "edge_a", A_PORT) == []
    there, _ = answer.directions
    translated = [(one.router, one.outside, list(one.remotes)) for one in there.translations]
    assert ("nat_a", outer(lab, "nat_a", A_PORT), [target]) in translated


def test_the_command_tells_it_to_people_and_to_programs(lab: Engine, outside: str) -> None:
    with nats(lab), recorded(lab):
        target = seen(lab, "edge_b", outside, B_PORT)
        send(lab, "edge_a", target, A_PORT)
        people = printed(lab, "why", "edge_a", "edge_b")
        assert f"nat_b dropped {PACKETS} udp {outer(lab, 'nat_a', A_PORT)} -> {target}: filtered" in people
        assert "their NATs allow: direct" in people
        programs = json.loads(printed(lab, "why", "edge_a", "edge_b", "--json"))
        assert "filtered" in programs["directions"][0]["reasons"]
        # The nodes of the edges go on meanwhile, whose packets are told too.
        (drop,) = (one for one in programs["directions"][0]["findings"] if one["destination"] == target)
        whole = " ".join(people.replace("│", " ").split())
        assert drop["explanation"] in whole and drop["remedy"] in whole, "nothing is cut off"
        wrong = refused(lab, "why", "edge_a", "edge_z")
        assert "edge_z" in wrong and "bootstrap" in wrong
