"""Two connections of aioquic as a node makes them, with no endpoint around them."""

from __future__ import annotations

import random

from macula.identity import Identity
from macula.providers.quic.certificate import make_certificate
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.tuned import VIRTUAL_ADDRESS, TunedConnection, make_configuration


def connected_pair() -> tuple[TunedConnection, TunedConnection]:
    """A client and a server after the handshake; it is 1.09 s."""
    made = []
    for seed, is_client in ((1, True), (2, False)):
        identity = Identity.from_random(random.Random(seed))
        made.append(make_configuration(identity, make_certificate(identity, 1), QuicSettings(), is_client=is_client))
    client = TunedConnection(made[0])
    client.connect(VIRTUAL_ADDRESS, 1.0)
    server = TunedConnection(made[1], client.original_destination_connection_id)
    for step in range(1, 10):
        exchange(client, server, 1.0 + step / 100)
    return client, server


def pass_on(sender: TunedConnection, receiver: TunedConnection, now: float) -> list[bytes]:
    """What the sender has to send arrives at once. Returns it."""
    datagrams = [data for data, _ in sender.datagrams_to_send(now)]
    for data in datagrams:
        receiver.receive_datagram(data, VIRTUAL_ADDRESS, now)
    return datagrams


def exchange(one: TunedConnection, other: TunedConnection, now: float) -> None:
    """What each has to send arrives at once."""
    pass_on(one, other, now)
    pass_on(other, one, now)
