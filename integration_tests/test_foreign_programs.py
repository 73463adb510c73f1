"""What programs that are not ours say of our NATs, and what they can do behind them."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from asking import eventually
from foreign import IMAGE, build_image, program
from inside import Run
from labs import PREFIX
from macula.nat.prediction import Meeting, predict
from macula.nat.profile import Filtering, Mapping, Ports, Profile, Udp, parse
from macula_lab.composefile.load import load
from macula_lab.engines.contract import Engine, Finished, Helper
from macula_lab.lab import make, open_lab
from macula_lab.process import run
from macula_lab.workspace import COMPOSE

HERE = Path(__file__).parent

NATS = [
    "none",
    "full_cone",
    "restricted",
    "port_restricted",
    "mapping=adm,filtering=apdf,ports=random",
    "symmetric",
    "port_restricted,udp=blocked",
    "home",
]
"""home is the one with hairpin"""

FILTERS = {
    Filtering.ENDPOINT_INDEPENDENT: "Independent",
    Filtering.ADDRESS_DEPENDENT: "Address Dependent",
    Filtering.ADDRESS_AND_PORT_DEPENDENT: "Port Dependent",
}
"""in the words of `stun`"""

DEPENDENCE: dict[Mapping | Filtering, str] = {
    Mapping.ENDPOINT_INDEPENDENT: "Endpoint Independent",
    Mapping.ADDRESS_DEPENDENT: "Address Dependent",
    Mapping.ADDRESS_AND_PORT_DEPENDENT: "Address and Port Dependent",
    Filtering.ENDPOINT_INDEPENDENT: "Endpoint Independent",
    Filtering.ADDRESS_DEPENDENT: "Address Dependent",
    Filtering.ADDRESS_AND_PORT_DEPENDENT: "Address and Port Dependent",
}
"""in the words of turnutils_natdiscovery"""

COTURN = 3478
OURS = 3480
"""The first of the two ports at which our own STUN server answers, on the same two addresses."""

NODE = 9443
"""The first of the two ports of a mesh node, on the same two addresses."""

LOGIN = ["lab", "secret"]

Foreign = Callable[..., Finished]
"""Runs a foreign program somewhere, by its name and arguments."""


@dataclass(frozen=True)
class Place:
    """Somewhere behind a NAT."""

    foreign: Foreign
    ours: Run
    become: Callable[[str], None]
    """makes the NAT another one"""

    def said(self, name: str, *argv: object) -> str:
        """What a foreign program wrote."""
        done = self.foreign(name, *argv)
        return done.stdout + done.stderr


@dataclass(frozen=True)
class Reports:
    """What is said of one NAT."""

    stun: str
    mapping: str
    filtering: str
    hairpin: str
    ours: Finished


def reports_on(place: Place, nat: str, server: str, port: int = COTURN) -> Reports:
    """Let all of them look at one NAT, at the same time."""
    place.become(nat)
    discover = partial(place.said, "turnutils_natdiscovery", "-p", port)
    checks = ["--checks", "contact,mapping,filtering"]
    with ThreadPoolExecutor() as pool:
        stun = pool.submit(place.said, "stun", f"{server}:{port}")
        mapping, filtering, hairpin = (pool.submit(discover, what, server) for what in ("-m", "-f", "-H"))
        ours = pool.submit(place.ours, ["macula-probe", "classify", f"{server}:{port}", "--nat", nat, *checks])
        return Reports(stun.result(), mapping.result(), filtering.result(), hairpin.result(), ours.result())


def require_agreement(nat: Profile, reports: Reports) -> None:
    """Fail unless everybody says of a NAT what it is called; of one without UDP, that nothing answers."""
    assert f"Primary: {in_old_words(nat)}\t" in reports.stun
    assert reports.ours.code == 0, reports.ours
    if nat.udp is not Udp.ALLOW:
        assert "Mapping!" not in reports.mapping
        assert "STUN receive timeout" in reports.mapping
        return
    assert f"{DEPENDENCE[nat.mapping]} Mapping!" in reports.mapping
    filtering = nat.filtering if nat.translates else Filtering.ENDPOINT_INDEPENDENT
    assert f"NAT with {DEPENDENCE[filtering]} Filtering!" in reports.filtering
    assert ("maybe a successful hairpinning" in reports.hairpin) == (nat.hairpin or not nat.translates)


def in_old_words(nat: Profile) -> str:
    """What `stun` says, which knows the words of RFC 3489 and nothing of the filter of a symmetric NAT."""
    if nat.udp is not Udp.ALLOW:
        return "Blocked or could not reach STUN server"
    if not nat.translates:
        return "Open"
    ports = "preserves ports" if nat.ports is Ports.PRESERVE else "random port"
    hairpin = "will hairpin" if nat.hairpin else "no hairpin"
    if nat.dependent:
        return f"Dependent Mapping, {ports}, {hairpin}"
    return f"Independent Mapping, {FILTERS[nat.filtering]} Filter, {ports}, {hairpin}"


@dataclass(frozen=True)
class Scene:
    """coturn and our own STUN server in front of NATs, and places behind these."""

    server: str
    places: list[Place]


def serve_ours(helper: Helper, first: IPv4Address, second: IPv4Address) -> None:
    """Start our own server, which takes the second address where the first one is."""
    ports = [str(OURS), str(OURS + 1)]
    helper.spawn(["macula-probe", "serve", str(first), str(second), "--own", "--ports", *ports])
    wait_until_served(helper.execute, first, OURS)


def serve_node(helper: Helper, first: IPv4Address, second: IPv4Address) -> None:
    """Start a bootstrap, which takes the second address where the first one is."""
    data = f"{helper.folder}/node"
    options = {
        "mode": "bootstrap",
        "host": first,
        "port": NODE,
        "stun-host": second,
        "data-dir": data,
        "control-socket": f"{data}/control.sock",
        "health-port": 0,
    }
    helper.spawn(["macula", "node", *(f"--{name}={value}" for name, value in options.items())])
    wait_until_served(helper.execute, first, NODE)


def wait_until_served(run: Run, server: IPv4Address, port: int) -> None:
    """Return when a STUN server answers there."""
    question = ["macula-probe", "classify", f"{server}:{port}", "--checks", "contact", "--nat", "none"]
    eventually(f"a STUN server answers on {port}", lambda: run(question).code == 0)


def turnserver(first: IPv4Address, second: IPv4Address) -> list[object]:
    """The options of coturn."""
    listening = ["-L", first, "-L", second, "--listening-port", COTURN, "--alt-listening-port", COTURN + 1]
    users = ["--lt-cred-mech", "--user", ":".join(LOGIN), "--realm", "lab"]
    return ["-n", "--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout", *listening, *users]


def become(engine: Engine, router: str, nat: str) -> None:
    done = engine.execute(router, ["macula-router", "apply", "--nat", nat])
    assert done.code == 0, done.stderr


@pytest.fixture(scope="module")
def namespaces() -> Iterator[Scene]:
    """The routers of nat-pair alone, and helpers in which the programs of this machine run."""
    plan = load(COMPOSE / "nat-pair.yaml", {})
    engine = make("netns", plan, f"{PREFIX}-foreign")
    engine.down()
    try:
        engine.start([router.name for router in plan.routers()])
        first, second = plan.free_addresses("public", 2)
        server = engine.helper("server", {"public": first})
        serve_ours(server, first, second)
        serve_node(server, first, second)
        pidfile = f"{server.folder}/turnserver.pid"
        server.spawn(program("turnserver", *turnserver(first, second), "--pidfile", pidfile))
        wait_until_served(server.execute, first, COTURN)
        places = []
        for side in "ab":
            inside = engine.helper(f"inside-{side}", {f"lan_{side}": plan.free_addresses(f"lan_{side}", 1)[0]})
            places.append(Place(programs_in(inside), inside.execute, partial(become, engine, f"nat_{side}")))
        yield Scene(str(first), places)
    finally:
        engine.down()


def programs_in(helper: Helper) -> Foreign:
    """The programs of this machine in a helper of the namespace engine."""
    return lambda name, *argv: helper.execute(program(name, *argv))


@pytest.fixture(scope="module")
def containers() -> Iterator[Scene]:
    """own-image.yaml as its reader brings it up, with an image that holds the foreign programs."""
    project = ["--project", f"{PREFIX}-own-image"]
    lab("down", *project)
    try:
        lab("up", str(HERE / "own-image.yaml"), "--engine", "docker", *project, IMAGE=build_image())
        engine = open_lab(project=project[1])
        first, second = IPv4Address("10.77.0.10"), IPv4Address("10.77.0.11")
        server, client = engine.beside("server", "our-server"), engine.beside("client", "our-client")
        serve_ours(server, first, second)
        engine.execute("server", ["turnserver", "--daemon", *map(str, turnserver(first, second))])
        wait_until_served(server.execute, first, COTURN)

        def foreign(name: str, *argv: object) -> Finished:
            return engine.execute("client", [name, *map(str, argv)])

        yield Scene(str(first), [Place(foreign, client.execute, partial(become, engine, "nat"))])
    finally:
        lab("down", *project)
        run(["docker", "image", "rm", "--force", IMAGE])


def lab(*argv: str, **environment: str) -> str:
    """`macula-lab ARGV`, which must succeed; what it printed."""
    command = [str(Path(sys.executable).with_name("macula-lab")), *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def in_namespaces(namespaces: Scene) -> dict[str, Reports]:
    """What is said of each NAT; two are looked at at a time, since the foreign programs wait for seconds."""
    return all_reports(namespaces, NATS)


@pytest.fixture(scope="module")
def in_containers(containers: Scene) -> dict[str, Reports]:
    """The same; but outside it nobody knows the way to private addresses, so not without translation."""
    return all_reports(containers, [nat for nat in NATS if parse(nat).translates])


def all_reports(scene: Scene, nats: list[str]) -> dict[str, Reports]:
    shares = [nats[index :: len(scene.places)] for index in range(len(scene.places))]

    def reports_by(place: Place, share: Iterable[str]) -> list[tuple[str, Reports]]:
        return [(nat, reports_on(place, nat, scene.server)) for nat in share]

    with ThreadPoolExecutor() as pool:
        return {nat: reports for part in pool.map(reports_by, scene.places, shares) for nat, reports in part}


@pytest.mark.parametrize("nat", NATS)
def test_everybody_calls_a_nat_the_same(in_namespaces: dict[str, Reports], nat: str) -> None:
    require_agreement(parse(nat), in_namespaces[nat])


@pytest.mark.parametrize("nat", [nat for nat in NATS if parse(nat).translates])
def test_in_docker_too(in_containers: dict[str, Reports], nat: str) -> None:
    require_agreement(parse(nat), in_containers[nat])


@pytest.mark.parametrize("port", [OURS, NODE])
@pytest.mark.parametrize("nats", [["restricted", "symmetric"], ["full_cone", "mapping=adm,ports=random"]])
def test_our_servers_serve_foreign_programs(namespaces: Scene, port: int, nats: list[str]) -> None:
    with ThreadPoolExecutor() as pool:
        ask = partial(reports_on, server=namespaces.server, port=port)
        asked = pool.map(ask, namespaces.places, nats)
    for nat, reports in zip(nats, asked, strict=True):
        require_agreement(parse(nat), reports)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("port_restricted", "port_restricted"),
        ("restricted", "symmetric"),
        ("port_restricted", "symmetric"),
        ("symmetric", "symmetric"),
    ],
)
def test_foreign_agents_meet_directly_where_it_is_predicted(namespaces: Scene, tmp_path: Path, a: str, b: str) -> None:
    direct = predict(parse(a), parse(b)).meeting is Meeting.DIRECT

    assert met(namespaces, tmp_path, a, b) == (direct, direct)


def test_coturn_carries_data_between_symmetric_nats(namespaces: Scene, tmp_path: Path) -> None:
    assert met(namespaces, tmp_path, "symmetric", "symmetric", *LOGIN) == (True, True)


def met(scene: Scene, folder: Path, nat_a: str, nat_b: str, *login: str) -> tuple[bool, bool]:
    """Whether two ICE agents heard each other, each behind its NAT."""
    names = ("a", "b")
    for name in names:
        os.mkfifo(folder / name)

    def agent(place: Place, nat: str, name: str, other: str) -> bool:
        place.become(nat)
        script = [sys.executable, str(HERE / "ice_agent.py"), name, other, str(folder), scene.server]
        done = place.ours([*script, *login])
        assert done.code == 0, done.stderr
        assert done.stdout.strip() in (f"{other} was here", "")
        return bool(done.stdout.strip())

    with ThreadPoolExecutor() as pool:
        heard = pool.map(agent, scene.places, (nat_a, nat_b), names, reversed(names))
    first, second = heard
    return first, second
