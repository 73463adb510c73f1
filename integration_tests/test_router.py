"""The router's program: how it starts, changes, reports and ends. What its NATs are is the self-check's to prove."""

import itertools
import json
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Interface

import pytest

from macula.nat.profile import PRESETS, Filtering, Input, Mapping, Ports, Profile, parse
from macula_lab.router.interfaces import Uplink
from macula_lab.router.rules import generate
from macula_lab.router.tables import render
from router_bench import INSIDE, OUTSIDE, SERVER, SILENCE, WAN, Bench, arrives, ip, seen

UP = "macula-router: up"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(f"router-{os.getpid()}", tmp_path_factory.mktemp("router") / "state")
    try:
        made.build()
        yield made
    finally:
        made.remove()


@pytest.fixture
def bench(built: Bench) -> Bench:
    assert built.serve() == UP
    return built


@pytest.fixture
def host(bench: Bench) -> Iterator[socket.socket]:
    with bench.socket(bench.inside) as made:
        yield made


@pytest.fixture
def server(bench: Bench) -> Iterator[socket.socket]:
    with bench.socket(bench.outside, *SERVER) as made:
        yield made


@pytest.fixture
def stranger(bench: Bench) -> Iterator[socket.socket]:
    with bench.socket(bench.outside, OUTSIDE[1], 777) as made:
        yield made


def test_the_kernel_takes_the_rules_of_every_part(built: Bench) -> None:
    kinds, rest = itertools.product(Mapping, Filtering, Ports), itertools.product((False, True), Input)
    nats = [Profile(*kind, hairpin, input=policy) for kind, (hairpin, policy) in zip(kinds, itertools.cycle(rest))]
    nats += [
        parse(text) for text in (*PRESETS, "home,udp=blocked", "none,udp=rejected,tcp=443-only", "home,sessions=3")
    ]
    uplink = Uplink("port3", IPv4Interface(f"{WAN}/24"))
    built.run("nft", "--check", "-f", "-", text="\n".join(render(generate(nat, uplink), nat) for nat in nats))


def test_it_takes_its_addresses_and_routes_and_no_default_route(built: Bench) -> None:
    for metric in ("1", "2"):
        ip("-n", built.router, "route", "add", "default", "via", OUTSIDE[0], "metric", metric)
    assert built.serve({"ROUTES": f"192.0.2.0/24={OUTSIDE[1]}"}) == UP
    assert "inet 10.79.1.2/24" in built.run("ip", "-4", "address", "show", "dev", "port7")
    assert built.run("ip", "route", "show", "default") == ""
    assert f"via {OUTSIDE[1]}" in built.run("ip", "route", "show", "192.0.2.0/24")
    assert built.serve({"ROUTES": f"0.0.0.0/0={OUTSIDE[1]}"}) == UP
    assert f"via {OUTSIDE[1]}" in built.run("ip", "route", "show", "default")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"NAT": "hme"}, "NAT: there is no NAT 'hme'"),
        ({"WAN": "192.0.2.0/24"}, "WAN: no interface has an address in 192.0.2.0/24; there are port7 10.79.1.3/24"),
        ({"ADDRESSES": "192.0.2.2/24"}, "ADDRESSES: no interface is in the network of 192.0.2.2"),
        ({"ROUTES": "192.0.2.0/24=10.99.0.1"}, "ip -4 route replace 192.0.2.0/24 via 10.99.0.1: "),
        ({"LINK_OUT": "delay=fast"}, "LINK_OUT: "),
    ],
)
def test_a_wrong_setting_is_named(built: Bench, changes: dict[str, str], says: str) -> None:
    assert built.serve(changes).startswith(f"macula-router: {says}")
    assert built.program
    assert built.program.wait(10) == 1


def test_missing_rights_are_named(built: Bench) -> None:
    without = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    assert "cap_add: [NET_ADMIN]" in built.serve(before=without)
    built.forward("0")
    try:
        assert 'sysctls: {net.ipv4.ip_forward: "1"}' in built.serve()
    finally:
        built.forward("1")


