"""Every topology with routers: who gets in touch with whom, by which path, and what the network shows of them."""

import json
import re
from functools import partial

import pytest

from asking import REALM, WHOAMI, eventually
from inside import REFUSAL, ask_tcp, ask_udp, inside, open_socket, reflector
from labs import Labs, asked, macula, refused, router
from macula.nat.profile import Udp
from macula_lab import machine
from macula_lab.composefile.routes import route
from macula_lab.engines.contract import Engine
from macula_lab.engines.docker import command
from macula_lab.errors import LabError
from macula_lab.mesh.expectation import EDGE, Path, expect, profiles
from macula_lab.mesh.mesh import Mesh
from macula_lab.mesh.proof import prove
from macula_lab.process import run
from macula_lab.report import Reporter
from macula_lab.workspace import COMPOSE, topologies

NETNS = ["nat-pair", "nat-many", "cgnat", "udp-blocked", "hairpin", "roaming", "regions"]
DOCKER = ["nat-pair", "udp-blocked"]

REGIONS = {("edge_eu1", "edge_us1"): 85.0, ("edge_us1", "edge_asia1"): 150.0, ("edge_eu1", "edge_asia1"): 230.0}
"""Round trips between the regions in milliseconds."""


@pytest.fixture(scope="module", params=[*(f"netns:{name}" for name in NETNS), *(f"docker:{name}" for name in DOCKER)])
def lab(request: pytest.FixtureRequest, labs: Labs) -> Engine:
    """Each topology, on the engine that it is tried on; `up` has let every router pass its self-check."""
    engine, _, topology = request.param.partition(":")
    lab = labs.up(engine, topology)
    # Tests of events may have left connections behind that a node has yet to give up.
    eventually("the mesh is whole", partial(whole, lab), seconds=90)
    return lab


def whole(lab: Engine) -> bool:
    """Whether a lab's mesh is what its NATs allow."""
    mesh = Mesh(lab)
    try:
        mesh.wait_ready()
        prove(mesh, mesh.expectation())
    except LabError:
        return False
    return True


@pytest.fixture(params=["netns", "docker"])
def udp_blocked(request: pytest.FixtureRequest, labs: Labs) -> Engine:
    """compose/udp-blocked.yaml on each engine."""
    return labs.up(request.param, "udp-blocked")


def test_every_call_takes_the_path_that_the_nats_allow(lab: Engine) -> None:
    expectation = expect(lab.plan, profiles(lab.plan))
    ids = {node: macula(lab, node, "status")["node_id"] for node in [*expectation.members, *expectation.cut_off]}

    assert expectation.calls
    for call in expectation.calls:
        argv = ["call", WHOAMI, "null", "--to", ids[call.provider]]
        if call.path is Path.NONE:
            assert refused(lab, call.caller, *argv)["code"] in ("disconnected", "timeout")
            continue
        answer = macula(lab, call.caller, *argv)
        assert (answer["result"]["name"], answer["path"]) == (call.provider, call.path), call
        if call.path is Path.RELAYED:
            (peer,) = [peer for peer in macula(lab, call.caller, "peers") if peer["name"] == call.provider]
            assert peer["relay"]["node_id"] in (ids["bootstrap"], ids["gateway"]), "edges relay for nobody"
        assert not answer["hops"], "no envelope where a relay is at hand"


def test_an_event_reaches_an_edge_behind_another_nat(lab: Engine) -> None:
    members = expect(lab.plan, profiles(lab.plan)).members
    publisher, *_, subscriber = ["bootstrap", *(name for name in members if lab.plan.services[name].role == EDGE)]
    node_id = macula(lab, subscriber, "status")["node_id"]
    topic = f"{REALM}.parcels.parcel_sent"
    received = lab.stream(subscriber, ["macula", "subscribe", topic, "--count", "1", "--timeout", "30", "--json"])
    assert json.loads(next(received)) == {"subscribed": topic}

    report = macula(lab, publisher, "publish", topic, '"a parcel"', "--qos", "1")

    assert report["delivered"] == [node_id]
    assert json.loads(next(received))["payload"] == "a parcel"


