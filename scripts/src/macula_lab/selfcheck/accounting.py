"""Whether a router tells what a prober knows to have happened: its mappings, and what it dropped and why. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from macula.nat.profile import Filtering, Profile

from macula_lab.probe.expectation import Mismatch
from macula_lab.probe.tcp import Outcome

Seen = Mapping[str, Any]
"""observations as JSON"""


class Mapped(NamedTuple):
    """A mapping that the router must show."""

    protocol: str
    inside: str
    outside: str
    remote: str

    def __str__(self) -> str:
        return f"{self.protocol} mapping {self.inside} -> {self.outside} to {self.remote}"


class Dropped(NamedTuple):
    """A drop that the router must show."""

    reason: str
    protocol: str
    source: str
    destination: str

    def __str__(self) -> str:
        return f"{self.protocol} {self.source} -> {self.destination} dropped as {self.reason}"


def untold(nat: Profile, seen: Seen, shown: Mapping[str, Any]) -> list[str]:
    """What happened, according to the prober, and is not in `macula-router show`, or the reverse.

    Nothing of a plain router.
    """
    if not nat.translates:
        return []
    told = {(one["protocol"], one["inside"], one["outside"]): set(one["remotes"]) for one in shown["mappings"]}
    lost = [one for one in mappings(seen) if one.remote not in told.get(one[:3], ())]
    drops = {Dropped(one["reason"], one["protocol"], one["source"], one["destination"]) for one in shown["drops"]}
    unseen = [one for one in dropped(nat, seen) if one not in drops]
    arrived = {(one.protocol, one.remote, one.outside) for one in mappings(seen)}
    lies = [f"{drop}, and arrived" for drop in sorted(drops) if drop[1:] in arrived]
    return [*map(str, lost), *map(str, unseen), *lies]


def mismatches(nat: Profile, seen: Seen, shown: Mapping[str, Any]) -> list[Mismatch]:
    """What is untold, as a mismatch."""
    lost = untold(nat, seen, shown)
    return [Mismatch("accounting", "all of it told", f"not told: {'; '.join(lost)}", "accounting")] if lost else []


def mappings(seen: Seen) -> Iterator[Mapped]:
    """Every mapping that was in use."""
    server = seen.get("server", {})
    for asking in [*seen.get("sockets", ()), *seen.get("neighbours", ())]:
        for place, outside in asking["seen"]:
            if outside:
                yield Mapped("udp", asking["local"], outside, server[place])
    if filtered := seen.get("filtering"):
        for place in (place for place, came in filtered["came"].items() if came):
            yield Mapped("udp", filtered["local"], filtered["outside"], server[place])
    if (hairpin := seen.get("hairpin")) and hairpin.get("source") and hairpin["answered"]:
        yield Mapped("udp", hairpin["receiver"], hairpin["receiver_outside"], hairpin["source"])
    for connecting in seen.get("tcp", {}).values():
        if connecting.get("seen"):
            yield Mapped("tcp", connecting["local"], connecting["seen"], connecting["to"])


def dropped(nat: Profile, seen: Seen) -> Iterator[Dropped]:
    """Every drop that must have happened."""
    server: Sequence[str] = list(seen.get("server", {}).values())
    contact, sessions = seen.get("contact"), seen.get("sessions")
    if contact and not contact.get("seen"):
        yield Dropped("blocked", "udp", contact["local"], server[0])
    for connecting in seen.get("tcp", {}).values():
        if connecting["outcome"] != Outcome.OPEN:
            yield Dropped("blocked", "tcp", connecting["local"], connecting["to"])
    for intrusion in seen.get("intrusion", ()):
        if not intrusion["reached"]:
            yield Dropped("private", intrusion["protocol"], intrusion["origin"], intrusion["to"])
    if unsolicited := seen.get("unsolicited"):
        yield Dropped("no_mapping", "udp", unsolicited["origin"], unsolicited["to"])
    if connecting_in := seen.get("tcp_in"):
        yield Dropped("no_mapping", "tcp", connecting_in["local"], connecting_in["to"])
    yield from _filtered(nat, seen)
    for local in seen.get("crowd", {}).get("unanswered", ()):
        yield Dropped("exhausted", "udp", local, server[0])
    if sessions and not sessions["beyond"]:
        yield Dropped("exhausted", "udp", sessions["local"], server[0])
    if sessions and sessions["tcp"]["outcome"] != Outcome.OPEN:
        yield Dropped("exhausted", "tcp", sessions["tcp"]["local"], sessions["tcp"]["to"])


def _filtered(nat: Profile, seen: Seen) -> Iterator[Dropped]:
    for early in seen.get("early", ()):
        if early.get("mapped") and nat.filtering is not Filtering.ENDPOINT_INDEPENDENT:
            yield Dropped("filtered", "udp", early["peer"], early["mapped"])
    if (hairpin := seen.get("hairpin")) and not hairpin.get("source"):
        yield Dropped("filtered", "udp", hairpin["sender"], hairpin["receiver_outside"])
