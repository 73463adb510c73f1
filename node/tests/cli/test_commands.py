from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from macula.cli.main import COMMANDS, app
from macula.errors import NodeClosed, NotFound
from macula.nat.info import NatInfo, NatType
from runtime.fake_mesh import OTHER, OWN, REALM, event

from .running import RunningNode


def run(*args: str) -> Result:
    return CliRunner().invoke(app, args)


def run_json(*args: str, exit_code: int = 0) -> Any:
    result = run(*args, "--json")
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def test_status_is_what_the_node_says(node: RunningNode) -> None:
    status = run_json("status")
    assert {"name", "mode", "node_id", "short_id", "realms", "version", "commit", "uptime_s", "ready"} <= status.keys()
    assert {"listen", "addresses", "dht", "pool", "peers", "procedures", "subscriptions"} <= status.keys()
    assert (status["node_id"], status["dht"]) == (str(OWN), {"nodes": 4, "buckets": 3, "stored_keys": 7})


def test_what_people_see_fits_their_terminal_and_is_no_markup(node: RunningNode) -> None:
    for command in ("status", "peers"):
        result = run(command)
        assert result.exit_code == 0
        assert max(len(line) for line in result.stdout.splitlines()) <= 80
    text = run("status").stdout
    assert "edge1 (edge), ready" in text
    assert "75% of 4 uses" in text
    assert "boot[red]strap" in text
    assert OTHER.short in text
    assert "4 attempts, 3 succeeded" in text
    assert "120 ms on average" in text


