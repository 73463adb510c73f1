"""Does anything go out at all, and does it arrive as it was sent?"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from macula_lab.probe import icmp, tcp
from macula_lab.probe.asking import GRACE, Asker, Question, tried
from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.measure.together import together
from macula_lab.probe.measure.token import new_token
from macula_lab.probe.measure.vantage import Vantage
from macula_lab.probe.observations import Connecting, Contact, Unchecked
from macula_lab.probe.switchboard import PORT
from macula_lab.probe.tcp import Outcome

TCP_TRIES = 3
TCP_PATIENCE = 0.15
"""seconds per try, shorter than the kernel waits before it sends a SYN again"""
UNCHECKED = 3


def contact(vantage: Vantage) -> tuple[Contact, Vantage]:
    """Ask over UDP for the first time; the vantage then knows the server's other address and port."""
    with Asker(vantage.inside) as asker:
        answer = asker.ask_all({"": Question(vantage.server)}, vantage.fence)[""]
        arrived = answer is None and vantage.outsider and _arrives(vantage, asker)
        errors = tuple(dict.fromkeys(asker.socket.errors))
        seen = Contact(asker.local, answer.mapped if answer else None, errors, arrived)
        other = answer.other if answer else None
        # A second address of a server may call itself the other one.
        return seen, replace(vantage, other=other if other and other.address != vantage.server.address else None)


def _arrives(vantage: Vantage, asker: Asker) -> bool:
    """Whether the outsider hears this socket."""
    with vantage.channel() as channel:
        at, token = channel.open(vantage.server.address), new_token()
        source = tried(
            lambda: asker.socket.send(token, at), lambda _until: channel.source_of(token, at, GRACE), vantage.fence
        )
        return source is not None


def connecting(vantage: Vantage) -> dict[str, Connecting]:
    """Connect to TCP port 443, where the outsider is, and to the server's own port."""
    other = partial(connect, vantage, vantage.inside)
    return together({"443": partial(_to_outsider if vantage.outsider else _without_outsider, vantage), "other": other})


def unchecked(vantage: Vantage, neighbour: str) -> Unchecked:
    """Send first datagrams without a checksum (RFC 768): from several sockets, and from the same ports of a neighbour.

    A NAT may choose a port with the first datagram of a flow only; so nothing is sent a second time.
    """
    with ExitStack() as stack, vantage.sockets(*[vantage.inside] * UNCHECKED) as askers:
        same = [stack.enter_context(Asker(neighbour, asker.local.port)) for asker in askers]
        return Unchecked(UNCHECKED, *(_answered_unchecked(vantage, one) for one in (askers, same)))


def _answered_unchecked(vantage: Vantage, askers: Sequence[Asker]) -> int:
    for asker in askers:
        asker.socket.omit_checksum()
    asked = {asker: asker.begin(Question(vantage.server)) for asker in askers}
    vantage.fence()
    until = time.monotonic() + GRACE
    return sum(asker.answer(question, until) is not None for asker, question in asked.items())


def leak(vantage: Vantage) -> str | None:
    """Whom an ICMP echo reply that nobody asked for seems to come from outside; None when we may not send one."""
    with vantage.channel() as channel:
        token = new_token()
        try:
            channel.watch()
            source = tried(
                lambda: icmp.send_echo_reply(token, vantage.inside, vantage.server.address),
                lambda _until: channel.watched(token, GRACE) or None,
                vantage.fence,
            )
        except PermissionError:
            return None
        return source or ""


def _to_outsider(vantage: Vantage) -> Connecting:
    with vantage.channel() as channel:
        return Connecting(channel.local, Endpoint(vantage.server.address, PORT), Outcome.OPEN, channel.seen)


def _without_outsider(vantage: Vantage) -> Connecting:
    to = Endpoint(vantage.server.address, PORT)
    tried = tcp.attempt(to, TCP_PATIENCE, vantage.inside)
    tried.close()
    return Connecting(tried.local, to, tried.outcome)


def connect(vantage: Vantage, host: str) -> Connecting:
    """Connect from a host to the server's own port, over TCP."""
    for _ in range(TCP_TRIES):
        tried = tcp.attempt(vantage.server, TCP_PATIENCE, host)
        try:
            if tried.connection:
                return Connecting(tried.local, vantage.server, tried.outcome, tcp.ask(tried.connection))
        finally:
            tried.close()
        vantage.fence()
    return Connecting(tried.local, vantage.server, tried.outcome)
