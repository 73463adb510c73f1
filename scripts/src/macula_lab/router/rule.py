"""A rule of a NAT, and the words that rules share."""

from dataclasses import dataclass
from enum import StrEnum


class Probe(StrEnum):
    """What shows that a rule is there: a check of the prober, or what the router itself reports."""

    CONTACT = "contact"
    """UDP from inside gets out, or is dropped, or is refused by ICMP"""
    MAPPING = "mapping"
    """the outside ports of a socket towards several addresses and ports, and their order"""
    FILTERING = "filtering"
    """who gets in through a mapping"""
    HAIRPIN = "hairpin"
    """inside sockets by their outside addresses; what arrives comes from an outside address (RFC 4787, REQ-9)"""
    NEIGHBOURS = "neighbours"
    """two hosts inside with the same source port have two outside ports, each the same for every destination"""
    TCP = "tcp"
    """TCP from inside is translated, to the ports that it may go to; TCP from outside is not answered"""
    INTRUSION = "intrusion"
    """an outsider aims at private addresses"""
    UNSOLICITED = "unsolicited"
    """an outsider sends UDP to a port that nobody inside has: silence, or an answer of the router's own"""
    EARLY = "early"
    """an outsider sends before the host inside does: the mapping must not suffer, or must, if input=accept"""
    IDLE = "idle"
    """a mapping's end, and what keeps it alive: packets from inside, also answers on flows that began outside"""
    CROWD = "crowd"
    """as many flows, or ports, as there are, and not one more"""
    CHECKSUM = "checksum"
    """datagrams without a UDP checksum (RFC 768) arrive like others"""
    LEAK = "leak"
    """nothing leaves with a private source address; an ICMP echo reply that nobody asked for is not tracked"""
    ACCOUNTING = "accounting"
    """the mappings and drops that `macula-router show` reports"""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, as nftables takes it."""

    name: str
    chain: str
    text: str
    probe: Probe
    """fails without the rule"""
    repeat: int = 1
    """how many times it stands in its chain"""


INSIDE = "ct {way} ip saddr . ct {way} proto-src"
REMOTE = "ct {way} ip daddr . ct {way} proto-dst"
"""The two ends of a flow as the host inside sees them; `way` is original when it began there, else reply."""
TUPLE = "meta l4proto . ip saddr . th sport . ip daddr . th dport"
"""The addresses that a packet has at this moment."""


def record(
    reason: str, name: str = "", chain: str = "", tuple_of: str = TUPLE, protocols: str = "{ tcp, udp }"
) -> Rule:
    """The rule that remembers a packet among the drops of a reason."""
    text = f"meta l4proto {protocols} update @{reason} {{ {tuple_of} }}"
    return Rule(f"record_{name or reason}", chain or reason, text, Probe.ACCOUNTING)