def test_a_wide_terminal_shows_more(node: RunningNode, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "received" not in run("peers").stdout
    monkeypatch.setenv("COLUMNS", "140")
    assert "1.5 kB" in run("peers").stdout


def test_nat(node: RunningNode) -> None:
    assert run_json("nat") == {
        "type": "symmetric",
        "public_ip": "198.51.100.7",
        "public_port": 9443,
        "hairpin": False,
        "translated": True,
        "mapping": "apdm",
        "filtering": "apdf",
        "ports": "sequential",
        "ports_preserved": False,
        "input": None,
        "delta": 2,
        "block": None,
        "lifetime_s": {"at_least": 20.0, "below": 30.0},
        "name": "symmetric_sequential",
        "observers": ["172.21.0.10:9443"],
        "note": None,
        "age_s": 2.5,
    }
    run_json("nat", "--refresh")
    assert node.mesh.asked == [("nat", False), ("nat", True)]


def test_nat_in_words(node: RunningNode) -> None:
    result = run("nat")
    assert result.exit_code == 0
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    words = " ".join(result.stdout.split())
    for part in (
        "symmetric (symmetric_sequential)",
        "198.51.100.7:9443",
        "an outside port for each address and port",
        "counted up, 2 at a time",
        "alive after 20 s, gone after 30 s",
        "172.21.0.10:9443",
    ):
        assert part in words


def test_where_udp_is_blocked_nothing_else_is_told(node: RunningNode) -> None:
    node.mesh.nat = NatInfo(NatType.BLOCKED, note="nobody answered")
    words = " ".join(run("nat").stdout.split())
    assert words == "type blocked: no UDP leaves this network note nobody answered"


def test_peers(node: RunningNode) -> None:
    (peer,) = run_json("peers")
    assert (peer["node_id"], peer["hops"], peer["rtt_ms"]) == (str(OTHER), None, 0.4)


def test_why(node: RunningNode) -> None:
    told = run_json("why", "edge2")
    assert (told["path"], told["relay"], told["stage"]) == ("relayed", str(OWN), "resting")
    assert told["allowed"]["meeting"] == "relay" and len(told["remedies"]) == 2
    assert told["nats"]["mine"]["name"] == "symmetric"
    assert told["last_attempt"] == {
        "direct": False,
        "rounds": 1,
        "probes": 12,
        "heard": 0,
        "reason": "both NATs take new ports",
    }
    assert [(one["verdict"], one["count"], one["ago_s"]) for one in told["decisions"]] == [("failed", 2, 1.0)]
    shown = run("why", "edge2").stdout
    assert f"edge2 ({OTHER.short}): relayed via gate[b]way, 0.4 ms, connected for 12 s" in shown
    assert "now: the next attempt follows in a minute or so" in shown
    assert "reflexive 198.51.100.7:9443" in shown and "it would be direct if" in shown
    assert "this node's NAT lets everybody in: a full cone, or a forwarded UDP port" in " ".join(shown.split())


def test_call(node: RunningNode) -> None:
    async def double(args: Any, context: object) -> Any:
        return {"doubled": 2 * args["n"]}

    node.mesh.procedures["a.b.double"] = double
    report = run_json("call", "a.b.double", '{"n": 4}', "--timeout", "2", "--to", str(OTHER))
    assert report == {
        "result": {"doubled": 8},
        "provider": str(OTHER),
        "path": "routed",
        "hops": [str(OTHER)],
        "latency_ms": 1.25,
    }
    assert node.mesh.asked == [("a.b.double", {"n": 4}, 2.0, OTHER)]
    result = run("call", "a.b.double", '{"n": 4}')
    assert json.loads(result.stdout) == {"doubled": 8}
    assert f"answered by {OWN.short} in 1.2 ms, routed, forwarded by 1" in result.stderr


def test_a_series_of_calls_tells_each_answer_and_how_often_it_failed(node: RunningNode) -> None:
    asked = 0

    async def sometimes(args: Any, context: object) -> Any:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise NotFound("not now")
        return asked

    node.mesh.procedures["a.b.c"] = sometimes
    result = run("call", "a.b.c", "--count", "4", "--interval", "0", "--json")
    *turns, last = (json.loads(line) for line in result.stdout.splitlines())
    assert result.exit_code == 1
    assert [(turn["number"], turn.get("result"), turn.get("error", {}).get("code")) for turn in turns] == [
        (1, 1, None),
        (2, None, "remote"),
        (3, 3, None),
        (4, 4, None),
    ]
    summary = last["summary"]
    assert (summary["asked"], summary["failed"], summary["median_ms"]) == (4, {"remote": 1}, 1.25)
    assert [(path["path"], path["answers"]) for path in summary["paths"]] == [("routed", 3)]
    shown = run("call", "a.b.c", "--count", "3", "--interval", "0")
    assert shown.exit_code == 0
    assert "3 asked, 0 failed; median 1.2 ms, p99 1.2 ms; routed from 0.0 s (3)" in shown.stdout
    assert run("call", "a.b.c", "--to", "nobody", "--count", "3").exit_code == 2
    assert run("call", "a.b.c", "--count", "0").exit_code == 2


def test_a_series_of_events_fails_by_every_one_that_somebody_missed(node: RunningNode) -> None:
    result = run("publish", "a.b", "--qos", "1", "--count", "3", "--interval", "0", "--numbered", "--json")
    *turns, last = (json.loads(line) for line in result.stdout.splitlines())
    assert result.exit_code == 1
    assert last["summary"]["failed"] == {"timeout": 3}
    assert [len(turn["error"]["delivered"]) for turn in turns] == [1, 1, 1], "the others did get it"
    assert [payload for _, payload, *_ in node.mesh.asked] == [1, 2, 3]


def test_a_streaming_call_prints_a_line_for_each_item(node: RunningNode) -> None:
    async def count(args: Any, context: Any) -> AsyncIterator[Any]:
        for number in range(args):
            yield {"number": number}
        if args > 2:
            raise NotFound("no more")

    node.mesh.procedures["org.count"] = count
    result = run("call", "org.count", "2", "--stream")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [{"number": 0}, {"number": 1}]
    result = run("call-to", str(OTHER), "org.count", "3", "--stream")
    assert len(result.stdout.splitlines()) == 3 and "not_found: no more" in result.stderr
    assert result.exit_code == 1
    assert run("call", "org.count", "2", "--stream", "--count", "2").exit_code == 2


def test_a_call_that_the_mesh_refuses(node: RunningNode) -> None:
    assert run_json("call", "a.b.nobody", exit_code=1)["error"]["code"] == "not_found"
    result = run("call", "a.b.nobody")
    assert result.exit_code == 1
    assert "not_found: nobody provides a.b.nobody" in result.stderr
    assert "macula dht lookup" in result.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("call", "a.b", "{nonsense"),
        ("call",),
        ("publish", "a.b", "1", "--qos", "2"),
        ("subscribe", "a.b", "--count", "0"),
        ("dht", "lookup", "a.b", "--kind", "other"),
        ("frobnicate",),
        ("node", "--port", "99999"),
        ("node", "--prot", "1"),
        ("settings", "--mode", "boss"),
        ("pins", "forget", "nowhere"),
    ],
)
def test_wrong_usage(args: tuple[str, ...]) -> None:
    assert run(*args).exit_code == 2