def test_the_bootstrap_sees_edges_at_the_outside_address_of_their_nat(lab: Engine) -> None:
    bootstrap = lab.plan.services["bootstrap"].networks["public"]
    assert bootstrap
    seen = {peer["name"]: host_of(peer["address"]) for peer in macula(lab, "bootstrap", "peers")}
    nats = profiles(lab.plan)
    expected = {}
    for name in expect(lab.plan, nats).members:
        service = lab.plan.services[name]
        (address,) = service.networks.values()
        for crossing in route(lab.plan, name, bootstrap) or ():
            if crossing.outward and nats[crossing.router].translates:
                address = lab.plan.services[crossing.router].networks[crossing.left]
        expected[name] = str(address)
    del expected["bootstrap"]

    assert seen == expected


def host_of(address: str) -> str:
    """The host of an address by UDP, or over TCP."""
    return address.removeprefix("wss://").rpartition(":")[0]


def test_an_edge_without_udp_and_no_other_is_connected_over_tcp(lab: Engine) -> None:
    nats = profiles(lab.plan)
    for name, service in lab.plan.services.items():
        if service.role != EDGE:
            continue
        (entry,) = [peer for peer in macula(lab, name, "peers") if peer["name"] == "bootstrap"]
        bootstrap = lab.plan.services["bootstrap"].networks["public"]
        assert bootstrap
        way = route(lab.plan, name, bootstrap)
        blocked = any(crossing.outward and nats[crossing.router].udp is not Udp.ALLOW for crossing in way or ())
        assert (entry["path"], entry["carrier"]) == ("direct", "tcp" if blocked else "udp"), name


def test_who_uses_no_tcp_is_cut_off_without_udp(labs: Labs) -> None:
    lab = labs.up("netns", "udp-blocked", TCP_A="false")
    expectation = expect(lab.plan, profiles(lab.plan))

    assert set(expectation.cut_off) == {"edge_a"}
    ready = {name: macula(lab, name, "status")["ready"] for name in [*expectation.members, *expectation.cut_off]}
    assert ready == dict.fromkeys(expectation.members, True) | dict.fromkeys(expectation.cut_off, False)
    for name in expectation.members:
        assert not {peer["name"] for peer in macula(lab, name, "peers")} & set(expectation.cut_off)


@pytest.mark.parametrize(
    ("variables", "path"),
    [({"NAT_A": "symmetric", "NAT_B": "symmetric"}, "relayed"), ({"NAT_A": "none", "REACHABLE_A": "yes"}, "direct")],
)
def test_other_nats_let_edges_meet_by_another_path(labs: Labs, variables: dict[str, str], path: str) -> None:
    lab = labs.up("netns", "nat-pair", **variables)
    edge_a = macula(lab, "edge_a", "status")["node_id"]

    assert macula(lab, "edge_b", "call", WHOAMI, "null", "--to", edge_a)["path"] == path


def test_a_node_that_should_be_cut_off_and_is_not_fails_the_proof(labs: Labs) -> None:
    lab = labs.up("netns", "udp-blocked", NAT_A="port_restricted,udp=rejected", TCP_A="false")
    by_the_file = expect(lab.plan, profiles(lab.plan))
    mesh = Mesh(lab)
    assert prove(mesh, by_the_file).cut_off.keys() == {"edge_a"}

    lab.stop("edge_a")
    assert lab.execute("nat_a", ["macula-router", "apply", "--nat", "port_restricted"]).code == 0
    lab.restart("edge_a")
    mesh.wait_ready()

    with pytest.raises(LabError, match="edge_a must not reach bootstrap"):
        prove(mesh, by_the_file)
    # What the router is now, and not what the file has it be, says what must hold.
    assert prove(mesh, mesh.expectation()).cut_off == {}


def test_an_edge_that_was_killed_is_called_again_soon_after_its_restart(labs: Labs) -> None:
    lab = labs.up("netns", "nat-pair")
    edge_b = macula(lab, "edge_b", "status")["node_id"]
    # The gateway is connected to it too, and must not relay to a session whose client has died.
    assert macula(lab, "gateway", "call", WHOAMI, "null", "--to", edge_b)["result"]["name"] == "edge_b"

    lab.kill("edge_b")
    lab.restart("edge_b")

    def answers() -> bool:
        return asked(lab, "edge_a", "call", WHOAMI, "null", "--to", edge_b, "--timeout", "2").code == 0

    eventually("edge_b answers edge_a", answers, seconds=15)


