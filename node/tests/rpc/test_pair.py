from __future__ import annotations

from macula.core.commands import CancelCall, Unadvertise
from macula.core.results import CallResult
from macula.errors import Cancelled, Disconnected, NotFound, Timeout
from macula.rpc.settings import RpcSettings

from .mesh import Mesh
from .playbook import node, request

ALICE, BOB, CAROL = node(1), node(2), node(3)


def pair() -> Mesh:
    mesh = Mesh((ALICE, BOB, CAROL), RpcSettings())
    mesh.advertise(BOB, "add")
    return mesh


def outcome(mesh: Mesh, number: int) -> object:
    completed = mesh.commands[ALICE, number].completed
    assert completed is not None
    return completed.error or completed.result


def the_handler(mesh: Mesh) -> int:
    ((_, delivery),) = mesh.running
    return delivery


def assert_quiet(mesh: Mesh) -> None:
    assert not mesh.running and not any(mesh.holds.values())
    assert all(rpc.idle and rpc.calls == 0 and rpc.next_deadline() is None for rpc in mesh.nodes.values())


def test_a_call_there_and_back() -> None:
    mesh = pair()
    number = mesh.give(ALICE, request(args=b"abc"))
    mesh.settle()
    mesh.advance(0.25)
    mesh.finish(BOB, the_handler(mesh))
    mesh.settle()
    assert outcome(mesh, number) == CallResult(b"cba", BOB, (), 0.25)
    assert_quiet(mesh)


def test_cancelling_reaches_the_handler() -> None:
    mesh = pair()
    number = mesh.give(ALICE, request())
    mesh.settle()
    mesh.give(ALICE, CancelCall(number))
    assert isinstance(outcome(mesh, number), Cancelled)
    mesh.settle()
    assert mesh.running[BOB, the_handler(mesh)].cancelled
    mesh.finish(BOB, the_handler(mesh), "cancelled")
    mesh.settle()
    assert_quiet(mesh)


def test_both_sides_end_at_the_deadline() -> None:
    mesh = pair()
    number = mesh.give(ALICE, request(timeout=2.0))
    mesh.settle()
    mesh.advance(3.0)
    assert isinstance(outcome(mesh, number), Timeout) and mesh.commands[ALICE, number].at == 2.0
    assert mesh.running[BOB, the_handler(mesh)].cancelled
    mesh.settle()
    mesh.finish(BOB, the_handler(mesh))
    assert_quiet(mesh)


def test_a_lost_connection_ends_the_call_on_both_sides() -> None:
    mesh = pair()
    number = mesh.give(ALICE, request())
    mesh.settle()
    mesh.disconnect(ALICE, BOB)
    assert isinstance(outcome(mesh, number), Disconnected)
    assert mesh.running[BOB, the_handler(mesh)].cancelled
    mesh.finish(BOB, the_handler(mesh))
    assert_quiet(mesh)


def test_an_idempotent_call_fails_over_and_a_withdrawn_provider_is_left() -> None:
    mesh = Mesh((ALICE, BOB, CAROL), RpcSettings())
    for peer in (BOB, CAROL):
        mesh.advertise(peer, "add", idempotent=True)
    number = mesh.give(ALICE, request())
    mesh.settle()
    ((first, _),) = mesh.running
    mesh.disconnect(ALICE, first)
    mesh.settle()
    ((_, _), (second, delivery)) = mesh.running
    assert {first, second} == {BOB, CAROL}
    mesh.finish(second, delivery)
    mesh.settle()
    assert isinstance(outcome(mesh, number), CallResult)
    mesh.give(BOB, Unadvertise("add"))
    mesh.give(CAROL, Unadvertise("add"))
    number = mesh.give(ALICE, request())
    mesh.settle()
    assert isinstance(outcome(mesh, number), NotFound)


def test_two_nodes_can_call_each_other_from_within_a_call() -> None:
    mesh = pair()
    mesh.advertise(ALICE, "back")
    number = mesh.give(ALICE, request(args=b"outer"))
    mesh.settle()
    outer = the_handler(mesh)
    mesh.give(BOB, request("back", args=b"inner"))
    mesh.settle()
    (inner,) = [delivery for peer, delivery in mesh.running if peer == ALICE]
    mesh.finish(ALICE, inner)
    mesh.settle()
    mesh.finish(BOB, outer)
    mesh.settle()
    assert isinstance(outcome(mesh, number), CallResult)
    assert_quiet(mesh)