def test_it_ends_at_once_when_asked(bench: Bench) -> None:
    assert bench.end(signal.SIGTERM) == 0


def test_it_starts_clean_after_it_was_killed(bench: Bench, host: socket.socket, server: socket.socket) -> None:
    bench.command("apply", "--nat", "symmetric")
    bench.command("partition", "192.0.2.0/24")
    before = seen(host, server)
    assert len(bench.show()["mappings"]) == 1
    bench.end(signal.SIGKILL)
    assert seen(host, server) == before, "the kernel goes on without the program"
    assert bench.serve() == UP
    shown = bench.show()
    assert (shown["preset"], shown["mappings"], shown["partitioned"]) == ("home", [], [])
    assert seen(host, server) == (WAN, host.getsockname()[1])


def test_mappings_and_drops_are_reported(
    bench: Bench, host: socket.socket, server: socket.socket, stranger: socket.socket
) -> None:
    port = host.getsockname()[1]
    assert seen(host, server) == (WAN, port)
    for target in ((WAN, port), (WAN, port), (WAN, 9), (INSIDE, port)):
        stranger.sendto(b"let me in", target)
    assert arrives(host, SILENCE) is None
    shown = bench.show()
    (mapping,) = shown["mappings"]
    assert mapping == {
        "protocol": "udp",
        "inside": f"{INSIDE}:{port}",
        "outside": f"{WAN}:{port}",
        "remotes": [f"{SERVER[0]}:{SERVER[1]}"],
        "expires": mapping["expires"],
    }
    assert 100 < mapping["expires"] <= 120
    source = f"{OUTSIDE[1]}:777"
    assert [(one["reason"], one["source"], one["destination"], one["packets"]) for one in shown["drops"]] == [
        ("filtered", source, f"{WAN}:{port}", 2),
        ("no_mapping", source, f"{WAN}:9", 1),
        ("private", source, f"{INSIDE}:{port}", 1),
    ]
    assert shown["wan"] == {"interface": "port3", "address": WAN}
    assert {"interface": "port7", "address": "10.79.1.2", "subnet": "10.79.1.0/24"} in shown["lans"]
    packets = {rule["name"]: rule["packets"] for rule in shown["rules"]}
    assert (packets["drop_filtered"], packets["drop_private"]) == (2, 1)


def test_a_reboot_forgets_everything(bench: Bench, host: socket.socket, server: socket.socket) -> None:
    bench.command("apply", "--nat", "symmetric_sequential")
    first = seen(host, server)
    bench.command("reboot")
    assert bench.show()["mappings"] == []
    server.sendto(b"still there?", first)  # type: ignore[arg-type]
    assert arrives(host, SILENCE) is None
    assert seen(host, server) == first, "it counts from the beginning again"


def test_a_counting_nat_skips_ports_in_use(bench: Bench, host: socket.socket, server: socket.socket) -> None:
    bench.command("apply", "--nat", "symmetric_sequential")
    bench.run("nft", "add element ip macula_nat used { 32768, 32769, 32770 }")
    assert seen(host, server) == (WAN, 32771)


def test_a_preserving_nat_gives_no_port_twice(bench: Bench, host: socket.socket, server: socket.socket) -> None:
    port = host.getsockname()[1]
    bench.run("nft", f"add element ip macula_nat used {{ {port} }}")
    given = seen(host, server)
    assert given
    assert given[1] != port
    assert given[1] >= 1024


def test_the_last_port_of_a_block_is_found_and_then_there_is_none(bench: Bench, server: socket.socket) -> None:
    for last in (41000, 41031, 41063):
        bench.command("apply", "--nat", "cgnat,block=41000-41063")
        taken = ", ".join(str(port) for port in range(41000, 41064) if port != last)
        bench.run("nft", f"add element ip macula_nat used {{ {taken} }}")
        with bench.socket(bench.inside) as one, bench.socket(bench.inside) as other:
            assert seen(one, server) == (WAN, last)
            assert seen(other, server, SILENCE) is None
            (drop,) = bench.show()["drops"]
            assert (drop["reason"], drop["source"]) == ("exhausted", f"{INSIDE}:{other.getsockname()[1]}")