@pytest.mark.parametrize("topology", topologies())
def test_compose_takes_every_file(topology: str) -> None:
    machine.ensure("docker", Reporter())

    run([*command.ensure(Reporter()), "-f", str(COMPOSE / f"{topology}.yaml"), "config", "-q"])


@pytest.mark.parametrize(("nat", "lan"), [("nat_a", "a"), ("nat_b", "b")])
def test_neighbours_with_the_same_source_port_get_outside_ports_of_their_own(labs: Labs, nat: str, lan: str) -> None:
    lab = labs.up("netns", "nat-many")
    edges = [f"edge_{lan}{number}" for number in (1, 2, 3)]
    addresses = [str(next(iter(lab.plan.services[edge].networks.values()))) for edge in edges]

    mapped = {one["inside"]: one["outside"] for one in router(lab, nat)["mappings"] if one["protocol"] == "udp"}
    seen = {peer["name"]: peer["address"] for peer in macula(lab, "bootstrap", "peers")}

    outside = [mapped[f"{address}:9443"] for address in addresses]
    assert len(set(outside)) == len(edges)
    assert outside == [seen[edge] for edge in edges]
    assert {place.rpartition(":")[0] for place in outside} == {str(lab.plan.services[nat].networks["public"])}
    assert sum(place.endswith(":9443") for place in outside) == 1, "the first one keeps its port"


def test_a_home_behind_a_carrier_is_translated_twice(labs: Labs) -> None:
    lab = labs.up("netns", "cgnat")
    seen = {peer["name"]: peer["address"] for peer in macula(lab, "bootstrap", "peers")}
    translated = {
        name: {one["inside"]: one["outside"] for one in router(lab, name)["mappings"] if one["protocol"] == "udp"}
        for name in ("home_a", "home_b", "cgn")
    }

    for home, edge, own in (("home_a", "edge_a", "172.29.1.31"), ("home_b", "edge_b", "172.29.2.32")):
        at_the_carrier = translated[home][f"{own}:9443"]
        assert at_the_carrier.partition(":")[0] == str(lab.plan.services[home].networks["carrier"])
        outside = translated["cgn"][at_the_carrier]
        assert outside == seen[edge]
        low, high = profiles(lab.plan)["cgn"].block
        assert low <= int(outside.rpartition(":")[2]) <= high
    assert seen["edge_a"] != seen["edge_b"]


def test_where_udp_is_blocked_only_tcp_to_port_443_leaves(udp_blocked: Engine) -> None:
    lab = udp_blocked
    (server,) = lab.plan.free_addresses("public", 1)
    helper = lab.helper("server", {"public": server})
    blocked, open_ = inside(lab, "edge_a"), inside(lab, "edge_b")
    outside = {name: str(lab.plan.services[name].networks["public"]) for name in ("nat_a", "nat_b")}
    try:
        with reflector(helper, 80, 443):
            for port in (80, 443):
                udp, tcp = ask_udp(open_, server, port), ask_tcp(open_, server, port)
                assert udp and udp.host == outside["nat_b"]
                assert tcp and tcp.host == outside["nat_b"]
                assert ask_udp(blocked, server, port, patience=REFUSAL) is None
            through = ask_tcp(blocked, server, 443)
            assert through and through.host == outside["nat_a"]
            assert ask_tcp(blocked, server, 80, patience=REFUSAL) is None
    finally:
        helper.remove()

    drops = {(drop["reason"], drop["protocol"], drop["destination"]) for drop in router(lab, "nat_a")["drops"]}
    assert {("blocked", "udp", f"{server}:443"), ("blocked", "tcp", f"{server}:80")} <= drops
    # edge_a goes to 443 first; on a busy host it knocks at 9443, too, before it has an answer there.
    assert not any(protocol == "tcp" and destination.endswith(":443") for _, protocol, destination in drops)


