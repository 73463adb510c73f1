"""Wrong variants of the rules of NATs: each loads, and none may go unnoticed by the probe that its rule names. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Interface

from macula.nat.profile import parse
from macula_lab.router.interfaces import Uplink
from macula_lab.router.rule import Probe, Rule
from macula_lab.router.rules import generate

PROFILES = (
    "port_restricted",
    "home",
    "full_cone",
    "restricted",
    "symmetric",
    "mapping=eim,filtering=eif,ports=random,hairpin=on",
    "mapping=adm,filtering=adf,ports=sequential,hairpin=on",
    "mapping=adm,filtering=eif,ports=block",
    "mapping=adm,filtering=apdf,ports=preserve",
    "mapping=apdm,filtering=adf,ports=preserve",
    "symmetric,ports=block,hairpin=on",
    "cgnat",
    "home,sessions=60",
    "restricted,input=accept",
    "home,input=accept",
    "symmetric,input=accept",
    "full_cone,input=accept",
    "tcp=443-only",
    "udp=blocked,tcp=443-only",
    "udp=rejected",
)
"""Between them they have every rule there is."""

ANYWHERE = Uplink("wan0", IPv4Interface("192.0.2.1/24"))


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to a rule: a piece of its text is replaced; without a pattern the rule is left out."""

    name: str
    pattern: str = ""
    replacement: str = ""
    probe: Probe | None = None
    """what shows it, where that is not what shows that the rule is missing"""

    def of(self, rule: Rule) -> list[Rule]:
        """What becomes of a rule."""
        if not self.pattern:
            return []
        return [replace(rule, text=re.sub(self.pattern, self.replacement, rule.text, count=1))]

    def fits(self, rule: Rule) -> bool:
        """Whether it changes anything."""
        return [one.text for one in self.of(rule)] != [rule.text]


REMOVED = Change("removed")
ALTERED = (
    Change("the set the other way round", r"!= @", "@"),
    Change("other ports", r"dport != 443", "dport 443"),
    Change("the address the other way round", r"addr != (\d)", r"addr \1"),
    Change("the interface the other way round", r'iifname != "', 'iifname "'),
    Change("the other interface", r'^iifname "', 'iifname != "'),
    Change("not the uplink", r'^oifname "(?!.*ip saddr)', 'oifname != "'),
    Change("source for destination", r"^ip daddr", "ip saddr"),
    Change("the other direction", r"ct direction original", "ct direction reply"),
    Change("the other direction", r"ct direction reply", "ct direction original"),
    Change("destination for source", r"^ip saddr (\S+ update @used)", r"ip daddr \1"),
    Change("let in", r"counter drop", "counter accept"),
    Change("shut out", r"counter accept", "counter drop"),
    Change("without a word", r"reject with icmp type admin-prohibited", "drop"),
    Change("of the other protocol", r"^meta l4proto udp counter (?!snat)", "meta l4proto tcp counter "),
    Change("other ends", r"ip saddr \. th sport \. ip daddr", "ip daddr . th dport . ip daddr"),
    Change("other ends", r"(@exhausted.*)ct original ip saddr \. ct original proto-src", r"\1ip saddr . th sport"),
    Change("other key", r"set (ct original) ip saddr \. ct original proto-src", r"set \1 ip daddr . \1 proto-dst"),
    Change(
        "other key", r"(ct original) ip daddr \. ct original proto-dst (@occupied)", r"\1 ip saddr . \1 proto-src \2"
    ),
    Change("other address", r"snat to (\S+\.)(\d+)\b", r"snat to \g<1>77"),
    Change("not drawn", r"meta random", "udp sport"),
    Change("drawn, not counted", r"numgen inc", "numgen random"),
    Change("counted, not drawn", r"numgen random", "numgen inc"),
    Change("other limit", r"count over \d+", "count over 5"),
    Change("with a checksum", r"udp checksum 0", "udp checksum != 0"),
    Change("other packets", r"meta mark (0x\w+)", r"meta mark != \1"),
    Change("for TCP only", r"^jump", "meta l4proto tcp jump"),
    Change("other neighbour", r"udp sport map @following", "udp dport map @following"),
    Change("not renewed", r"update @(used|mapped|hosts|permitted)\b", r"add @\1", Probe.IDLE),
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A NAT with one wrong rule."""

    nat: str
    rule: str
    change: Change
    probe: Probe

    def __str__(self) -> str:
        return f"{self.nat}-{self.rule}-{self.change.name}".replace(" ", "_")

    def rules(self, uplink: Uplink) -> tuple[Rule, ...]:
        """All rules of the NAT, the wrong one among them."""
        return tuple(
            changed
            for rule in generate(parse(self.nat), uplink)
            for changed in (self.change.of(rule) if rule.name == self.rule else [rule])
        )


def mutants(profiles: Sequence[str] = PROFILES) -> Iterator[Mutant]:
    """Every rule of every profile removed, and every rule that is not the same as one before altered.

    What takes the lifetime of a mapping to be seen is done once for each different rule.
    """
    known: set[tuple[object, ...]] = set()
    for nat in profiles:
        for rule in generate(parse(nat), ANYWHERE):
            for change in (REMOVED, *(change for change in ALTERED if change.fits(rule))):
                probe = change.probe or rule.probe
                key = (rule.name, rule.text, probe, change)
                if key not in known or (change is REMOVED and probe is not Probe.IDLE):
                    known.add(key)
                    yield Mutant(nat, rule.name, change, probe)
