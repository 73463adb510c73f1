"""What the lab asks of an engine, asked of both: nothing above them can tell which one runs a topology."""

import json
import time
from collections.abc import Iterator, Sequence
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from asking import eventually
from inside import Run
from labs import Labs
from macula_lab.engines.contract import Engine, Finished, Helper
from macula_lab.errors import LabError
from macula_lab.lab import DOCKER, NETNS


@pytest.fixture(params=[DOCKER, NETNS])
def lab(request: pytest.FixtureRequest, labs: Labs) -> Engine:
    """compose/nat-pair.yaml on each engine."""
    return labs.up(request.param, "nat-pair")


@pytest.fixture
def outside(lab: Engine) -> Iterator[Helper]:
    """A helper of the lab's own in the public network."""
    helper = lab.helper("outside", {"public": free(lab, "public")})
    yield helper
    helper.remove()


def free(lab: Engine, network: str) -> IPv4Address:
    """An address that nobody has."""
    (address,) = lab.plan.free_addresses(network, 1)
    return address


def shell(script: str) -> list[str]:
    """A command that does more than one thing."""
    return ["sh", "-c", script]


def processes(run: Run, word: str) -> list[str]:
    """The processes that a place sees, of those whose command has a word in it."""
    script = f"for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done | grep '[{word[0]}]{word[1:]}'"
    return run(shell(script)).stdout.splitlines()


def test_hosts_are_told_with_their_state_and_their_addresses(lab: Engine) -> None:
    hosts = lab.hosts()

    assert list(hosts) == sorted(lab.plan.services)
    for name, service in lab.plan.services.items():
        assert hosts[name].running
        assert hosts[name].state.startswith("running")
        assert hosts[name].addresses == service.networks


def test_a_command_runs_to_its_end(lab: Engine) -> None:
    assert lab.execute("edge_a", shell("echo out; echo err >&2; exit 7")) == Finished(7, "out\n", "err\n")
    assert lab.execute("edge_a", ["nosuch-command"]).code == 127
    assert lab.execute("edge_a", ["sh", "-c", 'printf %s "$1"', "x", "a b\n$HOME"]).stdout == "a b\n$HOME"


def test_a_command_has_the_rights_and_the_environment_of_the_service(lab: Engine) -> None:
    status = lab.execute("edge_a", ["cat", "/proc/self/status"]).stdout
    assert "CapEff:\t0000000000000000" in status
    assert lab.execute("edge_a", ["printenv", "MACULA_NODE_NAME"]).stdout == "edge_a\n"


def test_much_output_arrives_whole(lab: Engine) -> None:
    ended = lab.execute("edge_a", shell("seq 200000; seq 1000 >&2"))

    assert ended.stdout.split() == [str(number) for number in range(1, 200_001)]
    assert len(ended.stderr.split()) == 1000


def test_a_command_that_takes_too_long_is_ended(lab: Engine) -> None:
    with pytest.raises(LabError, match=r"sleep 4321.* did not end within 0\.5 s"):
        lab.execute("edge_a", ["sleep", "4321"], timeout=0.5)

    eventually("it is gone", lambda: not processes(partial(lab.execute, "edge_a"), "sleep 4321"))


def test_lines_come_as_they_are_written_and_tell_the_end(lab: Engine) -> None:
    lines = lab.stream("edge_a", shell("echo ä; read x < /dev/zero & echo last; echo why >&2; kill $!; exit 3"))

    assert [next(lines), next(lines)] == ["ä", "last"]
    with pytest.raises(StopIteration) as end:
        next(lines)
    assert end.value.value == Finished(3, "", "why\n")


def test_a_stream_that_is_closed_ends_its_command(lab: Engine) -> None:
    lines = lab.stream("edge_a", shell("while echo tick; do sleep 0.1; done; : 5432"))
    assert next(lines) == "tick"
    assert processes(partial(lab.execute, "edge_a"), ": 5432")

    lines.close()

    eventually("it is gone", lambda: not processes(partial(lab.execute, "edge_a"), ": 5432"))


