"""Whole nodes on loopback, one of whose relays grants sessions and then drops or delays what it should forward."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

import macula
from macula.core.address import Address
from macula.core.effects import SendDatagram
from macula.providers.quic.transport import QuicTransport

from .test_relayed import LOOPBACK, REALM
from .waiting import until

DELAY = 2.0


@dataclass(frozen=True)
class Parties:
    """Two edges that are connected through relays only, and the two relays that both use."""

    a: macula.Mesh
    b: macula.Mesh
    relays: tuple[macula.Mesh, macula.Mesh]

    async def relay_of(self, edge: macula.Mesh, peer: macula.Mesh) -> macula.Mesh:
        """Through which relay an edge sends to its peer."""
        (told,) = [one for one in await edge.peers() if one["node_id"] == str(peer.node_id)]
        return next(relay for relay in self.relays if str(relay.node_id) == told["relay"]["node_id"])


@asynccontextmanager
async def parties() -> AsyncIterator[Parties]:
    async with AsyncExitStack() as stack:
        entry = await stack.enter_async_context(macula.connect(REALM, "entry", mode="bootstrap", **LOOPBACK))
        place = (await entry.status())["listen"]
        # On one host they would soon meet without a relay.
        apart = {"reachable": "no", "path_policy": "relay-only"}
        names: dict[str, dict[str, Any]] = {"relay": {"mode": "relay"}, "a": apart, "b": apart}
        nodes = [macula.connect(REALM, name, [place], **LOOPBACK, **more) for name, more in names.items()]
        relay, a, b = [await stack.enter_async_context(node) for node in nodes]

        async def both_use_both() -> bool:
            return all([len((await edge.status())["relays"]) == 2 for edge in (a, b)])

        await until(both_use_both)
        yield Parties(a, b, (entry, relay))


def corrupt(node: macula.Mesh, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a relay do badly what it was asked to forward; everything else of it goes on."""
    transport = node._driver._transport
    assert isinstance(transport, QuicTransport)
    forwarder = transport._endpoint._relays._forwarder
    forward = forwarder.forward

    def badly(frame: bytes, source: Address, now: float) -> None:
        passed = forward(frame, source, now)
        if how == "delays" and passed is not None:
            data, target = passed
            asyncio.get_running_loop().call_later(DELAY, transport.execute, SendDatagram(target, data))

    monkeypatch.setattr(forwarder, "forward", badly)


@pytest.mark.parametrize("how", ["drops", "delays"])
async def test_calls_go_through_the_other_relay_from_the_beginning(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with parties() as mesh:
        await mesh.b.advertise("org.test.echo", lambda args: args)
        corrupt(mesh.relays[0], how, monkeypatch)

        began = time.monotonic()
        report = await mesh.a.report_call("org.test.echo", 1, timeout=10)

        print(f"with a relay that {how} the first call took {time.monotonic() - began:.2f} s")
        assert (report.path, report.hops) == ("relayed", ())
        assert await mesh.relay_of(mesh.a, mesh.b) is mesh.relays[1]


@pytest.mark.parametrize("how", ["drops", "delays"])
async def test_a_connection_leaves_a_relay_that_does_badly(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with parties() as mesh:
        await mesh.b.advertise("org.test.echo", lambda args: args)
        await mesh.a.call("org.test.echo", 0)
        bad = await mesh.relay_of(mesh.a, mesh.b)
        corrupt(bad, how, monkeypatch)

        began = time.monotonic()
        assert [await mesh.a.call("org.test.echo", number, timeout=10) for number in range(20)] == list(range(20))

        print(f"with a relay that {how} twenty calls took {time.monotonic() - began:.2f} s")
        assert await mesh.relay_of(mesh.a, mesh.b) is not bad
        assert await mesh.a.call("org.test.echo", 1, timeout=10) == 1
