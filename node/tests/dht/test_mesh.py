"""Many services together: what one node publishes every other finds, whoever leaves."""

from __future__ import annotations

from macula.core.record import Kind
from macula.identity import NodeId

from .mesh import LATENCY, PEER_TTL, Mesh, Node


def owners(mesh: Mesh, reader: Node, name: str) -> list[NodeId]:
    return [record.node for record in mesh.find(reader, name)]


def test_forty_nodes_find_every_record_also_after_thirty_percent_left() -> None:
    mesh = Mesh(seed=5)
    mesh.build(40)
    mesh.run(30.0)
    assert all(node.dht.joined for node in mesh.nodes)
    assert [mesh.publish(node, f"p{node.index}") for node in mesh.nodes] == [20] * 40

    costs, rounds = [], []
    for node in mesh.nodes:
        reader = mesh.nodes[(node.index * 7 + 3) % 40]
        before, began = mesh.queries(), mesh.now
        assert owners(mesh, reader, f"p{node.index}") == [node.id]
        costs.append(mesh.queries() - before)
        rounds.append((mesh.now - began) / (2 * LATENCY))
    assert sorted(costs)[20] <= 21, "a full lookup asks the k closest, and hardly anybody else"
    assert max(rounds) < 9

    for node in mesh.rng.sample(mesh.nodes[1:], 12):
        node.alive = False
    alive = [node for node in mesh.nodes if node.alive]
    for node in alive:
        assert owners(mesh, mesh.rng.choice(alive), f"p{node.index}") == [node.id]
    mesh.run(400.0)
    for node in mesh.nodes:
        expected = [node.id] if node.alive else []
        assert owners(mesh, mesh.rng.choice(alive), f"p{node.index}") == expected
    assert all(node.dht.stats().nodes <= len(alive) - 1 for node in alive), "the dead have left every table"


def test_a_lookup_waits_for_those_that_have_just_died_together() -> None:
    mesh = Mesh(seed=12)
    mesh.build(20)
    mesh.publish(mesh.nodes[3], "add")
    for node in mesh.nodes[10:]:
        node.alive = False
    began = mesh.now
    assert owners(mesh, mesh.nodes[0], "add") == [mesh.nodes[3].id]
    assert mesh.now - began < 4, "ten of them, three at a time, 2 s each: that would be 8 s"


def test_a_record_stands_at_the_nodes_closest_to_its_key() -> None:
    mesh = Mesh(seed=6)
    mesh.build(30)
    mesh.publish(mesh.nodes[7], "add")
    result = mesh.look_up(mesh.nodes[12], "add")
    key = int.from_bytes(result.key, "big")
    nearest = sorted((node.id for node in mesh.nodes), key=lambda each: each.position ^ key)
    assert list(result.closest) == nearest[:20]
    assert {node for node in nearest[:20] if node != mesh.nodes[7].id} <= set(result.holders)


def test_many_providers_of_one_name_and_a_withdrawal() -> None:
    mesh = Mesh(seed=7)
    mesh.build(25)
    for node in mesh.nodes:
        mesh.publish(node, "add")
    everybody = sorted(node.id for node in mesh.nodes)
    assert owners(mesh, mesh.nodes[3], "add") == everybody
    assert mesh.withdraw(mesh.nodes[9], "add") == 20
    everybody.remove(mesh.nodes[9].id)
    for reader in mesh.nodes[:6]:
        assert owners(mesh, reader, "add") == everybody
    mesh.run(400.0)
    assert owners(mesh, mesh.nodes[4], "add") == everybody


def test_a_drained_node_is_gone_for_all_at_once() -> None:
    mesh = Mesh(seed=8)
    mesh.build(12)
    leaver = mesh.nodes[5]
    mesh.publish(leaver, "add")
    mesh.drain(leaver)
    leaver.alive = False
    assert owners(mesh, mesh.nodes[2], "add") == []


def test_clients_use_the_dht_without_being_part_of_it() -> None:
    mesh = Mesh(seed=9)
    mesh.build(6)
    clients = [mesh.add(reachable=False) for _ in range(2)]
    for client in clients:
        mesh.connect(client, mesh.nodes[0])
    mesh.run(5.0)
    assert mesh.publish(clients[0], "add") == 6
    assert owners(mesh, clients[1], "add") == [clients[0].id]
    assert mesh.find_peer(clients[1], clients[0].id) == clients[0].info
    assert mesh.nodes[0].dht.stats().nodes == 5
    result = mesh.look_up(clients[1], str(clients[0].id), Kind.PEER, realm="")
    assert clients[1].id not in result.closest
    assert len(result.closest) == 6


def test_a_lossy_network_still_finds() -> None:
    mesh = Mesh(seed=10)
    mesh.drop = lambda source, target, message: mesh.rng.random() < 0.05
    mesh.build(15)
    mesh.run(PEER_TTL / 2)
    for node in mesh.nodes:
        mesh.publish(node, f"p{node.index}")
    for node in mesh.nodes:
        assert owners(mesh, mesh.rng.choice(mesh.nodes), f"p{node.index}") == [node.id]


def test_two_halves_that_are_joined_by_one_connection_become_one() -> None:
    mesh = Mesh(seed=11)
    halves = [[mesh.add() for _ in range(8)] for _ in range(2)]
    for half in halves:
        for node in half[1:]:
            mesh.connect(node, half[0])
            mesh.run(0.5)
    mesh.publish(halves[0][3], "add")
    assert owners(mesh, halves[1][4], "add") == []
    mesh.connect(halves[0][0], halves[1][0])
    mesh.run(PEER_TTL)
    assert owners(mesh, halves[1][4], "add") == [halves[0][3].id]
