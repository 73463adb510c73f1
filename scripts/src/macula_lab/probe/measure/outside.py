"""What an outsider can do that nobody inside asked for."""

import os
import socket
from collections.abc import Callable
from functools import partial

from macula_lab.probe.asking import GRACE, QUICK, TRIES, tried
from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.measure.together import together
from macula_lab.probe.measure.token import new_token
from macula_lab.probe.measure.vantage import Vantage
from macula_lab.probe.observations import Connecting, EarlyProbe, Intrusion, Unsolicited
from macula_lab.probe.tcp import Outcome

TCP_PATIENCE = 0.1
"""seconds per try, shorter than the kernel waits before it sends a SYN again"""
NOBODY = range(20_000, 30_000)
"""ports that no NAT here gives out by itself: below the ephemeral ones, and outside of the blocks"""


def intrusion(vantage: Vantage) -> tuple[Intrusion, ...]:
    """Aim at private endpoints of a host inside (the outsider has a route to them through the router)."""

    def udp(mapped: bool) -> Intrusion:
        with vantage.channel() as channel, vantage.sockets(vantage.inside) as [asker]:
            if mapped:
                vantage.outside(asker)
            at, token = channel.open(channel.stranger), new_token()
            arrived = tried(
                lambda: channel.send(token, at, asker.local), lambda until: asker.hears(token, until), vantage.fence
            )
            return Intrusion("udp", at, asker.local, mapped, arrived is not None)

    def tcp() -> Intrusion:
        with socket.create_server((vantage.inside, 0)) as listener:
            tried = _connect(vantage, Endpoint(*listener.getsockname()))
            return Intrusion("tcp", tried.local, tried.to, False, tried.outcome is Outcome.OPEN)

    ways: dict[str, Callable[[], Intrusion]] = {"fresh": partial(udp, False), "mapped": partial(udp, True), "tcp": tcp}
    return tuple(together(ways).values())


def unsolicited(vantage: Vantage, outside: str) -> Unsolicited:
    """Send UDP to a port of the outside address that nobody inside has; gives the errors that come back."""
    with vantage.channel() as channel:
        at, nobody = channel.open(channel.stranger), _nobody(outside)
        errors = tried(
            lambda: channel.send(new_token(), at, nobody),
            lambda _until: channel.heard(at, QUICK)[1] or None,
            vantage.fence,
        )
        return Unsolicited(at, nobody, tuple(dict.fromkeys(errors or ())))


def connecting_in(vantage: Vantage, outside: str) -> Connecting:
    """Connect to the outside address."""
    return _connect(vantage, _nobody(outside))


def early(vantage: Vantage, outside: str) -> tuple[EarlyProbe, ...]:
    """An outsider sends first: to the port of a socket that has sent nothing yet, and to the mapping of another one."""
    return tuple(together({mapped: partial(_early, vantage, outside, mapped) for mapped in (False, True)}).values())


def _early(vantage: Vantage, outside: str, mapped: bool) -> EarlyProbe:
    with vantage.channel() as channel, vantage.sockets(vantage.inside) as [asker]:
        before = vantage.outside(asker) if mapped else None
        at, first, token = channel.open(channel.stranger), new_token(), new_token()
        channel.send(first, at, before or Endpoint(outside, asker.local.port))
        channel.fence()
        vantage.fence()
        errors = channel.heard(at, GRACE)[1]
        let_in = asker.hears(first, 0.0) is not None

        after = tried(
            lambda: asker.socket.send(token, at), lambda _until: channel.source_of(token, at, GRACE), vantage.fence
        )
        return EarlyProbe(at, asker.local, before, after, let_in, tuple(dict.fromkeys(errors)))


def icmp(vantage: Vantage) -> tuple[str, ...]:
    """Have the server answer by an ICMP error; gives the errors that come in (RFC 5508, section 3)."""
    with vantage.channel() as channel, vantage.sockets(vantage.inside) as [asker]:
        outside = vantage.outside(asker)
        if outside is None:
            return ()

        def errors(until: float) -> list[str] | None:
            asker.hears(b"", until)
            return asker.socket.errors or None

        refused = tried(lambda: channel.refuse(outside, vantage.server), errors, vantage.fence)
        return tuple(dict.fromkeys(refused or ()))


def _nobody(outside: str) -> Endpoint:
    return Endpoint(outside, NOBODY[int.from_bytes(os.urandom(2)) % len(NOBODY)])


def _connect(vantage: Vantage, to: Endpoint) -> Connecting:
    """How the outsider's attempts to connect end."""
    with vantage.channel() as channel:
        for _ in range(TRIES):
            tried = channel.connect(to, TCP_PATIENCE)
            if tried.outcome is not Outcome.SILENT:
                break
        return tried
