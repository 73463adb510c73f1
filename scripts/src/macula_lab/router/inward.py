"""What comes in: rules for packets to the outside address, before they are tracked."""

from collections.abc import Iterator

from macula.nat.profile import Filtering, Input, Profile

from macula_lab.router.rule import Probe, Rule, record

STRANGER = "0x73747261"
"""The packet mark of what the router itself accepts."""
OCCUPY = f"counter meta mark set {STRANGER} update @occupied {{ udp dport . ip saddr . udp sport }}"
"""An entry of the connection table belongs to the router itself from here on."""


def rules(nat: Profile, wan: str, address: str) -> Iterator[Rule]:
    """The rules for what arrives at `address`; `wan` is the quoted name of the interface that has it."""
    yield from _arriving(nat, wan, address)
    yield from _refusing(nat)
    yield from _delivering(nat, wan, address)
    yield Rule("lifetime", "timing", 'meta l4proto udp counter ct timeout set "lifetime"', Probe.IDLE)


def _arriving(nat: Profile, wan: str, address: str) -> Iterator[Rule]:
    private = f"iifname {wan} meta pkttype host ip daddr != {address}"
    yield Rule("private", "arriving", f"{private} counter goto private", Probe.INTRUSION)
    nobody = f"ip daddr {address} udp dport != @used"
    if nat.filtering is not Filtering.ENDPOINT_INDEPENDENT:
        probe = Probe.ACCOUNTING  # a filter would stop it too, but for another reason
    else:
        probe = Probe.EARLY if nat.input is Input.ACCEPT else Probe.UNSOLICITED
    yield Rule("no_mapping", "arriving", f"{nobody} counter goto no_mapping", probe)
    # Hosts inside are not filtered when they reach each other, and are strangers when they do not.
    scope = f"iifname {wan} ip daddr {address}" if nat.hairpin else f"ip daddr {address}"
    match nat.filtering:
        case Filtering.ENDPOINT_INDEPENDENT:
            # Not delivered anyway, but the router would answer with ICMP, and nobody would know why.
            stranger, probe = f"iifname != {wan} ip daddr {address} meta l4proto udp", Probe.ACCOUNTING
        case Filtering.ADDRESS_DEPENDENT:
            stranger = f"{scope} udp dport . ip saddr != @permitted"
            probe = Probe.EARLY if nat.input is Input.ACCEPT else Probe.FILTERING
        case Filtering.ADDRESS_AND_PORT_DEPENDENT:
            # Conntrack would deliver nothing else, but remember the stranger and keep the port from us.
            stranger, probe = f"{scope} udp dport . ip saddr . udp sport != @permitted", Probe.EARLY
    if _filters(nat):
        yield Rule("filtered", "arriving", f"{stranger} counter goto filtered", probe)
    yield Rule("closed", "entering", f"iifname {wan} meta l4proto tcp counter goto closed", Probe.TCP)


def _filters(nat: Profile) -> bool:
    return nat.filtering is not Filtering.ENDPOINT_INDEPENDENT or not nat.hairpin


def _refusing(nat: Profile) -> Iterator[Rule]:
    yield record("private")
    yield Rule("drop_private", "private", "counter drop", Probe.INTRUSION)
    yield record("no_mapping", "closed", "closed")
    yield Rule("drop_closed", "closed", "counter drop", Probe.TCP)
    yield record("no_mapping")
    if nat.input is Input.ACCEPT:
        yield Rule("accept_no_mapping", "no_mapping", OCCUPY, Probe.EARLY)
        # Conntrack may know a flow whose mapping has ended.
        yield Rule("ended", "forwarding", f"meta mark {STRANGER} counter drop", Probe.IDLE)
    else:
        yield Rule("drop_no_mapping", "no_mapping", "counter drop", Probe.UNSOLICITED)
    if _filters(nat):
        yield record("filtered")
        if nat.filtering is Filtering.ENDPOINT_INDEPENDENT:
            yield Rule("drop_filtered", "filtered", "counter drop", Probe.HAIRPIN)
        elif nat.input is Input.ACCEPT:
            yield Rule("accept_filtered", "filtered", OCCUPY, Probe.EARLY)
        else:
            alone = nat.filtering is Filtering.ADDRESS_DEPENDENT
            yield Rule("drop_filtered", "filtered", "counter drop", Probe.FILTERING if alone else Probe.EARLY)


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