def test_a_wrong_argument_that_the_node_finds_is_wrong_usage_too(node: RunningNode) -> None:
    error = run_json("call", "a.b.c", "--to", "nobody", exit_code=2)["error"]
    assert (error["code"], error["field"]) == ("argument", "peer")


@pytest.mark.parametrize(
    "command", [("status",), ("peers",), ("call", "a.b"), ("serve",), ("publish", "a.b"), ("dht", "stats")]
)
def test_without_a_node_the_next_step_is_named(command: tuple[str, ...], tmp_path: Path) -> None:
    error = run_json(*command, exit_code=3)["error"]
    assert error["code"] == "no_node"
    assert f"{tmp_path}/control.sock" in error["message"]
    assert "macula node" in error["message"]
    assert run(*command, "--control-socket", "/nowhere/x.sock").exit_code == 3


def test_publish(node: RunningNode) -> None:
    report = run_json("publish", "a.b", '{"x": 1}', "--qos", "1", "--timeout", "3")
    assert report == {
        "topic": "a.b",
        "subscribers": 2,
        "delivered": [str(OWN)],
        "failed": {str(OTHER): "timeout"},
        "latency_ms": 2.0,
    }
    assert node.mesh.asked == [("a.b", {"x": 1}, 1, 3.0)]
    text = run("publish", "a.b", "1").stdout
    assert "sent to 1 of 2 subscribers" in text
    assert f"{OTHER.short} failed: timeout" in text


def test_subscribe_counts(node: RunningNode) -> None:
    node.mesh.events = [event(1, {"c": 20}), event(2, {"c": 21}), event(3, {"c": 22})]
    result = run("subscribe", "a.b.*", "--count", "2", "--json")
    assert result.exit_code == 0
    first, *events = [json.loads(line) for line in result.stdout.splitlines()]
    assert first == {"subscribed": "a.b.*"}
    assert [(one["sequence"], one["payload"]) for one in events] == [(1, {"c": 20}), (2, {"c": 21})]
    assert set(events[0]) == {"topic", "payload", "publisher", "epoch", "sequence", "missed"}
    node.wait_for(node.mesh.subscriptions[0].closed)


def test_subscribe_ends_in_time(node: RunningNode) -> None:
    node.mesh.events = [event(1)]
    assert run("subscribe", "a.b", "--timeout", "0.05").exit_code == 0
    result = run("subscribe", "a.b", "--timeout", "0.05", "--count", "2", "--json")
    assert result.exit_code == 1
    last = json.loads(result.stdout.splitlines()[-1])
    assert last["error"] == {"code": "timeout", "message": "1 of 2 events came within 0.05 s"}


def test_serve_lasts_until_it_is_interrupted(node: RunningNode) -> None:
    command = [sys.executable, "-m", "macula.cli", "serve", "--json"]

    def heed_interrupts() -> None:
        # Where the suite runs in the background of a shell, its children inherit that SIGINT is ignored.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ, preexec_fn=heed_interrupts
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["serving"][0] == f"{REALM}.demo.echo"
        assert run_json("call", f"{REALM}.demo.echo", "[1]")["result"] == [1]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    node.wait_for(node.mesh.withdrawn)


