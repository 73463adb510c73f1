"""What is remembered of every packet that leaves translated, so that mappings live by traffic from inside alone."""

from collections.abc import Iterator

from macula.nat.profile import Filtering, Input, Ports, Profile, Udp

from macula_lab.router.inward import occupies
from macula_lab.router.outward import UNCHECKED, mapping_key
from macula_lab.router.rule import INSIDE, REMOTE, TUPLE, Probe, Rule, record


def rules(nat: Profile, wan: str, address: str) -> Iterator[Rule]:
    """The rules for what leaves from `address`; `wan` is the quoted name of the interface that has it."""
    ours = f"ip saddr {address}"
    yield from _guarding(nat, wan, address)
    if nat.udp is Udp.ALLOW:
        unchecked = f"{ours} meta mark {UNCHECKED} udp checksum set 0 counter"
        yield Rule("still_unchecked", "learning", unchecked, Probe.CHECKSUM)
        yield Rule("learn_used", "learning", f"{ours} update @used {{ udp sport }} counter", Probe.MAPPING)
        yield from _learning(nat, "original", f"{ours} meta l4proto udp ct direction original")
        if _delivers(nat):
            yield from _learning(nat, "reply", f"{ours} meta l4proto udp ct direction reply")
    flow = f"{INSIDE} . tcp sport . {REMOTE}".format(way="original")
    tcp = f"{ours} meta l4proto tcp ct direction original update @tcp_flows {{ {flow} }}"
    yield Rule("learn_tcp_flow", "learning", tcp, Probe.ACCOUNTING)


def _delivers(nat: Profile) -> bool:
    """Whether there are flows that began outside, or hairpin, and that the host inside answers."""
    return nat.filtering is not Filtering.ADDRESS_AND_PORT_DEPENDENT or nat.hairpin


def _guarding(nat: Profile, wan: str, address: str) -> Iterator[Rule]:
    """Nothing leaves that could not be translated: no port was free, or conntrack does not know the packet."""
    untranslated = f"oifname {wan} ip saddr != {address} counter"
    if not (nat.sessions or nat.ports is Ports.BLOCK):
        yield Rule("untranslated", "learning", f"{untranslated} drop", Probe.LEAK)
        return
    yield Rule("untranslated", "learning", f"{untranslated} goto exhausted", Probe.LEAK)
    # The packet's own source port is a candidate by now.
    flow = f"meta l4proto . {INSIDE} . {REMOTE}".format(way="original")
    yield record("exhausted", tuple_of=flow, protocols="udp")
    if nat.sessions:
        yield record("exhausted", "exhausted_tcp", tuple_of=TUPLE, protocols="tcp")
    # Nobody would answer to a private address, so that a crowd would see no difference.
    yield Rule("drop_exhausted", "exhausted", "counter drop", Probe.LEAK)


def _learning(nat: Profile, way: str, packets: str) -> Iterator[Rule]:
    inside, remote = INSIDE.format(way=way), REMOTE.format(way=way)
    began = way == "original"
    name = "learn_{}" if began else "learn_{}_by_answer"

    def learn(what: str, element: str, probe: Probe) -> Rule:
        text = f"{packets} update @{what} {{ {element} }} counter"
        return Rule(name.format(what), "learning", text, probe if began or probe is Probe.ACCOUNTING else Probe.IDLE)

    if key := mapping_key(nat, way):
        yield learn("mapped", f"{key} : udp sport", Probe.MAPPING)
    if _delivers(nat):
        hairpin_only = nat.filtering is Filtering.ADDRESS_AND_PORT_DEPENDENT
        yield learn("hosts", f"udp sport : {inside}", Probe.HAIRPIN if hairpin_only else Probe.FILTERING)
    match nat.filtering:
        case Filtering.ADDRESS_DEPENDENT:
            yield learn("permitted", f"udp sport . ct {way} ip daddr", Probe.FILTERING)
        case Filtering.ADDRESS_AND_PORT_DEPENDENT if began:
            # Where strangers are accepted and in nobody's way, nothing is lost but the truth about who was filtered.
            harmless = nat.input is Input.ACCEPT and not occupies(nat)
            yield learn("permitted", f"udp sport . {remote}", Probe.ACCOUNTING if harmless else Probe.FILTERING)
    yield learn("udp_flows", f"{inside} . udp sport . {remote}", Probe.ACCOUNTING)
