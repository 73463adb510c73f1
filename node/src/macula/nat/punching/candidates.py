"""Candidates: addresses at which a peer may be reached, as they are told, checked and put in order."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from macula.core.address import Address

MAX_CANDIDATES = 16
"""Most candidates of a node in one message."""
MAX_PER_HOST = 3
"""Most ports of one address that a peer may name: enough for what two observers, a peer and a port mapping saw."""
_SIZES = {4: 7, 16: 19}

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_PRIVATE = [
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7")
]
_NEVER = [ipaddress.ip_network(text) for text in ("0.0.0.0/8", "224.0.0.0/3", "::/128", "ff00::/8", "::ffff:0:0/96")]
_LINK_LOCAL_6 = ipaddress.ip_network("fe80::/10")


class CandidateKind(IntEnum):
    """How an address became known; the numbers are those of the wire."""

    INTERFACE = 1
    """an address of one of the node's own interfaces"""
    REFLEXIVE = 2
    """where observers see the node (RFC 8489)"""
    OBSERVED = 3
    """where a peer saw it"""
    MAPPED = 4
    """where the node's router promised to let packets in"""
    PREDICTED = 5
    """where its next mapping is expected; never told, each side guesses for itself"""
    SEEN = 6
    """where an authenticated probe came from (peer-reflexive); never told"""


class Tier(IntEnum):
    """What kind of path an address makes, the best first."""

    LAN = 0
    IPV6 = 1
    IPV4 = 2
    RELAY = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address and how it became known."""

    kind: CandidateKind
    address: Address


_TOLD = (CandidateKind.REFLEXIVE, CandidateKind.MAPPED, CandidateKind.OBSERVED, CandidateKind.INTERFACE)
"""The kinds that are told, the most useful first."""


def write_candidate(candidate: Candidate) -> bytes:
    """Kind (1 byte), port (2, big-endian), address (4 or 16)."""
    host = ipaddress.ip_address(candidate.address.host)
    return bytes([candidate.kind]) + candidate.address.port.to_bytes(2, "big") + host.packed


def read_candidates(encoded: Iterable[bytes], *, local: bool = False) -> tuple[Candidate, ...]:
    """The usable candidates among those that a peer told, in order of preference.

    Left out without a word are malformed and repeated ones, kinds that are never told, ports of one address beyond
    MAX_PER_HOST, and addresses to which nothing must ever be sent. `local` says that this node is reached at a loopback
    address itself, and allows those.
    """
    found: dict[Address, Candidate] = {}
    ports: dict[str, int] = {}
    for item in encoded:
        if len(found) == MAX_CANDIDATES:
            break
        candidate = _read(item)
        if candidate is None or candidate.address in found or not may_be_sent_to(candidate.address, local=local):
            continue
        host = candidate.address.host
        if ports.get(host, 0) < MAX_PER_HOST:
            ports[host] = ports.get(host, 0) + 1
            found[candidate.address] = candidate
    return tuple(sorted(found.values(), key=lambda one: (tier_of(one), _TOLD.index(one.kind))))


def choose_candidates(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """This node's own candidates as it tells them: without repetitions, the most useful first, not too many."""
    told = [one for one in candidates if one.kind in _TOLD and not one.address.tunnelled]
    found: dict[Address, Candidate] = {}
    for candidate in sorted(told, key=lambda one: _TOLD.index(one.kind)):
        found.setdefault(candidate.address, candidate)
    return tuple(found.values())[:MAX_CANDIDATES]


def may_be_sent_to(address: Address, *, local: bool = False) -> bool:
    """Whether probes may go to an address that a peer told: never to multicast, broadcast and unspecified ones, nor
    through a tunnel."""
    if address.tunnelled:
        return False
    host = ipaddress.ip_address(address.host)
    if host.is_loopback:
        return local
    # A link-local address of IPv6 means nothing without the interface.
    return not any(host in network for network in (*_NEVER, _LINK_LOCAL_6) if network.version == host.version)


def is_loopback(address: Address) -> bool:
    """Whether an address is of this very host."""
    return ipaddress.ip_address(address.host).is_loopback


def is_private(address: Address) -> bool:
    """Whether an address means something within one network only."""
    return private_block(address) is not None


def private_block(address: Address) -> str | None:
    """The block of private addresses (RFC 1918, 6598, 3927, 4193) that an address is of."""
    host = ipaddress.ip_address(address.host)
    if host.is_loopback:
        return "loopback"
    return next((str(net) for net in _PRIVATE if net.version == host.version and host in net), None)


def tier_of(candidate: Candidate) -> Tier:
    """The tier of the path that a candidate would make."""
    if candidate.kind is CandidateKind.INTERFACE and is_private(candidate.address):
        return Tier.LAN
    return Tier.IPV6 if ":" in candidate.address.host else Tier.IPV4


def outside_hosts(candidates: Sequence[Candidate]) -> frozenset[str]:
    """The addresses at which others see a node."""
    seen = (CandidateKind.REFLEXIVE, CandidateKind.OBSERVED)
    return frozenset(candidate.address.host for candidate in candidates if candidate.kind in seen)


def _read(item: bytes) -> Candidate | None:
    if len(item) not in _SIZES.values() or item[0] not in _TOLD:
        return None
    port = int.from_bytes(item[1:3], "big")
    return Candidate(CandidateKind(item[0]), Address(str(ipaddress.ip_address(item[3:])), port)) if port else None