def test_dht(node: RunningNode) -> None:
    assert run_json("dht", "stats") == {"nodes": 4, "buckets": 3, "stored_keys": 7}
    found = run_json("dht", "lookup", "a.b", "--kind", "topic")
    assert found.keys() == {"name", "key", "found", "holders", "closest"}
    assert OTHER.short in run("dht", "lookup", "a.b").stdout


def test_id_of_a_running_node(node: RunningNode) -> None:
    assert run_json("id") == {
        "node_id": str(OWN),
        "short_id": OWN.short,
        "did": f"did:macula:{REALM}.{OWN}",
        "public_key": OWN.hex(),
    }


def test_id_of_a_stopped_node(tmp_path: Path) -> None:
    from macula.runtime.keystore import Keystore

    assert run_json("id", exit_code=3)["error"]["code"] == "no_node"
    identity = Keystore(tmp_path).load_or_create_identity()
    assert run_json("id")["node_id"] == str(identity.node_id)


def test_pins(tmp_path: Path) -> None:
    from macula.core.address import Address
    from macula.runtime.keystore import Keystore

    Keystore(tmp_path).pin(Address("172.21.0.10", 9443), OTHER)
    assert run_json("pins", "list") == {"172.21.0.10:9443": str(OTHER)}
    assert str(OTHER)[:20] in run("pins", "list").stdout
    assert run_json("pins", "forget", "172.21.0.10:9443")["forgotten"] == str(OTHER)
    assert run_json("pins", "forget", "172.21.0.10:9443")["forgotten"] is None
    assert run_json("pins", "list") == {}


def test_a_node_that_is_stopping(node: RunningNode) -> None:
    node.mesh.refusal = NodeClosed("the node has stopped")
    assert run_json("status", exit_code=1)["error"]["code"] == "closed"


def test_help_names_every_command() -> None:
    text = run("--help").stdout
    assert all(command in text for command in COMMANDS)


def test_a_short_command_loads_neither_quic_nor_asyncio(node: RunningNode) -> None:
    code = (
        "import sys\nsys.argv = ['macula', 'status', '--json']\nfrom macula.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('aioquic', 'asyncio', 'cryptography', 'pydantic_settings', 'rich') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
    assert json.loads(result.stdout.splitlines()[0])["name"] == "edge1"


def test_doctor_finds_nothing_wrong_or_says_what_to_do(node: RunningNode) -> None:
    findings = {one["check"]: one["verdict"] for one in run_json("doctor")}
    checks = ("bootstrap", "mesh", "pool", "reached by others", "UDP", "clock", "versions of peers", "data directory")
    assert findings == dict.fromkeys(("version", *checks), "ok")

    node.mesh.bootstrap |= {"peer": None, "attempts": 2, "code": "bad_identity", "reason": "another key"}
    text = run("doctor")
    assert text.exit_code == 1
    assert "macula pins forget 172.21.0.10:9443" in " ".join(text.stdout.split())
    assert max(len(line) for line in text.stdout.splitlines()) <= 80


@pytest.mark.parametrize(("typed", "offered"), [("macula sta", "status"), ("macula call --ti", "--timeout")])
def test_the_shell_completes_commands_and_options(typed: str, offered: str) -> None:
    asked = {"_MACULA_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = subprocess.run(
        [Path(sys.executable).with_name("macula")], env=os.environ | asked, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [offered]


@pytest.mark.parametrize("called", ["boot[red]strap", OTHER.short])
def test_a_connected_peer_is_called_by_its_name_or_the_beginning_of_its_id(node: RunningNode, called: str) -> None:
    async def echo(args: Any, context: object) -> Any:
        return args

    node.mesh.procedures["a.b.echo"] = echo
    assert run_json("call-to", called, "a.b.echo", "4")["provider"] == str(OTHER)


@pytest.mark.parametrize("command", [[], ["call"], ["doctor"], ["dht", "lookup"], ["pins", "list"]])
def test_help_tells_the_exit_codes(command: list[str]) -> None:
    told = " ".join(run(*command, "--help").stdout.split())
    assert "Exit codes: 0 it was done; 1 the mesh or the node refused" in told
    assert "3 no node answers on the control socket; 130 interrupted." in told
