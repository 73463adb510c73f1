"""What a node's part in NAT detection is."""

from __future__ import annotations

from dataclasses import dataclass

from macula.core.address import Address


@dataclass(frozen=True, slots=True)
class NatSettings:
    """Answering STUN for others, and looking at what this node itself is behind. Times in seconds."""

    measures: bool = False
    """Whether this node looks at what it is behind; where there is no NAT, as in a simulation of messages, it need
    not."""
    answers: bool = False
    """Whether this node answers STUN (RFC 8489) on the mesh's socket."""
    other_port: int | None = None
    """A second port to answer on; 0 is none, None the one after the mesh's."""
    other_host: str | None = None
    """A second address of this host to answer from, on both ports, as RFC 5780 wants it."""
    bootstraps: tuple[Address, ...] = ()
    """Whom a node asks that has not entered the mesh; names among them are left out."""

    rate: float = 100.0
    """STUN requests answered per second for one network, in the long run."""
    burst: int = 500
    total_rate: float = 1000.0
    """The same for all networks together: a tenth of a processor for strangers."""
    total_burst: int = 2000
    ask_rate: float = 1.0
    """ObserverAsks with a port carried out per second for one peer, in the long run."""
    ask_burst: int = 16

    patience: float = 3.0
    """How long after the start the bootstraps are asked if no observer has connected, and between two looks at the
    outside address because a connection is in doubt."""
    gathering: float = 1.0
    """How long after the first observer a second one is waited for."""
    settling: float = 0.05
    """How long after the second one it begins: others may come at the same time, and of these it chooses."""
    doubt: float = 0.3
    """How long after a connection is in doubt the address is checked."""
    calm: float = 10.0
    """How long after a measurement the lifetime of mappings is looked at: the first seconds are when peers are met, and
    behind a sequential NAT every new socket would take the port that they guess."""
    check_interval: float = 30.0
    """How often the outside address is looked at."""
    min_interval: float = 10.0
    """Between two measurements that nobody asked for."""
    port_interval: float = 300.0
    """Between two measurements when only the outside port keeps changing, or when too little can be told."""