def test_what_a_service_wrote_is_there(lab: Engine) -> None:
    assert "node.started" in lab.logs("edge_a")
    assert len(lab.logs("edge_a", tail=2).splitlines()) == 2
    assert "macula-router: up" in lab.logs("nat_a")


def test_a_service_or_network_that_does_not_exist_is_told(lab: Engine) -> None:
    with pytest.raises(LabError, match="edge_z"):
        lab.execute("edge_z", ["true"])
    with pytest.raises(LabError, match="lan_z"):
        lab.attach("edge_a", "lan_z")


def test_a_helper_is_a_host_with_the_address_and_the_default_route_of_its_network(lab: Engine, outside: Helper) -> None:
    addresses = outside.execute(["ip", "-4", "-o", "address", "show", "scope", "global"]).stdout
    assert f" {free(lab, 'public')}/24 " in addresses
    gateway = lab.plan.networks["public"].gateway
    assert outside.execute(["ip", "route", "show", "default"]).stdout.startswith(f"default via {gateway} ")
    assert outside.execute(["ping", "-c", "1", "-W", "2", str(lab.plan.services["nat_a"].networks["public"])]).code in (
        0,
        1,
    )
    for tool in ("macula-router", "macula-probe", "nft", "tc", "tcpdump", "ping"):
        assert outside.execute(shell(f"command -v {tool}")).code == 0, tool


def test_a_helper_without_a_gateway_has_no_default_route(lab: Engine) -> None:
    helper = lab.helper("stub", {"lan_a": free(lab, "lan_a"), "lan_b": free(lab, "lan_b")}, gateway=False)
    try:
        assert helper.execute(["ip", "route", "show", "default"]).stdout == ""
        assert len(helper.execute(["ip", "-4", "-o", "address", "show", "scope", "global"]).stdout.splitlines()) == 2
    finally:
        helper.remove()


def test_what_a_helper_spawned_runs_until_it_is_stopped_and_its_files_stay(
    lab: Engine, outside: Helper, tmp_path: Path
) -> None:
    assert outside.execute(shell("pwd; ls")).stdout.split() == [outside.folder]
    outside.spawn(shell("trap 'echo bye > ended; exit' TERM; echo begun > begun; while :; do sleep 0.1; done; : 6543"))
    outside.spawn(shell("trap '' TERM; echo begun > stubborn; while :; do sleep 0.1; done; : 6543"))
    eventually("both have begun", lambda: outside.execute(["cat", "begun", "stubborn"]).code == 0)
    assert len(processes(outside.execute, ": 6543")) == 2

    outside.stop()

    assert processes(outside.execute, ": 6543") == []
    outside.fetch(f"{outside.folder}/ended", tmp_path / "ended")
    assert (tmp_path / "ended").read_text() == "bye\n"
    with pytest.raises(LabError, match="no file"):
        outside.fetch(f"{outside.folder}/nothing", tmp_path / "nothing")
    outside.stop()


def test_a_helper_of_an_earlier_command_can_be_taken_up_again(lab: Engine, outside: Helper) -> None:
    outside.spawn(shell("echo begun > begun; while :; do sleep 0.1; done; : 7654"))
    eventually("it has begun", lambda: outside.execute(["cat", "begun"]).code == 0)

    again = lab.kept("outside")

    assert again is not None
    assert again.execute(["cat", f"{again.folder}/begun"]).stdout == "begun\n"
    again.stop()
    assert processes(outside.execute, ": 7654") == []
    assert lab.kept("nobody") is None


def test_a_helper_of_the_same_name_takes_the_place_of_one_that_was_left(lab: Engine, outside: Helper) -> None:
    outside.execute(shell("echo x > file"))

    again = lab.helper("outside", {"public": free(lab, "public")})

    assert again.execute(["ls"]).stdout == ""
    again.remove()
    assert lab.kept("outside") is None


def test_a_helper_beside_a_service_has_its_network_and_more_rights(lab: Engine) -> None:
    beside = lab.beside("edge_a", "beside-edge_a")
    try:
        assert (
            f" {lab.plan.services['edge_a'].networks['lan_a']}/24 "
            in beside.execute(["ip", "-4", "-o", "address"]).stdout
        )
        captured = beside.execute(["tcpdump", "-i", "any", "-c", "1", "-nn", "udp", "port", "9443"], timeout=30)
        assert captured.code == 0, captured.stderr
    finally:
        beside.remove()
    assert lab.hosts()["edge_a"].running


