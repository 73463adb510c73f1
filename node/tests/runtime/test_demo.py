from __future__ import annotations

import pytest

from macula.errors import NotFound, RemoteError
from macula.runtime.demo import DemoService

from .fake_mesh import OTHER, OWN, REALM, FakeMesh


async def call(mesh: FakeMesh, what: str, args: object) -> object:
    return (await mesh.report_call(f"{REALM}.demo.{what}", args)).value


async def test_every_procedure_does_what_it_says() -> None:
    mesh = FakeMesh()
    async with DemoService(mesh).served() as procedures:
        assert procedures == tuple(f"{REALM}.demo.{name}" for name in ("echo", "add", "whoami", "sleep", "fail"))
        assert await call(mesh, "echo", {"x": [1, b"2"]}) == {"x": [1, b"2"]}
        assert await call(mesh, "add", {"a": 1, "b": 2.5}) == 3.5
        assert await call(mesh, "whoami", None) == {"node_id": str(OWN), "name": "edge1", "caller": str(OTHER)}
        assert await call(mesh, "sleep", {"seconds": 0}) == {"slept": 0}
        with pytest.raises(RemoteError, match="on purpose"):
            await call(mesh, "fail", {"reason": "on purpose"})


@pytest.mark.parametrize(
    ("what", "args"),
    [
        ("add", {"a": 1}),
        ("add", {"a": 1, "b": "2"}),
        ("add", None),
        ("sleep", {"seconds": -1}),
        ("sleep", {"seconds": 1e9}),
    ],
)
async def test_wrong_arguments_are_the_callers_to_see(what: str, args: object) -> None:
    mesh = FakeMesh()
    async with DemoService(mesh).served():
        with pytest.raises(RemoteError, match="must be"):
            await call(mesh, what, args)


async def test_it_is_withdrawn_when_its_last_user_leaves() -> None:
    mesh = FakeMesh()
    demo = DemoService(mesh)
    async with demo.served():
        async with demo.served():
            pass
        assert await call(mesh, "echo", 1) == 1
    assert mesh.procedures == {}
    with pytest.raises(NotFound):
        await call(mesh, "echo", 1)
    async with demo.served():
        assert await call(mesh, "echo", 2) == 2


async def test_a_failed_start_can_be_repeated() -> None:
    mesh = FakeMesh()
    demo = DemoService(mesh)
    mesh.refusal = NotFound("no DHT yet")
    with pytest.raises(NotFound):
        async with demo.served():
            pass
    mesh.refusal = None
    async with demo.served():
        assert len(mesh.procedures) == 5
