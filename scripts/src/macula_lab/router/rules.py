"""The rules of a NAT, from its parts alone. Pure; every rule is named, with the probe that fails without it.

How it works. Conntrack translates; which port a flow gets, what comes in and how long a mapping lives is decided by
sets of our own. They are written after translation from every packet that leaves (RFC 4787, REQ-6: only traffic from
inside keeps a mapping alive) and asked before tracking by every packet that arrives, so that a packet which may not
come in leaves no trace in the connection table. Conntrack keeps a flow for the lifetime after its last packet in either
direction: a host that was silent for too long finds its old port again if packets had come in shortly before the end.

A new mapping's port is chosen in the packet itself: its source port field holds the candidate, which is looked up in
the ports in use, drawn anew while taken, and at last asked for from conntrack. One packet per flow comes this way.
"""

from collections.abc import Iterator

from macula.nat.profile import Profile, Tcp, Udp

from macula_lab.router import inward, learning, outward
from macula_lab.router.interfaces import Uplink
from macula_lab.router.rule import Probe, Rule, record

__all__ = ["Probe", "Rule", "generate"]


def generate(nat: Profile, uplink: Uplink) -> tuple[Rule, ...]:
    """The rules of a NAT whose outside address is that of `uplink`; within a chain they are in their order."""
    wan, address = f'"{uplink.interface}"', str(uplink.address.ip)
    found = [*_policies(nat, wan)]
    if nat.translates:
        for part in (inward.rules, outward.rules, learning.rules):
            found += part(nat, wan, address)
    return tuple(found)


def _policies(nat: Profile, wan: str) -> Iterator[Rule]:
    """What may not leave at all."""
    outward = f"iifname != {wan} oifname {wan}"
    if nat.udp is not Udp.ALLOW:
        yield Rule("udp_blocked", "forwarding", f"{outward} meta l4proto udp counter goto blocked", Probe.CONTACT)
    if nat.tcp is Tcp.ONLY_443:
        yield Rule("tcp_blocked", "forwarding", f"{outward} tcp dport != 443 counter goto blocked", Probe.TCP)
    if nat.udp is not Udp.ALLOW or nat.tcp is Tcp.ONLY_443:
        yield record("blocked")
    if nat.udp is Udp.REJECTED:
        refused = "meta l4proto udp counter reject with icmp type admin-prohibited"
        yield Rule("reject_udp", "blocked", refused, Probe.CONTACT)
    if nat.udp is Udp.BLOCKED:
        yield Rule("drop_udp", "blocked", "meta l4proto udp counter drop", Probe.CONTACT)
    if nat.tcp is Tcp.ONLY_443:
        yield Rule("drop_tcp", "blocked", "meta l4proto tcp counter drop", Probe.TCP)
