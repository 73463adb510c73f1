"""What comes in: rules for packets to the outside address, before they are tracked."""

from collections.abc import Iterator

from macula.nat.profile import Filtering, Input, Mapping, Ports, Profile, Udp

from macula_lab.router.rule import Probe, Rule, record

STRANGER = "0x73747261"
"""The packet mark of what the router itself accepts."""
OCCUPY = f"counter meta mark set {STRANGER} update @occupied {{ udp dport . ip saddr . udp sport }}"
"""An entry of the connection table belongs to the router itself from here on."""


def occupies(nat: Profile) -> bool:
    """Whether strangers whom the router accepts can be in the way of a flow: a random port never meets theirs."""
    return nat.input is Input.ACCEPT and (nat.ports is Ports.PRESERVE or nat.mapping is Mapping.ENDPOINT_INDEPENDENT)


def rules(nat: Profile, wan: str, address: str) -> Iterator[Rule]:
    """The rules for what arrives at `address`; `wan` is the quoted name of the interface that has it."""
    yield from _guarding(nat, wan, address)
    if nat.udp is not Udp.ALLOW:
        return
    yield from _filtering(nat, wan, address)
    yield from _delivering(nat, wan, address)
    yield Rule("lifetime", "timing", 'meta l4proto udp counter ct timeout set "lifetime"', Probe.IDLE)


def _guarding(nat: Profile, wan: str, address: str) -> Iterator[Rule]:
    """What nobody inside has asked for."""
    private = f"iifname {wan} meta pkttype host ip daddr != {address}"
    yield Rule("private", "arriving", f"{private} counter goto private", Probe.INTRUSION)
    yield record("private")
    yield Rule("drop_private", "private", "counter drop", Probe.INTRUSION)
    yield Rule("closed", "entering", f"iifname {wan} meta l4proto tcp counter goto closed", Probe.TCP)
    yield record("no_mapping", "closed", "closed")
    yield Rule("drop_closed", "closed", "counter drop", Probe.TCP)
    unused = "udp dport != @used" if nat.udp is Udp.ALLOW else "meta l4proto udp"
    nobody = f"ip daddr {address} {unused} counter goto no_mapping"
    yield Rule("no_mapping", "arriving", nobody, _shows_nobody(nat))
    yield record("no_mapping")
    if nat.input is Input.DROP:
        yield Rule("drop_no_mapping", "no_mapping", "counter drop", Probe.UNSOLICITED)
    elif nat.udp is Udp.ALLOW:
        if occupies(nat):
            yield Rule("accept_no_mapping", "no_mapping", OCCUPY, Probe.EARLY)
        else:
            yield Rule("accept_no_mapping", "no_mapping", f"counter meta mark set {STRANGER}", Probe.IDLE)
        # Conntrack may know a flow whose mapping has ended.
        yield Rule("ended", "forwarding", f"meta mark {STRANGER} counter drop", Probe.IDLE)


def _shows_nobody(nat: Profile) -> Probe:
    """What shows the rule for packets to a port that nobody has."""
    if nat.input is Input.ACCEPT:
        return Probe.EARLY if occupies(nat) and nat.filtering is Filtering.ENDPOINT_INDEPENDENT else Probe.ACCOUNTING
    if nat.udp is Udp.ALLOW and nat.filtering is not Filtering.ENDPOINT_INDEPENDENT:
        return Probe.ACCOUNTING  # a filter would stop it too, but for another reason
    return Probe.UNSOLICITED


def _filtering(nat: Profile, wan: str, address: str) -> Iterator[Rule]:
    """Who may not come in through a mapping."""
    if nat.filtering is Filtering.ENDPOINT_INDEPENDENT and nat.hairpin:
        return
    # Hosts inside are not filtered when they reach each other, and are strangers when they do not.
    scope = f"iifname {wan} ip daddr {address}" if nat.hairpin else f"ip daddr {address}"
    match nat.filtering:
        case Filtering.ENDPOINT_INDEPENDENT:
            # Not delivered anyway, but the router would answer with ICMP, and nobody would know why.
            stranger, probe, dropped = (
                f"iifname != {wan} ip daddr {address} meta l4proto udp",
                Probe.ACCOUNTING,
                Probe.HAIRPIN,
            )
        case Filtering.ADDRESS_DEPENDENT:
            stranger, probe, dropped = f"{scope} udp dport . ip saddr != @permitted", Probe.FILTERING, Probe.FILTERING
        case Filtering.ADDRESS_AND_PORT_DEPENDENT:
            # Conntrack would deliver nothing else, but remember the stranger and keep the port from us.
            stranger, probe, dropped = (
                f"{scope} udp dport . ip saddr . udp sport != @permitted",
                Probe.EARLY,
                Probe.EARLY,
            )
    accepts = nat.input is Input.ACCEPT and nat.filtering is not Filtering.ENDPOINT_INDEPENDENT
    if accepts:
        probe = Probe.EARLY if nat.mapping is Mapping.ENDPOINT_INDEPENDENT else Probe.ACCOUNTING
    yield Rule("filtered", "arriving", f"{stranger} counter goto filtered", probe)
    yield record("filtered")
    if not accepts:
        yield Rule("drop_filtered", "filtered", "counter drop", dropped)
    elif occupies(nat):
        yield Rule("accept_filtered", "filtered", OCCUPY, Probe.EARLY)


def _delivering(nat: Profile, wan: str, address: str) -> Iterator[Rule]:
    to_host = f"ip daddr {address} counter dnat ip to udp dport map @hosts"
    match nat.filtering, nat.input:
        case Filtering.ENDPOINT_INDEPENDENT, _:
            yield Rule("deliver", "delivering", f"iifname {wan} {to_host}", Probe.FILTERING)
        case Filtering.ADDRESS_DEPENDENT, Input.DROP:
            yield Rule("deliver", "delivering", f"iifname {wan} {to_host}", Probe.FILTERING)
        case Filtering.ADDRESS_DEPENDENT, Input.ACCEPT:
            # Strangers come this far, on their way to the router itself.
            permitted = f"iifname {wan} udp dport . ip saddr @permitted {to_host}"
            yield Rule("deliver", "delivering", permitted, Probe.FILTERING)
    if nat.hairpin:
        yield Rule("hairpin", "delivering", f"iifname != {wan} {to_host}", Probe.HAIRPIN)
