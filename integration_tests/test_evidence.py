"""Captures on both sides of routers, and the evidence that is made of them, on real packets."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from commands import printed, recorded, refused
from inside import ask_udp, inside, reflector_outside, send_udp
from labs import Labs
from macula_lab.engines.contract import Engine
from macula_lab.events.perform import event, perform
from macula_lab.evidence import capture
from macula_lab.evidence.collect import collect, write
from macula_lab.evidence.flows import Flow
from macula_lab.evidence.model import Evidence
from macula_lab.process import run

PORT = 7030
"""Where the reflector outside answers."""

ASKING, MAPPED, FILTERED, DELAYED, LOST = range(5101, 5106)
"""The ports of edges from which packets of each fate are sent."""

PACKETS = 5


@pytest.fixture(params=["netns", "docker"], scope="module")
def lab(request: pytest.FixtureRequest, labs: Labs) -> Engine:
    """compose/nat-pair.yaml on each engine."""
    return labs.up(request.param, "nat-pair")


@dataclass(frozen=True)
class Scene:
    """What was sent while every packet at every router was captured, and the evidence of it."""

    lab: Engine
    outside: str
    """the socket of the reflector"""
    place: str
    """where the outside saw edge_a"""
    aimed: str
    """where it saw edge_b, at which edge_a then aimed"""
    evidence: Evidence
    folder: Path

    def flow(self, port: int, target: str) -> Flow:
        """The one flow from a port of edge_a."""
        source = f"{self.lab.plan.services['edge_a'].networks['lan_a']}:{port}"
        found = [one for one in self.evidence.flows if (str(one.source), str(one.target)) == (source, target)]
        assert len(found) == 1, [(str(one.source), str(one.target)) for one in self.evidence.flows]
        return found[0]


@pytest.fixture(scope="module")
def scene(lab: Engine, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A question and its answer, packets that a NAT filters, and packets that a link delays and loses."""
    folder = tmp_path_factory.mktemp("evidence")
    perform(lab, event("nat-reboot", "nat_a", []))
    with captured(lab), reflector_outside(lab, PORT) as outside:
        place, aimed = seen(lab, "edge_a", outside, ASKING), seen(lab, "edge_b", outside, MAPPED)
        send_udp(inside(lab, "edge_a"), aimed, bound=FILTERED, count=PACKETS)
        with link(lab, "nat_a", "--out", "delay=20", "--in", "delay=20"):
            seen(lab, "edge_a", outside, DELAYED)
        with link(lab, "nat_a", "--out", "loss=100"):
            send_udp(inside(lab, "edge_a"), f"{outside}:{PORT}", bound=LOST, count=PACKETS)
        return Scene(lab, f"{outside}:{PORT}", place, aimed, write(lab, folder), folder)


@contextmanager
def captured(lab: Engine) -> Iterator[None]:
    """While the block runs, every packet at every router is captured."""
    capture.start(lab)
    try:
        yield
    finally:
        capture.stop(lab)


@contextmanager
def link(lab: Engine, router: str, *settings: str) -> Iterator[None]:
    """A router's uplink as it is asked for, for the block."""
    asked(lab, router, "set", *settings)
    try:
        yield
    finally:
        asked(lab, router, "clear")


def asked(lab: Engine, router: str, *argv: str) -> None:
    done = lab.execute(router, ["macula-router", "link", *argv])
    assert done.code == 0, done.stderr


def seen(lab: Engine, edge: str, outside: str, bound: int) -> str:
    """Where the outside sees an edge's socket."""
    answer = ask_udp(inside(lab, edge), outside, PORT, bound=bound)
    assert answer, f"{edge} gets no answer"
    return answer.seen


def test_a_question_and_its_answer_are_seen_on_both_sides_of_the_nat(scene: Scene) -> None:
    found = scene.flow(ASKING, scene.outside)
    (hop,) = found.hops
    assert (hop.router, hop.action, hop.came_from, hop.went_to) == ("nat_a", "translated", "lan_a", "public")
    assert hop.went and [str(end) for end in hop.went] == [scene.place, scene.outside]
    assert hop.table == "confirmed"
    assert (found.forth.packets, found.back.packets) == (1, 1)
    assert found.forth.size == 28 + len("?") and found.back.size == 28 + len(scene.place)


