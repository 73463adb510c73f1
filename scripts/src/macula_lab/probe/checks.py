"""The checks that a visit can make."""

from enum import StrEnum


class Check(StrEnum):
    """One measurement."""

    CONTACT = "contact"
    """whether UDP gets out; always made, all others need it"""
    MAPPING = "mapping"
    """mapping and port policy"""
    FILTERING = "filtering"
    HAIRPIN = "hairpin"
    NEIGHBOURS = "neighbours"
    """two hosts inside with the same port"""
    TCP = "tcp"
    """out to two ports, and in"""
    INTRUSION = "intrusion"
    """an outsider aims at private addresses"""
    UNSOLICITED = "unsolicited"
    """an outsider sends to a port that nobody inside has"""
    EARLY = "early"
    """an outsider who is not let in sends before the host inside does"""
    ICMP = "icmp"
    """errors from outside about packets from inside"""
    CHECKSUM = "checksum"
    """datagrams without a UDP checksum"""
    LEAK = "leak"
    """packets that leave with a private source address"""
    IDLE = "idle"
    """the lifetime of mappings; takes as long"""
    CROWD = "crowd"
    """uses up the ports of a NAT"""
    SESSIONS = "sessions"
    """uses up the flows that a NAT allows a host"""


FAST = frozenset(Check) - {Check.IDLE, Check.CROWD, Check.SESSIONS}
"""What takes a moment, and can be done together."""

_BESIDE = frozenset({Check.HAIRPIN, Check.NEIGHBOURS, Check.CHECKSUM})
_OPPOSITE = frozenset({Check.TCP, Check.INTRUSION, Check.UNSOLICITED, Check.EARLY, Check.ICMP, Check.LEAK})


def fast(*, neighbour: bool, outsider: bool) -> frozenset[Check]:
    """Those of FAST that can be made with or without a second host inside, and with or without an outsider."""
    return FAST - (frozenset() if neighbour else _BESIDE) - (frozenset() if outsider else _OPPOSITE)