def node(lab: Engine) -> dict[str, object]:
    """What edge_b says of itself."""

    def ask() -> dict[str, object]:
        ended = lab.execute("edge_b", ["macula", "status", "--json"])
        told: dict[str, object] = json.loads(ended.stdout) if ended.code == 0 else {}
        return told

    return eventually("edge_b answers", ask)


@pytest.mark.parametrize(("how", "state"), [("stop", "exited (0)"), ("kill", "exited (137)")])
def test_a_service_that_ended_starts_again_with_its_data_and_its_address(lab: Engine, how: str, state: str) -> None:
    before = node(lab)["node_id"]

    (lab.stop if how == "stop" else lab.kill)("edge_b")

    ended = lab.hosts()["edge_b"]
    assert (ended.state, ended.running) == (state, False)
    with pytest.raises(LabError, match="edge_b"):
        lab.execute("edge_b", ["true"])
    lab.restart("edge_b")
    assert node(lab)["node_id"] == before
    assert lab.hosts()["edge_b"].addresses == lab.plan.services["edge_b"].networks


def test_a_router_that_was_killed_starts_again_as_the_same_nat(lab: Engine) -> None:
    lab.kill("nat_b")
    lab.restart("nat_b")

    def shown() -> Finished:
        return lab.execute("nat_b", ["macula-router", "show", "--json"])

    eventually("it is up", lambda: shown().code == 0)
    assert json.loads(shown().stdout)["wan"]["address"] == str(lab.plan.services["nat_b"].networks["public"])
    gateway = str(lab.plan.networks["lan_b"].gateway)
    assert gateway in lab.execute("nat_b", ["ip", "-4", "-o", "address"]).stdout


def test_a_paused_service_does_nothing_until_it_is_resumed(lab: Engine) -> None:
    lab.pause("edge_b")
    try:
        assert (lab.hosts()["edge_b"].state, lab.hosts()["edge_b"].running) == ("paused", False)
        written = lab.logs("edge_b")
        since = time.monotonic()
        eventually("a second passes", lambda: time.monotonic() - since > 1)
        assert lab.logs("edge_b") == written
    finally:
        lab.resume("edge_b")
    assert lab.hosts()["edge_b"].running
    assert node(lab)["name"] == "edge_b"


def test_a_service_moves_to_another_network_and_back(lab: Engine) -> None:
    address = free(lab, "lan_a")
    lab.detach("edge_b", "lan_b")
    try:
        assert lab.hosts()["edge_b"].addresses == {}
        lab.attach("edge_b", "lan_a", address)
        assert lab.hosts()["edge_b"].addresses == {"lan_a": address}
        assert default_route(lab) == str(lab.plan.networks["lan_a"].gateway)
        lab.detach("edge_b", "lan_a")
    finally:
        lab.attach("edge_b", "lan_b")
    assert lab.hosts()["edge_b"].addresses == lab.plan.services["edge_b"].networks
    assert default_route(lab) == str(lab.plan.networks["lan_b"].gateway)


def default_route(lab: Engine) -> str:
    """Through whom edge_b leaves its network."""
    (route,) = lab.execute("edge_b", ["ip", "route", "show", "default"]).stdout.splitlines()
    return route.split()[2]


def test_starting_what_runs_changes_nothing(lab: Engine) -> None:
    before = {name: boot(lab, name) for name in lab.plan.services}

    lab.start()

    assert {name: boot(lab, name) for name in lab.plan.services} == before


def boot(lab: Engine, service: str) -> Sequence[str]:
    """The beginning of a log, with the time."""
    return lab.logs(service).splitlines()[:3]


def test_the_commands_for_a_person_s_shell(lab: Engine) -> None:
    assert lab.interactive("edge_a", ["macula", "id"], terminal=False)[-2:] == ["macula", "id"]
    assert "edge_a" in " ".join(lab.logs_command(["edge_a"], follow=False))