def test_other_programs_read_the_captures(scene: Scene) -> None:
    outside = scene.outside.replace(f":{PORT}", f".{PORT}")
    for file, ours in (("nat_a-lan_a", str(scene.flow(ASKING, scene.outside).source)), ("nat_a-public", scene.place)):
        read = run(["tcpdump", "-n", "-r", str(scene.folder / "captures" / f"{file}.pcap"), f"udp port {PORT}"])
        one_end = ours.replace(":", ".")
        assert read.count(f"{one_end} > {outside}") == read.count(f"{outside} > {one_end}") == 1


def test_what_is_dropped_is_followed_to_where_and_why(scene: Scene) -> None:
    found = scene.flow(FILTERED, scene.aimed)
    assert [(hop.router, hop.action, hop.reason) for hop in found.hops] == [
        ("nat_a", "translated", ""),
        ("nat_b", "dropped", "filtered"),
    ]
    assert (found.forth.packets, found.back.packets, found.arrived) == (PACKETS, 0, False)
    drops = [entry for entry in scene.evidence.timeline if entry.kind == "drop" and scene.aimed in entry.text]
    assert [entry.where for entry in drops] == ["nat_b"]
    page = (scene.folder / "index.html").read_text()
    assert "dropped: filtered" in page and scene.aimed in page


def test_a_packet_that_a_link_delays_is_one_packet(scene: Scene) -> None:
    found = scene.flow(DELAYED, scene.outside)
    assert (found.forth.packets, found.back.packets, found.arrived) == (1, 1, True)
    assert found.back.first - found.forth.first > 0.02


def test_a_packet_that_a_link_loses_is_lost_there(scene: Scene) -> None:
    found = scene.flow(LOST, scene.outside)
    assert [(hop.router, hop.action) for hop in found.hops] == [("nat_a", "lost")]
    assert found.forth.packets == PACKETS


def test_the_folder_has_everything(scene: Scene) -> None:
    folder = scene.folder
    told = json.loads((folder / "evidence.json").read_text())
    assert told["missing"] == []
    assert set(told["hosts"]) == set(scene.lab.plan.services)
    assert {"commit", "kernel", "nft", "tcpdump", "engine"} <= set(told["versions"])
    assert all(told["versions"].values())
    assert any((entry["where"], entry["kind"]) == ("nat_a", "event") for entry in told["timeline"])
    assert json.loads((folder / "scenario/plan.json").read_text())["networks"]["lan_a"]["subnet"]
    assert "table ip macula_nat" in (folder / "routers/nat_a.nft").read_text()
    assert set(told["nodes"]) == {"bootstrap", "gateway", "edge_a", "edge_b"}
    for node in told["nodes"]:
        assert "connection.up" in (folder / f"services/{node}.log").read_text()


def test_a_capture_outlives_the_command_that_began_it(lab: Engine, tmp_path: Path) -> None:
    with recorded(lab), reflector_outside(lab, PORT) as outside:
        assert "nat_a: lan_a" in printed(lab, "capture", "start", "nat_a")
        seen(lab, "edge_a", outside, ASKING)
        files = [Path(line) for line in printed(lab, "capture", "stop").splitlines()]
        assert sorted(file.name for file in files) == ["nat_a-lan_a.pcap", "nat_a-public.pcap"]
        assert all(file.stat().st_size > 24 for file in files)
        told = json.loads(printed(lab, "evidence", "--out", str(tmp_path / "evidence"), "--json"))
        assert {one["file"] for one in told["captures"]} == {file.name for file in files}
        assert any(one["target"] == f"{outside}:{PORT}" for one in told["flows"])
    assert lab.kept(capture.helper_name("nat_a")) is None


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["capture", "stop"], "capture start"),
        (["capture", "start", "edge_a"], "edge_a is no router"),
        (["evidence", "--out", "."], "not empty"),
    ],
)
def test_what_cannot_be_done_is_told(lab: Engine, argv: list[str], told: str) -> None:
    with recorded(lab):
        assert told in refused(lab, *argv)


def test_key_logs_of_both_sides_of_a_connection_have_the_same_secrets(labs: Labs, tmp_path: Path) -> None:
    lab = labs.up("netns", "nat-pair", MACULA_KEY_LOG="keys.log", MACULA_QLOG_DIR="traces")

    folder = collect(lab, tmp_path / "evidence").parent / "services"

    edge, bootstrap = ((folder / f"{name}.keys.log").read_text().splitlines() for name in ("edge_a", "bootstrap"))
    assert set(edge) & set(bootstrap), "the two are connected"
    traces = list((folder / "edge_a.qlog").iterdir())
    assert traces and all(trace.read_text().startswith('\x1e{"qlog_format": "JSON-SEQ"') for trace in traces)
