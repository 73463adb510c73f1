import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from macula_lab.evidence import taps
from macula_lab.evidence.taps import Tap
from nat_scene import pair

TAP = Tap("nat_a", "lan_a", "eth1", "02:00:00:00:00:02", ("172.27.1.3", "172.27.1.2"))


def test_the_interfaces_in_networks_of_the_topology_are_found() -> None:
    def interface(name: str, *addresses: str) -> dict[str, object]:
        own = [{"family": "inet", "local": address} for address in addresses]
        return {"ifname": name, "address": f"02:{name}", "addr_info": [*own, {"family": "inet6", "local": "fe80::1"}]}

    printed = json.dumps(
        [
            interface("lo", "127.0.0.1"),
            interface("eth0", "172.27.0.21"),
            interface("eth1", "172.27.1.3", "172.27.1.2"),
            interface("shape-out"),
        ]
    )
    assert taps.find(pair(), "nat_a", printed) == [
        Tap("nat_a", "public", "eth0", "02:eth0", ("172.27.0.21",)),
        Tap("nat_a", "lan_a", "eth1", "02:eth1", ("172.27.1.3", "172.27.1.2")),
    ]


def test_a_tap_is_kept_beside_its_capture() -> None:
    assert Tap.from_json(json.loads(json.dumps(TAP.to_json()))) == TAP
    assert TAP.to_json()["file"] == "nat_a-lan_a.pcap"


@pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump is not installed")
def test_the_filter_is_one_that_tcpdump_takes(tmp_path: Path) -> None:
    script = taps.command(TAP, str(tmp_path))[2]
    (expression,) = re.findall(r"'(ip and .*?)'", script)
    done = subprocess.run(["tcpdump", "-y", "EN10MB", "-d", expression], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_who_waits_for_a_capture_that_has_ended_is_told_what_it_said(tmp_path: Path) -> None:
    (tmp_path / "nat_a-lan_a.pcap.pid").write_text("999999999")
    (tmp_path / "nat_a-lan_a.pcap.log").write_text("tcpdump: eth1: No such device")
    done = subprocess.run(taps.ready([TAP], str(tmp_path)), capture_output=True, text=True, timeout=10)
    assert (done.returncode, "No such device" in done.stderr) == (1, True)


def test_waiting_ends_when_every_capture_has_begun(tmp_path: Path) -> None:
    other = Tap("nat_a", "public", "eth0", "02:00:00:00:00:03", ())
    waiting = subprocess.Popen(taps.ready([TAP, other], str(tmp_path)))
    for tap in (TAP, other):
        assert waiting.poll() is None
        (tmp_path / f"{tap.file}0").write_text("header")
    assert waiting.wait(timeout=10) == 0


def test_ending_waits_until_it_has_ended(tmp_path: Path) -> None:
    def go_on() -> bool:
        return subprocess.run(taps.alive(str(tmp_path)), stderr=subprocess.DEVNULL).returncode == 0

    running = [subprocess.Popen(["tail", "-f", "/dev/null"]) for _ in range(2)]
    for number, process in enumerate(running):
        (tmp_path / f"{number}.pid").write_text(f"{process.pid}\n")
    assert go_on()
    ending = subprocess.Popen(taps.end(str(tmp_path)))
    assert [process.wait(timeout=10) for process in running] == [-15, -15]
    assert ending.wait(timeout=10) == 0
    assert not go_on()