def test_a_network_is_cut_off_and_healed(bench: Bench, host: socket.socket, server: socket.socket) -> None:
    mapping = seen(host, server)
    bench.command("partition", "10.79.1.0/24")
    assert seen(host, server, SILENCE) is None
    server.sendto(b"hello?", mapping)  # type: ignore[arg-type]
    assert arrives(host, SILENCE) is None
    bench.command("apply", "--nat", "home")
    assert bench.show()["partitioned"] == ["10.79.1.0/24"], "another NAT changes nothing about it"
    assert seen(host, server, SILENCE) is None
    assert json.loads(bench.command("partition", "192.0.2.0/24", "--json")) == {
        "partitioned": ["10.79.1.0/24", "192.0.2.0/24"]
    }
    told = {(one["reason"], one["source"], one["packets"]) for one in bench.show()["drops"]}
    outward = f"{INSIDE}:{host.getsockname()[1]}"
    assert told == {("partitioned", outward, 2), ("partitioned", "{}:{}".format(*SERVER), 1)}
    assert "is not cut off" in bench.command("heal", "10.0.0.0/8", code=1)
    bench.command("heal", "10.79.1.0/24")
    assert seen(host, server)
    bench.command("heal")
    assert bench.show()["partitioned"] == []


def test_the_wan_address_changes_to_one_that_nobody_has(
    bench: Bench, host: socket.socket, server: socket.socket
) -> None:
    assert bench.serve({"ROUTES": f"192.0.2.0/24={OUTSIDE[1]}"}) == UP
    before = seen(host, server)
    ip("-n", bench.outside, "address", "add", "198.51.100.192/24", "dev", "eth0")
    try:
        told = json.loads(bench.command("wan-change", "--json"))
        assert told == {"wan": {"interface": "port3", "address": "198.51.100.191"}}
        assert bench.show()["mappings"] == []
        server.sendto(b"still there?", before)  # type: ignore[arg-type]
        assert arrives(host, SILENCE) is None
        assert seen(host, server) == ("198.51.100.191", host.getsockname()[1])
        assert WAN not in bench.run("ip", "-4", "address", "show")
        assert f"via {OUTSIDE[1]}" in bench.run("ip", "route", "show", "192.0.2.0/24")
        assert "is the address that it has" in bench.command("wan-change", "198.51.100.191", code=1)
        assert "no host address" in bench.command("wan-change", "198.51.100.255", code=1)
    finally:
        ip("-n", bench.outside, "address", "delete", "198.51.100.192/24", "dev", "eth0")
        bench.command("wan-change", WAN)
    assert seen(host, server) == (WAN, host.getsockname()[1])


def test_commands_at_the_same_time_do_not_mix(bench: Bench) -> None:
    def change(nat: str) -> None:
        bench.command("apply", "--nat", nat)

    with ThreadPoolExecutor() as pool:
        list(pool.map(change, ["symmetric", "full_cone", "cgnat", "home"] * 2))
    shown = bench.show()
    listed = json.loads(bench.run("nft", "--json", "list", "table", "ip", "macula_nat"))["nftables"]
    loaded = {entry["rule"]["comment"] for entry in listed if "rule" in entry}
    assert loaded == {rule["name"] for rule in shown["rules"]}


def test_nothing_but_our_own_tables_is_touched(bench: Bench) -> None:
    bench.run("nft", "add table ip somebody_elses; add chain ip somebody_elses here")
    bench.command("apply", "--nat", "symmetric")
    bench.command("reboot")
    assert bench.serve() == UP
    tables = {line.split()[-1] for line in bench.run("nft", "list", "tables").splitlines()}
    assert tables == {"somebody_elses", "macula_nat"}
    bench.run("nft", "delete table ip somebody_elses")


def test_without_its_rules_it_says_so(bench: Bench) -> None:
    bench.run("nft", "delete table ip macula_nat")
    assert "its rules are not in the kernel; restart the router" in bench.command("show", code=1)
