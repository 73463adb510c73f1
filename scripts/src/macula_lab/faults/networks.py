"""Networks that fall apart, and that lose packets."""

import time

from macula_lab.events import shaping
from macula_lab.faults.account import within
from macula_lab.faults.ground import DEMO, Ground
from macula_lab.faults.hosts import ELSEWHERE
from macula_lab.faults.load import CALL_TIMEOUT
from macula_lab.faults.outcome import Measure

NETWORK = "mesh"
APART = ("gateway", "edge3")
"""Each side has one provider and one subscriber; the caller and the bootstrap are on the other."""
SPLIT = 10.0
"""seconds: as long as a record lives that is not renewed"""

LOSS = 20
"""per cent of the packets of each node"""
LOSSY = 6.0


def partition(ground: Ground) -> list[Measure]:
    """The network falls into two halves, which both go on, and become one again."""
    struck = ground.happens("split", NETWORK, ",".join(APART))
    try:
        time.sleep(SPLIT)
    finally:
        healed = ground.happens("join", NETWORK)

    def converged() -> bool:
        return (
            ground.served(healed)
            and ground.whole()
            and all(ground.found(name, DEMO, "rpc") >= {"edge1", "edge2", "edge3"} for name in ground.ids)
        )

    one = ground.when("the mesh is one again", converged, healed, 15.0)
    after = ground.disturbed("calls are answered after it", healed, 5.0)
    return [ground.disturbed_while(ELSEWHERE, struck, healed, 2.0), one, after]


def loss(ground: Ground) -> list[Measure]:
    """Every node loses a fifth of all packets that it sends."""
    nodes = tuple(ground.ids)
    try:
        for seed, name in enumerate(nodes):
            shaping.ask(ground.mesh.engine, name, ["set", "--out", f"loss={LOSS}", "--seed", str(seed)])
        struck = time.monotonic()
        time.sleep(LOSSY)
        ended = time.monotonic()
    finally:
        for name in nodes:
            shaping.ask(ground.mesh.engine, name, ["set", "--out", "none"])
    healed = time.monotonic()
    after = ground.disturbed("calls are answered after it", healed, 2.0)
    return [
        Measure("99 of 100 calls are answered", within(ground.load.calls, struck, ended, 0.99), CALL_TIMEOUT),
        after,
    ]
