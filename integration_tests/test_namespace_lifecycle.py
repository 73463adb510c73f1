"""The namespace engine: services end, stop, move and come back, labs start half and twice, and nothing stays."""

import os
import signal
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from asking import eventually
from macula_lab.engines.netns import project as places
from macula_lab.engines.netns.engine import NamespaceEngine
from macula_lab.errors import LabError
from macula_lab.workspace import STATE
from namespace_hosts import COUNT, HOSTS, NOTHING, Make, leftovers, pid_of, pings

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

GREETING = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("bye")))
print("begun", flush=True)
signal.pause()
"""

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"


@pytest.fixture
def lab(make: Make) -> NamespaceEngine:
    """The hosts, up."""
    engine = make()
    engine.start()
    return engine


def test_a_killed_service_is_gone_with_its_network_and_comes_back_with_its_data(lab: NamespaceEngine) -> None:
    eventually("it counts", lambda: lab.execute("left", ["cat", "count"]).stdout)
    lab.execute("left", ["sh", "-c", 'echo mine > "$KEPT"'])
    lab.kill("left")
    assert lab.hosts()["left"].state == "exited (137)"
    assert not lab.hosts()["left"].running
    assert f"macula-lab.{lab.project}.left" not in places.existing()
    assert not pings(lab, "right", "10.1.1.31")
    with pytest.raises(LabError, match="left is not running"):
        lab.execute("left", ["true"])
    lab.restart("left")
    assert pings(lab, "right", "10.1.1.31")
    assert lab.execute("left", ["cat", "/var/lib/macula/kept"]).stdout == "mine\n"


def test_a_killed_router_forwards_no_more_and_does_again_after_a_restart(lab: NamespaceEngine) -> None:
    assert pings(lab, "left", "10.1.2.32")
    lab.kill("router")
    assert not pings(lab, "left", "10.1.2.32")
    lab.restart("router")
    assert pings(lab, "left", "10.1.2.32")


def test_a_stopped_service_ends_by_itself_if_it_can(lab: NamespaceEngine) -> None:
    eventually("it listens", lambda: "counting" in lab.logs("left"))
    lab.stop("left")
    assert lab.hosts()["left"].state == "exited (7)"


def test_a_program_that_ignores_the_request_is_killed(make: Make) -> None:
    network = "networks: {one: {ipam: {config: [{subnet: 10.1.1.0/24}]}}}"
    lab = make(f'services: {{a: {{image: macula-node, command: [python3, -c, "{DEAF}"], networks: [one]}}}}\n{network}')
    lab.start()
    eventually("it is deaf", lambda: lab.logs("a"))
    lab.stop("a", grace=0.1)
    assert lab.hosts()["a"].state == "exited (137)"


def test_a_pause_stops_every_process_of_a_service_and_no_helpers(lab: NamespaceEngine) -> None:
    count = STATE / "netns" / lab.project / "services" / "left" / "data" / "count"
    eventually("it counts", count.exists)
    helper = lab.beside("left", "watcher")
    helper.spawn(["python3", "-c", COUNT])
    lab.pause("left")
    assert lab.hosts()["left"].state == "paused"
    before = count.read_text()
    with pytest.raises(LabError, match="left is paused"):
        lab.execute("left", ["true"])
    other = Path(helper.folder) / "count"
    eventually("the helper has begun", lambda: other.exists() and other.read_text())
    seen = other.read_text()
    eventually("the helper goes on", lambda: other.read_text() not in ("", seen))
    assert count.read_text() == before
    lab.resume("left")
    assert lab.hosts()["left"].state == "running"
    eventually("it counts on", lambda: count.read_text() not in ("", before))


def test_an_interface_can_go_and_come_with_another_address_and_network(lab: NamespaceEngine) -> None:
    lab.detach("other", "left")
    assert lab.hosts()["other"].addresses == {}
    assert not pings(lab, "left", "10.1.1.1")
    lab.attach("other", "right", IPv4Address("10.1.2.77"))
    assert lab.hosts()["other"].addresses == {"right": IPv4Address("10.1.2.77")}
    assert pings(lab, "left", "10.1.2.77"), "by the other network's gateway"
    lab.attach("other", "left")
    assert pings(lab, "left", str(lab.hosts()["other"].addresses["left"]))
    for network, address, told in (
        ("right", None, "other is in right already"),
        ("nowhere", None, "there is no network 'nowhere'"),
    ):
        with pytest.raises(LabError, match=told):
            lab.attach("other", network, address)
    with pytest.raises(LabError, match=r"10\.1\.2\.77 is other's"):
        lab.attach("left", "right", IPv4Address("10.1.2.77"))
    with pytest.raises(LabError, match=r"10\.9\.9\.9 is not in right"):
        lab.attach("left", "right", IPv4Address("10.9.9.9"))
    lab.detach("other", "right")
    assert pings(lab, "other", "10.1.2.32"), "the gateway of the network that it is still in"
    with pytest.raises(LabError, match=r"other is not in right \(it is in: left\)"):
        lab.detach("other", "right")


def test_a_service_comes_back_where_it_was_last(lab: NamespaceEngine) -> None:
    lab.detach("other", "left")
    lab.attach("other", "right", IPv4Address("10.1.2.77"))
    lab.kill("other")
    lab.restart("other")
    assert lab.hosts()["other"].addresses == {"right": IPv4Address("10.1.2.77")}
    assert pings(lab, "left", "10.1.2.77")


def test_starting_twice_disturbs_nothing(make: Make) -> None:
    lab = make()
    lab.start(["left"])
    assert set(lab.hosts()) == {"left", "router"}, "what it depends on too"
    before = {service: pid_of(lab, service) for service in lab.hosts()}
    lab.start()
    lab.start()
    assert set(lab.hosts()) == {"left", "other", "right", "router"}
    assert {service: pid_of(lab, service) for service in before} == before
    assert pings(lab, "left", "10.1.2.32")
    lab.kill("right")
    lab.start()
    assert lab.hosts()["right"].running


def test_a_service_that_the_file_has_no_more_goes(make: Make) -> None:
    lab = make()
    lab.start()
    before = pid_of(lab, "left")
    lab = make(HOSTS.replace("  other:", "  newer:"))
    lab.start()
    assert set(lab.hosts()) == {"left", "newer", "right", "router"}
    assert f"macula-lab.{lab.project}.other" not in places.existing()
    assert pid_of(lab, "left") == before


def test_a_half_started_lab_can_be_started_and_taken_down(make: Make) -> None:
    lab = make()
    for name in (":fabric", ".left", ".gone"):
        subprocess.run(["ip", "netns", "add", f"macula-lab.{lab.project}{name}"], check=True)
    lab.start()
    assert pings(lab, "left", "10.1.2.32")
    assert f"macula-lab.{lab.project}.gone" not in places.existing()
    lab.down()
    assert leftovers(lab.project) == NOTHING
    lab.down()


def test_a_killed_supervisor_takes_everything_with_it_and_can_be_replaced(lab: NamespaceEngine) -> None:
    supervisor = int((STATE / "netns" / lab.project / "supervisor.pid").read_text())
    pids = [pid_of(lab, service) for service in lab.hosts()]
    os.kill(supervisor, signal.SIGKILL)
    eventually("its children die too", lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in pids))
    assert {host.state for host in lab.hosts().values()} == {"dead"}
    with pytest.raises(LabError, match="has ended"):
        lab.execute("left", ["true"])
    lab.start()
    assert pings(lab, "left", "10.1.2.32")
    os.kill(int((STATE / "netns" / lab.project / "supervisor.pid").read_text()), signal.SIGKILL)
    lab.down()
    assert leftovers(lab.project) == NOTHING


def test_a_supervisor_that_hangs_does_not_keep_the_lab_from_being_taken_down(lab: NamespaceEngine) -> None:
    os.kill(int((STATE / "netns" / lab.project / "supervisor.pid").read_text()), signal.SIGSTOP)
    lab.down()
    assert leftovers(lab.project) == NOTHING


def test_two_projects_with_the_same_subnets_know_nothing_of_each_other(make: Make) -> None:
    one, two = make(name="one"), make(name="one-two")
    one.start()
    two.start()
    two.kill("right")
    assert pings(one, "left", "10.1.2.32")
    assert not pings(two, "left", "10.1.2.32")
    one.down()
    assert leftovers(one.project) == NOTHING
    two.restart("right")
    assert pings(two, "left", "10.1.2.32")


def test_a_helper_has_a_place_of_its_own(lab: NamespaceEngine, tmp_path: Path) -> None:
    helper = lab.helper("asker", {"left": IPv4Address("10.1.1.200")})
    assert list(Path(helper.folder).iterdir()) == []
    assert helper.execute(["ping", "-c1", "-W1", "10.1.2.32"]).code == 0
    assert helper.execute(["nft", "add", "table", "ip", "own"]).code == 0, "it may change its own network"
    helper.spawn(["python3", "-c", GREETING])
    output = Path(helper.folder) / "output"
    eventually("it has begun", lambda: output.exists() and output.read_text() == "begun\n")
    again = lab.kept("asker")
    assert again is not None
    again.stop()
    helper.fetch("output", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "begun\nbye\n"
    with pytest.raises(LabError, match="no file none"):
        helper.fetch("none", tmp_path / "none")
    with pytest.raises(LabError, match=r"10\.1\.1\.200 is asker's"):
        lab.helper("second", {"left": IPv4Address("10.1.1.200")})
    helper.remove()
    assert lab.kept("asker") is None
    assert f"macula-lab.{lab.project}:helper.asker" not in places.existing()
    cut_off = lab.helper("asker", {"left": IPv4Address("10.1.1.200")}, gateway=False)
    assert cut_off.execute(["ping", "-c1", "-W1", "10.1.2.32"]).code != 0


def test_a_helper_beside_a_service_sees_its_packets(lab: NamespaceEngine, tmp_path: Path) -> None:
    helper = lab.beside("right", "capture")
    helper.spawn(["tcpdump", "--immediate-mode", "-U", "-n", "-i", "eth0", "-w", "right.pcap", "icmp"])
    output = Path(helper.folder) / "output"
    eventually("it listens", lambda: output.exists() and "listening on eth0" in output.read_text())
    assert pings(lab, "left", "10.1.2.32")
    helper.stop()
    helper.fetch("right.pcap", tmp_path / "right.pcap")
    shown = subprocess.run(["tcpdump", "-n", "-r", tmp_path / "right.pcap"], capture_output=True, check=True, text=True)
    assert "10.1.1.31 > 10.1.2.32: ICMP echo request" in shown.stdout
    helper.remove()
    assert lab.kept("capture") is None
    assert lab.hosts()["right"].running
