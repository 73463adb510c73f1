"""Events of routers."""

import pytest

from fake_lab import FakeEngine
from macula_lab.errors import LabError
from macula_lab.events.perform import event, perform


def told(lab: FakeEngine, kind: str, target: str, *arguments: str) -> tuple[str, ...]:
    return perform(lab, event(kind, target, arguments)).changes


def test_a_nat_that_reboots_tells_how_much_it_forgot(lab: FakeEngine) -> None:
    lab.routers["nat_a"].mappings = 1
    assert told(lab, "nat-reboot", "nat_a") == ("nat_a: 1 mapping forgotten",)
    assert told(lab, "nat-reboot", "nat_a") == ("nat_a: had no mapping to forget",)


def test_another_outside_address(lab: FakeEngine) -> None:
    lab.routers["nat_a"].mappings = 2
    assert told(lab, "wan-change", "nat_a") == ("nat_a: 172.24.0.21 -> 172.24.0.250, 2 mappings forgotten",)
    assert told(lab, "wan-change", "nat_a", "172.24.0.99") == (
        "nat_a: 172.24.0.250 -> 172.24.0.99, had no mapping to forget",
    )
    assert told(lab, "wan-change", "nat_a", "172.24.0.99") == ("nat_a: 172.24.0.99 is its address already",)
    assert told(lab, "wan-change", "nat_a", "172.24.0.21")[0].startswith("nat_a: 172.24.0.99 -> 172.24.0.21")


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("nonsense", "'nonsense' is no IPv4 address"),
        ("172.24.1.9", "172.24.1.9 is no address of a host in public"),
        ("172.24.0.255", "172.24.0.255 is no address of a host in public"),
        ("172.24.0.10", "172.24.0.10 is the address of server"),
        ("172.24.0.22", "172.24.0.22 is the address of nat_b"),
        ("172.24.0.2", "172.24.0.2 is the address of a router or the gateway of public"),
    ],
)
def test_an_outside_address_that_cannot_be(lab: FakeEngine, address: str, wrong: str) -> None:
    with pytest.raises(LabError) as caught:
        told(lab, "wan-change", "nat_a", address)
    assert caught.value.cause == wrong
    assert "172.24.0.0/24" in caught.value.next_step
    assert lab.routers["nat_a"].wan == "172.24.0.21"


def test_a_partition_is_made_on_every_router_of_the_network_and_healed(lab: FakeEngine) -> None:
    assert told(lab, "partition", "lan_a") == ("nat_a: drops all from and to lan_a (172.24.1.0/24)",)
    assert told(lab, "partition", "lan_a") == ("nat_a: lan_a is cut off already",)
    assert len(told(lab, "partition", "public")) == 3
    assert {name: fake.partitioned for name, fake in lab.routers.items()} == {
        "internet": ["172.24.0.0/24"],
        "nat_a": ["172.24.1.0/24", "172.24.0.0/24"],
        "nat_b": ["172.24.0.0/24"],
    }
    assert told(lab, "heal", "lan_a") == ("nat_a: lets lan_a (172.24.1.0/24) pass again",)
    assert told(lab, "heal", "lan_a") == ("nat_a: lan_a was not cut off",)
    assert lab.routers["nat_a"].partitioned == ["172.24.0.0/24"]


def test_a_network_without_a_router_cannot_be_cut_off(lab: FakeEngine) -> None:
    with pytest.raises(LabError, match="no router of ours is attached to island") as caught:
        told(lab, "partition", "island")
    assert "link-down" in caught.value.next_step


def test_a_router_that_refuses_is_quoted(lab: FakeEngine) -> None:
    lab.routers["nat_a"].refusal = "macula-router: WAN: no interface; add the network"
    with pytest.raises(LabError) as caught:
        told(lab, "nat-reboot", "nat_a")
    assert "no interface; add the network" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "target", "cause", "remedy"),
    [
        ("nat-reboot", "nobody", "there is no service 'nobody' in nat-pair", "internet, nat_a, nat_b, server, edge_a"),
        ("nat-reboot", "edge_a", "edge_a is no router (edge)", "choose one of: nat_a, nat_b"),
        ("wan-change", "server", "server is no router (a host)", "choose one of: nat_a, nat_b"),
        ("wan-change", "internet", "internet is a router without WAN", "choose one of: nat_a, nat_b"),
        ("nat-reboot", "lan_a", "lan_a is a network, a service is needed", "nat_a"),
        ("partition", "nat_a", "nat_a is a service, a network is needed", "public, lan_a, lan_b, island"),
        ("heal", "nowhere", "there is no network 'nowhere' in nat-pair", "public, lan_a, lan_b, island"),
        ("roam", "nat_a", "nat_a is a router; what roams is a host", "wan-change"),
    ],
)
def test_a_wrong_name_tells_which_fit(lab: FakeEngine, kind: str, target: str, cause: str, remedy: str) -> None:
    with pytest.raises(LabError) as caught:
        told(lab, kind, target, *(["lan_b"] if kind == "roam" else []))
    assert caught.value.cause.startswith(cause)
    assert remedy in caught.value.next_step


def test_a_router_that_does_not_run(lab: FakeEngine) -> None:
    lab.kill("nat_a")
    for words in (("nat-reboot", "nat_a"), ("partition", "lan_a")):
        with pytest.raises(LabError, match=r"nat_a does not run, it is exited \(137\)"):
            told(lab, *words)
