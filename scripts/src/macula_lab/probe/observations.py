"""What a prober saw, before anybody judges it. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.tcp import Outcome


class Place(StrEnum):
    """The four places of a server, as seen from the one that is asked first."""

    PRIMARY = "primary"
    OTHER_PORT = "other port"
    OTHER_ADDRESS = "other address"
    OTHER_BOTH = "other address and port"


@dataclass(frozen=True, slots=True)
class Contact:
    """The very first question."""

    local: Endpoint
    seen: Endpoint | None
    """where the server saw it come from; None when no answer came"""
    errors: tuple[str, ...]
    """ICMP errors that came back instead, as udp.py names them"""
    arrived: bool = False
    """whether the outsider heard a host inside that got no answer"""


@dataclass(frozen=True, slots=True)
class Asking:
    """One socket, and where each place saw it come from, in the order of asking; None where no answer came."""

    local: Endpoint
    seen: tuple[tuple[Place, Endpoint | None], ...]


@dataclass(frozen=True, slots=True)
class Filtered:
    """Whose packets came in to a socket that had sent to the primary place only. It answered those that came."""

    local: Endpoint
    outside: Endpoint
    came: Mapping[Place, bool]


@dataclass(frozen=True, slots=True)
class Hairpin:
    """Two hosts inside that know each other by their outside addresses."""

    sender: Endpoint
    sender_outside: Endpoint
    receiver: Endpoint
    receiver_outside: Endpoint
    source: Endpoint | None
    """whom the receiver saw it come from; None when it did not come"""
    answered: bool
    """whether an answer to that source came back, from where the sender had sent to"""
    errors: tuple[str, ...]
    """what the sender got for it"""


@dataclass(frozen=True, slots=True)
class Connecting:
    """An attempt to open a TCP connection, the last one where there were several."""

    local: Endpoint
    to: Endpoint
    outcome: Outcome
    seen: Endpoint | None = None
    """whom the other end saw"""


@dataclass(frozen=True, slots=True)
class Intrusion:
    """An outsider aimed at a private endpoint."""

    protocol: str
    origin: Endpoint
    to: Endpoint
    mapped: bool
    """whether the socket there had a mapping"""
    reached: bool


@dataclass(frozen=True, slots=True)
class Unsolicited:
    """An outsider sent UDP to a port of the outside address that nobody has."""

    origin: Endpoint
    to: Endpoint
    errors: tuple[str, ...]
    """what came back"""


@dataclass(frozen=True, slots=True)
class EarlyProbe:
    """An outsider sent to the outside endpoint of a socket inside, before that socket sent to the outsider."""

    peer: Endpoint
    local: Endpoint
    mapped: Endpoint | None
    """where the outsider sent to: as the server saw the socket; None: it had sent nothing, the inside port was taken"""
    seen: Endpoint | None
    """where the outsider then saw the socket come from"""
    let_in: bool
    """whether the outsider's datagram came in"""
    errors: tuple[str, ...]
    """what it was answered by"""


class Story(StrEnum):
    """What happens to a mapping before somebody outside tries to come in through it."""

    KEPT = "kept"
    """nothing, for less than the lifetime"""
    GONE = "gone"
    """nothing, for longer than the lifetime"""
    RENEWED = "renewed"
    """a packet from inside comes before the lifetime ends, then nothing for less than the lifetime"""
    INBOUND = "inbound"
    """a packet from outside comes before the lifetime ends, and none from inside for longer than the lifetime"""
    ANSWERED = "answered"
    """like renewed, but the packet from inside answers a flow that began outside (or at a neighbour, by hairpin)"""


@dataclass(frozen=True, slots=True)
class Idle:
    """Whether a mapping still let something in."""

    story: Story
    idle: float
    """seconds since the last packet from inside: at least so many if it let it in, at most so many if it did not"""
    alive: bool
    moved: bool = False
    """of RENEWED and ANSWERED: whether another port of the same address then saw the socket come from elsewhere"""
    obstructed: bool = False
    """of GONE: whether the old flow was still in the way: a neighbour with the same port got no answer from the same
    place, or after that the socket came from where it had come from before"""


@dataclass(frozen=True, slots=True)
class Unchecked:
    """Datagrams without a checksum: how many were answered, of as many of a host, and of a neighbour's same ports."""

    sent: int
    answered: int
    answered_neighbour: int


@dataclass(frozen=True, slots=True)
class Crowd:
    """Many new sockets of one host at once."""

    asked: int
    outside: tuple[Endpoint, ...]
    """of those that were answered"""
    unanswered: tuple[Endpoint, ...]
    """the inside endpoints of the others"""


@dataclass(frozen=True, slots=True)
class Sessions:
    """A host that has as many flows as it is said to be allowed, and then one more."""

    limit: int
    last: bool
    """whether the last allowed one was answered"""
    beyond: bool
    """whether one more was answered"""
    local: Endpoint
    """whose it was"""
    tcp: Connecting
    """a TCP connection after that"""


@dataclass(frozen=True, slots=True)
class Observations:
    """All that one visit saw; None where it was not looked at."""

    server: Mapping[Place, Endpoint] | None = None
    contact: Contact | None = None
    tcp: Mapping[str, Connecting] | None = None
    """by port: 443 and other"""
    tcp_in: Connecting | None = None
    """of an outsider, to the outside address"""
    sockets: tuple[Asking, ...] | None = None
    """asked one after the other, nothing else going on"""
    filtering: Filtered | None = None
    hairpin: Hairpin | None = None
    neighbours: tuple[Asking, Asking] | None = None
    """of two hosts inside, with the same port"""
    intrusion: tuple[Intrusion, ...] | None = None
    unsolicited: Unsolicited | None = None
    early: tuple[EarlyProbe, ...] | None = None
    icmp: tuple[str, ...] | None = None
    """errors seen inside when the server answered by one"""
    unchecked: Unchecked | None = None
    leak: str | None = None
    """the source of an ICMP echo reply that nobody asked for, as seen outside; empty when it did not come out"""
    idle: tuple[Idle, ...] | None = None
    crowd: Crowd | None = None
    sessions: Sessions | None = None
