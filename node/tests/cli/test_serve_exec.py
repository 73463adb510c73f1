from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from macula.cli import executing
from macula.cli.main import app
from runtime.fake_mesh import OTHER, REALM

from .running import RunningNode
from .test_commands import run, run_json

NAME = f"{REALM}.shop.price"


def heed_interrupts() -> None:
    # Where the suite runs in the background of a shell, its children inherit that SIGINT is ignored.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def serving_with(command: str) -> Iterator[subprocess.Popen[str]]:
    """`macula serve NAME --exec command`, ready; interrupted at the end, and gone in peace."""
    argv = [sys.executable, "-m", "macula.cli", "serve", NAME, "--exec", command, "--json"]
    with subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
        preexec_fn=heed_interrupts,
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"serving": [NAME]}
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0


def test_a_command_gets_the_argument_and_its_output_is_the_result(node: RunningNode) -> None:
    with serving_with("tr a-z A-Z") as process:
        assert run_json("call", NAME, '{"item": "tea"}')["result"] == {"ITEM": "TEA"}
        assert process.stderr is not None
        assert process.stderr.readline() == f"{OTHER.short}: answered\n"
    node.wait_for(node.mesh.withdrawn)


def test_it_is_told_who_calls_and_what(node: RunningNode) -> None:
    with serving_with('echo "[\\"$MACULA_CALL_CALLER\\", \\"$MACULA_CALL_PROCEDURE\\", $MACULA_CALL_REMAINING]"'):
        assert run_json("call", NAME)["result"] == [str(OTHER), NAME, 5.0]


def test_no_output_is_null_and_the_argument_need_not_be_read(node: RunningNode) -> None:
    with serving_with("true"):
        assert run_json("call", NAME, json.dumps("x" * 500_000))["result"] is None


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("echo sold out >&2; exit 3", "the command ended with 3: sold out"),
        ("exit 4", "the command ended with 4"),
        ("echo not json", "the command printed no JSON"),
        (
            f"head -c {executing.MAX_OUTPUT + 1} /dev/zero",
            f"the command printed more than {executing.MAX_OUTPUT} bytes",
        ),
    ],
)
def test_a_command_that_fails_is_the_callers_error(node: RunningNode, command: str, complaint: str) -> None:
    with serving_with(command):
        error = run_json("call", NAME, exit_code=1)["error"]
    assert error["code"] == "remote"
    assert complaint in error["message"]


def test_a_node_that_stops_keeps_its_socket_until_commands_have_answered(node: RunningNode) -> None:
    node.do(node.mesh.may_leave.clear)
    with serving_with("cat"):
        node.stop()
        node.wait_for(node.mesh.leaving)
        assert run_json("call", NAME, "17")["result"] == 17
    node.do(node.mesh.may_leave.set)


def test_what_it_started_ends_with_a_call_that_nobody_waits_for(node: RunningNode, tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    with serving_with(f"sleep 1000 > {held} & wait"):
        caller = subprocess.Popen([sys.executable, "-m", "macula.cli", "call", NAME], stderr=subprocess.DEVNULL)
        with caller, held.open() as fifo:
            caller.kill()
            # Its end comes when nobody holds it any more: what the shell had started is gone.
            assert fifo.read() == ""
        node.wait_for(node.mesh.call_cancelled)


@pytest.mark.parametrize("arguments", [(NAME,), ("--exec", "true")])
def test_a_name_and_a_command_go_together(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, ["serve", *arguments])
    assert result.exit_code == 2
    assert "--exec" in result.output


def test_no_node(tmp_path: Path) -> None:
    assert run_json("serve", NAME, "--exec", "true", exit_code=3)["error"]["code"] == "no_node"


def test_a_node_that_provides_it_already_refuses(node: RunningNode) -> None:
    with serving_with("true"):
        error = run_json("serve", NAME, "--exec", "true", exit_code=2)["error"]
    assert error["field"] == "procedure"


def test_call_to(node: RunningNode) -> None:
    with serving_with("cat"):
        assert run("call-to", str(OTHER), NAME, "[1]").exit_code == 0
    assert node.mesh.asked == [(NAME, [1], None, OTHER)]
