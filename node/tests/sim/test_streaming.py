"""Streaming calls between whole engines on virtual time."""

from __future__ import annotations

import pytest

from macula.core.commands import CallProcedure, Strategy
from macula.core.results import CallResult
from macula.errors import Disconnected, NotFound
from macula.wire import encode_value

from .mesh import ADD, Mesh

ARGS = encode_value("args", 1)


def streaming(procedure: str = ADD, timeout: float = 5.0) -> CallProcedure:
    return CallProcedure(procedure, ARGS, timeout, Strategy.ROUND_ROBIN, streams=True)


def test_a_streaming_call_finds_its_provider_and_gives_its_items() -> None:
    mesh = Mesh(1)
    caller, provider = mesh.edges[:2]
    mesh.serve(provider)
    result: CallResult = mesh.world.ask(caller, streaming())
    assert result.provider == provider.node_id
    assert [payload for _, payload in caller.items] == [encode_value("result", 2)]
    with pytest.raises(NotFound):
        mesh.world.ask(caller, streaming(procedure="io.test.nobody"))


def test_a_partition_ends_a_streaming_call() -> None:
    mesh = Mesh(3)
    caller, provider = mesh.edges[:2]
    mesh.serve(provider)
    mesh.world.ask(caller, streaming())
    mesh.world.network.partition([provider.node_id])
    with pytest.raises(Disconnected):
        mesh.world.ask(caller, streaming(timeout=60.0))
