"""What goes out: rules for the first packet of a flow, which gets its outside port here."""

from collections.abc import Iterator

from macula.nat.profile import Mapping, Ports, Profile, Udp

from macula_lab.router.inward import occupies
from macula_lab.router.rule import INSIDE, REMOTE, Probe, Rule

SEQUENCE = range(32_768, 36_864)
"""The ports through which ports=sequential counts."""
DRAWS = {Ports.PRESERVE: 8, Ports.RANDOM: 8, Ports.SEQUENTIAL: 32}
"""How many ports are drawn before a packet is dropped as exhausted; the flow's next packet draws again. With half of
all ports taken, eight draws fail for one flow in 250."""
WALK = 512
"""Most ports of a block that are tried in turn, after a random one; a block of this size can be used to the last."""
UNCHECKED = "0x6e6f6373"
"""The packet mark that remembers that a datagram came without a checksum; the kernel makes a wrong one of it when it
writes a candidate into the source port."""


def rules(nat: Profile, wan: str, address: str) -> Iterator[Rule]:
    """The rules for what leaves from `address`; `wan` is the quoted name of the interface that has it."""
    yield from _leaving(nat, wan, address)
    if nat.udp is Udp.ALLOW:
        yield from _choosing(nat, address)
        yield from _drawing(nat)


def mapping_key(nat: Profile, way: str) -> str:
    """What the outside port of a flow depends on; empty when every flow has its own. For `way` see INSIDE."""
    match nat.mapping:
        case Mapping.ENDPOINT_INDEPENDENT:
            return INSIDE.format(way=way)
        case Mapping.ADDRESS_DEPENDENT:
            return f"{INSIDE} . ct {{way}} ip daddr".format(way=way)
        case Mapping.ADDRESS_AND_PORT_DEPENDENT:
            return ""


def _leaving(nat: Profile, wan: str, address: str) -> Iterator[Rule]:
    if nat.sessions:
        counted = f"add @sessions {{ ct original ip saddr ct count over {nat.sessions} }}"
        outward = f"iifname != {wan} oifname {wan}"
        yield Rule("sessions", "leaving", f"{outward} {counted} counter goto exhausted", Probe.CROWD)
    if nat.hairpin and nat.udp is Udp.ALLOW:
        turned = f"iifname != {wan} ct original ip daddr {address} meta l4proto udp"
        yield Rule("hairpin_source", "leaving", f"{turned} counter goto choosing", Probe.HAIRPIN)
    # Without it conntrack would preserve ports by itself, but give one port to two hosts.
    probe = Probe.NEIGHBOURS if nat.ports is Ports.PRESERVE else Probe.MAPPING
    if nat.udp is Udp.ALLOW:
        yield Rule("udp_out", "leaving", f"oifname {wan} meta l4proto udp counter goto choosing", probe)
    yield Rule("others_out", "leaving", f"oifname {wan} counter snat to {address}", Probe.TCP)


def _choosing(nat: Profile, address: str) -> Iterator[Rule]:
    unchecked = f"udp checksum 0 counter meta mark set {UNCHECKED}"
    yield Rule("unchecked", "choosing", unchecked, Probe.CHECKSUM)
    if key := mapping_key(nat, "original"):
        mapped = f"meta l4proto udp udp sport set {key} map @mapped counter goto assign"
        yield Rule("mapped", "choosing", mapped, Probe.MAPPING)
    match nat.ports:
        case Ports.PRESERVE:
            yield Rule("preserve", "choosing", "udp sport != @used counter goto assign", Probe.MAPPING)
            yield Rule("draw", "choosing", "jump drawing", Probe.NEIGHBOURS, DRAWS[nat.ports])
        case Ports.BLOCK:
            low, high = nat.block
            yield Rule("draw", "choosing", "jump drawing", Probe.MAPPING)
            yield Rule("walk", "choosing", "jump walking", Probe.CROWD, min(high - low + 1, WALK))
        case _:
            yield Rule("draw", "choosing", "jump drawing", Probe.MAPPING, DRAWS[nat.ports])
    if occupies(nat):
        remote = REMOTE.format(way="original")
        other = f"udp sport . {remote} @occupied counter snat to {address}:1024-65535 fully-random"
        yield Rule("occupied", "assign", other, Probe.EARLY)
    # "fully-random" among one port changes nothing but this: conntrack looks the flow up, and so collects an expired
    # entry of the port's last owner, which would clash with the new flow until the collector comes by (1 to 60 s).
    assigned = f"meta l4proto udp counter snat to {address}:udp sport fully-random"
    yield Rule("assign", "assign", assigned, Probe.MAPPING)


def _drawing(nat: Profile) -> Iterator[Rule]:
    free, probe = "udp sport != @used", Probe.MAPPING
    match nat.ports:
        case Ports.SEQUENTIAL:
            candidate = f"numgen inc mod {len(SEQUENCE)} map @sequence"
        case Ports.BLOCK:
            low, high = nat.block
            yield Rule("candidate", "drawing", f"udp sport set numgen random mod {high - low + 1} map @block", probe)
            yield Rule("next", "walking", "udp sport set udp sport map @following", Probe.CROWD)
            yield Rule("take_next", "walking", f"{free} counter goto assign", Probe.MAPPING)
            return
        case _:
            candidate, free = "meta random", f"udp sport >= 1024 {free}"
            probe = Probe.NEIGHBOURS if nat.ports is Ports.PRESERVE else Probe.MAPPING
    yield Rule("candidate", "drawing", f"udp sport set {candidate}", probe)
    yield Rule("take", "drawing", f"{free} counter goto assign", probe)