@pytest.mark.parametrize(("nat", "meets"), [("home", True), ("port_restricted", False)])
def test_neighbours_meet_at_their_outside_addresses_where_the_nat_hairpins(labs: Labs, nat: str, meets: bool) -> None:
    lab = labs.up("netns", "hairpin", NAT_HOME=nat)
    outside = str(lab.plan.services["home"].networks["public"])
    (server,) = lab.plan.free_addresses("public", 1)
    helper = lab.helper("server", {"public": server})
    try:
        with reflector(helper, 7000), open_socket(lab, "edge_a", server, 7000, bound=5000) as place:
            host, _, port = place.partition(":")
            assert host == outside

            answer = ask_udp(inside(lab, "edge_b"), host, int(port), patience=5 if meets else REFUSAL)

            # RFC 4787, REQ-9: who is met so is seen at the outside address too.
            assert (answer.host if answer else None) == (outside if meets else None)
            # Inside the network no NAT is in their way.
            neighbour = ask_udp(inside(lab, "edge_b"), "172.31.1.31", 5000)
            assert neighbour and neighbour.host == "172.31.1.32"
    finally:
        helper.remove()


def test_an_edge_that_roams_keeps_its_identity_and_is_seen_behind_the_other_nat(labs: Labs) -> None:
    lab = labs.up("netns", "roaming")
    (server,) = lab.plan.free_addresses("public", 1)
    helper = lab.helper("server", {"public": server})
    outside = {name: str(lab.plan.services[name].networks["public"]) for name in ("nat_a", "nat_b")}
    node_id = macula(lab, "edge_a", "status")["node_id"]
    (address,) = lab.plan.free_addresses("lan_b", 1)

    def seen_by_bootstrap() -> str:
        peers = {peer["node_id"]: peer["address"] for peer in macula(lab, "bootstrap", "peers")}
        return str(peers.get(node_id, "")).partition(":")[0]

    try:
        with reflector(helper, 7000):
            before = ask_udp(inside(lab, "edge_a"), server, 7000)
            assert before and before.host == outside["nat_a"] == seen_by_bootstrap()

            lab.detach("edge_a", "lan_a")
            assert ask_udp(inside(lab, "edge_a"), server, 7000, patience=REFUSAL) is None
            lab.attach("edge_a", "lan_b", address)

            after = ask_udp(inside(lab, "edge_a"), server, 7000)
            assert after and after.host == outside["nat_b"]
        lab.stop("edge_a")
        lab.restart("edge_a")
        eventually("edge_a is back, behind nat_b", lambda: seen_by_bootstrap() == outside["nat_b"])
    finally:
        helper.remove()


@pytest.mark.parametrize(("asker", "other"), list(REGIONS))
def test_regions_are_as_far_apart_as_in_the_world(labs: Labs, asker: str, other: str) -> None:
    lab = labs.up("netns", "regions")

    assert round_trip(lab, asker, other) == pytest.approx(REGIONS[asker, other], abs=5, rel=0.05)

    macula(lab, asker, "call", WHOAMI, "null", "--to", macula(lab, other, "status")["node_id"])
    peer = next(peer for peer in macula(lab, asker, "peers") if peer["name"] == other)
    # Smoothed over calls, in which the other node had to think.
    assert REGIONS[asker, other] * 0.95 < peer["rtt_ms"] < REGIONS[asker, other] * 1.5


def test_neighbours_of_one_region_are_near(labs: Labs) -> None:
    assert round_trip(labs.up("netns", "regions"), "edge_asia1", "edge_asia2") < 10


def round_trip(lab: Engine, asker: str, other: str) -> float:
    """Milliseconds from one edge to another and back: the least of twenty, so that a busy machine counts for less."""
    (address,) = lab.plan.services[other].networks.values()
    helper = lab.beside(asker, "ping")
    try:
        done = helper.execute(["ping", "-q", "-c", "20", "-i", "0.1", str(address)])
    finally:
        helper.remove()
    told = re.search(r"= ([\d.]+)/", done.stdout)
    assert told, done
    return float(told[1])
