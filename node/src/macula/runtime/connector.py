"""Single messages to a peer by hand, as the peer connector of Macula 0.17 has it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from macula.core.address import Address
from macula.core.commands import Reach, RequestRaw, SendRaw
from macula.errors import ArgumentError, Disconnected, MeshError, PeerUnreachable, Timeout
from macula.identity import NodeId
from macula.runtime.checks import check_timeout
from macula.runtime.driver import Driver
from macula.wire import MESSAGES, Message

_BY_NAME = {cls.__name__.lower(): cls for cls in MESSAGES}


class PeerConnector:
    """Connections are pooled: a message to a connected peer dials nothing, and concurrent ones share one dial."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def send_message(
        self,
        target: NodeId | str,
        type: str,  # noqa: A002 - the name it has in Macula 0.17
        message: Mapping[str, Any],
        *,
        timeout: float = 5.0,  # noqa: ASYNC109
        retry: int = 0,
    ) -> None:
        """Send one message to a node (NodeId or its text) or an address (`host:port`); returns when it was handed over.

        `type` is a message's name in wire.messages, in any case and with or without `_`; `message` has its fields, of
        which `request` is filled in. `retry` further attempts follow a failure to connect. Raises PeerUnreachable,
        Timeout, Busy, ArgumentError.
        """
        await self._attempt(SendRaw(_target(target), _message(type, message), check_timeout(timeout)), retry)

    async def send_message_nat_aware(
        self,
        target: NodeId | str,
        type: str,  # noqa: A002
        message: Mapping[str, Any],
        *,
        timeout: float = 5.0,  # noqa: ASYNC109
        retry: int = 0,
        endpoint: str | None = None,
        relay_endpoint: str | None = None,
        skip_hole_punch: bool = False,
    ) -> None:
        """As send_message to a node (NodeId or its text), which may be behind a NAT: directly if it can be, else by a
        relay. For a node that is not connected `endpoint` is tried first, then the relay at `relay_endpoint` (both
        `host:port`), each for a third of `timeout`, then what its peer record says. No message waits for a hole to be
        punched; with `skip_hole_punch` none is for the connection that this message makes: it stays with its relay
        until this node has a call, an event or a message without this option for that peer.
        """
        if not isinstance(chosen := _target(target), NodeId):
            raise ArgumentError("target", f"must be a node id, is {target!r}; send_message takes addresses")
        at, via = [Address.parse_endpoint(text) if text else None for text in (endpoint, relay_endpoint)]
        reach = Reach(at, via, punch=not skip_hole_punch)
        await self._attempt(SendRaw(chosen, _message(type, message), check_timeout(timeout), reach), retry)

    async def send_message_and_wait(
        self,
        target: NodeId | str,
        type: str,  # noqa: A002
        message: Mapping[str, Any],
        *,
        timeout: float = 5.0,  # noqa: ASYNC109
        retry: int = 0,
    ) -> Message:
        """As send_message, and return the message that answers it. Raises Disconnected if the peer is lost."""
        answer: Message = await self._attempt(
            RequestRaw(_target(target), _message(type, message), check_timeout(timeout)), retry
        )
        return answer

    async def _attempt(self, command: SendRaw | RequestRaw, retry: int) -> Any:
        if not 0 <= retry <= 10:
            raise ArgumentError("retry", f"must be 0 to 10, is {retry}")
        failure: MeshError | None = None
        for _ in range(retry + 1):
            try:
                return await self._driver.ask(command)
            except (PeerUnreachable, Timeout, Disconnected) as error:
                failure = error
        assert failure is not None
        raise failure


def _target(target: NodeId | str) -> NodeId | Address:
    if isinstance(target, NodeId):
        return target
    return Address.parse_endpoint(target) if ":" in target else NodeId.parse(target)


def _message(name: str, values: Mapping[str, Any]) -> Message:
    cls = _BY_NAME.get(name.replace("_", "").lower())
    if cls is None:
        raise ArgumentError("type", f"must be one of {', '.join(sorted(_BY_NAME))}, is {name!r}")
    names = cls.__struct_fields__
    given = dict(values)
    if "request" in names:
        # The upper half of the numbers; the node's own requests count from the lower.
        given.setdefault("request", 2**31 + secrets.randbits(31))
    unknown = sorted(given.keys() - set(names))
    missing = [field for field in names if field not in given]
    if unknown or missing:
        raise ArgumentError("message", f"{cls.__name__} lacks {missing}, has no {unknown}; its fields are {names}")
    return cls(**given)
