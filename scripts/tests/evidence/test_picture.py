from ipaddress import IPv4Network
from itertools import combinations

import pytest

from macula_lab.composefile.plan import Plan
from macula_lab.evidence.picture import Box, Label, Picture, draw
from nat_scene import host, network, pair, plan


def drawn(scene: Plan) -> Picture:
    labels = {name: Label("host", (name,)) for name in (*scene.services, *scene.networks)}
    addresses = {
        name: {network: str(address) for network, address in service.networks.items()}
        for name, service in scene.services.items()
    }
    return draw(scene, labels, addresses)


def crowd(hosts: int) -> Plan:
    services = [host(f"edge{n}", {"mesh": f"172.21.0.{n + 3}"}) for n in range(hosts)]
    return plan(*services, networks=[network("mesh", "172.21.0.0/24")])


def carrier() -> Plan:
    """Two homes behind a carrier's NAT."""
    subnets = {"public": "172.29.0", "carrier": "100.64.0", "lan_a": "172.27.1", "lan_b": "172.27.2"}
    routers = {"cgn": ("public", "carrier"), "home_a": ("carrier", "lan_a"), "home_b": ("carrier", "lan_b")}
    services = [
        host(
            name,
            {outer: f"{subnets[outer]}.{n}", inner: f"{subnets[inner]}.{n}"},
            "router",
            WAN=f"{subnets[outer]}.0/24",
        )
        for n, (name, (outer, inner)) in enumerate(routers.items(), start=20)
    ]
    edges = [host("edge_a", {"lan_a": "172.27.1.31"}), host("edge_b", {"lan_b": "172.27.2.32"})]
    networks = [network(name, f"{subnet}.0/24") for name, subnet in subnets.items()]
    return plan(*services, *edges, networks=networks[::-1])


def ring() -> Plan:
    """Plain routers with two ways between the outer networks."""
    ways = [("left", "middle"), ("middle", "right"), ("right", "left")]
    octets = {"left": 1, "middle": 2, "right": 3}
    services = [
        host(f"r{n}", {name: f"172.22.{octets[name]}.{n + 2}" for name in way}, "router") for n, way in enumerate(ways)
    ]
    return plan(*services, networks=[network(name, f"172.22.{octet}.0/24") for name, octet in octets.items()])


@pytest.mark.parametrize("scene", [pair(), crowd(50), crowd(1), carrier(), ring(), plan(networks=[])])
def test_everything_is_drawn_once_inside_the_picture_and_nothing_over_another(scene: Plan) -> None:
    picture = drawn(scene)
    assert sorted(box.label.lines[0] for box in picture.networks) == sorted(scene.networks)
    assert sorted(box.label.lines[0] for box in picture.hosts + picture.routers) == sorted(scene.services)
    for box in picture.networks + picture.hosts + picture.routers:
        assert box.x >= 0 and box.y >= 0
        assert box.x + box.width <= picture.width and box.y + box.height <= picture.height
    for one, other in combinations(picture.networks + picture.routers, 2):
        assert not overlap(one, other), (one, other)
    for one, other in combinations(picture.hosts, 2):
        assert not overlap(one, other), (one, other)


def overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def test_a_host_is_drawn_in_its_network() -> None:
    picture = drawn(pair())
    places = {box.label.lines[0]: box for box in picture.networks + picture.hosts}
    for name, inside in {"edge_a": "lan_a", "edge_b": "lan_b", "bootstrap": "public"}.items():
        host_box, network_box = places[name], places[inside]
        assert network_box.x <= host_box.x and host_box.x + host_box.width <= network_box.x + network_box.width
        assert network_box.y < host_box.y and host_box.y + host_box.height <= network_box.y + network_box.height


def test_the_outermost_network_is_on_top_and_what_is_inside_below_its_router() -> None:
    for scene in (pair(), carrier()):
        picture = drawn(scene)
        top = {box.label.lines[0]: box.y for box in picture.networks + picture.routers}
        for router in scene.routers():
            outer = next(one for one in scene.networks.values() if one.subnet == IPv4Network(router.environment["WAN"]))
            inner = next(name for name in router.networks if name != outer.name)
            assert top[outer.name] < top[router.name] < top[inner]


def test_each_router_is_wired_to_each_of_its_networks_with_its_address_there() -> None:
    for scene in (pair(), carrier(), ring()):
        expected = [str(address) for router in scene.routers() for address in router.networks.values()]
        assert sorted(wire.text for wire in drawn(scene).wires) == sorted(expected)
