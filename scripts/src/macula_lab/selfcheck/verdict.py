"""What a prober found out about a router, and how that is told. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from macula.nat.profile import Input, Profile, Tcp, Udp

from macula_lab.probe.expectation import Mismatch, expected
from macula_lab.probe.judgement import UNTRANSLATED, Part

_CLASS = (Part.MAPPING, Part.FILTERING, Part.PORTS)
_MORE = {
    Part.SOCKETS: "{} sockets",
    Part.SESSIONS: "{} flows",
    Part.LIFETIME: "lifetime {} s",
    Part.REFRESH: "renewed {}",
}
_UNUSUAL = ((Part.HAIRPIN, "hairpin {}", "off"), (Part.INPUT, "input {}", Input.DROP))


@dataclass(frozen=True, slots=True)
class Verdict:
    """One router, seen from one network behind it."""

    router: str
    network: str
    called: str
    """as the file or the person called it"""
    nat: Profile
    observed: Mapping[Part, str] = field(default_factory=dict)
    mismatches: Sequence[Mismatch] = ()
    seconds: float = 0.0
    unchecked: Sequence[str] = ()
    """checks that were left out because they need more flows than the NAT allows"""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """the observations"""

    @property
    def ok(self) -> bool:
        """Whether it is what it is called."""
        return not self.mismatches

    def of(self, called: str) -> "Verdict":
        """The same, with the name that it was called by."""
        return replace(self, called=called)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "router": self.router,
            "network": self.network,
            "called": self.called,
            "expected": {str(part): word for part, word in expected(self.nat).items() if part in self.observed},
            "seen": {str(part): word for part, word in self.observed.items()},
            "mismatches": [asdict(one) for one in self.mismatches],
            "unchecked": list(self.unchecked),
            "ok": self.ok,
            "seconds": round(self.seconds, 3),
            "evidence": dict(self.evidence),
        }

    def line(self) -> str:
        """One line for people."""
        left_out = f", without {', '.join(self.unchecked)}" if self.unchecked else ""
        if self.ok:
            return f"{self.router} is {self.called}: {seen(self.observed)} ({self.seconds:.1f} s{left_out})"
        return f"{self.router} is not {self.called}: {'; '.join(map(str, self.mismatches))} ({self.seconds:.1f} s)"


def together(verdicts: Sequence[Verdict], unchecked: Sequence[str]) -> Verdict:
    """What several visits to the same router found."""
    return replace(
        verdicts[0],
        observed={part: word for one in verdicts for part, word in one.observed.items()},
        mismatches=[wrong for one in verdicts for wrong in one.mismatches],
        seconds=sum(one.seconds for one in verdicts),
        unchecked=tuple(unchecked),
        evidence={name: found for one in verdicts for name, found in one.evidence.items()},
    )


def seen(observed: Mapping[Part, str]) -> str:
    """What was seen of a NAT, or is to be seen, in a few words."""
    udp, translation = observed.get(Part.UDP, Udp.ALLOW), observed.get(Part.TRANSLATION)
    if udp != Udp.ALLOW:
        words = [f"UDP {udp}"]
    elif translation == UNTRANSLATED:
        words = ["no translation"]
    else:
        words = [observed[part] for part in _CLASS if part in observed]
        words += [told.format(observed[part]) for part, told in _MORE.items() if part in observed]
        words += [told.format(word) for part, told, usual in _UNUSUAL if (word := observed.get(part, usual)) != usual]
    if (tcp := observed.get(Part.TCP, Tcp.ALLOW)) != Tcp.ALLOW:
        words.append(f"TCP {tcp}")
    return ", ".join(words)
