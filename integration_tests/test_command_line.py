"""Every command of the command line in a container: for people, as JSON, and refused."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from asking import DEADLINE, REALM, WHOAMI, Subscriber, eventually, found_names, ids, peer_names
from macula_lab.mesh.mesh import CommandRefused, Mesh

ECHO = f"{REALM}.demo.echo"
TOPIC = f"{REALM}.desk.note_left"
DEMO = [f"{REALM}.demo.{name}" for name in ("echo", "add", "whoami", "sleep", "fail")]


def shown(mesh: Mesh, service: str, *argv: str) -> str:
    """What a command that succeeds prints for a person with a terminal wide enough that nothing is folded."""
    ended = mesh.execute(service, ["env", "COLUMNS=160", "macula", *argv])
    assert ended.code == 0, ended.stderr
    with pytest.raises(ValueError, match=r"Expecting value|Extra data"):
        json.loads(ended.stdout + ended.stderr)
    return ended.stdout + ended.stderr


def test_status(mesh: Mesh) -> None:
    status = mesh.exec_json("edge1", ["status"])
    table = shown(mesh, "edge1", "status")

    assert {"version", "commit", "uptime_s", "pool", "subscriptions"} < set(status)
    assert (status["name"], status["mode"], status["ready"], status["realms"]) == ("edge1", "edge", True, [REALM])
    assert sorted(status["procedures"]) == sorted(DEMO)
    assert status["addresses"] == [f"{mesh.address('edge1')}:9443"]
    for word in ("edge1 (edge), ready", status["node_id"], REALM, f"{mesh.address('bootstrap')}:9443", "direct"):
        assert word in table


def test_peers(mesh: Mesh) -> None:
    peers = mesh.exec_json("edge1", ["peers"])
    table = shown(mesh, "edge1", "peers")

    assert {peer["name"] for peer in peers} >= set(mesh.nodes()) - {"edge1"}
    bootstrap = next(peer for peer in peers if peer["name"] == "bootstrap")
    assert (bootstrap["address"], bootstrap["path"], bootstrap["hops"], bootstrap["inbound"]) == (
        f"{mesh.address('bootstrap')}:9443",
        "direct",
        0,
        False,
    )
    assert bootstrap["rtt_ms"] > 0
    assert min(bootstrap["bytes_sent"], bootstrap["bytes_received"]) > 1000
    assert all(peer["short_id"] in table and peer["address"] in table for peer in peers)


def test_call(mesh: Mesh) -> None:
    node_id = ids(mesh)["edge2"]
    answer = mesh.exec_json("edge1", ["call", ECHO, '{"ü": [1, 2.5, null]}', "--to", node_id, "--timeout", "5"])

    assert answer["result"] == {"ü": [1, 2.5, None]}
    assert (answer["provider"], answer["path"], answer["hops"]) == (node_id, "direct", [])
    assert 0 < answer["latency_ms"] < 5000
    assert f"answered by {node_id[:10]}" in mesh.execute("edge1", ["macula", "call", ECHO, "--to", node_id]).stderr
    added = mesh.execute("edge1", ["macula", "call", f"{REALM}.demo.add", '{"a": 1, "b": 2}'])
    assert (added.code, added.stdout) == (0, "3\n")


def test_publish_and_subscribe(mesh: Mesh) -> None:
    node_ids = ids(mesh)
    subscriber = Subscriber(mesh, "edge3", f"{REALM}.desk.*", 2)

    report = mesh.exec_json("edge1", ["publish", TOPIC, '"tea"', "--qos", "1", "--timeout", "5"])
    told = shown(mesh, "edge1", "publish", TOPIC, '"milk"', "--qos", "1")

    assert (report["topic"], report["subscribers"], report["delivered"]) == (TOPIC, 1, [node_ids["edge3"]])
    assert "acknowledged by 1 of 1 subscribers" in told
    events = subscriber.take(2)
    assert [event["payload"] for event in events] == ["tea", "milk"]
    assert events[1]["sequence"] == events[0]["sequence"] + 1
    assert subscriber.ended()
    assert f"subscribed to {TOPIC}" in shown(mesh, "edge3", "subscribe", TOPIC, "--timeout", "0.1")


def test_dht(mesh: Mesh) -> None:
    stats = mesh.exec_json("gateway", ["dht", "stats"])
    found = mesh.exec_json("gateway", ["dht", "lookup", ECHO])
    table = shown(mesh, "gateway", "dht", "lookup", ECHO)

    assert stats["nodes"] >= len(mesh.nodes()) - 1
    assert stats["stored_keys"] >= len(DEMO)
    assert f"nodes in the routing table  {stats['nodes']}" in shown(mesh, "gateway", "dht", "stats")
    assert {entry["name"] for entry in found["found"]} == {"edge1", "edge2", "edge3"}
    assert found["key"] in table
    assert all(entry["address"] in table for entry in found["found"])
    assert "nothing stands under" in shown(mesh, "gateway", "dht", "lookup", f"{REALM}.nothing")


def test_id(mesh: Mesh) -> None:
    identity = mesh.exec_json("edge1", ["id"])
    table = shown(mesh, "edge1", "id")

    assert identity["node_id"] == ids(mesh)["edge1"]
    assert identity["short_id"] == identity["node_id"][:10]
    assert identity["did"] == f"did:macula:{REALM}.{identity['node_id']}"
    assert len(bytes.fromhex(identity["public_key"])) == 32
    assert identity["node_id"] in table
    assert identity["public_key"] in table


def test_pins(mesh: Mesh) -> None:
    address, nobody = f"{mesh.address('bootstrap')}:9443", "192.0.2.99:9443"
    bootstrap = ids(mesh)["bootstrap"]

    assert mesh.exec_json("edge1", ["pins", "list"]) == {address: bootstrap}
    assert bootstrap in shown(mesh, "edge1", "pins", "list")
    assert mesh.exec_json("edge1", ["pins", "forget", nobody]) == {"address": nobody, "forgotten": None}
    assert nobody in shown(mesh, "edge1", "pins", "forget", nobody)


def test_settings(mesh: Mesh) -> None:
    settings = {setting["name"]: setting for setting in mesh.exec_json("edge1", ["settings"])}

    assert (settings["name"]["value"], settings["name"]["source"]) == ("edge1", "MACULA_NODE_NAME")
    assert settings["port"]["default"] == "9443"
    assert all(setting["description"] and setting["accepts"] for setting in settings.values())
    assert "MACULA_NODE_NAME" in shown(mesh, "edge1", "settings")


INTERRUPT = "for p in /proc/[0-9]*; do ! grep -qzx serve $p/cmdline || kill -INT ${p#/proc/}; done"


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["for people", "json"])
def test_serve_advertises_and_withdraws_at_its_end(mesh: Mesh, options: list[str]) -> None:
    """The gateway has no demo service; while `macula serve` runs it has."""
    node_id = ids(mesh)["gateway"]
    assert "gateway" not in found_names(mesh, "edge1", WHOAMI, "rpc")
    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(mesh.execute, "gateway", ["macula", "serve", *options])
        try:
            eventually("it is advertised", lambda: "gateway" in found_names(mesh, "edge1", WHOAMI, "rpc"))
            assert mesh.exec_json("edge1", ["call", WHOAMI, "--to", node_id])["result"]["name"] == "gateway"
        finally:
            mesh.execute("gateway", ["sh", "-c", INTERRUPT])
        ended = serving.result(DEADLINE)

    assert (ended.code, ended.stderr) == (0, "")
    if options:
        assert json.loads(ended.stdout) == {"serving": DEMO}
    else:
        assert all(f"  {procedure}\n" in ended.stdout for procedure in DEMO)
    eventually("it is withdrawn", lambda: "gateway" not in found_names(mesh, "edge1", WHOAMI, "rpc"))
    with pytest.raises(CommandRefused) as refused:
        mesh.exec_json("edge1", ["call", WHOAMI, "--to", node_id])
    assert refused.value.code == "not_found"


@pytest.mark.parametrize(
    ("argv", "exit_code", "code"),
    [
        (["call", f"{REALM}.nobody.there"], 1, "not_found"),
        (["call", f"{REALM}.demo.sleep", '{"seconds": 9}', "--timeout", "0.2"], 1, "timeout"),
        (["call", f"{REALM}.demo.fail", "{}"], 1, "remote"),
        (["subscribe", TOPIC, "--count", "1", "--timeout", "0.1"], 1, "timeout"),
        (["call", "no spaces"], 2, "argument"),
        (["call", ECHO, "1", "--to", "nobody"], 2, "argument"),
        (["publish", f"{REALM}.*"], 2, "argument"),
        (["subscribe", "two.**"], 2, "argument"),
        (["pins", "forget", "nowhere:high"], 2, "argument"),
        (["status", "--control-socket", "/nowhere"], 3, "no_node"),
        (["peers", "--control-socket", "/nowhere"], 3, "no_node"),
        (["id", "--control-socket", "/nowhere"], 3, "no_node"),
        (["serve", "--control-socket", "/nowhere"], 3, "no_node"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_refusal_has_an_exit_code_and_words(mesh: Mesh, argv: list[str], exit_code: int, code: str) -> None:
    ended = mesh.execute("edge1", ["macula", *argv])
    assert (ended.code, ended.stdout) == (exit_code, "")
    assert f"macula: {code}: " in ended.stderr
    assert "Traceback" not in ended.stderr

    ended = mesh.execute("edge1", ["macula", *argv, "--json"])
    error = json.loads(ended.stdout.splitlines()[-1])["error"]
    assert (ended.code, error["code"], ended.stderr) == (exit_code, code, "")
    assert error["message"]


@pytest.mark.parametrize(
    "argv",
    [
        ["call", ECHO, "{"],
        ["call"],
        ["publish", TOPIC, "--qos", "2"],
        ["dht", "lookup", ECHO, "--kind", "stream"],
        ["status", "--jsn"],
        ["reboot"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(mesh: Mesh, argv: list[str]) -> None:
    ended = mesh.execute("edge1", ["macula", *argv])

    assert (ended.code, ended.stdout) == (2, "")
    assert "Usage: macula" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_command_leaves_no_trace_of_its_node(mesh: Mesh) -> None:
    """Nothing of the subscriptions and procedures above is left."""
    for service in mesh.nodes():
        assert mesh.exec_json(service, ["status"])["subscriptions"] == []
    assert "gateway" in peer_names(mesh, "edge1")
    assert mesh.exec_json("gateway", ["status"])["procedures"] == []
