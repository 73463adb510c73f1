"""What a node's own machine does to it: a data directory that takes nothing more, a clock that jumps."""

import subprocess
import sys
from pathlib import Path

import pytest

from faulty import befall
from labs import Labs
from macula_lab.lab import NETNS

READ_ONLY = 'mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"'
FULL = 'mount -t tmpfs -o size=4k full "$0"; head -c 4096 /dev/zero > "$0/filler"'
KEY = "5a" * 32


@pytest.mark.parametrize("name", ["disk-full", "disk-read-only"])
def test_a_node_goes_on_without_its_data_directory_and_tells(labs: Labs, name: str) -> None:
    befall(labs, NETNS, name)


@pytest.mark.parametrize("name", ["clock-ahead", "clock-behind"])
def test_two_nodes_whose_clocks_jump_are_found_and_served_all_the_time(labs: Labs, name: str) -> None:
    befall(labs, NETNS, name)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (FULL, "No space left on device; free space there, or give a directory that the node may write (--data-dir, "),
        (
            READ_ONLY,
            "Read-only file system; mount it writable, or give a directory that the node may write (--data-dir",
        ),
    ],
    ids=["full", "read-only"],
)
def test_a_node_without_a_key_that_cannot_keep_one_says_so(tmp_path: Path, first: str, said: str) -> None:
    started = start(tmp_path, first)
    assert started.returncode == 2
    assert started.stderr.startswith(f"macula: setting 'data_dir': cannot write {tmp_path}/identity.key: {said}")


def test_a_node_with_a_key_that_cannot_have_its_socket_says_so(tmp_path: Path) -> None:
    (tmp_path / "identity.key").write_text(KEY)
    (tmp_path / "identity.key").chmod(0o600)
    started = start(tmp_path, READ_ONLY)
    assert started.returncode == 2
    said = started.stderr.splitlines()[-1]
    assert said.startswith(f"macula: setting 'control_socket': cannot listen on {tmp_path}/control.sock: ")
    assert "Read-only file system; name one in a directory that the node may write (--control-socket" in said


def start(folder: Path, first: str) -> subprocess.CompletedProcess[str]:
    """`macula node` with this data directory, after `first` was done to it in a mount namespace of its own."""
    node = f"{sys.executable} -m macula.cli node --mode bootstrap --port 0 --stun-port 0 --health-port 0 --no-tcp"
    script = f'{first}; exec {node} --data-dir "$0"'
    argv = ["unshare", "--mount", "sh", "-ec", script, str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)
